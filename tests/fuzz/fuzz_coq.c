/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_coq.c - any bytes as a proof, as a problem's row and as what coqc said: no crash; our statement comes before the candidate; what passes
 * was said to be closed, and holds no name of the candidate's */

// LINK: esp_verifier

#include <assert.h>
#include <string.h>
#include "proto/base/alloc.h"
#include "worker/verifier/coq_lex.h"
#include "worker/verifier/coq_reply.h"
#include "worker/verifier/coq_text.h"

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

static void files (span row, span text)
{
    esp_buf candidate = {0}, check = {0};
    coq_case c;
    const char *reason, *word;
    if (coq_files (row, text, &candidate, &check, &c, &reason, &word) == ESP_OK && !reason) {
        size_t stated = span_find (esp_buf_span (&check), span_of ("Proof. Admitted.\n"));
        assert (stated < check.len && strlen (c.name) > 0 && c.first_line <= c.last_line);
        assert (c.require_line < c.chk_line);
    }
    esp_buf_free (&candidate);
    esp_buf_free (&check);
}

static void reply (bool check, int status, span output)
{
    static const char *const allowed[] = {"Coq.A.b"};
    const coq_case c = {
        .name = "t", .first_line = 2, .last_line = 3, .require_line = 4, .chk_line = 5};
    const coq_outcome o = {COQ_SAID, check, status, output};
    coq_verdict verdict = {0};
    esp_buf seen = {0};
    if (coq_judge (&c, &o, allowed, 1, &verdict, &seen) == ESP_OK) {
        assert (verdict.verdict != VERDICT_NONE && verdict.reason);
        assert (seen.len <= COQ_OBSERVATION_MOST && esp_utf8_valid (esp_buf_span (&seen)));
    }
    if (verdict.verdict == VERDICT_PASS)
        assert (check && status == 0 &&
                span_find (output, span_of ("\n" COQ_CANDIDATE)) == output.len);
    esp_buf_free (&seen);
}

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
    span text = span_make ((const char *)data, size), rest = text, sentence;
    size_t seen = 0;
    while (coq_sentence (&rest, &sentence))
        seen += sentence.len;
    assert (seen <= size);
    files (span_of ("{\"formal_statement\": \"Theorem t : True.\"}"), text);
    files (text, span_of ("exact I."));
    reply (false, 1, text);
    reply (true, 1, text);
    reply (true, 0, text);
    assert (esp_alloc_live () == 0);
    return 0;
}
