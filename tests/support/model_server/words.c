/* SPDX-License-Identifier: Apache-2.0 */
/* words.c - see words.h */

#include "tests/support/model_server/words.h"
#include <stdlib.h>
#include <string.h>
#include "proto/base/hash.h"
#include "proto/base/rng.h"

enum { MOST_NUMBERS = 7, MADE_UP = 3, LARGEST = 1000000 };

typedef struct puzzle {
    long long number[MOST_NUMBERS];
    char sign[MOST_NUMBERS];
    unsigned count;
    bool made_up;
} puzzle;

typedef struct standing { /* where a solution stands */
    unsigned steps;       /* whole ones */
    long long value;      /* the last integer of the last one */
    bool cut;             /* the text ends inside a step */
    bool ended;           /* with \boxed{} */
} standing;

static span after (span text, size_t at)
{
    return span_make (text.ptr + at, text.len - at);
}

/* question and the solution so far. */
static void divide (span prompt, span *question, span *solution)
{
    static const char user[] = "<|im_start|>user\n", assistant[] = "<|im_start|>assistant\n";
    size_t answer = span_find_last (prompt, span_of (assistant)), turn, mark, from = 0;
    if (answer < prompt.len) {
        *solution = after (prompt, answer + sizeof (assistant) - 1);
        *question = span_make (prompt.ptr, answer);
        turn = span_find_last (*question, span_of (user));
        if (turn < question->len)
            *question = after (*question, turn + sizeof (user) - 1);
    } else {
        answer = span_find_last (prompt, span_of ("Step 1:"));
        *question = span_make (prompt.ptr, answer);
        *solution = after (prompt, answer);
    }
    mark = span_find_last (*question, span_of ("?"));
    if (mark == question->len)
        return;
    for (size_t i = 0; i < mark; i++)
        if (question->ptr[i] == '\n')
            from = i + 1;
    *question = span_make (question->ptr + from, mark - from);
}

static char sign_before (span text, size_t at)
{
    while (at > 0 && text.ptr[at - 1] == ' ')
        at--;
    return at > 0 && (text.ptr[at - 1] == '-' || text.ptr[at - 1] == '*') ? text.ptr[at - 1] : '+';
}

static void read_puzzle (span question, puzzle *p)
{
    uint64_t key = esp_hash64 (question.ptr, question.len, 3);
    *p = (puzzle){0};
    for (size_t i = 0; i < question.len && p->count < MOST_NUMBERS; i++) {
        long long value = 0;
        size_t at = i;
        for (; i < question.len && question.ptr[i] >= '0' && question.ptr[i] <= '9' &&
               value < LARGEST;
             i++)
            value = value * 10 + (question.ptr[i] - '0');
        if (i > at) {
            p->sign[p->count] = sign_before (question, at);
            p->number[p->count++] = value;
        }
    }
    if ((p->made_up = p->count < 2))
        for (p->count = 0; p->count < MADE_UP; p->count++) {
            p->number[p->count] = 2 + esp_draw_below (key, p->count, 40);
            p->sign[p->count] = '+';
        }
}

static long long put_together (long long a, char sign, long long b)
{
    long long product;
    if (sign == '*')
        return __builtin_mul_overflow (a, b, &product) ? 0 : product;
    return sign == '-' ? a - b : a + b;
}

bool words_answer (span prompt, long long *answer)
{
    span question, solution;
    puzzle p;
    divide (prompt, &question, &solution);
    read_puzzle (question, &p);
    *answer = p.number[0];
    for (unsigned i = 1; i < p.count; i++)
        *answer = put_together (*answer, p.sign[i], p.number[i]);
    return !p.made_up;
}

static long long last_integer (span line, long long otherwise)
{
    size_t end = line.len, from;
    while (end > 0 && (line.ptr[end - 1] < '0' || line.ptr[end - 1] > '9'))
        end--;
    for (from = end;
         from > 0 && line.ptr[from - 1] >= '0' && line.ptr[from - 1] <= '9' && end - from < 12;)
        from--;
    if (from == end)
        return otherwise;
    return strtoll (line.ptr + from, NULL, 10) * (from > 0 && line.ptr[from - 1] == '-' ? -1 : 1);
}

static void look (span solution, long long first, standing *s)
{
    size_t thought = span_find_last (solution, span_of ("</think>"));
    *s = (standing){.value = first};
    if (thought < solution.len)
        solution = after (solution, thought);
    s->ended = span_find (solution, span_of ("\\boxed{")) < solution.len;
    while (solution.len > 0) {
        size_t end = span_find (solution, span_of ("\n"));
        span line = span_make (solution.ptr, end);
        bool step = span_starts (line, "Step ") && line.len > 7;
        s->cut = end == solution.len && line.len > 0;
        if (step && !s->cut) {
            s->steps++;
            s->value = last_integer (after (line, 7), s->value);
        }
        solution = after (solution, end < solution.len ? end + 1 : end);
    }
}

static esp_err write_step (esp_buf *out, const puzzle *p, const standing *s, unsigned i,
                           long long result, uint32_t way)
{
    static const char *const ways[] = {"", "Now ", "We go on → ", "Then "};
    const char *minus = p->number[i] < 0 ? "" : " ";
    return esp_buf_printf (out, "Step %u: %s%lld %c%s%lld = %lld.\n\n", s->steps, ways[way],
                           s->value, p->sign[i], minus, p->number[i], result);
}

/* Steps from where the solution stands, and the answer. */
static esp_err
write_solution (esp_buf *out, const puzzle *p, standing s, uint64_t key, double wrong)
{
    unsigned intro = p->count == 2; /* two steps at least */
    esp_err err = ESP_OK;
    while (err == ESP_OK && s.steps < p->count - 1 + intro) {
        unsigned i = ++s.steps - intro;
        uint64_t draw = esp_hash_mix (key, s.steps);
        bool errs = esp_draw_unit (draw, 0) < wrong;
        long long slip = errs ? (long long)esp_draw_below (draw, 1, 9) + 1 : 0, result;
        if (i == 0) {
            err = esp_buf_printf (out, "Step 1: We start with %lld.\n\n", s.value);
            continue;
        }
        result = put_together (s.value, p->sign[i], p->number[i]) +
                 (esp_draw_below (draw, 2, 2) ? slip : -slip);
        err = s.cut ? esp_buf_printf (out, " gives %lld.\n\n", result)
                    : write_step (out, p, &s, i, result, esp_draw_below (draw, 3, 4));
        s.value = result;
        s.cut = false;
    }
    return err == ESP_OK && !s.ended ? esp_buf_printf (out, "The answer is \\boxed{%lld}.", s.value)
                                     : err;
}

static esp_err write_thought (esp_buf *out, const puzzle *p, span solution)
{
    long long value = p->number[0];
    esp_err err = span_find (solution, span_of ("<think>")) < solution.len
                      ? ESP_OK
                      : esp_buf_puts (out, "<think>\n");
    for (unsigned i = 1; i < p->count && err == ESP_OK; i++) {
        value = put_together (value, p->sign[i], p->number[i]);
        err = esp_buf_printf (out, "Let me see, %lld comes next, that would be %lld.\n\n",
                              p->number[i], value);
    }
    return err == ESP_OK ? esp_buf_puts (out, "</think>\n\n") : err;
}

esp_err words_continue (span prompt, uint64_t seed, const words_style *style, esp_buf *out)
{
    span question, solution;
    puzzle p;
    standing s;
    uint64_t key = esp_hash64 (prompt.ptr, prompt.len, seed);
    esp_err err = ESP_OK;
    divide (prompt, &question, &solution);
    read_puzzle (question, &p);
    look (solution, p.number[0], &s);
    if (style->think && span_find (solution, span_of ("</think>")) == solution.len)
        err = write_thought (out, &p, solution);
    if (err != ESP_OK || s.ended)
        return err;
    return write_solution (out, &p, s, key, style->wrong);
}
