/* SPDX-License-Identifier: Apache-2.0 */
/* answer_form.c - normalising, reading and comparing final answers
 *
 * First decoration goes ($, \left, \dfrac -> \frac, spaces that separate nothing, one \text{...} around all).
 * A space between two digits or two letters stays: "1 1/2" must not become 11/2.  Then the text is either
 * a number from end to end, or a string.
 */

#include "worker/verifier/answer_form.h"
#include <ctype.h>
#include <gmp.h>
#include <string.h>
#include <strings.h>
#include "proto/base/alloc.h"
#include "worker/engine/fields.h"

struct answer_form {
    esp_buf text;
    mpq_t value; /* if number */
    bool number, percent;
    bool plain; /* letters and spaces only */
};

bool answer_find (span text, span *answer)
{
    static const char mark[] = "####";
    size_t at, end;
    if (fields_boxed (text, answer)) {
        *answer = span_trim (*answer);
        return true;
    }
    at = span_find_last (text, span_of (mark));
    if (at >= text.len)
        return false;
    *answer = span_make (text.ptr + at + strlen (mark), text.len - at - strlen (mark));
    end = span_find (*answer, span_of ("\n"));
    *answer = span_trim (span_make (answer->ptr, end));
    return answer->len > 0;
}

/* ---- decoration ---- */

static span without_wrapper (span text)
{
    static const char *const wrappers[] = {"\\text{", "\\textbf{", "\\mathrm{", "\\mbox{"};
    for (size_t i = 0; i < sizeof (wrappers) / sizeof (wrappers[0]); i++) {
        size_t open = strlen (wrappers[i]);
        span inside;
        if (!span_starts (text, wrappers[i]) || !span_ends (text, "}"))
            continue;
        inside = span_make (text.ptr + open, text.len - open - 1);
        if (!memchr (inside.ptr, '}', inside.len) && !memchr (inside.ptr, '{', inside.len))
            return span_trim (inside);
    }
    return text;
}

static span without_dollars (span text)
{
    while (text.len >= 2 && text.ptr[0] == '$' && text.ptr[text.len - 1] == '$')
        text = span_trim (span_make (text.ptr + 1, text.len - 2));
    return text;
}

/* Marks that change the look only; with what stands for them. */
static size_t decoration (span rest, const char **instead)
{
    static const char *const marks[][2] = {
        {"\\dfrac", "\\frac"}, {"\\tfrac", "\\frac"}, {"\\left", ""}, {"\\right", ""}, {"\\!", ""},
        {"\\,", ""},           {"\\;", ""},           {"\\ ", ""},    {"\\$", ""},     {"$", ""},
        {"{,}", ","}};
    for (size_t i = 0; i < sizeof (marks) / sizeof (marks[0]); i++) {
        size_t len = strlen (marks[i][0]);
        if (!span_starts (rest, marks[i][0]))
            continue;
        if (isalpha ((unsigned char)marks[i][0][1]) && rest.len > len &&
            isalpha ((unsigned char)rest.ptr[len]))
            continue; /* \leftarrow is not \left */
        *instead = marks[i][1];
        return len;
    }
    return 0;
}

static bool needs_space (const esp_buf *out, char next)
{
    unsigned char before = (unsigned char)(out->len ? out->data[out->len - 1] : 0),
                  after = (unsigned char)next;
    return (isdigit (before) && isdigit (after)) || (isalpha (before) && isalpha (after));
}

static esp_err undecorate (span text, esp_buf *out)
{
    esp_err err = ESP_OK;
    bool space = false;
    text = without_wrapper (without_dollars (span_trim (text)));
    if (span_ends (text, "."))
        text.len--;
    for (size_t i = 0; err == ESP_OK && i < text.len;) {
        const char *instead = NULL;
        size_t len = decoration (span_make (text.ptr + i, text.len - i), &instead);
        if (len > 0) {
            err = esp_buf_puts (out, instead);
            i += len;
        } else if (isspace ((unsigned char)text.ptr[i])) {
            space = true;
            i++;
        } else {
            if (space && needs_space (out, text.ptr[i]))
                err = esp_buf_puts (out, " ");
            space = false;
            if (err == ESP_OK)
                err = esp_buf_append (out, text.ptr + i, 1);
            i++;
        }
    }
    return err;
}

/* ---- numbers ---- */

static bool skip (span *rest, const char *text)
{
    if (!span_starts (*rest, text))
        return false;
    *rest = span_make (rest->ptr + strlen (text), rest->len - strlen (text));
    return true;
}

/* Digits with an optional thousands comma before each group of three; appended to digits without commas. */
static size_t read_digits (span *rest, bool commas, char *digits, size_t *count)
{
    size_t n = 0, i = 0, group = 0;
    bool grouped = false;
    for (; i < rest->len; i++) {
        if (isdigit ((unsigned char)rest->ptr[i])) {
            digits[(*count)++] = rest->ptr[i];
            n++, group++;
        } else if (commas && rest->ptr[i] == ',' && n > 0 && (grouped ? group == 3 : group <= 3)) {
            grouped = true;
            group = 0;
        } else {
            break;
        }
    }
    *rest = span_make (rest->ptr + i, rest->len - i);
    return grouped && group != 3 ? 0 : n;
}

/* 1,234.50 or .5; no sign. */
static bool read_decimal (span *rest, mpq_t value)
{
    char digits[ANSWER_BYTES + 1];
    size_t count = 0, whole = read_digits (rest, true, digits, &count), decimals = 0;
    if (skip (rest, "."))
        decimals = read_digits (rest, false, digits, &count);
    else if (whole == 0)
        return false;
    if (whole + decimals == 0 || count != whole + decimals)
        return false;
    digits[count] = 0;
    mpz_set_str (mpq_numref (value), digits, 10);
    mpz_ui_pow_ui (mpq_denref (value), 10, decimals);
    mpq_canonicalize (value);
    return true;
}

static bool read_signed (span *rest, mpq_t value)
{
    bool negative = skip (rest, "-");
    if (!negative)
        (void)skip (rest, "+");
    if (!read_decimal (rest, value))
        return false;
    if (negative)
        mpq_neg (value, value);
    return true;
}

/* One part of \frac: {number} or one digit. */
static bool read_argument (span *rest, mpq_t value)
{
    if (skip (rest, "{"))
        return read_signed (rest, value) && skip (rest, "}");
    if (rest->len == 0 || !isdigit ((unsigned char)rest->ptr[0]))
        return false;
    mpq_set_si (value, rest->ptr[0] - '0', 1);
    *rest = span_make (rest->ptr + 1, rest->len - 1);
    return true;
}

static bool read_ratio (span *rest, mpq_t value, mpq_t below)
{
    bool negative = skip (rest, "-"), fraction;
    if (!negative)
        (void)skip (rest, "+");
    if (skip (rest, "\\frac")) {
        fraction = true;
        if (!read_argument (rest, value) || !read_argument (rest, below))
            return false;
    } else {
        if (!read_decimal (rest, value))
            return false;
        fraction = skip (rest, "/");
        if (fraction && !read_decimal (rest, below))
            return false;
    }
    if (fraction && mpq_sgn (below) == 0)
        return false;
    if (fraction)
        mpq_div (value, value, below);
    if (negative)
        mpq_neg (value, value);
    return true;
}

static void read_number (answer_form *a)
{
    span rest = esp_buf_span (&a->text);
    mpq_t other;
    mpq_init (other);
    if (read_ratio (&rest, a->value, other)) {
        a->percent = skip (&rest, "\\%") || skip (&rest, "%");
        a->number = rest.len == 0;
    }
    mpq_set_ui (other, 100, 1);
    if (a->number && a->percent)
        mpq_div (a->value, a->value, other);
    mpq_clear (other);
}

/* The text of a number is its reduced form. */
static esp_err print_number (answer_form *a)
{
    esp_err err;
    char *text = mpq_get_str (NULL, 10, a->value);
    void (*release) (void *, size_t);
    esp_buf_clear (&a->text);
    err = esp_buf_puts (&a->text, text);
    mp_get_memory_functions (NULL, NULL, &release);
    release (text, strlen (text) + 1);
    return err;
}

static bool only_letters (span text)
{
    for (size_t i = 0; i < text.len; i++)
        if (!isalpha ((unsigned char)text.ptr[i]) && text.ptr[i] != ' ')
            return false;
    return text.len > 0;
}

/* ---- forms ---- */

esp_err answer_form_create (span answer, answer_form **out)
{
    answer_form *a;
    esp_err err;
    if (!out)
        return ESP_EINVAL;
    if (answer.len > ANSWER_BYTES)
        return ESP_EFORMAT;
    if (!(a = esp_calloc (1, sizeof (*a))))
        return ESP_ENOMEM;
    mpq_init (a->value);
    if ((err = undecorate (answer, &a->text)) == ESP_OK && a->text.len == 0)
        err = ESP_EFORMAT;
    if (err == ESP_OK) {
        read_number (a);
        a->plain = only_letters (esp_buf_span (&a->text));
        if (a->number)
            err = print_number (a);
    }
    if (err != ESP_OK) {
        answer_form_destroy (a);
        return err;
    }
    *out = a;
    return ESP_OK;
}

void answer_form_destroy (answer_form *a)
{
    if (!a)
        return;
    mpq_clear (a->value);
    esp_buf_free (&a->text);
    esp_free (a);
}

span answer_form_text (const answer_form *a)
{
    return esp_buf_span (&a->text);
}

/* 50% is 1/2; whether a bare 50 was meant as 50% nobody knows. */
static enum verdict compare_numbers (const answer_form *a, const answer_form *b)
{
    enum verdict verdict = VERDICT_FAIL;
    mpq_t hundred, whole;
    if (mpq_equal (a->value, b->value))
        return VERDICT_PASS;
    if (a->percent == b->percent)
        return VERDICT_FAIL;
    mpq_inits (hundred, whole, NULL);
    mpq_set_ui (hundred, 100, 1);
    mpq_mul (whole, a->percent ? a->value : b->value, hundred);
    if (mpq_equal (whole, a->percent ? b->value : a->value))
        verdict = VERDICT_UNKNOWN;
    mpq_clears (hundred, whole, NULL);
    return verdict;
}

enum verdict answer_form_compare (const answer_form *a, const answer_form *reference)
{
    if (a->number && reference->number)
        return compare_numbers (a, reference);
    if (span_equal (answer_form_text (a), answer_form_text (reference)))
        return VERDICT_PASS;
    if (!a->plain || !reference->plain)
        return VERDICT_UNKNOWN;
    return strcasecmp (esp_buf_text (&a->text), esp_buf_text (&reference->text)) == 0
               ? VERDICT_UNKNOWN
               : VERDICT_FAIL;
}
