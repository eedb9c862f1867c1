/* SPDX-License-Identifier: Apache-2.0 */
/* fault.c - see fault.h */

#include "tests/support/model_server/fault.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include "proto/base/alloc.h"
#include "proto/base/rng.h"

enum { MOST_RULES = 64 };

static const struct row {
    const char *name;
    enum fault_what what;
    enum fault_stage stage;
    const char *help;
} table[] = {
    {"429", FAULT_STATUS_429, FAULT_REQUEST, "status 429 with Retry-After: VALUE (1)"},
    {"500", FAULT_STATUS_500, FAULT_REQUEST, "status 500, InternalServerError"},
    {"503", FAULT_STATUS_503, FAULT_REQUEST, "status 503, no slot or still loading"},
    {"401", FAULT_401_STRING, FAULT_REQUEST, "status 401 whose error is a string"},
    {"html", FAULT_HTML, FAULT_REQUEST, "an HTML page with status VALUE (200)"},
    {"redirect", FAULT_REDIRECT, FAULT_REQUEST, "status 307 to VALUE (another path)"},
    {"restart", FAULT_RESTART, FAULT_REQUEST,
     "closes; from then on the model is VALUE, old connections die"},
    {"too-many-tokens", FAULT_TOO_MANY_TOKENS, FAULT_REQUEST, "max_tokens is ignored"},
    {"stall", FAULT_STALL, FAULT_BYTES, "no byte until the client goes"},
    {"close", FAULT_CLOSE, FAULT_BYTES, "closes without an answer"},
    {"close-reused", FAULT_CLOSE_REUSED, FAULT_BYTES,
     "closes without an answer if the connection was used before"},
    {"slow-headers", FAULT_SLOW_HEADERS, FAULT_BYTES, "headers byte by byte, VALUE ms apart (20)"},
    {"wrong-length", FAULT_WRONG_LENGTH, FAULT_BYTES,
     "Content-Length 10 bytes short, then the whole body"},
    {"stall-body", FAULT_STALL_BODY, FAULT_BYTES,
     "half the body, then nothing until the client goes"},
    {"half-body", FAULT_HALF_BODY, FAULT_BYTES, "half the body, then closes"},
    {"broken-json", FAULT_BROKEN_JSON, FAULT_BYTES, "half the JSON with its own length"},
    {"huge", FAULT_HUGE, FAULT_BYTES, "VALUE MB of one JSON string (50)"},
    {"tls-plain", FAULT_TLS_PLAIN, FAULT_CONNECTION,
     "plain bytes to a new connection before anything else (counts connections)"},
    {"too-few", FAULT_TOO_FEW, FAULT_JSON, "one choice, row or score less"},
    {"too-many", FAULT_TOO_MANY, FAULT_JSON, "the last one again, with the next index"},
    {"order", FAULT_ORDER, FAULT_JSON, "choices or rows in reverse order (each keeps its index)"},
    {"twice", FAULT_TWICE, FAULT_JSON, "all indexes are 0"},
    {"nan", FAULT_NAN, FAULT_JSON, "scores and logprobs are NaN"},
    {"out-of-range", FAULT_OUT_OF_RANGE, FAULT_JSON, "scores are 1.5, logprobs +3"},
    {"no-logprobs", FAULT_NO_LOGPROBS, FAULT_JSON, "logprobs are null"},
    {"cut-utf8", FAULT_CUT_UTF8, FAULT_JSON,
     "texts end in half a UTF-8 character (bytes that are not UTF-8)"},
    {"cut-character", FAULT_CUT_CHARACTER, FAULT_JSON,
     "texts end in U+FFFD, as where max_tokens cuts a character"},
    {"rows-missing", FAULT_ROWS_MISSING, FAULT_JSON,
     "/pooling rows are empty lists with status 200"},
    {"abort", FAULT_ABORT, FAULT_JSON, "samples end because the server gave them up"},
    {"error-inside", FAULT_ERROR_INSIDE, FAULT_JSON,
     "an error object with status 200, in a stream too (an engine that died)"},
};
enum { ROWS = sizeof (table) / sizeof (*table) };

typedef struct rule {
    fault what;
    char path[64];
    unsigned long from, to, every;
    double share;
    uint64_t seed;
    unsigned long seen;
} rule;

struct faults {
    pthread_mutex_t lock;
    rule rules[MOST_RULES];
    size_t count;
    unsigned fired;
};

faults *faults_make (void)
{
    faults *all = esp_calloc (1, sizeof (*all));
    if (all && pthread_mutex_init (&all->lock, NULL) != 0) {
        esp_free (all);
        return NULL;
    }
    return all;
}

void faults_free (faults *all)
{
    if (all)
        pthread_mutex_destroy (&all->lock);
    esp_free (all);
}

static bool set_what (rule *r, const char *name, const char *value)
{
    for (size_t i = 0; i < ROWS; i++)
        if (strcmp (table[i].name, name) == 0) {
            r->what.what = table[i].what;
            r->what.stage = table[i].stage;
            snprintf (r->what.value, sizeof (r->what.value), "%s", value);
            return true;
        }
    return false;
}

static bool set_when (rule *r, const char *key, const char *value)
{
    char *end = NULL;
    if (strcmp (key, "path") == 0)
        return snprintf (r->path, sizeof (r->path), "%s", value) < (int)sizeof (r->path);
    if (strcmp (key, "n") == 0) {
        r->from = r->to = strtoul (value, &end, 10);
        if (*end == '-')
            r->to = strtoul (end + 1, &end, 10);
        return *end == 0 && r->from > 0 && r->to >= r->from;
    }
    if (strcmp (key, "p") == 0) {
        r->share = strtod (value, &end);
        return *end == 0 && r->share >= 0 && r->share <= 1;
    }
    if (strcmp (key, "every") == 0)
        return (r->every = strtoul (value, &end, 10)) > 0 && *end == 0;
    if (strcmp (key, "seed") == 0)
        return (r->seed = strtoull (value, &end, 10), *end == 0);
    return false;
}

bool faults_add (faults *all, const char *spec, char *why, size_t why_size)
{
    char words[512], *rest = NULL;
    rule r = {.share = -1, .seed = 1};
    if (all->count == MOST_RULES ||
        snprintf (words, sizeof (words), "%s", spec) >= (int)sizeof (words)) {
        snprintf (why, why_size, "too many faults (at most %d), or a spec is too long", MOST_RULES);
        return false;
    }
    for (char *word = strtok_r (words, " \t\n", &rest); word;
         word = strtok_r (NULL, " \t\n", &rest)) {
        char *equals = strchr (word, '=');
        const char *value = equals ? equals + 1 : "";
        bool first = r.what.what == FAULT_NONE;
        if (equals)
            *equals = 0;
        if (!(first ? set_what (&r, word, value) : set_when (&r, word, value))) {
            snprintf (why, why_size, "fault '%s': '%s%s%s' is not understood (see --help)", spec,
                      word, equals ? "=" : "", value);
            return false;
        }
    }
    if (r.what.what != FAULT_NONE)
        all->rules[all->count++] = r;
    return true;
}

bool faults_read (faults *all, const char *file, char *why, size_t why_size)
{
    FILE *in = fopen (file, "r");
    char line[512];
    bool good = in != NULL;
    if (!in)
        snprintf (why, why_size, "%s: cannot be read", file);
    while (good && fgets (line, sizeof (line), in)) {
        line[strcspn (line, "#")] = 0;
        good = faults_add (all, line, why, why_size);
    }
    if (in)
        (void)fclose (in);
    return good;
}

static bool fires (const rule *r)
{
    if (r->from > 0)
        return r->seen >= r->from && r->seen <= r->to;
    if (r->every > 0)
        return r->seen % r->every == 0;
    return r->share < 0 || esp_draw_unit (r->seed, r->seen) < r->share;
}

static bool next (faults *all, bool connection, const char *method, const char *path, fault *out)
{
    const rule *first = NULL;
    pthread_mutex_lock (&all->lock);
    for (size_t i = 0; i < all->count; i++) {
        rule *r = &all->rules[i];
        if ((r->what.stage == FAULT_CONNECTION) != connection)
            continue;
        if (!connection && (r->path[0] ? strncmp (path, r->path, strlen (r->path)) != 0
                                       : strcmp (method, "POST") != 0))
            continue;
        r->seen++;
        if (!first && fires (r))
            first = r;
    }
    if (first) {
        *out = first->what;
        all->fired++;
    }
    pthread_mutex_unlock (&all->lock);
    return first != NULL;
}

bool faults_next (faults *all, const char *method, const char *path, fault *out)
{
    return next (all, false, method, path, out);
}

bool faults_next_connection (faults *all, fault *out)
{
    return next (all, true, "", "", out);
}

unsigned faults_fired (faults *all)
{
    unsigned fired;
    pthread_mutex_lock (&all->lock);
    fired = all->fired;
    pthread_mutex_unlock (&all->lock);
    return fired;
}

void faults_help (FILE *out)
{
    fprintf (out, "Faults: WHAT[=VALUE] [path=PREFIX] [n=N | n=FROM-TO | every=K | p=SHARE "
                  "[seed=S]], for example\n"
                  "  --fault '429=2 path=/v1/completions n=3'   --fault 'half-body every=10'   "
                  "--fault 'stall path=/pooling n=2-4'\n"
                  "A fault counts the requests whose path begins with PREFIX (default: every "
                  "POST), from 1; the first that fires decides.\n");
    for (size_t i = 0; i < ROWS; i++)
        fprintf (out, "  %-16s %s\n", table[i].name, table[i].help);
}
