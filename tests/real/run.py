#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""run.py - the ring `real`: brings real servers up and runs every check of their folder

    tests/real/run.py build/espalier [llamacpp] [vllm] [trl]      all when none is named; a check by its path: llamacpp/stop.py

A server that cannot be had is a failure, or with ESP_REAL_OPTIONAL=1 (CI: a registry may be away) skipped; so are vLLM without
its kit (tests/real/vllm-server) and TRL without pip.
"""

import os
import pathlib
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
LAUNCHERS = {"llamacpp": [ROOT / "cluster" / "local" / "llm-server", "run", "--"], "vllm": [HERE / "vllm-server", "run", "--"],
             "trl": [HERE / "trl-venv", "run", "--"]}
SKIPPED, CANNOT_BE_HAD, TOO_LONG_S = 77, 2, 600


def run_check(path, program):
    """'passed', 'failed' or 'skipped'; what the check printed is shown."""
    began = time.monotonic()
    try:
        done = subprocess.run([path], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
                              timeout=TOO_LONG_S, env={**os.environ, "ESP_PROGRAM": program})
        status, said = done.returncode, done.stdout
    except subprocess.TimeoutExpired as late:
        status, said = 1, f"{late.stdout or ''}\nno end after {TOO_LONG_S} s"
    verdict = {0: "passed", SKIPPED: "skipped"}.get(status, "failed")
    print(f"{verdict} {path.relative_to(HERE)} ({time.monotonic() - began:.1f} s)")
    for line in said.splitlines():
        print(f"  {line}")
    return verdict


def inside(program, paths):
    """The checks, with the server there; the closing line."""
    verdicts = [run_check(pathlib.Path(path), program) for path in paths]
    print(", ".join(f"{verdicts.count(verdict)} {verdict}" for verdict in ("passed", "failed", "skipped")), flush=True)
    return 1 if "failed" in verdicts else 0


def chosen(words):
    """Server -> its checks."""
    found = {}
    for word in words or list(LAUNCHERS):
        path = HERE / word
        checks = [path] if path.is_file() else sorted(one for one in path.iterdir() if os.access(one, os.X_OK) and one.is_file())
        found.setdefault(word.partition("/")[0], []).extend(checks)
    return found


def main():
    if sys.argv[1] == "--inside":
        return inside(sys.argv[2], sys.argv[3:])
    failed, program = 0, str(pathlib.Path(sys.argv[1]).resolve())
    for server, checks in chosen(sys.argv[2:]).items():
        command = [*LAUNCHERS[server], sys.executable, __file__, "--inside", program, *checks]
        status = subprocess.run([str(word) for word in command], check=False).returncode
        if status == CANNOT_BE_HAD and os.environ.get("ESP_REAL_OPTIONAL"):
            print(f"skipped: {server}: its server or its model could not be had")
            status = SKIPPED
        if status == SKIPPED:
            print("0 passed, 0 failed, 1 skipped")
        elif status not in (0, 1):
            print(f"{server}: its server could not be brought up\n0 passed, 1 failed, 0 skipped")
        failed |= status not in (0, SKIPPED)
        sys.stdout.flush()
    return failed


if __name__ == "__main__":
    sys.exit(main())
