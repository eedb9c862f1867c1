#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""engine openai in front of vLLM's /v1, with a prompt rendered here and by chat; engine auto finds vLLM and gives its rows"""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import math

from engine_kit import run, vllm  # noqa: E402

few = {"problems": {"limit": 2}, "search": {"n": 3}}
raw = run(few, {"prompt": {"chat": "chatml"}}, vllm(engine="openai", logprobs="sum"))
results = [row for row in raw.results() if "tokens" in row]
print(f"/v1/completions: {len(results)} samples, logprobs {min(row['logprob'] for row in results):.1f} nats and more")
assert len(raw.candidates) == 6 and len({row["text"] for row in raw.candidates}) > 3
assert all(math.isfinite(row["logprob"]) and row["logprob"] < 0 and 1 <= row["tokens"] <= 24 for row in results)

chat = run(few, vllm(engine="openai"), {"step": {"tokens": "", "whole": True}})
print(f"chat: {[row['finish_reason'] for row in chat.candidates]}")
assert len(chat.candidates) == 6 and all(1 <= row["tokens"] <= 24 for row in chat.candidates), chat.candidates
assert not any(row["error"] for row in raw.answers + chat.answers)

found = run(few, vllm(engine="auto"))
assert sorted(map(str, found.candidates)) == sorted(map(str, run(few, vllm()).candidates))
