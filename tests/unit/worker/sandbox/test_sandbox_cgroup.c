/* SPDX-License-Identifier: Apache-2.0 */
/* test_sandbox_cgroup.c - what worker/sandbox/sandbox_cgroup.h promises: groups where they can be had, the reason where not
 *
 * Most hosts give none: those cases say that they were skipped.
 */

#include "worker/sandbox/sandbox_cgroup.h"
#include <dirent.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "proto/base/alloc.h"
#include "tests/support/suite.h"
#include "worker/sandbox/sandbox.h"

#define MOUNTS                                                                                     \
    "22 1 0:20 / /proc rw - proc proc rw\n"                                                        \
    "25 20 0:26 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
#define UNIFIED "36 25 0:30 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw\n"

static void our_group_is_found_in_what_the_kernel_says (void)
{
    static const struct {
        const char *cgroup, *mounts, *folder; /* NULL: none */
    } rows[] = {
        {"0::/user.slice/a.scope\n", MOUNTS UNIFIED, "/sys/fs/cgroup/user.slice/a.scope"},
        {"9:memory:/x\n0::/y\n", MOUNTS UNIFIED, "/sys/fs/cgroup/y"},
        {"0::/\n", UNIFIED, "/sys/fs/cgroup"},
        {"0::/docker/c1/inner\n", "36 25 0:30 /docker/c1 /cg rw - cgroup2 c rw\n", "/cg/inner"},
        {"0::/docker/c1\n", "36 25 0:30 /docker/c1 /cg rw - cgroup2 c rw\n", "/cg"},
        {"0::/elsewhere\n", "36 25 0:30 /docker/c1 /cg rw - cgroup2 c rw\n", NULL},
        {"9:memory:/x\n", MOUNTS UNIFIED, NULL},
        {"0::/a\n", MOUNTS, NULL},
        {"0::/a\n", "no such line - cgroup2", NULL},
        {"", "", NULL},
    };
    char folder[CGROUP_PATH];
    for (size_t i = 0; i < sizeof (rows) / sizeof (rows[0]); i++) {
        bool found = sandbox_cgroup_folder (rows[i].cgroup, rows[i].mounts, folder);
        CHECK (found == (rows[i].folder != NULL));
        if (found && rows[i].folder)
            CU_ASSERT_STRING_EQUAL (folder, rows[i].folder);
    }
}

static bool given (const sandbox_setup *setup, sandbox **box)
{
    esp_error error = {0};
    esp_err err = sandbox_create (setup, box, &error);
    if (err != ESP_OK)
        printf ("    skipped: %s\n", error.text);
    CHECK (err == ESP_OK || err == ESP_ENOENT || err == ESP_EUNSUPPORTED);
    return err == ESP_OK;
}

static void a_sandbox_says_whether_it_has_groups (void)
{
    const sandbox_setup setup = {
        .section = "verifier", .group_memory_mb = 256, .group_processes = 32};
    const sandbox_setup bare = {.section = "verifier", .bare = true};
    sandbox *box;
    if (!given (&setup, &box))
        return;
    CHECK ((strcmp (sandbox_name (box), "bwrap+seccomp+cgroup") == 0) ==
           (sandbox_no_cgroup (box)[0] == 0));
    printf ("    %s %s\n", sandbox_name (box), sandbox_no_cgroup (box));
    sandbox_destroy (box);
    PASS (sandbox_create (&bare, &box, NULL));
    CHECK (strcmp (sandbox_name (box), "none") == 0 && sandbox_no_cgroup (box)[0] == 0);
    sandbox_destroy (box);
    CHECK (esp_alloc_live () == 0);
}

/* "held" when the program is killed before it says that it is through. */
static const char *fate (const sandbox *box, const char *script)
{
    const char *argv[] = {"/usr/bin/python3", "-c", script, NULL};
    const sandbox_program program = {.argv = argv};
    line_process *p;
    enum line_heard heard;
    span line;
    PASS (sandbox_start (box, &program, &p, NULL));
    struct pollfd fd = {.fd = line_process_fd (p), .events = POLLIN};
    while ((heard = line_process_hear (p, &line)) == LINE_NONE)
        if (poll (&fd, 1, 60000) == 0)
            break;
    line_process_destroy (p);
    return heard == LINE_HEARD ? "through" : heard == LINE_ENDED ? "held" : "hangs";
}

static void a_group_bounds_all_processes_of_a_program_together (void)
{
    const sandbox_setup setup = {
        .section = "verifier", .group_memory_mb = 200, .group_processes = 16};
    sandbox *box;
    if (!given (&setup, &box))
        return;
    if (sandbox_no_cgroup (box)[0] || access ("/usr/bin/python3", X_OK) != 0) {
        printf ("    skipped: %s\n", sandbox_no_cgroup (box));
    } else {
        CU_ASSERT_STRING_EQUAL (fate (box, "print ('ok', flush=True)"), "through");
        CU_ASSERT_STRING_EQUAL (/* four of 80 MiB each */
                                fate (box, "import os\nfor i in range(4):\n  if os.fork() == 0:\n  "
                                           "  a = bytearray(80 << "
                                           "20)\n    import time; time.sleep(3); os._exit(0)\n"
                                           "for i in range(4): os.wait()\nprint('ok', flush=True)"),
                                "held");
        CU_ASSERT_STRING_EQUAL (
            fate (box, "import os\nfor i in range(40):\n  if os.fork() == 0:\n    import time; "
                       "time.sleep(3); os._exit(0)\nprint('ok', flush=True)"),
            "held");
    }
    sandbox_destroy (box);
}

/* Where groups cannot be had, nothing of the attempt may stay either. */
static void no_group_stays (void)
{
    char path[CGROUP_PATH], cgroup[4096] = "", mounts[65536] = "", mine[64];
    FILE *f;
    DIR *folder;
    const struct dirent *entry;
    if ((f = fopen ("/proc/self/cgroup", "r"))) {
        cgroup[fread (cgroup, 1, sizeof (cgroup) - 1, f)] = 0;
        fclose (f);
    }
    if ((f = fopen ("/proc/self/mountinfo", "r"))) {
        mounts[fread (mounts, 1, sizeof (mounts) - 1, f)] = 0;
        fclose (f);
    }
    if (!sandbox_cgroup_folder (cgroup, mounts, path) || !(folder = opendir (path))) {
        printf ("    skipped: no cgroup v2 here\n");
        return;
    }
    snprintf (mine, sizeof (mine), "espalier-%ld-", (long)getpid ());
    while ((entry = readdir (folder)))
        CHECK (strncmp (entry->d_name, mine, strlen (mine)) != 0);
    closedir (folder);
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"our group is found in what the kernel says", our_group_is_found_in_what_the_kernel_says},
        {"a sandbox says whether it has groups", a_sandbox_says_whether_it_has_groups},
        {"a group bounds all processes of a program together",
         a_group_bounds_all_processes_of_a_program_together},
        {"no group stays", no_group_stays},
        {NULL, NULL},
    };
    return suite_main ("sandbox_cgroup", cases);
}
