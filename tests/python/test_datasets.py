# SPDX-License-Identifier: Apache-2.0
"""test_datasets.py - the rows of a run as Hugging Face datasets, in the interpreter that ESP_DATASETS_PYTHON names"""
import json
import os
import subprocess
import unittest

import espalier
import kit

PYTHON = os.environ.get("ESP_DATASETS_PYTHON")
READ = """
import sys, datasets
for path in sys.argv[1:]:
    data = datasets.load_dataset("json", data_files=path, split="train")
    print(path.rsplit("/", 1)[-1], len(data), sorted(data.column_names))
"""

LARGE = """
import datasets, espalier, sys
run = espalier.load(sys.argv[1])
print(run.dataset("answers")["error"][-1], len(run.dataset("candidates")), run.dataset("passrate-unverified")["problem_id"][0])
try:
    datasets.load_dataset("json", data_files=sys.argv[1] + "/answers.jsonl", split="train")
except datasets.exceptions.DatasetGenerationError:
    print("plain: no")
"""


@unittest.skipUnless(PYTHON, "ESP_DATASETS_PYTHON names no interpreter with datasets")
class Datasets(kit.FolderTest):
    def test_every_output_is_a_dataset(self):
        problems = [{"id": f"p{i}", "question": f"Question {i}", "answer": str(i % 5)} for i in range(8)]
        run = espalier.run(problems, self.folder / "out", progress=False, generator={"engine": "fake"}, prm={"engine": "fake"},
                           verifier={"kind": "fake"}, search={"strategy": "beam", "keep": 2, "expand": 2, "max_steps": 6})
        files = [run.path / f"{name}.jsonl" for name in ("answers", "candidates", "costs")]
        got = self.inside(READ, *map(str, files))
        print(got.stdout, end="")
        self.assertIn("answers.jsonl 8 ['answer', 'candidates', 'correct'", got.stdout)
        self.assertEqual(len(got.stdout.splitlines()), len(files))

    def test_a_column_that_is_null_for_ten_megabytes_has_its_type(self):
        run = espalier.run(["one"], self.folder / "out", progress=False, generator={"engine": "fake"}, prm={"engine": "fake"},
                           verifier={"kind": "fake"}, search={"strategy": "best_of_n", "n": 4}, samples={"format": "passrate"})
        row = run.answers(frame=False)[0]
        with open(run.path / "answers.jsonl", "w") as out:
            for i in range(12000):
                out.write(json.dumps({**row, "id": f"p{i}", "text": "x" * 1000, "error": "poisoned" if i == 11999 else None}) + "\n")
        got = self.inside(LARGE, str(run.path), package=True).stdout.splitlines()
        self.assertEqual(got[:1], [f"poisoned 4 {row['id']}"])

    def inside(self, script, *words, package=False):
        """Run it by the interpreter that has datasets."""
        os.environ["HF_HOME"] = str(self.folder / "hf")
        os.environ["HF_HUB_OFFLINE"] = "1"
        os.environ["PYTHONPATH"] = str(kit.ROOT / "python") if package else ""
        got = subprocess.run([PYTHON, "-c", script, *words], capture_output=True, text=True)
        self.assertEqual(got.returncode, 0, got.stderr[-2000:])
        return got


if __name__ == "__main__":
    unittest.main()
