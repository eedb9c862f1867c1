/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_record.c - any bytes as the body of a journal frame: no crash, and what was read can be written
 *
 * What was written reads back and writes the same bytes: one form for each record.
 */

#include <assert.h>
#include <stdint.h>
#include "proto/base/err.h"
#include "proto/wire/wire.h"

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

static void check (esp_err err)
{
    assert (err == ESP_OK);
    (void)err;
}

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
    wire_codec *codec = NULL;
    esp_buf first = {0}, second = {0};
    record r;
    check (wire_codec_create (&codec));
    if (wire_record_decode (codec, span_make ((const char *)data, size), &r) == ESP_OK) {
        assert (r.kind < RECORD_KINDS);
        check (wire_record_encode (codec, &r, &first));
        check (wire_record_decode (codec, esp_buf_span (&first), &r));
        check (wire_record_encode (codec, &r, &second));
        assert (span_equal (esp_buf_span (&first), esp_buf_span (&second)));
    }
    esp_buf_free (&first);
    esp_buf_free (&second);
    wire_codec_destroy (codec);
    return 0;
}
