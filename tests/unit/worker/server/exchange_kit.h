/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_TESTS_UNIT_WORKER_SERVER_EXCHANGE_KIT_H
#define ESP_TESTS_UNIT_WORKER_SERVER_EXCHANGE_KIT_H

/* exchange_kit.h - servers that are up, for tests of exchanges */

#include "tests/unit/worker/server/server_kit.h"

enum { MOST = 3 };
static struct fake f[MOST];

static inline void given (struct set *k, size_t n)
{
    set_defaults (k);
    for (size_t i = 0; i < n; i++) {
        fake_start (&f[i], "vllm");
        set_add (k, raw_server_url (f[i].s));
    }
    set_open (k);
    for (size_t i = 0; i < n; i++)
        UNTIL (k, up (k, i));
}

static inline void end (struct set *k, size_t n)
{
    set_close (k);
    for (size_t i = 0; i < n; i++)
        raw_server_stop (f[i].s);
}

/* Start n exchanges. */
static inline void fill (struct set *k, struct talk *t, unsigned n, uint64_t home, uint64_t spread)
{
    for (unsigned i = 0; i < n; i++) {
        t[i].ask.home = home;
        t[i].ask.spread = spread;
        talk_start (k, &t[i]);
    }
    set_pass (k);
}

#endif
