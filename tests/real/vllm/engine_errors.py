#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What our program says of a server that cannot do what is asked: before anything is spent, exit status 2, the URL in the sentence.

More tokens than the context has are no such thing: fewer are asked for, and that is said."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from engine_kit import VLLM, run, try_one, vllm  # noqa: E402
from real_kit import PRM  # noqa: E402

wrong = {
    "a model that is not there": (vllm(model="llama-405b"), "gen"),
    "a PRM instead of a generator": (vllm(url=PRM), PRM),
    "nobody there": (vllm(url="http://127.0.0.1:9", wait_s=1), "127.0.0.1:9"),
    "another server": ({"generator": {"engine": "llamacpp", "url": VLLM}}, VLLM),
}
bad = []
for name, (changes, word) in wrong.items():
    said = try_one(changes, want=(0, 2, 3))
    last = [line for line in said.strip().splitlines() if line.strip()][-1]
    print(f"{name}: {last}")
    if word not in said or "---- step" in said:
        bad.append(name)
assert not bad, bad

said = try_one(vllm(), {"prompt": {"template": "{problem} " + "word " * 6000}}, want=(2,))  # the server would refuse it, or clip it silently
last = [line for line in said.splitlines() if line.startswith("espalier: ")][-1]
print("a prompt longer than the context:", last)
assert "prompt of " in last and "context of 1024" in last and "---- step" not in said, said[-500:]

much = run({"problems": {"limit": 1}, "search": {"n": 2}, "log": {"level": "info"}}, vllm(max_tokens=4096))  # vLLM refuses such a request
print("more tokens than the context has:", [(row["finish_reason"], row["tokens"]) for row in much.candidates])
assert "context of 1024 tokens has no room for generator.max_tokens (4096)" in much.said, much.said
assert len(much.candidates) == 2 and not any(row["error"] for row in much.answers), much.answers
assert all(0 < row["tokens"] < 1024 for row in much.candidates)
