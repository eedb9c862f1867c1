/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_TESTS_UNIT_WORKER_ENGINE_EXTERNAL_KIT_H
#define ESP_TESTS_UNIT_WORKER_ENGINE_EXTERNAL_KIT_H

/* external_kit.h - an external engine with a clock that can be put forward, and a peer in a thread that does as it is told
 *
 * The peer answers hello and heartbeats by itself; tasks wait until the test says what is answered.
 */

#include <jansson.h>
#include <nng/nng.h>
#include <nng/protocol/pair1/pair.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include "proto/base/alloc.h"
#include "proto/client/closer.h"
#include "tests/support/suite.h"
#include "worker/engine/engines.h"

enum { PATIENCE_MS = 20000, MOST = 256 };

/* ---- the peer ---- */

struct peer {
    nng_socket socket;
    pthread_t thread;
    pthread_mutex_t lock;
    char hello[400]; /* without its head: "\"version\":1, ..." */
    json_int_t session;
    json_t *tasks[MOST]; /* that came, owned */
    size_t task_count, messages, largest;
    json_int_t cancelled[MOST];
    size_t cancel_count, heartbeats, byes;
    atomic_bool mute, stop;
};

#define PRM_HELLO                                                                                  \
    "\"version\":1,\"roles\":[\"generator\",\"prm\",\"verifier\"],\"name\":\"kit\",\"credits\":8," \
    "\"n\":4"

static inline void peer_send (struct peer *p, const char *text)
{
    (void)nng_send (p->socket, (void *)(uintptr_t)text, strlen (text), 0);
}

static inline void peer_take (struct peer *p, const json_t *m)
{
    const char *type = json_string_value (json_object_get (m, "type"));
    char out[600];
    const json_t *t;
    size_t i;
    if (strcmp (type, "hello") == 0) {
        p->session = json_integer_value (json_object_get (m, "session"));
        snprintf (out, sizeof (out), "{\"type\":\"hello\",\"session\":%lld,%s}",
                  (long long)p->session, p->hello);
        peer_send (p, out);
    } else if (strcmp (type, "heartbeat") == 0) {
        p->heartbeats++;
        snprintf (out, sizeof (out), "{\"type\":\"heartbeat\",\"session\":%lld,\"new\":[1]}",
                  (long long)p->session);
        peer_send (p, out);
    } else if (strcmp (type, "tasks") == 0) {
        const json_t *list = json_object_get (m, "tasks");
        p->messages++;
        p->largest = json_array_size (list) > p->largest ? json_array_size (list) : p->largest;
        json_array_foreach (list, i, t) if (p->task_count < MOST) p->tasks[p->task_count++] =
            json_deep_copy (t);
    } else if (strcmp (type, "cancel") == 0) {
        json_array_foreach (json_object_get (m, "ids"), i, t) if (p->cancel_count < MOST)
            p->cancelled[p->cancel_count++] = json_integer_value (t);
    } else if (strcmp (type, "bye") == 0) {
        p->byes++;
    }
}

static inline void *peer_run (void *arg)
{
    struct peer *p = arg;
    nng_socket_set_ms (p->socket, NNG_OPT_RECVTIMEO, 20);
    while (!atomic_load (&p->stop)) {
        char *data = NULL;
        size_t len = 0;
        int code = nng_recv (p->socket, &data, &len, NNG_FLAG_ALLOC);
        json_t *m;
        if (code == NNG_ETIMEDOUT)
            continue;
        if (code != 0)
            break;
        m = json_loadb (data, len, 0, NULL);
        nng_free (data, len);
        if (m && !atomic_load (&p->mute)) {
            pthread_mutex_lock (&p->lock);
            peer_take (p, m);
            pthread_mutex_unlock (&p->lock);
        }
        json_decref (m);
    }
    return NULL;
}

/* url "ipc:///..." is listened at. */
static inline void peer_open (struct peer *p, const char *url, const char *hello)
{
    memset (p, 0, sizeof (*p));
    snprintf (p->hello, sizeof (p->hello), "%s", hello);
    pthread_mutex_init (&p->lock, NULL);
    CU_ASSERT_EQUAL_FATAL (nng_pair1_open (&p->socket), 0);
    CU_ASSERT_EQUAL_FATAL (nng_listen (p->socket, url, NULL, 0), 0);
    CU_ASSERT_EQUAL_FATAL (pthread_create (&p->thread, NULL, peer_run, p), 0);
}

static inline void peer_close (struct peer *p)
{
    atomic_store (&p->stop, true);
    pthread_join (p->thread, NULL);
    closer_close (p->socket.id);
    for (size_t i = 0; i < p->task_count; i++)
        json_decref (p->tasks[i]);
    pthread_mutex_destroy (&p->lock);
}

/* ---- the engine ---- */

struct options { /* as its rows lay it out */
    const char *command, *url, *separator;
    double start_s, timeout_s, heartbeat_s, silence_s;
    int64_t starts;
};

struct got {
    unsigned calls;
    esp_err error;
    result r;
    char text[256], reason[64], answer[64];
    double scores[16];
};

struct kit {
    struct options o;
    esp_clock clock;
    uint64_t ahead_ns;
    engine_setup setup;
    void *state;
    struct peer peer;
    char url[128];
    job jobs[MOST];
    struct got got[MOST];
    unsigned done;
};

static inline uint64_t kit_now (void *ctx)
{
    esp_clock real = esp_clock_monotonic ();
    return esp_clock_ns (&real) + ((const struct kit *)ctx)->ahead_ns;
}

static inline void kit_copy (char *out, size_t size, span text)
{
    snprintf (out, size, "%.*s", (int)text.len, text.ptr ? text.ptr : "");
}

static inline void kit_done (void *ctx, const job *j, const result *r)
{
    struct kit *k = ctx;
    struct got *g = &k->got[j - k->jobs];
    CHECK (j->task.id.number == r->id.number && j->task.id.problem == r->id.problem);
    k->done++;
    g->calls++;
    g->error = r->error;
    g->r = *r;
    kit_copy (g->text, sizeof (g->text), r->text);
    kit_copy (g->reason, sizeof (g->reason), r->reason);
    kit_copy (g->answer, sizeof (g->answer), r->answer);
    for (uint32_t i = 0; i < r->score_count && i < 16; i++)
        g->scores[i] = r->scores[i];
}

static inline void kit_prepare (struct kit *k)
{
    memset (k, 0, sizeof (*k));
    k->clock = (esp_clock){kit_now, k};
    k->o = (struct options){.separator = "\n\n",
                            .start_s = 10,
                            .timeout_s = 300,
                            .heartbeat_s = 1000,
                            .silence_s = 3000,
                            .starts = 5};
    snprintf (k->url, sizeof (k->url), "ipc://%s/peer", suite_folder ());
}

static inline esp_err kit_open (struct kit *k, unsigned role, esp_error *error)
{
    k->setup = (engine_setup){
        .options = &k->o, .role = role, .rank = 3, .clock = &k->clock, .done = kit_done, .ctx = k};
    return engine_external.open (&k->setup, &k->state, error);
}

/* With a peer that listens. */
static inline void given_engine (struct kit *k, unsigned role, const char *hello)
{
    esp_error error = {0};
    kit_prepare (k);
    peer_open (&k->peer, k->url, hello);
    k->o.url = k->url;
    PASS (kit_open (k, role, &error));
}

static inline void kit_end (struct kit *k)
{
    engine_external.close (k->state);
    peer_close (&k->peer);
}

static inline void kit_poll (struct kit *k)
{
    const struct timespec little = {0, 1000000};
    engine_external.poll (k->state);
    nanosleep (&little, NULL);
}

/* Poll until it holds. */
#define UNTIL(k, condition)                                                                        \
    do {                                                                                           \
        for (int until_ms_ = 0; until_ms_ < PATIENCE_MS && !(condition); until_ms_++)              \
            kit_poll (k);                                                                          \
        CHECK (condition);                                                                         \
    } while (0)

static inline size_t tasks_at (struct peer *p)
{
    size_t n;
    pthread_mutex_lock (&p->lock);
    n = p->task_count;
    pthread_mutex_unlock (&p->lock);
    return n;
}

static inline size_t cancels_at (struct peer *p)
{
    size_t n;
    pthread_mutex_lock (&p->lock);
    n = p->cancel_count;
    pthread_mutex_unlock (&p->lock);
    return n;
}

static inline size_t heartbeats_at (struct peer *p)
{
    size_t n;
    pthread_mutex_lock (&p->lock);
    n = p->heartbeats;
    pthread_mutex_unlock (&p->lock);
    return n;
}

static inline json_int_t task_number (struct peer *p, size_t index, const char *key)
{
    json_int_t n;
    pthread_mutex_lock (&p->lock);
    n = json_integer_value (json_object_get (p->tasks[index], key));
    pthread_mutex_unlock (&p->lock);
    return n;
}

/* Answer task `index`: fields is "\"text\":\"a\"". */
static inline void answer (struct peer *p, size_t index, const char *fields)
{
    char out[1024];
    snprintf (out, sizeof (out),
              "{\"type\":\"results\",\"session\":%lld,\"results\":[{\"id\":%lld,%s}]}",
              (long long)p->session, (long long)task_number (p, index, "id"), fields);
    peer_send (p, out);
}

static const span two_steps[] = {{"2 + 2 = 4\n\n", 11}, {"4 * 2 = 8\n\n", 11}};

/* Job number i of a kind, on two steps; start with kit_start. */
static inline job *kit_job (struct kit *k, size_t i, uint8_t kind)
{
    k->jobs[i] = (job){.task = {.id = {7, (uint32_t)i},
                                .kind = kind,
                                .node = 2,
                                .seed = 100 + (uint32_t)i,
                                .max_tokens = 20,
                                .max_steps = 4,
                                .how = {.temperature = 0.5, .top_p = 1, .max_step_tokens = 10}},
                       .problem = span_of ("{\"id\":\"p\",\"question\":\"2?\"}"),
                       .steps = two_steps,
                       .step_count = 2};
    return &k->jobs[i];
}

static inline void kit_start (struct kit *k, size_t first, size_t n)
{
    const job *list[MOST];
    for (size_t i = 0; i < n; i++)
        list[i] = &k->jobs[first + i];
    engine_external.start (k->state, list, n);
}

#endif
