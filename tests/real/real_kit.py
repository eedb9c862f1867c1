# SPDX-License-Identifier: Apache-2.0
"""real_kit.py - what the checks against real servers share

A check is an executable in tests/real/llamacpp or tests/real/vllm, in any language: run.py starts it with the server's URL in
the environment (ESP_LLM_URL; ESP_VLLM_URL, ESP_VLLM_PRM_URL) and ESP_PROGRAM=build/espalier.  Exit status 0: passed, 77: skipped.
Texts of a model are never compared with stored ones: another build of the server says other words.
"""

import json
import os
import pathlib
import socket
import sys
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.dont_write_bytecode = True
sys.path.insert(0, str(ROOT / "cluster" / "local"))
from server_process import ask  # noqa: E402,F401

LLM = os.environ.get("ESP_LLM_URL")
VLLM = os.environ.get("ESP_VLLM_URL")
PRM = os.environ.get("ESP_VLLM_PRM_URL")
CHAT = "<|im_start|>user\nWhat is 12 + 7? Think step by step.<|im_end|>\n<|im_start|>assistant\n"
SAMPLERS = {"temperature": 0.8, "top_k": 0, "top_p": 1.0, "min_p": 0.0, "seed": 42}


def completion(**more):
    """A reply of llama.cpp's /completion."""
    status, reply = ask(LLM, "/completion", {"prompt": CHAT, "n_predict": 24, **SAMPLERS, **more}, 300)
    assert status == 200, (status, reply)
    return reply


def v1(url=None, **more):
    """A reply of vLLM's /v1/completions."""
    status, reply = ask(url or VLLM, "/v1/completions", {"model": "gen", "prompt": CHAT, "max_tokens": 24, **SAMPLERS, **more}, 300)
    assert status == 200, (status, reply)
    return reply


def events(text):
    return [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: {")]


def open_stream(url, path, body):
    """A connection on which the reply has begun; closing it is how a client cancels."""
    place, data = urllib.parse.urlsplit(url), json.dumps(body).encode()
    line = socket.create_connection((place.hostname, place.port), 60)
    line.sendall(f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n".encode() + data)
    while b"data: " not in line.recv(65536):
        pass
    return line
