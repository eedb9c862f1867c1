# SPDX-License-Identifier: Apache-2.0
"""train.py - run by cluster/local/train-prm: puzzles, harvest, fit, searches, table and plot

What is there already is not made again; every file is whole or not there, so an interrupted start goes on.
"""
import argparse
import json
import os
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import puzzles  # noqa: E402
import table  # noqa: E402

ROOT = puzzles.ROOT
PROGRAM = os.environ.get("ESPALIER", "build/espalier")
RECIPES = "cluster/recipes/train-prm"
# name of the search -> keep, and expand for each number of steps a puzzle (three levels of keep x expand)
SHAPES = {"keep 1": 1, "keep 2": 2, "keep 8": 8}
STEPS = (24, 48, 96, 192)
MODELS = ("hand", "trained")
SETS = ("game24", "other")
OMEGAPRM = puzzles.OMEGAPRM
FULL = {"puzzles": 40000, "evaluate": 300}
QUICK = {"puzzles": 6000, "evaluate": 60}


def say(text):
    print(f"train-prm: {text}", flush=True)


def arguments(words):
    parser = argparse.ArgumentParser(prog="cluster/local/train-prm", description="Harvest step labels on puzzles, fit a small PRM, search "
                                     "other puzzles with it, and compare with the PRM by hand-made features.")
    parser.add_argument("--quick", action="store_true", help="a first look: fewer puzzles")
    parser.add_argument("--puzzles", type=int, metavar="N", help=f"training puzzles of math_shepherd; omegaprm gets one for 16 of them "
                        f"({FULL['puzzles']}; --quick {QUICK['puzzles']})")
    parser.add_argument("--evaluate", type=int, metavar="N", help=f"puzzles of each evaluation set ({FULL['evaluate']}; --quick {QUICK['evaluate']})")
    parser.add_argument("--seed", type=int, default=1, help="of puzzles, searches and fit")
    parser.add_argument("--output", default="runs/train-prm", metavar="FOLDER", help="default: %(default)s; a second start with the same "
                        "settings goes on there")
    parser.add_argument("--bugs", nargs="+", metavar="FILE", help="instead: train a detector on `defect` samples (.jsonl, .jsonl.zst)")
    parser.add_argument("--real", nargs="+", metavar="FILE", default=[], help="with --bugs: judge these `rollouts` samples too, programs that "
                        "a model wrote")
    given = parser.parse_args(words)
    if given.real and not given.bugs:
        parser.error("--real needs --bugs: the samples that the detector is trained on")
    for key, value in (QUICK if given.quick else FULL).items():
        if getattr(given, key) is None:
            setattr(given, key, value)
    if given.puzzles < 16 or given.evaluate < 1:
        parser.error("--puzzles must be at least 16 and --evaluate at least 1")
    return given


# ---- the folder

def settle(output, settings):
    """the folder belongs to one choice of settings"""
    path = os.path.join(output, "settings.json")
    os.makedirs(output, exist_ok=True)
    if os.path.exists(path):
        with open(path, encoding="ascii") as file:
            there = json.load(file)
        if there != settings:
            raise SystemExit(f"train-prm: {output} was made with other settings ({there}); remove it, or choose another folder by --output")
        return
    write_whole(path, json.dumps(settings) + "\n")


def write_whole(path, text):
    with open(path + ".tmp", "w", encoding="utf-8") as out:
        out.write(text)
    os.replace(path + ".tmp", path)


# ---- being stopped: a signal is noted, and acted on where nothing is half

STOPPED = []


def listen():
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _: STOPPED.append(number))


def go_on():
    if STOPPED:
        print("train-prm: stopped; the same command goes on from here", file=sys.stderr)
        raise SystemExit(3)


# ---- runs of espalier

class Run:
    def __init__(self, recipe, output, problems, *words):
        self.output = output
        self.words = [PROGRAM, "run", f"{RECIPES}/{recipe}.yaml", f"problems.file={problems}", f"run.output={output}", *words]
        self.child = None

    def done(self):
        return os.path.exists(os.path.join(self.output, "done"))

    def start(self):
        with open(self.output + ".log", "ab") as log:
            try:
                self.child = subprocess.Popen(self.words + ["--resume"], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
            except OSError as error:
                raise SystemExit(f"train-prm: {self.words[0]} does not start: {error}") from None

    def finish(self):
        """False while it runs; ends the program when it went wrong"""
        if self.child.poll() is None:
            return False
        if not self.done():
            go_on()     # Ctrl-C of a terminal reaches the child too
            with open(self.output + ".log", encoding="utf-8", errors="replace") as log:
                print("".join(log.readlines()[-5:]), end="", file=sys.stderr)
            raise SystemExit(f"train-prm: this did not end (status {self.child.returncode}; {self.output}.log):\n  {' '.join(self.words)}")
        return True

    def rows(self):
        try:
            with open(os.path.join(self.output, "answers.jsonl"), "rb") as file:
                return sum(1 for _ in file)
        except FileNotFoundError:
            return 0


def stop(runs):
    runs = [run for run in runs if run.child]
    for run in runs:
        if run.child.poll() is None:
            run.child.terminate()
    for run in runs:
        run.child.wait()


def perform(runs, what, rows, at_once, tell=10):
    """those that are not done, a few at once; a line of progress every `tell` seconds"""
    waiting, going, told = [r for r in runs if not r.done()], [], time.monotonic()
    try:
        while waiting or going:
            go_on()
            while waiting and len(going) < at_once:
                going.append(waiting.pop(0))
                going[-1].start()
            time.sleep(0.05)
            going = [r for r in going if not r.finish()]
            if time.monotonic() - told >= tell:
                told = time.monotonic()
                say(f"  {what}: {sum(r.rows() for r in runs)} of {rows} puzzles")
    finally:
        stop(going)


def harvests(given, files):
    folder = os.path.join(given.output, "harvest")
    os.makedirs(folder, exist_ok=True)
    return [Run(f"harvest-{name}", os.path.join(folder, name), files[name], f"run.seed={given.seed}") for name in ("omegaprm", "shepherd")]


def searches(given, files, weights):
    """(set, shape, steps, model) -> Run"""
    runs = {}
    os.makedirs(os.path.join(given.output, "search"), exist_ok=True)
    for puzzle_set in SETS:
        for shape, keep in SHAPES.items():
            for steps in STEPS:
                for model in MODELS if steps // 3 >= 2 * keep else ():
                    name = os.path.join(given.output, "search", f"{puzzle_set}-{shape.replace(' ', '')}-{steps}-{model}")
                    how = f"prm.weights={weights}" if model == "trained" else "prm.model=hand"
                    runs[puzzle_set, shape, steps, model] = Run("search", name, files[puzzle_set], f"search.keep={keep}",
                                                                f"search.expand={steps // 3 // keep}", how)
    return runs


# ---- the stages

def harvest(given, files):
    runs = harvests(given, files)
    say(f"harvest: {given.puzzles + given.puzzles // OMEGAPRM} training puzzles; labels come from rollouts and the verifier alone")
    for run in runs:
        say("  " + " ".join(run.words))
    perform(runs, "harvest", given.puzzles + given.puzzles // OMEGAPRM, 2)
    return [run.output for run in runs]


def fit(given, folders, weights):
    words = [sys.executable, os.path.join("cluster", "local", "prm", "fit.py"), weights, *folders]
    if os.path.exists(weights):
        say(f"fit: {weights} is there")
        return
    say("fit: " + " ".join(words))
    made_by = f"cluster/local/train-prm --puzzles {given.puzzles} --seed {given.seed}"
    child = subprocess.Popen(words, env=dict(os.environ, ESP_MADE_BY=made_by))
    while child.poll() is None:
        time.sleep(0.05)
        if STOPPED:
            child.terminate()
            child.wait()
    go_on()
    if child.returncode:
        raise SystemExit(f"train-prm: the fit failed with status {child.returncode}; what it said stands above")


def compare(weights, output):
    """the engine's scores of one run against the networks of the file, worked out here"""
    import features
    import fit as fitting
    import labels
    import numpy as np
    with open(weights, encoding="ascii") as file:
        networks = {network["left"]: network for network in json.load(file)["networks"]}
    goal = {}
    with open(os.path.join(output, "run.yaml"), encoding="utf-8") as file:
        problems = next(line.split(":", 1)[1].strip().strip('"') for line in file if line.strip().startswith("file:"))
    with open(problems, encoding="ascii") as file:
        goal = {row["id"]: row["target"] for row in map(json.loads, file)}
    states = {}
    with open(os.path.join(output, "candidates.jsonl"), encoding="utf-8") as file:
        for row in map(json.loads, file):
            for step, score in zip(row["text"].splitlines(), row["step_scores"]):
                numbers = labels.state_of(step)
                if numbers and len(numbers) in networks:
                    states.setdefault(len(numbers), []).append((numbers, goal[row["id"]], score))
    worst = 0
    for left, rows in states.items():
        x = features.features(networks[left]["features"], np.array([r[0] for r in rows], float), np.array([r[1] for r in rows], float))
        worst = max(worst, np.abs(fitting.values(networks[left], x) - [r[2] for r in rows]).max())
    count = sum(map(len, states.values()))
    if worst > 1e-4:
        raise SystemExit(f"train-prm: the engine's scores in {output} are not those of {weights}: they differ by up to {worst:.2g}")
    say(f"the engine's scores are those of the fit: {count} states, largest difference {worst:.1g}")


def search(given, files, weights):
    runs = searches(given, files, weights)
    say(f"search: {len(SETS)} x {given.evaluate} puzzles never trained on, {len(runs)} runs such as")
    for model in MODELS:
        say("  " + " ".join(runs[SETS[0], "keep 2", 96, model].words))
    perform(list(runs.values()), "search", len(runs) * given.evaluate, 2)
    return {key: run.output for key, run in runs.items()}


def train(given):
    settings = {"puzzles": given.puzzles, "evaluate": given.evaluate, "seed": given.seed}
    settle(given.output, settings)
    files = puzzles.make(os.path.join(given.output, "puzzles"), given.puzzles, given.evaluate, given.seed)
    go_on()
    weights = os.path.join(given.output, "weights.json")
    start = time.monotonic()
    folders = harvest(given, files)
    say(f"harvested in {time.monotonic() - start:.0f} s")
    fit(given, folders, weights)
    outputs = search(given, files, weights)
    compare(weights, outputs[SETS[1], "keep 2", 96, "trained"])
    text = table.table(outputs, given.evaluate)
    write_whole(os.path.join(given.output, "table.txt"), text)
    print("\n" + text)
    table.plot(os.path.join(given.output, "accuracy.svg"), outputs, say)
    say(f"all in {time.monotonic() - start:.0f} s; use the weights: prm: {{engine: embedded, weights: {weights}}}")


def main():
    given = arguments(sys.argv[1:])
    if given.bugs:
        import bugs
        bugs.train(given.bugs, given.real, given.seed)
        return
    listen()
    train(given)


if __name__ == "__main__":
    main()
