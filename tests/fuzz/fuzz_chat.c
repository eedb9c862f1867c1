/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_chat.c - any bytes as a problem's row and as a template: no crash, and what is written can be read
 *
 * The first byte chooses how; the rest, up to a 0 byte, is the template, and behind it stands the row.
 */

// LINK: esp_prompt

#include <assert.h>
#include <string.h>
#include "proto/base/alloc.h"
#include "worker/prompt/chat.h"

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

/* The row itself stands for the answer and for what was said of it: any bytes. */
static void improve_row (const chat *c, span row, esp_buf *json)
{
    size_t before = json->len;
    esp_error error = {0};
    esp_err err = chat_improve (c, row, row, row, json, &error);
    assert (err == ESP_OK || err == ESP_EFORMAT);
    assert (json->data[json->len - 1] == ']' && (err == ESP_OK) == (json->len > before));
}

static void render_row (const chat *c, span row)
{
    esp_buf json = {0}, prefill = {0}, out = {0};
    esp_error error = {0};
    esp_err err = chat_messages (c, row, NULL, &json, &prefill, &error);
    assert (err == ESP_OK || err == ESP_EFORMAT);
    assert (err == ESP_OK || (json.len == 0 && prefill.len == 0 && error.text[0]));
    if (err == ESP_OK) {
        assert (esp_utf8_valid (esp_buf_span (&json)));
        err = chat_render (c, esp_buf_span (&json), &out, &error);
        assert (err == (chat_how (c) == TEMPLATE_SERVER ? ESP_EINVAL : ESP_OK));
        assert (esp_utf8_valid (esp_buf_span (&out)));
        improve_row (c, row, &json);
    }
    esp_buf_clear (&out);
    err = chat_render (c, row, &out, &error);
    assert (err == ESP_OK || err == ESP_EFORMAT || err == ESP_EINVAL);
    assert (err == ESP_OK || out.len == 0);
    esp_buf_free (&json);
    esp_buf_free (&prefill);
    esp_buf_free (&out);
}

static void use_template (const char *text, int how, span row)
{
    prompt_options o = {.template = text,
                        .chat = how % 3,
                        .system = how & 8 ? "S" : NULL,
                        .improve = how & 16 ? text : NULL};
    chat *c = NULL;
    esp_error error = {0};
    esp_err err = chat_create (&o, &c, &error);
    assert (err == ESP_OK || err == ESP_EINVAL);
    if (err == ESP_OK)
        render_row (c, row);
    chat_destroy (c);
}

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
    const char *text = (const char *)data + 1;
    size_t len;
    char *template;
    if (size < 2)
        return 0;
    len = strnlen (text, size - 1);
    if (!(template = esp_strndup (text, len)))
        return 0;
    len = len < size - 1 ? len + 1 : len;
    use_template (esp_utf8_valid (span_of (template)) ? template : "{problem}", data[0],
                  span_make (text + len, size - 1 - len));
    esp_free (template);
    assert (esp_alloc_live () == 0);
    return 0;
}
