/* SPDX-License-Identifier: Apache-2.0 */
/* sandbox_filter.c - what a contained program may not ask of the kernel
 *
 * Namespaces already hide what is outside; this takes away the calls by which kernels were left: other address families, tracing,
 * keys, new namespaces and mounts, io_uring, bpf, memory that no limit counts.  Refused calls fail with EPERM (ENOSYS where libc has
 * another way).  Another architecture's entry (i386, x32) ends the process: libseccomp's filters check it first.
 */

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>
#include "worker/sandbox/sandbox.h"

/* Not the number that it has in the child: that one is closed before it is opened. */
enum { FIRST_FD = 16 };

static const char *const refused[] = {"socket",
                                      "connect",
                                      "bind",
                                      "listen",
                                      "accept",
                                      "accept4",
                                      "ptrace",
                                      "process_vm_readv",
                                      "process_vm_writev",
                                      "process_madvise",
                                      "kcmp",
                                      "pidfd_getfd",
                                      "add_key",
                                      "keyctl",
                                      "request_key",
                                      "unshare",
                                      "setns",
                                      "chroot",
                                      "pivot_root",
                                      "mount",
                                      "umount2",
                                      "mount_setattr",
                                      "move_mount",
                                      "open_tree",
                                      "fsopen",
                                      "fsconfig",
                                      "fsmount",
                                      "fspick",
                                      "name_to_handle_at",
                                      "open_by_handle_at",
                                      "fanotify_init",
                                      "quotactl",
                                      "quotactl_fd",
                                      "io_uring_setup",
                                      "io_uring_enter",
                                      "io_uring_register",
                                      "bpf",
                                      "perf_event_open",
                                      "userfaultfd",
                                      "memfd_secret",
                                      "memfd_create",
                                      "shmget",
                                      "shmat",
                                      "msgget",
                                      "semget",
                                      "init_module",
                                      "finit_module",
                                      "delete_module",
                                      "kexec_load",
                                      "kexec_file_load",
                                      "reboot",
                                      "swapon",
                                      "swapoff",
                                      "acct",
                                      "syslog",
                                      "settimeofday",
                                      "clock_settime",
                                      "clock_adjtime",
                                      "adjtimex",
                                      "sethostname",
                                      "setdomainname",
                                      "iopl",
                                      "ioperm",
                                      "modify_ldt",
                                      "vhangup",
                                      "lookup_dcookie",
                                      "uselib",
                                      "ustat",
                                      "sysfs",
                                      "_sysctl",
                                      "nfsservctl",
                                      "personality",
                                      "mbind",
                                      "migrate_pages",
                                      "move_pages",
                                      "set_mempolicy",
                                      "get_mempolicy"};

static const uint64_t new_namespaces[] = {CLONE_NEWUSER, CLONE_NEWNS,  CLONE_NEWPID,   CLONE_NEWNET,
                                          CLONE_NEWIPC,  CLONE_NEWUTS, CLONE_NEWCGROUP};

static int add_rules (scmp_filter_ctx filter)
{
    int failed = 0;
    for (size_t i = 0; i < sizeof (refused) / sizeof (refused[0]) && !failed; i++) {
        int number = seccomp_syscall_resolve_name (refused[i]);
        if (number >= 0) /* else this architecture has no such call */
            failed = seccomp_rule_add (filter, SCMP_ACT_ERRNO (EPERM), number, 0);
    }
    for (size_t i = 0; i < sizeof (new_namespaces) / sizeof (new_namespaces[0]) && !failed; i++)
        failed =
            seccomp_rule_add (filter, SCMP_ACT_ERRNO (EPERM), SCMP_SYS (clone), 1,
                              SCMP_A0 (SCMP_CMP_MASKED_EQ, new_namespaces[i], new_namespaces[i]));
    if (!failed) /* its flags are in memory, where a filter cannot look: libc then takes clone */
        failed = seccomp_rule_add (filter, SCMP_ACT_ERRNO (ENOSYS), SCMP_SYS (clone3), 0);
    if (!failed) /* typing into a terminal */
        failed = seccomp_rule_add (filter, SCMP_ACT_ERRNO (EPERM), SCMP_SYS (ioctl), 1,
                                   SCMP_A1 (SCMP_CMP_MASKED_EQ, 0xffffffffU, TIOCSTI));
    return failed;
}

int sandbox_filter (void)
{
    scmp_filter_ctx filter = seccomp_init (SCMP_ACT_ALLOW);
    int low = memfd_create ("espalier-filter", MFD_CLOEXEC), failed;
    int fd = low >= 0 ? fcntl (low, F_DUPFD_CLOEXEC, FIRST_FD) : -1;
    if (low >= 0)
        close (low);
    if (!filter || fd < 0) {
        failed = filter ? errno : ENOMEM;
    } else {
        failed = -add_rules (filter);
        if (!failed)
            failed = -seccomp_export_bpf (filter, fd);
    }
    if (filter)
        seccomp_release (filter);
    if (failed && fd >= 0)
        close (fd);
    errno = failed;
    return failed ? -1 : fd;
}
