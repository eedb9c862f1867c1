/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_sse.c - any bytes as a stream of events: no crash, and the same events however the stream is cut
 *
 * The first byte says how large the pieces are, the rest is the stream.
 */

// LINK: esp_http

#include <assert.h>
#include "proto/base/alloc.h"
#include "proto/base/hash.h"
#include "worker/http/sse.h"

enum {
    EVENT_BYTES = 1 << 16
}; /* over the fuzzer's longest input: the limit itself depends on the cuts */

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

/* A hash over all events and the end of the stream. */
static uint64_t read_stream (span stream, size_t piece)
{
    sse *s = NULL;
    span name, value;
    uint64_t sum = 0;
    esp_err err = sse_create (EVENT_BYTES, &s);
    assert (err == ESP_OK);
    for (size_t at = 0, n; at < stream.len; at += n) {
        n = stream.len - at < piece ? stream.len - at : piece;
        err = sse_push (s, span_make (stream.ptr + at, n));
        assert (err == ESP_OK);
        while ((err = sse_next (s, &name, &value)) == ESP_OK) {
            assert (value.len > 0);
            sum = esp_hash_mix_span (esp_hash_mix_span (sum, name), value);
        }
        assert (err == ESP_EEMPTY);
    }
    sum = esp_hash_mix (sum, (uint64_t)sse_finish (s));
    sse_destroy (s);
    return sum;
}

/* With a small limit only memory is at stake. */
static void read_with_limit (span stream, size_t piece)
{
    sse *s = NULL;
    span name, value;
    esp_err err = sse_create (16, &s);
    for (size_t at = 0, n; err == ESP_OK && at < stream.len; at += n) {
        n = stream.len - at < piece ? stream.len - at : piece;
        err = sse_push (s, span_make (stream.ptr + at, n));
        while (err == ESP_OK)
            err = sse_next (s, &name, &value);
        err = err == ESP_EEMPTY ? ESP_OK : err;
    }
    assert (err == ESP_OK || err == ESP_ETOOBIG);
    (void)sse_finish (s);
    sse_destroy (s);
}

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
    span stream = span_make ((const char *)data + 1, size ? size - 1 : 0);
    size_t piece = size ? data[0] % 32u + 1 : 1;
    if (size == 0 || size > EVENT_BYTES)
        return 0;
    assert (read_stream (stream, piece) == read_stream (stream, stream.len + 1));
    read_with_limit (stream, piece);
    assert (esp_alloc_live () == 0);
    return 0;
}
