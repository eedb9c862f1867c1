#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Our generator keeps 64 samples on 8 slots: every one is answered, none fails"""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from engine_kit import run  # noqa: E402

few = {"max_tokens": 8, "in_flight": 64, "most_n": 1}
done = run({"problems": {"limit": 1}, "search": {"n": 64}, "generator": few})
dispatch = done.summary()["this_start"]["dispatch"]
print(f"{len(done.candidates)} candidates, {dispatch['resent']} sent again, {dispatch['errors']} errors")
assert len(done.candidates) == 64 and dispatch["errors"] == 0 and dispatch["resent"] == 0
assert all(1 <= row["tokens"] <= 8 for row in done.candidates)
