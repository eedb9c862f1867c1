/* SPDX-License-Identifier: Apache-2.0 */
/* external_peer.c - see external_peer.h
 *
 * Invariants:
 *   I1  state is AWAY exactly when the line has no connection
 *   I2  a command has a process, or a time at which it is started again, but for the end of open
 *   I3  attempts counts starts (command) or connections with a word from the peer (url) since the last result
 */

#include "worker/engine/external_peer.h"
#include <poll.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>
#include "proto/base/alloc.h"
#include "proto/base/log.h"
#include "proto/base/rng.h"
#include "worker/engine/engine_external_line.h"
#include "worker/engine/external_place.h"
#include "worker/engine/external_process.h"

enum {
    FIRST_PAUSE_MS = 100,
    LONGEST_PAUSE_MS = 30000,
    END_MS = 1000,     /* how long a process whose connection broke may take to end by itself */
    GRACE_MS = 100,    /* between SIGTERM and SIGKILL while the run goes on */
    LEAVE_MS = 500,    /* to end after bye, and again after SIGTERM */
    LOG_EVERY = 3,     /* losses in a row that are all logged; then the 4th, 8th, 16th ... */
    LOOK_NS = 1000000, /* a look at the process is two system calls */
    VARIABLE_BYTES = 192
};

enum peer_state { AWAY, GREETED, READY };

struct external_peer {
    external_peer_setup setup;
    char url[EXTERNAL_URL_MAX], folder[EXTERNAL_FOLDER_MAX];
    char name[200];
    external_line *line;
    external_process *process; /* NULL: none runs */
    enum peer_state state;
    external_hello hello;
    uint64_t session, heard_ns, beat_ns;
    uint64_t looked_ns;
    uint64_t start_ns; /* when to start it again */
    uint64_t end_ns;   /* when to end it if it did not by itself; 0: not to be ended */
    int64_t attempts;
    bool gave_up, opening;
    esp_error refusal; /* why it cannot be worked with */
    esp_buf out;
};

static uint64_t now_of (const external_peer *p)
{
    return esp_clock_ns (p->setup.clock);
}

/* ---- what the process writes ---- */

static void hear_line (void *ctx, const char *text)
{
    const external_peer *p = ctx;
    esp_log (LOG_INFO, "EXTERNAL-SAYS", "%s: %s", external_role_name (p->setup.role), text);
}

/* ---- lost ---- */

static bool to_be_logged (const external_peer *p)
{
    return p->attempts <= LOG_EVERY || (p->attempts & (p->attempts - 1)) == 0;
}

static uint64_t pause_ns (const external_peer *p)
{
    int64_t doublings = p->attempts < 2 ? 0 : p->attempts < 12 ? p->attempts - 2 : 10;
    double ms = FIRST_PAUSE_MS * (double)(1 << doublings);
    double jitter = 0.75 + 0.5 * esp_draw_unit ((uint64_t)p->setup.rank, (uint64_t)p->attempts);
    return (uint64_t)((ms < LONGEST_PAUSE_MS ? ms : LONGEST_PAUSE_MS) * jitter * 1e6);
}

static void is_lost (external_peer *p, bool counts)
{
    bool was = p->state != AWAY;
    p->state = AWAY;
    if (p->attempts >= p->setup.starts)
        p->gave_up = true;
    if (was && !p->opening)
        p->setup.lost (p->setup.ctx, counts);
}

static void end_process (external_peer *p, int grace_ms)
{
    external_process_stop (p->process, grace_ms);
    p->process = NULL;
    p->end_ns = 0;
    p->start_ns = now_of (p) + pause_ns (p);
}

/* A process of ours is ended first: then nobody is cut off in the middle of a message. */
static void end_connection (external_peer *p, int grace_ms)
{
    if (p->process) {
        end_process (p, grace_ms);
        external_line_forget (p->line);
    } else {
        external_line_drop (p->line);
    }
}

static void drop (external_peer *p, bool counts, const char *why)
{
    p->attempts += p->state == GREETED && p->setup.url;
    if (to_be_logged (p))
        esp_log (LOG_WARN, "EXTERNAL-DROPPED", "%s: %s; it is %s", p->name, why,
                 p->process ? "ended and started again" : "let go and waited for");
    end_connection (p, GRACE_MS);
    is_lost (p, counts);
}

void external_peer_drop (external_peer *p, const char *why)
{
    if (p->state != AWAY)
        drop (p, true, why);
}

static void refuse (external_peer *p, esp_err code, const char *sentence)
{
    esp_error_set (&p->refusal, code, "%s: %s", p->name, sentence);
    if (!p->opening) /* else all is closed now; nng 1.5 leaks when that follows at once on a drop */
        drop (p, false, sentence);
}

/* ---- messages ---- */

static void say (external_peer *p, const char *type)
{
    esp_buf_clear (&p->out);
    if (external_write_plain (&p->out, type, p->session) != ESP_OK ||
        external_line_send (p->line, esp_buf_span (&p->out)) != ESP_OK)
        esp_log (LOG_WARN, "EXTERNAL-MEMORY", "%s: out of memory for '%s'", p->name, type);
}

static void say_hello (external_peer *p)
{
    external_greeting g = {.session = p->session,
                           .role = p->setup.role,
                           .rank = p->setup.rank,
                           .heartbeat_s = p->setup.heartbeat_s,
                           .silence_s = p->setup.silence_s};
    esp_buf_clear (&p->out);
    if (external_write_hello (&p->out, &g) != ESP_OK ||
        external_line_send (p->line, esp_buf_span (&p->out)) != ESP_OK)
        drop (p, false, "out of memory");
}

static void greet (external_peer *p)
{
    p->session++;
    p->state = GREETED;
    p->end_ns = 0;
    p->heard_ns = p->beat_ns = now_of (p);
    say_hello (p);
}

static void take_hello (external_peer *p, const external_hello *h)
{
    char sentence[EXTERNAL_WORDS * 2];
    if (h->version != EXTERNAL_VERSION) {
        snprintf (sentence, sizeof (sentence),
                  "it speaks version %lld of the protocol, this program speaks %d",
                  (long long)h->version, EXTERNAL_VERSION);
        refuse (p, ESP_EVERSION, sentence);
    } else if (!(h->roles & p->setup.role)) {
        snprintf (sentence, sizeof (sentence), "'%s' is there, but it is no %s", h->name,
                  external_role_name (p->setup.role));
        refuse (p, ESP_EUNSUPPORTED, sentence);
    } else if (p->state == GREETED) {
        p->hello = *h;
        p->state = READY;
        p->attempts += p->setup.url != NULL;
        esp_log (LOG_INFO, "EXTERNAL-READY", "%s: '%s' is there, credits %u, batch %u, n %u",
                 p->name, h->name, h->credits, h->batch, h->n);
        if (!p->opening)
            p->setup.ready (p->setup.ctx);
    }
}

static void take_error (external_peer *p, const external_message *m)
{
    if (p->state == READY)
        p->setup.message (p->setup.ctx, m);
    else if (m->retryable)
        drop (p, false, m->text);
    else
        refuse (p, ESP_EENGINE, m->text);
}

static void take_message (external_peer *p, const external_message *m)
{
    if (m->session != p->session) /* of an earlier connection */
        return;
    switch (m->kind) {
    case EXTERNAL_HELLO:
        take_hello (p, &m->hello);
        return;
    case EXTERNAL_RESULTS:
        if (p->state == READY)
            p->setup.message (p->setup.ctx, m);
        return;
    case EXTERNAL_ERROR:
        take_error (p, m);
        return;
    case EXTERNAL_BYE:
        drop (p, false, m->text[0] ? m->text : "it said bye");
        return;
    case EXTERNAL_HEARTBEAT:
        return;
    }
}

static void take_bytes (external_peer *p, span bytes)
{
    external_message m = {.root = NULL};
    esp_error error = {0};
    char sentence[sizeof (error.text) + 64];
    p->heard_ns = now_of (p);
    if (external_read (bytes, &m, &error) == ESP_OK) {
        take_message (p, &m);
        external_done (&m);
        return;
    }
    snprintf (sentence, sizeof (sentence), "a message of %zu bytes cannot be read: %s", bytes.len,
              error.text);
    drop (p, true, sentence);
}

static void take_events (external_peer *p)
{
    line_event e;
    while (external_line_next (p->line, &e))
        switch (e.kind) {
        case LINE_UP:
            greet (p);
            break;
        case LINE_DOWN:
            if (p->process)
                p->end_ns = now_of (p) + END_MS * 1000000ULL;
            if (!p->process && p->state != AWAY && to_be_logged (p))
                esp_log (LOG_WARN, "EXTERNAL-LOST", "%s: the connection broke", p->name);
            is_lost (p, true);
            break;
        case LINE_MESSAGE:
            if (p->state != AWAY)
                take_bytes (p, e.bytes);
            break;
        }
}

/* ---- the process ---- */

static esp_err start (external_peer *p, esp_error *error)
{
    char url[VARIABLE_BYTES], role[VARIABLE_BYTES], rank[VARIABLE_BYTES], local[VARIABLE_BYTES];
    const char *const variables[] = {url, role, rank, local, "PYTHONUNBUFFERED=1", NULL};
    esp_error why = {0};
    esp_err err;
    snprintf (url, sizeof (url), "ESPALIER_URL=%s", p->url);
    snprintf (role, sizeof (role), "ESPALIER_ROLE=%s", external_role_name (p->setup.role));
    snprintf (rank, sizeof (rank), "ESPALIER_RANK=%d", p->setup.rank);
    snprintf (local, sizeof (local), "ESPALIER_LOCAL_RANK=%d", external_local_rank ());
    p->attempts++;
    p->end_ns = 0;
    err = external_process_start (p->setup.command, variables, &p->process, &why);
    if (err != ESP_OK)
        return esp_error_set (error, err, "%s.command: %s", external_role_name (p->setup.role),
                              why.text);
    esp_log (LOG_INFO, "EXTERNAL-START", "%s runs as process %ld", p->name,
             external_process_id (p->process));
    return ESP_OK;
}

static void has_ended (external_peer *p)
{
    const char *last = external_process_said (p->process, 0);
    if (p->opening)
        esp_error_set (&p->refusal, ESP_EPEER, "%s ended with %s before it said hello: %s", p->name,
                       external_process_end (p->process), last ? last : "it wrote nothing");
    else if (to_be_logged (p)) {
        esp_log (LOG_WARN, "EXTERNAL-ENDED", "%s ended with %s; it is started again (start %lld)",
                 p->name, external_process_end (p->process), (long long)p->attempts + 1);
        external_process_show_said (p->process, external_role_name (p->setup.role));
    }
    end_connection (p, 0);
    is_lost (p, true);
}

static void watch_process (external_peer *p)
{
    esp_error error = {0};
    if (now_of (p) - p->looked_ns < LOOK_NS && !p->opening)
        return;
    p->looked_ns = now_of (p);
    if (p->process && !external_process_poll (p->process, hear_line, p))
        has_ended (p);
    else if (p->process && p->end_ns && now_of (p) > p->end_ns) {
        if (to_be_logged (p))
            esp_log (LOG_WARN, "EXTERNAL-LOST",
                     "%s: the connection broke but it goes on; ended and started again", p->name);
        end_process (p, GRACE_MS);
    } else if (p->setup.command && !p->process && !p->opening && now_of (p) >= p->start_ns &&
               start (p, &error) != ESP_OK) {
        esp_log (LOG_WARN, "EXTERNAL-START", "%s", error.text);
        p->start_ns = now_of (p) + pause_ns (p);
        p->gave_up = p->gave_up || p->attempts >= p->setup.starts;
    }
}

static void watch_time (external_peer *p)
{
    uint64_t now = now_of (p);
    char sentence[128];
    if (p->state == AWAY)
        return;
    if (now - p->heard_ns > (uint64_t)(p->setup.silence_s * 1e9)) {
        snprintf (sentence, sizeof (sentence), "it has said nothing for %.6g s (%s.silence_s)",
                  p->setup.silence_s, external_role_name (p->setup.role));
        drop (p, true, sentence);
    } else if (now - p->beat_ns > (uint64_t)(p->setup.heartbeat_s * 1e9)) {
        p->beat_ns = now;
        if (p->state == GREETED) /* either may have been lost with the connection before this one */
            say_hello (p);
        else
            say (p, "heartbeat");
    }
}

void external_peer_poll (external_peer *p)
{
    take_events (p);
    watch_process (p);
    watch_time (p);
}

/* ---- life ---- */

static esp_err meet (external_peer *p, esp_error *error)
{
    const external_peer_setup *s = &p->setup;
    const char *role = external_role_name (s->role);
    esp_error why = {0};
    esp_err err;
    if (!s->command == !s->url)
        return esp_error_set (error, ESP_EINVAL,
                              "%s: the external engine needs %s.command (a program to start) or "
                              "%s.url (where one is), %s",
                              role, role, role, s->command ? "not both" : "one of them");
    err = s->command ? external_place_make (p->folder, p->url, &why)
                     : external_url (s->url, s->rank, p->url, &why);
    if (err != ESP_OK)
        return esp_error_set (error, err, "%s.%s", role, why.text);
    if (s->command)
        snprintf (p->name, sizeof (p->name), "%s.command '%.150s'", role, s->command);
    else
        snprintf (p->name, sizeof (p->name), "%s.url %s", role, p->url);
    err = external_line_open (p->url, s->command != NULL, EXTERNAL_BYTES_MAX, &p->line, &why);
    if (err != ESP_OK)
        return esp_error_set (error, err, "%s: %s", p->name, why.text);
    return s->command ? start (p, error) : ESP_OK;
}

static esp_err not_there (const external_peer *p, esp_error *error)
{
    if (p->refusal.code != ESP_OK) {
        *error = p->refusal;
        return p->refusal.code;
    }
    return esp_error_set (error, ESP_EPEER,
                          "%s: nobody answers there within %.6g s (%s.start_s); start it first",
                          p->name, p->setup.start_s, external_role_name (p->setup.role));
}

/* In real time whatever the clock: a process takes its time. */
static esp_err await_hello (external_peer *p, esp_error *error)
{
    const esp_clock real = esp_clock_monotonic ();
    uint64_t until = esp_clock_ns (&real) + (uint64_t)(p->setup.start_s * 1e9);
    p->opening = true;
    while (p->state != READY && p->refusal.code == ESP_OK && esp_clock_ns (&real) < until) {
        int fds[2];
        size_t n = external_peer_fds (p, fds, 2);
        struct pollfd list[2];
        for (size_t i = 0; i < n; i++)
            list[i] = (struct pollfd){.fd = fds[i], .events = POLLIN};
        (void)poll (list, (nfds_t)n, 20);
        external_peer_poll (p);
    }
    p->opening = false;
    if (p->state == READY)
        return ESP_OK;
    if (p->refusal.code != ESP_OK || p->setup.url)
        return not_there (p, error);
    esp_log (LOG_WARN, "EXTERNAL-SLOW", "%s has not said hello for %.6g s; its tasks wait", p->name,
             p->setup.start_s);
    return ESP_OK;
}

esp_err external_peer_open (const external_peer_setup *setup, external_peer **out, esp_error *error)
{
    external_peer *p = esp_calloc (1, sizeof (*p));
    esp_error why = {0};
    esp_err err;
    if (!p)
        return esp_error_set (error, ESP_ENOMEM, "out of memory");
    p->setup = *setup;
    p->session = esp_draw_below ((uint64_t)getpid (), now_of (p), 1000000);
    if ((err = meet (p, &why)) != ESP_OK || (err = await_hello (p, &why)) != ESP_OK) {
        external_peer_close (p);
        return esp_error_set (error, err, "%s", why.text);
    }
    *out = p;
    return ESP_OK;
}

static void dismiss_process (external_peer *p)
{
    const struct timespec little = {0, 5000000};
    for (int ms = 0; ms < LEAVE_MS && external_process_poll (p->process, hear_line, p); ms += 5)
        nanosleep (&little, NULL);
    external_process_stop (p->process, LEAVE_MS);
}

void external_peer_close (external_peer *p)
{
    bool told;
    if (!p)
        return;
    told = p->line && p->state != AWAY;
    if (told)
        say (p, "bye");
    external_line_close (p->line, GRACE_MS);
    if (p->process && told)
        dismiss_process (p);
    else
        external_process_stop (p->process, LEAVE_MS);
    external_place_remove (p->folder);
    esp_buf_free (&p->out);
    esp_free (p);
}

bool external_peer_is_ready (const external_peer *p)
{
    return p->state == READY;
}

const external_hello *external_peer_hello (const external_peer *p)
{
    return &p->hello;
}

uint64_t external_peer_session (const external_peer *p)
{
    return p->session;
}

const char *external_peer_name (const external_peer *p)
{
    return p->name;
}

bool external_peer_gave_up (external_peer *p)
{
    bool gave_up = p->gave_up && p->state == AWAY;
    if (gave_up)
        p->gave_up = false;
    return gave_up;
}

void external_peer_did_well (external_peer *p)
{
    p->attempts = 0;
    p->gave_up = false;
}

esp_err external_peer_send (external_peer *p, span bytes)
{
    return external_line_send (p->line, bytes);
}

size_t external_peer_fds (const external_peer *p, int *fds, size_t max)
{
    size_t n = 0;
    if (max > n)
        fds[n++] = external_line_fd (p->line);
    if (max > n && p->process && external_process_fd (p->process) >= 0)
        fds[n++] = external_process_fd (p->process);
    return n;
}
