#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A judge by logprobs: every step has a score in [0, 1], and `try` shows them"""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import re

from engine_kit import LLM, run, try_one  # noqa: E402

judge = {"prm": {"engine": "llamacpp-logprobs", "layout": "judge", "url": LLM}}
beam = {"search": {"strategy": "beam", "n": "", "keep": 2, "expand": 2, "max_steps": 4}}  # try asks what the search asks first: a step
said = try_one(judge, beam, more=["--problem", "easy/01"])
shown = [float(one) for one in re.findall(r"^score of step \d+: (\S+)", said, re.M)]
print(f"try shows {len(shown)} scores, {min(shown):.3f} to {max(shown):.3f}")
assert shown and all(0 <= one <= 1 for one in shown) and "PRM" in said
said = try_one(judge, more=["--problem", "easy/01"])  # a whole solution, and the scores of its steps
shown = [float(one) for one in re.search(r"^scores of the steps: ([0-9. e+-]+) \(", said, re.M)[1].split()]
print(f"try shows {len(shown)} scores of a whole solution")
assert shown and all(0 <= one <= 1 for one in shown), said
done = run(judge, {"problems": {"limit": 2}, "search": {"n": 2}})
for row in done.candidates:
    assert len(row["step_scores"]) >= 1 and all(0 <= one <= 1 for one in row["step_scores"]), row
