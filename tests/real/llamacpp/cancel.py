#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Closing a stream frees its slot long before the generation would have ended"""
import time
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from real_kit import LLM, SAMPLERS, CHAT, ask, open_stream  # noqa: E402


def busy():
    return sum(slot["is_processing"] for slot in ask(LLM, "/slots", None)[1])


line = open_stream(LLM, "/completion", {"prompt": CHAT, "n_predict": 1800, "ignore_eos": True, "stream": True, **SAMPLERS})
assert busy() == 1
line.close()
began = time.monotonic()
while busy() and time.monotonic() - began < 15:
    time.sleep(0.1)
print(f"the slot was free {time.monotonic() - began:.1f} s after the close")
assert busy() == 0
