/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_math_verify.c - any bytes as a line of the Python process, and as a branch: no crash; a reply that is taken is a verdict with a
 * reason; what we send is one line */

// LINK: esp_verifier

#include <assert.h>
#include <string.h>
#include "proto/base/alloc.h"
#include "worker/verifier/math_verify_line.h"

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
    span text = span_make ((const char *)data, size);
    math_verify_reply reply = {0};
    char version[32], why[256];
    esp_buf buf = {0};
    if (math_verify_read (text, &reply, &buf) == ESP_OK)
        assert (reply.verdict != VERDICT_NONE && reply.reason && buf.len <= 6 * size);
    esp_buf_clear (&buf);
    (void)math_verify_read_ready (text, version, why);
    if (math_verify_ask (1, span_of ("{\"answer\": \"1\"}"), text, &buf) == ESP_OK)
        assert (!memchr (buf.data, '\n', buf.len) && esp_utf8_valid (esp_buf_span (&buf)));
    esp_buf_clear (&buf);
    (void)math_verify_ask (1, text, span_of ("\\boxed{1}"), &buf);
    esp_buf_free (&buf);
    assert (esp_alloc_live () == 0);
    return 0;
}
