/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_sandboxfusion.c - any bytes as the answer of a SandboxFusion server: no crash; what is handed to the judge is one line of JSON */

// LINK: esp_verifier

#include <assert.h>
#include <jansson.h>
#include <string.h>
#include "proto/base/alloc.h"
#include "worker/verifier/code_row.h"
#include "worker/verifier/sandboxfusion_reply.h"

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
    span text = span_make ((const char *)data, size);
    esp_buf said = {0};
    esp_error why = {0};
    const char *doubt;
    if (sandboxfusion_read (text, &said, &why) == ESP_OK) {
        json_t *root = json_loadb (said.data, said.len, JSON_ALLOW_NUL, NULL);
        assert (json_is_string (json_object_get (root, "stdout")));
        assert (!memchr (said.data, '\n', said.len));
        json_decref (root);
    } else {
        assert (why.text[0] && said.len == 0);
    }
    esp_buf_clear (&said);
    if (sandboxfusion_ask (text, text, 1, 1, &said) == ESP_OK)
        assert (!memchr (said.data, '\n', said.len) && esp_utf8_valid (esp_buf_span (&said)));
    doubt = code_row_doubt (text); /* rows of problems are as little trusted */
    assert ((doubt == NULL) == (code_row_look (text) == CODE_ROW_GOOD));
    esp_buf_free (&said);
    assert (esp_alloc_live () == 0);
    return 0;
}
