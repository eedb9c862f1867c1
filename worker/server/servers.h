/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_WORKER_SERVER_SERVERS_H
#define ESP_WORKER_SERVER_SERVERS_H

/* servers.h - the servers of one engine: found, probed, kept full, left alone while they are broken
 *
 * The URLs come from the run file (url, urls, @FOLDER: its files named .url; {host}, {rank}, {local_rank} in all of them, also in
 * the folder's name and in its files).  Each server is identified
 * (family, version, model, context length) and then probed by real requests of the engine's own; /health proves
 * nothing.  A server that fails goes out of service and is probed again, with growing pauses, until it answers.
 *
 * An exchange is one request to whichever server is best: the home of its prefix while that is not too busy, else the
 * least busy one.  What may go right elsewhere or later is tried again, with pauses; the engine sees one result.
 *
 * Threads: one; callbacks come only from servers_poll(), where exchanges may be started and cancelled.
 * Ownership: servers own everything but the setup's strings and tables; a server pointer is valid until servers_destroy.
 */

#include "proto/base/option.h"
#include "worker/http/http.h"
#include "worker/prompt/shape.h"

typedef struct server_options { /* of every engine that speaks HTTP: rows below */
    const char *url;
    esp_strings urls;
    const char *model; /* NULL or "auto": what the server has */
    const char *api_key_env, *api_key_file;
    const char *proxy, *ca_file;
    bool verify_tls;
    bool affinity;
    int64_t in_flight;  /* sequences per server; 0 = what the server says, else 64 */
    double wait_s;      /* at start, for the first server to answer */
    double urls_wait_s; /* the same where a folder brings the servers; 0 = without end */
    double first_byte_s, idle_s, total_s;
    int64_t tries; /* of one request, before its task is handed back */
} server_options;
extern const esp_option server_option_rows[];

enum server_family {
    FAMILY_UNKNOWN, /* not identified yet */
    FAMILY_VLLM,
    FAMILY_SGLANG,
    FAMILY_LLAMACPP,
    FAMILY_OPENAI, /* anything else that has /v1/models */
    FAMILY_OTHER   /* answers, but knows none of these */
};
extern const char *const server_family_names[];

typedef struct server_facts {
    uint8_t family; /* enum server_family */
    char version[64], model[256];
    char others[256];        /* the models it has, for messages */
    uint32_t models;         /* how many */
    uint32_t context_tokens; /* 0 = not known */
    uint32_t slots;          /* 0 = not known */
} server_facts;

typedef struct server_counts { /* since the start of this process */
    uint64_t requests, failures, retries, outages;
    uint64_t prompt_tokens, cached_tokens, generated_tokens,
        scored_tokens; /* the engine adds them */
} server_counts;

typedef struct server server;
typedef struct servers servers;

typedef struct servers_setup {
    const server_options *options;
    const char *section; /* "generator": for messages */
    int rank, local_rank;
    const esp_clock *clock;
    uint64_t seed;      /* of the jitter of pauses */
    const char *family; /* NULL: any; else only this one ("vllm"), else a sentence */
    size_t data_bytes;  /* the engine's own facts per server: zeroed at each identification */
    /* The engine's own probe, request by request (step 0, 1, ...): append path and JSON (no JSON: GET).
     * ESP_EEMPTY: no more, the server is good.  Other errors with a sentence: it never will be. */
    esp_err (*probe_write) (void *ctx, server *s, uint32_t step, esp_buf *path, esp_buf *json,
                            esp_error *why);
    /* An answer of any status.  ESP_OK: go on; ESP_EPEER: not now; else with a sentence: this server cannot be used. */
    esp_err (*probe_take) (void *ctx, server *s, uint32_t step, int status, span body,
                           esp_error *why);
    void *ctx;
} servers_setup;

/* What is wrong with the options whatever answers there; nothing is opened.  Errors: ESP_EINVAL (no URL, a bad URL or
 * placeholder, keys that exclude each other; "generator.url: ..."), ESP_ENOMEM. */
ESP_MUST_CHECK esp_err servers_check_options (const server_options *o, const char *section,
                                              esp_error *error);

/* Errors: with a sentence: those of servers_check_options, ESP_ENOENT (key or CA file), ESP_EPERMISSION (key file
 * that others can read), ESP_ENOMEM, ESP_EIO. */
ESP_MUST_CHECK esp_err servers_create (const servers_setup *setup, servers **out, esp_error *error);
void servers_destroy (servers *s); /* accepts NULL; exchanges end without a call */

int servers_fd (const servers *s);
void servers_poll (servers *s);
/* ESP_OK: at least one server is in service; ESP_EEMPTY: not yet; else no server can be used, with a sentence. */
ESP_MUST_CHECK esp_err servers_ready (const servers *s, esp_error *why);
/* ESP_EEMPTY, with a sentence that names it: a server may still come into service, and its wait_s is not over; then ESP_OK.
 * A server that a person must help is not waited for. */
ESP_MUST_CHECK esp_err servers_settled (const servers *s, esp_error *why);
/* Sequences that all servers in service take at once. */
uint32_t servers_slots (const servers *s);
uint32_t servers_up (const servers *s); /* how many are in service */

/* What its servers chose to have (model: auto), and the URL of one of them that is in service.  false: the run file names the
 * model, or nobody named any yet. */
bool servers_chosen (const servers *s, const char **model, const char **url);

/* For check, and for messages. */
size_t servers_count (const servers *s);
server *servers_at (servers *s, size_t index);
const char *server_url (const server *s); /* without user, password, query */
const server_facts *server_facts_of (const server *s);
const char *
server_kind (const server *s); /* its family as run files have it: "vllm"; "": not identified yet */
server_counts *server_counts_of (server *s);
void *server_data (const server *s); /* of data_bytes, for the engine */
bool server_in_service (const server *s);
const char *server_trouble (const server *s); /* "" = none: last sentence */
uint32_t server_index (const server *s);

/* ---- exchanges ---- */

typedef struct exchange exchange; /* gone after its done call, or after exchange_cancel() */

typedef struct exchange_ask {
    uint64_t home; /* hash of the prefix's home (servers_set_home); 0 = none */
    uint64_t
        spread; /* where a prefix without a home goes: equal values to one server, on every worker */
    uint32_t weight; /* sequences it keeps busy, at least 1 */
    /* Called for each try: append path and JSON for this server. */
    esp_err (*write) (void *ctx, server *s, esp_buf *path, esp_buf *json);
    /* A 2xx answer as it comes, after write() of each try; NULL: take() gets it whole.  May cancel the exchange. */
    void (*chunk) (void *ctx, server *s, span bytes);
    /* The answer is whole (body is empty where chunk() had it).  ESP_OK: good.  ESP_EFORMAT, ESP_EPEER: the server's
     * fault, tried again; else final. */
    esp_err (*take) (void *ctx, server *s, span body, esp_error *why);
    /* The end, once: ESP_OK after take() said so; ESP_ETOOBIG: the prompt does not fit; ESP_ERANGE: it does not with so many
     * tokens behind it; ESP_EENGINE: refused for good; ESP_EPEER: tries used up; ESP_ECANCELED: no server in service for a while, hand it back.  text: a sentence. */
    void (*done) (void *ctx, esp_err code, const char *text);
    void *ctx;
} exchange_ask;

/* The ask is copied.  Errors: ESP_ENOMEM. */
ESP_MUST_CHECK esp_err exchange_start (servers *s, const exchange_ask *ask, exchange **out);
void exchange_cancel (exchange *e); /* no call follows; the server is told by closing */
/* From chunk(): what came is good, and all that is wanted: no call follows. */
void exchange_enough (exchange *e);
/* From chunk(): one of its sequences ended, the server has room for another. */
void exchange_lighter (exchange *e);
/* From chunk(): what came is the server's fault; it is tried again. */
void exchange_spoiled (exchange *e, const char *why);

/* This server now holds the prefix `home`, in this slot of its cache; -1: it has none, or did not say. */
void servers_set_home (servers *s, uint64_t home, const server *where, int slot);
int servers_home_slot (const servers *s, uint64_t home,
                       const server *where); /* -1: not known there */

#endif
