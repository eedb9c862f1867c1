/* SPDX-License-Identifier: Apache-2.0 */
/* answer_find.c - where a text states its answer
 *
 * Boxes are tried from the end.  A box that does not close swallows what follows it, so an earlier box can only
 * close before it: each byte is looked at once, however many openings there are.
 */

#include <ctype.h>
#include <string.h>
#include <strings.h>
#include "proto/answer/answer.h"

static span from (span text, size_t at)
{
    return span_make (text.ptr + at, text.len - at);
}

static bool keep (span found, span *answer)
{
    found = span_trim (found);
    if (found.len == 0)
        return false;
    *answer = found;
    return true;
}

static span line_of (span text)
{
    return span_make (text.ptr, span_find (text, span_of ("\n")));
}

/* ---- boxes ---- */

/* text starts behind an opening brace; *inside is what stands before the brace that closes it. */
static bool closed (span text, span *inside)
{
    size_t depth = 1;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '\\')
            i++;
        else if (text.ptr[i] == '{')
            depth++;
        else if (text.ptr[i] == '}' && --depth == 0) {
            *inside = span_make (text.ptr, i);
            return true;
        }
    }
    return false;
}

/* "\boxed 5$": up to white space or the end of the formula. */
static span word_of (span text)
{
    size_t len = 0;
    while (len < text.len && !isspace ((unsigned char)text.ptr[len]) && text.ptr[len] != '$' &&
           text.ptr[len] != '}')
        len++;
    while (len > 0 && (text.ptr[len - 1] == '.' || text.ptr[len - 1] == ','))
        len--;
    return span_make (text.ptr, len);
}

/* rest stands behind \boxed; false: not closed. */
static bool box_content (span rest, span *inside)
{
    size_t at = 0;
    while (at < rest.len && rest.ptr[at] == ' ')
        at++;
    if (at < rest.len && rest.ptr[at] == '{')
        return closed (from (rest, at + 1), inside);
    *inside = at > 0 ? word_of (from (rest, at)) : span_make (rest.ptr, 0);
    return inside->len > 0;
}

static bool find_box (span text, span *answer)
{
    static const char *const openings[] = {"\\boxed", "\\fbox"};
    bool found = false;
    for (size_t kind = 0; kind < 2; kind++) {
        span opening = span_of (openings[kind]), before = text, inside;
        size_t at;
        while ((at = span_find_last (before, opening)) < before.len) {
            if (box_content (from (before, at + opening.len), &inside))
                break;
            before.len = at;
        }
        if (at >= before.len || (found && inside.ptr < answer->ptr))
            continue;
        found = true; /* an empty box is no answer, and no earlier one is */
        *answer = span_trim (inside);
    }
    return found;
}

/* ---- phrases ---- */

static size_t starts_word (span text, const char *phrase)
{
    size_t len = strlen (phrase);
    return text.len >= len && strncasecmp (text.ptr, phrase, len) == 0 ? len : 0;
}

/* The length of "answer is", "answer:", "answer = " and their like, or 0. */
static size_t phrase_at (span text)
{
    static const char *const links[] = {" is:", " is", ":", " =", "="};
    size_t len = starts_word (text, "answer");
    span rest = from (text, len);
    if (len == 0)
        return 0;
    if (starts_word (rest, "**")) /* "**Answer**: 5" */
        rest = from (rest, 2), len += 2;
    for (size_t i = 0; i < sizeof (links) / sizeof (links[0]); i++) {
        size_t more = starts_word (rest, links[i]);
        if (more && (rest.len == more || !isalpha ((unsigned char)rest.ptr[more])))
            return len + more;
    }
    return 0;
}

/* The formula that the rest begins with, or its first sentence. */
static span statement (span rest)
{
    static const char *const formulas[][2] = {
        {"$$", "$$"}, {"$", "$"}, {"\\(", "\\)"}, {"\\[", "\\]"}};
    size_t len = 0;
    for (size_t i = 0; i < sizeof (formulas) / sizeof (formulas[0]); i++) {
        size_t open = strlen (formulas[i][0]), close;
        if (!span_starts (rest, formulas[i][0]))
            continue;
        close = span_find (from (rest, open), span_of (formulas[i][1]));
        if (close < rest.len - open)
            return span_make (rest.ptr + open, close);
    }
    while (len < rest.len && !(rest.ptr[len] == '.' &&
                               (len + 1 == rest.len || isspace ((unsigned char)rest.ptr[len + 1]))))
        len++;
    return span_make (rest.ptr, len);
}

static bool find_phrase (span text, span *answer)
{
    for (size_t end = text.len; end > 0; end--) {
        size_t len = tolower ((unsigned char)text.ptr[end - 1]) == 'a'
                         ? phrase_at (from (text, end - 1))
                         : 0;
        span rest;
        if (len == 0)
            continue;
        rest = from (text, end - 1 + len);
        while (rest.len > 0 && strchr (" \t*:", rest.ptr[0]))
            rest = from (rest, 1);
        rest = span_trim (line_of (rest));
        while (span_ends (rest, "*"))
            rest.len--;
        rest = statement (rest);
        return rest.len <= ANSWER_PHRASE && keep (rest, answer);
    }
    return false;
}

/* A heading "# Answer", as PRM800K's solutions end: all that stands below it. */
static bool find_heading (span text, span *answer)
{
    static const char heading[] = "# Answer\n";
    size_t at = span_find_last (text, span_of (heading));
    size_t first = at;
    if (at >= text.len)
        return false;
    while (first > 0 && text.ptr[first - 1] == '#')
        first--;
    return (first == 0 || text.ptr[first - 1] == '\n') &&
           keep (from (text, at + strlen (heading)), answer);
}

/* "... so the choice is (B)." at the very end. */
static bool find_choice (span text, span *answer)
{
    text = span_trim (text);
    if (span_ends (text, "."))
        text.len--;
    if (text.len < 3 || (text.len > 3 && !isspace ((unsigned char)text.ptr[text.len - 4])))
        return false;
    text = from (text, text.len - 3);
    if (text.ptr[0] != '(' || text.ptr[1] < 'A' || text.ptr[1] > 'J' || text.ptr[2] != ')')
        return false;
    *answer = text;
    return true;
}

bool answer_find (span text, span *answer)
{
    const span hashes = span_of ("####");
    size_t at;
    span found;
    if (find_box (text, &found))
        return keep (found, answer);
    at = span_find_last (text, hashes);
    if (at < text.len)
        return keep (line_of (from (text, at + hashes.len)), answer);
    return find_heading (text, answer) || find_phrase (text, answer) || find_choice (text, answer);
}
