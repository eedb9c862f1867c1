/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_verdict.c - any bytes as a line of a user's verifier, as a problem and as a branch: no crash; what is taken is a verdict within
 * its limits; what we send is one line */

// LINK: esp_verifier

#include <assert.h>
#include <math.h>
#include <string.h>
#include "proto/base/alloc.h"
#include "worker/verifier/verdict_line.h"

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
    span text = span_make ((const char *)data, size);
    const char *why = NULL;
    verdict_line v = {0};
    esp_buf buf = {0};
    if (verdict_line_read (text, &v, &why) == ESP_OK) {
        assert (v.verdict != VERDICT_NONE && (isnan (v.share) || (v.share >= 0 && v.share <= 1)));
        assert (v.reason.len <= VERDICT_REASON_BYTES && v.answer.len <= VERDICT_ANSWER_BYTES &&
                v.observation.len <= VERDICT_OBSERVATION_BYTES);
        assert (esp_utf8_valid (v.reason) && esp_utf8_valid (v.answer) &&
                esp_utf8_valid (v.observation));
        verdict_line_free (&v);
    } else {
        assert (why);
    }
    if (verdict_line_write (1, span_of ("{\"answer\": \"1\"}"), text, &buf) == ESP_OK)
        assert (!memchr (buf.data, '\n', buf.len) && esp_utf8_valid (esp_buf_span (&buf)));
    esp_buf_clear (&buf);
    if (verdict_line_write (1, text, span_of ("\\boxed{1}"), &buf) == ESP_OK)
        assert (!memchr (buf.data, '\n', buf.len));
    esp_buf_free (&buf);
    assert (esp_alloc_live () == 0);
    return 0;
}
