/* SPDX-License-Identifier: Apache-2.0 */
/* generator_slot.c - a branch goes on in the slot of the server that holds it (llama.cpp)
 *
 * Slots are that server's prefix caches.  Left to itself it takes the idle slot with the longest common prefix, so a new
 * problem, whose examples every slot knows, takes the slot of a branch, and siblings that go on at once read their prefix again
 * in other slots.  Of siblings that were asked as one request only the first one's slot keeps its cache (local-models.md, 5).
 *
 * A slot that one of our requests has, or waits for, is not named again: the next one may run elsewhere at once.
 */

#include "worker/engine/generator_inner.h"

enum {
    SLOTS_MOST = 64
}; /* bits of generator_facts.taken; servers with more are rare, and their other slots are theirs */

void generator_slot_give (struct request *r)
{
    struct generator_facts *f;
    if (!r->slot_at)
        return;
    f = server_data (r->slot_at);
    f->taken &= ~((uint64_t)1 << r->ask.slot);
    r->slot_at = NULL;
    r->ask.slot = -1;
}

void generator_slot_take (struct request *r, server *s)
{
    struct generator_facts *f = server_data (s);
    int slot;
    generator_slot_give (r);
    if (!r->owner->shape->traits.slots)
        return;
    slot = servers_home_slot (r->owner->servers, r->home, s);
    if (slot < 0 || slot >= SLOTS_MOST || (f->taken >> slot & 1))
        return;
    f->taken |= (uint64_t)1 << slot;
    r->slot_at = s;
    r->ask.slot = slot;
}
