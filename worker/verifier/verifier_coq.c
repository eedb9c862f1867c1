/* SPDX-License-Identifier: Apache-2.0 */
/* verifier_coq.c - kind `coq`: the branch's text is a proof; coqc compiles it, and a second file of ours sees what was proved
 *
 * pass     proof-checked
 * fail     coq-error, admitted, axiom-not-allowed, statement-changed, theorem-missing, forbidden-command, proof-too-long, cpu-limit,
 *          memory-limit, output-limit, crashed
 * unknown  timeout, killed, no-theorem, bad-problem, header-types, verifier-crashed
 *
 * A proof that uses up its CPU time or memory fails; one that is not done in time without that is unknown: the machine may be slow.
 */

#include "worker/verifier/verifiers.h"
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "proto/base/alloc.h"
#include "proto/base/log.h"
#include "worker/engine/fields.h"
#include "worker/verifier/coq_reply.h"
#include "worker/verifier/job_queue.h"
#include "worker/verifier/verifier_job.h"

enum { JOBS_A_PLACE = 2, BINDS_MOST = 32, ALLOWED_MOST = 64 };

enum { BOX_BUBBLEWRAP, BOX_NONE };

/* What the Reals of Coq's standard library rest on. */
#define FUN_EXT "Coq.Logic.FunctionalExtensionality.functional_extensionality_dep"
static const char *const reals[] = {"Coq.Reals.ClassicalDedekindReals.sig_forall_dec",
                                    "Coq.Reals.ClassicalDedekindReals.sig_not_dec", FUN_EXT};
static const char classic[] = "Coq.Logic.Classical_Prop.classic";
static const char ocaml_conf[] = "/etc/ocamlfind.conf"; /* coqc does not start without it */

struct coq_options {
    int64_t processes, memory_mb, cpu_s, output_mb;
    const char *program;
    int sandbox;
    bool classic;
    double timeout_s;
    esp_strings axioms, binds;
};

#define AT(field) offsetof (struct coq_options, field)
static const esp_option options[] = {
    {"processes", ESP_OPT_INT, AT (processes), "0", 0, COQ_MOST, NULL, "proofs",
     "proofs that are compiled at once by each worker; 0 = as many as there are cores",
     ESP_OPT_FREE, false},
    {"program", ESP_OPT_STRING, AT (program), "/usr/bin/coqc", 0, 0, NULL, "",
     "coqc, its whole path; outside /usr its folders must be in binds", ESP_OPT_FIXED, false},
    {"binds", ESP_OPT_STRINGS, AT (binds), NULL, 0, 0, NULL, "",
     "folders that coqc can read, beside /usr", ESP_OPT_FIXED, false},
    {"axioms", ESP_OPT_STRINGS, AT (axioms), NULL, 0, 0, NULL, "",
     "axioms that a proof may rest on, whole names; default: those of Coq's real numbers",
     ESP_OPT_FIXED, false},
    {"classic", ESP_OPT_BOOL, AT (classic), "false", 0, 0, NULL, "",
     "proofs may use excluded middle (Coq.Logic.Classical_Prop.classic) too", ESP_OPT_FIXED, false},
    {"timeout_s", ESP_OPT_DOUBLE, AT (timeout_s), "60", 0.1, 36000, NULL, "s",
     "wall time of one proof and its check; then its verdict is unknown", ESP_OPT_FREE, false},
    {"cpu_s", ESP_OPT_INT, AT (cpu_s), "20", 1, 36000, NULL, "s",
     "CPU time of one proof; then it fails", ESP_OPT_FIXED, false},
    {"memory_mb", ESP_OPT_INT, AT (memory_mb), "2048", 1024, 1 << 20, NULL, "MiB",
     "address space of coqc (Coq's real numbers alone take 700)", ESP_OPT_FIXED, false},
    {"output_mb", ESP_OPT_INT, AT (output_mb), "16", 1, 48, NULL, "MiB",
     "what a proof may print, and the largest file of a compiled proof", ESP_OPT_FIXED, false},
    {"sandbox", ESP_OPT_CHOICE, AT (sandbox), "bubblewrap", 0, 0, "bubblewrap|none", "",
     "what contains coqc; none: nothing, it runs with your rights", ESP_OPT_FIXED, false},
    ESP_OPTION_END,
};

struct coq {
    engine_setup setup;
    const struct coq_options *o;
    sandbox *box;   /* owned */
    coq_pool *pool; /* owned */
    size_t places;
    job_queue waiting;
    const char *allowed[ALLOWED_MOST];
    size_t allowed_count;
    const char *binds[BINDS_MOST]; /* the sandbox borrows it */
    char version[96];
    esp_buf text, candidate, check, seen; /* scratch of one job */
};

/* ---- results ---- */

static void
finish (struct coq *v, const job *j, enum verdict verdict, const char *reason, span observation)
{
    const result r = {.id = j->task.id,
                      .logprob = NAN,
                      .mean_logprob = NAN,
                      .share = NAN,
                      .verdict = (uint8_t)verdict,
                      .reason = span_of (reason),
                      .observation = observation};
    v->setup.done (v->setup.ctx, j, &r);
}

static void take_reply (void *ctx, const job *j, const coq_case *c, const coq_outcome *o)
{
    struct coq *v = ctx;
    coq_verdict verdict;
    esp_err err;
    esp_buf_clear (&v->seen);
    err = coq_judge (c, o, v->allowed, v->allowed_count, &verdict, &v->seen);
    if (err != ESP_OK)
        verifier_fail (&v->setup, j, err);
    else
        finish (v, j, verdict.verdict, verdict.reason, esp_buf_span (&v->seen));
}

/* ---- jobs ---- */

static esp_err write_files (struct coq *v, const job *j, coq_case *c, const char **reason)
{
    const char *word = NULL;
    esp_err err;
    esp_buf_clear (&v->text);
    esp_buf_clear (&v->candidate);
    esp_buf_clear (&v->check);
    esp_buf_clear (&v->seen);
    if ((err = fields_join (j, j->step_count, &v->text)) == ESP_OK)
        err = coq_files (j->problem, esp_buf_span (&v->text), &v->candidate, &v->check, c, reason,
                         &word);
    if (err == ESP_OK && word)
        err = esp_buf_printf (&v->seen, "the command %s is not allowed in a proof", word);
    return err;
}

/* False: there was no place after all, the job waits on. */
static bool give (struct coq *v, const job *j)
{
    const char *reason = NULL;
    coq_case c;
    esp_err err = write_files (v, j, &c, &reason);
    if (err == ESP_OK && reason) {
        bool fails =
            strcmp (reason, "forbidden-command") == 0 || strcmp (reason, "proof-too-long") == 0;
        finish (v, j, fails ? VERDICT_FAIL : VERDICT_UNKNOWN, reason, esp_buf_span (&v->seen));
        return true;
    }
    if (err == ESP_OK)
        err =
            coq_pool_give (v->pool, j, &c, esp_buf_span (&v->candidate), esp_buf_span (&v->check));
    if (err == ESP_EFULL)
        return false;
    if (err != ESP_OK)
        verifier_fail (&v->setup, j, err);
    return true;
}

/* Jobs to places; calls of done may add jobs meanwhile. */
static void hand_out (struct coq *v)
{
    const job *j;
    while (coq_pool_idle (v->pool) && (j = job_queue_take (&v->waiting)) != NULL)
        if (!give (v, j))
            job_queue_put_back (&v->waiting, j);
    while (coq_pool_hopeless (v->pool) && (j = job_queue_take (&v->waiting)) != NULL)
        finish (v, j, VERDICT_UNKNOWN, "verifier-crashed", span_of (""));
    coq_pool_set_timer (v->pool);
}

static void coq_start (void *state, const job *const *jobs, size_t n)
{
    struct coq *v = state;
    job_queue_fill (&v->waiting, &v->setup, jobs, n);
    hand_out (v);
}

static void coq_poll (void *state)
{
    struct coq *v = state;
    coq_pool_poll (v->pool);
    hand_out (v);
}

static void coq_cancel (void *state, const job *j)
{
    struct coq *v = state;
    if (!job_queue_remove (&v->waiting, j))
        coq_pool_cancel (v->pool, j);
}

static size_t coq_fds (void *state, int *fds, size_t max)
{
    if (max == 0)
        return 0;
    fds[0] = coq_pool_fd (((const struct coq *)state)->pool);
    return 1;
}

static uint32_t coq_slots (const void *state)
{
    return (uint32_t)((const struct coq *)state)->places * JOBS_A_PLACE;
}

static esp_err coq_describe (void *state, esp_buf *out)
{
    const struct coq *v = state;
    esp_err err = esp_buf_printf (out, "  %zu at once, %s (%s), sandbox %s\n  axioms:", v->places,
                                  v->version, v->o->program, sandbox_name (v->box));
    for (size_t i = 0; err == ESP_OK && i < v->allowed_count; i++)
        err = esp_buf_printf (out, " %s", v->allowed[i]);
    return err == ESP_OK ? esp_buf_puts (out, v->allowed_count ? "\n" : " none\n") : err;
}

/* ---- life ---- */

static void coq_close (void *state)
{
    struct coq *v = state;
    if (!v)
        return;
    coq_pool_destroy (v->pool);
    sandbox_destroy (v->box);
    job_queue_free (&v->waiting);
    esp_buf_free (&v->text);
    esp_buf_free (&v->candidate);
    esp_buf_free (&v->check);
    esp_buf_free (&v->seen);
    esp_free (v);
}

/* What this program makes of a proof: the verdict in *out. */
static esp_err probe (struct coq *v, const char *proof, coq_verdict *out, esp_error *error)
{
    static const char theorem[] =
        "{\"formal_statement\": \"Theorem espalier_probe : forall n : nat, n + 0 = n.\"}";
    const char *reason, *word;
    coq_case c;
    coq_outcome o;
    esp_err err;
    esp_buf_clear (&v->candidate);
    esp_buf_clear (&v->check);
    esp_buf_clear (&v->seen);
    if ((err = coq_files (span_of (theorem), span_of (proof), &v->candidate, &v->check, &c, &reason,
                          &word)) != ESP_OK ||
        (err = coq_pool_wait (v->pool, esp_buf_span (&v->candidate), esp_buf_span (&v->check), &o,
                              error)) != ESP_OK)
        return err;
    return coq_judge (&c, &o, NULL, 0, out, &v->seen);
}

static esp_err probe_program (struct coq *v, esp_error *error)
{
    static const char right[] = "induction n; simpl; congruence.", wrong[] = "reflexivity.";
    coq_verdict good = {0}, bad = {0};
    esp_err err;
    if (access (v->o->program, X_OK) != 0)
        return esp_error_set (
            error, ESP_ENOENT,
            "verifier.program: there is no program %s here; install Coq (Debian: apt-get "
            "install coq), or name the coqc that you have",
            v->o->program);
    if ((err = coq_pool_version (v->pool, v->version, sizeof (v->version), error)) != ESP_OK ||
        (err = probe (v, right, &good, error)) != ESP_OK ||
        (err = probe (v, wrong, &bad, error)) != ESP_OK)
        return err;
    esp_text_scrub (v->version);
    if (good.verdict == VERDICT_PASS && bad.verdict == VERDICT_FAIL)
        return ESP_OK;
    return esp_error_set (error, ESP_EENGINE,
                          "verifier.program: %s does not judge as coqc does: a right proof is %s "
                          "(%s), a wrong one %s (%s); outside /usr its folders must be in "
                          "verifier.binds",
                          v->o->program, verdict_names[good.verdict], good.reason,
                          verdict_names[bad.verdict], bad.reason);
}

static void choose_axioms (struct coq *v)
{
    const esp_strings standard = {reals, sizeof (reals) / sizeof (reals[0])};
    const esp_strings *from = v->o->axioms.count > 0 ? &v->o->axioms : &standard;
    for (size_t i = 0; i < from->count && i + 1 < ALLOWED_MOST; i++)
        v->allowed[v->allowed_count++] = from->items[i];
    if (v->o->classic)
        v->allowed[v->allowed_count++] = classic;
}

static esp_err open_box (struct coq *v, esp_error *error)
{
    sandbox_setup box = {
        .section = "verifier", .bare = v->o->sandbox == BOX_NONE, .binds = v->binds};
    for (size_t i = 0; i < v->o->binds.count && box.bind_count + 1 < BINDS_MOST; i++)
        v->binds[box.bind_count++] = v->o->binds.items[i];
    if (access (ocaml_conf, R_OK) == 0)
        v->binds[box.bind_count++] = ocaml_conf;
    return sandbox_create (&box, &v->box, error);
}

static esp_err open_inside (struct coq *v, esp_error *error)
{
    const struct coq_options *o = v->o;
    coq_pool_setup pool = {
        .program = o->program,
        .timeout_s = o->timeout_s,
        .limits = {o->memory_mb, o->cpu_s, o->sandbox == BOX_NONE ? 0 : 16, o->output_mb},
        .clock = v->setup.clock,
        .reply = take_reply,
        .ctx = v};
    long cores = sysconf (_SC_NPROCESSORS_ONLN);
    esp_err err;
    v->places = o->processes > 0 ? (size_t)o->processes : cores > 0 ? (size_t)cores : 1;
    v->places = v->places < COQ_MOST ? v->places : COQ_MOST;
    choose_axioms (v);
    if ((err = open_box (v, error)) != ESP_OK)
        return err;
    pool.box = v->box;
    pool.places = v->places;
    if ((err = coq_pool_create (&pool, &v->pool, error)) != ESP_OK ||
        (err = probe_program (v, error)) != ESP_OK)
        return err;
    esp_log (LOG_INFO, "VERIFIER-READY", "coq: %zu proofs at once, %s, sandbox %s", v->places,
             v->version, sandbox_name (v->box));
    return ESP_OK;
}

static esp_err coq_open (const engine_setup *setup, void **state, esp_error *error)
{
    struct coq *v;
    esp_err err;
    if (!setup || !setup->options || !setup->done || !setup->clock || !state)
        return esp_error_set (error, ESP_EINVAL, "coq: incomplete setup");
    if (!(v = esp_calloc (1, sizeof (*v))))
        return esp_error_set (error, ESP_ENOMEM, "coq: out of memory");
    v->setup = *setup;
    v->o = setup->options;
    if ((err = open_inside (v, error)) != ESP_OK) {
        coq_close (v);
        return err;
    }
    *state = v;
    return ESP_OK;
}

const engine_kind verifier_coq = {.name = "coq",
                                  .roles = ENGINE_VERIFIER,
                                  .options = options,
                                  .option_bytes = sizeof (struct coq_options),
                                  .open = coq_open,
                                  .start = coq_start,
                                  .poll = coq_poll,
                                  .cancel = coq_cancel,
                                  .fds = coq_fds,
                                  .close = coq_close,
                                  .slots = coq_slots,
                                  .describe = coq_describe};
