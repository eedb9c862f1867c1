/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_TESTS_SUPPORT_MODEL_SERVER_SAMPLE_H
#define ESP_TESTS_SUPPORT_MODEL_SERVER_SAMPLE_H

/* sample.h - one answer of the model: text, token ids, why it ended, logprobs
 *
 * A pure function of what is asked.  A judgement (judge.h) is one token and the end.
 */

#include "tests/support/model_server/tokens.h"
#include "tests/support/model_server/words.h"

enum { MOST_STOPS = 16, MOST_STOP_IDS = 8, MOST_TOP = 101 };

typedef struct sample_ask {
    span prompt;
    uint64_t seed; /* of this child; at temperature 0 not looked at */
    double temperature;
    size_t max_tokens, min_tokens; /* stop strings are not looked for in the first min_tokens */
    const char *stops[MOST_STOPS]; /* borrowed */
    size_t stop_count;
    uint32_t stop_ids[MOST_STOP_IDS];
    size_t stop_id_count;
    bool ignore_end;
    words_style style;
} sample_ask;

enum sample_finish { FINISH_LENGTH, FINISH_END, FINISH_STOP_ID, FINISH_STOP };

typedef struct sample { /* owned: sample_free */
    tokens ids;         /* all that were made, also those of the stop text, and the end's */
    esp_buf text;       /* all of it, up to the stop text's end */
    size_t cut;         /* length of the text without the stop text */
    size_t *ends;       /* of each token in text (at most text.len) */
    enum sample_finish finish;
    const char *stop; /* FINISH_STOP: the string; borrowed from the ask */
    uint64_t key;     /* of the logprobs */
    bool judged;
    double good; /* of a judgement: P(labels[0]) */
    const char *labels[2];
} sample;

esp_err sample_make (const sample_ask *ask, sample *out);
void sample_free (sample *s);

/* Bytes of text after the first `count` tokens, without a character that is not whole yet: what a stream has sent by then. */
size_t sample_sent (const sample *s, size_t count);

double sample_logprob (const sample *s, size_t i); /* of token i; < 0 */
uint32_t
sample_other (const sample *s, size_t i, size_t j); /* the j-th other candidate for place i */
/* The `count` likeliest tokens for place i, best first; returns how many (at most MOST_TOP). */
size_t sample_top (const sample *s, size_t i, long long count, uint32_t ids[]);
double sample_logprob_of (const sample *s, size_t i, uint32_t id); /* of any token at place i */
double prompt_logprob (span prompt, size_t i);                     /* of the prompt's token i */

#endif
