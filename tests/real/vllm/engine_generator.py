#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Our generator on vLLM: siblings in one request, distinct texts, steps of 8 tokens, a sum of logprobs each, the same rows for the same seed"""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import math

from engine_kit import run, vllm  # noqa: E402

siblings = [{"problems": {"limit": 2}, "search": {"n": 4}}, vllm(logprobs="sum")]
done = run(*siblings)
results = [row for row in done.results() if "tokens" in row]
texts = {row["text"] for row in done.candidates}
print(f"{len(results)} samples, {len(texts)} texts, logprobs {min(row['logprob'] for row in results):.1f} nats and more")
assert len(done.candidates) == 8 and len(texts) >= 6
assert all(math.isfinite(row["logprob"]) and row["logprob"] < 0 and 1 <= row["tokens"] <= 24 for row in results)
assert sorted(map(str, run(*siblings).candidates)) == sorted(map(str, done.candidates))  # this server repeats itself, other requests or not

beam = run({"problems": {"limit": 1}, "search": {"strategy": "beam", "n": "", "keep": 2, "expand": 2, "max_steps": 3}}, vllm(), {"prm": {"engine": "arithmetic"}})
nodes = beam.nodes("easy/01")
print(f"beam: {len(nodes)} nodes of {sorted({node['tokens'] for node in nodes})} tokens")
steps = [node for node in nodes if node["path"].count(".") < 2]  # the last level goes to the end
assert len(steps) >= 4 and all(node["tokens"] <= 8 for node in steps) and any(node["tokens"] == 8 for node in steps)
assert all(node["tokens"] <= 24 for node in nodes)
