# SPDX-License-Identifier: Apache-2.0
"""faulty.py - the models of recipes/external, which go wrong once: faulty.py FOLDER FAULT ROLE

FAULT: none, crash, hang (alive, says nothing), stuck (answers heartbeats, no task), garbage, nan, unknown, twice, slow.
In FOLDER: pid-ROLE-N for every process, fault-ROLE once the fault has happened.  It happens after some tasks.
"""
import os
import signal
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "cluster" / "recipes" / "external"))
import espalier  # noqa: E402
import models  # noqa: E402
from espalier import _engine  # noqa: E402

AFTER = 5  # calls
folder, fault, role = Path(sys.argv[1]), sys.argv[2], os.environ["ESPALIER_ROLE"]
here = role in sys.argv[3:]
(folder / f"pid-{role}-{os.getpid()}").touch()
calls = 0


def first():
    """Is it time, and the first time over all processes?"""
    global calls
    calls += 1
    if not here or calls < AFTER or fault in ("none", "slow"):
        return False
    try:
        (folder / f"fault-{role}").touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def bytes_instead(line, results):
    session = line.session
    real = _engine._dumps({"type": "results", "session": session, "results": results})
    return {
        "garbage": [b"\xff\xfe{]"],
        "nan": [real.replace(b'"scores": [', b'"scores": [NaN, ')],
        "unknown": [_engine._dumps({"type": "results", "session": session, "results": [{"id": 999999, "scores": [1]}, 7]}), real],
        "twice": [real, real],
    }[fault]


give = _engine._Line.give


def faulty_give(line, session, results):
    if fault == "slow":
        time.sleep(0.005)
    if not first():
        give(line, session, results)
    elif fault == "crash":
        os.kill(os.getpid(), signal.SIGKILL)
    elif fault == "hang":
        os.kill(os.getpid(), signal.SIGSTOP)
    elif fault == "stuck":
        time.sleep(1000)
    else:
        for data in bytes_instead(line, results):
            line.socket.send(data)


_engine._Line.give = faulty_give
espalier.serve()
