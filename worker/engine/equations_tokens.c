/* SPDX-License-Identifier: Apache-2.0 */
/* equations_tokens.c - one sentence of a text as tokens
 *
 * A sentence ends at a line, unless the next line goes on with an equals sign, and at a full stop in front of white space.  Marks
 * that only change the look (emphasis, \left, $...$, &) make no token.  Looking ahead is bounded everywhere.
 */

#include "worker/engine/equations_tokens.h"
#include <string.h>

enum {
    LOOK_AHEAD = 64, /* bytes; longer gaps join nothing */
    NUMBER_MOST = 40 /* characters; a longer number is not understood */
};

struct reader {
    span text;
    size_t at, count;
    token *out;
    bool spaced, ended, full;
};

/* ---- looking ---- */

static char look (const struct reader *r, size_t ahead)
{
    return r->at + ahead < r->text.len ? r->text.ptr[r->at + ahead] : 0;
}

static char look_back (const struct reader *r)
{
    return (char)(r->at > 0 ? r->text.ptr[r->at - 1] : 0);
}

static bool is_digit (char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter (char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_space (char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\f' || c == '\v';
}

/* The first byte behind the white space of this line, from `ahead` on. */
static char look_behind_space (const struct reader *r, size_t ahead)
{
    size_t most = ahead + LOOK_AHEAD;
    while (ahead < most && is_space (look (r, ahead)))
        ahead++;
    return look (r, ahead);
}

static bool starts_operand (char c)
{
    return is_digit (c) || (c && strchr ("$(.\\[{<", c));
}

/* Is the token before this place the end of an operand? */
static bool behind_operand (const struct reader *r)
{
    const token *t = r->count ? &r->out[r->count - 1] : NULL;
    return t && (t->kind == TOKEN_NUMBER || t->kind == TOKEN_CLOSE || t->kind == TOKEN_PERCENT ||
                 t->kind == TOKEN_WORD);
}

/* ---- tokens ---- */

/* A sentence that is too long is dropped as a whole, so the last token may be overwritten. */
static token *put (struct reader *r, enum token_kind kind, char symbol, size_t len)
{
    token *t;
    r->full = r->full || r->count == EQUATIONS_TOKENS;
    r->count -= r->full;
    t = &r->out[r->count++];
    *t = (token){.kind = (uint8_t)kind,
                 .symbol = symbol,
                 .spaced = r->spaced,
                 .text = span_make (r->text.ptr + r->at, len)};
    t->from = r->at;
    t->place = r->at += len;
    r->spaced = false;
    return t;
}

static void skip (struct reader *r, size_t len)
{
    r->at += len;
}

static void read_sign (struct reader *r, const sign *s, size_t len)
{
    token *t;
    switch (s->how) {
    case SIGN_SKIP:
        skip (r, len);
        break;
    case SIGN_SPACE:
        skip (r, len);
        r->spaced = true;
        break;
    case SIGN_TOKEN:
        (void)put (r, s->kind, s->symbol, len);
        break;
    case SIGN_POWER:
        (void)put (r, s->kind, s->symbol, len);
        t = put (r, TOKEN_NUMBER, 0, 0);
        t->text = span_of (s->number);
        break;
    case SIGN_NUMBER:
        t = put (r, TOKEN_NUMBER, s->symbol, len);
        t->text = span_of (s->number);
        break;
    }
}

/* \frac12: two digits, no groups. */
static void read_fraction (struct reader *r, size_t len)
{
    token *t;
    if (!is_digit (look (r, len)) || !is_digit (look (r, len + 1))) {
        (void)put (r, TOKEN_FRACTION, 0, len);
        return;
    }
    t = put (r, TOKEN_NUMBER, 'f', len + 2);
    t->text = span_make (t->text.ptr + len, 2);
}

static void read_command (struct reader *r)
{
    size_t len = 1;
    const sign *s;
    while (len < LOOK_AHEAD && is_letter (look (r, len)))
        len++;
    if (len == 1) {
        static const char spaces[] =
            ",;:! \\"; /* \, and so on; \\ only here when the line goes on */
        char c = look (r, 1);
        if (c == '$' || c == '%' || c == '{' || c == '}')
            skip (r, 1);
        else if (c && strchr (spaces, c))
            skip (r, 2), r->spaced = r->spaced || c != '!';
        else if (c == '(' || c == ')')
            skip (r, 2); /* mathematics inside a line */
        else
            (void)put (r, TOKEN_STOP, 0, c == '[' || c == ']' ? 2 : 1);
        return;
    }
    s = command_find (span_make (r->text.ptr + r->at + 1, len - 1));
    if (s && s->kind == TOKEN_FRACTION)
        read_fraction (r, len);
    else if (s)
        read_sign (r, s, len);
    else
        (void)put (r, TOKEN_BAD, 0, len);
}

/* ---- numbers ---- */

/* Digits and thousands commas ("1,000", "1{,}000"); a comma that separates no group of three ends them. */
static size_t whole_length (const struct reader *r)
{
    size_t len = 0, comma;
    while (is_digit (look (r, len)))
        len++;
    if (len == 0 || len > 3)
        return len;
    while (len < 2 * NUMBER_MOST) {
        comma = look (r, len) == ',' ? 1 : look (r, len) == '{' && look (r, len + 1) == ',' ? 3 : 0;
        if (!comma || !is_digit (look (r, len + comma)) || !is_digit (look (r, len + comma + 1)) ||
            !is_digit (look (r, len + comma + 2)) || is_digit (look (r, len + comma + 3)))
            return len;
        len += comma + 3;
    }
    return len;
}

/* What stands right behind a number can change it: 5m, 5th, 1.2.3, 1,5, 5:30, x2. */
static bool number_spoilt (const struct reader *r, size_t len)
{
    char next = look (r, len), after = look (r, len + 1);
    size_t letters = 0;
    span word;
    uint16_t class;
    if ((next == '.' || next == ',' || next == ':') && is_digit (after))
        return true;
    while (letters < LOOK_AHEAD && is_letter (look (r, len + letters)))
        letters++;
    if (letters == 0)
        return false;
    word = span_make (r->text.ptr + r->at + len, letters);
    if (letters == 1)
        return next != 'x' && next != 'X';
    class = word_look_up (word).class;
    return !(class & (WORD_UNIT | WORD_SCALE)) || (class & WORD_ORDINAL);
}

static bool behind_times (const struct reader *r)
{
    return r->count && r->out[r->count - 1].symbol == 'x';
}

static void read_number (struct reader *r)
{
    size_t len = whole_length (r), decimals = 0, dots = 0;
    token *t;
    if (look (r, len) == '.' && is_digit (look (r, len + 1))) {
        len++;
        while (is_digit (look (r, len + decimals)))
            decimals++;
        len += decimals;
    }
    while (decimals > 0 && dots < 3 && look (r, len + dots) == '.')
        dots++;
    if (dots < 3)
        dots = 0;
    if (len > NUMBER_MOST || (is_letter (look_back (r)) && !behind_times (r)) ||
        look_back (r) == '_' || number_spoilt (r, len + dots)) {
        (void)put (r, TOKEN_BAD, 0, len);
        return;
    }
    t = put (r, TOKEN_NUMBER, dots ? '.' : 0, len + dots);
    t->text.len = len;
    t->decimals = (uint8_t)decimals;
}

/* ---- words ---- */

/* Letters, apostrophes and hyphens inside, sequences of UTF-8 that are no sign. */
static size_t word_length (const struct reader *r, bool *variable)
{
    size_t len = 0;
    for (; r->at + len < r->text.len; len++) {
        char c = look (r, len), next = look (r, len + 1);
        span rest = span_make (r->text.ptr + r->at + len, r->text.len - r->at - len);
        if (is_digit (c) || c == '_')
            *variable = true;
        else if ((unsigned char)c >= 0x80 ? span_starts (rest, "\xe2\x80\x99") || !sign_find (rest)
                                          : is_letter (c))
            continue;
        else if (len == 0 || (c != '\'' && c != '-') || !is_letter (next))
            break;
    }
    return len;
}

static void read_word (struct reader *r)
{
    bool variable = false;
    char c = look (r, 0);
    size_t len;
    token *t;
    bool times = (c == 'x' || c == 'X') && !is_letter (look (r, 1)) && look (r, 1) != '\'' &&
                 (look_back (r) == 0 || !is_letter (look_back (r)));
    len = times ? 1 : word_length (r, &variable);
    t = put (r, TOKEN_WORD, times ? 'x' : 0, len ? len : 1);
    t->meaning = word_look_up (t->text);
    if ((unsigned char)c == 0xce || (unsigned char)c == 0xcf) /* Greek */
        variable = true;
    if (variable || (len == 1 && !times && c != 'a' && c != 'A' && c != 'I'))
        t->meaning = (word_meaning){.class = WORD_VARIABLE};
}

/* ---- marks ---- */

/* ** is a power between two operands, else emphasis; * alone likewise. */
static void read_star (struct reader *r)
{
    size_t len = look (r, 1) == '*' ? 2 : 1;
    char next = look_behind_space (r, len);
    bool before = r->spaced, after = is_space (look (r, len));
    bool operand = starts_operand (next) || (len == 1 && (next == '-' || is_letter (next)));
    if (len == 2 && behind_operand (r) && operand && before == after)
        (void)put (r, TOKEN_OPERATOR, '^', 2);
    else if (len == 1 && operand &&
             (before == after || (behind_operand (r) && starts_operand (next))) &&
             (behind_operand (r) || after))
        (void)put (r, TOKEN_OPERATOR, '*', 1);
    else
        skip (r, len);
}

/* A sentence ends here unless the mark stands inside a number or a word. */
static void read_full_stop (struct reader *r)
{
    char c = look (r, 0), next = look (r, 1), then = look_behind_space (r, 1);
    if (c == '.' && next == '.')
        (void)put (r, TOKEN_BAD, 0, 2);
    else if (c == '!' &&
             (next == '=' || then == '=' || (then && strchr ("+-*/", then)) || next == '/'))
        (void)put (r, next == '=' ? TOKEN_STOP : TOKEN_BAD, 0, next == '=' ? 2 : 1);
    else if (is_space (next) || next == '\n' || next == 0)
        skip (r, 1), r->ended = true;
    else
        (void)put (r, TOKEN_STOP, 0, 1);
}

static void read_less (struct reader *r)
{
    span rest = span_make (r->text.ptr + r->at, r->text.len - r->at), inside;
    if (annotation_at (rest, &inside))
        skip (r, inside.len + 4); /* read on its own */
    else
        (void)put (r, TOKEN_STOP, 0, look (r, 1) == '=' ? 2 : 1);
}

static void read_minus (struct reader *r)
{
    char before = look_back (r);
    bool glued = is_digit (before) || before == ')' || before == '%';
    if (look (r, 1) == '>')
        (void)put (r, TOKEN_STOP, 0, 2);
    else if (glued && is_letter (look (r, 1)) && is_letter (look (r, 2)))
        skip (r, 1); /* a 30-minute episode */
    else
        (void)put (r, TOKEN_OPERATOR, '-', 1);
}

static void read_equal (struct reader *r)
{
    if (look (r, 1) == '>')
        (void)put (r, TOKEN_STOP, 0, 2);
    else
        (void)put (r, TOKEN_EQUAL, '=', look (r, 1) == '=' ? 2 : 1);
}

/* $ is a currency in front of a number, else it only opens or closes mathematics. */
static void read_dollar (struct reader *r)
{
    char next = look (r, 1);
    if (is_digit (next) || next == '.' || (next == '<' && look (r, 2) == '<'))
        (void)put (r, TOKEN_CURRENCY, 0, 1);
    else
        skip (r, 1);
}

static void read_colon (struct reader *r)
{
    if (look (r, 1) == '=')
        (void)put (r, TOKEN_EQUAL, '=', 2);
    else
        (void)put (r, is_digit (look_back (r)) && is_digit (look (r, 1)) ? TOKEN_BAD : TOKEN_STOP,
                   0, 1);
}

static void read_tilde (struct reader *r)
{
    if (look (r, 1) == '=') {
        (void)put (r, TOKEN_EQUAL, '~', 2);
    } else {
        token *t = put (r, TOKEN_WORD, 0, 1);
        t->meaning.class = WORD_ABOUT;
    }
}

static void read_bracket (struct reader *r)
{
    static const char open[] = "([{", close[] = ")]}";
    char c = look (r, 0);
    const char *closing = strchr (close, c);
    (void)put (r, closing ? TOKEN_CLOSE : TOKEN_OPEN, closing ? open[closing - close] : c, 1);
}

static void read_operator (struct reader *r)
{
    (void)put (r, TOKEN_OPERATOR, look (r, 0), 1);
}

static void read_percent (struct reader *r)
{
    (void)put (r, TOKEN_PERCENT, 0, 1);
}

static void read_greater (struct reader *r)
{
    (void)put (r, TOKEN_STOP, 0, look (r, 1) == '=' ? 2 : 1);
}

static void read_decoration (struct reader *r)
{
    skip (r, 1);
}

static void read_bad (struct reader *r)
{
    (void)put (r, TOKEN_BAD, 0, 1);
}

static void read_mark (struct reader *r)
{
    static const struct {
        const char *marks;
        void (*read) (struct reader *);
    } rows[] = {{"+/^", read_operator}, {"-", read_minus},        {"*", read_star},
                {"=", read_equal},      {"%", read_percent},      {"$", read_dollar},
                {"<", read_less},       {">", read_greater},      {":", read_colon},
                {"~", read_tilde},      {"\\", read_command},     {"\"`&'", read_decoration},
                {"_@", read_bad},       {".!?;", read_full_stop}, {"()[]{}", read_bracket}};
    char c = look (r, 0);
    for (size_t i = 0; c && i < sizeof (rows) / sizeof (rows[0]); i++)
        if (strchr (rows[i].marks, c)) {
            rows[i].read (r);
            return;
        }
    (void)put (r, TOKEN_STOP, 0, 1);
}

/* ---- sentences ---- */

/* At the end of a line: does the next one start with an equals sign?  Then *skipped bytes lead to it. */
static bool goes_on (const struct reader *r, size_t *skipped)
{
    size_t i = 0;
    char c;
    while (i < LOOK_AHEAD && (c = look (r, i)) &&
           (is_space (c) || c == '\n' || c == '&' || c == '\\'))
        i++;
    *skipped = i;
    return look (r, i) == '=' && look (r, i + 1) != '>';
}

static void read_line_end (struct reader *r)
{
    size_t skipped;
    if (goes_on (r, &skipped)) {
        skip (r, skipped);
        r->spaced = true;
    } else {
        skip (r, look (r, 0) == '\n' ? 1 : 2);
        r->ended = true;
    }
}

static void read_one (struct reader *r)
{
    char c = look (r, 0);
    const sign *s = (unsigned char)c >= 0x80
                        ? sign_find (span_make (r->text.ptr + r->at, r->text.len - r->at))
                        : NULL;
    if (c == '\n' || (c == '\\' && look (r, 1) == '\\'))
        read_line_end (r);
    else if (is_space (c))
        skip (r, 1), r->spaced = true;
    else if (is_digit (c) || (c == '.' && is_digit (look (r, 1))))
        read_number (r);
    else if (s)
        read_sign (r, s, strlen (s->text));
    else if (is_letter (c) || (unsigned char)c >= 0x80)
        read_word (r);
    else
        read_mark (r);
}

size_t tokens_read (span text, size_t *at, token out[EQUATIONS_TOKENS], bool *line)
{
    struct reader r = {.text = text, .at = *at, .out = out};
    *line = *at == 0 || text.ptr[*at - 1] == '\n' || text.ptr[*at - 1] == '\\';
    while (!r.ended && r.at < text.len)
        read_one (&r);
    *at = r.at;
    return r.full ? 0 : r.count;
}
