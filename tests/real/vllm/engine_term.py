#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""vLLM told to end (SIGTERM) with requests in flight, which it neither answers nor closes: they go elsewhere, and every problem is answered"""
import os
import pathlib
import signal
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import subprocess

from engine_kit import SCRATCH, VLLM, Run, vllm, wait_for  # noqa: E402

SERVER, FOLDER = pathlib.Path(__file__).resolve().parent.parent / "vllm-server", SCRATCH / "server"

said = subprocess.run([SERVER, "start", "gen", FOLDER], stdout=subprocess.PIPE, text=True, check=True).stdout
try:
    going = Run(vllm(url="", urls=[said.split()[1], VLLM], max_tokens=400), {"search": {"n": 8}, "log": {"level": "info"}})
    wait_for(lambda: len(going.answers) >= 2, 300, "the run does not go on")
    os.kill(int(said.split()[3]), signal.SIGTERM)
    assert going.child.poll() is None, "the run ended before its server was told to"
    going.wait()
finally:
    subprocess.run([SERVER, "stop", FOLDER], check=True)
again = [line for line in going.said.splitlines() if "SERVER-RETRY" in line]
print(f"told to end under load: {len(going.answers)} answers, {len(again)} requests sent again, the first: {again[0][:240] if again else ''}")
assert again, "nothing was in flight there"
assert len(going.answers) == 12 and not any(row["error"] for row in going.answers)
assert len(going.candidates) == 96
