#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Our PRM on /pooling, Qwen2.5-Math-PRM's layout: a score in [0, 1] per step; a random model is warned about; a generator is no PRM"""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from engine_kit import QWEN_PRM, VLLM, run, try_one, vllm  # noqa: E402

tree = {"problems": {"limit": 2}, "search": {"strategy": "beam", "n": "", "keep": 2, "expand": 2, "max_steps": 3, "aggregate": "last"}}
done = run(tree, vllm(), QWEN_PRM)
rows = done.candidates
scores = [score for row in rows for score in row["step_scores"]]
print(f"{len(rows)} candidates, {len(scores)} scores, {min(scores):.3f} to {max(scores):.3f}")
# A candidate's last node was generated to the end and is several chunks.
assert rows and all(len(row["step_scores"]) >= len(row["candidate"].split(".")) for row in rows)
assert all(0 <= score <= 1 for score in scores)
warned = "PRM-ORDER" in done.said + (done.output / "out" / "log.txt").read_text()
print(f"a wrong step above the right one: {'warned' if warned else 'not with these weights'}")

said = try_one(vllm(), {"prm": {**QWEN_PRM["prm"], "url": VLLM}}, want=(2,))
print(said.strip().splitlines()[-1])
assert VLLM in said
