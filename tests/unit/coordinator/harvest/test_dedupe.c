/* SPDX-License-Identifier: Apache-2.0 */
/* test_dedupe.c - against a plain quadratic search; memory per sample */

#include "coordinator/harvest/dedupe.h"
#include <stdio.h>
#include "tests/support/suite.h"

enum { N = 3000 };

static uint64_t draw (uint64_t *state)
{
    *state = *state * 6364136223846793005ULL + 1442695040888963407ULL;
    return *state ^ *state >> 29;
}

/* Many families: a hash, and others that differ from it in few bits. */
static void make (uint64_t *content, uint64_t *simhash, uint64_t seed)
{
    for (int i = 0; i < N; i++) {
        uint64_t from = i > 0 ? (uint64_t)i * 7 / 8 : 0;
        content[i] = draw (&seed);
        simhash[i] = draw (&seed);
        if (i > 0 && draw (&seed) % 2) { /* near an earlier one, by 0 to 9 bits */
            int bits = (int)(draw (&seed) % 10);
            simhash[i] = simhash[from];
            for (int b = 0; b < bits; b++)
                simhash[i] ^= 1ULL << draw (&seed) % 64;
        }
        if (i > 0 && draw (&seed) % 10 == 0) {
            content[i] = content[from];
            simhash[i] = simhash[from];
        }
    }
}

static bool
plain_repeats (const uint64_t *content, const uint64_t *simhash, const bool *kept, int i, int near)
{
    for (int k = 0; k < i; k++)
        if (kept[k] && (content[k] == content[i] ||
                        (near >= 0 && __builtin_popcountll (simhash[k] ^ simhash[i]) <= near)))
            return true;
    return false;
}

static void the_same_are_kept_as_by_comparing_all_pairs (void)
{
    static uint64_t content[N], simhash[N];
    static bool kept[N];
    for (int near = -1; near <= DEDUPE_NEAR_MOST; near++) {
        dedupe *d;
        int wrong = 0, repeats = 0;
        make (content, simhash, 17 + (uint64_t)(near + 1));
        PASS (dedupe_create (near, &d));
        for (int i = 0; i < N; i++)
            PASS (dedupe_note (d, content[i], simhash[i]));
        for (int i = 0; i < N; i++) {
            bool again = plain_repeats (content, simhash, kept, i, near);
            kept[i] = !again;
            wrong += (dedupe_look (d, (uint32_t)i, NULL) != DEDUPE_NEW) != again;
            repeats += again;
            if (kept[i])
                dedupe_keep (d, (uint32_t)i);
        }
        CU_ASSERT_EQUAL (wrong, 0);
        CHECK (repeats > N / 20 && repeats < N);
        dedupe_destroy (d);
    }
}

static void it_says_which_one_is_repeated_and_whether_it_is_equal (void)
{
    dedupe *d;
    uint32_t of;
    PASS (dedupe_create (2, &d));
    PASS (dedupe_note (d, 1, 0xff00));
    PASS (dedupe_note (d, 1, 0xff00));
    PASS (dedupe_note (d, 2, 0xff03));
    PASS (dedupe_note (d, 3, 0xff07));
    CHECK (dedupe_look (d, 1, NULL) == DEDUPE_NEW); /* nothing is kept yet */
    dedupe_keep (d, 0);
    CHECK (dedupe_look (d, 1, &of) == DEDUPE_EQUAL && of == 0);
    CHECK (dedupe_look (d, 2, &of) == DEDUPE_NEAR && of == 0);
    CHECK (dedupe_look (d, 3, &of) == DEDUPE_NEW);
    dedupe_destroy (d);
}

static void a_sample_takes_at_most_40_bytes (void)
{
    enum { MANY = 1000000 };
    dedupe *d;
    uint64_t seed = 5;
    PASS (dedupe_create (3, &d));
    for (int i = 0; i < MANY; i++) {
        PASS (dedupe_note (d, draw (&seed), draw (&seed)));
        dedupe_keep (d, (uint32_t)i);
    }
    CHECK (dedupe_bytes (d) <= 40ULL * MANY);
    printf ("    %.1f bytes a sample\n", (double)dedupe_bytes (d) / MANY);
    dedupe_destroy (d);
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"the same are kept as by comparing all pairs",
         the_same_are_kept_as_by_comparing_all_pairs},
        {"it says which one is repeated, and whether it is equal",
         it_says_which_one_is_repeated_and_whether_it_is_equal},
        {"a sample takes at most 40 bytes", a_sample_takes_at_most_40_bytes},
        {NULL, NULL},
    };
    return suite_main ("dedupe", cases);
}
