/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_WORKER_SERVER_SERVERS_INNER_H
#define ESP_WORKER_SERVER_SERVERS_INNER_H

/* servers_inner.h - what the files of worker/server share, for them only
 *
 * A server is in one state; server_state.c moves it:
 *   NEW -> ASKED (a request of the identification or of the engine's probe is out) -> UP
 *   ASKED -> OUT (asked again at next_ns) or REFUSED (asked again too, but rarely: only a change of the server can help)
 *   UP -> OUT by failures of exchanges; any -> GONE (its URL file went; it takes nothing new)
 * An exchange is in `waiting`, in `flying` of one server, or in `ended` until its done call.
 */

#include "worker/server/servers.h"

enum server_state { SERVER_NEW, SERVER_ASKED, SERVER_UP, SERVER_OUT, SERVER_REFUSED, SERVER_GONE };

struct exchange_list {
    exchange *first, *last;
};

struct exchange {
    servers *all;
    exchange_ask ask;
    exchange *next, *before;
    struct exchange_list *list; /* waiting, ended, or flying of its server */
    server *at;                 /* NULL: not flying */
    http_request *request;
    esp_buf path, body;
    uint64_t since_ns;      /* waits since then */
    uint64_t not_before_ns; /* a pause; a server that is not `avoid` may have it before */
    uint32_t tries;
    uint32_t holds; /* flying: sequences of `weight` that still run there */
    uint32_t avoid; /* index + 1 of the server that failed last; 0 = none */
    esp_err code;   /* in `ended`: how */
    char text[480]; /* last failure */
};

struct server {
    servers *all;
    uint32_t index;
    char *url;   /* for http */
    char *shown; /* for people */
    uint64_t hash;
    uint8_t state; /* enum server_state */
    server_facts facts;
    server_counts counts;
    void *data; /* of setup.data_bytes */
    struct exchange_list flying;
    uint32_t in_flight; /* weight of what flies */
    bool held;          /* in a pass: room there is kept for one that needs more of it */
    uint64_t next_ns;   /* when to ask again, or (UP) before which nothing new goes there */
    uint64_t heard_ns;  /* last byte of any exchange */
    uint64_t out_ns;    /* since when it is out of service */
    uint64_t made_ns;   /* since when it is known, or known again */
    uint32_t failures;  /* in a row */
    uint32_t pauses;    /* probes that failed in a row */
    uint32_t step;      /* of the identification, then of the engine's probe */
    bool identified;
    bool by_proxy;            /* its last answer came that way */
    int who_busy, who_denied; /* status of an answer to the identification; 0 = none */
    bool was_up;
    uint64_t watch_ns;    /* when a silent server is looked at next */
    http_request *asking; /* identification, probe or watch */
    uint32_t limit;       /* sequences, as learned; 0 = nothing yet */
    uint32_t peak;        /* most in flight since the last look */
    uint64_t load_ns;     /* when to look again */
    bool no_metrics;
    http_request *loading;
    esp_buf path, body;
    char trouble[480];
};

enum { BAD_FILES = 16 };

struct servers {
    uint64_t bad_files[BAD_FILES]; /* hashes of what was said about files of the folder */
    size_t bad_next;
    servers_setup setup;
    char *folder;     /* of *.url files, or NULL */
    bool folder_away; /* it could not be read */
    http *http;
    char *key; /* API key or NULL */
    server **items;
    size_t count, cap;
    struct exchange_list waiting, ended;
    char model[256]; /* of the first server in service: the others must have it too */
    uint64_t created_ns, folder_ns, due_ns;
    uint64_t up_ns; /* when a server was in service last */
    uint64_t draws; /* of jitter */
    struct {
        uint64_t key;
        uint32_t server; /* index + 1 */
        int32_t slot;    /* of its cache, -1 = not known */
    } * homes;
};

enum {
    HOMES = 1 << 17,     /* prefixes with a home; too few: prefix caches are missed */
    MOST_SERVERS = 4096, /* at a time */
    MOST_EVER =
        1
        << 15 /* with those that are gone, which are kept since results name them: some 6 KB each */
};

/* server_urls.c */
esp_err servers_read_urls (servers *s, esp_error *error); /* at start: every source of URLs */
void servers_read_folder (servers *s);                    /* again: new files, gone files */
esp_err servers_add (servers *s, const char *url, esp_error *error);
esp_err servers_read_key (const servers_setup *setup, char **key, esp_error *error);

void servers_mask_key (const servers *s, char *text); /* servers.c */

/* server_state.c */
void server_tick (server *s, uint64_t now); /* identification, probes, watching */
void server_failed (server *s, bool heavy,
                    const char *text); /* an exchange with it did; heavy: nobody is there */
void server_worked (server *s);
uint64_t
server_pause_ns (servers *s, uint32_t round, double most_s); /* 0.25 s doubling, with jitter */
void server_leave (server *s);                               /* its file is gone */

/* server_load.c */
uint32_t server_limit (const server *s);         /* sequences it takes at once */
void server_load_tick (server *s, uint64_t now); /* of one in service */
void server_load_forget (server *s);             /* it goes out of service */
/* Of a page of /metrics; false: it tells nothing. */
bool server_load_read (span page, double *running, double *waiting);
uint32_t server_load_next (uint32_t limit, uint32_t peak, double running, double waiting);

/* exchange.c */
void exchanges_place (servers *s, uint64_t now); /* send what waits and may go */
void exchanges_return (server *s);               /* what flies there waits again */
void exchanges_destroy (servers *s);
bool servers_any_up (const servers *s);

#endif
