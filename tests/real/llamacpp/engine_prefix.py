#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A later step's prompt is mostly in the server's cache: cached tokens of `try`"""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from engine_kit import cost, try_one  # noqa: E402

prompt, cached = cost(try_one(more=["--problem", "easy/04"]))
again, cached_again = cost(try_one(more=["--problem", "easy/04"]))
print(f"{cached} of {prompt} prompt tokens from the cache; the second time {cached_again} of {again}")
assert cached_again > again / 2
