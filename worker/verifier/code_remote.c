/* SPDX-License-Identifier: Apache-2.0 */
/* code_remote.c - see code_remote.h */

#include "worker/verifier/code_remote.h"
#include "proto/base/alloc.h"
#include "proto/base/log.h"
#include "worker/server/servers.h"
#include "worker/verifier/code_pool.h"
#include "worker/verifier/sandboxfusion_reply.h"

static const char path_of_runs[] = "/run_code";
static const char try_code[] = "print(6 * 7)";

struct code_run {
    code_remote *remote;
    code_run *before, *after;
    exchange *out;
    esp_buf question, said;
    void (*done) (void *ctx, span said);
    void *ctx;
};

struct code_remote {
    code_remote_setup setup;
    servers *servers; /* owned */
    esp_buf code;     /* what every run starts with */
    code_run *runs;   /* owned, all that are out */
};

/* ---- runs ---- */

static void free_run (code_run *run)
{
    *(run->before ? &run->before->after : &run->remote->runs) = run->after;
    if (run->after)
        run->after->before = run->before;
    esp_buf_free (&run->question);
    esp_buf_free (&run->said);
    esp_free (run);
}

static esp_err run_write (void *ctx, server *s, esp_buf *path, esp_buf *json)
{
    const code_run *run = ctx;
    const code_remote_setup *o = &run->remote->setup;
    esp_err err = esp_buf_puts (path, path_of_runs);
    (void)s;
    return err == ESP_OK
               ? sandboxfusion_ask (esp_buf_span (&run->remote->code),
                                    esp_buf_span (&run->question), o->timeout_s, o->memory_mb, json)
               : err;
}

static esp_err run_take (void *ctx, server *s, span body, esp_error *why)
{
    code_run *run = ctx;
    (void)s;
    esp_buf_clear (&run->said);
    return sandboxfusion_read (body, &run->said, why);
}

static void run_done (void *ctx, esp_err code, const char *text)
{
    code_run *run = ctx, gone = *run;
    run->question = run->said = (esp_buf){0};
    free_run (run);
    if (code != ESP_OK)
        esp_log (LOG_WARN, "VERIFIER-SERVER", "sandboxfusion: %s", text);
    gone.done (gone.ctx, code == ESP_OK ? esp_buf_span (&gone.said)
                                        : span_of ("{\"undecided\":\"sandbox-error\"}"));
    esp_buf_free (&gone.question);
    esp_buf_free (&gone.said);
}

esp_err code_remote_ask (code_remote *r, span question, void (*done) (void *ctx, span said),
                         void *ctx, code_run **out)
{
    code_run *run = esp_calloc (1, sizeof (*run));
    esp_err err;
    if (!run)
        return ESP_ENOMEM;
    *run = (code_run){.remote = r, .after = r->runs, .done = done, .ctx = ctx};
    if (r->runs)
        r->runs->before = run;
    r->runs = run;
    if ((err = esp_buf_add (&run->question, question)) == ESP_OK &&
        (err = esp_buf_puts (&run->question, "\n")) == ESP_OK) {
        const exchange_ask ask = {
            .weight = 1, .write = run_write, .take = run_take, .done = run_done, .ctx = run};
        err = exchange_start (r->servers, &ask, &run->out);
    }
    if (err != ESP_OK) {
        free_run (run);
        return err;
    }
    *out = run;
    return ESP_OK;
}

void code_remote_cancel (code_run *run)
{
    if (!run)
        return;
    exchange_cancel (run->out);
    free_run (run);
}

/* ---- is it a SandboxFusion? ---- */

static esp_err
probe_write (void *ctx, server *s, uint32_t step, esp_buf *path, esp_buf *json, esp_error *why)
{
    const code_remote *r = ctx;
    esp_err err = step > 0 ? ESP_EEMPTY : esp_buf_puts (path, path_of_runs);
    (void)s;
    (void)why;
    return err == ESP_OK
               ? sandboxfusion_ask (span_of (try_code), span_of (""), r->setup.timeout_s, -1, json)
               : err;
}

static esp_err
probe_take (void *ctx, server *s, uint32_t step, int status, span body, esp_error *why)
{
    esp_buf said = {0};
    esp_err err;
    (void)ctx;
    (void)s;
    (void)step;
    if (status == 429 || (status >= 500 && status != 501))
        return esp_error_set (why, ESP_EPEER, "POST %s: HTTP status %d", path_of_runs, status);
    if (status != 200)
        return esp_error_set (why, ESP_EUNSUPPORTED,
                              "POST %s: HTTP status %d; is this a SandboxFusion server?",
                              path_of_runs, status);
    err = sandboxfusion_read (body, &said, why);
    if (err == ESP_OK &&
        !span_is (esp_buf_span (&said), "{\"stdout\":\"42\\n\",\"ended\":\"exited\"}"))
        err = esp_error_set (why, ESP_EUNSUPPORTED, "it cannot run Python: %s said %.200s",
                             try_code, esp_buf_text (&said));
    esp_buf_free (&said);
    return err == ESP_EFORMAT ? ESP_EUNSUPPORTED : err;
}

/* ---- servers ---- */

void code_remote_poll (code_remote *r)
{
    servers_poll (r->servers);
}

int code_remote_fd (const code_remote *r)
{
    return servers_fd (r->servers);
}

uint32_t code_remote_slots (const code_remote *r)
{
    return servers_slots (r->servers);
}

esp_err code_remote_ready (const code_remote *r, esp_error *why)
{
    return servers_ready (r->servers, why);
}

esp_err code_remote_settled (const code_remote *r, esp_error *why)
{
    return servers_settled (r->servers, why);
}

esp_err code_remote_describe (const code_remote *r, esp_buf *out)
{
    esp_err err = ESP_OK;
    for (size_t i = 0; i < servers_count (r->servers) && err == ESP_OK; i++) {
        const server *s = servers_at (r->servers, i);
        err = server_in_service (s) ? esp_buf_printf (out, "  %s: runs Python\n", server_url (s))
                                    : esp_buf_printf (out, "  %s: WARNING: out of service: %s\n",
                                                      server_url (s), server_trouble (s));
    }
    return err;
}

/* ---- life ---- */

void code_remote_destroy (code_remote *r)
{
    if (!r)
        return;
    while (r->runs)
        code_remote_cancel (r->runs);
    servers_destroy (r->servers);
    esp_buf_free (&r->code);
    esp_free (r);
}

esp_err code_remote_create (const code_remote_setup *setup, code_remote **out, esp_error *error)
{
    code_remote *r = esp_calloc (1, sizeof (*r));
    const engine_setup *e = setup->engine;
    const servers_setup own = {.options = e->server,
                               .section = "verifier",
                               .rank = e->rank,
                               .local_rank = e->local_rank,
                               .clock = e->clock,
                               .seed = e->run_seed,
                               .probe_write = probe_write,
                               .probe_take = probe_take,
                               .ctx = r};
    esp_err err;
    if (!r)
        return esp_error_set (error, ESP_ENOMEM, "sandboxfusion: out of memory");
    r->setup = *setup;
    if (esp_buf_printf (&r->code,
                        "import sys\nsys.argv = ['', '%lld', '%lld', '0', '16', '%lld', 'once']\n",
                        (long long)setup->memory_mb, (long long)setup->cpu_s,
                        (long long)setup->output_bytes) != ESP_OK ||
        esp_buf_puts (&r->code, code_runner_script) != ESP_OK)
        err = esp_error_set (error, ESP_ENOMEM, "sandboxfusion: out of memory");
    else
        err = servers_create (&own, &r->servers, error);
    if (err != ESP_OK) {
        code_remote_destroy (r);
        return err;
    }
    *out = r;
    return ESP_OK;
}
