#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Our generator: a step ends behind its separator, the last one with the model's own end; siblings come in one request and differ"""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from engine_kit import ARITHMETIC, run  # noqa: E402

done = run({"problems": {"limit": 3}, "search": {"strategy": "beam", "n": "", "keep": 2, "expand": 2, "max_steps": 5}, "prm": ARITHMETIC})
nodes = [node for row in done.answers for node in done.nodes(row["id"])]
steps = [node for node in nodes if node["state"] == "stop"]
ends = [node for node in nodes if node["state"] == "eos"]
print(f"{len(nodes)} nodes: {len(steps)} ended by the separator, {len(ends)} by the model")
assert steps and ends
assert all(node["text"].endswith("\n") and node["text"].count("\n") == 1 for node in steps)
assert not any(node["text"].endswith("\n") for node in ends)
assert all(node["tokens"] > 0 for node in nodes)

one = run({"problems": {"limit": 1}, "search": {"n": 8}, "generator": {"temperature": 1.0}})
texts = {row["text"] for row in one.candidates}
print(f"8 siblings of one request: {len(texts)} texts")
assert len(one.candidates) == 8 and len(texts) > 1
