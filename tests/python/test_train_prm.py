# SPDX-License-Identifier: Apache-2.0
"""test_train_prm.py - cluster/local/train-prm: the loop closed at a very small size, cut off once, and the detector of bugs"""
import ast
import json
import os
import re
import signal
import subprocess
import unittest

from kit import ROOT, FolderTest, espalier

PYTHON = ROOT / "build" / "train-prm" / "bin" / "python"
TRAIN = ROOT / "cluster" / "local" / "prm" / "train.py"
SMALL = ["--puzzles", "320", "--evaluate", "6"]
SWAPS = {ast.Lt: ast.LtE, ast.Gt: ast.GtE, ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mod: ast.FloorDiv}


def mutants(program):
    """the program with one operator swapped, each way once"""
    for at in range(sum(1 for _ in ast.walk(ast.parse(program)))):
        tree = ast.parse(program)
        node = list(ast.walk(tree))[at]
        if isinstance(node, ast.Compare) and type(node.ops[0]) in SWAPS:
            node.ops[0] = SWAPS[type(node.ops[0])]()
        elif isinstance(node, ast.BinOp) and type(node.op) in SWAPS:
            node.op = SWAPS[type(node.op)]()
        else:
            continue
        yield ast.unparse(tree)


def defects(functions):
    """rows as format `defect` writes them: in each function a loop that a bug makes odd"""
    for i in range(functions):
        program = f"def f{i}(values):\n    total = {i % 3}\n    for at in range(len(values) - 1):\n        if values[at] < values[at + 1]:\n" \
                  f"            total = total + values[at] % {i % 7 + 2}\n    return total"
        for mutated in mutants(program):
            yield {"problem_id": f"f{i}", "prompt": "", "original": program, "mutated": mutated, "first_error": 3, "is_control": False}
        for _ in range(3):
            yield {"problem_id": f"f{i}", "prompt": "", "original": program, "mutated": program, "first_error": -1, "is_control": True}


class TrainPrm(FolderTest):
    @classmethod
    def setUpClass(cls):
        made = subprocess.run([ROOT / "cluster" / "local" / "train-prm", "--environment"], capture_output=True, text=True, check=False)
        if made.returncode:
            raise unittest.SkipTest(f"scikit-learn could not be had: {(made.stderr.strip().splitlines() or ['?'])[-1]}")

    def start(self, *words):
        env = dict(os.environ, OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", ESPALIER=espalier(), PYTHONUNBUFFERED="1")
        return subprocess.Popen([PYTHON, TRAIN, *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT, env=env)

    def train(self, *words):
        child = self.start(*words)
        text = child.communicate(timeout=600)[0]
        return child.returncode, text

    def test_an_interrupted_loop_goes_on_to_weights_and_a_table(self):
        output = self.folder / "loop"
        child = self.start(*SMALL, "--output", output)
        for line in child.stdout:
            if "harvest-shepherd" in line:
                break
        child.send_signal(signal.SIGINT)
        text = child.communicate(timeout=600)[0]
        self.assertEqual(child.returncode, 3, text)
        self.assertIn("the same command goes on", text)
        code, text = self.train(*SMALL, "--output", output)
        self.assertEqual(code, 0, text)
        self.assertIn("the engine's scores are those of the fit", text)
        self.assertEqual([p.name for p in output.rglob("*.tmp")], [])
        table = (output / "table.txt").read_text().splitlines()
        rows = [line for line in table if line.startswith(("Game of 24", "other targets"))]
        self.assertEqual(len(rows), 22, table)
        for row in rows:
            self.assertRegex(row, r"keep [128] +\d+ +\d+\.\d % +\d+\.\d % +[-+]\d+\.\d \+- \d+\.\d points")
        weights = json.loads((output / "weights.json").read_text())
        self.assertEqual([n["left"] for n in weights["networks"]], [2, 3])
        self.stays(output)

    def stays(self, output):
        """a second start makes nothing anew; other settings are refused"""
        before = {p: p.stat().st_mtime_ns for p in [output / "weights.json", *output.glob("search/*/answers.jsonl")]}
        self.assertEqual(len(before), 45)
        code, text = self.train(*SMALL, "--output", output)
        self.assertEqual(code, 0, text)
        self.assertEqual({p: p.stat().st_mtime_ns for p in before}, before)
        code, text = self.train("--puzzles", "400", "--evaluate", "6", "--output", output)
        self.assertEqual(code, 1, text)
        self.assertIn("other settings", text)

    def test_a_detector_of_bugs_is_judged_on_functions_held_out(self):
        file = self.folder / "defects.jsonl"
        file.write_text("".join(json.dumps(row) + "\n" for row in defects(30)))
        code, text = self.train("--bugs", file)
        self.assertEqual(code, 0, text)
        aucs = dict(re.findall(r"^  (.+?) +AUC (\d\.\d+) \[", text, re.M))
        self.assertGreater(float(aucs["detector"]), 0.9, text)      # the same few bugs in every function: easy
        self.assertLess(float(aucs["program length"]), 0.8, text)

    def test_the_detector_is_tried_on_programs_that_a_model_wrote(self):
        rows = list(defects(30))
        (self.folder / "defects.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        written = [{"group_id": f"{row['problem_id']}/0", "prompt": "", "completion": f"Here it is:\n```python\n{row['mutated']}\n```\nGood luck.",
                    "reward": int(row["is_control"])} for row in rows]
        none = [dict(written[0], reward=None), dict(written[0], completion="I do not know.")]
        real = self.folder / "rollouts.jsonl"
        real.write_text("".join(json.dumps(row) + "\n" for row in written + none))
        code, text = self.train("--bugs", self.folder / "defects.jsonl", "--real", real)
        self.assertEqual(code, 0, text)
        self.assertIn(f"{len(written)} programs that a model wrote for 30 functions", text)
        self.assertIn("2 more are no Python, or undecided", text)
        found = re.findall(r"^  detector +AUC (\d\.\d+) \[.*?\] all pairs, (\d\.\d+) \[", text, re.M)
        self.assertEqual(len(found), 2, text)
        self.assertEqual(found[0], found[1], text)              # the same programs, in other clothes
        for content, word in (("[1]\n", "no object"), ('{"group_id": "f/0", "completion": "x"}\n', "programs in"),
                              ('{"group_id": "f/0", "completion": "x", "reward": 2}\n', "no rollouts sample")):
            real.write_text(content)
            code, text = self.train("--bugs", self.folder / "defects.jsonl", "--real", real)
            self.assertEqual(code, 1, text)
            self.assertIn(word, text)
            self.assertNotIn("Traceback", text)
        code, text = self.train("--real", real)
        self.assertEqual(code, 2, text)
        self.assertIn("--real needs --bugs", text)

    def test_rows_that_are_no_defects_are_named(self):
        file = self.folder / "defects.jsonl"
        for content, word in (('{"prompt": "x"}\n', "1: no defect sample"), ("\n{\n", "2: no JSON"), ("[1]\n", "defects.jsonl:1"), ("", "0 rows")):
            file.write_text(content)
            code, text = self.train("--bugs", file)
            self.assertEqual(code, 1, text)
            self.assertIn(word, text)
            self.assertNotIn("Traceback", text)
        code, text = self.train("--bugs", self.folder / "none.jsonl")
        self.assertEqual(code, 1, text)
        self.assertNotIn("Traceback", text)
