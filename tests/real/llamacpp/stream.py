#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A stream says the same as a plain reply; its last frame has stop: true and the timings; there is no [DONE]"""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from real_kit import LLM, SAMPLERS, CHAT, ask, completion, events  # noqa: E402

plain = completion(stop=["\n"])
text = ask(LLM, "/completion", {"prompt": CHAT, "n_predict": 24, **SAMPLERS, "stop": ["\n"], "stream": True})[1]
frames = events(text)
assert "[DONE]" not in text
assert [frame["stop"] for frame in frames] == [False] * (len(frames) - 1) + [True]
assert "".join(frame["content"] for frame in frames) == plain["content"]
assert frames[-1]["stop_type"] == plain["stop_type"] and "prompt_n" in frames[-1]["timings"]
