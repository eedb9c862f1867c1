/* SPDX-License-Identifier: Apache-2.0 */
/* test_sandboxfusion_reply.c - what worker/verifier/sandboxfusion_reply.h promises */

// LINK: esp_engine_table

#include "worker/verifier/sandboxfusion_reply.h"
#include <string.h>
#include "tests/support/suite.h"

#define RUN(status, code, out)                                                                     \
    "{\"status\": \"Success\", \"message\": \"\", \"run_result\": {\"status\": \"" status          \
    "\", \"return_code\": " code ", \"stdout\": " out ", \"stderr\": \"\"}}"

static void a_request_holds_code_input_and_limits (void)
{
    esp_buf out = {0};
    PASS (sandboxfusion_ask (span_of ("print(\"x\")"), span_of ("1\n"), 2.5, 512, &out));
    CU_ASSERT_STRING_EQUAL (
        esp_buf_text (&out),
        "{\"language\":\"python\",\"code\":\"print(\\\"x\\\")\",\"stdin\":\"1\\n\","
        "\"compile_timeout\":10,\"run_timeout\":2.5,\"memory_limit_MB\":512}");
    esp_buf_free (&out);
}

static void what_a_program_said_and_how_it_ended (void)
{
    static const struct {
        const char *body, *said;
    } rows[] = {
        {RUN ("Finished", "0", "\"42\\n\""), "{\"stdout\":\"42\\n\",\"ended\":\"exited\"}"},
        {RUN ("Error", "1", "\"\""), "{\"stdout\":\"\",\"ended\":\"exited\"}"},
        {RUN ("Error", "-9", "\"a\""), "{\"stdout\":\"a\",\"ended\":\"killed\"}"},
        {RUN ("Error", "137", "\"a\""), "{\"stdout\":\"a\",\"ended\":\"killed\"}"},
        {RUN ("Error", "-24", "\"\""), "{\"stdout\":\"\",\"ended\":\"cpu-limit\"}"},
        {RUN ("Error", "153", "\"\""), "{\"stdout\":\"\",\"ended\":\"file-limit\"}"},
        {RUN ("Error", "-11", "\"\""), "{\"stdout\":\"\",\"ended\":\"crashed\"}"},
        {RUN ("TimeLimitExceeded", "null", "null"), "{\"stdout\":\"\",\"undecided\":\"timeout\"}"},
        {RUN ("TimeLimitExceeded", "null", "\"part\\n\""),
         "{\"stdout\":\"part\\n\",\"undecided\":\"timeout\"}"},
    };
    esp_error why = {0};
    esp_buf said = {0};
    for (size_t i = 0; i < sizeof (rows) / sizeof (rows[0]); i++) {
        esp_buf_clear (&said);
        PASS (sandboxfusion_read (span_of (rows[i].body), &said, &why));
        CU_ASSERT_STRING_EQUAL (esp_buf_text (&said), rows[i].said);
    }
    esp_buf_free (&said);
}

static void what_is_no_run_is_the_servers_fault (void)
{
    static const struct {
        const char *body;
        esp_err err;
    } rows[] = {
        {"{\"status\": \"SandboxError\", \"message\": \"no room\", \"run_result\": null}",
         ESP_EPEER},
        {"{\"status\": \"SandboxError\"}", ESP_EPEER},
        {"{\"status\": \"Success\"}", ESP_EFORMAT},
        {"{\"status\": \"Failed\", \"run_result\": []}", ESP_EFORMAT},
        {RUN ("Fine", "0", "\"\""), ESP_EFORMAT},
        {RUN ("Finished", "\"0\"", "\"\""), ESP_EFORMAT},
        {RUN ("Finished", "0", "7"), ESP_EFORMAT},
        {"{\"status\": 7}", ESP_EFORMAT},
        {"[]", ESP_EFORMAT},
        {"<html>", ESP_EFORMAT},
        {"", ESP_EFORMAT},
    };
    esp_buf said = {0};
    PASS (esp_buf_puts (&said, "kept"));
    for (size_t i = 0; i < sizeof (rows) / sizeof (rows[0]); i++) {
        esp_error why = {0};
        FAILS (sandboxfusion_read (span_of (rows[i].body), &said, &why), rows[i].err);
        CHECK (why.text[0] != 0);
        CU_ASSERT_STRING_EQUAL (esp_buf_text (&said), "kept");
    }
    esp_buf_free (&said);
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"a request holds code, input and limits", a_request_holds_code_input_and_limits},
        {"what a program said, and how it ended", what_a_program_said_and_how_it_ended},
        {"what is no run is the server's fault", what_is_no_run_is_the_servers_fault},
        {NULL, NULL},
    };
    return suite_main ("sandboxfusion_reply", cases);
}
