#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""logprobs: sum gives every step one: finite, at most 0, lower for longer ones in the mean"""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import math

from engine_kit import run  # noqa: E402

done = run({"problems": {"limit": 2}, "search": {"n": 4}, "generator": {"logprobs": "sum"}})
sums = [row["logprob"] for row in done.results() if "tokens" in row]
print(f"{len(sums)} sums, {min(sums):.2f} to {max(sums):.2f} nats")
assert len(sums) == 8 and all(math.isfinite(one) and one <= 0 for one in sums) and min(sums) < 0
