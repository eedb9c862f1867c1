#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""64 requests on 8 slots: all are answered, none is refused"""
import concurrent.futures
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from real_kit import completion  # noqa: E402

with concurrent.futures.ThreadPoolExecutor(64) as pool:
    replies = list(pool.map(lambda seed: completion(seed=seed, n_predict=6, stop=["\n"]), range(64)))
assert len(replies) == 64 and all(1 <= one["tokens_predicted"] <= 6 for one in replies)
