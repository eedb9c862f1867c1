/* SPDX-License-Identifier: Apache-2.0 */
/* roster.c - workers in load levels
 *
 * Per task kind there is one list of workers for every number of tasks in flight; a worker with room stands in the
 * list of its load.  The lowest list that may hold somebody is remembered, so picking and updating cost O(1) amortised
 * with 10 or 10,000 workers.
 *
 * Invariants (roster_check):
 *   I1  a worker is listed for a kind exactly when it is ready, not reserved, not draining and in_flight < slots
 *   I2  it stands in level in_flight
 *   I3  no level below `lowest` holds anybody
 *   I4  able, listed and slots are sums over the workers as they were at their last update
 */

#include "coordinator/dispatch/roster.h"
#include <assert.h>
#include <string.h>
#include "proto/base/alloc.h"
#include "proto/base/hash.h"
#include "proto/base/prefetch.h"

enum {
    LEVELS = 4096, /* slots of one worker and kind that are told apart; more are treated as 4,095 */
    KNOWN =
        1024, /* nodes remembered per worker; too few: texts are sent again, too many: memory x workers */
    HOMES = 1 << 16 /* prefixes with a home; too few: prefix caches are missed */
};

const char *const worker_state_names[5] = {"absent", "opening", "ready", "refused", "dead"};

struct home {
    uint64_t key; /* hash of problem and node */
    int rank;
};

struct roster {
    int size;
    worker *workers;         /* owned; [0] is unused */
    int *levels[TASK_KINDS]; /* owned; first rank in each level, -1 = none */
    int *ends[TASK_KINDS];   /* last rank in each level: a round robin among equals */
    uint32_t lowest[TASK_KINDS];
    uint32_t able[TASK_KINDS];   /* ready workers that can do the kind */
    uint32_t listed[TASK_KINDS]; /* workers in the levels */
    uint64_t slots[TASK_KINDS];  /* of ready workers */
    struct home *homes;          /* owned */
};

static uint64_t node_hash (problem_key key, node_ref n)
{
    uint64_t h = esp_hash_fast (key, n);
    return h ? h : 1;
}

static esp_err make_levels (roster *r, int kind)
{
    r->levels[kind] = esp_reallocarray (NULL, LEVELS, sizeof (int));
    r->ends[kind] = esp_reallocarray (NULL, LEVELS, sizeof (int));
    if (!r->levels[kind] || !r->ends[kind])
        return ESP_ENOMEM;
    for (int i = 0; i < LEVELS; i++)
        r->levels[kind][i] = r->ends[kind][i] = -1;
    r->lowest[kind] = LEVELS;
    return ESP_OK;
}

esp_err roster_create (int size, roster **out)
{
    roster *r;
    if (!out || size < 1)
        return ESP_EINVAL;
    if (!(r = esp_calloc (1, sizeof (*r))))
        return ESP_ENOMEM;
    r->size = size;
    r->workers = esp_calloc ((size_t)size, sizeof (*r->workers));
    r->homes = esp_calloc (HOMES, sizeof (*r->homes));
    if (!r->workers || !r->homes)
        goto fail;
    for (int k = 0; k < TASK_KINDS; k++)
        if (make_levels (r, k) != ESP_OK)
            goto fail;
    for (int i = 0; i < size; i++)
        r->workers[i].rank = i;
    *out = r;
    return ESP_OK;
fail:
    roster_destroy (r);
    return ESP_ENOMEM;
}

void roster_destroy (roster *r)
{
    if (!r)
        return;
    for (int i = 0; r->workers && i < r->size; i++)
        esp_free (r->workers[i].known);
    for (int k = 0; k < TASK_KINDS; k++) {
        esp_free (r->levels[k]);
        esp_free (r->ends[k]);
    }
    esp_free (r->workers);
    esp_free (r->homes);
    esp_free (r);
}

worker *roster_worker (roster *r, int rank)
{
    assert (rank >= 1 && rank < r->size);
    return &r->workers[rank];
}

int roster_size (const roster *r)
{
    return r->size;
}

/* ---- load levels ---- */

static uint32_t level_of (const worker *w, int kind)
{
    return w->in_flight[kind] < LEVELS ? w->in_flight[kind] : LEVELS - 1;
}

static bool has_room (const worker *w, int kind)
{
    return w->state == WORKER_READY && !w->reserved && !w->draining &&
           w->in_flight[kind] < w->slots[kind];
}

static void leave_level (roster *r, worker *w, int kind)
{
    uint32_t level = w->at[kind].level;
    int before = w->at[kind].before, next = w->at[kind].next;
    if (before >= 0)
        r->workers[before].at[kind].next = next;
    else
        r->levels[kind][level] = next;
    if (next >= 0)
        r->workers[next].at[kind].before = before;
    else
        r->ends[kind][level] = before;
    w->at[kind].listed = false;
    r->listed[kind]--;
}

static void join_level (roster *r, worker *w, int kind, uint32_t level)
{
    int last = r->ends[kind][level];
    w->at[kind].before = last;
    w->at[kind].next = -1;
    if (last >= 0)
        r->workers[last].at[kind].next = w->rank;
    else
        r->levels[kind][level] = w->rank;
    r->ends[kind][level] = w->rank;
    w->at[kind].listed = true;
    w->at[kind].level = level;
    r->listed[kind]++;
    if (level < r->lowest[kind])
        r->lowest[kind] = level;
}

void roster_update (roster *r, worker *w)
{
    for (int k = 0; k < TASK_KINDS; k++) {
        uint32_t level = level_of (w, k);
        bool room = has_room (w, k), able = w->state == WORKER_READY && w->slots[k] > 0;
        uint32_t slots = able ? w->slots[k] : 0;
        r->able[k] += (uint32_t)able - (uint32_t)w->at[k].able;
        w->at[k].able = able;
        w->can[k] = w->can[k] || able;
        r->slots[k] = r->slots[k] + slots - w->at[k].counted;
        w->at[k].counted = slots;
        if (w->at[k].listed && (!room || w->at[k].level != level))
            leave_level (r, w, k);
        if (room && !w->at[k].listed)
            join_level (r, w, k, level);
    }
}

static worker *least_loaded (roster *r, int kind)
{
    while (r->lowest[kind] < LEVELS && r->levels[kind][r->lowest[kind]] < 0)
        r->lowest[kind]++;
    return r->lowest[kind] < LEVELS ? &r->workers[r->levels[kind][r->lowest[kind]]] : NULL;
}

bool roster_room (const roster *r, enum task_kind kind)
{
    return r->listed[kind] > 0;
}

worker *
roster_pick (roster *r, enum task_kind kind, problem_key key, node_ref prefix, uint32_t slack)
{
    worker *least = least_loaded (r, (int)kind);
    uint64_t h = node_hash (key, prefix);
    const struct home *home = &r->homes[h % HOMES];
    if (least && home->key == h && home->rank != least->rank) {
        worker *w = &r->workers[home->rank];
        if (has_room (w, (int)kind) && w->in_flight[kind] <= least->in_flight[kind] + slack)
            return w;
    }
    return least;
}

void roster_set_home (roster *r, problem_key key, node_ref prefix, int rank)
{
    uint64_t h = node_hash (key, prefix);
    r->homes[h % HOMES] = (struct home){h, rank};
}

void roster_offer_home (roster *r, problem_key key, node_ref prefix, int rank)
{
    uint64_t h = node_hash (key, prefix);
    if (r->homes[h % HOMES].key != h)
        r->homes[h % HOMES] = (struct home){h, rank};
}

/* ---- what a worker holds ---- */

static uint32_t tag_of (uint64_t h)
{
    return (uint32_t)(h >> 32) | 1U; /* 0 = nothing */
}

bool roster_knows (const worker *w, problem_key key, node_ref n)
{
    uint64_t h = node_hash (key, n);
    return w->known && w->known[h % KNOWN] == tag_of (h);
}

void roster_learn (worker *w, problem_key key, node_ref n)
{
    uint64_t h = node_hash (key, n);
    if (!w->known && !(w->known = esp_calloc (KNOWN, sizeof (*w->known))))
        return; /* it is sent again: slower, not wrong */
    w->known[h % KNOWN] = tag_of (h);
}

void roster_expect (const worker *w, problem_key key, node_ref n)
{
    if (w->known)
        esp_prefetch (&w->known[node_hash (key, n) % KNOWN], 1);
}

void roster_forget_all (worker *w)
{
    if (w->known)
        memset (w->known, 0, KNOWN * sizeof (*w->known));
}

/* ---- counts ---- */

uint32_t roster_in_flight (const worker *w)
{
    uint32_t sum = 0;
    for (int k = 0; k < TASK_KINDS; k++)
        sum += w->in_flight[k];
    return sum;
}

uint32_t roster_able (const roster *r, enum task_kind kind)
{
    return r->able[kind];
}

uint32_t roster_hopeful (const roster *r, enum task_kind kind)
{
    uint32_t n = 0;
    for (int i = 1; i < r->size; i++)
        n += r->workers[i].state == WORKER_READY && r->workers[i].can[kind];
    return n;
}

uint32_t roster_count (const roster *r, enum worker_state state)
{
    uint32_t n = 0;
    for (int i = 1; i < r->size; i++)
        n += r->workers[i].state == state;
    return n;
}

uint64_t roster_slots (const roster *r, enum task_kind kind)
{
    return r->slots[kind];
}

worker *roster_idle (roster *r, enum task_kind kind)
{
    for (int i = 1; i < r->size; i++) {
        worker *w = &r->workers[i];
        if (has_room (w, (int)kind) && roster_in_flight (w) == 0)
            return w;
    }
    return NULL;
}

void roster_check (const roster *r)
{
    for (int i = 1; i < r->size; i++)
        for (int k = 0; k < TASK_KINDS; k++) {
            const worker *w = &r->workers[i];
            assert (w->at[k].listed == has_room (w, k));
            assert (!w->at[k].listed ||
                    (w->at[k].level == level_of (w, k) && w->at[k].level >= r->lowest[k]));
        }
}
