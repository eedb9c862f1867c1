# SPDX-License-Identifier: Apache-2.0
"""test_verifiers.py - the program of docs/verifiers.md as a verifier, in a real run"""
import json
import re
import subprocess
import unittest

import kit

BLOCK = re.compile(r"^```(?:python file=(\S+)|yaml)\n(.*?)^```$", re.M | re.S)


def has_sandbox():
    try:
        return subprocess.run(["bwrap", "--unshare-all", "--ro-bind", "/", "/", "true"], capture_output=True).returncode == 0
    except FileNotFoundError:
        return False


class Command(kit.FolderTest):
    def judge(self, more):
        section = (kit.ROOT / "docs" / "verifiers.md").read_text().split("\n## command\n")[1].split("\n## ")[0]
        (_, yaml), = [b for b in BLOCK.findall(section) if not b[0]]
        (name, program), = [b for b in BLOCK.findall(section) if b[0]]
        self.folder.chmod(0o755)
        (self.folder / name).write_text(program)
        (self.folder / "problems.jsonl").write_text(json.dumps({
            "id": "s", "problem": "Sort 3 1 2.", "numbers": [3, 1, 2],
            "completions": ["So \\boxed{1 2 3}", "So \\boxed{3 1 2}", "I cannot.", "2 1 3 #### 1 2 3"]}) + "\n")
        (self.folder / "run.yaml").write_text(
            "run: {output: out}\nproblems: {file: problems.jsonl}\nsearch: {strategy: best_of_n, n: 4}\ngenerator: {engine: file}\n" + yaml)
        done = subprocess.run([kit.espalier(), "run", "run.yaml", *more], cwd=self.folder, capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        rows = map(json.loads, (self.folder / "out" / "candidates.jsonl").read_text().splitlines())
        return {r["text"]: (r["correct"], r["answer"]) for r in rows}

    WANTED = {"So \\boxed{1 2 3}": (True, "1 2 3"), "So \\boxed{3 1 2}": (False, "3 1 2"), "I cannot.": (None, None),
              "2 1 3 #### 1 2 3": (True, "1 2 3")}

    @unittest.skipUnless(has_sandbox(), "bubblewrap does not work here")
    def test_the_program_of_the_docs_judges_in_its_sandbox(self):
        self.assertEqual(self.judge([]), self.WANTED)

    def test_it_judges_without_one_and_when_it_is_started_for_each_candidate(self):
        self.assertEqual(self.judge(["verifier.sandbox=none", "verifier.mode=one-shot"]), self.WANTED)


if __name__ == "__main__":
    unittest.main()
