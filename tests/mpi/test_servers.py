#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""test_servers.py - three ranks in front of model servers that are killed: same rows, exit status 0; or that have different
models: refused; or that are slow when Ctrl-C comes

    test_servers.py ESPALIER [MPIRUN]       ESPALIER: in a build folder, beside tests/support/model_server

Servers are killed by SIGKILL, in the middle of answers, and started again on their port.  Processes are ended by their ids only.
"""
import argparse
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

from test_runs import HERE, Test, journal_bytes

sys.path.insert(0, os.path.join(HERE, "..", "support"))
from server_kit import Server  # noqa: E402

RUN = """run: {name: servers, seed: 42, output: unused}
problems: {file: PROBLEMS}
search: {strategy: beam, keep: 2, expand: 2, max_steps: 8}
generator: {engine: vllm, url: "http://127.0.0.1:1", first_byte_s: 20, idle_s: 10}
prm: {engine: arithmetic}
verifier: {kind: answer}
dispatch: {no_worker_s: 60}
log: {level: info}
"""
PROBLEMS = 16
SLOW = ("--token-ms", "6")


class Killable:
    """A model server on a port of its own that can be killed and comes back there."""

    def __init__(self, program, kind):
        self.program, self.kind, self.server = program, kind, None
        with socket.socket() as free:  # taken by nobody else: ports are given out in turn
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"

    def start(self):
        for _ in range(50):
            try:
                self.server = Server(self.program, "--kind", self.kind, "--port", str(self.port), *SLOW)
                return
            except RuntimeError:  # the port is not free yet
                time.sleep(0.1)
        raise RuntimeError(f"no server on port {self.port}")

    def kill(self):
        if self.server:
            self.server.process.send_signal(signal.SIGKILL)
            self.server.process.wait()
            self.server.process.stdout.close()
        self.server = None


def tail(status, err):
    return f": {err[-400:]!r}" if status != 0 else ""


def words(test, name, urls, kind):
    return ["run", test.run_file, f"run.output={test.out(name)}", f"generator.engine={kind}",
            f"generator.urls=[{', '.join(urls)}]", "generator.url="]


def generated(test, name):
    """Answers so far."""
    try:
        with open(os.path.join(test.out(name), "answers.jsonl")) as rows:
            return sum(1 for _ in rows)
    except OSError:
        return 0


def killed_and_restarted(test, program, kind):
    name, server, times = f"twice-{kind}", Killable(program, kind), 0
    server.start()
    p = test.start(3, words(test, name, [server.url], kind))
    try:
        for at, pause in ((1, 1.5), (PROBLEMS // 2, 7)):  # shorter and longer than a worker keeps what it cannot do
            test.wait(p, lambda: generated(test, name) >= at, 120)
            if p.poll() is None:
                server.kill()
                times += 1
                time.sleep(pause)
                server.start()
        err = p.communicate(timeout=200)[1].decode(errors="replace")
    except subprocess.TimeoutExpired:
        test.end(p)
        err = "timed out"
    finally:
        server.kill()
    test.check(p.returncode == 0 and times == 2 and "SERVER-OUT" in err,
               f"{kind}: the only server was killed and started again {times} times (status {p.returncode}{tail(p.returncode, err)})")
    test.check(test.rows(name) == test.rows("calm-" + kind), f"{kind}: rows are those of an undisturbed run")


def one_of_two_dies(test, program, kind):
    name, servers = f"two-{kind}", [Killable(program, kind) for _ in range(2)]
    for server in servers:
        server.start()
    p = test.start(3, words(test, name, [server.url for server in servers], kind))
    try:
        test.wait(p, lambda: generated(test, name) >= 2, 120)
        alive = p.poll() is None
        servers[0].kill()
        err = p.communicate(timeout=200)[1].decode(errors="replace")
    except subprocess.TimeoutExpired:
        test.end(p)
        alive, err = False, "timed out"
    finally:
        for server in servers:
            server.kill()
    test.check(p.returncode == 0 and alive and "SERVER-OUT" in err, f"{kind}: one of two servers was killed for good (status {p.returncode}{tail(p.returncode, err)})")
    test.check(test.rows(name) == test.rows("calm-" + kind), f"{kind}: rows are those of an undisturbed run")


def calm(test, program, kind):
    with Server(program, "--kind", kind) as server:
        status, err = test.run(3, words(test, "calm-" + kind, [server.url], kind))
    test.check(status == 0 and journal_bytes(test.out("calm-" + kind)) > 0, f"{kind}: an undisturbed run (status {status}{tail(status, err)})")


def each_rank_its_own(test, program, name, models, *keys):
    """Rank i in front of a server of its own, with models[i - 1]; (status, stderr)."""
    folder = tempfile.mkdtemp(dir="/tmp")  # the name of a socket must be short
    words = ["run", test.run_file, f"run.output={test.out(name)}", "generator.engine=vllm", f"generator.url=unix:{folder}/s{{rank}}", *keys]
    servers = [Server(program, "--kind", "vllm", "--model", model, "--unix", f"{folder}/s{rank}") for rank, model in enumerate(models, 1)]
    try:
        status, err = test.run(3, words)
    finally:
        for server in servers:
            server.__exit__()
        shutil.rmtree(folder)
    return status, err


def finished(test, name):
    """mpirun's own status says nothing."""
    return os.path.exists(os.path.join(test.out(name), "done"))


def one_model_per_run(test, program):
    status, err = each_rank_its_own(test, program, "mixed", ("llama", "qwen"))
    parts = ["'llama' at unix:", "'qwen' at unix:", "rank 1 has", "rank 2 has", "generator.model", "`workers:`", "nothing was generated"]
    test.check(all(part in err for part in parts), f"ranks whose servers have different models are refused (status {status}: {err[-600:]!r})")
    test.check(not os.path.exists(os.path.join(test.out("mixed"), "answers.jsonl")) or not generated(test, "mixed"), "and nothing was answered")
    status, err = each_rank_its_own(test, program, "equal", ("llama", "llama"))
    test.check(finished(test, "equal"), f"with equal models they run (status {status}: {err[-400:]!r})")
    status, err = each_rank_its_own(test, program, "split", ("llama", "qwen"), "workers.generate=1")
    test.check(finished(test, "split"), f"and where only one of them generates (status {status}: {err[-400:]!r})")


def interrupted(test, program, to_group):
    """Ctrl-C while requests of seconds are out: mpirun kills its ranks soon, but what a stopped run leaves is all there."""
    name = f"interrupted-{to_group}"
    with Server(program, "--kind", "vllm", "--token-ms", "1000") as server:
        status_file = test.out(name + ".status")
        p = test.start(3, words(test, name, [server.url], "vllm"), ESP_STATUS_FILE=status_file)
        test.wait(p, lambda: flying(server) > 2, 60)  # more than the probes of two ranks
        alive = p.poll() is None
        os.killpg(p.pid, signal.SIGINT) if to_group else p.send_signal(signal.SIGINT)
        try:
            err = p.communicate(timeout=60)[1].decode(errors="replace")
        except subprocess.TimeoutExpired:
            test.end(p)
            err = "timed out"
    left = {file: os.path.exists(os.path.join(test.out(name), file)) for file in ("summary.json", "control.json", "done")}
    status = open(status_file).read().strip() if os.path.exists(status_file) else "none"
    told = "go on by" in err or "Open MPI v5" in err  # whose mpirun passes nothing on any more
    test.check(alive and status == "3" and told and left == {"summary.json": True, "control.json": False, "done": False},
               f"Ctrl-C to {'the group of mpirun' if to_group else 'mpirun'} with slow requests out: status {status}, {left}: {err[-500:]!r}")


def flying(server):
    """Requests that run there."""
    _, _, page = server.ask("GET", "/metrics")
    return sum(float(line.split()[-1]) for line in page.decode().splitlines() if line.startswith("vllm:num_requests_running"))


def main():
    a = argparse.ArgumentParser()
    a.add_argument("espalier")
    a.add_argument("mpirun", nargs="?", default=os.path.join(HERE, "../../cluster/local/mpirun"))
    args = a.parse_args()
    program = os.path.join(os.path.dirname(os.path.abspath(args.espalier)), "tests", "support", "model_server")
    if not os.path.exists(program):
        print(f"skipped: no {program}\n0 passed, 0 failed, 1 skipped")
        return 0
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR", os.getcwd())) as folder:
        test = Test(args, folder)
        with open(os.path.join(folder, "sums.jsonl"), "w") as out:
            for i in range(PROBLEMS):
                out.write(json.dumps({"id": f"p{i}", "problem": f"What is {i + 3} + {2 * i} + {40 - i}?", "answer": str(43 + 2 * i)}) + "\n")
        with open(test.run_file, "w") as out:
            out.write(RUN.replace("PROBLEMS", os.path.join(folder, "sums.jsonl")))
        kinds = ("vllm", "llamacpp")  # plain answers, and streams
        test.side_by_side([(f"{kind}, undisturbed", calm, program, kind) for kind in kinds])
        test.side_by_side([("models", one_model_per_run, program)])
        test.side_by_side([("interrupted", interrupted, program, to_group) for to_group in (True, False)])
        test.side_by_side([(f"{kind}, killed twice", killed_and_restarted, program, kind) for kind in kinds] +
                          [(f"{kind}, one of two", one_of_two_dies, program, kind) for kind in kinds])
    print(f"{test.passed} passed, {test.failed} failed, {test.skipped} skipped")
    return 1 if test.failed else 0


if __name__ == "__main__":
    sys.exit(main())
