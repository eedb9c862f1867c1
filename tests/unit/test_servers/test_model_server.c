/* SPDX-License-Identifier: Apache-2.0 */
/* test_model_server.c - what tests/support/model_server.h promises (its replies: tests/support/test_*.py) */

// LINK: esp_http
#include "tests/support/model_server.h"
#include <errno.h>
#include <signal.h>
#include <string.h>
#include "tests/support/suite.h"
#include "worker/http/http.h"

struct got {
    bool done;
    int status;
    char body[256];
};

static void on_done (void *ctx, http_request *r, const http_answer *a)
{
    struct got *g = ctx;
    (void)r;
    g->done = true;
    g->status = a->status;
    memcpy (g->body, a->body.len ? a->body.ptr : "", a->body.len < 255 ? a->body.len : 255);
}

static struct got ask (const model_server *s, const char *path, const char *body)
{
    struct got g = {0};
    http_setup setup = {.proxy = ""};
    http_call call = {.server = model_server_url (s),
                      .path = path,
                      .headers = (const char *[]){"Content-Type: application/json", NULL},
                      .body = body ? span_of (body) : (span){0},
                      .done = on_done,
                      .ctx = &g};
    http *pool;
    http_request *r;
    PASS (http_create (&setup, &pool));
    PASS (http_start (pool, &call, &r));
    while (!g.done)
        http_wait (pool, 1000);
    http_destroy (pool);
    return g;
}

static void it_answers_where_it_says (void)
{
    model_server *s = model_server_start ((const char *[]){"--kind", "llamacpp", NULL});
    struct got g = ask (s, "/health", NULL);
    CHECK (g.status == 200);
    CHECK (strcmp (g.body, "{\"status\":\"ok\"}") == 0);
    model_server_stop (s);
}

static void it_ends_with_stop_and_frees_its_port (void)
{
    model_server *s = model_server_start ((const char *[]){NULL});
    pid_t pid = model_server_pid (s);
    CHECK (kill (pid, 0) == 0);
    CHECK (kill (pid, SIGSTOP) == 0); /* also a frozen one */
    model_server_stop (s);
    CHECK (kill (pid, 0) != 0 && errno == ESRCH);
    model_server_stop (NULL);
}

static void faults_come_from_options (void)
{
    model_server *s = model_server_start ((const char *[]){"--fault", "503 n=2", NULL});
    const char *body = "{\"prompt\": \"What is 1 + 2?\", \"max_tokens\": 4}";
    CHECK (ask (s, "/v1/completions", body).status == 200);
    CHECK (ask (s, "/v1/completions", body).status == 503);
    CHECK (ask (s, "/v1/completions", body).status == 200);
    model_server_stop (s);
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"it answers where it says", it_answers_where_it_says},
        {"it ends with stop and frees its port", it_ends_with_stop_and_frees_its_port},
        {"faults come from options", faults_come_from_options},
        {NULL, NULL},
    };
    signal (SIGPIPE, SIG_IGN);
    return suite_main ("model_server", cases);
}
