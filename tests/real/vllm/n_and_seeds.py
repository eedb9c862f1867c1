#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Child i of n is the single request with seed + i (ids equal); in a batch of prompts the seed is not shifted per prompt"""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from real_kit import CHAT, v1  # noqa: E402

four = v1(n=4, return_token_ids=True)["choices"]
assert [one["index"] for one in four] == [0, 1, 2, 3]
for i in (0, 1, 3):
    assert v1(seed=42 + i, return_token_ids=True)["choices"][0]["token_ids"] == four[i]["token_ids"], i
twice = v1(prompt=[CHAT, CHAT], n=2, return_token_ids=True)["choices"]
assert [one["token_ids"] for one in twice[:2]] == [one["token_ids"] for one in twice[2:]]
