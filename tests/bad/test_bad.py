#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""test_bad.py - bad input, broken files and signals, on the real program

    test_bad.py [ESPALIER] [WORD ...]      only the cases whose name holds one of the words

Each case runs the program in a folder of its own and looks at the exit status (0 done, 1 with errors, 2 nothing started,
3 resumable, 4 cannot go on), at the sentence, and that nothing was lost.  Standard library only.
"""
import os
import shutil
import subprocess
import sys
import tempfile
import time

import bad_input  # noqa: F401 (the cases, in this order)
import bad_files  # noqa: F401
import bad_runs  # noqa: F401
from bad_kit import CASES, Skip, Wrong

ONLY = sys.argv[2:]


def main():
    count = {"ok": 0, "FAILED": 0, "skipped": 0}
    for f in CASES:
        name = f.__name__.replace("_", " ")
        if ONLY and not any(w in name for w in ONLY):
            continue
        with tempfile.TemporaryDirectory(prefix="esp-bad-") as work:
            os.chdir(work)
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
        count[how] += 1
        print(f"{how:7} {time.monotonic() - begun:6.1f} s  {name}{': ' + said if said else ''}", flush=True)
    print(f"{count['ok']} passed, {count['FAILED']} failed, {count['skipped']} skipped")
    return 1 if count["FAILED"] else 0


if __name__ == "__main__":
    sys.exit(main())
