/* SPDX-License-Identifier: Apache-2.0 */

/* link_memory.c - one inbox per end
 *
 * A death needs no memory: the network keeps the ranks in the order in which they
 * closed, and each end remembers how far it has told them.  One waiter serves the
 * whole network (10,000 ends must not need 10,000 descriptors): all ends are in one
 * thread's hands, so only one can sleep, and any wake is meant for the sleeper.
 *
 * Invariants:
 *   I1  out[r] of an end = its letters in the inbox of r (what the queue limit counts)
 *   I2  letters of the network = letters in all inboxes of open ends
 *   I3  a closed rank has ends[rank] == NULL and stands in closed[] once
 */

#include "proto/link/link_memory.h"
#include <assert.h>
#include <string.h>
#include "proto/base/alloc.h"
#include "proto/link/waiter.h"

struct letter {
    struct letter *next;
    int from;
    size_t len;
    char bytes[];
};

struct load {
    size_t messages, bytes;
};

struct network;
struct memory_end {
    link_end base; /* first: a link_end * is a struct memory_end * */
    struct network *net;
    struct letter *first, *last, *lent; /* inbox, oldest first; lent: the caller looks at it */
    struct load *out;                   /* by receiver; grows to the highest rank sent to */
    size_t out_capacity;
    int told; /* deaths reported (index into net->closed) */
};

struct network {
    struct memory_end **ends; /* by rank; NULL: closed */
    int *closed;              /* ranks in the order in which they closed */
    int closed_count, size;
    size_t letters;
    waiter waiter;
};

static void free_network (struct network *net)
{
    if (!net)
        return;
    esp_free (net->ends);
    esp_free (net->closed);
    waiter_close (&net->waiter);
    esp_free (net);
}

static void free_end (struct memory_end *e)
{
    struct letter *next;
    if (!e)
        return;
    for (struct letter *l = e->first; l; l = next) {
        next = l->next;
        e->net->letters--;
        esp_free (l);
    }
    esp_free (e->lent);
    esp_free (e->out);
    esp_free (e);
}

static struct load *load_of (struct memory_end *e, int rank)
{
    size_t old = e->out_capacity;
    if (esp_grow (&e->out, &e->out_capacity, (size_t)rank + 1, sizeof (*e->out)))
        return NULL;
    if (e->out_capacity > old)
        memset (e->out + old, 0, (e->out_capacity - old) * sizeof (*e->out));
    return &e->out[rank];
}

static esp_err memory_send (link_end *base, int rank, span bytes)
{
    struct memory_end *e = (struct memory_end *)base, *to = e->net->ends[rank];
    struct letter *l;
    struct load *load;
    if (!to)
        return ESP_OK; /* dead: the bytes go nowhere */
    if (!(load = load_of (e, rank)))
        return ESP_ENOMEM;
    if (load->messages >= LINK_QUEUE_MESSAGES ||
        (load->messages > 0 && load->bytes + bytes.len > LINK_QUEUE_BYTES))
        return ESP_EFULL;
    if (!(l = esp_malloc (sizeof (*l) + bytes.len)))
        return ESP_ENOMEM;
    l->next = NULL;
    l->from = base->rank;
    l->len = bytes.len;
    if (bytes.len > 0)
        memcpy (l->bytes, bytes.ptr, bytes.len);
    if (to->last)
        to->last->next = l;
    else
        to->first = l;
    to->last = l;
    e->net->letters++;
    load->messages++;
    load->bytes += bytes.len;
    return ESP_OK;
}

static bool tell_death (struct memory_end *e, link_event *out)
{
    if (e->told == e->net->closed_count)
        return false;
    *out = (link_event){.kind = LINK_DOWN, .rank = e->net->closed[e->told++]};
    return true;
}

static esp_err memory_poll (link_end *base, link_event *out)
{
    struct memory_end *e = (struct memory_end *)base, *from;
    struct letter *l = e->first;
    esp_free (e->lent);
    e->lent = NULL;
    if (!l)
        return tell_death (e, out) ? ESP_OK : ESP_EEMPTY; /* after the last words of the dead */
    if (!(e->first = l->next))
        e->last = NULL;
    e->net->letters--;
    if ((from = e->net->ends[l->from])) {
        from->out[base->rank].messages--;
        from->out[base->rank].bytes -= l->len;
    }
    e->lent = l;
    *out = (link_event){LINK_MESSAGE, l->from, {l->bytes, l->len}};
    return ESP_OK;
}

static void memory_wait (link_end *base, uint64_t timeout_ns, const int *fds, size_t fd_count)
{
    struct memory_end *e = (struct memory_end *)base;
    if (e->net->letters == 0 && e->told == e->net->closed_count)
        (void)waiter_sleep (&e->net->waiter, -1, timeout_ns, fds, fd_count);
}

static void memory_wake (link_end *base)
{
    waiter_wake (&((struct memory_end *)base)->net->waiter);
}

static bool memory_flushed (link_end *base)
{
    (void)base; /* a letter is with its receiver at once */
    return true;
}

static void memory_close (link_end *base, bool clean)
{
    struct memory_end *e = (struct memory_end *)base;
    struct network *net = e->net;
    (void)clean;
    assert (net->ends[base->rank] == e);
    net->ends[base->rank] = NULL;
    net->closed[net->closed_count++] = base->rank;
    free_end (e);
    if (net->closed_count == net->size)
        free_network (net);
}

static const link_table memory_table = {.send = memory_send,
                                        .poll = memory_poll,
                                        .wait = memory_wait,
                                        .wake = memory_wake,
                                        .flushed = memory_flushed,
                                        .close = memory_close};

static struct memory_end *make_end (struct network *net, int rank)
{
    struct memory_end *e = esp_calloc (1, sizeof (*e));
    if (!e)
        return NULL;
    e->base = (link_end){.table = &memory_table,
                         .rank = rank,
                         .size = net->size,
                         .description = "in memory, failures are reported",
                         .reports_deaths = true};
    e->net = net;
    return e;
}

esp_err link_memory_open (int size, link_end **ends)
{
    struct network *net;
    esp_err err;
    if (size < 1 || !ends)
        return ESP_EINVAL;
    if (!(net = esp_calloc (1, sizeof (*net))))
        return ESP_ENOMEM;
    net->size = size;
    if ((err = waiter_open (&net->waiter)) != ESP_OK)
        goto fail;
    err = ESP_ENOMEM;
    net->ends = esp_calloc ((size_t)size, sizeof (struct memory_end *));
    net->closed = esp_calloc ((size_t)size, sizeof (int));
    if (!net->ends || !net->closed)
        goto fail;
    for (int i = 0; i < size; i++)
        if (!(net->ends[i] = make_end (net, i)))
            goto fail;
    for (int i = 0; i < size; i++)
        ends[i] = &net->ends[i]->base;
    return ESP_OK;
fail:
    for (int i = 0; net->ends && i < size; i++)
        free_end (net->ends[i]);
    free_network (net);
    return err;
}
