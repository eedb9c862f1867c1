/* SPDX-License-Identifier: Apache-2.0 */
/* external_process.c - see external_process.h
 *
 * Between fork and exec only system calls are made: the worker has threads, and one of them may hold the heap's lock.
 */

#include "worker/engine/external_process.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "proto/base/alloc.h"
#include "proto/base/log.h"
#include "proto/base/file.h"
#include "proto/base/text.h"

enum {
    LINES_KEPT = 9,  /* one of them is being read */
    LINE_MOST = 400, /* bytes of one line that is handed on; the rest of it is a line of its own */
    READ_MOST =
        64 * 1024,    /* bytes of one poll: a program that floods us must not stop the worker */
    WORDS_MOST = 256, /* of a command that is started without a shell */
    OPEN_MOST = 65536 /* descriptors closed one by one where close_range is not there */
};

struct external_process {
    pid_t pid;
    bool ended;
    char end[32];
    int out; /* reading end of its stdout and stderr; -1: closed */
    char lines[LINES_KEPT]
              [LINE_MOST + 1]; /* a ring; the one that is being read is number line_count */
    unsigned line_count;
    size_t line_len;
};

struct launch {
    char *words;            /* owned; the command, cut at its blanks */
    char *argv[WORDS_MOST]; /* into words */
    char shell[8], option[3];
    char **envp;     /* owned list; the strings are borrowed */
    int out, report; /* writing ends */
    pid_t parent;
};

extern char **environ;

/* ---- what is started ---- */

/* Nothing in it means something to a shell, such as "NAME=value program" would. */
static bool is_plain (const char *command)
{
    size_t first = strspn (command, " ");
    first += strcspn (command + first, " =");
    return command[first] != '=' && command[strcspn (command, "|&;<>()$`\\\"'*?[]#~!\n\t")] == 0;
}

static bool split (struct launch *l)
{
    char *rest = NULL;
    size_t n = 0;
    for (char *word = strtok_r (l->words, " ", &rest); word; word = strtok_r (NULL, " ", &rest)) {
        if (n + 1 == WORDS_MOST)
            return false;
        l->argv[n++] = word;
    }
    return n > 0;
}

/* Is it set by one of the variables? */
static bool is_replaced (const char *entry, const char *const *variables)
{
    size_t name = strcspn (entry, "=") + 1;
    for (size_t i = 0; variables[i]; i++)
        if (strncmp (entry, variables[i], name) == 0)
            return true;
    return false;
}

static bool add_environment (struct launch *l, const char *const *variables)
{
    size_t n = 0, more = 0, at = 0;
    while (environ[n])
        n++;
    while (variables[more])
        more++;
    if (!(l->envp = esp_calloc (n + more + 1, sizeof (*l->envp))))
        return false;
    for (size_t i = 0; i < more; i++)
        l->envp[at++] = (char *)(uintptr_t)variables[i];
    for (size_t i = 0; i < n; i++)
        if (!is_replaced (environ[i], variables))
            l->envp[at++] = environ[i];
    return true;
}

/* ---- the child ---- */

static void close_others (int from)
{
#ifdef SYS_close_range
    if (syscall (SYS_close_range, (unsigned)from, ~0U, 0U) == 0)
        return;
#endif
    for (int fd = from; fd < OPEN_MOST; fd++)
        close (fd);
}

static _Noreturn void be_the_child (const struct launch *l)
{
    static const int reset[] = {SIGPIPE, SIGXFSZ, SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGCHLD};
    sigset_t none;
    int nothing = open ("/dev/null", O_RDONLY), report;
    setpgid (0, 0);
    prctl (PR_SET_PDEATHSIG, SIGKILL);
    if (getppid () != l->parent)
        _exit (127); /* it died before the line above */
    for (size_t i = 0; i < sizeof (reset) / sizeof (reset[0]); i++)
        signal (reset[i], SIG_DFL);
    sigemptyset (&none);
    sigprocmask (SIG_SETMASK, &none, NULL);
    report = fcntl (l->report, F_DUPFD_CLOEXEC, 10);
    if (nothing >= 0 && report >= 0 && dup2 (l->out, 1) >= 0 && dup2 (l->out, 2) >= 0 &&
        dup2 (nothing, 0) >= 0 && dup2 (report, 3) >= 0) {
        fcntl (3, F_SETFD, FD_CLOEXEC);
        close_others (4);
        execvpe (l->argv[0], l->argv, l->envp);
        report = 3;
    }
    nothing = errno;
    if (write (report, &nothing, sizeof (nothing)) < 0)
        _exit (126);
    _exit (127);
}

/* ---- start ---- */

static esp_err cannot (esp_error *error, const char *command, int number)
{
    esp_err err = esp_err_of_errno (number);
    return esp_error_set (error, err == ESP_OK ? ESP_EIO : err, "'%.200s' cannot be started: %s",
                          command, strerror (number));
}

/* errno of a failed exec; 0: the program runs. */
static int read_report (int fd)
{
    int number = 0;
    ssize_t n;
    do
        n = read (fd, &number, sizeof (number));
    while (n < 0 && errno == EINTR);
    return n == (ssize_t)sizeof (number) ? number : 0;
}

/* 0, or an errno.  The writing ends are closed here. */
static int launch (struct launch *l, external_process *p)
{
    int out[2], report[2], number;
    if (pipe2 (out, O_CLOEXEC) != 0)
        return errno;
    if (pipe2 (report, O_CLOEXEC) != 0) {
        number = errno;
        close (out[0]);
        close (out[1]);
        return number;
    }
    l->out = out[1];
    l->report = report[1];
    l->parent = getpid ();
    p->pid = fork ();
    number = p->pid < 0 ? errno : 0;
    if (p->pid == 0)
        be_the_child (l);
    close (out[1]);
    close (report[1]);
    if (number == 0)
        setpgid (p->pid, p->pid); /* both do it: whoever comes first */
    p->out = out[0];
    if (number == 0 && (number = read_report (report[0])) != 0)
        (void)waitpid (p->pid, NULL, 0);
    close (report[0]);
    if (number == 0 && fcntl (p->out, F_SETFL, O_NONBLOCK) != 0)
        number = errno;
    return number;
}

static esp_err
prepare (struct launch *l, const char *command, const char *const *variables, esp_error *error)
{
    bool fine = true;
    if (!(l->words = esp_strdup (command)) || !add_environment (l, variables))
        return esp_error_set (error, ESP_ENOMEM, "out of memory");
    if (is_plain (command)) {
        fine = split (l);
    } else {
        l->argv[0] = strcpy (l->shell, "/bin/sh");
        l->argv[1] = strcpy (l->option, "-c");
        l->argv[2] = l->words;
    }
    return fine ? ESP_OK
                : esp_error_set (error, ESP_EINVAL, "the command is empty, or has too many words");
}

esp_err external_process_start (const char *command, const char *const *variables,
                                external_process **out, esp_error *error)
{
    external_process *p = esp_calloc (1, sizeof (*p));
    struct launch *l = esp_calloc (1, sizeof (*l));
    esp_err err = ESP_ENOMEM;
    int number = 0;
    if (p)
        p->out = -1;
    if (!p || !l)
        esp_error_set (error, err, "out of memory");
    else if ((err = prepare (l, command, variables, error)) == ESP_OK &&
             (number = launch (l, p)) != 0)
        err = cannot (error, command, number);
    if (l) {
        esp_free (l->words);
        esp_free (l->envp);
    }
    esp_free (l);
    if (err != ESP_OK) {
        if (p && p->out >= 0)
            close (p->out);
        esp_free (p);
        return err;
    }
    *out = p;
    return ESP_OK;
}

/* ---- while it runs ---- */

/* Without taking the zombie away: its number, which names the group, stays ours until external_process_stop. */
static void look (external_process *p)
{
    siginfo_t info = {.si_pid = 0};
    int got = p->ended ? 0 : waitid (P_PID, (id_t)p->pid, &info, WEXITED | WNOHANG | WNOWAIT);
    if (p->ended || (got == 0 && info.si_pid == 0) || (got != 0 && errno == EINTR))
        return;
    p->ended = true;
    if (got != 0)
        snprintf (p->end, sizeof (p->end), "an unknown status");
    else
        snprintf (p->end, sizeof (p->end), "%s %d",
                  info.si_code == CLD_EXITED ? "status" : "signal", info.si_status);
}

static void end_line (external_process *p, void (*line) (void *ctx, const char *text), void *ctx)
{
    char *at = p->lines[p->line_count % LINES_KEPT];
    at[p->line_len] = 0;
    esp_text_scrub (at);
    if (p->line_len > 0) {
        line (ctx, at);
        p->line_count++;
    }
    p->line_len = 0;
}

static void take (external_process *p, const char *bytes, size_t n,
                  void (*line) (void *ctx, const char *text), void *ctx)
{
    for (size_t i = 0; i < n; i++) {
        if (bytes[i] == '\n' || p->line_len == LINE_MOST)
            end_line (p, line, ctx);
        if (bytes[i] != '\n')
            p->lines[p->line_count % LINES_KEPT][p->line_len++] = bytes[i] ? bytes[i] : '?';
    }
}

/* False: at the end of what it writes, or there is nothing now. */
static bool read_some (external_process *p, void (*line) (void *ctx, const char *text), void *ctx,
                       size_t *taken)
{
    char bytes[4096];
    ssize_t n = p->out < 0 ? -1 : read (p->out, bytes, sizeof (bytes));
    if (n > 0) {
        take (p, bytes, (size_t)n, line, ctx);
        *taken += (size_t)n;
        return true;
    }
    if (p->out >= 0 && (n == 0 || (errno != EAGAIN && errno != EINTR))) {
        close (p->out);
        p->out = -1;
        end_line (p, line, ctx);
    }
    return false;
}

bool external_process_poll (external_process *p, void (*line) (void *ctx, const char *text),
                            void *ctx)
{
    size_t taken = 0;
    look (p);
    while (taken < READ_MOST && read_some (p, line, ctx, &taken))
        ;
    if (p->ended && taken < READ_MOST && p->line_len > 0)
        end_line (p, line, ctx);
    return !p->ended || taken >= READ_MOST;
}

const char *external_process_end (const external_process *p)
{
    return p->end;
}

const char *external_process_said (const external_process *p, unsigned back)
{
    return back < p->line_count && back < LINES_KEPT - 1
               ? p->lines[(p->line_count - 1 - back) % LINES_KEPT]
               : NULL;
}

void external_process_show_said (const external_process *p, const char *name)
{
    unsigned n = 0;
    while (external_process_said (p, n))
        n++;
    while (n-- > 0)
        esp_log (LOG_WARN, "EXTERNAL-SAID", "%s: %s", name, external_process_said (p, n));
}

int external_process_fd (const external_process *p)
{
    return p->out;
}

long external_process_id (const external_process *p)
{
    return (long)p->pid;
}

/* ---- the end ---- */

static bool ends_within (external_process *p, int ms)
{
    const struct timespec little = {0, 5000000};
    for (look (p); !p->ended && ms > 0; ms -= 5) {
        nanosleep (&little, NULL);
        look (p);
    }
    return p->ended;
}

void external_process_stop (external_process *p, int grace_ms)
{
    if (!p)
        return;
    look (p);
    if (!p->ended) {
        kill (-p->pid, SIGTERM);
        (void)ends_within (p, grace_ms);
    }
    kill (-p->pid, SIGKILL); /* what it started and left behind, too */
    (void)waitpid (p->pid, NULL, 0);
    if (p->out >= 0)
        close (p->out);
    esp_free (p);
}
