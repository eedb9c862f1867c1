/* SPDX-License-Identifier: Apache-2.0 */
/* wire_record.c - bodies of journal frames: one row of `bodies` for each kind of record */

#include "journal.pb-c.h"
#include "proto/wire/wire_check.h"
#include "proto/wire/wire_parts.h"

enum {
    FIRST_BODY = 10,  /* field number of a body: FIRST_BODY + kind */
    PROGRAM_MAX = 100 /* bytes of the name of a program that is told to people */
};

_Static_assert(ESPALIER__RECORD__BODY_HEADER == FIRST_BODY + RECORD_HEADER &&
                   ESPALIER__RECORD__BODY_INPUT == FIRST_BODY + RECORD_INPUT &&
                   ESPALIER__RECORD__BODY_DEATH == FIRST_BODY + RECORD_KINDS - 1 &&
                   ESPALIER__INPUT_KIND__INPUT_KIND_OPEN == INPUT_OPEN + 1 &&
                   (int)ESPALIER__INPUT_KIND__INPUT_KIND_COMMAND == INPUT_KINDS,
               "the schema stands in the order of our enums");

struct input_body { /* an input and what hangs on it */
    Espalier__Input input;
    union {
        Espalier__Result result;
        Espalier__Command command;
    } u;
};

union body { /* room for the outer object of any kind, on the stack of wire_record_encode */
    Espalier__Header header;
    Espalier__Synced synced;
    struct input_body input;
    Espalier__Commit commit;
    Espalier__Hash hash;
    Espalier__Footer footer;
    Espalier__Death death;
};

/* ---- lists ---- */

static esp_err
put_files (wire_codec *codec, const file_offset *files, size_t count, Espalier__FileOffset ***out)
{
    Espalier__FileOffset *objects = wire_out (codec, count, sizeof (*objects));
    Espalier__FileOffset **list = wire_out (codec, count, sizeof (*list));
    if (!objects || !list)
        return ESP_ENOMEM;
    for (size_t i = 0; i < count; i++) {
        objects[i] = (Espalier__FileOffset)ESPALIER__FILE_OFFSET__INIT;
        objects[i].name = wire_bytes (files[i].name);
        objects[i].bytes = files[i].bytes;
        list[i] = &objects[i];
    }
    *out = list;
    return ESP_OK;
}

static esp_err get_files (wire_codec *codec, Espalier__FileOffset *const *files, size_t count,
                          const file_offset **out)
{
    file_offset *list = wire_in (codec, count, sizeof (*list));
    if (!list)
        return codec->failure;
    for (size_t i = 0; i < count; i++) {
        if (!wire_known (&files[i]->base))
            return ESP_EFORMAT;
        list[i] = (file_offset){wire_span (files[i]->name), files[i]->bytes};
    }
    *out = list;
    return ESP_OK;
}

static esp_err put_ranges (wire_codec *codec, const key_range *ranges, size_t count,
                           uint64_t **firsts, uint64_t **counts)
{
    *firsts = wire_out (codec, count, sizeof (**firsts));
    *counts = wire_out (codec, count, sizeof (**counts));
    if (!*firsts || !*counts)
        return ESP_ENOMEM;
    for (size_t i = 0; i < count; i++) {
        (*firsts)[i] = ranges[i].first;
        (*counts)[i] = ranges[i].count;
    }
    return ESP_OK;
}

static esp_err get_ranges (wire_codec *codec, const uint64_t *firsts, const uint64_t *counts,
                           size_t count, const key_range **out)
{
    key_range *list = wire_in (codec, count, sizeof (*list));
    if (!list)
        return codec->failure;
    for (size_t i = 0; i < count; i++)
        list[i] = (key_range){firsts[i], counts[i]};
    *out = list;
    return ESP_OK;
}

/* ---- bodies ---- */

static esp_err put_header (wire_codec *codec, const record *r, void *body)
{
    const record_header *in = &r->u.header;
    Espalier__Header *h = body;
    *h = (Espalier__Header)ESPALIER__HEADER__INIT;
    h->format = in->format;
    h->run_id = in->run_id;
    h->epoch = in->epoch;
    h->segment = in->segment;
    h->first = in->first;
    h->identity = in->identity;
    h->semantics = in->semantics;
    h->strategy = wire_bytes (in->strategy);
    h->program = wire_bytes (in->program);
    h->run_file = wire_bytes (in->run_file);
    h->n_finished_first = h->n_finished_count = in->finished_count;
    h->n_closed_first = h->n_closed_count = in->closed_count;
    h->n_files = in->file_count;
    if (put_ranges (codec, in->finished, in->finished_count, &h->finished_first,
                    &h->finished_count) != ESP_OK ||
        put_ranges (codec, in->closed, in->closed_count, &h->closed_first, &h->closed_count) !=
            ESP_OK)
        return ESP_ENOMEM;
    return put_files (codec, in->files, in->file_count, &h->files);
}

static esp_err get_header (wire_codec *codec, const void *body, record *out)
{
    const Espalier__Header *h = body;
    record_header *to = &out->u.header;
    esp_err err;
    if (h->format < RECORD_FORMAT_OLDEST || h->format > RECORD_FORMAT)
        return ESP_EVERSION;
    if (!wire_known (&h->base) || h->n_finished_first != h->n_finished_count ||
        h->n_closed_first != h->n_closed_count)
        return ESP_EFORMAT;
    *to = (record_header){
        .format = h->format,
        .run_id = h->run_id,
        .epoch = h->epoch,
        .segment = h->segment,
        .first = h->first,
        .identity = h->identity,
        .semantics = h->semantics,
        .strategy = wire_span (h->strategy),
        .program = wire_span (h->program),
        .run_file = wire_span (h->run_file),
        .finished_count = h->n_finished_first,
        .closed_count = h->n_closed_first,
        .file_count = h->n_files,
    };
    if ((err = get_ranges (codec, h->finished_first, h->finished_count, to->finished_count,
                           &to->finished)) ||
        (err = get_ranges (codec, h->closed_first, h->closed_count, to->closed_count, &to->closed)))
        return err;
    return get_files (codec, h->files, to->file_count, &to->files);
}

static esp_err put_synced (wire_codec *codec, const record *r, void *body)
{
    Espalier__Synced *s = body;
    (void)codec;
    *s = (Espalier__Synced)ESPALIER__SYNCED__INIT;
    s->offset = r->u.synced.offset;
    return ESP_OK;
}

static esp_err get_synced (wire_codec *codec, const void *body, record *out)
{
    const Espalier__Synced *s = body;
    (void)codec;
    out->u.synced.offset = s->offset;
    return wire_known (&s->base) ? ESP_OK : ESP_EFORMAT;
}

static esp_err put_input (wire_codec *codec, const record *r, void *body)
{
    const input *in = &r->u.input;
    struct input_body *b = body;
    (void)codec;
    b->input = (Espalier__Input)ESPALIER__INPUT__INIT;
    b->input.kind = (Espalier__InputKind)(in->kind + 1);
    b->input.problem = in->problem;
    if (in->kind == INPUT_RESULT) {
        wire_put_result (&in->u.result, &b->u.result);
        b->input.result = &b->u.result;
    } else if (in->kind == INPUT_COMMAND) {
        wire_put_command (&in->u.command, &b->u.command);
        b->input.command = &b->u.command;
    }
    return ESP_OK;
}

static esp_err get_input (wire_codec *codec, const void *body, record *out)
{
    const Espalier__Input *in = body;
    input *to = &out->u.input;
    (void)codec;
    if (!wire_known (&in->base) || !wire_get_enum ((int)in->kind, INPUT_KINDS, &to->kind) ||
        (in->result != NULL) != (to->kind == INPUT_RESULT) ||
        (in->command != NULL) != (to->kind == INPUT_COMMAND))
        return ESP_EFORMAT;
    to->problem = in->problem;
    if (in->result && !wire_get_result (in->result, &to->u.result))
        return ESP_EFORMAT;
    if (in->command && !wire_get_command (in->command, &to->u.command))
        return ESP_EFORMAT;
    return ESP_OK;
}

static esp_err put_commit (wire_codec *codec, const record *r, void *body)
{
    Espalier__Commit *c = body;
    *c = (Espalier__Commit)ESPALIER__COMMIT__INIT;
    c->up_to = r->u.commit.up_to;
    c->n_problems = r->u.commit.problem_count;
    c->problems = (uint64_t *)(uintptr_t)r->u.commit.problems;
    c->n_files = r->u.commit.file_count;
    return put_files (codec, r->u.commit.files, c->n_files, &c->files);
}

static esp_err get_commit (wire_codec *codec, const void *body, record *out)
{
    const Espalier__Commit *c = body;
    if (!wire_known (&c->base))
        return ESP_EFORMAT;
    out->u.commit.up_to = c->up_to;
    out->u.commit.problems = c->problems;
    out->u.commit.problem_count = c->n_problems;
    out->u.commit.file_count = c->n_files;
    return get_files (codec, c->files, c->n_files, &out->u.commit.files);
}

static esp_err put_hash (wire_codec *codec, const record *r, void *body)
{
    Espalier__Hash *h = body;
    (void)codec;
    *h = (Espalier__Hash)ESPALIER__HASH__INIT;
    h->problem = r->u.hash.problem;
    h->digest = r->u.hash.digest;
    return ESP_OK;
}

static esp_err get_hash (wire_codec *codec, const void *body, record *out)
{
    const Espalier__Hash *h = body;
    (void)codec;
    out->u.hash.problem = h->problem;
    out->u.hash.digest = h->digest;
    return wire_known (&h->base) ? ESP_OK : ESP_EFORMAT;
}

static esp_err put_footer (wire_codec *codec, const record *r, void *body)
{
    Espalier__Footer *f = body;
    (void)codec;
    *f = (Espalier__Footer)ESPALIER__FOOTER__INIT;
    f->n_problems = r->u.footer.problem_count;
    f->problems = (uint64_t *)(uintptr_t)r->u.footer.problems;
    return ESP_OK;
}

static esp_err get_footer (wire_codec *codec, const void *body, record *out)
{
    const Espalier__Footer *f = body;
    (void)codec;
    out->u.footer.problems = f->problems;
    out->u.footer.problem_count = f->n_problems;
    return wire_known (&f->base) ? ESP_OK : ESP_EFORMAT;
}

static esp_err put_death (wire_codec *codec, const record *r, void *body)
{
    size_t count = r->u.death.task_count;
    Espalier__Death *d = body;
    *d = (Espalier__Death)ESPALIER__DEATH__INIT;
    d->rank = r->u.death.rank;
    d->alone = r->u.death.alone;
    d->n_problems = d->n_tasks = count;
    d->problems = wire_out (codec, count, sizeof (*d->problems));
    d->tasks = wire_out (codec, count, sizeof (*d->tasks));
    if (!d->problems || !d->tasks)
        return ESP_ENOMEM;
    for (size_t i = 0; i < count; i++) {
        d->problems[i] = r->u.death.tasks[i].problem;
        d->tasks[i] = r->u.death.tasks[i].number;
    }
    return ESP_OK;
}

static esp_err get_death (wire_codec *codec, const void *body, record *out)
{
    const Espalier__Death *d = body;
    task_id *list;
    if (!wire_known (&d->base) || d->n_problems != d->n_tasks)
        return ESP_EFORMAT;
    if (!(list = wire_in (codec, d->n_tasks, sizeof (*list))))
        return codec->failure;
    for (size_t i = 0; i < d->n_tasks; i++)
        list[i] = (task_id){d->problems[i], d->tasks[i]};
    out->u.death.rank = d->rank;
    out->u.death.alone = d->alone;
    out->u.death.tasks = list;
    out->u.death.task_count = d->n_tasks;
    return ESP_OK;
}

static const struct {
    esp_err (*put) (wire_codec *, const record *, void *body); /* body: one of union body */
    esp_err (*get) (wire_codec *, const void *body, record *);
} bodies[RECORD_KINDS] = {
    [RECORD_HEADER] = {put_header, get_header}, [RECORD_SYNCED] = {put_synced, get_synced},
    [RECORD_INPUT] = {put_input, get_input},    [RECORD_COMMIT] = {put_commit, get_commit},
    [RECORD_HASH] = {put_hash, get_hash},       [RECORD_FOOTER] = {put_footer, get_footer},
    [RECORD_DEATH] = {put_death, get_death},
};

esp_err wire_record_encode (wire_codec *codec, const record *r, esp_buf *out)
{
    Espalier__Record e = ESPALIER__RECORD__INIT;
    union body body;
    esp_err err;
    if (!codec || !r || !out)
        return ESP_EINVAL;
    if ((err = wire_check_record (r)) != ESP_OK)
        return err;
    esp_arena_reset (codec->out);
    if ((err = bodies[r->kind].put (codec, r, &body)) != ESP_OK)
        return err;
    e.number = r->number;
    e.body_case = (Espalier__Record__BodyCase)(FIRST_BODY + r->kind);
    e.header = &body.header; /* all bodies share one pointer */
    return wire_pack (&e.base, out);
}

esp_err wire_record_decode (wire_codec *codec, span bytes, record *out)
{
    const Espalier__Record *e;
    record r = {0};
    esp_err err;
    if (!codec || !out)
        return ESP_EINVAL;
    if (!(e = wire_unpack (codec, &espalier__record__descriptor, bytes)))
        return codec->failure;
    if (!wire_get_enum ((int)e->body_case - FIRST_BODY + 1, RECORD_KINDS, &r.kind))
        return ESP_EFORMAT;
    r.number = e->number;
    if ((err = bodies[r.kind].get (codec, e->header, &r)) != ESP_OK)
        return err;
    if (!wire_known (&e->base) || wire_check_record (&r) != ESP_OK)
        return ESP_EFORMAT;
    *out = r;
    return ESP_OK;
}

/* Hostile bytes must not reach a terminal. */
static bool is_printable (span name)
{
    for (size_t i = 0; i < name.len; i++)
        if (name.ptr[i] < ' ' || name.ptr[i] > '~')
            return false;
    return name.len <= PROGRAM_MAX;
}

esp_err wire_record_writer (wire_codec *codec, span bytes, uint32_t *format, span *program)
{
    const Espalier__Record *e;
    if (!codec || !format || !program)
        return ESP_EINVAL;
    if (!(e = wire_unpack (codec, &espalier__record__descriptor, bytes)))
        return codec->failure;
    if (e->body_case != ESPALIER__RECORD__BODY_HEADER)
        return ESP_EFORMAT;
    *format = e->header->format;
    *program = wire_span (e->header->program);
    if (!is_printable (*program))
        *program = span_make ("", 0);
    return ESP_OK;
}
