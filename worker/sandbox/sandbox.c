/* SPDX-License-Identifier: Apache-2.0 */
/* sandbox.c - see sandbox.h: bubblewrap's words */

#include "worker/sandbox/sandbox.h"
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "proto/base/alloc.h"
#include "proto/base/log.h"
#include "worker/sandbox/sandbox_cgroup.h"

enum { WORDS_MOST = 256, BINDS_MOST = 32, PROBE_MS = 20 * 1000 };

#define BWRAP   "bwrap"
#define PRLIMIT "/usr/bin/prlimit"

struct sandbox {
    sandbox_setup setup;
    int filter;              /* the seccomp filter's file; -1: none */
    sandbox_cgroups *groups; /* owned; NULL: none */
    char no_group[CGROUP_WHY];
};

typedef struct words {
    const char *at[WORDS_MOST];
    size_t count;
} words;

static void add_words (words *w, const char *const *more)
{
    for (; *more && w->count + 1 < WORDS_MOST; more++)
        w->at[w->count++] = *more;
    w->at[w->count] = NULL;
}

/* clang-format off */
static const char *const box[] = {
    BWRAP, "--unshare-all", "--unshare-user", "--disable-userns", "--die-with-parent", "--new-session",
    "--uid", "65534", "--gid", "65534", "--hostname", "sandbox", "--cap-drop", "ALL",
    "--clearenv", "--setenv", "PATH", "/usr/bin", "--setenv", "HOME", "/tmp", "--setenv", "LANG", "C.UTF-8",
    "--setenv", "PYTHONHASHSEED", "0", "--setenv", "OMP_NUM_THREADS", "1",
    "--ro-bind", "/usr", "/usr", "--symlink", "usr/bin", "/bin", "--symlink", "usr/lib", "/lib",
    "--symlink", "usr/lib64", "/lib64", "--ro-bind-try", "/etc/ld.so.cache", "/etc/ld.so.cache",
    "--ro-bind-try", "/etc/alternatives", "/etc/alternatives",
    "--proc", "/proc", "--ro-bind", "/proc/sys", "/proc/sys", /* else root's sandbox could write there */
    "--dev", "/dev", "--size", "16777216", "--tmpfs", "/dev/shm", "--remount-ro", "/dev",
    "--size", "67108864", "--tmpfs", "/tmp", NULL};
static const char *const box_end[] = {"--remount-ro", "/", "--chdir", "/tmp", "--seccomp", "3", "--", NULL};
/* clang-format on */

/* Limits on processes do not count for root: its programs begin as nobody, before the first namespace. */
static const char *const as_nobody[] = {"/usr/bin/setpriv", "--reuid=65534", "--regid=65534",
                                        "--clear-groups", NULL};

/* Whoever comes next in these words is in a group of its own, and so is all that it starts. */
static void add_group (const sandbox *b, words *w)
{
    const char *procs = b->groups ? sandbox_cgroups_next (b->groups) : NULL;
    if (procs)
        add_words (w, (const char *const[]){"/bin/sh", "-c", "echo 0 >\"$0\" && exec \"$@\"", procs,
                                            NULL});
}

static void add_box (const sandbox *b, const sandbox_file *file, words *w)
{
    if (geteuid () == 0)
        add_words (w, as_nobody);
    add_words (w, box);
    for (size_t i = 0; i < b->setup.bind_count && i < BINDS_MOST; i++)
        add_words (w,
                   (const char *const[]){"--ro-bind", b->setup.binds[i], b->setup.binds[i], NULL});
    if (file)
        add_words (w, (const char *const[]){"--ro-bind-data", "4", file->path, NULL});
    add_words (w, box_end);
}

struct limit_words {
    char text[5][40];
};

static void add_limit (words *w, char text[40], const char *name, int64_t value, int64_t unit)
{
    if (value <= 0)
        return;
    snprintf (text, 40, "--%s=%lld", name, (long long)(value * unit));
    w->at[w->count++] = text;
    w->at[w->count] = NULL;
}

static void add_limits (words *w, const sandbox_limits *l, struct limit_words *text)
{
    add_words (w, (const char *const[]){PRLIMIT, "--core=0", "--nofile=256", NULL});
    add_limit (w, text->text[0], "as", l->memory_mb, 1 << 20);
    add_limit (w, text->text[1], "cpu", l->cpu_s, 1);
    add_limit (w, text->text[2], "nproc", l->processes, 1);
    add_limit (w, text->text[3], "fsize", l->file_mb, 1 << 20);
}

esp_err sandbox_start (const sandbox *b, const sandbox_program *program, line_process **out,
                       esp_error *error)
{
    words w = {.count = 0};
    struct limit_words text;
    const sandbox_file *file = b->setup.bare ? NULL : program->file;
    line_process_setup how = {
        .argv = w.at, .line_most = program->line_most, .give = {b->filter, file ? file->fd : -1}};
    if (!b->setup.bare) {
        add_group (b, &w);
        add_box (b, file, &w);
    }
    if (program->limits)
        add_limits (&w, program->limits, &text);
    add_words (&w, program->argv);
    return line_process_start (&how, out, error);
}

bool sandbox_is_bare (const sandbox *b)
{
    return b->setup.bare;
}

/* ---- what the host allows ---- */

static const char advice[] = "allow user namespaces (sysctl user.max_user_namespaces, "
                             "kernel.unprivileged_userns_clone; containers: a seccomp profile that "
                             "lets unshare through), verify on ranks that can (workers:), or set "
                             "sandbox: none, which runs programs of models with your rights";

/* bubblewrap's own words come as a line: its errors go where its output goes. */
static esp_err probe (const sandbox *b, esp_error *error)
{
    words w = {.count = 0};
    line_process_setup how = {.argv = w.at, .give = {b->filter, -1}};
    line_process *p;
    enum line_heard heard;
    span line = span_of ("it ended without a word");
    esp_err err;
    add_words (&w, (const char *const[]){"/bin/sh", "-c", "exec \"$0\" \"$@\" 2>&1", NULL});
    add_group (b, &w);
    add_box (b, NULL, &w);
    add_words (&w, (const char *const[]){"/usr/bin/printf", "contained\\n", NULL});
    if ((err = line_process_start (&how, &p, error)) != ESP_OK)
        return err;
    struct pollfd fd = {.fd = line_process_fd (p), .events = POLLIN};
    while ((heard = line_process_hear (p, &line)) == LINE_NONE)
        if (poll (&fd, 1, PROBE_MS) == 0)
            break;
    if (heard == LINE_HEARD && span_is (line, "contained"))
        err = ESP_OK;
    else if (heard == LINE_NONE)
        err =
            esp_error_set (error, ESP_ETIMEOUT, "%s.sandbox: bubblewrap did not answer within %d s",
                           b->setup.section, PROBE_MS / 1000);
    else if (span_find (line, span_of ("find source path")) < line.len)
        err = esp_error_set (error, ESP_EUNSUPPORTED,
                             "%s.binds: %.*s; it must be there, and when root starts the sandbox "
                             "the user nobody must be able to read it",
                             b->setup.section, (int)(line.len < 300 ? line.len : 300), line.ptr);
    else
        err = esp_error_set (error, ESP_EUNSUPPORTED,
                             "%s.sandbox: bubblewrap cannot contain programs here (%.*s); %s",
                             b->setup.section, (int)(line.len < 200 ? line.len : 200), line.ptr,
                             advice);
    line_process_destroy (p);
    return err;
}

static bool have_bwrap (void)
{
    const char *path = getenv ("PATH");
    char file[4096];
    while (path && *path) {
        size_t n = strcspn (path, ":");
        snprintf (file, sizeof (file), "%.*s/" BWRAP, (int)(n < 4000 ? n : 4000), path);
        if (access (file, X_OK) == 0)
            return true;
        path += n + (path[n] == ':');
    }
    return false;
}

/* Groups are good to have, and no more: whatever is in the way is said. */
static void try_groups (sandbox *b)
{
    esp_error error = {0};
    esp_err err = sandbox_cgroups_create (b->setup.group_memory_mb, b->setup.group_processes,
                                          &b->groups, b->no_group);
    if (err == ESP_OK && probe (b, &error) != ESP_OK) {
        snprintf (b->no_group, sizeof (b->no_group), "a program cannot be put into a group");
        sandbox_cgroups_destroy (b->groups);
        b->groups = NULL;
    } else if (err != ESP_OK && !b->no_group[0]) {
        snprintf (b->no_group, sizeof (b->no_group), "%s", esp_err_text (err));
    }
    if (!b->groups)
        esp_log (LOG_INFO, "SANDBOX-NO-CGROUP",
                 "%s; limits hold for each process of a program, not for all together",
                 b->no_group);
}

esp_err sandbox_create (const sandbox_setup *setup, sandbox **out, esp_error *error)
{
    sandbox *b = esp_calloc (1, sizeof (*b));
    esp_err err = ESP_OK;
    if (!b)
        return esp_error_set (error, ESP_ENOMEM, "out of memory");
    b->setup = *setup;
    b->filter = -1;
    if (!setup->bare && !have_bwrap ())
        err = esp_error_set (error, ESP_ENOENT,
                             "%s.sandbox: there is no program bwrap here; install bubblewrap "
                             "(Debian: apt-get install bubblewrap), "
                             "or set sandbox: none, which runs programs of models with your rights",
                             setup->section);
    if (err == ESP_OK && !setup->bare && (b->filter = sandbox_filter ()) < 0)
        err = esp_error_set (error, ESP_EIO, "%s.sandbox: no seccomp filter: %s", setup->section,
                             strerror (errno));
    if (err == ESP_OK && !setup->bare)
        err = probe (b, error);
    if (err != ESP_OK) {
        sandbox_destroy (b);
        return err;
    }
    if (!setup->bare)
        try_groups (b);
    *out = b;
    return ESP_OK;
}

void sandbox_destroy (sandbox *b)
{
    if (!b)
        return;
    if (b->filter >= 0)
        close (b->filter);
    sandbox_cgroups_destroy (b->groups);
    esp_free (b);
}

const char *sandbox_name (const sandbox *b)
{
    return b->setup.bare ? "none" : b->groups ? "bwrap+seccomp+cgroup" : "bwrap+seccomp";
}

const char *sandbox_no_cgroup (const sandbox *b)
{
    return b->no_group;
}
