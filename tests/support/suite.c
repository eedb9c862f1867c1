/* SPDX-License-Identifier: Apache-2.0 */
/* suite.c - runs a table of cases with CUnit, and keeps its folders
 *
 * All folders of a program are inside one, so that one walk removes them.
 */

#include "tests/support/suite.h"
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <CUnit/TestRun.h>

enum { KEPT = 4 }; /* folder names that stay valid at the same time */

static char
    root[PATH_MAX - 16]; /* "" until the first suite_folder; 16 bytes for what stands behind */

static void print_promise (const CU_pTest test, const CU_pSuite suite)
{
    (void)suite;
    printf ("  %s\n", test->pName);
    fflush (stdout); /* a case that crashes is the last line */
}

static void print_failures (const char *module)
{
    for (CU_pFailureRecord f = CU_get_failure_list (); f; f = f->pNext)
        printf ("FAILED %s: %s: %s:%u: %s\n", module, f->pTest ? f->pTest->pName : "",
                f->strFileName ? f->strFileName : "", f->uiLineNumber,
                f->strCondition ? f->strCondition : "");
}

static int remove_entry (const char *path, const struct stat *info, int kind, struct FTW *at)
{
    (void)info, (void)kind, (void)at;
    if (remove (path) != 0)
        perror (path);
    return 0;
}

static void remove_root (void)
{
    if (root[0])
        nftw (root, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    root[0] = 0;
}

/* Returns the number of cases, or 0 when CUnit refused one (no function, or the same promise twice). */
static unsigned register_cases (const char *module, const struct suite_case *cases)
{
    CU_pSuite suite = CU_add_suite (module, NULL, NULL);
    unsigned count = 0;
    for (; suite && cases->promise; cases++, count++)
        if (!CU_add_test (suite, cases->promise, cases->run) || CU_get_error () != CUE_SUCCESS) {
            printf ("FAILED %s: %s: %s\n", module, cases->promise, CU_get_error_msg ());
            return 0;
        }
    return count;
}

int suite_main (const char *module, const struct suite_case *cases)
{
    unsigned count;
    int good;
    if (CU_initialize_registry () != CUE_SUCCESS)
        return 1;
    CU_set_error_action (CUEA_IGNORE);
    CU_set_test_start_handler (print_promise);
    printf ("%s\n", module);
    count = register_cases (module, cases);
    good = count > 0 && CU_run_all_tests () == CUE_SUCCESS &&
           CU_get_number_of_tests_run () == count && CU_get_number_of_failures () == 0;
    print_failures (module);
    CU_print_run_results (stdout);
    printf ("\n");
    CU_cleanup_registry ();
    remove_root ();
    return good ? 0 : 1;
}

static int make_root (void)
{
    const char *parent = getenv ("TMPDIR");
    char here[PATH_MAX];
    if (!parent || !*parent)
        parent = getcwd (here, sizeof (here));
    if (!parent || snprintf (root, sizeof (root), "%s/esp-XXXXXX", parent) >= (int)sizeof (root) ||
        !mkdtemp (root)) {
        root[0] = 0;
        return -1;
    }
    return 0;
}

const char *suite_folder (void)
{
    static char names[KEPT][PATH_MAX];
    static unsigned made;
    char *name = names[made % KEPT];
    int good = root[0] || make_root () == 0;
    if (good) {
        snprintf (name, sizeof (names[0]), "%s/%u", root, made++);
        good = mkdir (name, 0700) == 0;
    }
    CU_assertImplementation (good, __LINE__, "a folder for the test can be made", __FILE__, "",
                             CU_TRUE);
    return name;
}
