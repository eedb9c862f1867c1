/* SPDX-License-Identifier: Apache-2.0 */
/* step_regex.c - see step_regex.h
 *
 * The interpreter, not the JIT: its limits count the same on every processor, so a text is cut alike everywhere.
 */

#include "worker/prompt/step_regex.h"
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <string.h>
#include "proto/base/alloc.h"

enum {
    MATCH_LIMIT =
        20000, /* backtracks from one place; honest patterns need tens, (a+)+b on n letters 2^n */
    DEPTH_LIMIT = 2000,
    HEAP_KIB = 8192,
    PATTERN_BYTES = 4096
};

struct step_regex {
    pcre2_general_context *memory;
    pcre2_compile_context *how;
    pcre2_match_context *limits;
    pcre2_code *code;
    pcre2_match_data *found; /* scratch */
    bool goes_on;            /* where no match begins, none does when the search begins later */
};

static void *take (size_t bytes, void *ctx)
{
    (void)ctx;
    return esp_malloc (bytes);
}

static void give (void *block, void *ctx)
{
    (void)ctx;
    esp_free (block);
}

static esp_err compile (step_regex *x, const char *pattern, esp_error *error)
{
    PCRE2_UCHAR why[200] = "";
    uint32_t empty = 0;
    size_t at;
    int code;
    if (strlen (pattern) > PATTERN_BYTES)
        return esp_error_set (error, ESP_EINVAL, "has %zu bytes, %d are allowed", strlen (pattern),
                              PATTERN_BYTES);
    x->code = pcre2_compile ((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED,
                             PCRE2_UTF | PCRE2_MATCH_INVALID_UTF | PCRE2_NEVER_BACKSLASH_C, &code,
                             &at, x->how);
    if (!x->code && code == PCRE2_ERROR_HEAP_FAILED)
        return ESP_ENOMEM;
    if (!x->code) {
        pcre2_get_error_message (code, why, sizeof (why));
        return esp_error_set (error, ESP_EINVAL, "column %zu: %s", at + 1, (const char *)why);
    }
    pcre2_pattern_info (x->code, PCRE2_INFO_MATCHEMPTY, &empty);
    if (empty)
        return esp_error_set (error, ESP_EINVAL,
                              "matches the empty text, so a step would end everywhere; match what "
                              "stands between two steps, such as \"\\n(?=Step )\"");
    return ESP_OK;
}

esp_err step_regex_create (const char *pattern, step_regex **out, esp_error *error)
{
    step_regex *x = pattern && out ? esp_calloc (1, sizeof (*x)) : NULL;
    esp_err err = x ? ESP_OK : ESP_ENOMEM;
    if (!pattern || !out)
        return ESP_EINVAL;
    if (x && (!(x->memory = pcre2_general_context_create (take, give, NULL)) ||
              !(x->how = pcre2_compile_context_create (x->memory)) ||
              !(x->limits = pcre2_match_context_create (x->memory))))
        err = ESP_ENOMEM;
    if (err == ESP_OK && (err = compile (x, pattern, error)) == ESP_OK &&
        !(x->found = pcre2_match_data_create (1, x->memory)))
        err = ESP_ENOMEM;
    if (err != ESP_OK) {
        step_regex_destroy (x);
        return err == ESP_ENOMEM ? esp_error_set (error, err, "out of memory") : err;
    }
    /* \G is where a search begins; verbs, such as (*COMMIT), end one at will */
    x->goes_on = !strstr (pattern, "\\G") && !strstr (pattern, "(*");
    pcre2_set_match_limit (x->limits, MATCH_LIMIT);
    pcre2_set_depth_limit (x->limits, DEPTH_LIMIT);
    pcre2_set_heap_limit (x->limits, HEAP_KIB);
    *out = x;
    return ESP_OK;
}

void step_regex_destroy (step_regex *x)
{
    if (!x)
        return;
    pcre2_match_data_free (x->found);
    pcre2_code_free (x->code);
    pcre2_match_context_free (x->limits);
    pcre2_compile_context_free (x->how);
    pcre2_general_context_free (x->memory);
    esp_free (x);
}

enum regex_found step_regex_find (const step_regex *x, span text, size_t *from, bool more,
                                  size_t *start, size_t *end)
{
    const size_t *ovector = pcre2_get_ovector_pointer (x->found);
    int rc = pcre2_match (x->code, (PCRE2_SPTR)(text.len ? text.ptr : ""), text.len, *from,
                          PCRE2_NOTEMPTY | (more ? PCRE2_PARTIAL_HARD : 0), x->found, x->limits);
    if (x->goes_on && rc == PCRE2_ERROR_PARTIAL && ovector[0] > *from)
        *from = ovector[0]; /* of several that the end of the text cuts off: the first */
    else if (x->goes_on && rc == PCRE2_ERROR_NOMATCH)
        *from = text.len;
    if (rc == PCRE2_ERROR_PARTIAL)
        return REGEX_OPEN;
    if (rc < 0 || ovector[1] <= *from || ovector[1] > text.len)
        return REGEX_NONE;
    *end = ovector[1];
    *start = ovector[0] < *from ? *from : ovector[0] > *end ? *end : ovector[0];
    return REGEX_MATCH;
}
