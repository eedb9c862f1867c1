#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""test_bad.py - bad input, broken files and signals, on the real program

    test_bad.py [ESPALIER] [WORD ...]      only the cases whose name holds one of the words

Each case runs the program in a folder of its own and looks at the exit status (0 done, 1 with errors, 2 nothing started,
3 resumable, 4 cannot go on), at the sentence, and that nothing was lost.  Standard library only.  Many cases mostly wait, so
several run side by side, each in a process of its own: a case changes the current folder and the environment.
"""
import concurrent.futures
import os
import shutil
import subprocess
import sys
import tempfile
import time

import bad_input  # noqa: F401 (the cases, in this order)
import bad_files  # noqa: F401
import bad_runs  # noqa: F401
import bad_costs  # noqa: F401
import bad_servers  # noqa: F401
import bad_prms  # noqa: F401
import bad_check  # noqa: F401
import bad_offline  # noqa: F401
import bad_samples  # noqa: F401
from bad_kit import CASES, Skip, Wrong

ONLY = sys.argv[2:]
SIDE_BY_SIDE = 3  # cases at a time


def perform(f):
    """(how it went, the line about it)"""
    with tempfile.TemporaryDirectory(prefix="esp-bad-") as base:
        work = os.path.join(base, "work")
        os.mkdir(work)
        os.chdir(work)
        os.environ["TMPDIR"] = base  # one mpirun's end removes folders that another one has just found
        begun, said = time.monotonic(), ""
        try:
            f()
            how = "ok"
        except Skip as s:
            how, said = "skipped", str(s)
        except (Wrong, OSError, subprocess.SubprocessError, KeyError, ValueError) as w:
            how, said = "FAILED", f"{type(w).__name__}: {w}"
        os.chdir("/")
        if os.environ.get("ESP_BAD_KEEP") and how == "FAILED":
            shutil.copytree(work, os.path.join(os.environ["ESP_BAD_KEEP"], f.__name__), dirs_exist_ok=True)
    return how, f"{how:7} {time.monotonic() - begun:6.1f} s  {f.__name__.replace('_', ' ')}{': ' + said if said else ''}"


def main():
    count = {"ok": 0, "FAILED": 0, "skipped": 0}
    chosen = [f for f in CASES if not ONLY or any(w in f.__name__.replace("_", " ") for w in ONLY)]
    with concurrent.futures.ProcessPoolExecutor(SIDE_BY_SIDE) as pool:
        for how, line in pool.map(perform, chosen):
            count[how] += 1
            print(line, flush=True)
    print(f"{count['ok']} passed, {count['FAILED']} failed, {count['skipped']} skipped")
    return 1 if count["FAILED"] else 0


if __name__ == "__main__":
    sys.exit(main())
