/* SPDX-License-Identifier: Apache-2.0 */
// LINK: esp_config
/* test_tot_texts.c - what coordinator/search/tot_texts.h promises */

#include "coordinator/search/tot_texts.h"
#include "tests/unit/coordinator/search/plays.h"

/* Many that want the same place. */
static uint64_t text_at (uint32_t i)
{
    return (uint64_t)(i + 1) << 32 | i % 3;
}

static void texts_keep_what_is_known_of_them (void)
{
    player p;
    tot_texts t = {.count = 0};
    tot_text *place;
    PASS (player_read (&p, "strategy: tot"));
    world_open (&p.w);
    for (uint32_t i = 0; i < 1000; i++) {
        PASS (tot_texts_add (p.w.s, &t, text_at (i), &place));
        CHECK (place->step == 0 && !place->valued && place->text == text_at (i));
        *place = (tot_text){text_at (i), i, i + 1, true};
    }
    for (uint32_t i = 0; i < 1000; i++) {
        PASS (tot_texts_add (p.w.s, &t, text_at (i), &place));
        CHECK (place->step == i + 1 && place->value == i && place->valued);
        CHECK (tot_texts_find (&t, text_at (i)) == place);
    }
    CHECK (t.count == 1000 && t.cap >= 2000);
    player_close (&p);
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"texts keep what is known of them", texts_keep_what_is_known_of_them},
        {NULL, NULL},
    };
    return suite_main ("tot_texts", cases);
}
