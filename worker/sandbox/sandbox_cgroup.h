/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_WORKER_SANDBOX_SANDBOX_CGROUP_H
#define ESP_WORKER_SANDBOX_SANDBOX_CGROUP_H

/* sandbox_cgroup.h - a control group (cgroup v2) for each contained program, where this process may make some
 *
 * Limits of processes bound each process; a group bounds all of a program's together.  We may make groups where our own group is
 * delegated to us (systemd-run --user --scope -p Delegate=yes) and no other process is in it: it must then hold groups only, so that
 * we move into one of them ourselves, and back at the end.  Slurm, Docker and systemd's services seldom allow it: nothing is lost then but the sum.
 *
 * Ownership: the caller owns the object, and the groups are its.  Threads: one.
 */

#include <stdbool.h>
#include "proto/base/text.h"

typedef struct sandbox_cgroups sandbox_cgroups; /* private to sandbox_cgroup.c */

enum { CGROUP_WHY = 200, CGROUP_PATH = 3000 };

/* memory_mb, processes: of one program; 0 = no limit.  Errors: ESP_EUNSUPPORTED, with what is in the way in *why; ESP_ENOMEM. */
ESP_MUST_CHECK esp_err sandbox_cgroups_create (int64_t memory_mb, int64_t processes,
                                               sandbox_cgroups **out, char why[CGROUP_WHY]);
void sandbox_cgroups_destroy (sandbox_cgroups *g); /* accepts NULL; all that ran is over */

/* A fresh group: the file that a process writes "0" to in order to be in it; borrowed until the next call.  Groups that are empty by now
 * are removed.  NULL: none to be had. */
const char *sandbox_cgroups_next (sandbox_cgroups *g);

/* Where our own group's folder is, by the texts of /proc/self/cgroup and /proc/self/mountinfo.  False: there is no cgroup v2. */
bool sandbox_cgroup_folder (const char *cgroup, const char *mountinfo, char out[CGROUP_PATH]);

#endif
