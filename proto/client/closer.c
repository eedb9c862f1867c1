/* SPDX-License-Identifier: Apache-2.0 */
/* closer.c - see closer.h */

#include "proto/client/closer.h"
#include <nng/nng.h>
#include <pthread.h>
#include <time.h>
#include "proto/base/alloc.h"

enum { PATIENCE_NS = 500000000 };

struct closing { /* shared by two threads; whoever leaves last frees it */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    uint32_t socket;
    bool closed, abandoned;
};

static void release (struct closing *c)
{
    pthread_cond_destroy (&c->changed);
    pthread_mutex_destroy (&c->lock);
    esp_free (c);
}

static void *close_it (void *arg)
{
    struct closing *c = arg;
    bool last;
    nng_close ((nng_socket){c->socket});
    pthread_mutex_lock (&c->lock);
    c->closed = true;
    last = c->abandoned;
    pthread_cond_signal (&c->changed);
    pthread_mutex_unlock (&c->lock);
    if (last)
        release (c);
    return NULL;
}

static void prepare (struct closing *c, uint32_t socket)
{
    pthread_condattr_t monotonic;
    pthread_condattr_init (&monotonic);
    pthread_condattr_setclock (&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init (&c->changed, &monotonic);
    pthread_condattr_destroy (&monotonic);
    pthread_mutex_init (&c->lock, NULL);
    c->socket = socket;
}

static bool wait_for (struct closing *c)
{
    struct timespec until;
    bool closed;
    int timed = 0;
    clock_gettime (CLOCK_MONOTONIC, &until);
    until.tv_nsec += PATIENCE_NS;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_mutex_lock (&c->lock);
    while (!c->closed && timed == 0)
        timed = pthread_cond_timedwait (&c->changed, &c->lock, &until);
    closed = c->closed;
    c->abandoned = !closed;
    pthread_mutex_unlock (&c->lock);
    return closed;
}

bool closer_close (uint32_t socket)
{
    struct closing *c = esp_calloc (1, sizeof (*c));
    pthread_t thread;
    bool closed;
    if (!c) {
        nng_close ((nng_socket){socket});
        return true;
    }
    prepare (c, socket);
    if (pthread_create (&thread, NULL, close_it, c) != 0) {
        nng_close ((nng_socket){socket});
        release (c);
        return true;
    }
    pthread_detach (thread);
    if ((closed = wait_for (c)))
        release (c);
    return closed;
}
