/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_COORDINATOR_OBSERVE_OBSERVE_H
#define ESP_COORDINATOR_OBSERVE_OBSERVE_H

/* observe.h - events out, commands in, without ever slowing the search (design.md, D10)
 *
 * An nng pub socket carries numbered events and the run's figures; an nng rep socket answers snapshots and takes
 * commands.  Where to connect and the token are in OUTPUT/control.json (0600).  nng's threads only move bytes
 * into and out of bounded queues; everything else happens in observe_pass, in the loop's thread.  A slow or dead
 * observer loses events, never time.
 *
 * A snapshot travels in pages, so that none costs the loop more than about 1 ms, and pages take at most a fifth
 * of its time.  Searches go on between two pages; that is sound because an event sets state and never counts:
 * whoever applies the pages, and then every live event with a number above that of the first page, ends with the
 * present state. To ask: CONTROL_SNAPSHOT, text = empty for the first page, then the text of the answer before;
 * an answer without text is the last page.
 *
 * Progress goes out as an event of number 0 (it is in no journal): EVENT_TEXT of a node that has no text yet.
 * Event texts are cut to OBSERVE_TEXT_MAX bytes.
 *
 * The loop's side comes as a table of functions, so that this module knows no search.
 */

#include "proto/base/clock.h"
#include "proto/wire/wire.h"

enum { OBSERVE_TEXT_MAX = 65536 };

typedef struct observe_cursor { /* where the next page of a snapshot begins; zero: at the start */
    problem_key problem;
    node_ref node;
} observe_cursor;

typedef struct observe_world {
    void *ctx;
    void (*status) (void *ctx, run_status *out);
    /* Events that rebuild the present state of one problem (or of all open ones, by rising key: UINT64_MAX), from *at
     * on, given to emit in order until it says no: the event that it refused is then the first of the next page,
     * or of a node of it that is told again from the start.  Returns whether more follows; *at is where.  *number:
     * the journal number they hold up to. */
    bool (*snapshot) (void *ctx, problem_key key, observe_cursor *at,
                      bool (*emit) (void *to, const event *e), void *to, uint64_t *number);
    /* Journal and apply; *number as coordinator_command.  Errors: ESP_ENOENT. */
    esp_err (*command) (void *ctx, problem_key key, const command *c, uint64_t *number);
    uint64_t (*durable) (void *ctx); /* replies to commands leave when this reached their number */
    void (*stop) (void *ctx);        /* CONTROL_STOP: end the run cleanly */
} observe_world;

typedef struct observe observe;

/* Open the sockets and write OUTPUT/control.json: {"events": URL, "control": URL, "token": hex, "pid": n, "host":
 * name}. listen: NULL = ipc sockets in $XDG_RUNTIME_DIR or /tmp (folder 0700 of this user), else tcp://host:port
 * (see place.h).  *world is copied.  Errors: ESP_EIO, ESP_EPERMISSION, ESP_EFORMAT (sentence); the run may go on
 * without observers. */
ESP_MUST_CHECK esp_err observe_open (const char *output, const char *listen, const esp_clock *clock,
                                     const observe_world *world, observe **out, esp_error *error);
/* Queue events for the next message; copies; drops what waits when it is more than a bound (a gap in the sequence
 * numbers tells).  Costs nothing while nobody watches.  Accepts NULL. */
void observe_events (observe *o, const event *events, size_t count);
void observe_progress (observe *o, problem_key key, node_ref n, span text);
bool observe_watched (const observe *o); /* somebody is subscribed; NULL: false */
/* Publish what waits (at most every 50 ms, or 64 kB) and serve control requests, for at most about 1 ms. */
void observe_pass (observe *o);
/* Becomes readable when a request came, so that a sleeping loop need not let it wait; observe_pass empties it. */
int observe_fd (const observe *o);
/* Accepts NULL.  Publishes what waits, answers what can be answered and refuses the rest; removes control.json and
 * the socket files. */
void observe_close (observe *o);

#endif
