/* SPDX-License-Identifier: Apache-2.0 */
/* test_server_urls.c - where servers are: what worker/server/servers.h promises about URLs, folders and keys */

// LINK: esp_test_servers esp_http

#include <stdlib.h>
#include <sys/stat.h>
#include "tests/unit/worker/server/server_kit.h"

static void refused (struct set *k, esp_err code, const char *part)
{
    servers *none = (servers *)k; /* a failed call writes nothing */
    FAILS (servers_create (&k->setup, &none, &k->error), code);
    CHECK (none == (servers *)k);
    CHECK (has (k->error.text, part));
    if (!has (k->error.text, part))
        printf ("    said: %s\n", k->error.text);
    CHECK (esp_alloc_live () == 0);
}

static void placeholders_are_put_in (void)
{
    struct set k;
    char host[256] = "", url[400];
    set_defaults (&k);
    (void)gethostname (host, sizeof (host) - 1);
    k.o.url = "http://{host}:80{local_rank}{rank}/x";
    set_open (&k);
    snprintf (url, sizeof (url), "http://%s:8013/x", host);
    CHECK (strcmp (server_url (servers_at (k.s, 0)), url) == 0);
    set_close (&k);
}

static void an_unknown_placeholder_names_those_that_exist (void)
{
    struct set k;
    set_defaults (&k);
    k.o.url = "http://localhost:{port}";
    refused (&k, ESP_EINVAL,
             "generator.url: there is no {port}; there are {host}, {rank}, {local_rank}");
}

static void a_bad_url_is_refused_with_its_key (void)
{
    static char lengthy[2100];
    struct set k;
    set_defaults (&k);
    refused (&k, ESP_EINVAL, "generator.url: says no server");
    k.o.url = "ftp://localhost";
    refused (&k, ESP_EINVAL, "generator.url: ");
    k.o.url = "http://host:{rank";
    refused (&k, ESP_EINVAL, "generator.url: ");
    memset (lengthy, 'a', sizeof (lengthy) - 1);
    memcpy (lengthy, "http://", 7);
    k.o.url = lengthy;
    refused (&k, ESP_EINVAL, "longer than 2000 bytes");
}

static void equal_urls_are_one_server (void)
{
    struct set k;
    set_defaults (&k);
    set_add (&k, "http://localhost:1");
    set_add (&k, "http://localhost:2");
    set_add (&k, "http://localhost:1");
    set_open (&k);
    CHECK (servers_count (k.s) == 2);
    set_close (&k);
}

static void a_base_url_as_openai_writes_it_is_the_same_server (void)
{
    static const char *const same[] = {"http://localhost:1", "http://localhost:1/",
                                       "http://localhost:1/v1", "http://localhost:1/v1/"};
    struct set k;
    set_defaults (&k);
    k.setup.family = "openai";
    for (size_t i = 0; i < sizeof (same) / sizeof (same[0]); i++)
        set_add (&k, same[i]);
    set_add (&k, "http://localhost:1/gateway/v1");
    set_add (&k, "http://localhost:1/rev1");
    set_open (&k);
    CHECK (servers_count (k.s) == 3);
    CHECK (strcmp (server_url (servers_at (k.s, 0)), "http://localhost:1") == 0);
    CHECK (strcmp (server_url (servers_at (k.s, 1)), "http://localhost:1/gateway") == 0);
    CHECK (strcmp (server_url (servers_at (k.s, 2)), "http://localhost:1/rev1") == 0);
    set_close (&k);
}

static void user_and_password_are_not_shown (void)
{
    struct set k;
    set_defaults (&k);
    set_add (&k, "http://me:pass%40word@localhost:1/v");
    set_add (&k, "http://localhost:2/a@b");
    set_open (&k);
    CHECK (strcmp (server_url (servers_at (k.s, 0)), "http://localhost:1/v") == 0);
    CHECK (strcmp (server_url (servers_at (k.s, 1)), "http://localhost:2/a@b") == 0);
    set_close (&k);
}

/* ---- the key ---- */

static const char *key_file (const char *text, mode_t mode)
{
    static char path[512];
    snprintf (path, sizeof (path), "%s/key", suite_folder ());
    PASS (esp_file_write (path, span_of (text), 0600, NULL));
    CHECK (chmod (path, mode) == 0);
    return path;
}

static void one_key_comes_from_the_environment_or_a_file (void)
{
    static struct fake f;
    struct talk t = {0};
    struct set k;
    fake_start (&f, "vllm");
    for (int by_file = 0; by_file < 2; by_file++) {
        set_defaults (&k);
        k.o.url = raw_server_url (f.s);
        setenv ("ESP_TEST_KEY", "sk-secret-123\n", 1);
        if (by_file)
            k.o.api_key_file = key_file ("  sk-secret-123\r\n", 0600);
        else
            k.o.api_key_env = "ESP_TEST_KEY";
        set_open (&k);
        UNTIL (&k, up (&k, 0));
        CHECK (atomic_load (&f.keyed));
        t = (struct talk){0};
        talk_whole (&k, &t);
        CHECK (t.code == ESP_OK && atomic_load (&f.keyed));
        set_close (&k);
    }
    raw_server_stop (f.s);
}

static void a_key_that_cannot_be_used_is_said_at_once (void)
{
    struct set k;
    set_defaults (&k);
    k.o.url = "http://localhost:1";
    unsetenv ("ESP_TEST_KEY");
    k.o.api_key_env = "ESP_TEST_KEY";
    refused (&k, ESP_ENOENT,
             "generator.api_key_env: the environment variable ESP_TEST_KEY is not set on rank 3");
    setenv ("ESP_TEST_KEY", " \n", 1);
    refused (&k, ESP_ENOENT, "ESP_TEST_KEY is not set");
    setenv ("ESP_TEST_KEY", "sk-secret\r\nX-Other: 1", 1);
    refused (&k, ESP_EINVAL, "generator.api_key_env: the key holds spaces or control bytes");
    CHECK (!has (k.error.text, "sk-"));
    k.o.api_key_env = "sk-secret-123"; /* the key where its name is wanted */
    refused (&k, ESP_EINVAL,
             "generator.api_key_env: the name of an environment variable is wanted");
    CHECK (!has (k.error.text, "secret"));
    k.o.api_key_file = key_file ("sk-secret", 0600);
    refused (&k, ESP_EINVAL, "api_key_env or api_key_file, not both");
    k.o.api_key_env = NULL;
    k.o.api_key_file = "/nowhere/key";
    refused (&k, ESP_ENOENT, "/nowhere/key cannot be read");
    k.o.api_key_file = key_file (" \n", 0600);
    refused (&k, ESP_ENOENT, "is empty");
    k.o.api_key_file = key_file ("sk-secret", 0640);
    refused (&k, ESP_EPERMISSION, "do: chmod 600 ");
    CHECK (!has (k.error.text, "sk-"));
    unsetenv ("ESP_TEST_KEY");
}

/* ---- folders ---- */

static void write_url (const char *folder, const char *name, const char *url)
{
    char path[600];
    snprintf (path, sizeof (path), "%s/%s", folder, name);
    PASS (esp_file_write (path, span_of (url), 0600, NULL));
}

static void files_of_a_folder_come_go_and_come_back (void)
{
    static struct fake f, g;
    const char *folder = suite_folder ();
    char spec[600], line[300], path[600];
    struct talk t = {0};
    struct set k;
    fake_start (&f, "vllm");
    fake_start (&g, "vllm");
    set_defaults (&k);
    snprintf (spec, sizeof (spec), "@%s/*.url", folder);
    set_add (&k, spec);
    set_open (&k);
    CHECK (servers_count (k.s) == 0);
    FAILS (servers_ready (k.s, &k.error), ESP_EEMPTY);
    CHECK (has (k.error.text, "generator.urls: no file *.url yet in "));
    snprintf (line, sizeof (line), " %s \nmore\n", raw_server_url (f.s));
    write_url (folder, "f.url", line);
    write_url (folder, ".hidden.url", "http://localhost:1");
    write_url (folder, "readme.txt", "http://localhost:1");
    write_url (folder, "empty.url", "");
    write_url (folder, "bad.url", "ftp://x");
    set_passes (&k);
    CHECK (servers_count (k.s) == 0); /* not before 10 s */
    skip (&k, 10);
    UNTIL (&k, servers_count (k.s) == 1 && up (&k, 0));
    write_url (folder, "g.url", raw_server_url (g.s));
    skip (&k, 10);
    UNTIL (&k, servers_count (k.s) == 2 && up (&k, 1));
    snprintf (path, sizeof (path), "%s/f.url", folder);
    CHECK (unlink (path) == 0);
    skip (&k, 10);
    UNTIL (&k, state (&k, 0) == SERVER_GONE);
    for (int i = 0; i < 4; i++) { /* nothing new goes there */
        t = (struct talk){.ask.spread = (uint64_t)i};
        talk_whole (&k, &t);
        CHECK (t.code == ESP_OK && t.at[0] == 1);
    }
    write_url (folder, "f.url", line);
    skip (&k, 10);
    UNTIL (&k, up (&k, 0));
    CHECK (servers_count (k.s) == 2);
    set_close (&k);
    raw_server_stop (f.s);
    raw_server_stop (g.s);
}

static void servers_that_are_gone_leave_room_for_new_ones (void)
{
    const char *folder = suite_folder ();
    char spec[600], url[64];
    esp_error error = {0};
    struct set k;
    set_defaults (&k);
    snprintf (spec, sizeof (spec), "@%s", folder);
    set_add (&k, spec);
    set_open (&k);
    for (unsigned i = 0; i < MOST_SERVERS; i++) {
        snprintf (url, sizeof (url), "http://127.1.%u.%u:1", i / 250, i % 250);
        PASS (servers_add (k.s, url, &error));
    }
    PASS (servers_add (k.s, url, &error)); /* that one is there already */
    FAILS (servers_add (k.s, "http://127.2.0.1:1", &error), ESP_EINVAL);
    CHECK (has (error.text, "generator.urls: more than 4096 servers"));
    PASS (esp_log_open (0, LOG_ERROR, NULL, LOG_ERROR)); /* 4096 lines less */
    servers_read_folder (k.s);                           /* no file of theirs */
    esp_log_close ();
    CHECK (state (&k, 0) == SERVER_GONE && state (&k, MOST_SERVERS - 1) == SERVER_GONE);
    PASS (servers_add (k.s, "http://127.2.0.1:1", &error));
    CHECK (servers_count (k.s) == MOST_SERVERS + 1);
    set_close (&k);
}

static void what_a_gone_server_never_answers_goes_elsewhere (void)
{
    static struct fake f, g;
    const char *folder = suite_folder ();
    char spec[600], path[600];
    struct talk t = {0};
    struct set k;
    fake_start (&f, "vllm");
    fake_start (&g, "vllm");
    atomic_store (&f.work, FAKE_STALLS);
    set_defaults (&k);
    snprintf (spec, sizeof (spec), "@%s", folder);
    set_add (&k, spec);
    write_url (folder, "f.url", raw_server_url (f.s));
    set_open (&k);
    UNTIL (&k, up (&k, 0));
    talk_start (&k, &t);
    UNTIL (&k, atomic_load (&f.works) == 1);
    write_url (folder, "g.url", raw_server_url (g.s));
    snprintf (path, sizeof (path), "%s/f.url", folder);
    CHECK (unlink (path) == 0);
    skip (&k, 10);
    UNTIL (&k, state (&k, 0) == SERVER_GONE && up (&k, 1));
    set_passes (&k);
    CHECK (t.dones == 0 && t.writes == 1); /* it may still finish what it has */
    atomic_store (&f.health, FAKE_CLOSES);
    skip (&k, 31);
    UNTIL (&k, t.dones == 1);
    CHECK (t.code == ESP_OK && t.writes == 2 && t.at[1] == 1);
    set_close (&k);
    raw_server_stop (f.s);
    raw_server_stop (g.s);
}

static void one_folder_and_nothing_else (void)
{
    struct set k;
    set_defaults (&k);
    set_add (&k, "@/tmp/a");
    set_add (&k, "@/tmp/b");
    refused (&k, ESP_EINVAL, "generator.urls: one folder");
    set_defaults (&k);
    set_add (&k, "@/tmp/a/*.url");
    set_add (&k, "http://localhost:1");
    refused (&k, ESP_EINVAL, "either servers or one @FOLDER");
    set_defaults (&k);
    set_add (&k, "@");
    refused (&k, ESP_EINVAL, "generator.urls: one folder");
}

static void a_folder_that_is_not_there_is_said_and_waited_for (void)
{
    struct set k;
    char spec[600], folder[550];
    snprintf (folder, sizeof (folder), "%s/later", suite_folder ());
    snprintf (spec, sizeof (spec), "@%s", folder);
    set_defaults (&k);
    set_add (&k, spec);
    set_open (&k);
    FAILS (servers_ready (k.s, &k.error), ESP_EEMPTY);
    CHECK (has (k.error.text, "generator.urls: cannot read the folder "));
    CHECK (mkdir (folder, 0700) == 0);
    write_url (folder, "x.url", "http://127.0.0.1:1");
    skip (&k, 10);
    UNTIL (&k, servers_count (k.s) == 1);
    set_close (&k);
}

static void placeholders_are_put_into_the_name_of_the_folder (void)
{
    static const char *const ends[] = {"", "/*.url"};
    const char *above = suite_folder ();
    struct set k;
    char spec[600], folder[550], host[256] = "";
    (void)gethostname (host, sizeof (host) - 1);
    snprintf (folder, sizeof (folder), "%s/%s-3-1", above, host);
    CHECK (mkdir (folder, 0700) == 0);
    write_url (folder, "x.url", "http://{host}:{rank}");
    snprintf (folder, sizeof (folder), "http://%s:3", host);
    for (size_t i = 0; i < 2; i++) {
        snprintf (spec, sizeof (spec), "@%s/{host}-{rank}-{local_rank}%s", above, ends[i]);
        set_defaults (&k);
        set_add (&k, spec);
        set_open (&k);
        CHECK (servers_count (k.s) == 1 && strcmp (server_url (servers_at (k.s, 0)), folder) == 0);
        set_close (&k);
    }
    set_defaults (&k);
    set_add (&k, "@servers/{hots}");
    refused (&k, ESP_EINVAL, "generator.urls: there is no {hots}; there are {host}");
}

static void an_empty_folder_is_waited_for_as_long_as_the_run_says (void)
{
    const char *folder = suite_folder ();
    struct set k;
    char spec[600];
    snprintf (spec, sizeof (spec), "@%s", folder);
    set_defaults (&k);
    set_add (&k, spec);
    set_open (&k);
    skip (&k, 590);
    FAILS (servers_ready (k.s, &k.error), ESP_EEMPTY);
    CHECK (has (k.error.text, "generator.urls: no file *.url yet in "));
    skip (&k, 11);
    FAILS (servers_ready (k.s, &k.error), ESP_ETIMEOUT);
    CHECK (has (k.error.text, "no file *.url yet in ") &&
           has (k.error.text, "s for it: generator.urls_wait_s)"));
    write_url (folder, "x.url", "http://127.0.0.1:1"); /* it has the whole time again */
    skip (&k, 10);
    UNTIL (&k, servers_count (k.s) == 1);
    FAILS (servers_ready (k.s, &k.error), ESP_EEMPTY);
    k.o.urls_wait_s = 0;
    skip (&k, 1e6);
    FAILS (servers_ready (k.s, &k.error), ESP_EEMPTY);
    set_close (&k);
}

static void survives_failure_of_every_allocation (void)
{
    struct set k;
    esp_err err = ESP_ENOMEM;
    long n;
    setenv ("ESP_TEST_KEY", "sk-secret-123", 1);
    for (n = 0; err != ESP_OK && n < 200; n++) {
        set_defaults (&k);
        set_add (&k, "http://{host}:1");
        set_add (&k, "http://localhost:2");
        k.o.api_key_env = "ESP_TEST_KEY";
        esp_alloc_fail_after (n);
        err = servers_create (&k.setup, &k.s, &k.error);
        esp_alloc_fail_after (-1);
        CHECK (err == ESP_OK || (err == ESP_ENOMEM && k.error.text[0] != 0));
        if (err == ESP_OK)
            servers_destroy (k.s);
        CHECK (esp_alloc_live () == 0);
    }
    CHECK (err == ESP_OK && n > 5);
    unsetenv ("ESP_TEST_KEY");
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"placeholders are put in", placeholders_are_put_in},
        {"an unknown placeholder names those that exist",
         an_unknown_placeholder_names_those_that_exist},
        {"a bad URL is refused with its key", a_bad_url_is_refused_with_its_key},
        {"equal URLs are one server", equal_urls_are_one_server},
        {"a base URL as OpenAI writes it is the same server",
         a_base_url_as_openai_writes_it_is_the_same_server},
        {"user and password are not shown", user_and_password_are_not_shown},
        {"one key comes from the environment or a file",
         one_key_comes_from_the_environment_or_a_file},
        {"a key that cannot be used is said at once", a_key_that_cannot_be_used_is_said_at_once},
        {"files of a folder come, go and come back", files_of_a_folder_come_go_and_come_back},
        {"servers that are gone leave room for new ones",
         servers_that_are_gone_leave_room_for_new_ones},
        {"what a gone server never answers goes elsewhere",
         what_a_gone_server_never_answers_goes_elsewhere},
        {"one folder, and nothing else", one_folder_and_nothing_else},
        {"placeholders are put into the name of the folder",
         placeholders_are_put_into_the_name_of_the_folder},
        {"an empty folder is waited for as long as the run says",
         an_empty_folder_is_waited_for_as_long_as_the_run_says},
        {"a folder that is not there is said and waited for",
         a_folder_that_is_not_there_is_said_and_waited_for},
        {"survives failure of every allocation", survives_failure_of_every_allocation},
        {NULL, NULL},
    };
    return suite_main ("server_urls", cases);
}
