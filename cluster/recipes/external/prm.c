/* SPDX-License-Identifier: Apache-2.0 */
/* prm.c - a process reward model in C, with nng and jansson only: a pattern to copy
 *
 *   gcc -O2 -o prm prm.c -lnng -ljansson       run file: prm: {engine: external, command: ./prm}
 *   ./prm ipc:///tmp/my-prm                               prm: {engine: external, url: ipc:///tmp/my-prm}
 *
 * It speaks the protocol of docs/external.md: it only ever answers, so one loop is enough.  The model recomputes the sums in a
 * step: 1 if the equation holds, 0 if not, 0.5 where there is none.
 *
 * A model that needs longer for a batch than silence_s of the run file must answer heartbeats from another thread, or send one
 * between two tasks, as score_tasks does.
 */

#include <jansson.h>
#include <nng/nng.h>
#include <nng/protocol/pair1/pair.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    CREDITS = 64,          /* tasks we take at once: more wait here, fewer make us wait */
    WORKER_GONE_MS = 60000 /* without a word from the worker that started us */
};

struct peer {
    nng_socket socket;
    json_int_t session; /* of the last hello; what is of another one is not ours */
    int started;        /* by a worker, so we leave with it */
};

/* ---- the model ---- */

static double score_step (const char *step)
{
    for (const char *at = step; *at; at++) {
        long a, b, c;
        int begins = (*at >= '0' && *at <= '9') || *at == '-';
        if (begins && sscanf (at, "%9ld + %9ld = %9ld", &a, &b, &c) == 3)
            return a + b == c ? 1.0 : 0.0;
    }
    return 0.5;
}

/* One score for each step.  The list is short of a step that is no text: the worker refuses such a result. */
static json_t *score_task (const json_t *asked)
{
    json_t *scores = json_array ();
    const json_t *step;
    size_t i;
    json_array_foreach (json_object_get (asked, "steps"), i, step) if (json_is_string (step))
        json_array_append_new (scores, json_real (score_step (json_string_value (step))));
    return json_pack ("{s:O, s:o}", "id", json_object_get (asked, "id"), "scores", scores);
}

/* ---- the protocol ---- */

/* Takes m. */
static void say (struct peer *p, json_t *m)
{
    char *text = m ? json_dumps (m, JSON_COMPACT) : NULL;
    if (text && nng_send (p->socket, text, strlen (text), 0) != 0)
        fprintf (stderr, "prm: an answer could not be sent\n"); /* that connection is over */
    free (text);
    json_decref (m);
}

static void say_heartbeat (struct peer *p)
{
    say (p, json_pack ("{s:s, s:I}", "type", "heartbeat", "session", p->session));
}

static void score_tasks (struct peer *p, const json_t *tasks)
{
    json_t *results = json_array ();
    const json_t *asked;
    size_t i;
    json_array_foreach (tasks, i, asked)
    {
        json_array_append_new (results, score_task (asked));
        if (i % 1000 == 999)
            say_heartbeat (p);
    }
    say (p, json_pack ("{s:s, s:I, s:o}", "type", "results", "session", p->session, "results",
                       results));
}

/* False: the worker said bye. */
static int take (struct peer *p, const json_t *m)
{
    const char *type = json_string_value (json_object_get (m, "type"));
    json_int_t session = json_integer_value (json_object_get (m, "session"));
    if (!type)
        return 1;
    if (strcmp (type, "hello") == 0) {
        p->session = session;
        say (p, json_pack ("{s:s, s:i, s:I, s:[s], s:s, s:i}", "type", "hello", "version", 1,
                           "session", session, "roles", "prm", "name", "sums in C", "credits",
                           CREDITS));
        return 1;
    }
    if (session != p->session)
        return 1;
    if (strcmp (type, "tasks") == 0)
        score_tasks (p, json_object_get (m, "tasks"));
    else if (strcmp (type, "heartbeat") == 0)
        say_heartbeat (p);
    else if (strcmp (type, "bye") == 0)
        return !p->started;
    return 1; /* cancel: what is asked is answered at once, so there is nothing to cancel */
}

static void serve (struct peer *p)
{
    int going = 1;
    while (going) {
        char *text;
        size_t len;
        int code = nng_recv (p->socket, &text, &len, NNG_FLAG_ALLOC);
        json_t *m;
        if (code == NNG_ETIMEDOUT && !p->started)
            continue;
        if (code != 0)
            return;
        m = json_loadb (text, len, 0, NULL);
        nng_free (text, len);
        going = take (p, m);
        json_decref (m);
    }
}

int main (int argc, char **argv)
{
    const char *worker = getenv ("ESPALIER_URL");
    struct peer p = {.session = 0, .started = argc < 2};
    int code;
    if (argc < 2 && !worker) {
        fprintf (stderr, "usage: prm URL, or start it by command: in a run file\n");
        return 2;
    }
    if ((code = nng_pair1_open (&p.socket)) != 0 ||
        (code = nng_socket_set_ms (p.socket, NNG_OPT_RECVTIMEO, WORKER_GONE_MS)) != 0 ||
        (code = nng_socket_set_ms (p.socket, NNG_OPT_SENDTIMEO, WORKER_GONE_MS)) != 0 ||
        (code = nng_socket_set_size (p.socket, NNG_OPT_RECVMAXSZ, 0)) != 0 ||
        (code = p.started ? nng_dial (p.socket, worker, NULL, NNG_FLAG_NONBLOCK)
                          : nng_listen (p.socket, argv[1], NULL, 0)) != 0) {
        fprintf (stderr, "prm: %s: %s\n", p.started ? worker : argv[1], nng_strerror (code));
        return 1;
    }
    serve (&p);
    nng_close (p.socket);
    return 0;
}
