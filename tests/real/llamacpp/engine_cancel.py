#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What is cancelled stops on the server: a problem whose time is over, and a program that was killed"""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from engine_kit import LONG, Run, busy_slots, metric, wait_for  # noqa: E402


def idle():
    return busy_slots() == 0 and metric("llamacpp:requests_deferred") == 0


wait_for(idle, 60, "the server was busy before the check")
timed = Run(LONG, {"problems": {"limit": 3, "open": 1}, "search": {"n": 8, "budget": {"seconds": 6}}})
wait_for(lambda: len(timed.answers) >= 1, 120, "the first problem does not end")
# The second problem's 8 samples have the 8 slots: those of the first, 1500 tokens each, are gone.
wait_for(lambda: timed.child.poll() is not None or (busy_slots() == 8 and metric("llamacpp:requests_deferred") == 0), 60, "slots stay taken")
assert timed.child.poll() is None, "the samples of a problem whose time was over held the slots"
timed.wait()
wait_for(idle, 60, "requests go on after the run")
print("three problems of 6 s:", [row["finish_reason"] for row in timed.answers])
assert "error" not in [row["finish_reason"] for row in timed.answers]

killed = Run(LONG, {"problems": {"limit": 1}, "search": {"n": 8}})
wait_for(lambda: busy_slots() >= 8, 120, "8 samples never ran at once")
killed.kill()
wait_for(idle, 60, "requests of a killed program go on")
