#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""test_runs.py - the real program over real MPI ranks: same rows, whatever is killed

    test_runs.py ESPALIER [MPIRUN]          MPIRUN: command with its flags, or cluster/local/mpirun
    --rounds N   kill-and-resume rounds (20)     --quick   fewer strategies and rounds

Every comparison says which pair it compared.  Processes are ended by their own ids only.  Most of a case is waiting, so
several run side by side; each has its own output folder, processes and folder for MPI's files.
"""
import argparse
import concurrent.futures
import hashlib
import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

SIDE_BY_SIDE = 3  # jobs at a time
HERE = os.path.dirname(os.path.abspath(__file__))
STRATEGIES = [
    ("best_of_n", ["search.strategy=best_of_n", "search.n=16"]),
    ("beam", ["search.strategy=beam", "search.keep=4", "search.expand=4"]),
    ("beam-fixed", ["search.strategy=beam", "search.rule=fixed", "search.max_steps=6"]),
    ("beam-heap", ["search.strategy=beam", "search.rule=heap"]),
    ("dvts", ["search.strategy=dvts", "search.lookahead=1"]),
    ("rebase", ["search.strategy=rebase", "search.width=16"]),
    ("particle", ["search.strategy=particle", "search.particles=8"]),
    ("mcts", ["search.strategy=mcts", "search.in_flight=4"]),
    ("rmaxts", ["search.strategy=rmaxts", "search.in_flight=4", "search.budget.generations=60"]),
    ("best_first", ["search.strategy=best_first", "search.in_flight=2", "search.budget.generations=60"]),
    ("tot", ["search.strategy=tot"]),
    ("ab_mcts", ["search.strategy=ab_mcts", "search.in_flight=4", "search.budget.generations=60"]),
    ("omegaprm", ["search.strategy=omegaprm"]),
    ("math_shepherd", ["search.strategy=math_shepherd"]),
]
RUN = """run: {name: test, seed: 42, output: unused}
problems: {file: PROBLEMS}
search: {max_steps: 10}
generator: {engine: fake}
prm: {engine: fake}
verifier: {kind: fake}
samples: [{format: sft, compress: false}]
dispatch: {silence_s: 8, heartbeat_s: 0.5, coordinator_silence_s: 30, no_worker_s: 60}
"""


class Test:
    def __init__(self, args, folder):
        self.espalier, self.folder = os.path.abspath(args.espalier), folder
        self.mpirun = shlex.split(args.mpirun)
        self.passed = self.failed = self.skipped = 0
        self.lock = threading.Lock()  # for the three and the output
        problems = os.path.join(folder, "problems.jsonl")
        with open(problems, "w") as out:
            for i in range(40):
                out.write(json.dumps({"id": f"p{i}", "question": f"Question {i}", "answer": str(i % 5)}) + "\n")
        self.run_file = os.path.join(folder, "run.yaml")
        with open(self.run_file, "w") as out:
            out.write(RUN.replace("PROBLEMS", problems))

    def check(self, ok, what):
        with self.lock:
            print(("ok      " if ok else "FAILED  ") + what, flush=True)
            self.passed += ok
            self.failed += not ok

    def side_by_side(self, jobs):
        """Call each (label, function, arguments ...), SIDE_BY_SIDE at a time; prints the seconds, returns what they gave."""
        with concurrent.futures.ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
            return list(pool.map(self.timed, jobs))

    def timed(self, job):
        start = time.monotonic()
        gave = job[1](self, *job[2:])
        with self.lock:
            print(f"        {job[0]}: {time.monotonic() - start:.1f} s", flush=True)
        return gave

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

    def start(self, ranks, words, **variables):
        """In a session of its own, by which family () finds the ranks; with temporary files in a folder of its own: one mpirun's
        end removes folders that another one has just found, and a killed one leaves its shared memory behind."""
        own = tempfile.mkdtemp(dir=self.folder)
        own = dict(os.environ, TMPDIR=own, OMPI_MCA_btl_vader_backing_directory=own, OMPI_MCA_btl_sm_backing_directory=own, **variables)
        return subprocess.Popen(self.command(ranks, words), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=own,
                                start_new_session=True)

    def family(self, p):
        """Ids of the program's processes in this session, by rank."""
        found = {}
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/stat") as f:
                    session = int(f.read().rsplit(")", 1)[1].split()[3])
                if session != p.pid or os.readlink(f"/proc/{pid}/exe") != self.espalier:
                    continue
                with open(f"/proc/{pid}/environ", "rb") as f:
                    env = dict(x.split(b"=", 1) for x in f.read().split(b"\0") if b"=" in x)
            except (OSError, ValueError, IndexError):
                continue
            found[int(env.get(b"OMPI_COMM_WORLD_RANK", b"0"))] = int(pid)
        return found

    def end(self, p, ranks=None):
        for pid in list((ranks or self.family(p)).values()) + [p.pid]:
            send(pid, signal.SIGKILL)
        try:
            p.communicate(timeout=20)
        except subprocess.TimeoutExpired:
            pass

    def rows(self, name):
        try:
            same = ["".join(sorted(open(os.path.join(self.out(name), f)))) for f in ("answers.jsonl", "candidates.jsonl")]
            same.append(self.samples(name))
            return same + [self.whose(name, "costs.jsonl") == self.whose(name, "answers.jsonl")]  # costs may differ, their rows not
        except (OSError, ValueError) as error:
            return [str(error)]

    def labels(self, name):
        """(completions, labels) of each row of format stepwise."""
        try:
            rows = [json.loads(line) for line in self.samples(name).splitlines()]
            return sorted((row["completions"], row["labels"]) for row in rows)
        except (OSError, ValueError, KeyError) as error:
            return [([str(error)], [])]

    def samples(self, name):
        """The lines of the samples, sorted, as manifest.json lists their files: each sample once, and all that it counts."""
        folder = os.path.join(self.out(name), "samples")
        if not os.path.isdir(folder):
            return "none"  # its run file asks for none: then the run it is compared with has none either
        with open(os.path.join(folder, "manifest.json")) as f:
            files = json.load(f)["files"]
        lines = []
        for one in files:
            with open(os.path.join(folder, one["file"]), "rb") as f:
                bytes = f.read()
            if hashlib.sha256(bytes).hexdigest() != one["sha256"] or bytes.count(b"\n") != one["rows"]:
                raise ValueError(f"{one['file']} is not what manifest.json says")
            lines += bytes.decode().splitlines()
        ids = [json.loads(line)["id"] for line in lines]
        if len(set(ids)) != len(ids):
            raise ValueError("a sample stands there twice")
        return "\n".join(sorted(lines))

    def whose(self, name, file):
        with open(os.path.join(self.out(name), file)) as rows:
            return [(row["id"], row["repeat"]) for row in map(json.loads, rows)]

    def wait(self, p, until, seconds):
        """Until it holds, the process has ended, or so long."""
        end = time.monotonic() + seconds
        while not until() and p.poll() is None and time.monotonic() < end:
            time.sleep(0.005)

    def begun(self, p, name):
        """The family, once the journal is there: looked for early, since looking takes a while."""
        self.wait(p, lambda: journal_bytes(self.out(name)) > 0, 60)
        return self.family(p)

    def written(self, name, one):
        """Percent of the other's journal."""
        return 100 * journal_bytes(self.out(name)) / max(1, journal_bytes(self.out(one)))

    def words(self, name, keys, delay=0):
        return ["run", self.run_file, f"run.output={self.out(name)}", f"generator.delay_us={delay}"] + keys


def send(pid, number):
    """False: that process has ended."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


def known(test, keys):
    return subprocess.run([test.espalier, "check", test.run_file] + keys, capture_output=True).returncode == 0


def one_process(test, label, keys):
    status, err = test.run(1, test.words("one-" + label, keys))
    test.check(status == 0, f"{label}: one process ends with 0" + ("" if status == 0 else f" (got {status}: {err[-300:]})"))


def same_on_ranks(test, label, keys):
    for ranks in (2, 4, 9):
        name = f"r{ranks}-{label}"
        status, err = test.run(ranks, test.words(name, keys, 2000))
        same = test.rows("one-" + label) == test.rows(name)
        test.check(status == 0 and same and os.path.exists(test.out(name) + "/done"),
                   f"{label}: one process = {ranks} ranks" + ("" if same and status == 0 else f" (status {status}: {err[-300:]})"))


def worker_dies(test, keys, one, number):
    """Rank 2 gets the signal when a fifth of the journal is there.  A stopped rank holds up mpirun until it is killed, after the
    run."""
    name, done = "worker-" + number.name, lambda: os.path.exists(test.out(name) + "/done")
    p = test.start(4, test.words(name, keys, 60000))
    victim = test.begun(p, name).get(2)
    test.wait(p, lambda: test.written(name, one) >= 20, 60)
    at = test.written(name, one)
    hit = victim is not None and send(victim, number)
    test.wait(p, done, 180)
    if hit:
        send(victim, signal.SIGKILL)
    try:
        p.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        test.end(p)
    test.check(hit and done() and test.rows(one) == test.rows(name),
               f"one process = 4 ranks with rank 2 ended by {number.name} (hit {hit} at {at:.0f} % of the journal, done marker {done()})")


def killed_and_resumed(test, keys, one, n, rounds):
    """One round: all ranks are killed, the rows after resume are those of one process.  Gives the position and whether so."""
    name, goal = f"killed-{n}", 5 + 90 * n / max(1, rounds - 1)
    p = test.start(4, test.words(name, keys, 60000))
    ranks = test.begun(p, name)
    test.wait(p, lambda: test.written(name, one) >= goal, 60)
    test.end(p, ranks)
    at = test.written(name, one)
    status, err = test.run((1, 2, 3, 4)[n % 4], ["resume", test.out(name), "generator.delay_us=0"])
    same = status in (0, 1) and test.rows(one) == test.rows(name)
    return at, same, "" if same else f"        round {n}: status {status}: {err[-300:]}\n"


def journal_bytes(folder):
    """Of its first log."""
    for place in ("journal/00", "journal/00/closed"):
        path = os.path.join(folder, place)
        try:
            for name in sorted(os.listdir(path)):
                if name.endswith(".log"):
                    return os.path.getsize(os.path.join(path, name))
        except OSError:
            pass  # not there yet, or closed just now
    return 0


LISTS = """search: {strategy: ab_mcts, samples: 40, in_flight: 4, max_steps: 10}
generator:
- {name: short, engine: fake, max_depth: 3, delay_us: 500}
- {name: long, engine: fake, max_depth: 8, temperature: 0.3, slots: 3, delay_us: 1500}
prm:
- {name: numbers, engine: fake, delay_us: 300}
- {name: flat, engine: "null", weight: 2}
"""


def lists(test):
    """Two generators as actions, the mean of two PRMs: one process = 3 ranks."""
    path = test.out("lists.yaml")
    with open(path, "w") as out:
        out.write("".join(line + "\n" for line in RUN.replace("PROBLEMS", test.out("problems.jsonl")).splitlines()
                          if line.split(":")[0] not in ("search", "generator", "prm")) + LISTS)
    got = [test.run(ranks, ["run", path, f"run.output={test.out(f'lists-{ranks}')}"]) for ranks in (1, 3)]
    rows = [test.rows(f"lists-{ranks}") for ranks in (1, 3)]
    test.check([x[0] for x in got] == [0, 0] and rows[0] == rows[1] and "over actions short, long" in got[0][1],
               f"lists of generators and PRMs: one process = 3 ranks (status {[x[0] for x in got]}: {got[1][1][-200:]})")


def split_work(test):
    """Section workers: who scores does not generate; the rows are those of one process, which ignores the section."""
    split = ["workers.generate='1-2'", "workers.score='3-'", "workers.verify=all", "log.file_level=debug"]
    words = {ranks: test.words(f"split-{ranks}", STRATEGIES[1][1] + split) for ranks in (1, 4, 6)}
    got = {ranks: test.run(ranks, words[ranks]) for ranks in words}
    rows = {ranks: test.rows(f"split-{ranks}") for ranks in words}
    test.check([x[0] for x in got.values()] == [0, 0, 0] and rows[1] == rows[4] == rows[6],
               f"workers: one process = 4 and 6 ranks (status {[x[0] for x in got.values()]}: {got[4][1][-200:]})")
    test.check("3 workers: generate 1-2, score 3-, verify all" in got[4][1], "workers: the start line says who does what")
    with open(os.path.join(test.out("split-4"), "log.txt")) as log:
        ready = [line for line in log if "DISPATCH-READY" in line]
    test.check(len(ready) == 3 and sum("score 0," in line for line in ready) == 2 and sum("generate 0," in line for line in ready) == 1,
               f"workers: each opened only its engines ({ready})")
    status, err = test.run(3, test.words("split-bad", split))
    test.check("workers.score: '3-': there is no rank 3 in this run of 3 ranks" in err and not os.path.exists(test.out("split-bad")),
               f"workers: a rank that is not there is a sentence at the start (status {status}: {err.strip()[:300]!r})")


def checked(test):
    """check under mpirun: every worker looks at its own engines, rank 0 tells it once."""
    words = ["check", test.run_file, "workers.generate='1-2'", "workers.score='3-'"]
    status, err = test.run(4, words)
    rows = [" ".join(line.split()[2:]) for line in err.splitlines() if " generations" in line or " scores" in line]
    test.check(err.count("check: 0 mistakes") == 1 and err.count("disk: ") == 1, f"check on ranks is told once (status {status}: {err[-600:]!r})")
    test.check([row.partition(" ")[2] for row in rows[:3]] == ["64 generations, 64 verdicts"] * 2 + ["64 scores, 64 verdicts"] and "rank 2: as rank 1" in err,
               f"check on ranks says who does what ({rows})")
    url = ["generator.engine=openai", "generator.url=http://127.0.0.1:1/{rank}", "generator.wait_s=0.5"]
    status, err = test.run(3, ["check", test.run_file] + url, timeout=600)
    host = socket.gethostname()
    test.check(all(f"espalier: rank {rank} on {host}: http://127.0.0.1:1/{rank}" in err for rank in (1, 2)) and "check: 2 mistakes" in err,
               f"check on ranks names the rank whose server is not there (status {status}: {err[-600:]!r})")
    status, err = test.run(3, words)
    test.check("there is no rank 3 in this run of 3 ranks" in err and "check: 1 mistake," in err, f"check on ranks knows how many there are (status {status}: {err[-600:]!r})")
    status, err = test.run(3, ["check", test.run_file, "search.kepe=2"])
    test.check(err.count("search.kepe: unknown key") == 1, f"check on ranks tells a mistake of the run file once (status {status}: {err[-600:]!r})")


LABELLED = """search: {strategy: STRATEGY, budget: {generations: 200}}
generator:
- {name: given, engine: file, separator: "\\n"}
- {name: model, engine: embedded}
verifier: {kind: puzzle}
step: {separator: "\\n"}
samples: [{format: stepwise, allow_eval: true, compress: false, dedupe: false, near: -1}]
"""
SOLUTIONS = [
    "11 + 1 = 12 (left: 4 8 12)\n8 + 4 = 12 (left: 12 12)\n12 + 12 = 24 (left: 24)\n",
    ["11 + 1 = 12 (left: 4 8 12)", "12 - 8 = 4 (left: 4 4)", "4 + 4 = 8 (left: 8)"],  # the second step cannot be mended
    {"steps": ["8 + 4 = 12 (left: 1 11 12)", "11 + 1 = 12 (left: 12 12)"]},  # not finished: one step is left
]


def labelled(test):
    """Labels of solutions that the rows bring, completions by another generator: one process = 3 ranks."""
    problems, path = test.out("labelled.jsonl"), test.out("labelled.yaml")
    with open(problems, "w") as out:
        for i in range(10):
            row = {"id": f"l{i}", "problem": f"Puzzle {i}", "numbers": [1, 4, 8, 11], "target": 24, "completions": SOLUTIONS}
            out.write(json.dumps(row) + "\n")
    for strategy in ("math_shepherd", "omegaprm"):
        with open(path, "w") as out:
            out.write("".join(line + "\n" for line in RUN.replace("PROBLEMS", problems).splitlines()
                              if line.split(":")[0] not in ("search", "generator", "prm", "verifier", "samples")) + LABELLED.replace("STRATEGY", strategy))
        names = [f"labelled-{strategy}-{ranks}" for ranks in (1, 3)]
        got = [test.run(ranks, ["run", path, f"run.output={test.out(name)}"]) for ranks, name in zip((1, 3), names)]
        rows = [test.rows(name) for name in names]
        labels = [test.labels(name) for name in names]
        second = [r for r in labels[0] if r[0][:2] == ["11 + 1 = 12 (left: 4 8 12)", "12 - 8 = 4 (left: 4 4)"]]
        third = [r for r in labels[0] if r[0][:2] == ["8 + 4 = 12 (left: 1 11 12)", "11 + 1 = 12 (left: 12 12)"]]
        test.check([x[0] for x in got] == [0, 0] and rows[0] == rows[1] and labels[0] == labels[1]
                   and len(second) >= 10 and all(r[1][:2] == [True, False] for r in second)
                   and len(third) >= 10 and all(r[1][:2] == [True, True] for r in third),
                   f"{strategy}: labels of given solutions, one process = 3 ranks (status {[x[0] for x in got]}; "
                   f"{len(labels[0])} rows: {second[:1]} {third[:1]}; {got[0][1][-200:]})")


GIVEN = """search: {strategy: best_of_n, n: 6}
generator: {engine: file}
prm:
- {name: numbers, engine: fake}
- {name: arithmetic, engine: arithmetic}
verifier: {kind: answer}
"""


def step(*completions, chosen=None, human=None):
    return {"completions": [{"text": text, "rating": rating, "flagged": False} for text, rating in completions],
            "chosen_completion": chosen, "human_completion": human and {"text": human, "rating": 1, "source": "human"}}


RATED = {"labeler": "x", "timestamp": "2023-01-22T07:46:18", "question": {"problem": "Make 24.", "ground_truth_answer": "24"},
         "numbers": [1, 4, 8, 11], "target": 24,
         "label": {"finish_reason": "found_error", "steps": [
             step(("11 * 8 = 88 (left: 1 4 88)", -1), ("11 + 1 = 12 (left: 4 8 12)", 1), chosen=1),
             step(("12 - 8 = 4 (left: 4 4)", -1), human="8 + 4 = 12 (left: 12 12)"),
             step(("12 / 12 = 1 (left: 1)", -1), ("12 + 12 = 24 (left: 24)", 0))]}}
RATINGS = [[True, False], [True, True, False], [True, True, True], [False]]  # one branch for each of the four ends, sorted


MIXED = """search: {strategy: math_shepherd}
generator:
- {name: given, engine: file, separator: "\\n", alternatives: true}
- {name: model, engine: embedded}
verifier: {kind: puzzle}
samples: [{format: stepwise, allow_eval: true, compress: false, near: -1, source: mixed}]
"""
ALONE = """search: {strategy: best_of_n, n: 8}
generator: {engine: file, separator: "\\n", alternatives: true}
vote: {rule: majority}
samples: [{format: stepwise, allow_eval: true, compress: false, near: -1, source: human}]
"""


def rated(test):
    """A row of PRM800K: a person's ratings beside rollouts, and alone."""
    problems, got, labels = test.out("rated.jsonl"), [], []
    with open(problems, "w") as out:
        out.write(json.dumps(RATED) + "\n")
    for name, ranks, rest in (("rated-mixed", 3, MIXED), ("rated-alone", 1, ALONE)):
        path = test.out(f"{name}.yaml")
        with open(path, "w") as out:
            out.write(f"run: {{name: test, output: {test.out(name)}}}\n"
                      f"problems: {{file: {problems}, fields: {{id: timestamp}}}}\nstep: {{separator: \"\\n\"}}\n" + rest)
        got.append(test.run(ranks, ["run", path]))
        labels.append(sorted(row[1] for row in test.labels(name)))
    test.check([x[0] for x in got] == [0, 0] and labels == [sorted(RATINGS)] * 2,
               f"ratings of PRM800K, with rollouts and alone (status {[x[0] for x in got]}; {labels}; {got[1][1][-300:]})")


def given(test):
    """Solutions that the rows bring, 3 to 5 of them where 6 are asked for; two PRMs, verdicts: one process = 3 ranks."""
    problems, path = test.out("given.jsonl"), test.out("given.yaml")
    with open(problems, "w") as out:
        for i in range(20):
            texts = [f"{i} + {j} = {i + j}.\n\nSo \\boxed{{{i + j}}}" for j in range(3 + i % 3)]
            out.write(json.dumps({"id": f"g{i}", "problem": f"Problem {i}", "answer": str(i + 1), "completions": texts}) + "\n")
    with open(path, "w") as out:
        out.write("".join(line + "\n" for line in RUN.replace("PROBLEMS", problems).splitlines()
                          if line.split(":")[0] not in ("search", "generator", "prm", "verifier")) + GIVEN)
    got = [test.run(ranks, ["run", path, f"run.output={test.out(f'given-{ranks}')}"]) for ranks in (1, 3)]
    rows = [test.rows(f"given-{ranks}") for ranks in (1, 3)]
    count = rows[0][1].count("\n") if len(rows[0]) > 1 else 0
    right = rows[0][1].count('"correct":true') if len(rows[0]) > 1 else 0
    test.check([x[0] for x in got] == [0, 0] and rows[0] == rows[1] and count == sum(3 + i % 3 for i in range(20)) and right == 20,
               f"given solutions: one process = 3 ranks, {count} candidates, {right} right (status {[x[0] for x in got]}: {got[0][1][-200:]})")


def bad_starts(test):
    status, err = test.run(2, ["run", test.run_file + ".not"])
    test.check("not" in err, f"a missing run file ends all ranks with a sentence (status {status}: {err.strip()[:200]!r})")
    status, err = test.run(3, test.words("bad-key", ["search.kepe=3"]))
    test.check("kepe" in err, f"an unknown key ends all ranks with a sentence (status {status}: {err.strip()[:200]!r})")
    status, err = test.run(8, test.words("few", ["search.strategy=best_of_n", "search.n=1", "problems.limit=1"]))
    test.check(status == 0, "more ranks than tasks")


def report(test, gave):
    print("".join(x[2] for x in gave) + "        killed at % of the journal: " + " ".join(f"{x[0]:.0f}" for x in gave), flush=True)
    equal = sum(x[1] for x in gave)
    test.check(equal == len(gave),
               f"{equal} of {len(gave)} kill-and-resume rounds (4 ranks, resumed on 1-4) gave the rows of one process")


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
        strategies = strategies[:2] if args.quick else strategies
        rounds, keys, one = 4 if args.quick else args.rounds, STRATEGIES[1][1] + ["journal.commit_ms=5"], "one-beam"
        test.side_by_side([(f"{label}, one process", one_process, label, keys_of) for label, keys_of in strategies])
        deaths = [(f"rank 2 gets {s.name}", worker_dies, keys, one, s) for s in (signal.SIGKILL, signal.SIGSTOP)]
        equal = [(f"{label}, on ranks", same_on_ranks, label, keys_of) for label, keys_of in strategies]
        test.side_by_side(deaths + [("bad starts", bad_starts), ("lists", lists), ("workers", split_work), ("check", checked), ("given", given), ("labelled", labelled), ("rated", rated)] + equal)
        kills = [(f"round {n}", killed_and_resumed, keys, one, n, rounds) for n in range(rounds)]
        report(test, test.side_by_side(kills))
    print(f"{test.passed} passed, {test.failed} failed, {test.skipped} skipped")
    return 1 if test.failed else 0


if __name__ == "__main__":
    sys.exit(main())
