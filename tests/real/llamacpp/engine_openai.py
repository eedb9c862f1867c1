#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""engine openai, as for any such server, in front of llama.cpp's /v1: steps of a prompt rendered here, and whole answers by chat"""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from engine_kit import run  # noqa: E402

steps = run({"problems": {"limit": 2}, "search": {"strategy": "beam", "n": "", "keep": 2, "expand": 2, "max_steps": 3}, "prompt": {"chat": "chatml"},
             "generator": {"engine": "openai"}, "prm": {"engine": "arithmetic", "separator": "\n"}})
texts = [node["text"] for problem in ("easy/01", "easy/02") for node in steps.nodes(problem) if node["path"].count(".") < 2]  # the last level goes to the end
print(f"/v1/completions: {len(texts)} steps, {len(set(texts))} of them distinct")
assert len(texts) >= 8 and len(set(texts)) > 2, texts
assert all("\n" not in text.rstrip("\n") for text in texts), texts
assert not any(row["error"] for row in steps.answers), steps.answers

whole = run({"problems": {"limit": 2}, "search": {"n": 3}, "generator": {"engine": "openai", "logprobs": "sum"}, "step": {"separator": "", "whole": True}})
rows = whole.candidates
print(f"chat: {len(rows)} answers, {[row['finish_reason'] for row in rows]}")
assert len(rows) == 6 and all(row["tokens"] > 0 and row["text"] for row in rows), rows
assert len({row["text"] for row in rows}) > 2 and not any(row["error"] for row in whole.answers)
assert all(row["generated_tokens"] > 0 for row in whole.answers)
