#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""test_servers.py - three ranks in front of model servers that are killed: same rows, exit status 0; or that have different
models: refused; or that are slow when Ctrl-C comes; or with a problem that kills every rank that asks about it

    test_servers.py ESPALIER [MPIRUN]       ESPALIER: in a build folder, beside tests/support/model_server

Servers are killed by SIGKILL, in the middle of answers, and started again on their port.  Processes are ended by their ids only.
"""
import argparse
import http.client
import http.server
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
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


def each_rank_its_own(test, program, name, models, *keys, verb="run"):
    """Rank i in front of a server of its own, with models[i - 1]; (status, stderr)."""
    folder = tempfile.mkdtemp(dir="/tmp")  # the name of a socket must be short
    words = [verb, test.run_file, f"run.output={test.out(name)}", "generator.engine=vllm", f"generator.url=unix:{folder}/s{{rank}}", *keys]
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
    status, err = each_rank_its_own(test, program, "mixed", ("llama", "qwen"), verb="check")
    test.check(all(part in err for part in parts[:-1]) and "check: 1 mistake, 0 warnings" in err and "s1: vLLM" in err and "s2: vLLM" in err,
               f"check says so too, and shows the server of each rank (status {status}: {err[-900:]!r})")
    test.check(err.count("one seed, one text: 3 of 3 times alone") == 1, f"seeds are tried by one rank ({err!r})")
    status, err = each_rank_its_own(test, program, "equal", ("llama", "llama"))
    test.check(finished(test, "equal"), f"with equal models they run (status {status}: {err[-400:]!r})")
    status, err = each_rank_its_own(test, program, "split", ("llama", "qwen"), "workers.generate=1")
    test.check(finished(test, "split"), f"and where only one of them generates (status {status}: {err[-400:]!r})")


class Deadly(http.server.ThreadingHTTPServer):
    """In front of a server: passes on what comes, at /RANK/...; a rank that says `words` is killed."""

    def __init__(self, url, words):
        super().__init__(("127.0.0.1", 0), Passing)
        self.behind, self.words, self.ranks, self.killed = url.rpartition("/")[2], words.encode(), dict, []
        self.url = f"http://127.0.0.1:{self.server_address[1]}/{{rank}}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()

    def handle_error(self, *_):
        pass  # the rank is dead


class Passing(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        _, rank, path = self.path.split("/", 2)
        if self.server.words in body:
            self.server.killed.append(int(rank))
            os.kill(self.server.ranks()[int(rank)], signal.SIGKILL)
        line = http.client.HTTPConnection(self.server.behind, timeout=60)
        line.request(self.command, "/" + path, body, {"Content-Type": "application/json"})
        reply = line.getresponse()
        got = reply.read()
        self.send_response(reply.status)
        self.send_header("Content-Type", reply.getheader("Content-Type", "text/plain"))
        self.send_header("Content-Length", str(len(got)))
        self.end_headers()
        self.wfile.write(got)
        line.close()

    do_GET = do_POST

    def log_message(self, *_):
        pass


def poison(test, program):
    """Two ranks die over one task and nobody is left; resume goes on and ends its problem, though two ranks die over it again."""
    keys = ["search.keep=1", "search.expand=1", "generator.engine=vllm", "dispatch.silence_s=5", "dispatch.no_worker_s=2"]
    name, status_file = "poison", test.out("poison.status")
    with Server(program, "--kind", "vllm", *SLOW) as server:
        status, err = test.run(3, ["run", test.run_file, f"run.output={test.out('calm-poison')}", f"generator.url={server.url}"] + keys)
        test.check(status == 0, f"one branch: an undisturbed run (status {status}{tail(status, err)})")
        for words, left in ((["run", test.run_file, f"run.output={test.out(name)}"] + keys, "3"), (["resume", test.out(name)], "1")):
            with Deadly(server.url, "8 + 10 + 35") as front:  # p5
                p = test.start(3, words + [f"generator.url={front.url}"], ESP_STATUS_FILE=status_file)
                front.ranks = lambda: test.family(p)
                try:
                    err = p.communicate(timeout=120)[1].decode(errors="replace")
                except subprocess.TimeoutExpired:
                    test.end(p)
                    err = "timed out"
            status = open(status_file).read().strip() if os.path.exists(status_file) else "none"
            test.check(sorted(set(front.killed)) == [1, 2] and status == left,
                       f"a problem that kills ranks {front.killed}: {words[0]} ends with {status} ({'' if status == left else err[-800:]})")
            if left == "3":
                named = [line for line in err.splitlines() if "DISPATCH-SUSPECTS" in line and " of problem 5" in line]
                test.check(len(named) == 1, f"the log names what was at both deaths ({named or err[-400:]!r})")
    rows = [{row["id"]: row for row in map(json.loads, test.rows(of)[0].splitlines())} for of in ("calm-poison", name)]
    bad = rows[1].pop("p5", {})
    test.check(bad.get("error") == "poisoned" and rows[0].pop("p5")["error"] is None and rows[0] == rows[1] and len(rows[1]) == PROBLEMS - 1,
               f"its row is {bad.get('error')}; the other {len(rows[1])} are those of an undisturbed run")


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
        test.side_by_side([("models", one_model_per_run, program), ("poison", poison, program)])
        test.side_by_side([("interrupted", interrupted, program, to_group) for to_group in (True, False)])
        test.side_by_side([(f"{kind}, killed twice", killed_and_restarted, program, kind) for kind in kinds] +
                          [(f"{kind}, one of two", one_of_two_dies, program, kind) for kind in kinds])
    print(f"{test.passed} passed, {test.failed} failed, {test.skipped} skipped")
    return 1 if test.failed else 0


if __name__ == "__main__":
    sys.exit(main())
