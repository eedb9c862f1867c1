/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_COORDINATOR_JOURNAL_JOURNAL_PRIVATE_H
#define ESP_COORDINATOR_JOURNAL_JOURNAL_PRIVATE_H

/* journal_private.h - what the files of coordinator/journal share; for nobody else but their tests
 *
 * Longer than a header should be: it is eleven small ones in one place, in the order of the list.
 *
 *   journal.c          loop side: the filling batch, create, close
 *   journal_resume.c   go on with a run: replay, cut, seal, next segment
 *   journal_writer.c   the thread: batches, rows, rotation
 *   journal_state.c    what a segment's header says, kept current
 *   journal_segment.c  frames and files of segments
 *   journal_names.c    their names; what the system says when it fails
 *   journal_reader.c   frames back from a file, plain or zstd
 *   journal_replay.c   the open segments as resume needs them; torn tail or damage
 *   journal_walk.c     everything there is, read-only; peek
 *   journal_rows.c     row files
 *   journal_closer.c   finished segments go to closed/
 *   journal_lock.c     one writer per output folder
 *   journal_sets.c     ranges and sets of keys
 */

#include <pthread.h>
#include <stdatomic.h>
#include "coordinator/journal/journal.h"
#include "proto/base/clock.h"
#include "proto/wire/wire.h"

enum {
    JOURNAL_FRAME_HEAD = 8,                /* bytes: length, CRC-32C */
    JOURNAL_FRAME_MAX = 256 * 1024 * 1024, /* bytes of a body; what wire_encode allows too */
    JOURNAL_SYNCED_MAX =
        64, /* bytes of a SYNCED body at most; keeps the scan after a bad frame cheap */
    JOURNAL_PATH_MAX = 4096,       /* PATH_MAX of Linux */
    JOURNAL_GATHERED = 1024 * 1024 /* bytes: so much is written at once, whatever commit_ms says */
};

/* ---- journal_sets.c ---- */

typedef struct journal_ranges { /* sorted, apart from each other: [first, first + count) */
    key_range *items;           /* owned */
    size_t count, capacity;
} journal_ranges;

bool journal_ranges_has (const journal_ranges *r, uint64_t first,
                         uint64_t count); /* all of [first, first + count) */
ESP_MUST_CHECK esp_err journal_ranges_add (journal_ranges *r,
                                           uint64_t key); /* no effect if it is there */
/* Errors: ESP_EFORMAT (not sorted, empty or overlapping), ESP_ENOMEM. */
ESP_MUST_CHECK esp_err journal_ranges_copy (journal_ranges *to, const key_range *items,
                                            size_t count);
void journal_ranges_free (journal_ranges *r);

typedef struct journal_keys { /* a set that remembers the order of arrival */
    problem_key *list;        /* owned */
    size_t count, capacity;
    uint64_t *slots; /* owned; key + 1, 0 = free */
    size_t slot_count;
} journal_keys;

ESP_MUST_CHECK esp_err journal_keys_add (journal_keys *k, problem_key key);
void journal_keys_free (journal_keys *k);

/* ---- journal_rows.c ---- */

typedef struct journal_file {
    char *name; /* owned; inside the output folder */
    int fd;
    uint64_t bytes;     /* on disk, by us */
    uint64_t committed; /* noted in a durable COMMIT or header */
    esp_buf packed;     /* owned: rows of a .zst file on their way */
    bool fresh;         /* no header names it yet: an older program began the run */
} journal_file;

/* Create (exists: must be empty). */
ESP_MUST_CHECK esp_err journal_file_create (const char *folder, journal_file *f, bool sync,
                                            esp_error *error);
/* Is there at least what was committed?  Changes nothing. */
ESP_MUST_CHECK esp_err journal_file_check (const char *folder, const journal_file *f,
                                           esp_error *error);
/* Open for appending and cut to the committed length. */
ESP_MUST_CHECK esp_err journal_file_resume (const char *folder, journal_file *f, bool sync,
                                            esp_error *error);
/* Append and, if sync, make durable; a part that was written is cut back on failure. */
ESP_MUST_CHECK esp_err journal_file_append (const char *folder, journal_file *f, span rows,
                                            bool sync, esp_error *error);

/* ---- journal_state.c ---- */

typedef struct journal_left { /* a segment that was left and is still open */
    uint32_t segment;
    problem_key *
        problems; /* owned; those with inputs or deaths in it that had not finished when last looked */
    size_t count;
} journal_left;

typedef struct journal_state {
    uint64_t run_id, identity;
    uint32_t epoch, segment, semantics;
    uint64_t last;            /* number of the last input */
    uint64_t up_to;           /* of the last COMMIT of the present segment, if any */
    char *strategy, *program; /* owned */
    esp_buf run_file;         /* owned */
    journal_ranges finished;  /* problems, by durable COMMITs */
    journal_ranges closed;    /* segments */
    journal_left *left;       /* owned */
    size_t left_count, left_capacity;
    journal_keys problems; /* with inputs or deaths in the present segment */
    journal_file *files;   /* owned */
    size_t file_count;
} journal_state;

void journal_state_init (journal_state *s);
void journal_state_free (journal_state *s); /* closes the row files */
ESP_MUST_CHECK esp_err journal_state_set_run (journal_state *s, const journal_run *run);
ESP_MUST_CHECK esp_err journal_state_set_files (journal_state *s, const char *const *names,
                                                size_t count);
/* One more, that no header names yet. */
ESP_MUST_CHECK esp_err journal_state_add_file (journal_state *s, const char *name);
/* Take over what a header says.  Errors: ESP_EDAMAGE (nonsense inside), ESP_ENOMEM. */
ESP_MUST_CHECK esp_err journal_state_from_header (journal_state *s, const record_header *h);
/* A COMMIT that is durable.  Errors: ESP_EDAMAGE (a file that the header does not know), ESP_ENOMEM. */
ESP_MUST_CHECK esp_err journal_state_commit (journal_state *s, const record *commit);
/* The COMMIT for what is now in the row files; *offsets (file_count long) is the caller's. */
record journal_state_commit_record (const journal_state *s, uint64_t up_to,
                                    const problem_key *problems, size_t count,
                                    file_offset *offsets);
/* The present segment was left: its problems become one more row of `left`, the set is emptied. */
ESP_MUST_CHECK esp_err journal_state_leave (journal_state *s);
ESP_MUST_CHECK esp_err journal_state_add_left (journal_state *s, uint32_t segment,
                                               const problem_key *problems, size_t count);
/* Move every left segment whose problems are all finished to `closed`; each is told to found (ctx). */
ESP_MUST_CHECK esp_err journal_state_close_finished (journal_state *s,
                                                     esp_err (*found) (void *ctx, uint32_t segment),
                                                     void *ctx);

/* ---- journal_names.c ---- */

enum journal_place { JOURNAL_OPEN, JOURNAL_OPEN_TEMP, JOURNAL_CLOSED, JOURNAL_CLOSED_TEMP };
/* Path of a segment.  out: JOURNAL_PATH_MAX bytes. */
ESP_MUST_CHECK esp_err journal_segment_path (const char *folder, uint32_t segment,
                                             enum journal_place place, char *out, esp_error *error);
/* "FOLDER/journal/NAME" */
ESP_MUST_CHECK esp_err journal_path (const char *folder, const char *name, char *out,
                                     esp_error *error);
/* Numbers of the segments in a place, ascending; *numbers is freed by the caller.  ESP_ENOENT: no such folder. */
ESP_MUST_CHECK esp_err journal_segment_list (const char *folder, enum journal_place place,
                                             uint32_t **numbers, size_t *count, esp_error *error);
/* Set *error from errno: "PATH: cannot VERB: ..." */
esp_err journal_io_failed (esp_error *error, const char *path, const char *verb);

/* ---- journal_segment.c ---- */

/* Append one frame.  Errors: ESP_ENOMEM, ESP_ETOOBIG; *out is as before then. */
ESP_MUST_CHECK esp_err journal_frame_add (wire_codec *codec, const record *r, esp_buf *out);
ESP_MUST_CHECK esp_err journal_frame_synced (wire_codec *codec, uint64_t offset, uint64_t last,
                                             esp_buf *out);
ESP_MUST_CHECK esp_err journal_frame_footer (wire_codec *codec, const journal_state *s,
                                             esp_buf *out);

/* pwrite of all bytes; 0, or -1 and errno. */
int journal_write_at (int fd, span bytes, uint64_t offset);

typedef struct journal_segment { /* the one that is written */
    int fd;
    uint64_t bytes; /* written and whole */
    char path[JOURNAL_PATH_MAX];
} journal_segment;

/* Make segment s->segment appear whole, with its header, or not at all.
 * Errors: ESP_ECONFLICT (the name is taken: another process goes on with this run), ESP_ENOSPC, ESP_EIO, ... */
ESP_MUST_CHECK esp_err journal_segment_create (const char *folder, const journal_state *s,
                                               wire_codec *codec, bool sync, journal_segment *out,
                                               esp_error *error);
/* Write frames and make them durable.  On failure what was durable before stays, a part that was written is cut back.
 * Errors: ESP_ECONFLICT (the file was replaced or deleted under us), ESP_ENOSPC, ESP_EIO. */
ESP_MUST_CHECK esp_err journal_segment_append (journal_segment *g, span frames, bool sync,
                                               esp_error *error);
/* Note that everything so far is on disk.  Not synced itself: losing the mark loses no input. */
ESP_MUST_CHECK esp_err journal_segment_mark (journal_segment *g, wire_codec *codec, uint64_t last,
                                             esp_buf *scratch, esp_error *error);
/* Replace a segment that was not left in order by its first `bytes` bytes and a footer: an old
 * process that still holds the file writes into nothing. */
ESP_MUST_CHECK esp_err journal_segment_seal (const char *folder, const journal_state *s,
                                             uint64_t bytes, wire_codec *codec, bool sync,
                                             esp_error *error);

/* ---- journal_reader.c ---- */

typedef struct journal_reader {
    int fd;
    void *zstd;     /* ZSTD_DStream or NULL */
    esp_buf packed; /* zstd only */
    size_t packed_at;
    esp_buf data; /* unread bytes begin at `at` */
    size_t at;
    uint64_t offset; /* of data.data[at] in the (unpacked) segment */
    bool end, broken,
        frame_end; /* the file ended; the zstd stream is damaged; or is between two frames */
    bool has_header;
    uint64_t last; /* number of the last input read, once the header was read */
    wire_codec *codec;
    char path[JOURNAL_PATH_MAX];
} journal_reader;

/* Errors: ESP_ENOENT, ESP_EPERMISSION, ESP_EIO, ESP_ENOMEM. */
ESP_MUST_CHECK esp_err journal_reader_open (journal_reader *r, const char *path, bool packed,
                                            esp_error *error);
void journal_reader_close (journal_reader *r);
/* Next record, borrowed until the next call; *start is its offset.  ESP_EEMPTY: the file ends here.  ESP_EFORMAT: what
 * stands at *start is no whole, valid frame (the reader stays there).  ESP_EDAMAGE: a valid frame that does not belong
 * here.  ESP_EIO, ESP_ENOMEM. */
ESP_MUST_CHECK esp_err journal_reader_next (journal_reader *r, record *out, uint64_t *start,
                                            esp_error *error);
void journal_reader_again (
    journal_reader *r); /* forget what was read ahead: the file may have grown (plain files only) */
/* "PATH: damaged at byte N: WHAT" */
esp_err
journal_reader_damage (const journal_reader *r, uint64_t start, const char *what, esp_error *error);
/* First record: must be the header of this segment.  Errors: ESP_EDAMAGE, ESP_EVERSION, ... */
ESP_MUST_CHECK esp_err journal_reader_header (journal_reader *r, uint32_t segment, record *out,
                                              esp_error *error);
ESP_MUST_CHECK esp_err journal_reader_size (const journal_reader *r, uint64_t *bytes,
                                            esp_error *error);
/* Is there a SYNCED mark after `from` (plain files only)?  *found is UINT64_MAX if not. */
ESP_MUST_CHECK esp_err journal_reader_scan (journal_reader *r, uint64_t from, uint64_t *found,
                                            esp_error *error);

/* ---- journal_replay.c ---- */

typedef struct journal_tail { /* of the newest segment */
    bool footer;              /* left in order */
    uint64_t bytes;           /* whole frames */
    uint64_t torn;            /* bytes after them */
} journal_tail;

/* Read what resume needs, change nothing.  *s is initialised by the caller and freed by it, also on failure. */
ESP_MUST_CHECK esp_err journal_replay (const char *folder, journal_visit visit, void *ctx,
                                       journal_state *s, journal_tail *tail, esp_error *error);

/* ---- journal_lock.c ---- */

typedef struct journal_lock {
    int fd;
    bool by_name; /* the file system has no locks: the file's existence is the lock */
    char path[JOURNAL_PATH_MAX];
} journal_lock;

/* set: how to lock a descriptor, 0 or -1 and errno; NULL = fcntl.  For tests.
 * Errors: ESP_ELOCKED, ESP_EPERMISSION, ESP_EIO, ... */
ESP_MUST_CHECK esp_err journal_lock_take (const char *folder, int (*set) (int fd),
                                          journal_lock *out, esp_error *error);
void journal_lock_drop (journal_lock *lock);

/* ---- journal_closer.c ---- */

typedef struct journal_closer journal_closer;
ESP_MUST_CHECK esp_err journal_closer_create (const char *folder, bool keep, bool sync,
                                              journal_closer **out);
ESP_MUST_CHECK esp_err journal_closer_add (journal_closer *c, uint32_t segment);
bool journal_closer_waiting (const journal_closer *c); /* is there work? */
/* One small piece of work, if there is any.  A failure is said in the log and ends the closing, nothing
 * else: the segments stay where they are and the next start tries again. */
void journal_closer_step (journal_closer *c);
void journal_closer_destroy (journal_closer *c); /* accepts NULL */

/* ---- journal_writer.c ---- */

typedef struct journal_batch {
    esp_buf frames;
    uint64_t last;         /* number of the last input queued */
    problem_key *problems; /* with inputs or tasks at a death in it, in order; neighbours differ */
    size_t problem_count, problem_capacity;
    esp_buf *rows;      /* one for each row file */
    problem_key *ended; /* whose rows they are */
    size_t ended_count, ended_capacity;
    uint64_t up_to; /* highest number given with rows */
    size_t bytes;   /* of frames and rows */
} journal_batch;

typedef struct journal_writer {
    journal_options options;
    const char *folder; /* borrowed from the journal */
    pthread_t thread;
    bool started;
    pthread_mutex_t mutex;
    pthread_cond_t work, done;
    /* under the mutex */
    journal_batch filling;
    bool stop, urgent, busy;
    bool sleeping; /* until there is something; else the thread looks by itself */
    esp_error failure;
    /* read by the loop */
    _Atomic uint64_t durable, committed, progress, cpu_ns;
    _Atomic size_t backlog;
    _Atomic bool failed;
    int wake_fd;
    /* the thread's own */
    journal_batch writing;
    journal_state state;
    journal_segment segment;
    journal_closer *closer;
    wire_codec *codec;
    esp_buf scratch;
    file_offset *offsets;
    uint64_t not_before_ns; /* the next batch is taken then, if nothing is urgent */
} journal_writer;

/* state is taken on success.  The segment is opened by journal_writer_start. */
ESP_MUST_CHECK esp_err journal_writer_create (const char *folder, const journal_options *options,
                                              journal_state *state, journal_writer **out);
ESP_MUST_CHECK esp_err journal_writer_start (journal_writer *w, esp_error *error);
void journal_writer_destroy (journal_writer *w); /* accepts NULL; stops the thread in order first */

struct journal {
    char folder[JOURNAL_PATH_MAX];
    journal_lock lock;
    bool enabled;
    wire_codec *codec;       /* the loop's */
    uint64_t next;           /* number of the next input */
    uint64_t seen, cleared;  /* progress at the last flush, and when wake_fd was emptied */
    journal_ranges finished; /* what resume handed out */
    journal_writer *writer;
};

/* What create and resume share.  Check their arguments and make the object; no file is touched. */
ESP_MUST_CHECK esp_err journal_prepare (const char *folder, const journal_options *options,
                                        const journal_run *run, const char *const *row_files,
                                        size_t row_file_count, journal **out, esp_error *error);
/* Open the next segment and start the thread.  *s is taken on success. */
ESP_MUST_CHECK esp_err journal_begin (journal *j, const journal_options *options, journal_state *s,
                                      esp_error *error);

#endif
