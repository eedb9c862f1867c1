/* SPDX-License-Identifier: Apache-2.0 */
/* sandbox_cgroup.c - see sandbox_cgroup.h
 *
 * Folders are BASE/espalier-PID-self (we, if we had to move) and BASE/espalier-PID-N (programs).  A group is removed when nobody is in it
 * any more, which the next start, or the end, finds out by trying.
 */

#include "worker/sandbox/sandbox_cgroup.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "proto/base/alloc.h"

enum { GROUPS_MOST = 1024, TEXT_MOST = 1 << 16, REMOVE_TRIES = 200, REMOVE_US = 5000 };

struct sandbox_cgroups {
    char base[CGROUP_PATH], path[CGROUP_PATH + 128];
    int64_t memory_mb, processes;
    bool moved; /* we are in espalier-PID-self */
    unsigned serial;
    unsigned used[GROUPS_MOST]; /* serials of groups that may be there */
    size_t used_count;
};

/* ---- files of the kernel ---- */

static bool read_text (const char *path, char *out, size_t size)
{
    int fd = open (path, O_RDONLY | O_CLOEXEC);
    size_t len = 0;
    ssize_t n = 1;
    if (fd < 0)
        return false;
    while (len + 1 < size && (n = read (fd, out + len, size - 1 - len)) > 0)
        len += (size_t)n;
    out[len] = 0;
    close (fd);
    return n >= 0;
}

static bool write_text (const char *path, const char *text)
{
    int fd = open (path, O_WRONLY | O_CLOEXEC);
    bool good = fd >= 0 && write (fd, text, strlen (text)) == (ssize_t)strlen (text);
    if (fd >= 0)
        close (fd);
    return good;
}

static const char *in_base (sandbox_cgroups *g, const char *name)
{
    snprintf (g->path, sizeof (g->path), "%s/%s", g->base, name);
    return g->path;
}

static const char *in_group (sandbox_cgroups *g, unsigned serial, const char *name)
{
    char inner[96];
    snprintf (inner, sizeof (inner), "espalier-%ld-%u%s%s", (long)getpid (), serial,
              *name ? "/" : "", name);
    return in_base (g, inner);
}

static const char *in_self (sandbox_cgroups *g, const char *name)
{
    char inner[96];
    snprintf (inner, sizeof (inner), "espalier-%ld-self%s%s", (long)getpid (), *name ? "/" : "",
              name);
    return in_base (g, inner);
}

static bool has_word (const char *text, const char *word)
{
    size_t len = strlen (word);
    for (const char *at = text; (at = strstr (at, word)); at += len)
        if ((at == text || at[-1] == ' ') && (at[len] == ' ' || at[len] == '\n' || at[len] == 0))
            return true;
    return false;
}

/* ---- where we are ---- */

/* "36 35 0:30 ROOT MOUNTPOINT options - cgroup2 source options" */
static bool mount_of (const char *line, size_t len, char root[CGROUP_PATH], char at[CGROUP_PATH])
{
    char copy[2 * CGROUP_PATH + 256];
    const char *kind;
    if (len >= sizeof (copy))
        return false;
    memcpy (copy, line, len);
    copy[len] = 0;
    kind = strstr (copy, " - ");
    return kind && strncmp (kind, " - cgroup2 ", 11) == 0 &&
           sscanf (copy, "%*s %*s %*s %2999s %2999s", root, at) == 2;
}

bool sandbox_cgroup_folder (const char *cgroup, const char *mountinfo, char out[CGROUP_PATH])
{
    const char *own = strncmp (cgroup, "0::", 3) == 0 ? cgroup : strstr (cgroup, "\n0::");
    char root[CGROUP_PATH], at[CGROUP_PATH];
    size_t len;
    if (!own)
        return false;
    own += *own == '\n' ? 4 : 3;
    len = strcspn (own, "\n");
    for (const char *line = mountinfo; *line; line += strcspn (line, "\n"), line += *line != 0) {
        size_t skip;
        int n;
        if (!mount_of (line, strcspn (line, "\n"), root, at))
            continue;
        skip = strcmp (root, "/") == 0 ? 0 : strlen (root);
        if (skip > len || strncmp (own, root, skip) != 0)
            return false; /* our group is not in what is mounted */
        n = snprintf (out, CGROUP_PATH, "%s%.*s", at, (int)(len - skip), own + skip);
        while (n > 1 && n < CGROUP_PATH && out[n - 1] == '/')
            out[--n] = 0;
        return n > 0 && n < CGROUP_PATH;
    }
    return false;
}

/* Another sandbox of ours may have moved us already. */
static void leave_self (sandbox_cgroups *g)
{
    char name[64];
    size_t len, base = strlen (g->base);
    snprintf (name, sizeof (name), "/espalier-%ld-self", (long)getpid ());
    len = strlen (name);
    if (base > len && strcmp (g->base + base - len, name) == 0)
        g->base[base - len] = 0;
}

static esp_err refuse (char why[CGROUP_WHY], const char *text)
{
    snprintf (why, CGROUP_WHY, "%s", text);
    return ESP_EUNSUPPORTED;
}

static esp_err find_base (sandbox_cgroups *g, char why[CGROUP_WHY])
{
    char *text = esp_reallocarray (NULL, 2, TEXT_MOST);
    esp_err err = text ? ESP_OK : ESP_ENOMEM;
    if (err == ESP_OK && !(read_text ("/proc/self/cgroup", text, TEXT_MOST) &&
                           read_text ("/proc/self/mountinfo", text + TEXT_MOST, TEXT_MOST) &&
                           sandbox_cgroup_folder (text, text + TEXT_MOST, g->base)))
        err = refuse (why, "this host has no cgroup v2 for us");
    if (err == ESP_OK) {
        leave_self (g);
        if (!read_text (in_base (g, "cgroup.controllers"), text, TEXT_MOST) ||
            !has_word (text, "memory") || !has_word (text, "pids"))
            err = refuse (why, "our group has no controllers memory and pids (cgroup v2)");
    }
    esp_free (text);
    return err;
}

/* ---- making groups ---- */

static bool controls (sandbox_cgroups *g)
{
    char text[512];
    return read_text (in_base (g, "cgroup.subtree_control"), text, sizeof (text)) &&
           has_word (text, "memory") && has_word (text, "pids");
}

static void move_back (sandbox_cgroups *g)
{
    (void)write_text (in_base (g, "cgroup.subtree_control"), "-memory -pids");
    (void)write_text (in_base (g, "cgroup.procs"), "0");
    (void)rmdir (in_self (g, ""));
    g->moved = false;
}

/* A group with limits for its children may hold no process itself. */
static esp_err take_control (sandbox_cgroups *g, char why[CGROUP_WHY])
{
    if (controls (g))
        return ESP_OK;
    if (mkdir (in_self (g, ""), 0755) != 0)
        return refuse (why, "our group is not delegated to us");
    g->moved = write_text (in_self (g, "cgroup.procs"), "0");
    if (g->moved && write_text (in_base (g, "cgroup.subtree_control"), "+memory +pids") &&
        controls (g))
        return ESP_OK;
    move_back (g);
    return refuse (why, "our group is not delegated to us, or other processes are in it");
}

static bool set_number (sandbox_cgroups *g, const char *name, int64_t value, int64_t unit)
{
    char text[32];
    if (value <= 0)
        return true;
    snprintf (text, sizeof (text), "%lld", (long long)(value * unit));
    return write_text (in_group (g, g->serial, name), text);
}

static void sweep (sandbox_cgroups *g)
{
    size_t kept = 0;
    for (size_t i = 0; i < g->used_count; i++)
        if (rmdir (in_group (g, g->used[i], "")) != 0 && errno != ENOENT)
            g->used[kept++] = g->used[i];
    g->used_count = kept;
}

const char *sandbox_cgroups_next (sandbox_cgroups *g)
{
    sweep (g);
    if (g->used_count == GROUPS_MOST)
        return NULL;
    do
        g->serial++;
    while (mkdir (in_group (g, g->serial, ""), 0755) != 0 && errno == EEXIST);
    g->used[g->used_count++] = g->serial;
    if (!set_number (g, "memory.max", g->memory_mb, 1 << 20) ||
        !set_number (g, "pids.max", g->processes, 1))
        return NULL;
    (void)write_text (in_group (g, g->serial, "memory.swap.max"),
                      "0"); /* not where there is no swap */
    (void)write_text (in_group (g, g->serial, "memory.oom.group"), "1");
    return in_group (g, g->serial, "cgroup.procs");
}

/* ---- life ---- */

esp_err sandbox_cgroups_create (int64_t memory_mb, int64_t processes, sandbox_cgroups **out,
                                char why[CGROUP_WHY])
{
    sandbox_cgroups *g = esp_calloc (1, sizeof (*g));
    esp_err err;
    why[0] = 0;
    if (!g)
        return ESP_ENOMEM;
    g->memory_mb = memory_mb;
    g->processes = processes;
    if ((err = find_base (g, why)) == ESP_OK && (err = take_control (g, why)) == ESP_OK &&
        !sandbox_cgroups_next (g))
        err = refuse (why, "a group with limits cannot be made");
    if (err != ESP_OK) {
        sandbox_cgroups_destroy (g);
        return err;
    }
    *out = g;
    return ESP_OK;
}

/* The last of its processes may still be on their way out. */
void sandbox_cgroups_destroy (sandbox_cgroups *g)
{
    if (!g)
        return;
    sweep (g);
    for (int i = 0; i < REMOVE_TRIES && g->used_count > 0; i++) {
        usleep (REMOVE_US);
        sweep (g);
    }
    if (g->moved)
        move_back (g);
    esp_free (g);
}
