#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A thinking budget: after so many tokens the thinking is closed by our text, and the answer goes on behind it"""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from engine_kit import run  # noqa: E402

FORCE = "\nTime is up.\n</think>\n\n"
think = {"max_tokens": 24, "tokens": 12, "force": FORCE}
done = run({"problems": {"limit": 2}, "search": {"n": 2, "budget": {"generations": 8}}, "step": {"think": think},
            "prompt": {"prefill": "<think>\nLet me think about this slowly, word by word. First"}})
texts = [row["text"] for row in done.candidates]
forced = [text for text in texts if FORCE in text]
print(f"{len(forced)} of {len(texts)} thoughts were closed by force")
assert len(texts) == 4 and forced
for text in forced:
    thought, _, answer = text.partition(FORCE)
    assert answer.strip() and "</think>" not in thought and FORCE not in answer
    assert len(thought.split()) <= 24  # a word is at least one token
