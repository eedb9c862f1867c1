# SPDX-License-Identifier: Apache-2.0
"""keeper.py - one server kept up: started, shown when it answers, started again when it ends, ended by its pid

Files in the folder, all written whole (a rename):
  NAME.url     "http://HOST:PORT": there exactly while the server answers; ranks read it (urls: "@FOLDER")
  NAME.log     what the server prints, and what its keeper does with it
  NAME.failed  why it was given up
"""

import http.client
import os
import pathlib
import signal
import socket
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "local"))
from server_process import ask, end_with_parent, say  # noqa: E402

import kinds  # noqa: E402

STEADY_S = 600  # a server that was up so long may end as often as it likes: its restarts are counted from 0 again
LOOK_S = 0.5


def write_whole(path, text):
    """A reader sees the old file or the new one."""
    new = path.with_name(f".{path.name}.{os.getpid()}")
    new.write_text(text)
    os.replace(str(new), str(path))


def forget(path):
    try:
        path.unlink()
    except OSError:
        pass


def free_port(bind):
    with socket.socket() as probe:
        probe.bind((bind, 0))
        return probe.getsockname()[1]


def in_the_child():
    """Slurm gives a step's signals to all of its processes: what is a word to us must not end the server."""
    end_with_parent()
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    signal.signal(signal.SIGUSR2, signal.SIG_IGN)


class Keeper(threading.Thread):
    """start(), then ends when its server is given up or end() was called; failed says which."""

    def __init__(self, options, folder, name, gpus):
        super().__init__(name=name)
        self.options, self.folder, self.gpus = options, folder, gpus
        self.url_file, self.log_file, self.failed_file = (folder / f"{name}.{end}" for end in ("url", "log", "failed"))
        self.child = self.url = None
        self.ending, self.failed, self.restarts = threading.Event(), False, 0
        self.hidden, self.lock = False, threading.Lock()  # the lock is for the .url file
        self.asking, self.heard = None, 0.0  # the thread of the request that is out; when the last one was answered
        for old in (self.url_file, self.failed_file):
            forget(old)

    # ---- what others call ----

    def hide(self):
        """For good.  Ranks send nothing new, at the latest when they read the folder again (10 s)."""
        with self.lock:
            self.hidden = True
            forget(self.url_file)

    def end(self):
        self.ending.set()

    # ---- the life of a server ----

    def run(self):
        try:
            while not self.ending.is_set():
                why = self.serve_once()
                if self.ending.is_set():
                    break
                self.restarts += 1
                if self.restarts > self.options.restarts:
                    self.give_up(why)
                    return
                self.note(f"{why}; started again ({self.restarts} of {self.options.restarts})")
                self.ending.wait(min(60, 2 ** self.restarts))
        except OSError as trouble:  # no such program, a full disk
            self.give_up(str(trouble))
        finally:
            self.stop_child()

    def serve_once(self):
        """From start to end; a sentence that says why it ended."""
        self.start_child()
        began = time.monotonic()
        why = self.wait_answer(began)
        if why is None:
            self.note(f"answers after {time.monotonic() - began:.0f} s")
            with self.lock:
                if not self.hidden:
                    write_whole(self.url_file, self.url + "\n")
            began = time.monotonic()
            why = self.watch()
            if time.monotonic() - began > STEADY_S:
                self.restarts = 0
        forget(self.url_file)
        self.stop_child()
        return why

    def start_child(self):
        options = self.options
        port = free_port(options.bind)
        places = {"model": options.model, "host": options.host, "bind": options.bind, "port": port, "name": options.name,
                  "gpus": len(self.gpus)}
        command = kinds.command(options, places)
        environment = dict(os.environ)
        if self.gpus:
            environment["CUDA_VISIBLE_DEVICES"] = ",".join(self.gpus)
        self.url = f"http://{options.host}:{port}"
        self.note("starting: " + " ".join(command) + (f" on GPU {','.join(self.gpus)}" if self.gpus else ""))
        with open(str(self.log_file), "ab") as log:
            self.child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                                          preexec_fn=in_the_child, env=environment)

    def wait_answer(self, began):
        self.heard = 0.0
        while not self.ending.is_set():
            if self.child.poll() is not None:
                return f"ended with status {self.child.returncode} before it answered"
            if self.heard > began:
                return None
            if time.monotonic() - began > self.options.patience_s:
                return f"did not answer within {self.options.patience_s:.0f} s"
            self.ask_aside()
            self.ending.wait(LOOK_S)
        return "was told to end"

    def watch(self):
        asked = time.monotonic()
        while not self.ending.wait(LOOK_S):
            now = time.monotonic()
            if self.child.poll() is not None:
                return f"ended with status {self.child.returncode}"
            if self.options.hung_s and now - self.heard > self.options.hung_s:
                return f"answered no request for {now - self.heard:.0f} s (its /health may say 200 all the same)"
            if self.options.hung_s and now - asked > self.options.hung_s / 5:
                self.ask_aside()
                asked = now
        return "was told to end"

    def ask_aside(self):
        """A real request in a thread of its own: a hung server must not keep us from hearing that we should end."""
        if self.asking is None or not self.asking.is_alive():
            self.asking = threading.Thread(target=self.probe, args=(self.url,), daemon=True)
            self.asking.start()

    def probe(self, url):
        path, body = kinds.PROBES[self.options.probe]
        try:
            model = self.options.name or ask(url, "/v1/models", None, 10, self.options.key)[1]["data"][0]["id"]
            status, text = ask(url, path, dict(body, model=model), self.options.hung_s or 120, self.options.key)
        except (OSError, http.client.HTTPException, KeyError, IndexError, TypeError):
            return
        if status == 200 and url == self.url:  # else of a server before this one
            self.heard = time.monotonic()
        if status in (401, 403, 404, 405):
            self.note(f"{path}: status {status}, {str(text)[:200]}: is --probe {self.options.probe} right for this server?")

    def stop_child(self):
        """SIGTERM to all that it started, after a while SIGKILL."""
        if self.child is None:
            return
        for number, patience in ((signal.SIGTERM, self.options.grace_s), (signal.SIGKILL, 5)):
            if self.child.poll() is None:
                os.killpg(self.child.pid, number)
            try:
                self.child.wait(patience)
                break
            except subprocess.TimeoutExpired:
                continue
        try:
            os.killpg(self.child.pid, signal.SIGKILL)  # what it left behind holds its GPU
        except OSError:
            pass
        self.child = None

    # ---- words ----

    def note(self, text):
        with open(str(self.log_file), "a") as log:
            log.write(f"{time.strftime('%Y-%m-%dT%H:%M:%S')} espalier serve: {text}\n")
        say(f"{self.name}: {text}")

    def give_up(self, why):
        self.failed = True
        write_whole(self.failed_file, why + "\n")
        self.note(f"{why}; given up after {self.restarts - 1 if self.restarts else 0} restarts; the end of {self.log_file} says more")
