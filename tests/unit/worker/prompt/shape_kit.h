/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_TESTS_UNIT_WORKER_PROMPT_SHAPE_KIT_H
#define ESP_TESTS_UNIT_WORKER_PROMPT_SHAPE_KIT_H

/* shape_kit.h - what the tests of the shapes share: an ask, an answer read, and what came of it in one line */

#include <math.h>
#include <stdio.h>
#include <string.h>
#include "proto/base/alloc.h"
#include "tests/support/suite.h"
#include "worker/prompt/shape.h"

enum { KIT_LINE = 1024 };

static inline gen_ask kit_ask (void)
{
    static const char *const stop[] = {"\n\n"};
    return (gen_ask){
        .prompt = span_of ("Q: 1 + 2?\n\n"),
        .model = "m",
        .n = 1,
        .seed = 42,
        .max_tokens = 64,
        .temperature = 0.8,
        .top_p = 1,
        .stop = stop,
        .stop_count = 1,
        .slot = -1,
    };
}

/* "STOP 2 'text' | LENGTH 3 'other'": finish, tokens, text of each sample; "-0.300" of those with a sum of logprobs. */
static inline void kit_line (const gen_reply *r, char *line)
{
    static const char *const names[] = {"OPEN", "STOP", "EOS", "STOPPED", "LENGTH", "ABORTED"};
    size_t at = 0;
    line[0] = 0;
    for (uint32_t i = 0; i < r->n && at < KIT_LINE; i++) {
        const gen_sample *s = &r->samples[i];
        char sum[32] = "";
        if (!isnan (s->logprob))
            snprintf (sum, sizeof (sum), " %.3f", s->logprob);
        at += (size_t)snprintf (line + at, KIT_LINE - at, "%s%s %s%u '%s'%s", i ? " | " : "",
                                names[s->finish], s->guessed ? "~" : "", s->tokens,
                                esp_buf_text (&s->text), sum);
    }
}

/* Read the texts (ends with NULL) as one answer, or as the events of a stream; finish.  line and why may be NULL. */
static inline esp_err kit_read (const gen_shape *shape, const gen_ask *ask,
                                const char *const *texts, char *line, esp_error *why)
{
    gen_reply *r = NULL;
    esp_err err = reply_create (ask, &r);
    if (line)
        line[0] = 0;
    for (; err == ESP_OK && *texts; texts++)
        err = shape->read (r, span_of (*texts), why);
    if (err == ESP_OK)
        err = reply_finish (r, ask, why);
    if (err == ESP_OK && line)
        kit_line (r, line);
    reply_destroy (r);
    return err;
}

#endif
