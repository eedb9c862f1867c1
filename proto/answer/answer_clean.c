/* SPDX-License-Identifier: Apache-2.0 */
/* answer_clean.c - the first half of answer_token.h: decoration goes, spellings of one thing become one */

#include <ctype.h>
#include <string.h>
#include "proto/answer/answer_token.h"

struct spelling {
    const char *from, *to;
};

/* A command counts when no letter follows it; longer spellings stand before their beginnings. */
static const struct spelling spellings[] = {{"\\dfrac", "\\frac"},
                                            {"\\tfrac", "\\frac"},
                                            {"\\cfrac", "\\frac"},
                                            {"\\left", ""},
                                            {"\\right", ""},
                                            {"\\bigl", ""},
                                            {"\\bigr", ""},
                                            {"\\Bigl", ""},
                                            {"\\Bigr", ""},
                                            {"\\biggl", ""},
                                            {"\\biggr", ""},
                                            {"\\big", ""},
                                            {"\\Big", ""},
                                            {"\\bigg", ""},
                                            {"\\Bigg", ""},
                                            {"\\displaystyle", ""},
                                            {"\\textstyle", ""},
                                            {"\\limits", ""},
                                            {"\\bold", ""},
                                            {"\\!", ""},
                                            {"\\;", " "},
                                            {"\\:", " "},
                                            {"\\>", " "},
                                            {"\\ ", " "},
                                            {"~", " "},
                                            {"\\quad", " "},
                                            {"\\qquad", " "},
                                            {"\\(", ""},
                                            {"\\)", ""},
                                            {"\\[", ""},
                                            {"\\]", ""},
                                            {"$", ""},
                                            {"\\$", " \\money "},
                                            {"{,}", ","},
                                            {"\\%", "%"},
                                            {"\\lbrace", "\\{"},
                                            {"\\emptyset", "\\{\\}"},
                                            {"\\varnothing", "\\{\\}"},
                                            {"\\rbrace", "\\}"},
                                            {"^\\circ", " \\degrees "},
                                            {"^{\\circ}", " \\degrees "},
                                            {"^\\degree", " \\degrees "},
                                            {"^{\\degree}", " \\degrees "},
                                            {"\\degree", " \\degrees "},
                                            {"\xc2\xb0", " \\degrees "},
                                            {"\\cdot", "*"},
                                            {"\\times", "*"},
                                            {"\\ast", "*"},
                                            {"\xc3\x97", "*"},
                                            {"\xc2\xb7", "*"},
                                            {"\xe2\x8b\x85", "*"},
                                            {"\\leq", "\\le "},
                                            {"\\geq", "\\ge "},
                                            {"\\neq", "\\ne "},
                                            {"\xe2\x89\xa4", "\\le "},
                                            {"\xe2\x89\xa5", "\\ge "},
                                            {"<=", "\\le "},
                                            {">=", "\\ge "},
                                            {"\xe2\x88\x92", "-"},
                                            {"\xe2\x80\x93", "-"},
                                            {"\\minus", "-"},
                                            {"\xcf\x80", "\\pi "},
                                            {"\xe2\x88\x9a", "\\sqrt "},
                                            {"\xe2\x88\x9e", "\\infty "},
                                            {"\\infinity", "\\infty "},
                                            {"\xe2\x88\xaa", "\\cup "},
                                            {"\xc2\xb1", "\\pm "},
                                            {"\xc2\xa0", " "},
                                            {"\xe2\x82\xac", " \\euro "},
                                            {"\xc2\xa3", " \\pounds "},
                                            {"\\textbf", "\\text"},
                                            {"\\textit", "\\text"},
                                            {"\\textrm", "\\text"},
                                            {"\\textnormal", "\\text"},
                                            {"\\mathrm", "\\text"},
                                            {"\\mathbf", "\\text"},
                                            {"\\mathit", "\\text"},
                                            {"\\mbox", "\\text"},
                                            {"\\bf", ""},
                                            {"\\operatorname", "\\text"}};

/* The spelling that rest begins with, or NULL. */
static const struct spelling *spelled (span rest)
{
    if (!strchr ("\\$~{^<>", rest.ptr[0]) && (unsigned char)rest.ptr[0] < 0x80)
        return NULL;
    for (size_t i = 0; i < sizeof (spellings) / sizeof (spellings[0]); i++) {
        const char *from = spellings[i].from;
        size_t len = strlen (from);
        bool command = from[0] != '{' && isalpha ((unsigned char)from[len - 1]);
        if (span_starts (rest, from) &&
            !(command && rest.len > len && isalpha ((unsigned char)rest.ptr[len])))
            return &spellings[i];
    }
    return NULL;
}

static bool digits_only (span text, size_t from, size_t count)
{
    for (size_t i = from; i < from + count; i++)
        if (i >= text.len || !isdigit ((unsigned char)text.ptr[i]))
            return false;
    return from + count == text.len || !isdigit ((unsigned char)text.ptr[from + count]);
}

/* 10\,000: the thin space between thousands; any other is a space. */
static esp_err thin_space (span rest, esp_buf *out)
{
    bool after = out->len > 0 && isdigit ((unsigned char)out->data[out->len - 1]);
    return after && digits_only (rest, 2, 3) ? ESP_OK : esp_buf_puts (out, " ");
}

static span without_pair (span text, const char *mark)
{
    size_t len = strlen (mark);
    if (text.len > 2 * len && span_starts (text, mark) && span_ends (text, mark))
        text = span_trim (span_make (text.ptr + len, text.len - 2 * len));
    return text;
}

/* One dollar sign before a digit is money; two enclose a formula. */
static bool is_money (span text)
{
    size_t dollars = span_count (text, span_of ("$")), at = span_find (text, span_of ("$"));
    return dollars == 1 && at + 1 < text.len && isdigit ((unsigned char)text.ptr[at + 1]);
}

static esp_err clean_at (span rest, bool money, esp_buf *out, size_t *used)
{
    const struct spelling *s;
    *used = 1;
    if (span_starts (rest, "\\\\")) { /* a new row, not an escaped something */
        *used = 2;
        return esp_buf_puts (out, "\\\\");
    }
    if (span_starts (rest, "\\,")) {
        *used = 2;
        return thin_space (rest, out);
    }
    if (money && rest.ptr[0] == '$')
        return esp_buf_puts (out, " \\money ");
    if ((s = spelled (rest))) {
        *used = strlen (s->from);
        while (span_starts (rest, "\\!") && *used < rest.len &&
               rest.ptr[*used] == ' ') /* 11,\! 111: a space that is taken back */
            ++*used;
        return esp_buf_puts (out, s->to);
    }
    if (isspace ((unsigned char)rest.ptr[0]) || iscntrl ((unsigned char)rest.ptr[0]))
        return esp_buf_puts (out, " ");
    return esp_buf_append (out, rest.ptr, 1);
}

esp_err answer_clean (span text, esp_buf *out)
{
    esp_err err = ESP_OK;
    bool money;
    text = without_pair (without_pair (span_trim (text), "**"), "`");
    money = is_money (text);
    for (size_t at = 0, used; err == ESP_OK && at < text.len; at += used)
        err = clean_at (span_make (text.ptr + at, text.len - at), money, out, &used);
    return err;
}
