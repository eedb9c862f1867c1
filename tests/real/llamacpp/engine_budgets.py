#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Budgets are hard with a real server too: no problem has more than its tokens, and what is charged is what the server says it made"""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from engine_kit import ARITHMETIC, Run, metric, run  # noqa: E402

BEAM = {"strategy": "beam", "n": "", "keep": 2, "expand": 2, "max_steps": 6}
for label, search, more in (
        ("best_of_n, 150 tokens", {"n": 6, "budget": {"generated_tokens": 150}}, {}),
        ("beam, 200 tokens", {**BEAM, "budget": {"generated_tokens": 200}}, {"prm": ARITHMETIC}),
        ("beam, 9 generations, 7 steps", {**BEAM, "budget": {"generations": 9, "steps": 7}}, {"prm": ARITHMETIC}),
        ("beam, 120 scored tokens", {**BEAM, "budget": {"scored_tokens": 120}}, {"prm": ARITHMETIC})):
    before = metric("llamacpp:tokens_predicted_total")
    done = run({"problems": {"limit": 3}, "search": search}, more)
    made = metric("llamacpp:tokens_predicted_total") - before
    spent = {key: [row[key] for row in done.answers] for key in ("generations", "steps", "generated_tokens", "scored_tokens")}
    costs, book = done.rows("costs.jsonl"), done.summary()["costs"]["this_start"]
    counted = sum(row["generated_tokens"] for row in costs)
    print(f"{label}: spent {spent}; costs.jsonl {counted} tokens, this start {book['generated_tokens']}, the server {made:.0f} with the probe")
    assert len(done.answers) == 3 and all(row["error"] is None for row in done.answers), done.answers
    for key, most in search["budget"].items():
        assert max(spent[key]) <= most, (label, key, spent)
    assert all(cost["generated_tokens"] <= charged for cost, charged in zip(costs, spent["generated_tokens"])), (costs, spent)
    assert counted + book["wasted"]["generated_tokens"] == book["generated_tokens"] <= made <= book["generated_tokens"] + 64, (label, counted, book, made)
    assert sum(row["prompt_tokens"] for row in costs) > 0 and all(0 <= row["cached_tokens"] <= row["prompt_tokens"] for row in costs), costs

stopped = Run({"search": {"n": 4}, "run": {"limits": {"generated_tokens": 300}}}).wait((3,))
total = sum(row["tokens"] for row in stopped.results() if "tokens" in row)
print(f"run.limits.generated_tokens=300: {total} tokens, then it stops: {stopped.said.strip().splitlines()[-1]}")
assert 0 < total <= 300 and "run.limits.generated_tokens" in stopped.said
