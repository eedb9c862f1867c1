#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A server that is killed in the middle of a run and comes back: every problem is answered, nothing is an error"""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import subprocess

from engine_kit import SCRATCH, Run, wait_for  # noqa: E402
from real_kit import ROOT  # noqa: E402

SERVER, FOLDER = ROOT / "cluster" / "local" / "llm-server", SCRATCH / "server"


def start(port):
    said = subprocess.run([SERVER, "start", "--port", str(port), FOLDER], stdout=subprocess.PIPE, text=True, check=True).stdout
    return said.split()[1], int(said.split()[3])


url, _ = start(0)
try:
    going = Run({"problems": {"limit": 6}, "search": {"n": 4}, "generator": {"url": url, "in_flight": 4}})
    for round_number in (1, 2):
        wait_for(lambda: len(going.answers) >= 2 * round_number, 300, "the run does not go on")
        subprocess.run([SERVER, "stop", "--kill", FOLDER], check=True)
        assert going.child.poll() is None, "the run ended before its server was killed"
        start(url.rpartition(":")[2])
    going.wait()
finally:
    subprocess.run([SERVER, "stop", FOLDER], check=True)
dispatch = going.summary()["this_start"]["dispatch"]
print(f"server killed and started again twice: {len(going.answers)} answers, {dispatch['resent']} tasks sent again, {dispatch['returned']} returned")
assert len(going.answers) == 6 and not any(row["error"] for row in going.answers)
assert len(going.candidates) == 24
