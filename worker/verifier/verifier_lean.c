/* SPDX-License-Identifier: Apache-2.0 */
/* verifier_lean.c - kind `lean`: the branch's text is a Lean 4 proof; REPL processes check it
 *
 * pass     proof-checked
 * fail     lean-error, admitted, axiom-not-allowed, statement-changed, forbidden-command, proof-too-long
 * unknown  timeout, no-theorem, bad-problem, bad-reply, verifier-crashed
 *
 * Written from the REPL's documentation and tried against a stand-in: there was no Lean here.
 */

#include "worker/verifier/verifiers.h"
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>
#include "proto/base/alloc.h"
#include "proto/base/log.h"
#include "worker/engine/fields.h"
#include "worker/verifier/job_queue.h"
#include "worker/verifier/lean_options.h"
#include "worker/verifier/lean_pool.h"
#include "worker/verifier/verifier_job.h"

enum { JOBS_A_PLACE = 2, BINDS_MOST = 32, PROBE_S = 600 };

enum { BOX_BUBBLEWRAP, BOX_NONE };

struct lean_options {
    const char *command, *folder, *header;
    int64_t processes, uses, memory_mb;
    double timeout_s, header_s;
    esp_strings axioms, binds;
    int sandbox;
};

#define AT(field) offsetof (struct lean_options, field)
static const esp_option options[] = {
    {"command", ESP_OPT_STRING, AT (command), NULL, 0, 0, NULL, "",
     "starts the REPL, as a shell has it: lake env /opt/repl/.lake/build/bin/repl", ESP_OPT_FIXED,
     true},
    {"folder", ESP_OPT_STRING, AT (folder), "/", 0, 0, NULL, "",
     "the Lean project in which it runs, its whole path; seen in the sandbox", ESP_OPT_FIXED,
     false},
    {"header", ESP_OPT_STRING, AT (header), LEAN_HEADER_DEFAULT, 0, 0, NULL, "",
     "what stands before theorems whose rows have no header", ESP_OPT_FIXED, false},
    {"processes", ESP_OPT_INT, AT (processes), "1", 1, LEAN_MOST, NULL, "processes",
     "REPLs of each worker; with Mathlib each takes several GB", ESP_OPT_FREE, false},
    {"uses", ESP_OPT_INT, AT (uses), "64", 1, 1000000, NULL, "proofs",
     "proofs after which a REPL is started anew: its memory grows", ESP_OPT_FREE, false},
    {"timeout_s", ESP_OPT_DOUBLE, AT (timeout_s), "60", 0.1, 36000, NULL, "s",
     "wall time of one proof; then its verdict is unknown", ESP_OPT_FREE, false},
    {"header_s", ESP_OPT_DOUBLE, AT (header_s), "300", 0.1, 36000, NULL, "s",
     "wall time of a header: imports, the first time in each process", ESP_OPT_FREE, false},
    {"memory_mb", ESP_OPT_INT, AT (memory_mb), "0", 0, 1 << 24, NULL, "MiB",
     "address space of a REPL, far more than it uses; 0 = no limit", ESP_OPT_FIXED, false},
    {"axioms", ESP_OPT_STRINGS, AT (axioms), NULL, 0, 0, NULL, "",
     "axioms that a proof may rest on; default: propext, Classical.choice, Quot.sound",
     ESP_OPT_FIXED, false},
    {"sandbox", ESP_OPT_CHOICE, AT (sandbox), "bubblewrap", 0, 0, "bubblewrap|none", "",
     "what contains the REPLs; none: nothing, they run with your rights", ESP_OPT_FIXED, false},
    {"binds", ESP_OPT_STRINGS, AT (binds), NULL, 0, 0, NULL, "",
     "folders that a REPL can read, beside /usr and folder: Lean itself", ESP_OPT_FIXED, false},
    ESP_OPTION_END,
};

struct lean {
    engine_setup setup;
    const struct lean_options *o;
    sandbox *box;                  /* owned */
    const char *binds[BINDS_MOST]; /* the sandbox borrows it */
    sandbox_limits limits;
    lean_pool *pool; /* owned */
    job_queue waiting;
    lean_rules rules;
    const job *probing; /* before the run */
    lean_verdict probed;
    esp_buf text, header, body, seen; /* scratch of one job */
};

/* ---- results ---- */

static lean_verdict
judge (struct lean *v, const lean_case *c, enum lean_end end, const json_t *said)
{
    lean_verdict verdict = {VERDICT_UNKNOWN, "verifier-crashed"};
    esp_buf_clear (&v->seen);
    switch (end) {
    case LEAN_SAID:
        if (lean_judge (c, said, &v->rules, &verdict, &v->seen) != ESP_OK)
            verdict = (lean_verdict){VERDICT_UNKNOWN, "bad-reply"};
        break;
    case LEAN_TIMEOUT:
        verdict.reason = "timeout";
        break;
    case LEAN_HEADER:
        verdict.reason = "bad-problem";
        break;
    case LEAN_CRASHED:
        break;
    }
    return verdict;
}

static void
take_reply (void *ctx, const job *j, const lean_case *c, enum lean_end end, const json_t *said)
{
    struct lean *v = ctx;
    lean_verdict verdict = judge (v, c, end, said);
    if (j == v->probing) {
        v->probed = verdict;
        v->probing = NULL;
    } else {
        lean_finish (&v->setup, j, verdict.verdict, verdict.reason, esp_buf_span (&v->seen));
    }
}

/* ---- jobs ---- */

static esp_err write_body (struct lean *v, span json, span text, lean_case *c, const char **reason,
                           const char **word)
{
    esp_err err;
    esp_buf_clear (&v->header);
    esp_buf_clear (&v->body);
    err = lean_body (json, text, &v->header, &v->body, c, reason, word);
    if (err == ESP_OK && v->header.len == 0 && v->o->header)
        err = esp_buf_puts (&v->header, v->o->header);
    return err;
}

/* False: there was no place after all, the job waits on. */
static bool give (struct lean *v, const job *j)
{
    const char *reason = NULL, *word = NULL;
    lean_case c;
    esp_err err;
    esp_buf_clear (&v->text);
    if ((err = fields_join (j, j->step_count, &v->text)) == ESP_OK)
        err = write_body (v, j->problem, esp_buf_span (&v->text), &c, &reason, &word);
    if (err == ESP_OK && reason) {
        lean_finish_unsent (&v->setup, j, reason, word);
        return true;
    }
    if (err == ESP_OK)
        err = lean_pool_give (v->pool, j, &c, esp_buf_span (&v->header), esp_buf_span (&v->body));
    if (err != ESP_OK && err != ESP_EFULL)
        verifier_fail (&v->setup, j, err);
    return err != ESP_EFULL;
}

/* Jobs to places; calls of done may add jobs meanwhile.  One that finds no place after all waits for the next poll. */
static void hand_out (struct lean *v)
{
    const job *j;
    bool given = true;
    while (given && lean_pool_idle (v->pool) && (j = job_queue_take (&v->waiting)) != NULL)
        if (!(given = give (v, j)))
            job_queue_put_back (&v->waiting, j);
    while (lean_pool_hopeless (v->pool) && (j = job_queue_take (&v->waiting)) != NULL)
        lean_finish (&v->setup, j, VERDICT_UNKNOWN, "verifier-crashed", span_of (""));
    lean_pool_set_timer (v->pool);
}

static void lean_start (void *state, const job *const *jobs, size_t n)
{
    struct lean *v = state;
    job_queue_fill (&v->waiting, &v->setup, jobs, n);
    hand_out (v);
}

static void lean_poll (void *state)
{
    struct lean *v = state;
    lean_pool_poll (v->pool);
    hand_out (v);
}

static void lean_cancel (void *state, const job *j)
{
    struct lean *v = state;
    if (!job_queue_remove (&v->waiting, j))
        lean_pool_cancel (v->pool, j);
}

static size_t lean_fds (void *state, int *fds, size_t max)
{
    if (max == 0)
        return 0;
    fds[0] = lean_pool_fd (((const struct lean *)state)->pool);
    return 1;
}

static uint32_t lean_slots (const void *state)
{
    return (uint32_t)((const struct lean *)state)->o->processes * JOBS_A_PLACE;
}

static esp_err lean_describe (void *state, esp_buf *out)
{
    const struct lean *v = state;
    return esp_buf_printf (out, "  %lld REPLs in %s (%s), sandbox %s\n", (long long)v->o->processes,
                           v->o->folder, v->o->command, sandbox_name (v->box));
}

/* ---- life ---- */

static void lean_close (void *state)
{
    struct lean *v = state;
    if (!v)
        return;
    lean_pool_destroy (v->pool);
    sandbox_destroy (v->box);
    job_queue_free (&v->waiting);
    esp_buf_free (&v->text);
    esp_buf_free (&v->header);
    esp_buf_free (&v->body);
    esp_buf_free (&v->seen);
    esp_free (v);
}

/* What this command makes of a theorem that needs no imports. */
static esp_err probe (struct lean *v, const char *row, lean_verdict *out)
{
    const job none = {.task = {.kind = TASK_VERIFY}};
    struct pollfd fd = {.fd = lean_pool_fd (v->pool), .events = POLLIN};
    const char *reason, *word;
    lean_case c;
    esp_err err;
    esp_buf_clear (&v->header);
    esp_buf_clear (&v->body);
    *out = (lean_verdict){VERDICT_UNKNOWN, "timeout"};
    v->probing = &none;
    if ((err = lean_body (span_of (row), span_of ("rfl"), &v->header, &v->body, &c, &reason,
                          &word)) != ESP_OK ||
        (err = lean_pool_give (v->pool, &none, &c, span_of (""), esp_buf_span (&v->body))) !=
            ESP_OK)
        return err;
    for (int left = PROBE_S; v->probing && left > 0; left -= poll (&fd, 1, 1000) == 0)
        lean_pool_poll (v->pool);
    lean_pool_cancel (v->pool, &none);
    if (!v->probing)
        *out = v->probed;
    return ESP_OK;
}

static esp_err probe_command (struct lean *v, esp_error *error)
{
    static const char right[] = "{\"theorem\": \"theorem espalier_probe : 1 + 1 = 2 := by sorry\"}",
                      wrong[] = "{\"theorem\": \"theorem espalier_probe : 1 + 1 = 3 := by sorry\"}";
    lean_verdict good = {0}, bad = {0};
    esp_err err;
    if ((err = probe (v, right, &good)) == ESP_OK && good.verdict == VERDICT_PASS)
        err = probe (v, wrong, &bad);
    if (err == ESP_OK && good.verdict == VERDICT_PASS && bad.verdict == VERDICT_FAIL)
        return ESP_OK;
    return esp_error_set (
        error, ESP_EENGINE,
        "verifier.command: %s (in %s) does not answer as a Lean 4 REPL does: a right "
        "proof is %s (%s)%s%s; the REPL is github.com/leanprover-community/repl; "
        "outside /usr and verifier.folder its folders must be in verifier.binds",
        v->o->command, v->o->folder, verdict_names[good.verdict],
        good.reason ? good.reason : "not started", bad.reason ? ", a wrong one " : "",
        bad.reason ? verdict_names[bad.verdict] : "");
}

static esp_err open_box (struct lean *v, esp_error *error)
{
    sandbox_setup box = {
        .section = "verifier", .bare = v->o->sandbox == BOX_NONE, .binds = v->binds};
    if (access (v->o->folder, X_OK) != 0)
        return esp_error_set (error, ESP_ENOENT, "verifier.folder: there is no folder %s here",
                              v->o->folder);
    if (v->o->folder[1]) /* not the root */
        v->binds[box.bind_count++] = v->o->folder;
    for (size_t i = 0; i < v->o->binds.count && box.bind_count < BINDS_MOST; i++)
        v->binds[box.bind_count++] = v->o->binds.items[i];
    return sandbox_create (&box, &v->box, error);
}

static esp_err open_inside (struct lean *v, esp_error *error)
{
    const struct lean_options *o = v->o;
    lean_pool_setup pool = {.command = o->command,
                            .folder = o->folder,
                            .processes = (size_t)o->processes,
                            .uses = o->uses,
                            .timeout_s = o->timeout_s,
                            .header_s = o->header_s,
                            .limits = &v->limits,
                            .clock = v->setup.clock,
                            .reply = take_reply,
                            .ctx = v};
    esp_err err;
    v->limits = (sandbox_limits){.memory_mb = o->memory_mb};
    v->rules = lean_rules_of (&o->axioms);
    if ((err = open_box (v, error)) != ESP_OK)
        return err;
    pool.box = v->box;
    if ((err = lean_pool_create (&pool, &v->pool, error)) != ESP_OK ||
        (err = probe_command (v, error)) != ESP_OK)
        return err;
    esp_log (LOG_INFO, "VERIFIER-READY", "lean: %lld REPLs, sandbox %s", (long long)o->processes,
             sandbox_name (v->box));
    return ESP_OK;
}

static esp_err lean_open (const engine_setup *setup, void **state, esp_error *error)
{
    struct lean *v;
    esp_err err;
    if (!setup || !setup->options || !setup->done || !setup->clock || !state)
        return esp_error_set (error, ESP_EINVAL, "lean: incomplete setup");
    if (!(v = esp_calloc (1, sizeof (*v))))
        return esp_error_set (error, ESP_ENOMEM, "lean: out of memory");
    v->setup = *setup;
    v->o = setup->options;
    if ((err = open_inside (v, error)) != ESP_OK) {
        lean_close (v);
        return err;
    }
    *state = v;
    return ESP_OK;
}

const engine_kind verifier_lean = {.name = "lean",
                                   .roles = ENGINE_VERIFIER,
                                   .options = options,
                                   .option_bytes = sizeof (struct lean_options),
                                   .open = lean_open,
                                   .start = lean_start,
                                   .poll = lean_poll,
                                   .cancel = lean_cancel,
                                   .fds = lean_fds,
                                   .close = lean_close,
                                   .slots = lean_slots,
                                   .describe = lean_describe};
