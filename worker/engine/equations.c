/* SPDX-License-Identifier: Apache-2.0 */
/* equations.c - every equals sign of a text, with what stands left and right of it
 *
 * Right: the longest side that starts behind the sign.  Left: the side that ends at the sign; or, in a chain, the right
 * side of the sign before.  What stands in front of a left side decides how sure its start is: "the 7 boxes hold 5 * 3 = 15" is read as
 * 5 * 3, but "half of 5 * 3 = 7.5" may be more than that.
 */

#include "worker/engine/equations.h"
#include "proto/base/alloc.h"
#include "worker/engine/equations_side.h"

enum {
    LOOK_BACK = 12,  /* tokens in front of a side that are looked at */
    LIST_MARK = 3,   /* "(a)", "2)" */
    ANNOTATION = 256 /* bytes of the longest <<...>> */
};

struct sentence {
    equations *e;
    size_t count;
    bool line;       /* it starts a line */
    bool annotation; /* <<...>> */
    bool last;       /* the text ends with it */
};

/* ---- life ---- */

esp_err equations_create (equations **out)
{
    equations *e;
    if (!out)
        return ESP_EINVAL;
    if (!(e = esp_calloc (1, sizeof (*e))))
        return ESP_ENOMEM;
    stack_init (&e->stack);
    for (size_t i = 0; i < 4; i++)
        mpq_inits (e->sides[i].value, e->sides[i].first, NULL);
    mpq_inits (e->scratch[0], e->scratch[1], NULL);
    *out = e;
    return ESP_OK;
}

void equations_destroy (equations *e)
{
    if (!e)
        return;
    stack_free (&e->stack);
    for (size_t i = 0; i < 4; i++)
        mpq_clears (e->sides[i].value, e->sides[i].first, NULL);
    mpq_clears (e->scratch[0], e->scratch[1], NULL);
    esp_free (e);
}

/* ---- what stands around a side ---- */

static bool is_sign (const token *t)
{
    return t->kind == TOKEN_OPERATOR && (t->symbol == '-' || t->symbol == '+');
}

/* A number, some words, a side: "30 apples each giving 5 + 3", but also "3/4 of the 20 + 5" and "3 and 4 + 5". */
static uint32_t number_before (const token *t, size_t number, size_t start)
{
    const token *first = &t[number + 1];
    bool tied = span_is (first->text, "of") || (first->meaning.class & WORD_UNIT);
    return tied || start - number <= 2 ? SIDE_DOUBT : 0;
}

/* Words in front of a side, from its start back: does a thought start there? */
static uint32_t words_before (const struct sentence *s, size_t low, size_t start)
{
    const token *t = s->e->tokens;
    for (size_t i = start; i > low && start - i < LOOK_BACK; i--) {
        const token *before = &t[i - 1];
        if (before->kind == TOKEN_NUMBER || before->kind == TOKEN_PERCENT)
            return number_before (t, i - 1, start);
        if (before->kind != TOKEN_WORD)
            return before->kind == TOKEN_STOP || before->kind == TOKEN_OPEN ? 0 : SIDE_DOUBT;
        if (before->symbol == 'x' || (before->meaning.class & WORD_CLOCK) ||
            (i == start && (before->meaning.class & WORD_VARIABLE)))
            return SIDE_UNKNOWN;
        if (before->meaning.class & (WORD_MATHS | WORD_VARIABLE))
            return SIDE_DOUBT;
        if (before->meaning.class & WORD_EDGE)
            return 0;
    }
    return 0;
}

/* How sure is it that a left side starts at `start`?  low: nothing before it belongs to this sign. */
static uint32_t lead (const struct sentence *s, size_t low, size_t start)
{
    const token *before = start > low ? &s->e->tokens[start - 1] : NULL;
    if (!before)
        return 0;
    if (before->kind == TOKEN_WORD && s->e->tokens[start].kind == TOKEN_OPEN &&
        !s->e->tokens[start].spaced)
        return SIDE_UNKNOWN; /* floor(7/2) */
    switch ((enum token_kind)before->kind) {
    case TOKEN_STOP:
    case TOKEN_OPEN:
        return 0;
    case TOKEN_CLOSE:
        return before->symbol != '('           ? SIDE_UNKNOWN
               : s->line && start <= LIST_MARK ? 0
                                               : SIDE_DOUBT;
    case TOKEN_WORD:
        return words_before (s, low, start);
    case TOKEN_OPERATOR: /* "- 5 + 3 = 8" in a list */
        return start == 1 && s->line && s->e->tokens[start].spaced ? 0 : SIDE_UNKNOWN;
    case TOKEN_NUMBER:
    case TOKEN_PERCENT:
        return SIDE_DOUBT;
    default:
        return SIDE_UNKNOWN;
    }
}

/* May the sign at i belong to the number behind it? */
static bool sign_starts (const struct sentence *s, size_t low, size_t i)
{
    const token *t = s->e->tokens;
    if (!is_sign (&t[i]) || i + 1 >= s->count || !side_may_start (&t[i + 1]))
        return false;
    if (i == 0 && s->line)
        return !t[1].spaced;
    return i == low || t[i - 1].kind == TOKEN_STOP || t[i - 1].kind == TOKEN_OPEN;
}

/* Words between the last number of a left side and its sign. */
static void check_words (const struct sentence *s, side *left)
{
    for (size_t i = left->operand_end; i < left->end; i++) {
        if ((s->e->tokens[i].meaning.class & WORD_MATHS) || span_is (s->e->tokens[i].text, "of"))
            left->flags |= SIDE_DOUBT;
        if (s->e->tokens[i].meaning.class & WORD_VARIABLE)
            left->flags |= SIDE_UNKNOWN;
    }
}

/* The side that ends at the sign `equal`. */
static bool find_left (const struct sentence *s, size_t low, size_t equal, side *left)
{
    for (size_t i = low; i < equal;) {
        bool starts = side_may_start (&s->e->tokens[i]) || sign_starts (s, low, i);
        if (!starts) {
            i++;
            continue;
        }
        if (side_read (s->e, i, equal, false, left) && left->end == equal) {
            left->flags |= lead (s, low, i);
            return true;
        }
        i = left->end;
    }
    return false;
}

/* "3 hours 30 minutes", "1 000": the number is not whole. */
static void check_trail (const struct sentence *s, side *right)
{
    const token *t = s->e->tokens;
    if (right->end >= s->count || t[right->end].kind != TOKEN_NUMBER)
        return;
    for (size_t i = right->operand_end; i < right->end; i++)
        if (!(t[i].meaning.class & WORD_UNIT) && !span_is (t[i].text, "and"))
            return;
    right->flags |= SIDE_DOUBT;
}

static bool find_right (const struct sentence *s, size_t equal, size_t high, side *right)
{
    size_t start = equal + 1;
    bool about = false;
    while (start < high && s->e->tokens[start].kind == TOKEN_WORD &&
           (s->e->tokens[start].meaning.class & WORD_ABOUT)) {
        about = true;
        start++;
    }
    if (start >= high || !side_read (s->e, start, high, false, right))
        return false;
    right->flags |= about ? SIDE_ABOUT : 0;
    check_trail (s, right);
    return true;
}

/* ---- judging ---- */

/* Units that convert, terms of different kinds: 2 hours = 120 minutes, 2 shirts + 3 hats = 50 dollars. */
static bool kinds_differ (const side *a, const side *b)
{
    bool sum = (a->flags | b->flags) & SIDE_SUM;
    if ((a->flags | b->flags) & SIDE_MIXED)
        return true;
    if (sum && ((a->scales | b->scales) || (a->word && b->word && a->word != b->word)))
        return true; /* 1.5 million + 500,000, 5 boys + 3 = 8 children */
    if (a->scales != b->scales && (a->scales || b->scales != 1U << SCALE_COUNT))
        return true;
    if (a->units == b->units || !a->units || !b->units)
        return false;
    return sum || (a->units & b->units) != b->units;
}

/* A number that stands alone in front of a sign says what something is worth, or is a name: 3 bags = 12 kg, day 2 = 5 + 3. */
static bool only_said (const struct sentence *s, const side *left, const side *right, bool chain)
{
    if (!(left->flags & SIDE_LONE) || chain || s->annotation)
        return false;
    return (right->flags & SIDE_LONE) || left->word || (left->flags & SIDE_PERCENT) ||
           (left->start > 0 && s->e->tokens[left->start - 1].kind == TOKEN_WORD);
}

/* 5 + 3 = 8 + 2 = 10. */
static bool running (const struct sentence *s, const side *left, const side *right)
{
    return !(right->flags & SIDE_LONE) && right->end < s->count &&
           s->e->tokens[right->end].kind == TOKEN_EQUAL && mpq_equal (left->value, right->first);
}

static bool cut_off (const struct sentence *s, const side *left, const side *right)
{
    return s->last && !s->annotation && right->end == s->count &&
           s->e->tokens[right->end - 1].place == s->e->text.len && side_cut_off (s->e, left, right);
}

/* 60% is 60 of a hundred: all ways to read the percentages of both sides. */
static bool right_in_percent (const struct sentence *s, size_t left, size_t right, bool approximate)
{
    equations *e = s->e;
    side *sides = e->sides;
    for (size_t i = 0; i < 2; i++) {
        size_t of = i == 0 ? left : right;
        if (!side_read (e, sides[of].start, sides[of].end, true, &sides[2 + i]))
            return false;
    }
    for (size_t way = 1; way < 4; way++) {
        const side *a = &sides[way & 1 ? 2 : left], *b = &sides[way & 2 ? 3 : right];
        if (sides_compare (e, a, b, approximate) == EQUATION_RIGHT)
            return true;
    }
    return false;
}

/* left and right are indices of e->sides. */
static enum equation_mark
judge (const struct sentence *s, size_t left, size_t right, bool approximate, bool chain)
{
    const side *a = &s->e->sides[left], *b = &s->e->sides[right];
    enum equation_mark mark;
    if ((a->flags | b->flags) & SIDE_UNKNOWN)
        return EQUATION_UNCHECKED;
    mark = sides_compare (s->e, a, b, approximate);
    if (mark != EQUATION_WRONG)
        return mark;
    if (((a->flags | b->flags) & SIDE_PERCENT) && right_in_percent (s, left, right, approximate))
        return EQUATION_RIGHT;
    if (((a->flags | b->flags) & SIDE_DOUBT) || kinds_differ (a, b) || only_said (s, a, b, chain) ||
        running (s, a, b) || cut_off (s, a, b))
        return EQUATION_UNCHECKED;
    return EQUATION_WRONG;
}

static void
tell (const struct sentence *s, const side *left, const side *right, enum equation_mark mark)
{
    const token *t = s->e->tokens;
    size_t from = left && right ? t[left->start].from : 0;
    size_t to = left && right ? t[right->end - 1].place : 0;
    s->e->counts.of[mark]++;
    if (s->e->found)
        s->e->found (s->e->ctx, span_make (s->e->text.ptr + from, to - from), mark);
}

static size_t next_equal (const struct sentence *s, size_t from)
{
    while (from < s->count && s->e->tokens[from].kind != TOKEN_EQUAL)
        from++;
    return from;
}

static void check_sentence (const struct sentence *s)
{
    size_t low = 0, left = 0, right = 1;
    bool chain = false;
    for (size_t equal = next_equal (s, 0), high; equal < s->count; equal = high) {
        side *a = &s->e->sides[left], *b = &s->e->sides[right];
        bool have_left = chain || find_left (s, low, equal, a), have_right;
        if (have_left)
            check_words (s, a);
        high = next_equal (s, equal + 1);
        have_right = find_right (s, equal, high, b);
        tell (s, have_left ? a : NULL, have_right ? b : NULL,
              have_left && have_right
                  ? judge (s, left, right, s->e->tokens[equal].symbol == '~', chain)
                  : EQUATION_UNCHECKED);
        low = have_right ? b->end : equal + 1;
        chain = have_right && b->end == high;
        left = 1 - left;
        right = 1 - right;
    }
}

static void check_text (equations *e, span text, bool annotation)
{
    for (size_t at = 0; at < text.len;) {
        struct sentence s = {.e = e, .annotation = annotation};
        s.count = tokens_read (text, &at, e->tokens, &s.line);
        s.last = at == text.len;
        check_sentence (&s);
    }
}

bool annotation_at (span text, span *inside)
{
    size_t end;
    if (!span_starts (text, "<<"))
        return false;
    if (text.len > ANNOTATION)
        text.len = ANNOTATION;
    end = span_find (text, span_of (">>"));
    if (end >= text.len || span_find (text, span_of ("\n")) < end)
        return false;
    *inside = span_make (text.ptr + 2, end - 2);
    return true;
}

/* What stands in <<...>>, each by itself. */
static void check_annotations (equations *e, span text)
{
    span inside;
    for (size_t i = 0; i + 1 < text.len; i++)
        if (text.ptr[i] == '<' && annotation_at (span_make (text.ptr + i, text.len - i), &inside)) {
            e->text = inside;
            check_text (e, inside, true);
            i += inside.len + 3;
        }
}

equation_counts equations_check (equations *e, span text, equation_found found, void *ctx)
{
    e->counts = (equation_counts){{0, 0, 0}};
    e->found = found;
    e->ctx = ctx;
    check_annotations (e, text);
    e->text = text;
    check_text (e, text, false);
    return e->counts;
}

enum equation_mark equations_mark (const equation_counts *counts)
{
    return counts->of[EQUATION_WRONG]   ? EQUATION_WRONG
           : counts->of[EQUATION_RIGHT] ? EQUATION_RIGHT
                                        : EQUATION_UNCHECKED;
}
