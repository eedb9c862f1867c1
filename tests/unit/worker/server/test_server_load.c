/* SPDX-License-Identifier: Apache-2.0 */
/* test_server_load.c - how many sequences a server gets, as worker/server/server_load.c learns it */

#include <stdio.h>
#include "tests/support/suite.h"
#include "worker/server/servers_inner.h"

static void vllm_and_sglang_say_who_runs_and_who_waits (void)
{
    static const char vllm[] =
        "# HELP vllm:num_requests_running Number of requests in model execution batches.\n"
        "# TYPE vllm:num_requests_running gauge\n"
        "vllm:num_requests_running{engine=\"0\",model_name=\"m\"} 3.0\n"
        "vllm:num_requests_running{engine=\"1\",model_name=\"m\"} 4.0\n"
        "vllm:num_requests_waiting_by_reason{engine=\"0\",reason=\"capacity\"} 70.0\n"
        "vllm:num_requests_waiting{engine=\"0\",model_name=\"m\"} 2.0";
    static const char sglang[] =
        "sglang:num_running_reqs{model_name=\"m\"} 12\nsglang:num_queue_reqs{model_name=\"m\"} 1\n";
    double running, waiting;
    CHECK (server_load_read (span_of (vllm), &running, &waiting) && running == 7 && waiting == 2);
    CHECK (server_load_read (span_of (sglang), &running, &waiting) && running == 12 &&
           waiting == 1);
}

static void other_pages_say_nothing (void)
{
    double running, waiting;
    CHECK (!server_load_read (span_of (""), &running, &waiting));
    CHECK (!server_load_read (span_of ("<html>\n"), &running, &waiting));
    CHECK (!server_load_read (span_of ("vllm:num_requests_running"), &running, &waiting));
    CHECK (!server_load_read (span_of ("vllm:num_requests_running{} 1\n"), &running, &waiting));
    CHECK (!server_load_read (span_make ("\0\0\n\0", 4), &running, &waiting));
}

static void a_full_limit_without_a_queue_grows (void)
{
    CHECK (server_load_next (64, 64, 60, 0) == 96);
    CHECK (server_load_next (64, 58, 58, 0) == 96); /* nine tenths of it were used */
    CHECK (server_load_next (64, 40, 40, 0) == 64); /* it was never full */
    CHECK (server_load_next (1000, 1000, 900, 0) == 1024);
}

static void a_queue_makes_it_shrink (void)
{
    CHECK (server_load_next (100, 100, 64, 36) == 80);
    CHECK (server_load_next (100, 100, 64, 10) == 100); /* a short one keeps the server full */
    CHECK (server_load_next (18, 18, 1, 100) == 16);
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"vLLM and SGLang say who runs and who waits", vllm_and_sglang_say_who_runs_and_who_waits},
        {"other pages say nothing", other_pages_say_nothing},
        {"a full limit without a queue grows", a_full_limit_without_a_queue_grows},
        {"a queue makes it shrink", a_queue_makes_it_shrink},
        {NULL, NULL},
    };
    return suite_main ("server load", cases);
}
