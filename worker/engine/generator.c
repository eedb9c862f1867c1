/* SPDX-License-Identifier: Apache-2.0 */
/* generator.c - see generator.h: jobs in, siblings together, what is pending
 *
 * Invariants:
 *   I1  a job that was started is in the table until its done call or its cancel
 *   I2  a sample either waits for its root (root->waiting) or is in exactly one request
 */

#include "worker/engine/generator.h"
#include <math.h>
#include "proto/base/alloc.h"
#include "proto/base/hash.h"
#include "worker/engine/generator_inner.h"

enum { TABLE = 1024 }; /* chains of samples by task id; a power of two */

const esp_option generator_option_rows[] = {
    {"stop", ESP_OPT_STRINGS, offsetof (generator_options, stop), NULL, 0, 0, NULL, "",
     "texts that end a sample for good, such as \"\\n\\nQuestion:\" for a base model",
     ESP_OPT_FIXED, false},
    {"stream", ESP_OPT_CHOICE, offsetof (generator_options, stream), "auto", 0, 0,
     "auto|always|never", "", "auto: what is long, and where only a stream can be cancelled",
     ESP_OPT_FREE, false},
    {"logprobs", ESP_OPT_CHOICE, offsetof (generator_options, logprobs), "none", 0, 0,
     "none|sum|top", "",
     "of generated tokens: sum per step (priors of a tree search), or top: also of alternatives",
     ESP_OPT_FIXED, false},
    {"top_logprobs", ESP_OPT_INT, offsetof (generator_options, top_logprobs), "5", 1, 20, NULL,
     "tokens", "logprobs: top: alternatives of each token", ESP_OPT_FIXED, false},
    {"api", ESP_OPT_CHOICE, offsetof (generator_options, api), "auto", 0, 0, "auto|raw|chat", "",
     "raw: texts are continued as they stand; chat: messages only; auto: raw where the prompt can "
     "be rendered",
     ESP_OPT_FIXED, false},
    {"most_n", ESP_OPT_INT, offsetof (generator_options, most_n), "0", 0, 1024, NULL, "samples",
     "of siblings in one request; 0 = as the server allows", ESP_OPT_FREE, false},
    {"cache_prompt", ESP_OPT_BOOL, offsetof (generator_options, cache_prompt), "true", 0, 0, NULL,
     "",
     "llamacpp: false = each request's prompt is read anew, so that a text does not depend on what "
     "the server's cache held",
     ESP_OPT_FIXED, false},
    ESP_OPTION_END,
};

/* ---- the table ---- */

static struct sample **chain_of (generator *g, task_id id)
{
    return &g->table[(size_t)(esp_hash_fast (id.problem, id.number) & (TABLE - 1))];
}

static struct sample **slot_of (generator *g, task_id id)
{
    struct sample **at = chain_of (g, id);
    while (*at &&
           ((*at)->job->task.id.problem != id.problem || (*at)->job->task.id.number != id.number))
        at = &(*at)->next_in_table;
    return at;
}

static void unlist (struct sample *s)
{
    task_id id = s->job->task.id;
    struct sample **at = chain_of (s->owner, id);
    while (*at && *at != s)
        at = &(*at)->next_in_table;
    if (*at)
        *at = s->next_in_table;
}

static void free_sample (struct sample *s)
{
    if (s->root)
        generator_root_unpin (s->owner, s->root);
    esp_buf_free (&s->text);
    esp_free (s->generated);
    esp_free (s->top);
    esp_buf_free (&s->token_data);
    esp_free (s);
}

void generator_finish (struct sample *s, result *r)
{
    engine_setup *setup = &s->owner->setup;
    const job *j = s->job;
    r->id = j->task.id;
    unlist (s);
    s->job = NULL;                  /* the call frees it */
    setup->done (setup->ctx, j, r); /* borrows s->text */
    free_sample (s);
}

void generator_fail (struct sample *s, esp_err code)
{
    result r = {.error = code, .logprob = NAN, .mean_logprob = NAN, .share = NAN};
    generator_finish (s, &r);
}

/* ---- jobs ---- */

static struct sample *make_sample (generator *g, const job *j)
{
    struct sample *s = esp_calloc (1, sizeof (*s)), **at;
    if (!s)
        return NULL;
    s->owner = g;
    s->job = j;
    at = slot_of (g, j->task.id);
    s->next_in_table = *at;
    *at = s;
    return s;
}

/* Do two jobs ask for samples of one prompt that one request can bring? */
static bool siblings (const job *a, const job *b, uint32_t distance)
{
    const task *x = &a->task, *y = &b->task;
    const sampling *v = &x->how, *w = &y->how;
    bool plain = x->mode == TASK_DRAFT || (x->extra.len == 0 && y->extra.len == 0);
    bool same = v->temperature == w->temperature && v->top_p == w->top_p && v->top_k == w->top_k;
    return x->id.problem == y->id.problem && x->node == y->node && x->mode == y->mode &&
           x->action == y->action && x->max_tokens == y->max_tokens &&
           x->seed + distance == y->seed && plain && same && v->temperature > 0;
}

static uint32_t most_n (generator *g)
{
    uint32_t most = g->shape->traits.most_n ? g->shape->traits.most_n : 1;
    int64_t in_flight = g->setup.server->in_flight;
    if (g->options->most_n > 0 && most > (uint32_t)g->options->most_n)
        most = (uint32_t)g->options->most_n;
    if (in_flight > 0 && most > (uint32_t)in_flight)
        most = (uint32_t)in_flight;
    for (size_t i = 0; i < servers_count (g->servers); i++) {
        server *s = servers_at (g->servers, i);
        const struct generator_facts *f = server_data (s);
        uint32_t slots = server_facts_of (s)->slots;
        if (g->shape->traits.n_is_slots && slots > 0 && most > slots)
            most = slots;
        if (server_in_service (s) && f->no_n)
            most = 1;
    }
    return most;
}

/* Jobs [0, n) are siblings: the root first, then the request. */
static void start_group (generator *g, const job *const *jobs, uint32_t n)
{
    struct sample **samples = esp_calloc (n, sizeof (struct sample *));
    const result lost = {.error = ESP_ENOMEM, .logprob = NAN, .mean_logprob = NAN, .share = NAN};
    uint64_t group = ++g->groups;
    uint32_t made = 0;
    bool waits = false;
    for (uint32_t i = 0; i < n; i++) {
        struct sample *s = samples ? make_sample (g, jobs[i]) : NULL;
        esp_error why = {0};
        esp_err err = ESP_OK;
        if (!s) {
            result r = lost;
            r.id = jobs[i]->task.id;
            g->setup.done (g->setup.ctx, jobs[i], &r);
            continue;
        }
        s->root = generator_root (g, jobs[i], &err, &why);
        if (!s->root || s->root->failed) {
            generator_fail (s, s->root ? s->root->code : err);
            continue;
        }
        s->group = group;
        samples[made++] = s;
        waits = !s->root->ready;
    }
    if (waits)
        for (uint32_t i = 0; i < made; i++)
            generator_root_wait (samples[i]->root, samples[i]);
    else if (made > 0)
        generator_send (g, samples, made);
    esp_free (samples);
}

void generator_start (void *state, const job *const *jobs, size_t n)
{
    generator *g = state;
    uint32_t most = most_n (g);
    for (size_t i = 0; i < n;) {
        uint32_t group = 1;
        while (i + group < n && group < most && siblings (jobs[i], jobs[i + group], group))
            group++;
        start_group (g, jobs + i, group);
        i += group;
    }
}

static void leave_request (struct sample *s)
{
    struct request *r = s->request;
    for (uint32_t i = 0; r && i < r->ask.n; i++)
        if (r->samples[i] == s) {
            r->samples[i] = NULL;
            r->live--;
        }
    if (r && r->live == 0) {
        if (r->exchange)
            exchange_cancel (r->exchange);
        generator_request_free (r);
    }
}

static void leave_root (struct sample *s)
{
    struct sample **at = &s->root->waiting;
    while (*at && *at != s)
        at = &(*at)->next;
    if (*at)
        *at = s->next;
}

void generator_cancel (void *state, const job *j)
{
    struct sample *s = *slot_of (state, j->task.id);
    if (!s)
        return;
    if (s->request)
        leave_request (s);
    else
        leave_root (s);
    unlist (s);
    free_sample (s);
}

/* ---- life ---- */

/* A stop text that is not sent would be generated over. */
static esp_err stops_fit (const gen_shape *shape, const generator_options *o, const step_rule *step,
                          esp_error *why)
{
    size_t most = shape->traits.most_stops, own = 0;
    for (int thinking = 0; thinking < 2 && step; thinking++) {
        step_place at = {.thinking = thinking != 0};
        step_plan plan;
        step_rule_plan (step, &at, &plan);
        own = plan.stop_count > own ? plan.stop_count : own;
    }
    if (most == 0 || most > REQUEST_STOPS_MOST)
        most = REQUEST_STOPS_MOST;
    if (own + o->stop.count <= most)
        return ESP_OK;
    return esp_error_set (why, ESP_EINVAL,
                          "stop: %zu texts, and %zu of the step rule: this kind of server takes "
                          "%zu together",
                          o->stop.count, own, most);
}

/* Can all of it be said to a server of that shape? */
static esp_err shape_suits (const gen_shape *shape, const generator_options *o,
                            const step_rule *step, esp_error *why)
{
    if (o->api == API_CHAT && !shape->chat_path)
        return esp_error_set (
            why, ESP_EINVAL,
            "api: chat is not for generator.engine: %s; openai takes every kind of server",
            shape->name);
    if (!o->cache_prompt && !shape->traits.uncached)
        return esp_error_set (why, ESP_EINVAL,
                              "cache_prompt: no request to a server of kind %s can say that its "
                              "cache is not to be used; only llamacpp has this",
                              shape->name);
    return stops_fit (shape, o, step, why);
}

esp_err generator_check_options (const engine_kind *kind, const void *options,
                                 const struct step_rule *step, esp_error *why)
{
    const generator_options *o = options;
    const gen_shape *shape = shape_find (kind->name); /* NULL: auto, seen when a server is */
    for (size_t i = 0; i < o->stop.count; i++)
        if (!o->stop.items[i][0])
            return esp_error_set (why, ESP_EINVAL,
                                  "stop: text %zu is empty: it would end every sample at once",
                                  i + 1);
    return shape ? shape_suits (shape, o, step, why) : ESP_OK;
}

esp_err generator_suits (const generator *g, const gen_shape *shape, esp_error *why)
{
    esp_error own = {0};
    esp_err err = shape_suits (shape, g->options, g->setup.step, &own);
    if (err == ESP_OK && shape->traits.most_temperature > 0 &&
        g->setup.temperature > shape->traits.most_temperature)
        err = esp_error_set (&own, ESP_EINVAL,
                             "temperature (or an action's): %g, and a server of kind %s takes at "
                             "most %g",
                             g->setup.temperature, shape->name, shape->traits.most_temperature);
    return err == ESP_OK ? ESP_OK : esp_error_set (why, err, "generator.%s", own.text);
}

esp_err generator_open (const engine_setup *setup, void **state, esp_error *error)
{
    generator *g = esp_calloc (1, sizeof (*g));
    servers_setup s;
    esp_error why = {0};
    esp_err err;
    if (!g || !(g->table = esp_calloc (TABLE, sizeof (struct sample *))) ||
        !(g->roots = esp_calloc (TABLE, sizeof (root *)))) {
        generator_close (g);
        return esp_error_set (error, ESP_ENOMEM, "out of memory");
    }
    g->setup = *setup;
    g->options = setup->options;
    g->shape = shape_find (setup->kind->name);
    g->any_kind = !g->shape;
    err = generator_check_options (setup->kind, setup->options, setup->step, &why);
    if (err != ESP_OK)
        esp_error_set (error, err, "generator.%s", why.text);
    else if (g->shape)
        err = generator_suits (g, g->shape, error);
    if (err != ESP_OK) {
        generator_close (g);
        return err;
    }
    s = (servers_setup){.options = setup->server,
                        .section = "generator",
                        .rank = setup->rank,
                        .local_rank = setup->local_rank,
                        .clock = setup->clock,
                        .seed = setup->run_seed,
                        .family = g->any_kind ? "openai" : setup->kind->name, /* which is any */
                        .data_bytes = sizeof (struct generator_facts),
                        .probe_write = generator_probe_write,
                        .probe_take = generator_probe_take,
                        .ctx = g};
    if ((err = servers_create (&s, &g->servers, error)) != ESP_OK) {
        generator_close (g);
        return err;
    }
    *state = g;
    return ESP_OK;
}

void generator_close (void *state)
{
    generator *g = state;
    if (!g)
        return;
    while (g->requests)
        generator_request_free (g->requests); /* their exchanges end with the servers */
    servers_destroy (g->servers);
    for (size_t i = 0; g->table && i < TABLE; i++)
        while (g->table[i]) {
            struct sample *s = g->table[i];
            g->table[i] = s->next_in_table;
            s->root = NULL;
            free_sample (s);
        }
    if (g->roots)
        generator_roots_free (g);
    esp_free (g->roots);
    esp_free (g->table);
    esp_buf_free (&g->scratch);
    esp_free (g);
}

void generator_poll (void *state)
{
    servers_poll (((generator *)state)->servers);
}

size_t generator_fds (void *state, int *fds, size_t max)
{
    if (max == 0)
        return 0;
    fds[0] = servers_fd (((generator *)state)->servers);
    return 1;
}

/* With several servers some samples wait here for the one that holds their prefix: twice what all take, so that none idles. */
uint32_t generator_slots (const void *state)
{
    const servers *all = ((const generator *)state)->servers;
    uint32_t slots = servers_slots (all);
    return servers_up (all) > 1 ? 2 * slots : slots;
}

uint32_t generator_context (const void *state, uint16_t action)
{
    servers *all = ((const generator *)state)->servers;
    uint32_t least = 0;
    (void)action; /* all go to the same servers */
    for (size_t i = 0; i < servers_count (all); i++) {
        uint32_t tokens = server_facts_of (servers_at (all, i))->context_tokens;
        if (tokens > 0 && (least == 0 || tokens < least))
            least = tokens;
    }
    return least;
}

esp_err generator_ready (void *state, esp_error *why)
{
    return servers_ready (((generator *)state)->servers, why);
}

esp_err generator_settled (void *state, esp_error *why)
{
    return servers_settled (((generator *)state)->servers, why);
}
