# SPDX-License-Identifier: Apache-2.0
"""bad_offline.py - cases: solutions that the rows bring, of every shape; the PRM's figures over them; rows that their owner packed"""
import gzip
import json
import os
import random
import shutil
import subprocess

from bad_kit import Skip, Wrong, call, case, want, write

RUN = """run: {output: out}
problems: {file: p.jsonl}
search: {strategy: best_of_n, n: 4}
generator: {engine: file}
prm: {engine: arithmetic}
verifier: {kind: answer}
observe: {enabled: false}
"""
STEPS = "search.strategy=beam", "search.n=", "search.keep=1", "search.expand=1", "search.max_steps=1000"
EXACTLY = "step.whole=true", "prm.separator='~~'"

RATED = {"question": {"problem": "1 + 1?", "ground_truth_answer": "2"}, "label": {"steps": [
    {"completions": [{"text": "First.", "rating": 1}], "human_completion": None, "chosen_completion": 0},
    {"completions": [{"text": "Bad.", "rating": -1}, {"text": "So 2.\n\n# Answer\n\n2", "rating": 1}], "human_completion": None, "chosen_completion": 1}]}}
SHAPES = (  # whose, its row, texts of the candidates, answer
    ("search-and-learn", {"unique_id": "a", "problem": "1 + 1?", "answer": "2", "completions": ["x\n\n\\boxed{2}", "\\boxed{3}"], "scores": [[0.1], [0.2]]},
     ["\\boxed{3}", "x\n\n\\boxed{2}"], None),
    ("NeMo-Skills", {"problem": "1 + 1?", "expected_answer": "2", "generation": "It is \\boxed{2}"}, ["It is \\boxed{2}"], "2"),
    ("ProcessBench", {"id": "gsm8k-0", "problem": "1 + 1?", "steps": ["a", "so \\boxed{2}"], "final_answer_correct": True, "label": -1}, ["a\n\nso \\boxed{2}"], "2"),
    ("PRM800K", RATED, ["First.\n\nSo 2.\n\n# Answer\n\n2"], "2"),
    ("TRL", {"prompt": "1 + 1?", "completions": ["a", "\\boxed{2}"], "labels": [True, True]}, ["a\n\n\\boxed{2}"], "2"))


@case
def every_shape_of_given_solutions_is_scored_and_judged():
    write("run.yaml", RUN)
    for whose, row, texts, answer in SHAPES:
        write("p.jsonl", json.dumps(row) + "\n")
        output = "out-" + whose
        want(call("run", "run.yaml", f"run.output={output}"), 0)
        with open(f"{output}/candidates.jsonl") as f:
            got = [json.loads(line) for line in f]
        if sorted(g["text"] for g in got) != texts or any(g["score"] is None for g in got):
            raise Wrong(f"{whose}: {got}")
        with open(f"{output}/answers.jsonl") as f:
            one = json.loads(f.readline())
        graded = "answer" in row or "expected_answer" in row or "question" in row
        if answer and (one["answer"], one["correct"]) != (answer, True if graded else None):
            raise Wrong(f"{whose}: {one}")


@case
def samples_of_evalplus_become_rows_with_their_tests():
    write("samples.jsonl", "".join(json.dumps({"task_id": "HumanEval/0", "solution": text}) + "\n" for text in ("def f(): return 1", "def f(): return 2")))
    write("all.jsonl", json.dumps({"task_id": "HumanEval/0", "prompt": "def f():\n", "entry_point": "f", "test": "def check(c):\n    assert c() == 1\n"}) + "\n")
    want(call("import", "samples", "samples.jsonl", "--problems", "all.jsonl", "-o", "p.jsonl"), 0)
    write("run.yaml", RUN.replace("prm: {engine: arithmetic}\n", ""))
    if not os.path.exists("/usr/bin/python3"):
        raise Skip("no /usr/bin/python3")
    want(call("run", "run.yaml", "verifier.kind=code", "verifier.sandbox=none", "vote.rule=first"), 0)
    with open("out/candidates.jsonl") as f:
        if sorted(json.loads(line)["correct"] for line in f) != [False, True]:
            raise Wrong("one of the two programs is right")


# ---- the figures, counted again ----

def processbench(path, n=200):
    draw = random.Random(7)
    rows = []
    for i in range(n):
        count = draw.randint(1, 7)
        label = draw.choice([-1, *range(count)])
        steps = []
        for k in range(count):
            a, b = draw.randint(1, 99), draw.randint(1, 99)
            wrong = k == label if draw.random() < 0.8 else draw.random() < 0.2
            steps.append(f"Then {a} + {b} = {a + b + wrong}." + ("\n\nThat is it." if draw.random() < 0.3 else ""))
        rows.append({"id": f"p{i}", "problem": f"Question {i}", "steps": steps, "label": label, "final_answer_correct": label < 0})
    write(path, "".join(json.dumps(row) + "\n" for row in rows))
    return rows


def figures_of(scored, threshold):
    """F1 and its two shares, of [(scores, label)], as docs/report.md defines them."""
    said = [(next((i for i, score in enumerate(scores) if score < threshold), -1), label) for scores, label in scored]
    found, passed = ([a == b for a, b in said if (b >= 0) == bad] for bad in (True, False))
    x, y = sum(found) / len(found), sum(passed) / len(passed)
    return 2 * x * y / (x + y) if x + y else 0, x, y


def auc_of(scored):
    good = [s for scores, label in scored for i, s in enumerate(scores) if label < 0 or i < label]
    bad = [scores[label] for scores, label in scored if label >= 0]
    return sum((g > b) + (g == b) / 2 for g in good for b in bad) / len(good) / len(bad)


@case
def figures_of_processbench_are_those_of_its_definition():
    rows = processbench("p.jsonl")
    write("run.yaml", RUN)
    want(call("run", "run.yaml", *STEPS, *EXACTLY), 0)
    with open("out/candidates.jsonl") as f:
        scores = {row["id"]: row["step_scores"] for row in map(json.loads, f)}
    scored = [(scores[row["id"]], row["label"]) for row in rows]
    if any(len(s) != len(row["steps"]) for (s, _), row in zip(scored, rows)):
        raise Wrong("not one score for each step")
    got = json.loads(call("report", "--prm", "--format", "json", "out")[1])[0]
    best = max(figures_of(scored, t)[0] for t in {2, *(t for s, _ in scored for t in s)})
    f1, found, passed = figures_of(scored, got["processbench"]["threshold"])
    for name, mine, its in (("F1", f1, got["processbench"]["f1"]), ("the best F1", best, f1), ("found", found, got["processbench"]["found"]),
                            ("passed", passed, got["processbench"]["passed"]), ("AUC", auc_of(scored), got["steps"]["auc"])):
        if abs(mine - its) > 1e-9:
            raise Wrong(f"{name}: {its} instead of {mine}")
    if got["left_out"] or not 0.1 < f1 < 1:
        raise Wrong(str(got))
    want(call("run", "run.yaml", *STEPS, "run.output=cut"), 0)
    said = call("report", "--prm", "cut")[1]
    if "labelled solutions left out" not in said or "step: {whole: true}, prm: {split: step}" not in said:
        raise Wrong(said)


@case
def a_prm_that_is_exploited_is_warned_about():
    rows = [{"id": f"p{i}", "problem": f"Question {i}", "answer": "1",
             "completions": ["\\boxed{1}", "\\boxed{1}", "1 + 1 = 2, so \\boxed{2}", "2 + 2 = 4, so \\boxed{2}"]} for i in range(12)]
    write("p.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    write("run.yaml", RUN)
    want(call("run", "run.yaml"), 0)
    said = call("report", "--prm", "out")[1]
    if "warning: from k = 1 to 4 the best score rises and correctness falls (12 problems lost, 0 won" not in said:
        raise Wrong(said)


# ---- packed by their owner ----

@case
def a_report_reads_rows_that_were_packed():
    processbench("p.jsonl", 20)
    write("run.yaml", RUN)
    want(call("run", "run.yaml"), 0)
    plain = call("report", "out")[1], call("report", "--prm", "out")[1]
    for name in ("answers", "candidates", "costs"):
        with open(f"out/{name}.jsonl", "rb") as f, gzip.open(f"out/{name}.jsonl.gz", "wb") as to:
            shutil.copyfileobj(f, to)
        os.rename(f"out/{name}.jsonl", f"{name}.jsonl")
    if (call("report", "out")[1], call("report", "--prm", "out")[1]) != plain:
        raise Wrong("a report of .gz differs")
    if not shutil.which("zstd"):
        raise Skip("no zstd program")
    for name in ("answers", "candidates", "costs"):
        os.remove(f"out/{name}.jsonl.gz")
        subprocess.run(["zstd", "-q", f"{name}.jsonl", "-o", f"out/{name}.jsonl.zst"], check=True)
    if (call("report", "out")[1], call("report", "--prm", "out")[1]) != plain:
        raise Wrong("a report of .zst differs")
