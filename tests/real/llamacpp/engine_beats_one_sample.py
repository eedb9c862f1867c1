#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A search finds more right answers than its own samples do: votes, or votes weighted by recomputed arithmetic"""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import json
import subprocess

from engine_kit import ARITHMETIC, PROGRAM, run  # noqa: E402

done = run({"search": {"n": 8}, "prm": ARITHMETIC})
samples = done.candidates
single = sum(row["correct"] is True for row in samples) / len(samples)
report = subprocess.run([PROGRAM, "report", "--format", "json", "--bootstrap", "0", done.output / "out"], stdout=subprocess.PIPE, check=True)
last = json.loads(report.stdout)["runs"][0]["sections"][0]["rows"][-1]
naive, majority, weighted = (last[key]["value"] for key in ("best", "majority", "weighted"))
print(f"12 problems x 8 samples: pass@1 {single:.3f}, majority {majority:.3f}, best score {naive:.3f}, weighted votes {weighted:.3f}")
assert len(samples) == 96
assert max(majority, naive, weighted) > single
