# SPDX-License-Identifier: Apache-2.0
"""engine_kit.py - what the checks of our own engines share: build/espalier against the real server

A run here is one process (both ends); its folder is thrown away at the end.  Problems are those of the demo: cluster/recipes/demo-llm.
"""

import atexit
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import time

from real_kit import LLM, PRM, ROOT, VLLM, ask

PROGRAM = os.environ.get("ESP_PROGRAM", str(ROOT / "build" / "espalier"))
EASY = ROOT / "cluster" / "recipes" / "demo-llm" / "easy.jsonl"
BASE = {
    "run": {"name": "real", "seed": 42},
    "problems": {"file": str(EASY)},
    "search": {"strategy": "best_of_n", "n": 4, "aggregate": "min"},
    "generator": {"engine": "llamacpp", "url": LLM, "temperature": 0.8, "max_step_tokens": 48, "max_tokens": 96},
    "verifier": {"kind": "answer"},
    "step": {"separator": "\n"},
    "prompt": {"system": "Solve the problem with one equation per line. Last line: The answer is NUMBER.",
               "examples": str(EASY.parent / "shots.jsonl")},
}
LONG = {"generator": {"max_tokens": 1500}, "step": {"separator": "", "whole": True},
        "prompt": {"system": "", "examples": "", "template": "{problem}\n\nWrite a very long story about it.", "prefill": "Once upon a time"}}
ARITHMETIC = {"engine": "arithmetic", "separator": "\n"}
SCRATCH = pathlib.Path(tempfile.mkdtemp(prefix="esp-real."))
atexit.register(shutil.rmtree, SCRATCH, True)


def merged(*parts):
    """Run files laid over each other; a value of "" or None takes a key away."""
    out = {}
    for part in parts:
        for name, section in part.items():
            if isinstance(section, dict):
                out[name] = {key: value for key, value in {**out.get(name, {}), **section}.items() if value not in ("", None)}
            else:
                out[name] = section
    return {name: section for name, section in out.items() if section}


class Run:
    """One run of build/espalier; wait() before rows are read."""

    def __init__(self, *changes, verb="run", more=()):
        self.output = SCRATCH / f"run{len(list(SCRATCH.iterdir()))}"
        self.output.mkdir()
        config = merged(BASE, *changes, {"run": {"output": str(self.output / "out")}})
        self.file = self.output / "run.yaml"
        self.file.write_text(json.dumps(config))
        self.child = subprocess.Popen([PROGRAM, verb, self.file, *more], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                      stderr=subprocess.STDOUT, text=True)
        atexit.register(self.kill)

    def wait(self, want=(0,)):
        self.said, _ = self.child.communicate(timeout=590)
        assert self.child.returncode in want, (self.child.returncode, self.said)
        return self

    def kill(self):
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGKILL)
            self.child.wait()

    def rows(self, name):
        try:
            return [json.loads(line) for line in (self.output / "out" / name).read_text().splitlines()]
        except FileNotFoundError:
            return []

    @property
    def answers(self):
        return self.rows("answers.jsonl")

    @property
    def candidates(self):
        return self.rows("candidates.jsonl")

    def summary(self):
        return json.loads((self.output / "out" / "summary.json").read_text())

    def results(self):
        """What the journal holds of every task that came back."""
        said = subprocess.run([PROGRAM, "journal", "dump", self.output / "out"], stdout=subprocess.PIPE, text=True, check=True).stdout
        return [row for row in map(json.loads, said.splitlines()) if row.get("input") == "result"]

    def nodes(self, problem):
        """Every node below the root of its tree."""
        said = subprocess.run([PROGRAM, "show", self.output / "out", problem, "--json"], stdout=subprocess.PIPE, text=True, check=True).stdout
        waiting, found = [json.loads(said)["tree"]], []
        while waiting:
            waiting += waiting[0]["children"]
            found.append(waiting.pop(0))
        return found[1:]


def run(*changes, **more):
    return Run(*changes, **more).wait()


def try_one(*changes, more=(), want=(0,)):
    """What `espalier try` prints."""
    return Run(*changes, verb="try", more=more).wait(want).said


def check(*changes, want=(0,)):
    """What `espalier check` prints."""
    return Run(*changes, verb="check").wait(want).said


def cost(said):
    """(prompt tokens, cached) of the last line of try."""
    found = re.search(r"(\d+) prompt tokens(?: \((\d+) cached\))?", said)
    assert found, said
    return int(found[1]), int(found[2] or 0)


def metric(name, url=None):
    _, text = ask(url or LLM, "/metrics", None)
    return float(re.search(rf"^{re.escape(name)} (\S+)", text, re.M)[1])


def busy_slots():
    _, slots = ask(LLM, "/slots", None)
    return sum(one["is_processing"] for one in slots)


def wait_for(what, patience_s, sentence):
    """Until what() is true; patience only bounds a hang, nothing asserts a speed."""
    deadline = time.monotonic() + patience_s
    while not what():
        assert time.monotonic() < deadline, sentence
        time.sleep(0.2)


def vllm(**generator):
    """Changes that put vLLM's tiny random model in place of llama.cpp's: its text has no lines, so steps are chunks of tokens."""
    return {"generator": {"engine": "vllm", "url": VLLM, "max_step_tokens": 8, "max_tokens": 24, **generator},
            "step": {"separator": "", "tokens": 8}, "prompt": {"system": "", "examples": ""}}


QWEN_PRM = {"prm": {"engine": "vllm-pooling", "layout": "qwen-extra0", "url": PRM, "split": "step"}}
