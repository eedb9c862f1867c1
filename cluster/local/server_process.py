# SPDX-License-Identifier: Apache-2.0
"""server_process.py - start a model server, wait until it answers a real request, stop it by its pid

Imported by cluster/local/llm-server and tests/real/vllm-server.  A server has a folder of its own:
  log   what it prints
  state "URL PID START": START is the kernel's start time of that pid, so that a pid that was given to
        another process since is never signalled
/health proves nothing (vLLM says 200 with a dead engine): ready is who answers a completion.
"""

import ctypes
import http.client
import json
import os
import pathlib
import shlex
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request


DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Trouble(Exception):
    """A sentence for the user."""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start_time(pid):
    """Field 22 of /proc/PID/stat, or None when there is no such process (or only its remains)."""
    try:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else fields[19]


def ask(url, path, body, timeout=60, key=None):
    """(status, JSON or text) of a POST, or of a GET when body is None; never by a proxy of the environment."""
    headers = {"Content-Type": "application/json"}
    if key:
        headers["Authorization"] = f"Bearer {key}"
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url + path, data, headers)
    try:
        with DIRECT.open(request, timeout=timeout) as reply:
            status, text = reply.status, reply.read()
    except urllib.error.HTTPError as refused:
        status, text = refused.code, refused.read()
    try:
        return status, json.loads(text)
    except ValueError:
        return status, text.decode(errors="replace")


def answers(url, path, body, key=None):
    try:
        return ask(url, path, body, 120, key)[0] == 200
    except (OSError, http.client.HTTPException):
        return False


def end_with_parent():
    """In the child: SIGTERM when the process that started it dies, however it dies (PR_SET_PDEATHSIG)."""
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)


def launch(folder, command, url, environment=None, bound=False):
    """Start the command in the background; bound: it ends with this process.  The child."""
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "log", "wb") as log:
        child = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                                 preexec_fn=end_with_parent if bound else None, env={**os.environ, **(environment or {})})
    (folder / "state").write_text(f"{url} {child.pid} {start_time(child.pid)}\n")
    return child


def wait_ready(folder, child, url, probe, patience_s):
    """Until probe = (path, body) is answered with 200; else it is stopped, and the user hears the end of its log."""
    deadline = time.monotonic() + patience_s
    while not answers(url, *probe):
        if child.poll() is not None or time.monotonic() > deadline:
            stop(folder)
            raise Trouble(f"the server did not become ready: {shlex.join(child.args)}; the end of {folder}/log:\n"
                          + "\n".join((folder / "log").read_text(errors="replace").splitlines()[-15:]))
        time.sleep(0.2)


def stop(folder, patience_s=15, kill=False):
    """SIGTERM to the server's process group, after a while (kill: at once) SIGKILL; nothing when it is gone already."""
    try:
        _, pid, started = (folder / "state").read_text().split()
    except (OSError, ValueError):
        return
    pid = int(pid)
    for number, wait in ((signal.SIGTERM, patience_s), (signal.SIGKILL, 5))[kill:]:
        if start_time(pid) != started:
            break
        os.killpg(pid, number)
        deadline = time.monotonic() + wait
        while start_time(pid) == started and time.monotonic() < deadline:
            reap(pid)
            time.sleep(0.05)
    (folder / "state").unlink(missing_ok=True)


def reap(pid):
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        pass  # another process started it


def run(command, environment):
    """Run a command with more environment; its exit status.  Signals end it first, the caller's cleanup follows."""
    child = subprocess.Popen(command, env={**os.environ, **environment})
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, frame: child.send_signal(number))
    return child.wait()


def say(text):
    sys.stderr.write(f"espalier: {text}\n")  # at once: threads say things too
    sys.stderr.flush()
