#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""n_cmpl samples one prompt several times: child j is the single request with seed + j; index = prompt * n + sample"""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from real_kit import completion  # noqa: E402

four = completion(n_cmpl=4)
assert [one["index"] for one in four] == [0, 1, 2, 3]
for j in (0, 2, 3):
    assert completion(seed=42 + j)["content"] == four[j]["content"], j
pairs = completion(prompt=["1 + 1 =", "2 + 2 ="], n_cmpl=2, n_predict=2)
assert [(one["index"], one["prompt"]) for one in pairs] == [(0, "1 + 1 ="), (1, "1 + 1 ="), (2, "2 + 2 ="), (3, "2 + 2 =")]
