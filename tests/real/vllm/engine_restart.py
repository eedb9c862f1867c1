#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""vLLM killed in the middle of a run, started again at another place: its .url file changes, and every problem is answered"""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import subprocess

from engine_kit import SCRATCH, Run, vllm, wait_for  # noqa: E402

SERVER, FOLDER, PLACES = pathlib.Path(__file__).resolve().parent.parent / "vllm-server", SCRATCH / "server", SCRATCH / "places"


def start():
    said = subprocess.run([SERVER, "start", "gen", FOLDER], stdout=subprocess.PIPE, text=True, check=True).stdout
    (PLACES / "new").write_text(said.split()[1] + "\n")
    (PLACES / "new").rename(PLACES / "gen.url")


PLACES.mkdir()
start()
try:
    going = Run(vllm(url="", urls=[f"@{PLACES}"], max_tokens=400), {"search": {"n": 24}, "dispatch": {"no_worker_s": 900}})
    wait_for(lambda: len(going.answers) >= 2, 300, "the run does not go on")
    subprocess.run([SERVER, "stop", "--kill", FOLDER], check=True)
    assert going.child.poll() is None, "the run ended before its server was killed"
    start()
    going.wait()
finally:
    subprocess.run([SERVER, "stop", FOLDER], check=True)
dispatch = going.summary()["this_start"]["dispatch"]
print(f"server killed under load: {len(going.answers)} answers, {dispatch['resent']} tasks sent again, {dispatch['returned']} returned")
assert len(going.answers) == 12 and not any(row["error"] for row in going.answers)
assert len(going.candidates) == 288
