/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_lean.c - any bytes as a proof, as a problem's row and as what Lean said: no crash; the body asks for the axioms; what passes said that
 * there are none, or only allowed ones */

// LINK: esp_verifier PkgConfig::JANSSON

#include <assert.h>
#include <string.h>
#include "proto/base/alloc.h"
#include "worker/verifier/lean_reply.h"
#include "worker/verifier/lean_text.h"

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

static void body (span row, span text)
{
    esp_buf header = {0}, out = {0};
    lean_case c;
    const char *reason, *word;
    if (lean_body (row, text, &header, &out, &c, &reason, &word) == ESP_OK && !reason) {
        assert (c.by_line > 0 && c.name[0]);
        assert (span_find (esp_buf_span (&out), span_of ("\n#print axioms ")) < out.len);
    }
    esp_buf_free (&header);
    esp_buf_free (&out);
}

static void reply (span text)
{
    static const char *const allowed[] = {"propext"};
    const lean_case c = {.name = "t", .by_line = 2};
    const lean_rules rules = {allowed, 1, 1};
    json_t *said = json_loadb (text.ptr ? text.ptr : "", text.len, 0, NULL);
    lean_verdict verdict = {0};
    esp_buf seen = {0};
    int64_t env = -1;
    if (said && lean_judge (&c, said, &rules, &verdict, &seen) == ESP_OK)
        assert (verdict.verdict != VERDICT_NONE && esp_utf8_valid (esp_buf_span (&seen)));
    if (verdict.verdict == VERDICT_PASS)
        assert (span_find (text, span_of ("axioms")) < text.len);
    if (said && lean_env (said, &env) == ESP_OK)
        assert (env >= 0);
    esp_buf_free (&seen);
    json_decref (said);
}

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
    span text = span_make ((const char *)data, size);
    body (span_of ("{\"theorem\": \"theorem t : True := by sorry\"}"), text);
    body (text, span_of ("trivial"));
    reply (text);
    assert (esp_alloc_live () == 0);
    return 0;
}
