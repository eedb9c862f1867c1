#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""models.py - a generator, a PRM and a verifier in Python, each started by `command:` (external.yaml)

The problems are sums.  The generator adds the numbers one by one and slips now and then; the PRM recomputes each step; the
verifier compares the last number with the answer.  Replace the three functions by your own models.
"""
import re

import espalier

SLIP = 0.3  # of the generator's steps
EQUATION = re.compile(r"(-?\d+) \+ (-?\d+) = (-?\d+)")


@espalier.engine(role="generator", n=8)
def add(task):
    return [one_step(task, task.rng(i)) for i in range(task.n)]


def one_step(task, rng):
    numbers = task.problem["numbers"]
    done = len(task.steps)  # additions so far
    if done == len(numbers) - 1:
        return {"text": f"#### {last_number(task.text)}", "finish": "eos"}
    left = last_number(task.text) if done else numbers[0]
    slip = rng.choice([-10, -1, 1, 10]) if rng.random() < SLIP else 0
    return {"text": f"{left} + {numbers[done + 1]} = {left + numbers[done + 1] + slip}\n\n", "finish": "stop"}


def last_number(text):
    return int(re.findall(r"-?\d+", text)[-1])


@espalier.engine(role="prm", batch=True)
def recompute(tasks):
    return [[score(step) for step in task.steps] for task in tasks]


def score(step):
    found = EQUATION.search(step)
    if not found:
        return 0.5
    a, b, c = map(int, found.groups())
    return 1.0 if a + b == c else 0.0


@espalier.engine(role="verifier")
def compare(task):
    said = re.search(r"#### (-?\d+)", task.text)
    if not said:
        return {"verdict": "unknown", "reason": "no-answer"}
    right = said.group(1) == str(task.problem["answer"])
    return {"verdict": "pass" if right else "fail", "reason": "right-answer" if right else "wrong-answer", "answer": said.group(1)}


if __name__ == "__main__":
    espalier.serve()
