/* SPDX-License-Identifier: Apache-2.0 */
/* sandboxfusion_reply.c - see sandboxfusion_reply.h */

#include "worker/verifier/sandboxfusion_reply.h"
#include <jansson.h>
#include <signal.h>
#include <string.h>

enum { COMPILE_S = 10 };

esp_err sandboxfusion_ask (span code, span input, double timeout_s, int64_t memory_mb, esp_buf *out)
{
    esp_err err = esp_buf_puts (out, "{\"language\":\"python\",\"code\":");
    if (err == ESP_OK)
        err = esp_buf_json_string (out, code);
    if (err == ESP_OK)
        err = esp_buf_puts (out, ",\"stdin\":");
    if (err == ESP_OK)
        err = esp_buf_json_string (out, input);
    if (err == ESP_OK)
        err = esp_buf_printf (out, ",\"compile_timeout\":%d,\"run_timeout\":", COMPILE_S);
    if (err == ESP_OK)
        err = esp_buf_json_double (out, timeout_s);
    return err == ESP_OK ? esp_buf_printf (out, ",\"memory_limit_MB\":%lld}", (long long)memory_mb)
                         : err;
}

const char *sandboxfusion_end (long long code)
{
    long long number = code < 0 ? -code : code > 128 ? code - 128 : 0;
    if (number == 0)
        return "exited";
    return number == SIGXCPU   ? "cpu-limit"
           : number == SIGXFSZ ? "file-limit"
           : number == SIGKILL ? "killed"
                               : "crashed";
}

static esp_err put_said (const char *name, const char *how, const json_t *text, esp_buf *said)
{
    esp_err err = esp_buf_puts (said, "{\"stdout\":");
    if (err == ESP_OK)
        err = esp_buf_json_string (said,
                                   span_make (json_is_string (text) ? json_string_value (text) : "",
                                              json_string_length (text)));
    return err == ESP_OK ? esp_buf_printf (said, ",\"%s\":\"%s\"}", name, how) : err;
}

static esp_err read_run (const json_t *run, esp_buf *said, esp_error *why)
{
    const char *status = json_string_value (json_object_get (run, "status"));
    const json_t *code = json_object_get (run, "return_code"),
                 *text = json_object_get (run, "stdout");
    if (status && strcmp (status, "TimeLimitExceeded") == 0)
        return put_said ("undecided", "timeout", text, said);
    if (!status || (strcmp (status, "Finished") != 0 && strcmp (status, "Error") != 0) ||
        !json_is_integer (code) || !json_is_string (text))
        return esp_error_set (why, ESP_EFORMAT, "run_result is not as SandboxFusion writes it");
    return put_said ("ended", sandboxfusion_end (json_integer_value (code)), text, said);
}

esp_err sandboxfusion_read (span body, esp_buf *said, esp_error *why)
{
    json_t *root = json_loadb (body.ptr ? body.ptr : "", body.len, JSON_ALLOW_NUL, NULL);
    const char *status = json_string_value (json_object_get (root, "status")),
               *message = json_string_value (json_object_get (root, "message"));
    size_t before = said->len;
    esp_err err;
    if (!status)
        err = esp_error_set (why, ESP_EFORMAT, "the answer is none of SandboxFusion's");
    else if (strcmp (status, "SandboxError") == 0)
        err = esp_error_set (why, ESP_EPEER, "SandboxError: %.200s", message ? message : "");
    else
        err = read_run (json_object_get (root, "run_result"), said, why);
    if (err != ESP_OK)
        said->len = before;
    json_decref (root);
    return err;
}
