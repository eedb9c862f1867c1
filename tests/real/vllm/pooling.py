#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The PRM: one row [P(bad), P(good)] per tag, in order; no tag is 200 and no row; one text too long fails the whole batch"""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from real_kit import PRM, ask  # noqa: E402


def rows(texts):
    status, reply = ask(PRM, "/pooling", {"model": "prm", "input": texts}, 120)
    assert status == 200, reply
    assert [one["index"] for one in reply["data"]] == list(range(len(texts)))
    return [one["data"] for one in reply["data"]]


steps = ["So. " + "We add.<extra_0>" * count for count in (1, 3, 0, 5)]
got = rows(steps)
assert [len(one) for one in got] == [1, 3, 0, 5]
assert all(abs(sum(pair) - 1) < 1e-5 for one in got for pair in one)
assert all(abs(a - b) < 1e-4 for a, b in zip(got[1][0], got[3][0]))  # a shared prefix has equal rows
assert ask(PRM, "/pooling", {"model": "prm", "input": ["a<extra_0>", "one two " * 3000]})[0] == 400
assert ask(PRM, "/v1/completions", {"model": "prm", "prompt": "a"})[0] == 404
