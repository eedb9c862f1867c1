/* SPDX-License-Identifier: Apache-2.0 */
/* equations_side.c - the longest expression that starts at a token
 *
 * Two states: an operand is wanted, or has been read.  Words behind a number are its unit.  What a reader could understand
 * otherwise raises SIDE_DOUBT; what we do not understand, SIDE_UNKNOWN.
 */

#include "worker/engine/equations_side.h"
#include <string.h>
#include "worker/engine/equations_side.h"

enum {
    VALUE_BITS = 4096, /* of numerator or denominator */
    EXPONENT_MOST = 256,
    UNIT_WORDS = 6,  /* more words between a number and an operator are prose */
    OF_WORDS = 3,    /* 20% of the old price of 50 */
    PARENTHESIS = 12 /* tokens of a remark in parentheses */
};

struct parser {
    equations *e;
    const token *t;
    size_t at, end;
    side *s;
    stack *k; /* that of e */
    bool percent_unit;
    size_t words;          /* behind the last operand */
    bool edge;             /* one of them starts a new thought */
    bool share;            /* the last operand can stand before "of" */
    size_t numbers, signs; /* operands that are written numbers; operators */
    uint32_t term_word;
    size_t last_open; /* token of the innermost group still open at the end */
};

static void push_binary (struct parser *p, char symbol, bool spaced)
{
    stack_push_binary (p->k, symbol, spaced, p->at);
    p->signs++;
    if (p->edge || p->words > UNIT_WORDS)
        p->s->flags |= SIDE_DOUBT;
    p->words = 0;
    p->edge = p->share = false;
}

/* ---- units ---- */

/* A term ends: is it of the kind of the others? */
static void end_term (struct parser *p)
{
    if (p->term_word && p->s->word && p->term_word != p->s->word)
        p->s->flags |= SIDE_MIXED;
    if (p->term_word && !p->s->word)
        p->s->word = p->term_word;
    p->term_word = 0;
}

static void note_dollar (struct parser *p)
{
    p->s->units |= 1U << UNIT_DOLLAR;
    p->term_word = word_hash (span_of ("dollar"));
}

static void note_word (struct parser *p, const token *t)
{
    const word_meaning *m = &t->meaning;
    if (m->class & WORD_CLOCK || (m->class & WORD_VARIABLE && p->words == 0))
        p->s->flags |= SIDE_UNKNOWN;
    if ((m->class & WORD_MATHS) && p->words == 0 && !m->symbol)
        p->s->flags |= SIDE_DOUBT; /* 3 remainder 1, 5 squared */
    if ((m->class & (WORD_EDGE | WORD_MATHS | WORD_VARIABLE)) || span_is (t->text, "and") ||
        span_is (t->text, "or"))
        p->edge = true; /* "15 cards with the letter C" */
    if ((m->class & WORD_UNIT) && !p->term_word)
        p->s->units |= 1U << m->unit;
    if (m->class & WORD_SCALE)
        p->s->scales |= 1U << m->unit;
    if (!p->term_word && !p->edge)
        p->term_word = word_hash (t->text);
    p->words++;
}

/* ---- operands ---- */

bool side_may_start (const token *t)
{
    return t->kind == TOKEN_NUMBER || t->kind == TOKEN_CURRENCY || t->kind == TOKEN_OPEN ||
           t->kind == TOKEN_FRACTION || t->kind == TOKEN_ROOT;
}

static const token *next (const struct parser *p, size_t ahead)
{
    static const token none = {.kind = TOKEN_STOP};
    return p->at + ahead < p->end ? &p->t[p->at + ahead] : &none;
}

static bool tight_fraction (const struct parser *p)
{
    return p->at + 3 <= p->end && tokens_are_fraction (&p->t[p->at]);
}

/* Take the number at p->at into value; false: division by zero. */
static bool take_number (struct parser *p, mpq_t value)
{
    const token *t = next (p, 0);
    if (t->symbol == 'f' && t->text.ptr[1] == '0')
        return false;
    token_value (t, value);
    if (t->symbol == '/' || t->symbol == 'f') {
        mpq_canonicalize (value);
        p->s->flags |= SIDE_DIVIDES;
        p->signs++;
    }
    if (t->symbol == '.')
        p->s->flags |= SIDE_DOUBT | SIDE_ABOUT;
    p->share = t->symbol == '/' || t->symbol == 'f';
    p->s->decimals = t->decimals;
    p->at++;
    return true;
}

/* a/b as one number: behind a spaced division, or behind a whole number (3 1/2).  Both can be meant otherwise. */
static bool take_fraction (struct parser *p, mpq_t value)
{
    token_value (next (p, 0), value);
    token_value (next (p, 2), p->e->scratch[0]);
    if (mpq_sgn (p->e->scratch[0]) == 0)
        return false;
    mpq_div (value, value, p->e->scratch[0]);
    p->at += 3;
    p->signs++;
    p->share = true;
    p->s->flags |= SIDE_DOUBT | SIDE_DIVIDES;
    return true;
}

/* 3 1/2, or 2 and the sign of a half: add what follows.  False: division by zero. */
static bool take_rest (struct parser *p, mpq_t value)
{
    mpq_t more;
    bool fine = true, fraction = next (p, 0)->spaced && tight_fraction (p);
    if (!fraction && (next (p, 0)->kind != TOKEN_NUMBER || !next (p, 0)->symbol))
        return true;
    mpq_init (more);
    fine = fraction ? take_fraction (p, more) : take_number (p, more);
    mpq_add (value, value, more);
    mpq_clear (more);
    p->s->flags |= SIDE_DOUBT;
    return fine;
}

static void read_number (struct parser *p)
{
    mpq_t *value = stack_room (p->k);
    bool whole = token_is_whole (next (p, 0)), fine = value != NULL;
    if (fine && stack_top_is (p->k, '/') && p->k->operators[p->k->operator_count - 1].spaced &&
        tight_fraction (p))
        fine = take_fraction (p, *value);
    else if (fine)
        fine = take_number (p, *value);
    if (fine && whole)
        fine = take_rest (p, *value);
    if (!fine) {
        p->k->failed = true;
        return;
    }
    if (p->numbers++ == 0)
        mpq_set (p->s->first, *value);
    stack_push_value (p->k);
}

/* ---- groups ---- */

static void close_group (struct parser *p, char open)
{
    char symbol = stack_close (p->k, open);
    if (!symbol)
        return;
    p->at++;
    p->words = 0;
    p->edge = false;
    p->share = symbol == 'b';
    p->signs += symbol == 'b';
    if (symbol != 't')
        return;
    if (next (p, 0)->kind != TOKEN_OPEN || next (p, 0)->symbol != '{')
        p->k->failed = true;
    stack_push (p->k, 'b', false, p->at);
    p->at++;
}

/* A remark: (apples), \text{ apples}.  Returns its tokens, 0: it is none. */
static size_t remark (const struct parser *p)
{
    for (size_t n = 1; n < PARENTHESIS; n++) {
        const token *t = next (p, n);
        if (t->kind == TOKEN_CLOSE)
            return n > 1 ? n + 1 : 0;
        if (t->kind != TOKEN_WORD || (t->meaning.class & (WORD_VARIABLE | WORD_CLOCK)))
            return 0;
    }
    return 0;
}

/* ---- an operand is wanted ---- */

/* A sign that belongs to the number behind it: white space before, none behind. */
static bool sign_is_tight (const struct parser *p, size_t ahead)
{
    return next (p, ahead)->spaced && !next (p, ahead + 1)->spaced;
}

/* False: none stands here. */
static bool want_operand (struct parser *p)
{
    const token *t = next (p, 0);
    bool first = p->k->value_count == 0 || stack_group_on_top (p->k);
    switch (t->kind) {
    case TOKEN_NUMBER:
        read_number (p);
        return true;
    case TOKEN_CURRENCY:
        note_dollar (p);
        p->at++;
        return next (p, 0)->kind == TOKEN_NUMBER && want_operand (p);
    case TOKEN_OPEN:
        stack_push (p->k, t->symbol, t->spaced, p->at);
        p->at++;
        return true;
    case TOKEN_FRACTION:
        if (next (p, 1)->kind != TOKEN_OPEN || next (p, 1)->symbol != '{')
            return false;
        stack_push (p->k, 't', t->spaced, p->at);
        p->at += 2;
        return true;
    case TOKEN_ROOT:
        p->signs++;
        stack_push (p->k, 'r', t->spaced, p->at);
        p->at++;
        return side_may_start (next (p, 0));
    case TOKEN_OPERATOR:
        if ((t->symbol != '-' && t->symbol != '+') ||
            (!first && (stack_top_is (p->k, '+') || stack_top_is (p->k, '-')) &&
             !sign_is_tight (p, 0)))
            return false;
        if (t->symbol == '-')
            stack_push (p->k, 'n', t->spaced, p->at);
        p->at++;
        return side_may_start (next (p, 0));
    default:
        return false;
    }
}

/* ---- behind an operand ---- */

static void read_percent (struct parser *p)
{
    mpq_t *top = stack_top (p->k);
    p->s->flags |= SIDE_PERCENT | SIDE_DIVIDES;
    p->s->units |= 1U << UNIT_PERCENT;
    if (stack_top_is (p->k, '+') || stack_top_is (p->k, '-'))
        p->s->flags |= SIDE_DOUBT; /* 100 + 20% */
    if (!p->percent_unit) {
        mpq_set_ui (p->e->scratch[0], 100, 1);
        mpq_div (*top, *top, p->e->scratch[0]);
        p->s->decimals = (uint8_t)(p->s->decimals + 2);
    }
    p->share = true;
    p->at++;
}

/* "of" behind a share: how many words lead to a number?  0: it does not. */
static size_t of_words (struct parser *p)
{
    size_t n = 1;
    bool fraction =
        p->at >= 3 && p->at - 3 >= p->s->start && tokens_are_fraction (&p->t[p->at - 3]);
    if ((!p->share && !fraction) || p->words > 0 || !span_is (next (p, 0)->text, "of"))
        return 0;
    for (; n <= OF_WORDS && next (p, n)->kind == TOKEN_WORD; n++)
        if (!(next (p, n)->meaning.class & WORD_ARTICLE))
            p->s->flags |= SIDE_DOUBT;
    return side_may_start (next (p, n)) ? n : 0;
}

/* Words that are operators: x, times, multiplied by.  Returns their number, 0: they are none. */
static size_t operator_words (const struct parser *p, char *symbol)
{
    const token *t = next (p, 0);
    size_t n = 1;
    *symbol = t->symbol == 'x' ? '*' : t->meaning.symbol;
    if (!*symbol)
        return 0;
    if (next (p, 1)->kind == TOKEN_WORD && span_is (next (p, 1)->text, "by"))
        n = 2;
    return side_may_start (next (p, n)) ? n : 0;
}

static void read_words (struct parser *p)
{
    char symbol;
    size_t n = of_words (p);
    if (n > 0) {
        p->at += n;
        push_binary (p, '*', true);
    } else if ((n = operator_words (p, &symbol)) > 0) {
        if (symbol != '*' && symbol != '/')
            end_term (p), p->s->flags |= SIDE_SUM;
        push_binary (p, symbol, true);
        p->at += n;
    } else if (next (p, 0)->symbol == 'x') {
        p->s->flags |= SIDE_UNKNOWN; /* 2x */
        p->at++;
        p->words++;
    } else {
        if (p->words == 0 && span_is (next (p, 0)->text, "percent")) {
            read_percent (p);
            return;
        }
        note_word (p, next (p, 0));
        p->at++;
    }
}

/* An operator; false: nothing that it could stand before. */
static bool read_operator (struct parser *p)
{
    const token *t = next (p, 0), *then = next (p, 1);
    bool sum = t->symbol == '+' || t->symbol == '-'; /* 26 + -2 */
    bool negated = token_is (then, '-') && (!sum || sign_is_tight (p, 1));
    if (t->symbol == '/' && then->kind == TOKEN_WORD && then->text.len > 1 &&
        !(then->meaning.class & (WORD_MATHS | WORD_VARIABLE))) {
        p->at++; /* $2/car */
        note_word (p, then);
        p->at++;
        return true;
    }
    if (!side_may_start (then) && !negated) {
        bool dash = t->symbol == '-' && t->spaced && then->spaced && then->kind == TOKEN_WORD &&
                    !(then->meaning.class & WORD_VARIABLE);
        p->s->flags |= dash ? SIDE_DOUBT : SIDE_UNKNOWN;
        return false;
    }
    if (sum) {
        end_term (p);
        p->s->flags |= SIDE_SUM;
    }
    if (t->symbol == '^' &&
        (stack_top_is (p->k, 'n') || then->kind == TOKEN_CURRENCY || p->words > 0))
        p->s->flags |= SIDE_DOUBT; /* -2^2 */
    push_binary (p, t->symbol, t->spaced);
    p->at++;
    return true;
}

/* 3(4), 2\frac{1}{2}: a product, or a mixed number, or a remark. */
static bool read_juxtaposed (struct parser *p)
{
    size_t n = next (p, 0)->kind == TOKEN_OPEN ? remark (p) : 0;
    if (n > 0) {
        for (size_t i = 1; i + 1 < n; i++)
            note_word (p, next (p, i));
        p->at += n;
        return true;
    }
    if (p->words > 0)
        return false;
    if (next (p, 0)->kind == TOKEN_OPEN && (next (p, 0)->spaced || !side_may_start (next (p, 1)))) {
        if (side_may_start (next (p, 1)))
            p->s->flags |= SIDE_DOUBT;
        return false; /* = 26 (left: 8 10 26) */
    }
    if (next (p, 0)->kind != TOKEN_OPEN || stack_top_is (p->k, '/') || stack_top_is (p->k, '^'))
        p->s->flags |= SIDE_DOUBT;
    if (next (p, 0)->kind == TOKEN_FRACTION) {
        p->s->flags |= SIDE_UNKNOWN;
        return false;
    }
    push_binary (p, '*', false);
    return true;
}

/* False: the expression ends before this token. */
static bool behind_operand (struct parser *p, bool *wanted)
{
    const token *t = next (p, 0);
    size_t signs = p->signs;
    bool goes_on = false;
    switch (t->kind) {
    case TOKEN_PERCENT:
        if (p->words == 0)
            read_percent (p);
        return p->words == 0;
    case TOKEN_WORD:
        read_words (p);
        goes_on = true;
        break;
    case TOKEN_OPERATOR:
        goes_on = read_operator (p);
        break;
    case TOKEN_OPEN:
    case TOKEN_FRACTION:
    case TOKEN_ROOT:
        goes_on = read_juxtaposed (p);
        break;
    case TOKEN_CLOSE:
        stack_reduce (p->k);
        if (!p->k->failed && stack_group_on_top (p->k)) {
            *wanted = stack_top_is (p->k, 't');
            close_group (p, t->symbol);
            return true;
        }
        break;
    case TOKEN_BAD:
        p->s->flags |= SIDE_UNKNOWN;
        break;
    default:
        break;
    }
    *wanted = p->signs > signs;
    return goes_on;
}

/* ---- whole sides ---- */

static bool conclude (struct parser *p, size_t start, bool whole)
{
    size_t open = stack_open_token (p->k, p->end);
    side *s = p->s;
    s->end = p->at > start ? p->at : start + 1;
    if (open < p->end) { /* "(5 + 3 = 8)": go on inside */
        s->end = open + 1;
        return false;
    }
    if (!whole || p->k->value_count == 0)
        return false;
    stack_reduce (p->k);
    if (p->k->divided)
        s->flags |= SIDE_DIVIDES;
    if (p->k->failed || p->k->value_count != 1) {
        s->flags |= SIDE_UNKNOWN;
        return true;
    }
    end_term (p);
    if (p->numbers == 1 && p->signs == 0)
        s->flags |= SIDE_LONE;
    mpq_set (s->value, *stack_top (p->k));
    return true;
}

bool side_read (equations *e, size_t start, size_t end, bool percent_unit, side *s)
{
    struct parser p = {.e = e,
                       .k = &e->stack,
                       .t = e->tokens,
                       .at = start,
                       .end = end,
                       .s = s,
                       .percent_unit = percent_unit};
    bool wanted = true, goes_on = true;
    stack_clear (p.k);
    s->start = s->operand_end = start;
    s->flags = s->units = s->scales = s->word = 0;
    s->decimals = 0;
    while (goes_on && !p.k->failed && p.at < end) {
        if (wanted) {
            size_t values = p.k->value_count;
            goes_on = want_operand (&p);
            wanted = p.k->value_count == values;
        } else {
            goes_on = behind_operand (&p, &wanted);
        }
        if (!wanted && p.words == 0)
            s->operand_end = p.at;
    }
    return conclude (&p, start, !wanted);
}
