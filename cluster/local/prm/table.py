# SPDX-License-Identifier: Apache-2.0
"""table.py - accuracy against compute: hand-made features against the trained PRM, at equal steps

outputs: (set, shape, steps, model) -> output folder of a run.
"""
import json
import math
import os
import subprocess

TITLES = {"game24": "Game of 24", "other": "other targets"}


def solved(folder):
    """id -> did it solve it"""
    with open(os.path.join(folder, "answers.jsonl"), encoding="utf-8") as file:
        return {row["id"]: bool(row["correct"]) for row in map(json.loads, file)}


def generated_steps(folder):
    with open(os.path.join(folder, "summary.json"), encoding="utf-8") as file:
        rows = json.load(file)["rows"]
    return rows["steps"] / rows["problems"]


def paired(hand, trained):
    """difference trained - hand in points, and half of its 95 % interval (McNemar's variance)"""
    n = len(hand)
    wins = sum(trained[i] and not hand[i] for i in hand)
    losses = sum(hand[i] and not trained[i] for i in hand)
    half = 1.96 * math.sqrt(max(wins + losses - (wins - losses) ** 2 / n, 0)) / n
    return 100 * (wins - losses) / n, 100 * half


def table(outputs, evaluate):
    lines = [f"{'puzzles':<14} {'beam':<7} {'steps':>5}  {'hand features':>13}  {'trained PRM':>11}  {'difference':>16}"]
    for puzzle_set, shape, steps, model in outputs:
        if model != "hand":
            continue
        both = [solved(outputs[puzzle_set, shape, steps, m]) for m in ("hand", "trained")]
        rates = [100 * sum(s.values()) / max(len(s), 1) for s in both]
        difference, half = paired(*both)
        used = generated_steps(outputs[puzzle_set, shape, steps, "hand"])
        lines.append(f"{TITLES[puzzle_set]:<14} {shape:<7} {used:5.0f}  {rates[0]:11.1f} %  {rates[1]:9.1f} %  {difference:+6.1f} +- {half:.1f} points")
    lines.append(f"solved of {evaluate} puzzles each, none of them trained on; +-: 95 % interval of the difference, pair by pair")
    return "\n".join(lines) + "\n"


# ---- the plot, in the looks of `espalier report --plot`

def curves(outputs):
    """title -> [(steps, share, low, high)], Wilson's 95 % interval"""
    found = {}
    for (puzzle_set, shape, _, model), folder in outputs.items():
        right = solved(folder)
        n, k = len(right), sum(right.values())
        centre, half = (k + 1.92) / (n + 3.84), 1.96 * math.sqrt(k * (n - k) / n + 0.96) / (n + 3.84)
        found.setdefault((puzzle_set, shape, model), []).append((generated_steps(folder), k / n, centre - half, centre + half))
    return found


def plot(path, outputs, say):
    data, script = path + ".dat", path + ".gp"
    found = curves(outputs)
    with open(data, "w", encoding="ascii") as out:
        for key, points in found.items():
            out.write(f"# {' '.join(key)}: steps share low high\n" + "".join("%g %g %g %g\n" % p for p in sorted(points)) + "\n\n")
    with open(script, "w", encoding="ascii") as out:
        out.write(f"set terminal svg size 1000,500 dynamic background 'white'\nset output '{path}'\nset multiplot layout 1,2\n"
                  "set xlabel 'generated steps per puzzle'\nset ylabel 'share of puzzles solved'\nset yrange [0:1]\nset logscale x 2\n"
                  "set grid\nset key bottom right\n")
        for puzzle_set in dict.fromkeys(key[0] for key in found):
            out.write(f"set title '{TITLES[puzzle_set]}'\nplot " + ", \\\n     ".join(
                f"'{data}' index {i} using 1:2:3:4 with yerrorlines lw 1.5 lc {1 + (model == 'trained')} dt {sorted({k[1] for k in found}).index(shape) + 1} "
                f"title '{model}, {shape}'" for i, (s, shape, model) in enumerate(found) if s == puzzle_set) + "\n")
    try:
        subprocess.run(["gnuplot", script], check=True)
        say(f"plot: {path}")
    except FileNotFoundError:
        say(f"plot: gnuplot is not there (apt install gnuplot-nox), then: gnuplot {script}")
    except subprocess.CalledProcessError:
        say(f"plot: gnuplot {script} failed; what it said stands above")
