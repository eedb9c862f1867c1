#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""test_runs.py - the real program over real MPI ranks: same rows, whatever is killed

    test_runs.py ESPALIER [MPIRUN]          MPIRUN: command with its flags, or cluster/local/mpirun
    --rounds N   kill-and-resume rounds (20)     --quick   fewer strategies and rounds

Every comparison says which pair it compared.  Processes are ended by their own ids only.
"""
import argparse
import json
import os
import random
import shlex
import signal
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
STRATEGIES = [
    ("best_of_n", ["search.strategy=best_of_n", "search.n=16"]),
    ("beam", ["search.strategy=beam", "search.keep=4", "search.expand=4"]),
    ("beam fixed", ["search.strategy=beam", "search.rule=fixed", "search.max_steps=6"]),
    ("beam heap", ["search.strategy=beam", "search.rule=heap"]),
    ("dvts", ["search.strategy=dvts", "search.lookahead=1"]),
    ("rebase", ["search.strategy=rebase", "search.width=16"]),
    ("particle", ["search.strategy=particle", "search.particles=8"]),
    ("mcts", ["search.strategy=mcts", "search.in_flight=4"]),
    ("rmaxts", ["search.strategy=rmaxts", "search.in_flight=4", "search.budget.generations=60"]),
    ("best_first", ["search.strategy=best_first", "search.in_flight=2", "search.budget.generations=60"]),
    ("tot", ["search.strategy=tot"]),
    ("ab_mcts", ["search.strategy=ab_mcts", "search.in_flight=4", "search.budget.generations=60"]),
    ("omegaprm", ["search.strategy=omegaprm"]),
]
RUN = """run: {name: test, seed: 42, output: unused}
problems: {file: PROBLEMS}
search: {max_steps: 10}
generator: {engine: fake}
prm: {engine: fake}
verifier: {kind: fake}
dispatch: {silence_s: 8, heartbeat_s: 0.5, coordinator_silence_s: 30, no_worker_s: 60}
"""


class Test:
    def __init__(self, args, folder):
        self.espalier, self.folder = os.path.abspath(args.espalier), folder
        self.mpirun = shlex.split(args.mpirun)
        self.passed = self.failed = self.skipped = 0
        problems = os.path.join(folder, "problems.jsonl")
        with open(problems, "w") as out:
            for i in range(40):
                out.write(json.dumps({"id": f"p{i}", "question": f"Question {i}", "answer": str(i % 5)}) + "\n")
        self.run_file = os.path.join(folder, "run.yaml")
        with open(self.run_file, "w") as out:
            out.write(RUN.replace("PROBLEMS", problems))

    def check(self, ok, what):
        print(("ok      " if ok else "FAILED  ") + what, flush=True)
        self.passed += ok
        self.failed += not ok

    def out(self, name):
        return os.path.join(self.folder, name)

    def command(self, ranks, words):
        launch = self.mpirun + ["-n", str(ranks)] if ranks > 1 else []
        return launch + [self.espalier] + words

    def run(self, ranks, words, timeout=240):
        """Run to the end; returns (exit status, stderr)."""
        p = self.start(ranks, words)
        try:
            _, err = p.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            self.end(p)
            return -1, "timed out"
        return p.returncode, (err or b'').decode(errors="replace")

    def start(self, ranks, words):
        return subprocess.Popen(self.command(ranks, words), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                start_new_session=True)

    def family(self, p):
        """Ids of the program's ranks that descend from this process, by rank where MPI says it."""
        found = {}
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/stat") as f:
                    session = int(f.read().rsplit(")", 1)[1].split()[3])
                with open(f"/proc/{pid}/environ", "rb") as f:
                    env = dict(x.split(b"=", 1) for x in f.read().split(b"\0") if b"=" in x)
                if os.readlink(f"/proc/{pid}/exe") != self.espalier:
                    continue
            except (OSError, ValueError, IndexError):
                continue
            if session == p.pid or env.get(b"ESP_TEST_RUN") == str(p.args).encode()[:60]:
                found[int(env.get(b"OMPI_COMM_WORLD_RANK", env.get(b"PMI_RANK", b"0")))] = int(pid)
        return found

    def end(self, p):
        for pid in list(self.family(p).values()) + [p.pid]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        try:
            p.communicate(timeout=20)
        except subprocess.TimeoutExpired:
            pass

    def rows(self, name):
        try:
            return ["".join(sorted(open(os.path.join(self.out(name), f)))) for f in ("answers.jsonl", "candidates.jsonl")]
        except OSError as error:
            return [str(error)]

    def inputs(self, name):
        with open(os.path.join(self.out(name), "summary.json")) as f:
            return json.load(f)["this_start"]["inputs"]

    def words(self, name, keys, delay=0):
        return ["run", self.run_file, f"run.output={self.out(name)}", f"generator.delay_us={delay}"] + keys


def known(test, keys):
    return subprocess.run([test.espalier, "check", test.run_file] + keys, capture_output=True).returncode == 0


def same_on_any_number_of_ranks(test, strategies):
    for label, keys in strategies:
        one = "one-" + label.replace(" ", "-")
        status, err = test.run(1, test.words(one, keys))
        test.check(status == 0, f"{label}: one process ends with 0" + ("" if status == 0 else f" (got {status}: {err[-300:]})"))
        for ranks in (2, 4, 9):
            name = f"r{ranks}-" + label.replace(" ", "-")
            status, err = test.run(ranks, test.words(name, keys, 2000))
            same = test.rows(one) == test.rows(name)
            test.check(status == 0 and same and os.path.exists(test.out(name) + "/done"),
                       f"{label}: one process = {ranks} ranks" + ("" if same and status == 0 else f" (status {status}: {err[-300:]})"))


def workers_die(test, keys, one):
    for how, sig in (("SIGKILL", signal.SIGKILL), ("SIGSTOP", signal.SIGSTOP)):
        name = f"worker-{how}"
        p = test.start(4, test.words(name, keys, 60000))
        until = time.time() + 30
        while time.time() < until and not os.path.exists(test.out(name) + "/run.yaml"):
            time.sleep(0.02)
        time.sleep(0.4)
        victim = test.family(p).get(2)
        if victim:
            os.kill(victim, sig)
        try:
            p.communicate(timeout=180)
        except subprocess.TimeoutExpired:
            pass
        done = os.path.exists(test.out(name) + "/done")
        if sig == signal.SIGSTOP and victim:
            try:
                os.kill(victim, signal.SIGKILL)
            except ProcessLookupError:
                pass
        if p.poll() is None:
            test.end(p)
        test.check(bool(victim) and done and test.rows(one) == test.rows(name),
                   f"one process = 4 ranks with rank 2 ended by {how} (found {victim}, done marker {done})")


def killed_and_resumed(test, keys, one, rounds):
    total = test.inputs(one)
    name, equal, positions = "killed", 0, []
    for n in range(rounds):
        name = f"killed-{n}"
        goal = total * (5 + 90 * n / max(1, rounds - 1)) / 100
        p = test.start(4, test.words(name, keys, 20000))
        journal = os.path.join(test.out(name), "journal", "00")
        until = time.time() + 60
        size, whole = 0, os.path.getsize(first_log(test.out(one))) if first_log(test.out(one)) else 1
        while time.time() < until and p.poll() is None and size < whole * goal / total:
            log = first_log(test.out(name))
            size = os.path.getsize(log) if log else 0
            time.sleep(0.005)
        test.end(p)
        positions.append(round(100 * size / whole))
        status, err = test.run((1, 2, 3, 4)[n % 4], ["resume", test.out(name), "generator.delay_us=0"])
        same = status in (0, 1) and test.rows(one) == test.rows(name)
        equal += same
        if not same:
            print(f"        round {n}: status {status}: {err[-300:]}", flush=True)
        del journal
    print("        killed at % of the journal: " + " ".join(map(str, positions)), flush=True)
    test.check(equal == rounds, f"{equal} of {rounds} kill-and-resume rounds (4 ranks, resumed on 1-4) gave the rows of one process")


def first_log(folder):
    for place in ("journal/00", "journal/00/closed"):
        path = os.path.join(folder, place)
        if os.path.isdir(path):
            for name in sorted(os.listdir(path)):
                if name.endswith(".log"):
                    return os.path.join(path, name)
    return None


def bad_starts(test):
    status, err = test.run(2, ["run", test.run_file + ".not"])
    test.check("not" in err, f"a missing run file ends all ranks with a sentence (status {status}: {err.strip()[:200]!r})")
    status, err = test.run(3, test.words("bad-key", ["search.kepe=3"]))
    test.check("kepe" in err, f"an unknown key ends all ranks with a sentence (status {status}: {err.strip()[:200]!r})")
    status, err = test.run(8, test.words("few", ["search.strategy=best_of_n", "search.n=1", "problems.limit=1"]))
    test.check(status == 0, "more ranks than tasks")


def main():
    a = argparse.ArgumentParser()
    a.add_argument("espalier")
    a.add_argument("mpirun", nargs="?", default=os.path.join(HERE, "../../cluster/local/mpirun"))
    a.add_argument("--rounds", type=int, default=20)
    a.add_argument("--quick", action="store_true")
    args = a.parse_args()
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR", os.getcwd())) as folder:
        test = Test(args, folder)
        strategies = [x for x in STRATEGIES if known(test, x[1])]
        for label, _ in STRATEGIES:
            if label not in [x[0] for x in strategies]:
                print(f"skipped {label}: not in this build")
                test.skipped += 1
        same_on_any_number_of_ranks(test, strategies[:2] if args.quick else strategies)
        keys = STRATEGIES[1][1]
        workers_die(test, keys, "one-beam")
        killed_and_resumed(test, keys + ["journal.commit_ms=5"], "one-beam", 4 if args.quick else args.rounds)
        bad_starts(test)
    print(f"{test.passed} passed, {test.failed} failed, {test.skipped} skipped")
    return 1 if test.failed else 0


if __name__ == "__main__":
    random.seed(1)
    sys.exit(main())
