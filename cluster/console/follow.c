/* SPDX-License-Identifier: Apache-2.0 */
/* follow.c - see follow.h */

#include "cluster/console/follow.h"
#include <time.h>
#include "proto/base/clock.h"

enum {
    SNAPSHOT_NS =
        1000000000, /* between two repairs: a run that is too fast for us is not burdened further */
    TRY_NS = 1000000000, /* between two looks for a resumed run */
    PAGE_MS = 3000,
    ASK_MS = 10000
};

static uint64_t now_ns (void)
{
    esp_clock clock = esp_clock_monotonic ();
    return esp_clock_ns (&clock);
}

esp_err follow_open (follow *f, const char *output, esp_error *error)
{
    esp_err err;
    *f = (follow){.output = output, .stale = true};
    if ((err = view_create (&f->view)) != ESP_OK)
        return esp_error_set (error, err, "%s", esp_err_text (err));
    if ((err = client_open (output, &f->client, error)) != ESP_OK)
        follow_close (f);
    return err;
}

void follow_close (follow *f)
{
    client_close (f->client);
    view_destroy (f->view);
    *f = (follow){.output = NULL};
}

static void ended (follow *f)
{
    client_close (f->client);
    f->client = NULL;
    f->stale = true;
    f->changed = true;
    f->next_try_ns = now_ns () + TRY_NS;
}

static void take_page (void *ctx, const event *events, size_t count)
{
    follow *f = ctx;
    for (size_t i = 0; i < count; i++)
        if (view_apply (f->view, &events[i]) != ESP_OK)
            f->stale = true;
}

static void repair (follow *f)
{
    uint64_t now = now_ns ();
    esp_err err;
    if (now < f->next_snapshot_ns)
        return;
    f->next_snapshot_ns = now + SNAPSHOT_NS;
    f->stale = false;
    f->repairs++;
    view_clear (f->view);
    err = client_snapshot (f->client, UINT64_MAX, PAGE_MS, take_page, f, &f->floor, NULL);
    f->known = f->known || err == ESP_OK;
    f->stale = f->stale || err != ESP_OK;
    f->changed = true;
    if (err == ESP_EPEER)
        ended (f);
}

static void take_events (follow *f, const event *events, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (events[i].number != 0 && events[i].number <= f->floor)
            continue;
        if (view_apply (f->view, &events[i]) != ESP_OK)
            f->stale = true;
        if (f->seen)
            f->seen (f->ctx, &events[i]);
    }
}

/* Returns false when there is no more to take now. */
static bool take_message (follow *f, int timeout_ms)
{
    const event *events;
    size_t count;
    bool gap;
    esp_err err = client_next (f->client, timeout_ms, &events, &count, &f->status, &gap);
    if (err == ESP_EPEER)
        ended (f);
    if (err != ESP_OK) {
        f->stale = f->stale || err != ESP_EEMPTY;
        return false;
    }
    f->has_status = f->changed = true;
    f->stale = f->stale || gap;
    if (f->stale)
        repair (f);
    if (f->client)
        take_events (f, events, count);
    return f->client != NULL;
}

static void look_for_it_again (follow *f, int timeout_ms)
{
    struct timespec pause = {timeout_ms / 1000, timeout_ms % 1000 * 1000000L};
    client *again;
    nanosleep (&pause, NULL);
    if (now_ns () < f->next_try_ns)
        return;
    f->next_try_ns = now_ns () + TRY_NS;
    if (client_open (f->output, &again, NULL) != ESP_OK)
        return;
    f->client = again;
    f->floor = 0;
    f->changed = true;
}

void follow_step (follow *f, int timeout_ms)
{
    uint64_t until = now_ns () + (uint64_t)timeout_ms * 1000000U;
    uint64_t now;
    if (!f->client) {
        look_for_it_again (f, timeout_ms);
        return;
    }
    while ((now = now_ns ()) < until && take_message (f, (int)((until - now) / 1000000U) + 1))
        ;
}

esp_err follow_ask (follow *f, const control_message *ask, esp_error *error)
{
    control_message answer;
    if (!f->client)
        return esp_error_set (error, ESP_EPEER, "the run has ended");
    return client_ask (f->client, ask, ASK_MS, &answer, error);
}
