/* SPDX-License-Identifier: Apache-2.0 */
/* answer_unit.c - see answer_unit.h */

#include "proto/answer/answer_unit.h"
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* "name alias alias ...".  Single letters count only in \text{...}: a bare m is a variable. */
static const char *const units[] = {"mm millimeter millimeters millimetre millimetres",
                                    "cm centimeter centimeters centimetre centimetres",
                                    "m meter meters metre metres",
                                    "km kilometer kilometers kilometre kilometres",
                                    "inch inches in",
                                    "foot feet ft",
                                    "yard yards yd yds",
                                    "mile miles mi",
                                    "unit units",
                                    "mg milligram milligrams",
                                    "g gram grams",
                                    "kg kilogram kilograms kgs",
                                    "ton tons",
                                    "pound lb lbs pounds",
                                    "ounce ounces oz",
                                    "ml milliliter milliliters mL",
                                    "l liter liters litre litres L",
                                    "gallon gallons gal",
                                    "quart quarts",
                                    "pint pints",
                                    "cup cups",
                                    "acre acres",
                                    "second seconds sec secs s",
                                    "minute minutes min mins",
                                    "hour hours hr hrs h",
                                    "day days",
                                    "week weeks",
                                    "month months",
                                    "year years yr yrs",
                                    "mph",
                                    "kph",
                                    "dollar dollars USD",
                                    "cent cents",
                                    "euro euros EUR",
                                    "point points",
                                    "degree degrees deg",
                                    "radian radians rad",
                                    "percent",
                                    "people",
                                    "person",
                                    "student students",
                                    "child children",
                                    "page pages",
                                    "apple apples",
                                    "egg eggs",
                                    "book books",
                                    "marble marbles",
                                    "piece pieces",
                                    "way ways",
                                    "block blocks",
                                    "step steps"};

static bool has_word (const char *list, span word, size_t *first)
{
    bool found = false;
    *first = strcspn (list, " ");
    while (*list && !found) {
        size_t len = strcspn (list, " ");
        found = len == word.len && (len > 2 ? strncasecmp (list, word.ptr, len) == 0
                                            : memcmp (list, word.ptr, len) == 0);
        list += len + (list[len] == ' ');
    }
    return found;
}

/* "3 bolts": a plural in lower case counts, unless it may change the number. */
static bool is_plural (span word)
{
    static const char others[] =
        " times minus plus less this tens hundreds thousands millions billions trillions dozens "
        "scores "
        "halves thirds quarters percents points radius modulus always perhaps plus does ";
    char wanted[32];
    if (word.len < 4 || word.len > 24 || !span_ends (word, "s") || span_ends (word, "ss") ||
        span_ends (word, "us") || span_ends (word, "ths") || span_ends (word, "lions"))
        return false;
    for (size_t i = 0; i < word.len; i++)
        if (!islower ((unsigned char)word.ptr[i]))
            return false;
    snprintf (wanted, sizeof (wanted), " %.*s ", (int)word.len, word.ptr);
    return strstr (others, wanted) == NULL;
}

/* The unit's name, or an empty span. */
static span known (const answer_token *t)
{
    size_t len;
    if (t->kind == ANSWER_COMMAND && (span_is (t->text, "degrees") || span_is (t->text, "degree")))
        return span_of ("degree");
    if (answer_token_mark (t, '%'))
        return span_of ("percent");
    if (t->kind != ANSWER_WORD)
        return span_make ("", 0);
    for (size_t i = 0; i < sizeof (units) / sizeof (units[0]); i++)
        if (has_word (units[i], t->text, &len))
            return span_make (units[i], len);
    return is_plural (t->text) ? t->text : span_make ("", 0);
}

bool answer_unit_known (const answer_token *t)
{
    return known (t).len > 0;
}

struct unit_text {
    char *at;   /* ANSWER_UNIT_BYTES, 0-terminated */
    bool whole; /* nothing was cut */
};

static void add (struct unit_text *u, span text)
{
    size_t len = strlen (u->at);
    if (len + text.len >= ANSWER_UNIT_BYTES) {
        u->whole = false;
        return;
    }
    memcpy (u->at + len, text.ptr, text.len);
    u->at[len + text.len] = 0;
}

static bool is_word (const answer_token *t, const char *word)
{
    return t->kind == ANSWER_WORD && span_is (t->text, word);
}

/* ^2, ^{2}: how many tokens, 0 for none. */
static size_t exponent (answer_part p, span *power)
{
    if (p.count >= 2 && answer_token_mark (&p.at[0], '^') && p.at[1].kind == ANSWER_NUMBER) {
        *power = p.at[1].text;
        return 2;
    }
    if (p.count >= 4 && answer_token_mark (&p.at[0], '^') && answer_token_mark (&p.at[1], '{') &&
        p.at[2].kind == ANSWER_NUMBER && answer_token_mark (&p.at[3], '}')) {
        *power = p.at[2].text;
        return 4;
    }
    return 0;
}

/* One unit with its power; how many tokens it takes, 0: it is none. */
static size_t read_unit (answer_part p, struct unit_text *u)
{
    bool square = p.count > 1 && (is_word (&p.at[0], "square") || is_word (&p.at[0], "sq")),
         cubic = p.count > 1 && (is_word (&p.at[0], "cubic") || is_word (&p.at[0], "cu"));
    size_t at = square || cubic, more;
    span name, power = span_of (square ? "2" : cubic ? "3" : "1");
    if (square && at < p.count && answer_token_mark (&p.at[at], '.'))
        at++;
    if (at >= p.count || (name = known (&p.at[at])).len == 0)
        return 0;
    at++;
    if (at < p.count && (is_word (&p.at[at], "squared") || is_word (&p.at[at], "cubed"))) {
        power = span_of (is_word (&p.at[at], "cubed") ? "3" : "2");
        at++;
    }
    more = exponent (answer_part_cut (p, at, p.count), &power);
    at += more;
    add (u, name);
    if (!span_is (power, "1")) {
        add (u, span_of ("^"));
        add (u, power);
    }
    return at;
}

/* All of the part is units: "miles per hour", "m/s^2". */
static bool read_units (answer_part p, struct unit_text *u)
{
    size_t at = read_unit (p, u);
    if (at == 0)
        return false;
    while (at < p.count) {
        size_t more;
        if (answer_token_mark (&p.at[at], '.') && at + 1 == p.count)
            return true;
        if (!is_word (&p.at[at], "per") && !answer_token_mark (&p.at[at], '/'))
            return false;
        add (u, span_of ("/"));
        at++;
        more = read_unit (answer_part_cut (p, at, p.count), u);
        if (more == 0 || !u->whole)
            return false;
        at += more;
    }
    return u->whole;
}

static bool currency (const answer_token *t, const char **name)
{
    static const char *const signs[][2] = {
        {"money", "dollar"}, {"euro", "euro"}, {"pounds", "sterling"}};
    for (size_t i = 0; i < sizeof (signs) / sizeof (signs[0]); i++)
        if (answer_token_is (t, ANSWER_COMMAND, signs[i][0])) {
            *name = signs[i][1];
            return true;
        }
    return false;
}

static void set_name (answer_unit *out, const char *name)
{
    out->percent = strcmp (name, "percent") == 0;
    out->degrees = strcmp (name, "degree") == 0;
    snprintf (out->name, sizeof (out->name), "%s", out->percent ? "" : name);
}

void answer_unit_cut (answer_part *part, answer_unit *out)
{
    const char *name = "";
    bool money = false;
    *out = (answer_unit){.percent = false};
    if (part->count > 1 && currency (&part->at[0], &name)) {
        *part = answer_part_cut (*part, 1, part->count);
        money = true;
    }
    for (size_t at = 1; at < part->count; at++) {
        char text[ANSWER_UNIT_BYTES] = "";
        struct unit_text u = {text, true};
        if (!read_units (answer_part_cut (*part, at, part->count), &u))
            continue;
        if (money && strcmp (text, name) != 0)
            return; /* "$5 per hour": not a plain number any more */
        set_name (out, text);
        *part = answer_part_cut (*part, 0, at);
        return;
    }
    set_name (out, name);
}
