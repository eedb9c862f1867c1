/* SPDX-License-Identifier: Apache-2.0 */

/* waiter.c - an eventfd and ppoll
 *
 * Why ppoll and not epoll: the caller's descriptors come anew with each call and
 * are few (an epoll set would need two system calls per descriptor and sleep).
 */

#include "proto/link/waiter.h"
#include <errno.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>
#include "proto/base/alloc.h"

enum { OWN_FDS = 2, SHORT_NAP_NS = 1000 * 1000 };

esp_err waiter_open (waiter *w)
{
    *w = (waiter){.event_fd = eventfd (0, EFD_NONBLOCK | EFD_CLOEXEC)};
    return w->event_fd < 0 ? ESP_EIO : ESP_OK;
}

void waiter_close (waiter *w)
{
    if (w->event_fd >= 0)
        close (w->event_fd);
    esp_free (w->list);
    *w = (waiter){.event_fd = -1};
}

void waiter_wake (waiter *w)
{
    int saved = errno; /* a signal handler must not change it */
    uint64_t one = 1;
    if (write (w->event_fd, &one, sizeof (one)) < 0) {
        /* EAGAIN: the counter is full, so a wake is pending already */
    }
    errno = saved;
}

static int sleep_on (struct pollfd *list, size_t count, uint64_t ns)
{
    struct timespec span = {(time_t)(ns / 1000000000u), (long)(ns % 1000000000u)};
    return ppoll (list, count, &span, NULL);
}

bool waiter_sleep (waiter *w, int own_fd, uint64_t ns, const int *fds, size_t fd_count)
{
    struct pollfd few[OWN_FDS], *list = few;
    uint64_t count;
    int happened;
    if (fd_count > 0 && esp_grow (&w->list, &w->capacity, fd_count + OWN_FDS, sizeof (*w->list))) {
        ns = ns < SHORT_NAP_NS ? ns : SHORT_NAP_NS;
        fd_count = 0;
        fds = NULL;
    } else if (fd_count > 0) {
        list = w->list;
    }
    list[0] = (struct pollfd){.fd = w->event_fd, .events = POLLIN};
    list[1] = (struct pollfd){.fd = own_fd, .events = POLLIN}; /* negative: ppoll skips it */
    for (size_t i = 0; i < fd_count; i++)
        list[OWN_FDS + i] = (struct pollfd){.fd = fds[i], .events = POLLIN};
    happened = sleep_on (list, OWN_FDS + fd_count, ns);
    if (happened > 0 && list[0].revents && read (w->event_fd, &count, sizeof (count)) < 0) {
        /* EAGAIN cannot be: only this thread reads */
    }
    return happened != 0;
}
