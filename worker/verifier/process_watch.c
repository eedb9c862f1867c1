/* SPDX-License-Identifier: Apache-2.0 */
/* process_watch.c - see process_watch.h */

#include "worker/verifier/process_watch.h"
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

enum {
    PAUSE_MS = 100, /* after the second failure; doubles with each */
    PAUSE_MOST_MS = 30 * 1000,
    MS = 1000000 /* ns */
};

esp_err process_watch_open (process_watch *w, const char *name, esp_error *error)
{
    struct epoll_event event = {.events = EPOLLIN};
    *w = (process_watch){.epoll = epoll_create1 (EPOLL_CLOEXEC),
                         .timer = timerfd_create (CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK)};
    if (w->epoll < 0 || w->timer < 0 || epoll_ctl (w->epoll, EPOLL_CTL_ADD, w->timer, &event) != 0)
        return esp_error_set (error, ESP_EIO, "%s: no descriptors left (ulimit -n)", name);
    return ESP_OK;
}

void process_watch_close (process_watch *w)
{
    if (w->epoll >= 0)
        close (w->epoll);
    if (w->timer >= 0)
        close (w->timer);
    w->epoll = w->timer = -1;
}

void process_watch_set (const process_watch *w, const line_process *p, bool writing, int how)
{
    struct epoll_event event = {.events = writing ? EPOLLIN | EPOLLOUT : EPOLLIN};
    (void)epoll_ctl (w->epoll, how, line_process_fd (p), &event);
}

void process_watch_writing (const process_watch *w, const line_process *p, bool *writing)
{
    bool full = line_process_full (p);
    if (full != *writing)
        process_watch_set (w, p, full, EPOLL_CTL_MOD);
    *writing = full;
}

void process_watch_failed (process_watch *w, uint64_t now_ns)
{
    uint64_t pause_ms = 0;
    w->failures++;
    if (w->failures > 1)
        pause_ms = w->failures > 10 ? PAUSE_MOST_MS : (uint64_t)PAUSE_MS << (w->failures - 2);
    if (pause_ms > PAUSE_MOST_MS)
        pause_ms = PAUSE_MOST_MS;
    w->restart_ns = now_ns + pause_ms * MS;
}

void process_watch_timer (const process_watch *w, uint64_t at_ns, uint64_t now_ns)
{
    struct itimerspec when = {{0, 0}, {0, 0}};
    if (at_ns != UINT64_MAX) {
        uint64_t wait = at_ns > now_ns ? at_ns - now_ns : 1;
        when.it_value.tv_sec = (time_t)(wait / 1000000000);
        when.it_value.tv_nsec = (long)(wait % 1000000000);
    }
    (void)timerfd_settime (w->timer, 0, &when, NULL);
}

void process_watch_awake (const process_watch *w)
{
    uint64_t expirations;
    if (read (w->timer, &expirations, sizeof (expirations)) < 0)
        expirations = 0; /* it was not the timer */
}
