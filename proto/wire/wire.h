/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_PROTO_WIRE_WIRE_H
#define ESP_PROTO_WIRE_WIRE_H

/* wire.h - plain structs <-> bytes; the only code that sees *.pb-c.h
 *
 * A codec owns the memory of what it decoded last: every span and array of a decoded
 * message or record is borrowed until the next decode by the same codec.  Texts are
 * opaque bytes (a model may emit what is not UTF-8); names and ids are UTF-8.
 *
 * Decoding trusts nothing: counts, enums, sizes and indexes are checked, so that a caller may use what
 * it gets without looking again (prefix indexes are in range, kinds are known, numbers are finite
 * where the struct says so).
 *
 * Threads: a codec belongs to one thread.
 * Versions: docs/protocol.md; a change raises WIRE_VERSION, renews the golden files and adds a row there.
 */

#include "proto/model/event.h"
#include "proto/model/record.h"

enum { WIRE_VERSION = 4 };

/* What one message or record may hold; encoding more is ESP_ETOOBIG, decoding more is ESP_EFORMAT. */
enum {
    WIRE_BYTES_MAX = 256 << 20, /* the whole message */
    WIRE_TEXT_MAX = 16 << 20,   /* bytes of one text */
    WIRE_ID_MAX = 256,          /* bytes of a problem's id, of a token */
    WIRE_NAME_MAX = 4096,       /* bytes of any other name: host, strategy, file, reason */
    WIRE_MODELS_MAX = 128,      /* of one worker: lists of at most 64 generators and 64 PRMs */
    WIRE_ITEMS_MAX =
        65536, /* tasks, results, problems, prefixes, ids, files; scores of a result; steps of a prefix */
    WIRE_STEPS_MAX = 1 << 20,  /* steps of all prefixes of a batch */
    WIRE_EVENTS_MAX = 1 << 20, /* events of one snapshot or publication */
    WIRE_KEYS_MAX = 1 << 22    /* problem keys or ranges of one journal record */
};

typedef struct wire_codec wire_codec;
ESP_MUST_CHECK esp_err wire_codec_create (wire_codec **out);
void wire_codec_destroy (wire_codec *codec); /* accepts NULL */

enum wire_kind {
    /* coordinator -> worker */
    WIRE_WELCOME, /* the run file; the worker opens its engines */
    WIRE_BATCH,   /* problems it lacks, prefixes, tasks */
    WIRE_CANCEL,  /* tasks that are no longer wanted */
    WIRE_PING,    /* heartbeat */
    WIRE_DRAIN,   /* finish what is there, take nothing new */
    WIRE_STOP,    /* leave */
    /* worker -> coordinator */
    WIRE_HELLO,    /* first message */
    WIRE_READY,    /* engines are open; credits per kind.  Also later, when credits change */
    WIRE_REFUSED,  /* engines cannot be opened; text says why */
    WIRE_RESULTS,  /* finished tasks */
    WIRE_MISSING,  /* these tasks name nodes or problems this worker lacks: send again whole */
    WIRE_PROGRESS, /* partial text of a task: to observers only */
    WIRE_PONG,     /* answer to PING: the load */
    WIRE_KINDS
};
extern const char *const wire_kind_names[WIRE_KINDS];

typedef struct wire_step {
    node_ref node;
    bool has_text; /* false: the worker has it */
    span text;
    uint32_t tokens; /* generated tokens of that text */
} wire_step;

typedef struct
    wire_prefix { /* the steps from the root's first child (or the last draft) to one node */
    problem_key problem;
    const wire_step *steps;
    size_t step_count;
} wire_prefix;

typedef struct wire_task {
    task task;
    uint32_t prefix; /* index into the batch's prefixes; ends with task.node */
    uint64_t lease;  /* number of this sending, echoed in the result: a re-sent task has another */
} wire_task;

typedef struct wire_result {
    result result;
    uint64_t lease;
    uint32_t busy_us; /* from receipt to result, for deadlines and reports */
} wire_result;

typedef struct wire_model { /* a model that the servers chose: the run file says auto */
    uint8_t kind;           /* enum task_kind */
    span entry;             /* of the run file's list; empty = the only one */
    span model, server;     /* as it calls itself, not empty; URL of one server that has it */
} wire_model;

typedef struct wire_message {
    uint8_t kind;    /* enum wire_kind */
    uint64_t run_id; /* other runs' strays are dropped by the receiver */
    union {
        struct {
            uint32_t epoch;
            span run_file;       /* resolved YAML */
            uint32_t silence_ms; /* the worker leaves when the coordinator is silent this long */
        } welcome;
        struct {
            const problem *problems;
            size_t problem_count;
            const wire_prefix *prefixes;
            size_t prefix_count;
            const wire_task *tasks;
            size_t task_count;
        } batch;
        struct {
            const task_id *ids;
            size_t count;
        } ids; /* CANCEL, MISSING */
        struct {
            uint64_t sequence;
            uint32_t in_flight[TASK_KINDS]; /* PONG only */
            bool watched; /* PING only: somebody reads PROGRESS; else it need not be sent */
        } ping;           /* PING, PONG */
        struct {
            uint64_t version; /* program and wire version */
            uint32_t pid;
            span host;
        } hello;
        struct {
            uint32_t slots[TASK_KINDS]; /* wanted in flight; 0 = cannot do this kind */
            span engines;               /* one line for the log */
            const wire_model *models;
            size_t model_count;
        } ready;
        span refused;
        struct {
            const wire_result *results;
            size_t count;
        } results;
        struct {
            task_id id;
            span text;
        } progress;
    } u;
} wire_message;

/* Append the bytes of *message to *out; *out is as before on an error.  What was encoded can be decoded: values that
 * the decoder would refuse are refused here.  Errors: ESP_ENOMEM, ESP_ETOOBIG (the limits above), ESP_EINVAL (an
 * unknown kind, an infinite number, a share outside [0, 1], a prefix index out of range, a prefix of another
 * problem or one that does not end with the task's node, a name that is not UTF-8, a file outside the folder). */
ESP_MUST_CHECK esp_err wire_encode (wire_codec *codec, const wire_message *message, esp_buf *out);
/* Errors: ESP_EFORMAT, ESP_EVERSION (other WIRE_VERSION), ESP_ENOMEM; *out is untouched then. */
ESP_MUST_CHECK esp_err wire_decode (wire_codec *codec, span bytes, wire_message *out);

/* The body of one journal frame.  Errors as above; ESP_EVERSION: a header of another RECORD_FORMAT. */
ESP_MUST_CHECK esp_err wire_record_encode (wire_codec *codec, const record *r, esp_buf *out);
ESP_MUST_CHECK esp_err wire_record_decode (wire_codec *codec, span bytes, record *out);
/* Who wrote such a header: *program ("espalier 0.1.0") is empty where no printable ASCII of at most 100 bytes stands.
 * Errors: ESP_EINVAL (NULL), ESP_EFORMAT (no header), ESP_ENOMEM. */
ESP_MUST_CHECK esp_err wire_record_writer (wire_codec *codec, span bytes, uint32_t *format,
                                           span *program);

/* ---- observers: events and control (nng) ---- */

enum control_kind {
    CONTROL_SNAPSHOT, /* ask: the whole state as events, then live from its number */
    CONTROL_COMMAND,  /* ask: steer; answered when journaled */
    CONTROL_STATUS,   /* ask: the progress figures */
    CONTROL_STOP,     /* ask: end the run cleanly (resumable) */
    CONTROL_OK,       /* answer */
    CONTROL_FAILED,   /* answer: text says why */
    CONTROL_KINDS
};

typedef struct run_status { /* figures of the whole run, also in summary.json */
    uint64_t problems_total, problems_open, problems_done, problems_solved, problems_failed;
    uint64_t generations, steps, generated_tokens, scored_tokens, scored_steps;
    uint64_t in_flight, frontier, inputs;
    uint32_t workers, workers_busy_percent;
    double seconds, generations_per_s, eta_s; /* NaN = not known */
} run_status;

typedef struct control_message {
    uint8_t kind;        /* enum control_kind */
    span token;          /* asks only */
    problem_key problem; /* COMMAND; SNAPSHOT: UINT64_MAX = all open problems */
    command command;
    run_status status;   /* answer to STATUS */
    const event *events; /* answer to SNAPSHOT */
    size_t event_count;
    uint64_t number; /* answers: journal number they hold up to */
    span text;
} control_message;

ESP_MUST_CHECK esp_err wire_control_encode (wire_codec *codec, const control_message *m,
                                            esp_buf *out);
ESP_MUST_CHECK esp_err wire_control_decode (wire_codec *codec, span bytes, control_message *out);
/* One published message: events and the present status, with a sequence number so that a gap is seen. */
ESP_MUST_CHECK esp_err wire_events_encode (wire_codec *codec, uint64_t sequence,
                                           const run_status *status, const event *events,
                                           size_t count, esp_buf *out);
ESP_MUST_CHECK esp_err wire_events_decode (wire_codec *codec, span bytes, uint64_t *sequence,
                                           run_status *status, const event **events, size_t *count);

#endif
