#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""record_llamacpp.py - exchanges with a real llama.cpp server, one JSON file each, for the parsers' unit tests

    cluster/local/llm-server run -- tests/real/record_llamacpp.py FOLDER

Each file: {"name", "endpoint", "request", "status", "response"}; a stream's response is {"text": all of it}.  Texts depend on
the build of the server: tests must look at shapes and at what follows from the request, not at words.
"""

import json
import os
import pathlib
import sys
import urllib.error
import urllib.request

CHAT = "<|im_start|>user\nWhat is 12 + 7?<|im_end|>\n<|im_start|>assistant\n"
SAMPLERS = {"temperature": 0.8, "top_k": 0, "top_p": 1.0, "min_p": 0.0, "seed": 42}
MESSAGES = [{"role": "user", "content": "What is 12 + 7?"}]
LONG = "one two three " * 2000


def completion(**more):
    return "POST /completion", {"prompt": CHAT, "n_predict": 24, **SAMPLERS, **more}


def v1(**more):
    return "POST /v1/completions", {"model": "llm", "prompt": CHAT, "max_tokens": 24, **SAMPLERS, **more}


def chat(**more):
    return "POST /v1/chat/completions", {"model": "llm", "messages": MESSAGES, "max_tokens": 24, **SAMPLERS, **more}


EXCHANGES = {
    "health": ("GET /health", None),
    "models": ("GET /v1/models", None),
    "props": ("GET /props", None),
    "completion_limit": completion(n_predict=4, return_tokens=True),
    "completion_eos": completion(n_predict=64, return_tokens=True, prompt=CHAT + "12 + 7 = 19.", temperature=0, logit_bias=[[151645, 30]]),
    "completion_n3_stop": completion(n_cmpl=3, stop=[".", "="], return_tokens=True),
    "completion_n_probs": completion(n_predict=2, n_probs=3, return_tokens=True),
    "completion_stream_stop": completion(stream=True, n_predict=16, stop=["+", "="], return_tokens=True),
    "completion_stream_n2": completion(stream=True, n_predict=3, n_cmpl=2),
    "completion_ids": completion(prompt=[16, 488, 220, 16, 284], n_predict=2, return_tokens=True),
    "completion_prompts": completion(prompt=["1 + 1 =", "2 + 2 ="], n_predict=2),
    "completion_fields": completion(n_predict=2, response_fields=["content", "timings/prompt_n", "stop_type"]),
    "completion_n_too_large": completion(n_cmpl=9),
    "completion_too_long": completion(prompt=LONG),
    "completion_too_long_stream": completion(prompt=LONG, stream=True),
    "completion_no_prompt": ("POST /completion", {"n_predict": 2}),
    "completion_wrong_type": completion(n_predict="two"),
    "completion_bad_json": ("POST /completion", {"raw": '{"prompt": "a", '}),
    "no_such_route": ("POST /nothing", {"a": 1}),
    "apply_template": ("POST /apply-template", {"messages": MESSAGES}),
    "apply_template_prefill": ("POST /apply-template", {"messages": MESSAGES + [{"role": "assistant", "content": "Step 1.\n\n"}]}),
    "tokenize": ("POST /tokenize", {"content": "1 + 2 = 3\n\n<|im_end|>", "add_special": False, "parse_special": True}),
    "tokenize_pieces": ("POST /tokenize", {"content": "19.\n\n", "with_pieces": True}),
    "detokenize": ("POST /detokenize", {"tokens": [16, 488, 220, 17]}),
    "v1_completions_n2": v1(n=2, stop=[".\n"]),
    "v1_completions_logprobs": v1(max_tokens=2, logprobs=2),
    "v1_chat": chat(max_tokens=4),
    "v1_chat_stream": chat(max_tokens=3, stream=True, stream_options={"include_usage": True}),
}


def exchange(url, endpoint, body):
    method, _, path = endpoint.partition(" ")
    data = None
    if body is not None:
        data = (body["raw"] if "raw" in body else json.dumps(body)).encode()
    request = urllib.request.Request(url + path, data, {"Content-Type": "application/json"}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=120) as reply:
            status, text = reply.status, reply.read().decode()
    except urllib.error.HTTPError as refused:
        status, text = refused.code, refused.read().decode()
    try:
        return status, json.loads(text)
    except ValueError:
        return status, {"text": text}


def shortened(value):
    """Long strings cut (a chat template, a prompt that is too long)."""
    if isinstance(value, str):
        return value if len(value) <= 3000 else value[:200] + f"<cut: {len(value)} characters in all>"
    if isinstance(value, dict):
        return {key: shortened(item) for key, item in value.items()}
    return [shortened(item) for item in value] if isinstance(value, list) else value


def without_place(response, name):
    """The server's paths say something about the machine."""
    if name == "props":
        response["model_path"] = "model.gguf"
        response["chat_template"] = response["chat_template"][:200]
    return response


def main():
    url, folder = os.environ["ESP_LLM_URL"], pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, (endpoint, body) in EXCHANGES.items():
        status, response = exchange(url, endpoint, body)
        record = {"name": name, "endpoint": endpoint, "request": body, "status": status, "response": without_place(response, name)}
        (folder / f"{name}.json").write_text(json.dumps(shortened(record), indent=1, ensure_ascii=False) + "\n")
        print(f"{status} {name}")


if __name__ == "__main__":
    main()
