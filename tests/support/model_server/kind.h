/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_TESTS_SUPPORT_MODEL_SERVER_KIND_H
#define ESP_TESTS_SUPPORT_MODEL_SERVER_KIND_H

/* kind.h - what a kind of server is: a table of routes, its errors, its guard; one file and one row a kind
 *
 * A handler gets a request whose body is a JSON object (GET: NULL) and fills an answer.  Memory that runs out ends the
 * program: it is a test's server.
 */

#include <jansson.h>
#include <stdbool.h>
#include "tests/support/model_server/words.h"

/* What a server serves; a real one has either a generator's routes or those of its pooling task. */
enum serves {
    SERVES_GENERATE = 1,
    SERVES_PRM = 2,      /* one row per step tag (STEP pooling) */
    SERVES_CAUSAL = 4,   /* one row per prompt token */
    SERVES_CLASSIFY = 8, /* one number per input */
    SERVES_EMBED = 16,   /* an embedding model: no PRM at all */
    SERVES_ALL = 31
};

typedef struct setup {
    const struct kind *kind;
    unsigned serves;
    const char *model, *api_key, *tag; /* api_key: NULL for none; tag of PRM rows */
    size_t max_model_len;              /* tokens of a prompt and its answer */
    unsigned slots, delay_ms, token_ms;
    bool bos;             /* the tokenizer puts <s> before a text */
    bool template_thinks; /* prompts end with <think> */
    bool prompt_details;  /* vLLM's --enable-prompt-tokens-details */
    words_style style;
} setup;

typedef struct asked {
    const setup *server;
    const char *method, *path, *model; /* model: the name it has now */
    json_t *body;                      /* borrowed; NULL: none */
    unsigned working;                  /* POSTs that are not answered whole yet */
    bool too_many_tokens;              /* fault: ignore max_tokens */
} asked;

typedef struct answer {
    unsigned status;  /* 0: 200 */
    json_t *json;     /* owned; or text, or frames */
    char *text;       /* owned */
    const char *type; /* Content-Type; NULL: by what is there */
    char **frames;    /* of a stream, owned; each is a whole event */
    size_t frame_count, frame_capacity;
    size_t generated, longest; /* tokens of all choices, and of the longest one: its time */
} answer;

typedef struct route {
    const char *method, *path;
    unsigned serves;
    void (*handle) (const asked *, answer *);
} route;

typedef struct kind {
    const char *name;
    const route *routes; /* ends with a NULL method */
    void (*refuse) (answer *, unsigned status, const char *type, const char *param,
                    const char *message);
    void (*no_route) (answer *, bool other_method);
    bool (*guarded) (const char *path); /* behind the API key? */
    void (*unauthorized) (answer *);
    void (*bad_body) (answer *, const char *body,
                      const json_error_t *error); /* not a JSON object */
} kind;

extern const kind kind_openai, kind_vllm, kind_sglang, kind_llamacpp, kind_generic;

/* Fill an answer; values are taken. */
void answer_json (answer *a, json_t *json);
void answer_frame (answer *a, const char *format, ...) ESP_PRINTF (2, 3);
void answer_event (answer *a, json_t *json);      /* frame "data: {...}\n\n"; json is taken */
void answer_made (answer *a, size_t token_count); /* one choice more */
void answer_free (answer *a);
void answer_refuse (const asked *q, answer *a, unsigned status, const char *type, const char *param,
                    const char *format, ...) ESP_PRINTF (6, 7);

_Noreturn void out_of_memory (void);
/* Of the POSTs that are in hand: those that run (in as many slots), and those that wait. */
unsigned running (const asked *q);
unsigned waiting (const asked *q);

char *text_copy (span text);   /* 0-terminated, esp_free */
json_t *json_text (span text); /* a string; bytes that are not UTF-8 become U+FFFD */

#endif
