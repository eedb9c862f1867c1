/* SPDX-License-Identifier: Apache-2.0 */
/* main.c - the program model_server: options, faults, "listening on URL", and the end by a signal */

#include <argp.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include "proto/base/alloc.h"
#include "proto/base/file.h"
#include "tests/support/model_server/http.h"

enum {
    KEY_UNIX = 256,
    KEY_KEY,
    KEY_LENGTH,
    KEY_DELAY,
    KEY_TOKEN,
    KEY_TLS,
    KEY_FAULT,
    KEY_FAULTS,
    KEY_SERVES,
    KEY_TAG,
    KEY_SLOTS,
    KEY_BOS,
    KEY_DETAILS,
    KEY_WRONG,
    KEY_THINK,
    KEY_THINKS,
    KEY_ALIVE,
    KEY_PARENT
};

static const struct argp_option options[] = {
    {"kind", 'k', "KIND", 0,
     "vllm (default), sglang, llamacpp, openai; generic: a PRM, {inputs} -> {scores}", 0},
    {"serves", KEY_SERVES, "WHAT", 0,
     "generate (default), prm, causal, classify, embed: the routes a vLLM has for its task", 0},
    {"port", 'p', "PORT", 0, "0: a free one (default); on 127.0.0.1", 0},
    {"unix", KEY_UNIX, "PATH", 0, "a Unix socket instead", 0},
    {"model", 'm', "NAME", 0, "the model's name (test-model)", 0},
    {"api-key", KEY_KEY, "K", 0, "Authorization: Bearer K is asked for where the real server does",
     0},
    {"max-model-len", KEY_LENGTH, "N", 0, "tokens of a prompt and its answer (4096)", 0},
    {"delay-ms", KEY_DELAY, "MS", 0, "before each answer to a POST", 0},
    {"token-ms", KEY_TOKEN, "MS", 0,
     "per token: between the parts of a stream, before a plain reply", 0},
    {"tls", KEY_TLS, "CERT,KEY", 0, "PEM files", 0},
    {"fault", KEY_FAULT, "SPEC", 0, "may be given several times; see below", 0},
    {"faults", KEY_FAULTS, "FILE", 0, "one SPEC a line", 0},
    {"step-tag", KEY_TAG, "TEXT", 0, "of --serves prm (<extra_0>)", 0},
    {"slots", KEY_SLOTS, "N", 0,
     "requests that run at once, as /metrics tells it (8); llama.cpp: the largest n", 0},
    {"bos", KEY_BOS, NULL, 0, "the tokenizer puts <s> before a text", 0},
    {"enable-prompt-tokens-details", KEY_DETAILS, NULL, 0, "vLLM: cached tokens in usage", 0},
    {"wrong", KEY_WRONG, "SHARE", 0, "of the steps with a wrong result (0.25)", 0},
    {"think", KEY_THINK, NULL, 0, "answers begin with <think>", 0},
    {"template-thinks", KEY_THINKS, NULL, 0,
     "prompts that it renders end with <think>, as DeepSeek-R1's do; then --think", 0},
    {"keep-alive-s", KEY_ALIVE, "S", 0, "idle connections are closed after it (never)", 0},
    {"die-with-parent", KEY_PARENT, NULL, 0, "SIGTERM when the parent ends", 0},
    {0},
};

typedef struct choices {
    http_setup how;
    char why[256];
    bool die_with_parent;
} choices;

static const kind *find_kind (const char *name)
{
    const kind *const all[] = {&kind_vllm, &kind_sglang, &kind_llamacpp, &kind_openai,
                               &kind_generic};
    for (size_t i = 0; i < sizeof (all) / sizeof (*all); i++)
        if (strcmp (all[i]->name, name) == 0)
            return all[i];
    return NULL;
}

static unsigned find_serves (const char *name)
{
    static const char *const names[] = {"generate", "prm", "causal", "classify", "embed"};
    for (unsigned i = 0; i < sizeof (names) / sizeof (*names); i++)
        if (strcmp (names[i], name) == 0)
            return 1U << i;
    return 0;
}

static char *read_pem (const char *path, size_t len)
{
    esp_buf pem = {0};
    char *name = text_copy (span_make (path, len));
    esp_err err = esp_file_read (name, 1 << 20, &pem, NULL);
    esp_free (name);
    return err == ESP_OK ? pem.data : NULL;
}

static bool read_tls (http_setup *how, const char *both)
{
    const char *comma = strchr (both, ',');
    if (!comma)
        return false;
    how->cert_pem = read_pem (both, (size_t)(comma - both));
    how->key_pem = read_pem (comma + 1, strlen (comma + 1));
    return how->cert_pem && how->key_pem;
}

static bool parse_transport (choices *c, int key, char *value)
{
    http_setup *how = &c->how;
    switch (key) {
    case 'p':
        how->port = (unsigned)strtoul (value, NULL, 10);
        return true;
    case KEY_UNIX:
        how->socket = value;
        return true;
    case KEY_TLS:
        snprintf (c->why, sizeof (c->why), "--tls %s: cannot be read", value);
        return read_tls (how, value);
    case KEY_ALIVE:
        how->keep_alive_s = (unsigned)strtoul (value, NULL, 10);
        return true;
    case KEY_FAULT:
        return faults_add (how->faults, value, c->why, sizeof (c->why));
    case KEY_FAULTS:
        return faults_read (how->faults, value, c->why, sizeof (c->why));
    case KEY_PARENT:
        return (c->die_with_parent = true);
    default:
        snprintf (c->why, sizeof (c->why), "unknown");
        return false;
    }
}

static bool parse_model (setup *m, int key, char *value)
{
    switch (key) {
    case 'm':
        m->model = value;
        return true;
    case 'k':
        return (m->kind = find_kind (value)) != NULL;
    case KEY_SERVES:
        return (m->serves = find_serves (value)) != 0;
    case KEY_KEY:
        m->api_key = value;
        return true;
    case KEY_LENGTH:
        return (m->max_model_len = strtoul (value, NULL, 10)) > 0;
    case KEY_DELAY:
        m->delay_ms = (unsigned)strtoul (value, NULL, 10);
        return true;
    case KEY_TOKEN:
        m->token_ms = (unsigned)strtoul (value, NULL, 10);
        return true;
    case KEY_TAG:
        m->tag = value;
        return value[0] != 0;
    case KEY_SLOTS:
        return (m->slots = (unsigned)strtoul (value, NULL, 10)) > 0;
    case KEY_BOS:
        return (m->bos = true);
    case KEY_DETAILS:
        return (m->prompt_details = true);
    case KEY_WRONG:
        m->style.wrong = strtod (value, NULL);
        return true;
    case KEY_THINKS:
        return (m->template_thinks = m->style.think = true);
    default:
        return (m->style.think = true);
    }
}

static bool is_transport (int key)
{
    return key == 'p' || key == KEY_UNIX || key == KEY_TLS || key == KEY_ALIVE ||
           key == KEY_FAULT || key == KEY_FAULTS || key == KEY_PARENT;
}

static error_t parse (int key, char *value, struct argp_state *state)
{
    choices *c = state->input;
    bool known = false;
    for (const struct argp_option *o = options; o->name; o++)
        known |= o->key == key;
    if (!known)
        return key == ARGP_KEY_ARG ? EINVAL : ARGP_ERR_UNKNOWN;
    snprintf (c->why, sizeof (c->why), "'%s' cannot be understood", value ? value : "");
    if (!(is_transport (key) ? parse_transport (c, key, value)
                             : parse_model (&c->how.model, key, value)))
        argp_error (state, "%s", c->why);
    return 0;
}

static char *help_filter (int key, const char *text, void *input)
{
    char *faults_text = NULL;
    size_t len = 0;
    FILE *out;
    (void)input;
    if (key != ARGP_KEY_HELP_POST_DOC || !(out = open_memstream (&faults_text, &len)))
        return (char *)(uintptr_t)text;
    faults_help (out);
    (void)fclose (out);
    return faults_text;
}

static const struct argp argp = {options,
                                 parse,
                                 NULL,
                                 "A deterministic language model and process reward model behind "
                                 "the HTTP shapes of real servers, for tests.\v(faults)",
                                 NULL,
                                 help_filter,
                                 NULL};

static int serve (const choices *c, const sigset_t *ends)
{
    http_side *s = http_side_start (&c->how);
    int number;
    if (!s) {
        (void)fprintf (stderr, "model_server: cannot listen on %s: %s\n",
                       c->how.socket ? c->how.socket : "127.0.0.1", strerror (errno));
        return 1;
    }
    printf ("listening on %s\n", http_side_url (s));
    (void)fflush (stdout);
    (void)sigwait (ends, &number);
    http_side_stop (s);
    return 0;
}

int main (int argc, char **argv)
{
    choices c = {.how = {.model = {.kind = &kind_vllm,
                                   .serves = SERVES_GENERATE,
                                   .model = "test-model",
                                   .tag = "<extra_0>",
                                   .max_model_len = 4096,
                                   .slots = 8,
                                   .style = {.wrong = 0.25}},
                         .faults = faults_make ()}};
    sigset_t ends;
    int status;
    sigemptyset (&ends);
    sigaddset (&ends, SIGTERM);
    sigaddset (&ends, SIGINT);
    (void)pthread_sigmask (SIG_BLOCK, &ends, NULL); /* before any thread */
    (void)signal (SIGPIPE, SIG_IGN);
    setenv ("ARGP_HELP_FMT", "rmargin=160", 0);
    if (!c.how.faults || argp_parse (&argp, argc, argv, 0, NULL, &c) != 0)
        return 2;
    if (c.die_with_parent)
        (void)prctl (PR_SET_PDEATHSIG, SIGTERM);
    status = serve (&c, &ends);
    faults_free (c.how.faults);
    esp_free (c.how.cert_pem);
    esp_free (c.how.key_pem);
    return status;
}
