/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_TESTS_UNIT_WORKER_PROMPT_SHAPE_ROWS_H
#define ESP_TESTS_UNIT_WORKER_PROMPT_SHAPE_ROWS_H

/* shape_rows.h - tables of answers and what they become; the pieces of JSON that several of them are made of
 *
 * Each row is one answer, or the events of one stream.  The forms are those of engines.md A and local-models.md 4.
 */

#include "tests/unit/worker/prompt/shape_kit.h"

enum { EVENTS = 6 };
enum want {
    PLAIN = 0,
    STREAM = 1,
    CHAT = 2,
    LOGPROBS = 4,
    TOP2 = 8,
    TWO = 16,
    NO_STOP = 32,
    SHORT = 64,
    IDS = 128
};

typedef struct row {
    const char *what;
    unsigned want;
    const char *texts[EVENTS];
    esp_err err;
    const char *line; /* kit_line, or words of the sentence */
} row;

static inline gen_ask ask_of (unsigned want)
{
    gen_ask ask = kit_ask ();
    ask.n = want & TWO ? 2 : 1;
    ask.stream = want & STREAM;
    ask.ids = want & IDS;
    ask.logprobs = want & (LOGPROBS | TOP2);
    ask.top_logprobs = want & TOP2 ? 2 : 0;
    ask.messages = want & CHAT ? span_of ("[]") : span_make (NULL, 0);
    ask.stop_count = want & NO_STOP ? 0 : 1;
    ask.max_tokens = want & SHORT ? 2 : ask.max_tokens;
    return ask;
}

/* Also with every allocation failing in turn: out of memory, or the same again. */
static inline void survives_failures (const gen_shape *shape, const row *r)
{
    gen_ask ask = ask_of (r->want);
    esp_err err = ESP_ENOMEM;
    for (long n = 0; err == ESP_ENOMEM && n < 100; n++) {
        esp_alloc_fail_after (n);
        err = kit_read (shape, &ask, r->texts, NULL, NULL);
        esp_alloc_fail_after (-1);
        CHECK (esp_alloc_live () == 0);
    }
    CHECK (err == r->err);
}

static inline void read_rows (const char *name, const row *rows, size_t count)
{
    const gen_shape *shape = shape_find (name);
    for (size_t i = 0; i < count; i++) {
        const row *r = &rows[i];
        gen_ask ask = ask_of (r->want);
        char line[KIT_LINE];
        esp_error why = {0};
        esp_err err = kit_read (shape, &ask, r->texts, line, &why);
        bool good = err == r->err && (err == ESP_OK ? strcmp (line, r->line) == 0
                                                    : strstr (why.text, r->line) != NULL);
        CHECK (good);
        if (!good)
            printf ("    %s, %s: %s \"%s%s\"\n", name, r->what, esp_err_name (err), line, why.text);
        survives_failures (shape, r);
    }
}
#define READ_ROWS(name, rows) read_rows (name, rows, sizeof (rows) / sizeof ((rows)[0]))

#define CHOICE(index, text, finish, reason)                                                        \
    "{\"index\":" index ",\"text\":\"" text "\",\"finish_reason\":" finish                         \
    ",\"stop_reason\":" reason "}"
#define ANSWER(choices) "{\"model\":\"m\",\"choices\":[" choices "]}"
#define USAGE(choices, tokens)                                                                     \
    "{\"model\":\"m\",\"choices\":[" choices                                                       \
    "],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":" tokens "}}"
#define DELTA(index, text, finish)                                                                 \
    "{\"choices\":[{\"index\":" index ",\"text\":\"" text "\",\"finish_reason\":" finish           \
    ",\"stop_reason\":null}]}"
#define LLAMA(index, content, type, word, count, more)                                             \
    "{\"index\":" index ",\"content\":\"" content                                                  \
    "\",\"id_slot\":3,\"stop\":true,\"model\":\"m\",\"tokens_predicted\":" count                   \
    ",\"tokens_evaluated\":9,\"stop_type\":\"" type "\",\"stopping_word\":\"" word "\"," more      \
    "\"timings\":{\"cache_n\":8}}"
#define PART(index, content, tokens)                                                               \
    "{\"index\":" index ",\"content\":\"" content "\",\"tokens\":" tokens                          \
    ",\"stop\":false,\"id_slot\":-1,\"tokens_predicted\":1}"

#endif
