/* SPDX-License-Identifier: Apache-2.0 */
/* http.c - the pool behind http.h
 *
 * libcurl does HTTP, connections and TLS; it tells us which sockets to watch (an epoll descriptor) and when to call
 * it again (a timerfd inside that).  Time-outs are ours, since libcurl has none for a first byte or a silence, and so
 * a fault names its phase.  Only the connect time-out is libcurl's too: it shares it among a host's addresses.
 *
 * Invariants:
 *   I1  each request is in one list: live (libcurl has it), news (the same, with bytes for chunk()), finished (done()
 *       is due) or idle (to be used again); during its done call in none
 *   I2  callbacks run outside libcurl, so they may start and cancel
 *   I3  next_check_ns is not after the earliest deadline of a request in live or news
 *   I4  the timerfd fires at due_ns; due_ns is not after anything that must be done later (NEVER: switched off)
 */

#include "worker/http/http.h"
#include <assert.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>
#include "proto/base/alloc.h"
#include "worker/http/http_inner.h"

enum {
    KEPT_CONNECTIONS =
        512,     /* idle ones; fewer: new ones for each wave of requests; more: descriptors */
    EVENTS = 256 /* sockets served in one poll; the rest is still ready in the next */
};
static const uint64_t NEVER = UINT64_MAX;

struct http {
    http_setup setup; /* strings owned */
    esp_clock clock;
    CURLM *multi; /* owned */
    int epoll, timer;
    http_request *live, *news, *finished, *idle; /* owned; I1 */
    size_t in_flight;
    uint64_t curl_due_ns, next_check_ns, due_ns; /* I3, I4 */
    int bell; /* eventfd: readable while there is something to do now */
    bool rung;
    esp_buf given; /* what a chunk callback looks at */
    bool polling;
};

static void move_to (http_request *r, http_request **list)
{
    if (r->list) {
        *(r->prev ? &r->prev->next : r->list) = r->next;
        if (r->next)
            r->next->prev = r->prev;
    }
    r->list = list;
    r->prev = NULL;
    r->next = list ? *list : NULL;
    if (r->next)
        r->next->prev = r;
    if (list)
        *list = r;
}

/* ---- time ---- */

static uint64_t after_ms (uint64_t from_ns, uint32_t ms)
{
    return ms == UINT32_MAX ? NEVER : from_ns + (uint64_t)ms * 1000000;
}

/* When this request is given up, and why. */
static uint64_t deadline (const http_request *r, enum http_fault *why)
{
    static const enum http_fault faults[] = {HTTP_TIMEOUT_CONNECT, HTTP_TIMEOUT_FIRST_BYTE,
                                             HTTP_TIMEOUT_IDLE, HTTP_TIMEOUT_TOTAL};
    const http_limits *l = &r->call.limits;
    const uint32_t phase_ms[] = {l->connect_ms, l->first_byte_ms, l->idle_ms, UINT32_MAX};
    uint64_t phase = after_ms (r->phase_ns, phase_ms[r->phase]);
    uint64_t total = after_ms (r->start_ns, l->total_ms);
    *why = total < phase ? HTTP_TIMEOUT_TOTAL : faults[r->phase];
    return total < phase ? total : phase;
}

void http_sign_of_life (http_request *r, bool news)
{
    r->phase_ns = esp_clock_ns (&r->pool->clock);
    if (news)
        move_to (r, &r->pool->news);
}

void http_enter_phase (http_request *r, enum http_phase phase)
{
    enum http_fault why;
    uint64_t at;
    r->phase = phase;
    http_sign_of_life (r, false);
    if ((at = deadline (r, &why)) < r->pool->next_check_ns)
        r->pool->next_check_ns = at;
}

/* Make the descriptor readable now: cheaper than a timer that fires at once. */
static void ring (http *h)
{
    uint64_t one = 1;
    if (!h->rung && write (h->bell, &one, sizeof (one)) == sizeof (one))
        h->rung = true;
}

/* Make the descriptor readable at the next moment that matters; a vain wake is cheaper than a timer set often. */
static void arm (http *h)
{
    uint64_t due = h->curl_due_ns < h->next_check_ns ? h->curl_due_ns : h->next_check_ns, now, wait;
    struct itimerspec at = {.it_value = {0}};
    if (h->finished || h->news)
        ring (h); /* the timer is set when that is done */
    if (h->finished || h->news || due >= h->due_ns)
        return;
    if (due <= (now = esp_clock_ns (&h->clock))) {
        ring (h);
        return;
    }
    wait = due - now;
    at.it_value.tv_sec = (time_t)(wait / 1000000000);
    at.it_value.tv_nsec = (long)(wait % 1000000000);
    if (timerfd_settime (h->timer, 0, &at, NULL) == 0)
        h->due_ns = due;
}

/* ---- libcurl's wishes ---- */

static int on_socket (CURL *easy, curl_socket_t fd, int what, void *ctx, void *known)
{
    http *h = ctx;
    struct epoll_event watch = {.data.fd = fd};
    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        (void)epoll_ctl (h->epoll, EPOLL_CTL_DEL, fd, NULL); /* closed already: gone by itself */
        return 0;
    }
    watch.events = (what & CURL_POLL_IN ? EPOLLIN : 0) | (what & CURL_POLL_OUT ? EPOLLOUT : 0);
    if ((!known && epoll_ctl (h->epoll, EPOLL_CTL_ADD, fd, &watch) == 0) ||
        epoll_ctl (h->epoll, EPOLL_CTL_MOD, fd, &watch) == 0)
        (void)curl_multi_assign (h->multi, fd, h); /* "known" from now on */
    return 0; /* one that cannot be watched runs into its time-out; -1 would end all requests */
}

static int on_timer (CURLM *multi, long wait_ms, void *ctx)
{
    http *h = ctx;
    (void)multi;
    h->curl_due_ns = wait_ms < 0 ? NEVER : esp_clock_ns (&h->clock) + (uint64_t)wait_ms * 1000000;
    return 0;
}

/* ---- the pool ---- */

static bool copy_setup (http *h, const http_setup *setup)
{
    h->clock = setup->clock ? *setup->clock : esp_clock_monotonic ();
    h->setup.no_verify = setup->no_verify;
    return (!setup->ca_file || (h->setup.ca_file = esp_strdup (setup->ca_file))) &&
           (!setup->proxy || (h->setup.proxy = esp_strdup (setup->proxy)));
}

static bool set_multi (http *h)
{
    bool bad = false;
    bad |= curl_multi_setopt (h->multi, CURLMOPT_SOCKETFUNCTION, on_socket) != CURLM_OK;
    bad |= curl_multi_setopt (h->multi, CURLMOPT_SOCKETDATA, h) != CURLM_OK;
    bad |= curl_multi_setopt (h->multi, CURLMOPT_TIMERFUNCTION, on_timer) != CURLM_OK;
    bad |= curl_multi_setopt (h->multi, CURLMOPT_TIMERDATA, h) != CURLM_OK;
    bad |= curl_multi_setopt (h->multi, CURLMOPT_MAXCONNECTS, (long)KEPT_CONNECTIONS) != CURLM_OK;
    return !bad;
}

static bool open_descriptors (http *h)
{
    struct epoll_event watch = {.events = EPOLLIN};
    h->epoll = epoll_create1 (EPOLL_CLOEXEC);
    h->timer = timerfd_create (CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    h->bell = eventfd (0, EFD_NONBLOCK | EFD_CLOEXEC);
    watch.data.fd = h->timer;
    if (h->epoll < 0 || h->timer < 0 || h->bell < 0 ||
        epoll_ctl (h->epoll, EPOLL_CTL_ADD, h->timer, &watch) != 0)
        return false;
    watch.data.fd = h->bell;
    return epoll_ctl (h->epoll, EPOLL_CTL_ADD, h->bell, &watch) == 0;
}

esp_err http_create (const http_setup *setup, http **out)
{
    esp_err err = ESP_ENOMEM;
    http *h;
    if (!setup || !out)
        return ESP_EINVAL;
    if (curl_global_init (CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return ESP_ENOMEM;
    if (!(h = esp_calloc (1, sizeof (*h)))) {
        curl_global_cleanup ();
        return ESP_ENOMEM;
    }
    h->epoll = h->timer = h->bell = -1;
    h->curl_due_ns = h->next_check_ns = h->due_ns = NEVER;
    if (!copy_setup (h, setup) || !(h->multi = curl_multi_init ()) || !set_multi (h))
        goto fail;
    err = ESP_EIO;
    if (!open_descriptors (h))
        goto fail;
    *out = h;
    return ESP_OK;
fail:
    http_destroy (h);
    return err;
}

static void destroy_list (http *h, http_request **list)
{
    while (*list) {
        http_request *r = *list;
        if (list == &h->live || list == &h->news)
            (void)curl_multi_remove_handle (h->multi, r->easy);
        move_to (r, NULL);
        http_request_destroy (r);
    }
}

void http_destroy (http *h)
{
    if (!h)
        return;
    assert (!h->polling);
    destroy_list (h, &h->live);
    destroy_list (h, &h->news);
    destroy_list (h, &h->finished);
    destroy_list (h, &h->idle);
    curl_multi_cleanup (h->multi); /* still calls on_socket */
    if (h->epoll >= 0)
        close (h->epoll);
    if (h->timer >= 0)
        close (h->timer);
    if (h->bell >= 0)
        close (h->bell);
    esp_buf_free (&h->given);
    esp_free ((char *)h->setup.ca_file);
    esp_free ((char *)h->setup.proxy);
    esp_free (h);
    curl_global_cleanup ();
}

/* ---- requests ---- */

esp_err http_start (http *h, const http_call *call, http_request **out)
{
    http_request *r;
    esp_err err;
    if (!h || !call || !out || !call->server || !call->done)
        return ESP_EINVAL;
    if (!(r = h->idle) && !(r = http_request_create (h, &h->setup)))
        return ESP_ENOMEM;
    err = http_request_set (r, call);
    if (err == ESP_EINVAL) { /* told to done in the next poll, like every other fault */
        r->fault = HTTP_BAD_URL;
        move_to (r, &h->finished);
    } else if (err == ESP_OK && curl_multi_add_handle (h->multi, r->easy) == CURLM_OK) {
        move_to (r, &h->live);
        r->start_ns = esp_clock_ns (&h->clock);
        http_enter_phase (r, PHASE_CONNECT);
    } else {
        http_request_clear (r);
        move_to (r, &h->idle);
        return ESP_ENOMEM;
    }
    h->in_flight++;
    arm (h);
    *out = r;
    return ESP_OK;
}

void http_cancel (http_request *r)
{
    http *h = r ? r->pool : NULL;
    if (!r || !r->list || r->list == &h->idle)
        return;
    if (r->list != &h->finished)
        (void)curl_multi_remove_handle (h->multi, r->easy);
    h->in_flight--;
    http_request_clear (r);
    move_to (r, &h->idle);
}

/* libcurl is done with it, or we are. */
static void finish (http_request *r)
{
    (void)curl_multi_remove_handle (r->pool->multi, r->easy);
    r->phase = PHASE_OVER;
    move_to (r, &r->pool->finished);
}

/* ---- polling ---- */

static void take_events (http *h)
{
    struct epoll_event events[EVENTS];
    int n = epoll_wait (h->epoll, events, EVENTS, 0), running;
    uint64_t fired;
    for (int i = 0; i < n; i++) {
        int fd = events[i].data.fd;
        int what =
            (events[i].events & EPOLLIN ? CURL_CSELECT_IN : 0) |
            (events[i].events & EPOLLOUT ? CURL_CSELECT_OUT : 0); /* 0: libcurl looks itself */
        if (fd == h->bell) {
            h->rung = read (fd, &fired, sizeof (fired)) < 0;
            continue;
        }
        if (fd != h->timer)
            (void)curl_multi_socket_action (h->multi, fd, what, &running);
        else if (read (h->timer, &fired, sizeof (fired)) == sizeof (fired))
            h->due_ns = NEVER;
    }
    if (h->curl_due_ns <= esp_clock_ns (&h->clock)) {
        h->curl_due_ns = NEVER;
        (void)curl_multi_socket_action (h->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    }
}

/* The bytes change places with an empty buffer: the callback may cancel, and start another in its place. */
static void give_news (http *h)
{
    while (h->news) {
        http_request *r = h->news;
        esp_buf empty = h->given;
        h->given = r->body;
        r->body = empty;
        move_to (r, &h->live);
        r->call.chunk (r->call.ctx, r, esp_buf_span (&h->given));
        esp_buf_clear (&h->given);
    }
}

static void take_finished (http *h)
{
    CURLMsg *m;
    int left;
    while ((m = curl_multi_info_read (h->multi, &left)) != NULL) {
        CURLcode code = m->data.result;
        char *mine = NULL;
        http_request *r;
        if (m->msg != CURLMSG_DONE ||
            curl_easy_getinfo (m->easy_handle, CURLINFO_PRIVATE, &mine) != CURLE_OK)
            continue;
        r = (http_request *)(void *)mine;
        http_request_end (r, code);
        finish (r);
    }
}

static void check_deadlines (http *h)
{
    uint64_t now = esp_clock_ns (&h->clock), at;
    enum http_fault why;
    if (now < h->next_check_ns)
        return;
    h->next_check_ns = NEVER;
    for (http_request *r = h->live, *next; r; r = next) {
        next = r->next;
        if ((at = deadline (r, &why)) <= now) {
            r->fault = why;
            finish (r);
        } else if (at < h->next_check_ns) {
            h->next_check_ns = at;
        }
    }
}

static void give_answers (http *h)
{
    while (h->finished) {
        http_request *r = h->finished;
        esp_error error;
        http_answer a = http_request_answer (r, &error);
        move_to (r, NULL);
        h->in_flight--;
        r->call.done (r->call.ctx, r, &a);
        http_request_clear (r);
        move_to (r, &h->idle);
    }
}

void http_poll (http *h)
{
    assert (!h->polling);
    h->polling = true;
    take_events (h);
    give_news (h);
    take_finished (h);
    check_deadlines (h);
    give_answers (h);
    h->polling = false;
    arm (h);
}

void http_wait (http *h, int timeout_ms)
{
    struct pollfd watch = {.fd = h->epoll, .events = POLLIN};
    (void)poll (&watch, 1, timeout_ms);
    http_poll (h);
}

int http_fd (const http *h)
{
    return h->epoll;
}

size_t http_in_flight (const http *h)
{
    return h->in_flight;
}
