# SPDX-License-Identifier: Apache-2.0
"""test_launch.py - what run promises"""
import importlib.util
import json
import os
import subprocess
import unittest
import warnings
from pathlib import Path

import espalier
import kit
from espalier import _launch

HAS_PANDAS = importlib.util.find_spec("pandas") is not None
FAKE = {"generator": {"engine": "fake"}, "prm": {"engine": "fake"}, "verifier": {"kind": "fake"},
        "search": {"strategy": "beam", "keep": 2, "expand": 2, "max_steps": 6}}
PROBLEMS = [{"id": f"p{i}", "question": f"Question {i} \u00e9 \U0001f600 \x7f", "answer": str(i % 5)} for i in range(6)]


class Run(kit.FolderTest):
    def test_problems_are_searched_and_the_results_come_back(self):
        said = []
        run = espalier.run(PROBLEMS, self.folder / "out", progress=said.append, **FAKE)
        self.assertEqual({row["id"] for row in run.answers(frame=False)}, {p["id"] for p in PROBLEMS})
        self.assertTrue(run.done and run.summary()["rows"]["problems"] == 6)
        self.assertTrue(any("espalier starts: 6 problems" in line for line in said))

    def test_keys_may_be_nested_dotted_or_underscored(self):
        made = _launch._nested({"search": {"keep": 2, "budget": {"steps": 5}}, "search__expand": 3, "search.budget.generations": 9})
        self.assertEqual(made, {"search": {"keep": 2, "expand": 3, "budget": {"steps": 5, "generations": 9}}})
        with self.assertRaisesRegex(TypeError, "no section 'serach'"):
            _launch._nested({"serach": {}})

    def test_every_section_of_a_run_file_is_a_keyword(self):
        rows = subprocess.run([kit.espalier(), "options", "--markdown"], capture_output=True, text=True, check=True).stdout.splitlines()
        sections = {row.split()[1].rstrip(":") for row in rows if row.startswith("## ")}
        self.assertEqual(set(_launch._SECTIONS), sections)
        words = {**FAKE, "samples": [{"format": "passrate"}], "step__separator": "\n", "workers": {"generate": "all"}, "prompt": {"preset": "gsm8k"}}
        run = espalier.run(["one"], self.folder / "out", progress=False, **words)
        self.assertTrue(run.done and "separator" in (run.path / "run.yaml").read_text())

    def test_a_run_file_holds_any_text(self):
        hostile = "a: b # \" ' \\ \n\t\x7f\x85\u2028\ufeff \U0001f600 {x} [y]"
        made = json.loads(json.dumps({"run": {"name": hostile, "output": str(self.folder / "o")}, "search": {"strategy": "beam"},
                                      "problems": {"file": "x"}, "generator": {"engine": "fake"}, "prm": {"engine": "fake"}}))
        path = self.folder / "r.yaml"
        path.write_text(_launch._yaml(made))
        got = subprocess.run([kit.espalier(), "check", str(path), "--print-output"], capture_output=True, text=True)
        self.assertEqual(got.stdout.strip(), str(self.folder / "o"), got.stderr)

    def test_strings_and_files_are_problems_too(self):
        run = espalier.run(["one", "two"], self.folder / "a", progress=False, **FAKE)
        self.assertEqual(len(run.answers(frame=False)), 2)
        again = espalier.run(self.folder / "a" / "problems.jsonl", self.folder / "b", progress=False, **FAKE)
        self.assertEqual(kit.rows(run.path), kit.rows(again.path))
        with self.assertRaisesRegex(TypeError, "problem 1 is a int"):
            espalier.run(["one", 2], self.folder / "c", progress=False, **FAKE)
        with self.assertRaisesRegex(TypeError, "problems is a dict"):
            espalier.run({"id": "a", "problem": "one"}, self.folder / "c", progress=False, **FAKE)
        with self.assertRaisesRegex(ValueError, "problem 1: Out of range"):
            espalier.run(["one", {"problem": "two", "level": float("nan")}], self.folder / "c", progress=False, **FAKE)

    def test_a_frame_is_a_list_of_problems_without_its_empty_cells(self):
        class Array(list):
            def tolist(self):
                return list(self)

        class NAType:
            def __ne__(self, other):
                return self

            def __bool__(self):
                raise TypeError("boolean value of NA is ambiguous")

        class Frame:
            columns = ("id", "problem", "answer", "level", "completions")

            def to_dict(self, shape):
                return [{"id": "a", "problem": "x", "answer": "1", "level": 2.0, "completions": Array(["y"])},
                        {"id": "b", "problem": "x", "answer": None, "level": float("nan"), "completions": NAType()}]

        self.assertEqual(_launch._problem_rows(Frame()), [{"id": "a", "problem": "x", "answer": "1", "level": 2.0, "completions": ["y"]}, {"id": "b", "problem": "x"}])
        _launch._write_problems([{"problem": "x", "numbers": type("A", (), {"tolist": lambda self: [1, 2]})()}], self.folder / "p.jsonl")
        self.assertEqual(json.loads((self.folder / "p.jsonl").read_text()), {"problem": "x", "numbers": [1, 2]})
        if not HAS_PANDAS:
            self.skipTest("the rest needs pandas")
        import pandas
        frame = pandas.DataFrame([{"id": "a", "problem": "x", "answer": "1"}, {"id": "b", "problem": "y"}])
        run = espalier.run(frame, self.folder / "out", progress=False, **FAKE)
        self.assertEqual([json.loads(line) for line in (run.path / "problems.jsonl").read_text().splitlines()],
                         [{"id": "a", "problem": "x", "answer": "1"}, {"id": "b", "problem": "y"}])

    def test_a_mistake_is_raised_in_the_programs_own_words(self):
        with self.assertRaisesRegex(espalier.EspalierError, "kepe: unknown key; did you mean") as caught:
            espalier.run(["one"], self.folder / "out", progress=False, **{**FAKE, "search__kepe": 1})
        self.assertEqual(caught.exception.status, 2)
        with self.assertRaisesRegex(espalier.EspalierError, "no strategy 'baem'"):
            espalier.run(["one"], self.folder / "out", progress=False, **{**FAKE, "search": {"strategy": "baem"}})

    def test_a_folder_that_holds_a_run_is_refused_unless_resumed(self):
        espalier.run(["one"], self.folder / "out", progress=False, **FAKE)
        with self.assertRaisesRegex(espalier.EspalierError, "holds a run already"):
            espalier.run(["one"], self.folder / "out", progress=False, **FAKE)
        self.assertTrue(espalier.run(["one"], self.folder / "out", progress=False, resume=True, **FAKE).done)

    def test_problems_that_end_in_an_error_are_a_warning(self):
        words = {"search": FAKE["search"], "generator": {"engine": "fake", "rule": "fakegen-1", "actions": []}, "prm": FAKE["prm"]}
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                run = espalier.run(["one"], self.folder / "out", progress=False, **words)
            except espalier.EspalierError as error:
                self.skipTest(f"the fake engine refuses it at once: {error}")
        self.assertTrue(any("ended in an error" in str(w.message) for w in caught) or run.done)

    def test_the_program_is_found_by_its_variable_or_in_the_checkout(self):
        self.assertEqual(espalier.program(), kit.espalier())
        del os.environ["ESPALIER"]
        os.environ["PATH"] = str(self.folder)
        (self.folder / "espalier").write_text("#!/bin/sh\n")
        (self.folder / "espalier").chmod(0o755)
        self.assertEqual(espalier.program(), str(self.folder / "espalier"))

    @unittest.skipUnless(kit.HAS_MPIRUN, "no mpirun")
    def test_on_ranks_the_rows_are_those_of_one_process(self):
        alone = espalier.run(PROBLEMS, self.folder / "a", progress=False, **FAKE)
        ranks = espalier.run(PROBLEMS, self.folder / "b", progress=False, ranks=3,
                             mpirun=str(kit.ROOT / "cluster" / "local" / "mpirun"), **FAKE)
        self.assertEqual(kit.rows(alone.path), kit.rows(ranks.path))


if __name__ == "__main__":
    unittest.main()
