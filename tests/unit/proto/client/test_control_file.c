/* SPDX-License-Identifier: Apache-2.0 */
/* test_control_file.c - what proto/client/control_file.h and a client without a run promise */

#include "proto/client/control_file.h"
#include <stdio.h>
#include <string.h>
#include "proto/base/alloc.h"
#include "proto/base/file.h"
#include "proto/client/client.h"
#include "tests/support/suite.h"

#define GOOD                                                                                       \
    "{\"events\":\"ipc:///tmp/e\",\"control\":\"ipc:///tmp/"                                       \
    "c\",\"token\":\"abc\",\"pid\":7,\"host\":\"h\"}"

static const char *given_file (const char *name, const char *text)
{
    const char *folder = suite_folder ();
    char path[600];
    esp_error error = {0};
    snprintf (path, sizeof (path), "%s/%s", folder, name);
    PASS (esp_file_write (path, span_of (text), 0600, &error));
    return folder;
}

static void a_good_file_is_read (void)
{
    control_file f;
    esp_error error = {0};
    const char *folder = given_file ("control.json", GOOD);
    PASS (control_file_read (folder, &f, &error));
    CHECK (strcmp (f.events, "ipc:///tmp/e") == 0 && strcmp (f.control, "ipc:///tmp/c") == 0);
    CHECK (strcmp (f.token, "abc") == 0 && strcmp (f.host, "h") == 0 && f.pid == 7);
    CHECK (!control_file_is_here (&f));
    CHECK (control_file_is_current (folder, &f));
    strcpy (f.token, "abd");
    CHECK (!control_file_is_current (folder, &f));
}

static void anything_else_is_malformed (void)
{
    static const char *const bad[] = {
        "",
        "{",
        "[]",
        "{}",
        "null",
        "7",
        "{\"events\":7,\"control\":\"ipc:///tmp/c\",\"token\":\"abc\",\"pid\":7,\"host\":\"h\"}",
        "{\"events\":\"inproc://x\",\"control\":\"ipc:///tmp/"
        "c\",\"token\":\"abc\",\"pid\":7,\"host\":\"h\"}",
        "{\"events\":\"ipc:///tmp/e\",\"control\":\"file:///etc/"
        "passwd\",\"token\":\"abc\",\"pid\":7,\"host\":\"h\"}",
        "{\"events\":\"ipc:///tmp/e\",\"control\":\"ipc:///tmp/"
        "c\",\"token\":\"\",\"pid\":7,\"host\":\"h\"}",
        "{\"events\":\"ipc:///tmp/e\",\"control\":\"ipc:///tmp/"
        "c\",\"token\":\"abc\",\"pid\":0,\"host\":\"h\"}",
        "{\"events\":\"ipc:///tmp/e\",\"control\":\"ipc:///tmp/"
        "c\",\"token\":\"abc\",\"pid\":\"7\",\"host\":\"h\"}",
        "{\"events\":\"ipc:///tmp/e\",\"control\":\"ipc:///tmp/c\",\"token\":\"abc\",\"pid\":7}",
    };
    char big[3000];
    for (size_t i = 0; i < sizeof (bad) / sizeof (bad[0]); i++) {
        control_file f = {.pid = 77};
        esp_error error = {0};
        FAILS (control_file_read (given_file ("control.json", bad[i]), &f, &error), ESP_EFORMAT);
        CHECK (f.pid == 77 && strstr (error.text, "control.json") != NULL);
    }
    {
        control_file f;
        esp_error error = {0};
        memset (big, 'a', sizeof (big));
        memcpy (big, "{\"events\":\"ipc://", 17);
        strcpy (big + 2000,
                "\",\"control\":\"ipc:///tmp/c\",\"token\":\"abc\",\"pid\":7,\"host\":\"h\"}");
        FAILS (control_file_read (given_file ("control.json", big), &f, &error), ESP_EFORMAT);
    }
}

static void a_missing_file_is_explained (void)
{
    control_file f;
    client *c = NULL;
    esp_error error = {0};
    FAILS (control_file_read (given_file ("done", ""), &f, &error), ESP_ENOENT);
    CHECK (strstr (error.text, "finished") != NULL);
    FAILS (control_file_read (given_file ("run.yaml", ""), &f, &error), ESP_ENOENT);
    CHECK (strstr (error.text, "resume") != NULL);
    FAILS (control_file_read (suite_folder (), &f, &error), ESP_ENOENT);
    CHECK (strstr (error.text, "control.json") != NULL);
    FAILS (client_open ("/nonexistent", &c, &error), ESP_ENOENT);
    FAILS (client_open (NULL, &c, &error), ESP_EINVAL);
    FAILS (client_open ("/nonexistent", NULL, &error), ESP_EINVAL);
    CHECK (c == NULL);
    client_close (NULL);
}

static void a_run_that_is_gone_is_a_peer_error_that_names_its_host (void)
{
    client *c = NULL;
    esp_error error = {0};
    FAILS (client_open (given_file ("control.json", GOOD), &c, &error), ESP_EPEER);
    CHECK (strstr (error.text, "on h ") != NULL && strstr (error.text, "observe.listen") != NULL);
}

static void survives_failure_of_every_allocation (void)
{
    const char *folder = given_file ("control.json", GOOD);
    esp_err err = ESP_ENOMEM;
    long live = esp_alloc_live ();
    for (long n = 0; err == ESP_ENOMEM && n < 100; n++) {
        client *c = NULL;
        esp_error error = {0};
        esp_alloc_fail_after (n);
        err = client_open (folder, &c, &error);
        esp_alloc_fail_after (-1);
        CU_ASSERT_EQUAL (esp_alloc_live (), live);
    }
    CU_ASSERT_EQUAL (err, ESP_EPEER);
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"a good file is read", a_good_file_is_read},
        {"anything else is malformed", anything_else_is_malformed},
        {"a missing file is explained", a_missing_file_is_explained},
        {"a run that is gone is a peer error that names its host",
         a_run_that_is_gone_is_a_peer_error_that_names_its_host},
        {"survives failure of every allocation", survives_failure_of_every_allocation},
        {NULL, NULL},
    };
    return suite_main ("control_file", cases);
}
