# SPDX-License-Identifier: Apache-2.0
"""test_datasets.py - the rows of a run as Hugging Face datasets, in the interpreter that ESP_DATASETS_PYTHON names"""
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


@unittest.skipUnless(PYTHON, "ESP_DATASETS_PYTHON names no interpreter with datasets")
class Datasets(kit.FolderTest):
    def test_every_output_is_a_dataset(self):
        problems = [{"id": f"p{i}", "question": f"Question {i}", "answer": str(i % 5)} for i in range(8)]
        run = espalier.run(problems, self.folder / "out", progress=False, generator={"engine": "fake"}, prm={"engine": "fake"},
                           verifier={"kind": "fake"}, search={"strategy": "beam", "keep": 2, "expand": 2, "max_steps": 6})
        files = [run.path / "answers.jsonl", run.path / "candidates.jsonl", *run.sample_files()]
        os.environ["HF_HOME"] = str(self.folder / "hf")
        os.environ["HF_HUB_OFFLINE"] = "1"
        os.environ.pop("PYTHONPATH", None)
        got = subprocess.run([PYTHON, "-c", READ, *map(str, files)], capture_output=True, text=True)
        self.assertEqual(got.returncode, 0, got.stderr[-2000:])
        print(got.stdout, end="")
        self.assertIn("answers.jsonl 8 ['answer', 'candidates', 'correct'", got.stdout)
        self.assertEqual(len(got.stdout.splitlines()), len(files))


if __name__ == "__main__":
    unittest.main()
