/* SPDX-License-Identifier: Apache-2.0 */
/* test_external_place.c - where a worker and its peer meet */

#include "worker/engine/external_place.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "tests/support/suite.h"

static void placeholders_are_filled_in (void)
{
    char url[EXTERNAL_URL_MAX], host[64] = "", expected[EXTERNAL_URL_MAX];
    esp_error error = {0};
    gethostname (host, sizeof (host) - 1);
    setenv ("OMPI_COMM_WORLD_LOCAL_RANK", "2", 1);
    PASS (external_url ("ipc:///tmp/prm-{rank}-{local_rank}", 7, url, &error));
    CHECK (strcmp (url, "ipc:///tmp/prm-7-2") == 0 && external_local_rank () == 2);
    PASS (external_url ("tcp://{host}:900{local_rank}", 7, url, &error));
    snprintf (expected, sizeof (expected), "tcp://%s:9002", host);
    CHECK (strcmp (url, expected) == 0);
    unsetenv ("OMPI_COMM_WORLD_LOCAL_RANK");
    setenv ("SLURM_LOCALID", "3", 1);
    CHECK (external_local_rank () == 3);
    unsetenv ("SLURM_LOCALID");
    CHECK (external_local_rank () == 0);
}

static void other_urls_are_refused (void)
{
    char url[EXTERNAL_URL_MAX], much[300];
    esp_error error = {0};
    FAILS (external_url ("http://a:1", 1, url, &error), ESP_EFORMAT);
    FAILS (external_url ("", 1, url, &error), ESP_EFORMAT);
    FAILS (external_url ("tcp://a:{port}", 1, url, &error), ESP_EFORMAT);
    FAILS (external_url ("tcp://a:{", 1, url, &error), ESP_EFORMAT);
    snprintf (much, sizeof (much), "ipc:///%0200d", 1);
    FAILS (external_url (much, 1, url, &error), ESP_ETOOBIG);
}

static void a_place_is_for_this_user_only_and_goes_away (void)
{
    char folder[EXTERNAL_FOLDER_MAX], url[EXTERNAL_URL_MAX];
    esp_error error = {0};
    struct stat s;
    PASS (external_place_make (folder, url, &error));
    CHECK (stat (folder, &s) == 0 && (s.st_mode & 0777) == 0700);
    CHECK (strncmp (url, "ipc:///", 7) == 0 && strlen (url) < 100);
    external_place_remove (folder);
    CHECK (stat (folder, &s) != 0);
    external_place_remove ("");
}

static void a_folder_whose_name_is_too_long_for_a_socket_is_passed_over (void)
{
    char folder[EXTERNAL_FOLDER_MAX], url[EXTERNAL_URL_MAX], much[300];
    char *kept = getenv ("TMPDIR") ? strdup (getenv ("TMPDIR")) : NULL;
    esp_error error = {0};
    snprintf (much, sizeof (much), "/tmp/%0200d", 1);
    setenv ("TMPDIR", much, 1);
    unsetenv ("XDG_RUNTIME_DIR");
    PASS (external_place_make (folder, url, &error));
    CHECK (strncmp (folder, "/tmp/espalier-peer-", 19) == 0);
    external_place_remove (folder);
    if (kept)
        setenv ("TMPDIR", kept, 1);
    else
        unsetenv ("TMPDIR");
    free (kept);
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"placeholders are filled in", placeholders_are_filled_in},
        {"other URLs are refused", other_urls_are_refused},
        {"a place is for this user only, and goes away",
         a_place_is_for_this_user_only_and_goes_away},
        {"a folder whose name is too long for a socket is passed over",
         a_folder_whose_name_is_too_long_for_a_socket_is_passed_over},
        {NULL, NULL},
    };
    return suite_main ("external_place", cases);
}
