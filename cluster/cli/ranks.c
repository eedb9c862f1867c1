/* SPDX-License-Identifier: Apache-2.0 */
/* ranks.c - see ranks.h */

#include "cluster/cli/ranks.h"
#include <stdio.h>
#include <stdlib.h>
#include "cluster/cli/commands.h"
#include "proto/base/hash.h"
#include "proto/base/log.h"
#include "proto/link/link_memory.h"
#include "proto/link/link_mpi.h"
#include "proto/wire/wire.h"

enum {
    SLEEP_NS = 250000000, /* longest sleep of an idle rank: heartbeats are seconds */
    PATIENCE_S =
        120 /* how long a worker waits for the coordinator's first word (it may read a large file) */
};

uint64_t ranks_version (void)
{
    return esp_hash_mix (esp_hash_mix_span (0, span_of (ESP_VERSION)), WIRE_VERSION);
}

esp_err ranks_open (int *argc, char ***argv, ranks *out, esp_error *error)
{
    link_end *ends[2];
    esp_err err;
    *out = (ranks){.clock = esp_clock_monotonic ()};
    if (link_mpi_launched ()) {
        out->mpi = true;
        return link_mpi_open (argc, argv, ranks_version (), &out->end, error);
    }
    if ((err = link_memory_open (2, ends)) != ESP_OK)
        return esp_error_set (error, err, "%s", esp_err_text (err));
    out->end = ends[0];
    out->inside = ends[1];
    return ESP_OK;
}

/* everything: whatever section `workers` says. */
static worker_setup setup_of (ranks *r, link_end *end, bool everything)
{
    return (worker_setup){.link = end,
                          .clock = &r->clock,
                          .version = ranks_version (),
                          .patience_s = PATIENCE_S,
                          .open = run_config_open_engines,
                          .close = run_config_close_engines,
                          .ctx = everything ? NULL : r};
}

esp_err ranks_start_inside (ranks *r)
{
    worker_setup setup;
    if (!r->inside)
        return ESP_OK;
    setup = setup_of (r, r->inside, true);
    return worker_loop_create (&setup, &r->worker);
}

esp_err ranks_pass_inside (ranks *r, bool *busy)
{
    bool moved = false;
    esp_err err;
    if (!r->worker || worker_loop_end (r->worker) != WORKER_RUNS)
        return ESP_OK;
    err = worker_loop_pass (r->worker, &moved);
    *busy = *busy || moved;
    return err;
}

int ranks_work (ranks *r)
{
    worker_setup setup = setup_of (r, r->end, false);
    worker_loop *w;
    enum worker_end end;
    esp_err err = worker_loop_create (&setup, &w);
    if (err != ESP_OK) {
        esp_log (LOG_ERROR, "WORKER-START", "%s", esp_err_text (err));
        return EXIT_BROKEN;
    }
    while (err == ESP_OK && worker_loop_end (w) == WORKER_RUNS) {
        bool busy;
        err = worker_loop_pass (w, &busy);
        if (!busy && err == ESP_OK && worker_loop_end (w) == WORKER_RUNS)
            worker_loop_wait (w, worker_loop_in_flight (w) ? SLEEP_NS / 250 : SLEEP_NS);
    }
    end = worker_loop_end (w);
    if (err != ESP_OK)
        esp_log (LOG_ERROR, "WORKER-FAILED", "%s", esp_err_text (err));
    else if (end == WORKER_ALONE)
        esp_log (LOG_WARN, "WORKER-ALONE", "the coordinator is gone or silent; this worker leaves");
    for (int i = 0; i < 200 && !link_flushed (r->end); i++)
        link_wait (r->end, 10000000, NULL, 0);
    worker_loop_destroy (w);
    ranks_close (r, err == ESP_OK && end == WORKER_TOLD);
    return EXIT_DONE;
}

void ranks_dismiss (ranks *r, uint64_t run_id)
{
    wire_codec *codec;
    wire_message stop = {.kind = WIRE_STOP, .run_id = run_id};
    esp_buf bytes = {0};
    if (!r->mpi || r->end->rank != 0 || r->dismissed)
        return;
    r->dismissed = true;
    if (wire_codec_create (&codec) != ESP_OK)
        return;
    if (wire_encode (codec, &stop, &bytes) == ESP_OK)
        for (int rank = 1; rank < r->end->size; rank++)
            if (link_send (r->end, rank, esp_buf_span (&bytes)) != ESP_OK)
                continue; /* it leaves by its own lease */
    for (int i = 0; i < 200 && !link_flushed (r->end); i++) {
        link_event ignored;
        while (link_poll (r->end, &ignored) == ESP_OK)
            ;
        link_wait (r->end, 10000000, NULL, 0);
    }
    esp_buf_free (&bytes);
    wire_codec_destroy (codec);
}

int ranks_leave_status (int status)
{
    const char *path = getenv ("ESP_STATUS_FILE");
    FILE *out = path ? fopen (path, "w") : NULL;
    if (!out)
        return status;
    fprintf (out, "%d\n", status);
    if (fclose (out) != 0)
        fprintf (stderr, "espalier: %s: cannot be written\n", path);
    return status;
}

void ranks_close (ranks *r, bool clean)
{
    worker_loop_destroy (r->worker);
    link_close (r->inside, clean);
    link_close (r->end, clean);
    *r = (ranks){.end = NULL};
}
