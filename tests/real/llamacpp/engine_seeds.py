#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The same seed gives the same rows when one request is out at a time and no prompt is taken from the cache: also on a server just started"""
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from engine_kit import SCRATCH, merged, run  # noqa: E402
from real_kit import ROOT  # noqa: E402

SERVER, FOLDER = ROOT / "cluster" / "local" / "llm-server", SCRATCH / "server"
ALONE = {"problems": {"limit": 2}, "search": {"n": 2}, "generator": {"in_flight": 1, "most_n": 1, "max_tokens": 24, "cache_prompt": False}}


def rows(done):
    return sorted(map(str, done.answers)), sorted(map(str, done.candidates))


url = subprocess.run([SERVER, "start", FOLDER], stdout=subprocess.PIPE, text=True, check=True).stdout.split()[1]
try:
    same = merged(ALONE, {"generator": {"url": url}})
    cold, warm, other = run(same), run(same), run(same, {"run": {"seed": 43}})
finally:
    subprocess.run([SERVER, "stop", FOLDER], check=True)
elsewhere = run(ALONE)  # the server of the other checks: its cache is full of their prompts
assert rows(cold) == rows(warm) == rows(elsewhere)
assert rows(cold)[1] != rows(other)[1]
assert all(cost["cached_tokens"] == 0 for cost in cold.rows("costs.jsonl") + warm.rows("costs.jsonl") + elsewhere.rows("costs.jsonl"))
print(f"{len(cold.candidates)} candidates: the same on a new server, on a used one, and on another")
