#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Errors as the engines read them: type, param, code; a prompt that leaves no room; silent clipping of max_tokens"""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from real_kit import VLLM, CHAT, ask, v1  # noqa: E402


def error(**body):
    status, reply = ask(VLLM, "/v1/completions", {"model": "gen", "prompt": CHAT, **body})
    return status, reply["error"]["type"], reply["error"]["param"]


most = ask(VLLM, "/v1/models", None)[1]["data"][0]["max_model_len"]
assert error(model="nope") == (404, "NotFoundError", "model")
assert error(n=0)[:2] == (400, "BadRequestError")
assert error(n=2, temperature=0)[:2] == (400, "BadRequestError")
assert error(prompt=[10] * (most + 1)) == (400, "BadRequestError", "input_tokens")
assert error(prompt=[10] * most) == (400, "BadRequestError", "max_tokens")
clipped = v1(prompt=[10] * (most - 2), max_tokens=100, ignore_eos=True)
assert clipped["usage"]["completion_tokens"] == 2 and clipped["choices"][0]["finish_reason"] == "length"
assert ask(VLLM, "/pooling", {"model": "gen", "input": "a"})[0] == 404
