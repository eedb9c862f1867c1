/* SPDX-License-Identifier: Apache-2.0 */
/* generator_slot.c - a branch goes on in the slot of the server that holds it (llama.cpp)
 *
 * Slots are that server's prefix caches.  Left to itself it takes the idle slot with the longest common prefix, so a new
 * problem, whose examples every slot knows, takes the slot of a branch, and siblings that go on at once read their prefix again
 * in other slots.  Of siblings that were asked as one request only the first one's slot keeps its cache (local-models.md, 5).
 *
 * A slot that one of our requests has, or waits for, is not named again: the next one may run elsewhere at once.  Nor is one
 * that another problem was in since: the branch is not there any more; nor one that is gone since the server was started anew
 * with fewer: builds before the end of 2025 let such a request wait for ever.
 */

#include "worker/engine/generator_inner.h"

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
    if (slot < 0 || slot >= SLOTS_KNOWN || (uint32_t)slot >= server_facts_of (s)->slots ||
        (f->taken >> slot & 1) || f->holds[slot] != r->problem)
        return;
    f->taken |= (uint64_t)1 << slot;
    r->slot_at = s;
    r->ask.slot = slot;
}

void generator_slot_note (const struct request *r, const server *s)
{
    struct generator_facts *f = server_data (s);
    for (uint32_t i = 0; r->owner->shape->traits.slots && i < r->ask.n; i++) {
        int slot = r->reply->samples[i].slot;
        if (slot >= 0 && slot < SLOTS_KNOWN)
            f->holds[slot] = i == 0 ? r->problem : 0;
    }
}
