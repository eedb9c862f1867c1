/* SPDX-License-Identifier: Apache-2.0 */
/* engine_mutate.c - a generator that puts a bug into the right solution that a problem row brings (docs/defects.md)
 *
 * The child with ordinal i of the root is mutant or control number i of that problem; beyond the last one its task fails for good with
 * ESP_EEMPTY and a reason.  result.reason names the operator.  mutate/mutate_server.py does the work, in a process of its own that only
 * parses; one job at a time goes to it.  One that takes too long, and a process that ends or talks nonsense, make the task fail so that it is sent
 * again (ESP_EIO), to the new process.  The process is OFF -> STARTING -> IDLE <-> BUSY; from any of these -> OFF by a kill.
 */

#include <jansson.h>
#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>
#include "proto/base/alloc.h"
#include "proto/base/log.h"
#include "proto/model/solution.h"
#include "worker/engine/engines.h"
#include "worker/engine/fields.h"
#include "worker/engine/mutate_line.h"
#include "worker/prompt/step_rule.h"
#include "worker/sandbox/line_process.h"

enum {
    ROW_MOST = 1 << 20,  /* bytes of a problem; a larger one is "too-big" */
    LINE_MOST = 1 << 20, /* bytes that the process may say in a line */
    START_MS = 60 * 1000,
    PAUSE_MS = 100, /* before the start after the second failure in a row; doubles with each */
    PAUSES_MOST = 8,
    WHYS_MOST = 16, /* kinds of reasons that are counted */
    MS = 1000000    /* ns */
};

static const char *const languages[] = {"auto", "python", "reasoning"};

struct options {
    const char *python;
    int language;
    double controls, timeout_s;
    int64_t memory_mb;
    esp_strings operators;
    bool cut;
};

#define AT(field) offsetof (struct options, field)
static const esp_option option_rows[] = {
    {"language", ESP_OPT_CHOICE, AT (language), "auto", 0, 0, "auto|python|reasoning", "",
     "of the solutions; auto: python where a row brings tests, else reasoning with equations",
     ESP_OPT_FIXED, false},
    {"controls", ESP_OPT_DOUBLE, AT (controls), "0.2", 0, 1, NULL, "",
     "part of the samples that have no bug; the first one is always the solution as it is",
     ESP_OPT_FIXED, false},
    {"operators", ESP_OPT_STRINGS, AT (operators), NULL, 0, 0, NULL, "",
     "only these kinds of bugs; docs/defects.md lists them", ESP_OPT_FIXED, false},
    {"cut", ESP_OPT_BOOL, AT (cut), "false", 0, 0, NULL, "",
     "also wrong steps whose consequences are not known: the solution ends there", ESP_OPT_FIXED,
     false},
    {"python", ESP_OPT_STRING, AT (python), "python3", 0, 0, NULL, "",
     "Python 3.9 or newer that reads the solutions", ESP_OPT_FIXED, false},
    {"timeout_s", ESP_OPT_DOUBLE, AT (timeout_s), "20", 0.1, 36000, NULL, "s",
     "of one mutant; then its process is killed", ESP_OPT_FREE, false},
    {"memory_mb", ESP_OPT_INT, AT (memory_mb), "1024", 64, 1 << 20, NULL, "MiB",
     "address space of that process", ESP_OPT_FREE, false},
    ESP_OPTION_END,
};

enum process_state { PROCESS_OFF, PROCESS_STARTING, PROCESS_IDLE, PROCESS_BUSY };

struct mutate {
    engine_setup setup;
    const struct options *o;
    enum process_state state;
    line_process *process; /* owned; NULL when OFF */
    const job *job;        /* BUSY; NULL: cancelled, its reply is dropped */
    uint64_t number;       /* of the last job that went out */
    uint64_t deadline_ns;  /* STARTING, BUSY */
    uint64_t restart_ns;   /* OFF: not before */
    unsigned failures;     /* in a row */
    bool writing;          /* epoll looks for room to write */
    int epoll, timer;      /* -1: none */
    const job **waiting;   /* owned: first .. end */
    size_t first, end, waiting_cap;
    esp_buf line, text, told;
    uint64_t given;
    struct {
        char name[MUTATE_NAME];
        uint64_t count;
    } whys[WHYS_MOST]; /* why there was none; for the log */
};

static uint64_t now (const struct mutate *m)
{
    return esp_clock_ns (m->setup.clock);
}

/* ---- results ---- */

static void finish (struct mutate *m, const job *j, esp_err error, const char *reason)
{
    const result r = {.id = j->task.id,
                      .error = error,
                      .finish = FINISH_ERROR,
                      .logprob = NAN,
                      .mean_logprob = NAN,
                      .share = NAN,
                      .reason = span_of (reason)};
    m->setup.done (m->setup.ctx, j, &r);
}

static void finish_without (struct mutate *m, const job *j, const char *why)
{
    for (size_t i = 0; i < WHYS_MOST; i++) {
        if (m->whys[i].count == 0)
            snprintf (m->whys[i].name, MUTATE_NAME, "%s", why);
        else if (strcmp (m->whys[i].name, why) != 0)
            continue;
        m->whys[i].count++;
        break;
    }
    finish (m, j, ESP_EEMPTY, why);
}

static void finish_with (struct mutate *m, const job *j, const mutate_reply *reply)
{
    span text = esp_buf_span (&m->text);
    uint32_t steps = m->setup.step ? step_rule_count (m->setup.step, false, text) : 1,
             words = fields_words (text);
    const result r = {.id = j->task.id,
                      .text = text,
                      .tokens = words < j->task.max_tokens ? words : j->task.max_tokens,
                      .steps = steps ? steps : 1,
                      .finish = reply->whole ? FINISH_EOS : FINISH_LENGTH,
                      .logprob = NAN,
                      .mean_logprob = NAN,
                      .share = NAN,
                      .reason = span_of (reply->name)};
    m->given++;
    m->setup.done (m->setup.ctx, j, &r);
}

/* ---- the process ---- */

static void watch (struct mutate *m, int how)
{
    struct epoll_event event = {.events = m->writing ? EPOLLIN | EPOLLOUT : EPOLLIN};
    (void)epoll_ctl (m->epoll, how, line_process_fd (m->process), &event);
}

static void watch_writing (struct mutate *m)
{
    bool full = m->process && line_process_full (m->process);
    if (!m->process || full == m->writing)
        return;
    m->writing = full;
    watch (m, EPOLL_CTL_MOD);
}

/* Kill it; its job is to be sent again. */
static void fail (struct mutate *m, const char *what)
{
    const job *j = m->job;
    unsigned pauses = m->failures < PAUSES_MOST ? m->failures : PAUSES_MOST;
    if (m->process) {
        watch (m, EPOLL_CTL_DEL);
        line_process_destroy (m->process);
    }
    m->process = NULL;
    m->state = PROCESS_OFF;
    m->job = NULL;
    m->restart_ns = now (m) + (m->failures ? ((uint64_t)PAUSE_MS << pauses) * MS : 0);
    m->failures++;
    esp_log (LOG_WARN, "MUTATE-CRASHED", "generator.python: %s %s; it is started again",
             m->o->python, what);
    if (j)
        finish (m, j, ESP_EIO, "helper-crashed");
}

static esp_err start (struct mutate *m, esp_error *error)
{
    char parent[32], memory[32];
    const char *argv[] = {
        m->o->python, "-I", "-c", mutate_script, parent, memory, esp_buf_text (&m->told), NULL};
    const line_process_setup setup = {.argv = argv, .line_most = LINE_MOST};
    esp_err err;
    snprintf (parent, sizeof (parent), "%ld", (long)getpid ());
    snprintf (memory, sizeof (memory), "%lld", (long long)m->o->memory_mb);
    if ((err = line_process_start (&setup, &m->process, error)) != ESP_OK)
        return err;
    m->state = PROCESS_STARTING;
    m->writing = false;
    m->deadline_ns = now (m) + (uint64_t)START_MS * MS;
    watch (m, EPOLL_CTL_ADD);
    return ESP_OK;
}

static void hear_reply (struct mutate *m, span line)
{
    mutate_reply reply;
    const job *j = m->job;
    esp_buf_clear (&m->text);
    if (mutate_read (line, &reply, &m->text) != ESP_OK || reply.number != m->number) {
        fail (m, "said what was not asked");
        return;
    }
    m->state = PROCESS_IDLE;
    m->job = NULL;
    m->failures = 0;
    if (j && reply.given)
        finish_with (m, j, &reply);
    else if (j)
        finish_without (m, j, reply.name);
}

static void hear (struct mutate *m, span line)
{
    char why[1024];
    if (m->state == PROCESS_BUSY)
        hear_reply (m, line);
    else if (m->state == PROCESS_STARTING && mutate_read_ready (line, why) == ESP_OK)
        m->state = PROCESS_IDLE;
    else
        fail (m, "said what was not asked");
}

static void listen_to (struct mutate *m)
{
    enum line_heard heard = LINE_HEARD;
    span line;
    while (heard == LINE_HEARD && m->process) {
        heard = line_process_hear (m->process, &line);
        if (heard == LINE_HEARD)
            hear (m, line);
        else if (heard != LINE_NONE)
            fail (m, heard == LINE_LONG ? "said a line without end" : "ended");
    }
}

/* ---- jobs ---- */

static const job *take (struct mutate *m)
{
    const job *j = m->waiting[m->first++];
    if (m->first == m->end)
        m->first = m->end = 0;
    return j;
}

/* The seed that all children of a node share (design.md, D4). */
static uint32_t base_seed (const task *t)
{
    return (t->seed - t->ordinal) & 0x7fffffff;
}

static void give (struct mutate *m, const job *j)
{
    esp_err err;
    esp_buf_clear (&m->line);
    err = mutate_ask (m->number + 1, j->problem, j->task.ordinal, base_seed (&j->task), &m->line);
    if (err == ESP_OK)
        err = line_process_say (m->process, esp_buf_span (&m->line));
    if (err != ESP_OK && err != ESP_EPEER) {
        finish (m, j, err, "");
        return;
    }
    m->state = PROCESS_BUSY;
    m->job = j;
    m->number++;
    m->deadline_ns = now (m) + (uint64_t)(m->o->timeout_s * 1e9);
    if (err == ESP_EPEER)
        fail (m, "ended");
}

static void bring_back (struct mutate *m)
{
    esp_error error = {0};
    if (m->state == PROCESS_OFF && m->first < m->end && now (m) >= m->restart_ns &&
        start (m, &error) != ESP_OK)
        fail (m, error.text);
}

/* Wake the loop when something is due although nobody says a word. */
static void set_timer (struct mutate *m)
{
    struct itimerspec when = {{0, 0}, {0, 0}};
    uint64_t clock = now (m), at = 0, wait;
    if (m->state == PROCESS_STARTING || m->state == PROCESS_BUSY)
        at = m->deadline_ns;
    else if (m->state == PROCESS_OFF && m->first < m->end)
        at = m->restart_ns > clock ? m->restart_ns : clock + 1;
    if (at > 0) {
        wait = at > clock ? at - clock : 1;
        when.it_value.tv_sec = (time_t)(wait / 1000000000);
        when.it_value.tv_nsec = (long)(wait % 1000000000);
    }
    (void)timerfd_settime (m->timer, 0, &when, NULL);
}

static void hand_out (struct mutate *m)
{
    bring_back (m);
    while (m->state == PROCESS_IDLE && m->first < m->end)
        give (m, take (m));
    watch_writing (m);
    set_timer (m);
}

static void enqueue (struct mutate *m, const job *j)
{
    if (j->task.kind != TASK_GENERATE)
        finish (m, j, ESP_EUNSUPPORTED, "");
    else if (j->task.node != NODE_ROOT || j->step_count > 0 || j->task.extra.len > 0)
        finish_without (m, j, "not-at-the-root"); /* solutions are whole */
    else if (j->problem.len > ROW_MOST)
        finish_without (m, j, "too-big");
    else if (esp_grow (&m->waiting, &m->waiting_cap, m->end + 1, sizeof (*m->waiting)) != 0)
        finish (m, j, ESP_ENOMEM, "");
    else
        m->waiting[m->end++] = j;
}

static void mutate_start (void *state, const job *const *jobs, size_t n)
{
    struct mutate *m = state;
    for (size_t i = 0; i < n; i++)
        enqueue (m, jobs[i]);
    hand_out (m);
}

static void mutate_poll (void *state)
{
    struct mutate *m = state;
    uint64_t expirations;
    if (read (m->timer, &expirations, sizeof (expirations)) < 0)
        expirations = 0; /* it was not the timer */
    if (m->process)
        listen_to (m);
    if (m->process && line_process_flush (m->process) != ESP_OK)
        fail (m, "ended");
    if ((m->state == PROCESS_BUSY || m->state == PROCESS_STARTING) && now (m) >= m->deadline_ns)
        fail (m, m->state == PROCESS_BUSY ? "took too long (generator.timeout_s)"
                                          : "did not get ready");
    hand_out (m);
}

static void mutate_cancel (void *state, const job *j)
{
    struct mutate *m = state;
    if (m->job == j)
        m->job = NULL;
    for (size_t i = m->first; i < m->end; i++)
        if (m->waiting[i] == j) {
            m->end--;
            memmove (m->waiting + i, m->waiting + i + 1, (m->end - i) * sizeof (*m->waiting));
            return;
        }
}

static size_t mutate_fds (void *state, int *fds, size_t max)
{
    if (max > 0)
        fds[0] = ((const struct mutate *)state)->epoll;
    return max > 0;
}

/* ---- life ---- */

static void say_counts (const struct mutate *m)
{
    esp_buf why = {0};
    esp_err err = ESP_OK;
    for (size_t i = 0; i < WHYS_MOST && m->whys[i].count > 0 && err == ESP_OK; i++)
        err = esp_buf_printf (&why, "%s %s %llu", i > 0 ? "," : "; none:", m->whys[i].name,
                              (unsigned long long)m->whys[i].count);
    if (err == ESP_OK && (m->given > 0 || why.len > 0))
        esp_log (LOG_INFO, "MUTATE-DONE", "%llu solutions with or without a bug%s",
                 (unsigned long long)m->given, esp_buf_text (&why));
    esp_buf_free (&why);
}

static void mutate_close (void *state)
{
    struct mutate *m = state;
    if (!m)
        return;
    say_counts (m);
    line_process_destroy (m->process);
    if (m->epoll >= 0)
        close (m->epoll);
    if (m->timer >= 0)
        close (m->timer);
    esp_free (m->waiting);
    esp_buf_free (&m->line);
    esp_buf_free (&m->text);
    esp_buf_free (&m->told);
    esp_free (m);
}

/* Before the run starts is the time to say what is missing. */
static esp_err first_ready (struct mutate *m, esp_error *error)
{
    struct pollfd fd = {.fd = line_process_fd (m->process), .events = POLLIN};
    char why[1024] = "";
    enum line_heard heard;
    esp_err err = ESP_EFORMAT;
    span line;
    while ((heard = line_process_hear (m->process, &line)) == LINE_NONE)
        if (poll (&fd, 1, START_MS) == 0)
            return esp_error_set (error, ESP_ETIMEOUT,
                                  "generator.python: %s did not get ready within %d s",
                                  m->o->python, START_MS / 1000);
    if (heard == LINE_HEARD)
        err = mutate_read_ready (line, why);
    if (err == ESP_EINVAL)
        return esp_error_set (error, err, "generator.operators: %s", why);
    if (err != ESP_OK)
        return esp_error_set (error, ESP_EENGINE,
                              "generator.python: %s cannot run the program that makes mutants; "
                              "it must be a Python 3.9 or newer",
                              m->o->python);
    m->state = PROCESS_IDLE;
    return ESP_OK;
}

static esp_err open_inside (struct mutate *m, esp_error *error)
{
    const mutate_options tell = {.language = languages[m->o->language],
                                 .controls = m->o->controls,
                                 .operators = m->o->operators.items,
                                 .operator_count = m->o->operators.count,
                                 .cut = m->o->cut};
    struct epoll_event event = {.events = EPOLLIN};
    esp_error why = {0};
    esp_err err;
    m->epoll = epoll_create1 (EPOLL_CLOEXEC);
    m->timer = timerfd_create (CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (m->epoll < 0 || m->timer < 0 || epoll_ctl (m->epoll, EPOLL_CTL_ADD, m->timer, &event) != 0)
        return esp_error_set (error, ESP_EIO, "mutate: no descriptors left (ulimit -n)");
    if ((err = mutate_tell (&tell, &m->told)) != ESP_OK)
        return esp_error_set (error, err, "mutate: out of memory");
    if ((err = start (m, &why)) != ESP_OK)
        return esp_error_set (error, err, "generator.python: %s", why.text);
    return first_ready (m, error);
}

static esp_err mutate_open (const engine_setup *setup, void **state, esp_error *error)
{
    struct mutate *m;
    esp_err err;
    if (!setup || !setup->options || !setup->done || !setup->clock || !state)
        return esp_error_set (error, ESP_EINVAL, "mutate: incomplete setup");
    if (!(m = esp_calloc (1, sizeof (*m))))
        return esp_error_set (error, ESP_ENOMEM, "mutate: out of memory");
    m->setup = *setup;
    m->o = setup->options;
    m->epoll = m->timer = -1;
    if ((err = open_inside (m, error)) != ESP_OK) {
        mutate_close (m);
        return err;
    }
    *state = m;
    return ESP_OK;
}

static bool has_solution (const json_t *row)
{
    const char *answer = json_string_value (json_object_get (row, SOLUTION_ANSWER_FIELD));
    for (size_t i = 0; solution_fields[i]; i++)
        if (json_is_string (json_object_get (row, solution_fields[i])))
            return true;
    return answer && strstr (answer, SOLUTION_ANSWER_MARK);
}

static esp_err mutate_check_problem (span json, esp_error *error)
{
    json_t *row = json_loadb (json.ptr ? json.ptr : "", json.len, JSON_ALLOW_NUL, NULL);
    bool has = has_solution (row);
    json_decref (row);
    return has ? ESP_OK
               : esp_error_set (error, ESP_ENOENT,
                                "brings no right solution: no canonical_solution, solution or "
                                "code, and no answer with ####");
}

const engine_kind engine_mutate = {.name = "mutate",
                                   .roles = ENGINE_GENERATOR,
                                   .options = option_rows,
                                   .option_bytes = sizeof (struct options),
                                   .open = mutate_open,
                                   .start = mutate_start,
                                   .poll = mutate_poll,
                                   .cancel = mutate_cancel,
                                   .fds = mutate_fds,
                                   .close = mutate_close,
                                   .check_problem = mutate_check_problem};
