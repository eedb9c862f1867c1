#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""test_shapes.py - the model server's replies have the status and the keys of recorded replies of real servers

    tests/support/test_shapes.py build/tests/support/model_server

Replays every recorded request (tests/unit/worker/prompt/recorded, and all of ../shared/recorded where it is).
"""

import json
import pathlib
import sys

sys.dont_write_bytecode = True
from server_kit import Server, differences, events  # noqa: E402  (a file beside this one)

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
OWN = ROOT / "tests" / "unit" / "worker" / "prompt" / "recorded"
SHARED = ROOT.parent / "shared" / "recorded" / "vllm"

# What the test server does not do (features that no engine of ours uses), by the beginning of the recording's name.
LEFT_OUT = {
    "vllm": ["gen_beam", "gen_structured", "gen_inference", "gen_render", "gen_chat_render", "gen_get_load", "gen_metrics", "gen_suffix",
             "gen_bad_utf8", "gen_cache_salt_empty", "gen_prompt_mixed", "gen_truncate", "gen_engine", "gen_sigterm", "gen_repetition", "var_",
             "gen_logprobs_minus", "gen_logprob_token_ids_too_big", "gen_prompt_id_too_big", "gen_prompt_logprobs_stream", "gen_temp_tiny",
             "gen_top_", "gen_prompt_logprobs0", "gen_seed_big", "prm_base64", "prm_bytes", "prm_bad_", "prm_get_load", "prm_metrics",
             "prm_default_tag", "prm_one_task_en", "prm_number", "prm_null", "prm_truncate", "prm_tokenize_continue_nn", "orm_pooling_token",
             "causal_token_classify_on", "orm_classify_messages", "prm_embeddings", "gen_chat_continue_echo", "gen_echo_max0_logprobs", "gen_batch_same",
             "gen_seed_alone", "gen_seed_n4_vs", "gen_stream_usage_cont", "gen_text_plain", "auth_pooling"],
    "llamacpp": ["models", "props", "completion_eos"],
}
SERVES = {"gen": ("generate", "gen"), "prm": ("prm", "prm"), "orm": ("classify", "cls"), "causal": ("causal", "cls"), "auth": ("generate", "gen")}
# Keys whose inside is shortened in the test server, or that it leaves out.
SHORT = (".generation_settings", ".permission", ".system_fingerprint", ".top_logprobs[0].")


def recordings(kind):
    found = {path.stem: path for folder in (SHARED if kind == "vllm" else OWN / kind, OWN / kind) if folder.is_dir() for path in folder.glob("*.json")}
    for name, path in sorted(found.items()):
        record = json.loads(path.read_text())
        method, _, route = record["endpoint"].partition(" ")
        plain = record["status"] and method in ("GET", "POST") and " " not in route
        cut = "<cut" in json.dumps(record["request"])
        if plain and not cut and isinstance(record["request"], (dict, type(None))):
            if not any(name.startswith(start) for start in LEFT_OUT[kind]):
                yield name, method, route, record


def shape(response, ours):
    """Streams: the first and the last event stand for all."""
    if isinstance(response, dict) and "frames" in response:
        lines = [line for line in response["frames"].values() if line.startswith("data: {") and "<cut" not in line]
        real = [json.loads(line[6:]) for line in lines]
        if not real or not isinstance(ours, str):
            return None, None
        return real[0], next(event for event in events(ours) if bool(event["choices"]) == bool(real[0]["choices"]))
    if isinstance(response, dict) and set(response) == {"text"}:
        whole = "<cut" not in response["text"]
        return (last_event(response["text"]), last_event(ours)) if whole and isinstance(ours, str) else (None, None)
    return response, ours


def last_event(text):
    return [event for event in events(text) if event != "[DONE]"][-1]


def check(server, name, method, route, record):
    """Sentences about what is wrong."""
    status, ours = server.get(route) if method == "GET" else server.post(route, record["request"])
    if status != record["status"]:
        return [f"status {status}, not {record['status']}: {str(ours)[:200]}"]
    real, ours = shape(record["response"], ours)
    if status >= 400 and isinstance(real, dict) and isinstance(real.get("error"), dict):
        wrong = [f"error.{key} is {ours['error'].get(key)!r}, not {real['error'].get(key)!r}"
                 for key in ("type", "code") if real["error"].get(key) != ours["error"].get(key)]
        return wrong + differences(real, ours)
    return [text for text in differences(real, ours) if not any(short in text for short in SHORT)]


def options(kind, name):
    if kind == "llamacpp":
        return ("--kind", kind, "--model", "llm", "--max-model-len", "2048")
    serves, model = SERVES[name.partition("_")[0]]
    if name.startswith("causal_step"):
        serves = "prm"
    more = ("--api-key", "K") if name.startswith("auth_") else ()
    return ("--kind", "vllm", "--serves", serves, "--model", model, "--max-model-len", "1024", "--enable-prompt-tokens-details", *more)


def main():
    passed = failed = 0
    servers = {}
    for kind in ("vllm", "llamacpp"):
        for name, method, route, record in recordings(kind):
            chosen = options(kind, name)
            if chosen not in servers:
                servers[chosen] = Server(sys.argv[1], *chosen)
            wrong = check(servers[chosen], name, method, route, record)
            passed, failed = passed + (not wrong), failed + bool(wrong)
            for text in wrong[:6]:
                print(f"{kind}/{name}: {text}")
    for server in servers.values():
        server.__exit__()
    if not SHARED.is_dir():
        print(f"skipped: the other recordings of vLLM ({SHARED} is not there)")
    print(f"{passed} passed, {failed} failed, 0 skipped")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
