/* SPDX-License-Identifier: Apache-2.0 */
/* test_journal_sets.c - ranges and sets of keys (journal_private.h) */

#include <stdlib.h>
#include "coordinator/journal/journal_private.h"
#include "proto/base/alloc.h"
#include "proto/base/rng.h"
#include "tests/support/suite.h"

static void neighbours_become_one_range (void)
{
    journal_ranges r = {0};
    CHECK (!journal_ranges_has (&r, 5, 1));
    PASS (journal_ranges_add (&r, 5));
    PASS (journal_ranges_add (&r, 7));
    CHECK (r.count == 2);
    PASS (journal_ranges_add (&r, 6));
    CHECK (r.count == 1 && r.items[0].first == 5 && r.items[0].count == 3);
    PASS (journal_ranges_add (&r, 6));
    PASS (journal_ranges_add (&r, 0));
    PASS (journal_ranges_add (&r, UINT64_MAX - 1));
    CHECK (r.count == 3);
    CHECK (journal_ranges_has (&r, 5, 3) && !journal_ranges_has (&r, 5, 4) &&
           !journal_ranges_has (&r, 4, 2));
    CHECK (journal_ranges_has (&r, UINT64_MAX - 1, 1) && !journal_ranges_has (&r, UINT64_MAX, 1));
    FAILS (journal_ranges_add (&r, UINT64_MAX), ESP_EINVAL);
    journal_ranges_free (&r);
}

static void any_order_gives_what_a_plain_table_gives (void)
{
    enum { KEYS = 400 };
    bool plain[KEYS + 1] = {false};
    journal_ranges r = {0};
    size_t runs = 0;
    for (uint64_t i = 0; i < 300; i++) {
        uint32_t key = esp_draw_below (1, i, KEYS);
        plain[key] = true;
        PASS (journal_ranges_add (&r, key));
    }
    for (uint32_t key = 0; key < KEYS; key++) {
        CHECK (journal_ranges_has (&r, key, 1) == plain[key]);
        runs += plain[key] && !plain[key + 1];
    }
    CHECK (r.count == runs);
    journal_ranges_free (&r);
}

static void ranges_out_of_order_are_refused (void)
{
    static const key_range good[] = {{1, 2}, {3, 1}, {9, 9}}, overlap[] = {{1, 3}, {3, 1}},
                           empty[] = {{1, 0}}, wraps[] = {{5, UINT64_MAX}},
                           back[] = {{5, 1}, {1, 1}};
    journal_ranges r = {0};
    PASS (journal_ranges_copy (&r, NULL, 0));
    PASS (journal_ranges_copy (&r, good, 3));
    CHECK (r.count == 3);
    FAILS (journal_ranges_copy (&r, overlap, 2), ESP_EFORMAT);
    FAILS (journal_ranges_copy (&r, empty, 1), ESP_EFORMAT);
    FAILS (journal_ranges_copy (&r, wraps, 1), ESP_EFORMAT);
    FAILS (journal_ranges_copy (&r, back, 2), ESP_EFORMAT);
    CHECK (r.count == 3);
    journal_ranges_free (&r);
}

static void a_set_of_keys_keeps_each_once_in_order_of_arrival (void)
{
    journal_keys k = {0};
    for (int round = 0; round < 2; round++)
        for (uint64_t i = 0; i < 1000; i++)
            PASS (journal_keys_add (&k, i * 7919));
    PASS (journal_keys_add (&k, UINT64_MAX - 1));
    FAILS (journal_keys_add (&k, UINT64_MAX), ESP_EINVAL);
    CHECK (k.count == 1001);
    CHECK (k.list[0] == 0 && k.list[999] == 999 * 7919 && k.list[1000] == UINT64_MAX - 1);
    journal_keys_free (&k);
}

static void survives_failure_of_every_allocation (void)
{
    esp_err err = ESP_ENOMEM;
    for (long n = 0; err != ESP_OK && n < 100; n++) {
        journal_keys k = {0};
        journal_ranges r = {0};
        esp_alloc_fail_after (n);
        err = ESP_OK;
        for (uint64_t i = 0; i < 200 && err == ESP_OK; i++)
            if ((err = journal_keys_add (&k, i)) == ESP_OK)
                err = journal_ranges_add (&r, i * 2);
        journal_keys_free (&k);
        journal_ranges_free (&r);
        esp_alloc_fail_after (-1);
        CHECK (esp_alloc_live () == 0);
    }
    CHECK (err == ESP_OK);
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"neighbours become one range", neighbours_become_one_range},
        {"any order gives what a plain table gives", any_order_gives_what_a_plain_table_gives},
        {"ranges out of order are refused", ranges_out_of_order_are_refused},
        {"a set of keys keeps each once, in order of arrival",
         a_set_of_keys_keeps_each_once_in_order_of_arrival},
        {"survives failure of every allocation", survives_failure_of_every_allocation},
        {NULL, NULL},
    };
    return suite_main ("journal_sets", cases);
}
