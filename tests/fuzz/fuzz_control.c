/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_control.c - any bytes as a control message and as published events
 *
 * No crash; what was read can be written, reads back, and writes the same bytes.
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

static void as_control (wire_codec *codec, span bytes)
{
    esp_buf first = {0}, second = {0};
    control_message m;
    if (wire_control_decode (codec, bytes, &m) == ESP_OK) {
        check (wire_control_encode (codec, &m, &first));
        check (wire_control_decode (codec, esp_buf_span (&first), &m));
        check (wire_control_encode (codec, &m, &second));
        assert (span_equal (esp_buf_span (&first), esp_buf_span (&second)));
    }
    esp_buf_free (&first);
    esp_buf_free (&second);
}

static void as_events (wire_codec *codec, span bytes)
{
    esp_buf first = {0}, second = {0};
    const event *events;
    run_status status;
    uint64_t sequence;
    size_t count;
    if (wire_events_decode (codec, bytes, &sequence, &status, &events, &count) == ESP_OK) {
        check (wire_events_encode (codec, sequence, &status, events, count, &first));
        check (
            wire_events_decode (codec, esp_buf_span (&first), &sequence, &status, &events, &count));
        check (wire_events_encode (codec, sequence, &status, events, count, &second));
        assert (span_equal (esp_buf_span (&first), esp_buf_span (&second)));
    }
    esp_buf_free (&first);
    esp_buf_free (&second);
}

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
    span bytes = span_make ((const char *)data, size);
    wire_codec *codec = NULL;
    check (wire_codec_create (&codec));
    as_control (codec, bytes);
    as_events (codec, bytes);
    wire_codec_destroy (codec);
    return 0;
}
