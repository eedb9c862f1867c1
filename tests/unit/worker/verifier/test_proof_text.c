/* SPDX-License-Identifier: Apache-2.0 */
/* test_proof_text.c - what worker/verifier/proof_text.h promises */

// LINK: esp_engine_table

#include "worker/verifier/proof_text.h"
#include <string.h>
#include "tests/support/suite.h"

static const char *const marks[] = {"coq", "v", NULL};

static void the_last_block_that_fits_is_taken (void)
{
    static const struct {
        const char *text, *block;
    } rows[] = {
        {"auto.", "auto."},
        {"", ""},
        {"```coq\nauto.\n```", "auto.\n"},
        {"Look:\n```\nold.\n```\nbetter:\n  ```v \nnew.\n  ```\nDone.", "new.\n"},
        {"```coq\nauto.\n```\n```python\nprint()\n```", "auto.\n"},
        {"```python\nprint()\n```", "```python\nprint()\n```"},
        {"```coq\nnever ended.", "never ended."},
        {"```coq", ""},
        {"a ``` inside a line", "a ``` inside a line"},
        {"```coq\r\nauto.\r\n```\r\n", "auto.\r\n"},
    };
    for (size_t i = 0; i < sizeof (rows) / sizeof (rows[0]); i++) {
        span got = proof_block (span_of (rows[i].text), marks);
        if (!span_is (got, rows[i].block))
            printf ("    %s: %.*s\n", rows[i].text, (int)got.len, got.ptr);
        CHECK (span_is (got, rows[i].block));
    }
}

static void common_names_of_fields_are_known (void)
{
    static const char *const rows[] = {
        "{\"header\": \"H\", \"formal_statement\": \"S\"}",
        "{\"preamble\": \"H\", \"statement\": \"S\"}",
        "{\"header\": null, \"imports\": \"H\", \"formal_statement\": 3, \"theorem\": \"S\"}",
    };
    for (size_t i = 0; i < sizeof (rows) / sizeof (rows[0]); i++) {
        esp_buf header = {0}, statement = {0};
        PASS (proof_problem (span_of (rows[i]), &header, &statement));
        CU_ASSERT_STRING_EQUAL (esp_buf_text (&header), "H");
        CU_ASSERT_STRING_EQUAL (esp_buf_text (&statement), "S");
        esp_buf_free (&header);
        esp_buf_free (&statement);
    }
}

static void rows_without_a_theorem_are_named (void)
{
    static char large[PROOF_TEXT_MOST + 64];
    esp_buf header = {0}, statement = {0};
    FAILS (proof_problem (span_of ("{\"header\": \"H\"}"), &header, &statement), ESP_ENOENT);
    FAILS (proof_problem (span_of ("[]"), &header, &statement), ESP_EFORMAT);
    FAILS (proof_problem (span_of ("{\"header"), &header, &statement), ESP_EFORMAT);
    FAILS (proof_problem (span_make (NULL, 0), &header, &statement), ESP_EFORMAT);
    memset (large, 'x', sizeof (large) - 1);
    memcpy (large, "{\"theorem\":\"", 12);
    memcpy (large + sizeof (large) - 3, "\"}", 2);
    FAILS (proof_problem (span_of (large), &header, &statement), ESP_ETOOBIG);
    esp_buf_free (&header);
    esp_buf_free (&statement);
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"the last block that fits is taken", the_last_block_that_fits_is_taken},
        {"common names of fields are known", common_names_of_fields_are_known},
        {"rows without a theorem are named", rows_without_a_theorem_are_named},
        {NULL, NULL},
    };
    return suite_main ("proof_text", cases);
}
