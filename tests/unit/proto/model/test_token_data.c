/* SPDX-License-Identifier: Apache-2.0 */
/* test_token_data.c - what proto/model/token_data.h promises */

#include "proto/model/token_data.h"
#include <math.h>
#include <string.h>
#include "proto/base/alloc.h"
#include "tests/support/suite.h"

static const token_logprob tokens[] = {{7, -0.5f}, {TOKEN_ID_NONE, NAN}},
                           top[] = {{7, -0.5f}, {9, -1.25f}, {1, -2}, {TOKEN_ID_NONE, NAN}};

static void what_was_encoded_is_read_again (void)
{
    esp_buf bytes = {0};
    token_data d;
    PASS (token_data_encode (tokens, 2, top, 2, &bytes));
    PASS (token_data_decode (esp_buf_span (&bytes), &d));
    CHECK (d.count == 2 && d.top == 2);
    CHECK (token_data_at (&d, 0).id == 7 && token_data_at (&d, 0).logprob == -0.5f);
    CHECK (token_data_at (&d, 1).id == TOKEN_ID_NONE && isnan (token_data_at (&d, 1).logprob));
    CHECK (token_data_alternative (&d, 0, 1).id == 9);
    CHECK (token_data_alternative (&d, 1, 0).logprob == -2);
    esp_buf_free (&bytes);
}

static void nothing_is_a_sample_without_tokens (void)
{
    esp_buf bytes = {0};
    token_data d;
    PASS (token_data_encode (NULL, 0, NULL, 0, &bytes));
    PASS (token_data_decode (esp_buf_span (&bytes), &d));
    CHECK (d.count == 0 && d.top == 0);
    esp_buf_free (&bytes);
}

static void other_lengths_are_refused (void)
{
    esp_buf bytes = {0};
    token_data d = {.count = 77};
    PASS (token_data_encode (tokens, 2, top, 2, &bytes));
    for (size_t len = 0; len < bytes.len; len++)
        FAILS (token_data_decode (span_make (bytes.data, len), &d), ESP_EFORMAT);
    memset (bytes.data, 0xff, 8); /* a count that is far too large */
    FAILS (token_data_decode (esp_buf_span (&bytes), &d), ESP_EFORMAT);
    CHECK (d.count == 77);
    FAILS (token_data_encode (tokens, TOKEN_DATA_COUNT_MAX + 1, NULL, 0, &bytes), ESP_EINVAL);
    FAILS (token_data_encode (tokens, 1, top, TOKEN_DATA_TOP_MAX + 1, &bytes), ESP_EINVAL);
    esp_buf_free (&bytes);
}

static void out_of_memory_leaves_the_buffer (void)
{
    esp_buf bytes = {0};
    esp_alloc_fail_after (0);
    FAILS (token_data_encode (tokens, 2, top, 2, &bytes), ESP_ENOMEM);
    esp_alloc_fail_after (-1);
    CHECK (bytes.len == 0);
    esp_buf_free (&bytes);
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"what was encoded is read again", what_was_encoded_is_read_again},
        {"nothing is a sample without tokens", nothing_is_a_sample_without_tokens},
        {"other lengths are refused", other_lengths_are_refused},
        {"out of memory leaves the buffer", out_of_memory_leaves_the_buffer},
        {NULL, NULL},
    };
    return suite_main ("token data", cases);
}
