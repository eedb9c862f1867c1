# SPDX-License-Identifier: Apache-2.0
"""math_verify_server.py - math-verify behind JSON lines; verifier_math_verify.c runs it by python3 -c

    argv: pid of the parent, seconds for one job, MiB of memory
    out:  {"ready": true, "version": "0.9.0"}, or {"ready": false, "error": "..."} and the end
    in:   {"id": 7, "gold": "\\boxed{1/2}", "answer": "\\boxed{0.5}"}
    out:  {"id": 7, "verdict": "pass", "reason": "right-answer", "answer": "0.5"}

The parent kills a job that takes too long: alarms do not stop arithmetic on big integers. They are set all the same, for
what they can stop costs no new process.
"""
import ctypes
import json
import os
import resource
import signal
import sys

PR_SET_PDEATHSIG = 1
sys.path[:] = [p for p in sys.path if p]  # no module from the working folder
parent, seconds, memory_mb = int(sys.argv[1]), max(1, int(float(sys.argv[2]) * 0.8)), int(sys.argv[3])
try:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
except (AttributeError, OSError):
    pass  # the end of the input says it too
if os.getppid() != parent:
    sys.exit(1)
resource.setrlimit(resource.RLIMIT_AS, (memory_mb << 20, memory_mb << 20))
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
out = os.fdopen(os.dup(1), "w", encoding="utf-8")
os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what a library prints is no answer


def say(**reply):
    out.write(json.dumps(reply) + "\n")
    out.flush()


try:
    import importlib.metadata
    import logging

    from math_verify import parse, verify
    from math_verify.errors import TimeoutException

    logging.disable(logging.CRITICAL)
    version = importlib.metadata.version("math-verify")
    verify(parse("$1/2$"), parse("$0.5$"))  # the first use of the grammar takes longest
except BaseException as e:
    say(ready=False, error=f"{type(e).__name__}: {e}"[:200])
    sys.exit(1)


def read(text):
    return parse(text, parsing_timeout=seconds, raise_on_error=True)


def judge(gold, answer):
    mine = read(answer)
    if not mine:
        return "unknown", "no-answer", ""
    text = next((m for m in reversed(mine) if isinstance(m, str)), "")
    reference = read(gold)
    if not reference:
        return "unknown", "no-reference", text
    if verify(reference, mine, timeout_seconds=seconds, raise_on_error=True):  # the gold one first
        return "pass", "right-answer", text
    return "fail", "wrong-answer", text


say(ready=True, version=version)
for line in sys.stdin.buffer:
    job = json.loads(line)
    try:
        verdict, reason, text = judge(job["gold"], job["answer"])
    except TimeoutException:
        verdict, reason, text = "unknown", "timeout", ""
    except (Exception, RecursionError):
        verdict, reason, text = "unknown", "cannot-compare", ""
    say(id=job["id"], verdict=verdict, reason=reason, answer=text[:4096])
