/* SPDX-License-Identifier: Apache-2.0 */
/* test_shape_recorded.c - what real servers answered, and what the shapes make of it
 *
 * recorded/FAMILY/NAME.json: {"endpoint", "request", "status", "response"}; streams are {"frames": {"0": line, ..}} or {"text": all}.
 * The recorder cut long parts and put "<cut: .." there.
 */

// LINK: PkgConfig::JANSSON

#include <dirent.h>
#include <jansson.h>
#include <limits.h>
#include "tests/unit/worker/prompt/shape_kit.h"

enum { STOPS = 8, ALL_TOKENS = 1024 };

typedef struct recorded {
    json_t *file;
    const gen_shape *shape;
    gen_ask ask;
    const char *stop[STOPS];
} recorded;

static span json_span (const json_t *text)
{
    return json_is_string (text) ? span_make (json_string_value (text), json_string_length (text))
                                 : span_make ("", 0);
}

/* Of a number, or of a text of digits. */
static uint32_t json_count (const json_t *value, uint32_t otherwise)
{
    if (json_is_string (value))
        return (uint32_t)strtoul (json_string_value (value), NULL, 10);
    return json_is_integer (value) ? (uint32_t)json_integer_value (value) : otherwise;
}

static void take_stop (recorded *rec, const json_t *stop)
{
    if (json_is_string (stop))
        rec->stop[rec->ask.stop_count++] = json_string_value (stop);
    for (size_t i = 0; i < json_array_size (stop) && i < STOPS; i++)
        rec->stop[rec->ask.stop_count++] = json_string_value (json_array_get (stop, i));
    rec->ask.stop = rec->stop;
}

static uint32_t prompts_of (const json_t *prompt)
{
    bool many = json_is_array (prompt) && !json_is_integer (json_array_get (prompt, 0));
    return many ? (uint32_t)json_array_size (prompt) : 1;
}

static void take_request (recorded *rec, const json_t *q)
{
    const json_t *logprobs = json_object_get (q, "logprobs");
    const json_t *max = json_object_get (q, "max_tokens");
    gen_ask *ask = &rec->ask;
    *ask = kit_ask ();
    ask->stop_count = 0;
    ask->n = json_count (json_object_get (q, "n"), json_count (json_object_get (q, "n_cmpl"), 1));
    ask->n *= prompts_of (json_object_get (q, "prompt"));
    ask->max_tokens = json_count (max ? max : json_object_get (q, "n_predict"), ALL_TOKENS);
    ask->messages = json_object_get (q, "messages") ? span_of ("[]") : span_make (NULL, 0);
    ask->stream = json_is_true (json_object_get (q, "stream"));
    ask->ids = json_is_true (json_object_get (q, "return_token_ids"));
    ask->logprobs = json_is_integer (logprobs) || json_is_true (logprobs);
    ask->top_logprobs = json_count (logprobs, json_count (json_object_get (q, "top_logprobs"), 0));
    if (json_object_get (q, "n_probs")) {
        ask->logprobs = true;
        ask->top_logprobs = json_count (json_object_get (q, "n_probs"), 0);
    }
    take_stop (rec, json_object_get (q, "stop"));
}

static const gen_shape *shape_of (const char *family, const char *endpoint)
{
    if (strcmp (family, "llamacpp") != 0)
        return shape_find (family);
    return shape_find (strcmp (endpoint, "POST /v1/completions") == 0 ? "openai" : family);
}

static bool open_recorded (const char *folder, const char *family, const char *name, recorded *rec)
{
    char path[PATH_MAX];
    const char *endpoint;
    *rec = (recorded){.file = NULL};
    snprintf (path, sizeof (path), "%s/%s/%s.json", folder, family, name);
    rec->file = json_load_file (path, JSON_ALLOW_NUL, NULL);
    endpoint = json_string_value (json_object_get (rec->file, "endpoint"));
    if (!endpoint)
        return false;
    rec->shape = shape_of (family, endpoint);
    take_request (rec, json_object_get (rec->file, "request"));
    return true;
}

static const char *own_folder (void)
{
    return ESP_TESTS_UNIT "/worker/prompt/recorded";
}

/* ---- reading ---- */

static esp_err read_event (const recorded *rec, gen_reply *r, span line, esp_error *why)
{
    line = span_trim (line);
    if (!span_starts (line, "data: ") || span_is (line, "data: [DONE]"))
        return ESP_OK;
    return rec->shape->read (r, span_make (line.ptr + 6, line.len - 6), why);
}

static esp_err read_frames (const recorded *rec, gen_reply *r, const json_t *frames, esp_error *why)
{
    esp_err err = ESP_OK;
    for (int i = 0; err == ESP_OK; i++) {
        char key[16];
        span line;
        snprintf (key, sizeof (key), "%d", i);
        line = json_span (json_object_get (frames, key));
        if (!json_object_get (frames, key) || span_starts (line, "<cut"))
            break; /* behind it are the last frames again */
        err = read_event (rec, r, line, why);
    }
    return err;
}

static esp_err read_stream (const recorded *rec, gen_reply *r, span text, esp_error *why)
{
    esp_err err = ESP_OK;
    while (err == ESP_OK && text.len > 0) {
        size_t end = span_find (text, span_of ("\n\n"));
        err = read_event (rec, r, span_make (text.ptr, end), why);
        text = span_make (text.ptr + end, text.len - end);
        if (text.len > 0)
            text = span_make (text.ptr + 2, text.len - 2);
    }
    return err;
}

static esp_err read_whole (const recorded *rec, gen_reply *r, const json_t *answer, esp_error *why)
{
    char *text = json_dumps (answer, JSON_COMPACT | JSON_ENCODE_ANY);
    esp_err err = text ? rec->shape->read (r, span_of (text), why) : ESP_ENOMEM;
    free (text);
    return err;
}

static esp_err read_recorded (const recorded *rec, char *line, esp_error *why)
{
    const json_t *answer = json_object_get (rec->file, "response");
    const json_t *frames = json_object_get (answer, "frames");
    const json_t *text = json_object_get (answer, "text");
    gen_reply *r = NULL;
    esp_err err = reply_create (&rec->ask, &r);
    line[0] = 0;
    if (err != ESP_OK)
        return err;
    if (rec->ask.stream && frames)
        err = read_frames (rec, r, frames, why);
    else if (rec->ask.stream && text)
        err = read_stream (rec, r, json_span (text), why);
    else
        err = read_whole (rec, r, answer, why);
    if (err == ESP_OK)
        err = reply_finish (r, &rec->ask, why);
    if (err == ESP_OK)
        kit_line (r, line);
    reply_destroy (r);
    return err;
}

/* ---- answers ---- */

static const struct answer {
    const char *name;
    esp_err err;
    const char *line; /* or words of the sentence */
} answers[] = {
    {"gen_allowed_token_ids", ESP_OK, "LENGTH 4 '\xEF\xBF\xBD\f\xEF\xBF\xBD\f' -45.882"},
    {"gen_chat_bad_role", ESP_OK,
     "LENGTH 6 'day cust r\xEF\xBF\xBD Wednesip'"}, /* it said \\u0000 */
    {"gen_chat_continue", ESP_OK, "LENGTH 6 'rymathbf least squ55pi'"},
    {"gen_chat_stop", ESP_OK, "STOP 1 ' e'"},
    {"gen_echo_max0", ESP_EFORMAT, "sample 0 has 1 tokens, 0 were asked for at most"},
    {"gen_eos", ESP_OK, "EOS 1 ''"},
    {"gen_eos_kept_special", ESP_OK, "EOS 1 '<|im_end|>'"}, /* we never ask for it */
    {"gen_eos_second_id", ESP_OK, "EOS 1 ''"},
    {"gen_length", ESP_OK, "LENGTH 3 ' walk\\[ry'"},
    {"gen_logprobs0", ESP_OK, "LENGTH 2 ' walk\\[' -6.172"},
    {"gen_logprobs5_ids", ESP_OK, "LENGTH 2 ' walk\\[' -6.172"},
    {"gen_logprobs_text", ESP_OK, "LENGTH 2 ' walk\\[' -6.172"},
    {"gen_min_tokens_stop", ESP_OK,
     "STOP 13 ' walk\\[ryanceTherefore right\x16 Thpmat satisf tick 400size'"},
    {"gen_n4_stop_cut", ESP_OK,
     "STOP 1 ' wa' | STOP 1 'fra' | STOP 1 ' wa' | STOP 5 ' poundpoNim give'"},
    {"gen_n4_stop_kept", ESP_OK,
     "STOP 1 ' wa' -4.664 | STOP 1 'fra' -5.061 | STOP 1 ' wa' -4.664 | STOP 5 ' poundpoNim give' "
     "-27.392"},
    {"gen_prompt_plus_max_over",
     ESP_OK, /* the context is full: fewer than the 100 tokens asked for */
     "LENGTH 24 ' team mom^{\\^{\\ pairs pairs wrote^{\\^{\\areever^{\\ric pinkier so hive jewe "
     "sc^{\\he weigh^{\\ (\\'"},
    {"gen_repetition_detection", ESP_OK, "LENGTH 4 ''"},
    {"gen_stop_across_tokens_kept", ESP_OK, "STOP 2 'theth' -16.463"},
    {"gen_stop_token_ids_kept", ESP_OK, "EOS 1 'the'"},
    {"gen_stop_two_in_one_token", ESP_OK, "STOP 1 't'"},
    {"gen_stream_n1", ESP_OK, "LENGTH ~6 ' walk\\[ryanceTherefore right'"}, /* no usage: events */
    {"gen_stream_stop_kept", ESP_OK, "STOP 1 ' wa'"},
    {"gen_stream_usage_cont", ESP_OK, "LENGTH 3 ' walk\\[ry'"},
};

static void each_answer_becomes_what_it_should (void)
{
    for (size_t i = 0; i < sizeof (answers) / sizeof (answers[0]); i++) {
        const struct answer *a = &answers[i];
        recorded rec;
        char line[KIT_LINE];
        esp_error why = {0};
        bool there = open_recorded (own_folder (), "vllm", a->name, &rec);
        esp_err err = there ? read_recorded (&rec, line, &why) : ESP_ENOENT;
        bool good = err == a->err && (err == ESP_OK ? strcmp (line, a->line) == 0
                                                    : strstr (why.text, a->line) != NULL);
        CHECK (good);
        if (!good)
            printf ("    {\"%s\", ESP_%s, \"%s%s\"},\n", a->name, esp_err_name (err), line,
                    why.text);
        json_decref (rec.file);
    }
}

/* ---- refusals ---- */

static const struct refused {
    const char *name;
    enum server_refusal means;
    const char *says; /* its first words */
} refusals[] = {
    {"auth_missing_key", REFUSAL_KEY, "Unauthorized"}, /* the error is a string */
    {"causal_token_classify_on_classify", REFUSAL_PATH, "The model does not support Class"},
    {"gen_chat_render", REFUSAL_PATH, "Scale-out endpoints are disabled."}, /* a 403 */
    {"gen_engine_dead", REFUSAL_RETRY, "EngineCore encountered an issue."},
    {"gen_max_tokens_too_large", REFUSAL_TOO_MUCH, "max_tokens=5000 cannot be greater"},
    {"gen_no_such_path", REFUSAL_PATH, "Not Found"},
    {"gen_prompt_exact_limit", REFUSAL_TOO_LONG, "max_tokens must be at least 1, got 0."},
    {"gen_prompt_too_long", REFUSAL_TOO_LONG, "This model's maximum context length is 1024"},
    {"gen_stop_5", REFUSAL_REQUEST, "2 validation errors: {'type': "},
    {"gen_temp0_n2", REFUSAL_REQUEST, "n must be 1 when using greedy sampling, got 2."},
    {"gen_unknown_model", REFUSAL_MODEL, "The model `nope` does not exist. Valid"},
    {"gen_wrong_method", REFUSAL_PATH, "Method Not Allowed"},
    {"prm_too_long", REFUSAL_TOO_LONG, "This model's maximum context length is"},
};

static enum server_refusal refused_as (const recorded *rec, char *says, size_t size)
{
    int status = (int)json_integer_value (json_object_get (rec->file, "status"));
    const json_t *answer = json_object_get (rec->file, "response");
    const json_t *frame = json_object_get (json_object_get (answer, "frames"), "0");
    char *text = json_dumps (answer, JSON_ENCODE_ANY);
    enum server_refusal means =
        refusal_of (status, frame ? json_span (frame) : span_of (text), says, size);
    free (text);
    return means;
}

static void each_refusal_means_what_it_should (void)
{
    for (size_t i = 0; i < sizeof (refusals) / sizeof (refusals[0]); i++) {
        const struct refused *row = &refusals[i];
        recorded rec;
        char says[200] = "";
        bool there = open_recorded (own_folder (), "vllm", row->name, &rec);
        enum server_refusal means = there ? refused_as (&rec, says, sizeof (says)) : REFUSAL_RETRY;
        bool good = there && means == row->means && span_starts (span_of (says), row->says);
        CHECK (good);
        if (!good)
            printf ("    %s: %d, \"%s\"\n", row->name, (int)means, says);
        json_decref (rec.file);
    }
}

/* An engine that dies inside a stream of status 200. */
static void an_error_inside_a_stream_is_told (void)
{
    recorded rec;
    esp_error why = {0};
    char says[200];
    const char *tail;
    gen_reply *r = NULL;
    CHECK (open_recorded (own_folder (), "vllm", "gen_engine_worker_killed", &rec));
    tail = json_string_value (json_object_get (
        json_object_get (json_object_get (rec.file, "response"), "stream"), "tail"));
    rec.ask = kit_ask ();
    rec.ask.stream = true;
    rec.shape = shape_find ("vllm");
    PASS (reply_create (&rec.ask, &r));
    FAILS (read_stream (&rec, r, span_of (tail), &why), ESP_EENGINE);
    CHECK (strstr (why.text, "EngineCore encountered an issue") != NULL);
    CHECK (refusal_of (200, span_make (tail + 6, strlen (tail) - 22), says, sizeof (says)) ==
           REFUSAL_RETRY);
    CHECK (span_starts (span_of (says), "EngineCore encountered"));
    reply_destroy (r);
    json_decref (rec.file);
}

/* ---- all that there are ---- */

/* Answers of status 200 that do not parse, and why that is right. */
static const struct answer exceptions[] = {
    {"gen_batch_same_prompt_seed", ESP_EFORMAT,
     "no list of choices"}, /* the recorder's summaries */
    {"gen_ids_vs_text_prompt", ESP_EFORMAT, "no list of choices"},
    {"gen_seed_alone_vs_batched", ESP_EFORMAT, "no list of choices"},
    {"gen_seed_n4_vs_4_singles", ESP_EFORMAT, "no list of choices"},
    {"gen_n_over_max_num_seqs", ESP_EFORMAT,
     "9 choices, 40 were asked for"}, /* cut by the recorder */
    {"gen_stream_n2_usage", ESP_EFORMAT, "not valid JSON"},
    {"gen_prompt_ids_batch_n2", ESP_OK, ""}, /* choices of two prompts, counted as samples */
    {"gen_echo_max0", ESP_EFORMAT,
     "0 were asked for at most"}, /* it generates one token all the same */
    {"gen_echo_max0_logprobs", ESP_EFORMAT, ""},
    {"gen_echo", ESP_EFORMAT, "is not a number"},            /* cut by the recorder */
    {"completion_stream_n2", ESP_EFORMAT, "not valid JSON"}, /* llama.cpp; cut by the recorder */
    {"completion_fields", ESP_OK, ""},
};

static const struct answer *exception_of (const char *name)
{
    for (size_t i = 0; i < sizeof (exceptions) / sizeof (exceptions[0]); i++)
        if (strcmp (exceptions[i].name, name) == 0)
            return &exceptions[i];
    return NULL;
}

static bool is_generation (const recorded *rec)
{
    const char *endpoint = json_string_value (json_object_get (rec->file, "endpoint"));
    static const char *const known[] = {"POST /v1/completions", "POST /v1/chat/completions",
                                        "POST /completion"};
    for (size_t i = 0; i < sizeof (known) / sizeof (known[0]); i++)
        if (strcmp (endpoint, known[i]) == 0)
            return true;
    return false;
}

static bool is_as_expected (const recorded *rec, const char *name)
{
    int status = (int)json_integer_value (json_object_get (rec->file, "status"));
    const struct answer *except = exception_of (name);
    char line[KIT_LINE], says[200];
    esp_error why = {0};
    esp_err err;
    bool good;
    if (status >= 400) {
        refused_as (rec, says, sizeof (says));
        return says[0] != 0;
    }
    if (status != 200 || !is_generation (rec))
        return true;
    err = read_recorded (rec, line, &why);
    good = err == (except ? except->err : ESP_OK) && (!except || strstr (why.text, except->line));
    if (!good)
        printf ("    {\"%s\", ESP_%s, \"%s\"},\n", name, esp_err_name (err), why.text);
    return good;
}

/* Returns how many files there are. */
static size_t read_folder (const char *folder, const char *family)
{
    char path[PATH_MAX];
    struct dirent *entry;
    size_t count = 0;
    DIR *dir;
    snprintf (path, sizeof (path), "%s/%s", folder, family);
    if (!(dir = opendir (path)))
        return 0;
    while ((entry = readdir (dir))) {
        char name[256];
        recorded rec = {.file = NULL};
        bool good;
        size_t len = strlen (entry->d_name);
        if (len < 6 || strcmp (entry->d_name + len - 5, ".json") != 0)
            continue;
        snprintf (name, sizeof (name), "%.*s", (int)len - 5, entry->d_name);
        good = strcmp (name, "gen_seed_big") == 0 || /* a seed of the request is beyond 64 bits */
               (open_recorded (folder, family, name, &rec) && is_as_expected (&rec, name));
        CHECK (good);
        if (!good)
            printf ("    %s/%s.json\n", path, name);
        json_decref (rec.file);
        count++;
    }
    closedir (dir);
    return count;
}

static void every_recorded_answer_is_read_or_refused_for_a_known_reason (void)
{
    const char *shared = ESP_TESTS_UNIT "/../../../shared/recorded";
    CHECK (read_folder (own_folder (), "vllm") > 30);
    if (read_folder (own_folder (), "llamacpp") == 0)
        printf ("    skipped: no recorded/llamacpp\n");
    if (read_folder (shared, "vllm") == 0)
        printf ("    skipped: no %s\n", shared);
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"each answer becomes what it should", each_answer_becomes_what_it_should},
        {"each refusal means what it should", each_refusal_means_what_it_should},
        {"an error inside a stream is told", an_error_inside_a_stream_is_told},
        {"every recorded answer is read, or refused for a known reason",
         every_recorded_answer_is_read_or_refused_for_a_known_reason},
        {NULL, NULL},
    };
    return suite_main ("shape_recorded", cases);
}
