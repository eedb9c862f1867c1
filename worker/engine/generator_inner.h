/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_WORKER_ENGINE_GENERATOR_INNER_H
#define ESP_WORKER_ENGINE_GENERATOR_INNER_H

/* generator_inner.h - the inside of the machine of generator.h: for generator*.c only */

#include "worker/engine/generator.h"
#include "proto/model/token_data.h"
#include "worker/prompt/chat.h"
#include "worker/prompt/shape.h"
#include "worker/prompt/step_watch.h"
#include "worker/server/servers.h"

typedef struct generator generator; /* the engine's state */
typedef struct root root; /* the rendered prompt of one problem (under one action's system text) */

struct root {
    root *next; /* same hash */
    uint64_t key;
    esp_buf messages; /* JSON */
    esp_buf text;     /* rendered, with the prefill */
    esp_buf prefill;  /* of the problem itself */
    esp_buf ids;      /* JSON array of token ids, between two requests */
    uint32_t tokens;  /* 0 = not counted */
    bool ready, failed, thinking;
    bool said_context; /* that it is too long */
    bool chat;         /* sent as messages: `text` stays empty */
    esp_err code;      /* failed */
    char why[300];
    exchange *exchange; /* rendering */
    int step;
    generator *owner;
    struct sample *waiting; /* samples that need it */
    uint64_t used;          /* for dropping the least recently used */
    uint32_t pins;          /* samples that hold it */
};

struct sample { /* one job on its way */
    generator *owner;
    const job *job; /* borrowed until its done call */
    root *root;     /* pinned */
    esp_buf text;   /* generated so far */
    uint32_t tokens, prompt_tokens, cached_tokens, piece;
    uint32_t think_tokens;
    bool began_thinking; /* its step begins inside the thinking */
    bool thinking;       /* behind `text` */
    double logprob;
    token_logprob *generated, *top; /* owned; as in gen_sample, of all pieces */
    size_t generated_count, generated_cap, top_count, top_cap;
    esp_buf token_data; /* made of them at the end */
    const server *by;   /* who generated the last piece */
    step_watch watch;   /* over its text and what comes of this piece */
    size_t looked_at; /* bytes of this piece that the watch has seen; none behind the step's end */
    uint32_t met_tokens;  /* of this piece when the watch saw the end of the step; 0 = it did not */
    size_t met_generated; /* and gen_sample.generated_count */
    struct request *request; /* its piece is out; NULL: waits for the root */
    uint64_t group;          /* started together */
    struct sample *next;     /* in root->waiting */
    struct sample *next_in_table;
};

enum { REQUEST_STOPS_MOST = 16 };

struct request { /* one piece of n siblings */
    generator *owner;
    exchange *exchange;
    uint64_t home;    /* of the prefix (servers_set_home) */
    uint64_t problem; /* a hash, not 0 */
    gen_ask ask;
    server *slot_at;  /* who has ask.slot for it; NULL: no slot is named */
    uint32_t wanted;  /* tokens of each sample; ask.max_tokens: as many as the context leaves */
    uint32_t at_most; /* of them, since more were refused */
    uint32_t prompt_tokens;               /* as far as they are known */
    bool to_end;                          /* not a step: all of the answer */
    bool fills_context;                   /* ask.max_tokens is all that the context leaves */
    const char *stop[REQUEST_STOPS_MOST]; /* of ask */
    struct sample **samples;              /* owned; NULL where cancelled or handed on */
    uint32_t live;                        /* not cancelled, not handed on */
    esp_buf prompt, messages;
    step_plan plan;
    bool watched;     /* we look for the end of the step ourselves, in the stream */
    bool prompt_told; /* its tokens were counted with a sample */
    gen_reply *reply;
    struct sse *sse;
    esp_error stream_why;
    esp_err stream_err;
    struct request *next, *before;
};

struct generator {
    engine_setup setup;
    const generator_options *options;
    const gen_shape *shape; /* engine auto: NULL until a server is tried */
    bool any_kind;          /* engine auto */
    bool settled;           /* a server of that shape has been good: the others must be like it */
    servers *servers;
    struct sample **table; /* by task id */
    root **roots;
    size_t root_count;
    uint64_t clock;           /* of `used` */
    struct request *requests; /* all */
    esp_buf scratch;
    uint64_t groups;   /* given out */
    bool said_room;    /* that more was to be asked for than there is room, once */
    bool said_context; /* that it is full, once */
    bool said_limits;
    uint64_t said_failure; /* hash of the last sentence about a task that failed */
};

enum {
    SLOTS_KNOWN = 64
}; /* of a server; those with more are rare, and their other slots are theirs */

/* What a probe found, per server (servers_setup.data_bytes). */
struct generator_facts {
    uint8_t stage;    /* of the probe: enum probe_stage */
    bool chat;        /* only chat messages: nobody can render them to a text */
    bool probed;      /* what stands here is known */
    bool no_n;        /* n samples cannot be asked at once */
    char ids[2048];   /* of the rendered example */
    char text[2048];  /* the rendered example */
    char bos[32];     /* the server puts this before every prompt, and the template does so too */
    char sample[100]; /* what it generated */
    char model[256];  /* who it said it was in that answer */
    uint64_t taken;   /* a bit for each slot that a request of ours names */
    uint64_t
        holds[SLOTS_KNOWN]; /* by slot: the problem whose branch it holds; 0 = none, or not known */
};

/* generator_slot.c: before each try of a request; when it was answered; at its end. */
void generator_slot_take (struct request *r, server *s);
void generator_slot_note (const struct request *r, const server *s);
void generator_slot_give (struct request *r);

/* generator.c: can the run's options be said to such a server?  Errors: ESP_EINVAL with a sentence. */
ESP_MUST_CHECK esp_err generator_suits (const generator *g, const gen_shape *shape, esp_error *why);

/* generator_root.c */
root *generator_root (generator *g, const job *j, esp_err *err,
                      esp_error *why); /* made or found, pinned */
void generator_root_wait (root *r, struct sample *s);
void generator_root_unpin (generator *g, root *r);
void generator_roots_free (generator *g);
/* How this server renders messages: request `step` of it; ESP_EEMPTY: done.  The same for the probe. */
esp_err generator_render_write (generator *g, const server *s, int step, const root *r,
                                esp_buf *path, esp_buf *json);
esp_err
generator_render_take (generator *g, const server *s, int step, root *r, span body, esp_error *why);

/* generator_ask.c */
/* What n siblings like s ask next (r->plan is there).  Errors: ESP_ENOMEM. */
ESP_MUST_CHECK esp_err generator_ask_fill (struct request *r, const struct sample *s, uint32_t n);
void generator_ask_tokens (struct request *r, const server *s); /* as many as this server takes */
/* It refused so many: ask for half.  false: it was one already. */
bool generator_ask_fewer (struct request *r, const char *why);

/* generator_piece.c */
/* Send the next piece of these siblings (n of them, all at the same place); taken.  Errors end the samples. */
void generator_send (generator *g, struct sample **samples, uint32_t n);
void generator_send_alone (
    struct request *r); /* what it still has, each by itself; r is left to its owner */
ESP_MUST_CHECK esp_err generator_request_start (struct request *r); /* its exchange */
void generator_request_free (struct request *r);
uint64_t generator_home_key (const job *j, node_ref n); /* where the prefix of node n is cached */
void generator_finish (struct sample *s, result *r);    /* done call; the sample is gone */
void generator_fail (struct sample *s, esp_err code);

/* generator_answer.c: of exchange_ask; ctx is the request */
esp_err generator_request_write (void *ctx, server *s, esp_buf *path, esp_buf *json);
void generator_request_chunk (void *ctx, server *s, span bytes);
esp_err generator_request_take (void *ctx, server *s, span body, esp_error *why);
void generator_request_done (void *ctx, esp_err code, const char *text);

/* generator_judge.c */
/* End its thinking by force; false: that was the end of its step too, and it was delivered (or failed). */
bool generator_force_close (struct sample *s);
/* The reply has sample *got for s: deliver it, or send its next piece.  first: the prompt is counted with it. */
void generator_take (const struct request *r, struct sample *s, gen_sample *got, bool first);
void generator_end (struct sample *s, esp_err code, const char *text); /* the request failed */

/* generator_probe.c */
esp_err generator_probe_write (void *ctx, server *s, uint32_t step, esp_buf *path, esp_buf *json,
                               esp_error *why);
esp_err
generator_probe_take (void *ctx, server *s, uint32_t step, int status, span body, esp_error *why);

#endif
