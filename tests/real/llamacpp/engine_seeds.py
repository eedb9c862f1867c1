#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The same seed gives the same rows when one request is out at a time"""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from engine_kit import run  # noqa: E402

same = {"problems": {"limit": 2}, "search": {"n": 2}, "generator": {"in_flight": 1, "most_n": 1, "max_tokens": 24}}
first, second, other = run(same), run(same), run(same, {"run": {"seed": 43}})
assert sorted(map(str, first.candidates)) == sorted(map(str, second.candidates))
assert first.answers == second.answers
assert sorted(map(str, first.candidates)) != sorted(map(str, other.candidates))
