/* SPDX-License-Identifier: Apache-2.0 */
/* judge.c - see judge.h */

#include "tests/support/model_server/judge.h"
#include <string.h>
#include "proto/base/hash.h"
#include "proto/base/rng.h"

enum { MOST_DIGITS = 12 };

typedef struct equation {
    span text;
    bool right;
} equation;

static void skip_spaces (span text, size_t *at)
{
    while (*at < text.len && text.ptr[*at] == ' ')
        (*at)++;
}

/* An integer, perhaps with a minus; commas between digits are passed over. */
static bool read_number (span text, size_t *at, long long *value)
{
    size_t i = *at, digits = 0;
    bool minus = i < text.len && text.ptr[i] == '-';
    long long sum = 0;
    for (i += minus; i < text.len && digits <= MOST_DIGITS; i++) {
        char c = text.ptr[i];
        if (c >= '0' && c <= '9')
            sum = sum * 10 + (c - '0'), digits++;
        else if (c != ',' || digits == 0 || i + 1 >= text.len || text.ptr[i + 1] < '0' ||
                 text.ptr[i + 1] > '9')
            break;
    }
    if (digits == 0 || digits > MOST_DIGITS)
        return false;
    *at = i;
    *value = minus ? -sum : sum;
    return true;
}

static bool holds (long long a, char sign, long long b, long long c)
{
    switch (sign) {
    case '+':
        return a + b == c;
    case '-':
        return a - b == c;
    case '*':
    case 'x': {
        long long product;
        return !__builtin_mul_overflow (a, b, &product) && product == c;
    }
    default:
        return b != 0 && a % b == 0 && a / b == c;
    }
}

/* "a op b = c" at this place? */
static bool read_equation (span text, size_t at, equation *e)
{
    size_t i = at;
    long long a, b, c;
    char sign;
    if (!read_number (text, &i, &a))
        return false;
    skip_spaces (text, &i);
    if (i >= text.len || !strchr ("+-*x/", sign = text.ptr[i]))
        return false;
    i++;
    skip_spaces (text, &i);
    if (!read_number (text, &i, &b))
        return false;
    skip_spaces (text, &i);
    if (i >= text.len || text.ptr[i++] != '=')
        return false;
    skip_spaces (text, &i);
    if (!read_number (text, &i, &c))
        return false;
    *e = (equation){span_make (text.ptr + at, i - at), holds (a, sign, b, c)};
    return true;
}

static bool next_equation (span text, size_t *at, equation *e)
{
    for (; *at < text.len; (*at)++) {
        bool inside = *at > 0 && text.ptr[*at - 1] >= '0' && text.ptr[*at - 1] <= '9';
        if (!inside && read_equation (text, *at, e)) {
            *at += e->text.len;
            return true;
        }
    }
    return false;
}

double judge_text (span text)
{
    equation e = {.right = true}, next;
    bool any = false, wrong_before = false;
    double chance, p;
    for (size_t at = 0; next_equation (text, &at, &next);) {
        wrong_before |= any && !e.right;
        any = true;
        e = next;
    }
    chance = esp_draw_unit (esp_hash64 (e.text.ptr ? e.text.ptr : "", e.text.len, 11), 0);
    if (!any)
        return 0.5 + 0.2 * chance;
    p = e.right ? 0.55 + 0.44 * chance : 0.05 + 0.55 * chance;
    return wrong_before ? p / 2 : p;
}

static bool mentions (span text, const char *word)
{
    return span_find (text, span_of (word)) < text.len;
}

static span last_turn (span prompt)
{
    static const char user[] = "<|im_start|>user\n", end[] = "<|im_end|>";
    size_t at = span_find_last (prompt, span_of (user));
    span turn;
    if (at == prompt.len)
        return prompt;
    at += sizeof (user) - 1;
    turn = span_make (prompt.ptr + at, prompt.len - at);
    return span_make (turn.ptr, span_find (turn, span_of (end)));
}

bool judge_is_asked (span prompt)
{
    span turn = last_turn (prompt), bare = span_trim (prompt);
    size_t at = 0;
    equation e;
    bool chat = turn.ptr != prompt.ptr, asks = mentions (turn, "Yes") && mentions (turn, "No");
    if (span_ends (bare, "ки"))
        return true;
    if (chat && !span_ends (bare, "<|im_start|>assistant") && !asks)
        return false; /* a solution has begun: it goes on */
    if (!chat && !span_ends (bare, "?") && !span_ends (bare, ":") && !asks)
        return false;
    return asks || next_equation (turn, &at, &e);
}

void judge_labels (span prompt, const char *labels[2])
{
    span turn = last_turn (prompt);
    bool words = mentions (turn, "Yes") && mentions (turn, "No");
    labels[0] = words ? " Yes" : "+";
    labels[1] = words ? " No" : "-";
}

bool judge_critique_is_asked (span prompt)
{
    return span_ends (span_trim (prompt), "Let's verify step by step:");
}

esp_err judge_critique (span prompt, esp_buf *out)
{
    bool good = true;
    unsigned number = 0;
    equation e;
    esp_err err = ESP_OK;
    for (size_t at = 0; err == ESP_OK && next_equation (prompt, &at, &e);) {
        bool seems_right = judge_text (e.text) >= 0.5;
        good &= seems_right;
        err = esp_buf_printf (out, "\nStep %u: %.*s. The step is \\boxed{%s}\n", ++number,
                              (int)e.text.len, e.text.ptr, seems_right ? "correct" : "incorrect");
    }
    return err == ESP_OK
               ? esp_buf_printf (out, "\nIs the solution correct? %s", good ? "Yes" : "No")
               : err;
}
