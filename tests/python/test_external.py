# SPDX-License-Identifier: Apache-2.0
"""test_external.py - whole runs with engines in Python and C: same answers, whatever becomes of them"""
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import unittest
from pathlib import Path

import espalier
import kit

PROBLEMS = kit.EXAMPLES / "sums.jsonl"
SEARCH = {"strategy": "beam", "keep": 2, "expand": 4, "max_steps": 12, "aggregate": "min"}
MPIRUN = str(kit.ROOT / "cluster" / "local" / "mpirun")


def engines(command, prm=None, **keys):
    common = {"command": command, **keys}
    return {"search": SEARCH, "generator": {"engine": "external", **common},
            "prm": {"engine": "external", **common, **({"command": prm} if prm else {})},
            "verifier": {"kind": "external", **common}}


def written(path):
    """Has the run begun to give rows?  Before, a model that dies is one that cannot start."""
    return path.exists() and path.stat().st_size > 0


@kit.needs_pynng
class Runs(kit.FolderTest):
    alone = None

    @classmethod
    def setUpClass(cls):
        cls.own = kit.FolderTest("setUp")
        cls.own.setUp()
        cls.addClassCleanup(cls.own.doCleanups)
        cls.alone = espalier.run(PROBLEMS, cls.own.folder / "alone", progress=False,
                                 **engines(kit.python(kit.EXAMPLES / "models.py")))
        cls.right = kit.rows(cls.alone.path)

    def go(self, name, ranks=1, **words):
        self.said = []
        run = espalier.run(PROBLEMS, self.folder / name, ranks=ranks, mpirun=MPIRUN, progress=self.said.append, **words)
        return kit.rows(run.path)

    def log(self, name):
        return (self.folder / name / "log.txt").read_text() + "\n".join(self.said)

    def faulty(self, fault, *roles, ranks=1, **keys):
        """A run in which models of these roles go wrong once; the rows must be the right ones."""
        notes = self.folder / "notes"
        notes.mkdir()
        rows = self.go("out", ranks, **engines(kit.python(kit.HERE / "faulty.py", notes, fault, *roles), **keys))
        for role in roles:
            self.assertTrue((notes / f"fault-{role}").exists(), f"the fault of the {role} did not happen")
        self.assertEqual(rows, self.right)

    def test_three_models_in_python_solve_the_sums(self):
        self.assertEqual(len(self.right[0]), 24)
        self.assertTrue(all('"correct":true' in row for row in self.right[0]))

    @unittest.skipUnless(kit.HAS_MPIRUN, "no mpirun")
    def test_three_ranks_give_the_rows_of_one_process(self):
        self.assertEqual(self.go("out", 3, **engines(kit.python(kit.EXAMPLES / "models.py"))), self.right)

    def test_a_prm_in_c_gives_the_rows_of_the_one_in_python(self):
        self.assertEqual(self.go("out", **engines(kit.python(kit.EXAMPLES / "models.py"), prm=kit.c_peer())), self.right)

    def test_functions_of_this_process_are_engines(self):
        sys.path.insert(0, str(kit.EXAMPLES))
        self.addCleanup(sys.path.remove, str(kit.EXAMPLES))
        import models
        functions = {"generator": models.add, "prm": models.recompute, "verifier": models.compare}
        self.assertEqual(self.go("one", search=SEARCH, **functions), self.right)
        if kit.HAS_MPIRUN:
            self.assertEqual(self.go("three", 3, search=SEARCH, **functions), self.right)

    def test_a_peer_that_is_found_at_a_url_serves_run_after_run(self):
        url = f"ipc://{self.folder}/prm"
        peer = subprocess.Popen([kit.c_peer(), url])
        self.addCleanup(peer.wait)
        self.addCleanup(peer.kill)
        words = engines(kit.python(kit.EXAMPLES / "models.py"))
        words["prm"] = {"engine": "external", "url": url}
        for name in ("one", "two"):
            self.assertEqual(self.go(name, **words), self.right)
        self.assertIsNone(peer.poll())

    def test_a_peer_may_be_found_over_tcp(self):
        with socket.socket() as place:
            place.bind(("127.0.0.1", 0))
            url = f"tcp://127.0.0.1:{place.getsockname()[1]}"
        peer = subprocess.Popen([kit.c_peer(), url])
        self.addCleanup(peer.wait)
        self.addCleanup(peer.kill)
        words = engines(kit.python(kit.EXAMPLES / "models.py"))
        words["prm"] = {"engine": "external", "url": url}
        self.assertEqual(self.go("out", **words), self.right)

    def check(self, script):
        """What `espalier check` says of a run file with these models."""
        (self.folder / "models.py").write_text("import espalier\n" + script + "\nespalier.serve()\n")
        config = {**engines(kit.python(self.folder / "models.py")), "run": {"output": str(self.folder / "out")}, "problems": {"file": str(PROBLEMS)}}
        (self.folder / "run.yaml").write_text(json.dumps(config))
        got = subprocess.run([kit.espalier(), "check", self.folder / "run.yaml", "log.level=warn"], capture_output=True, text=True, timeout=120)
        self.assertEqual(got.returncode, 0, got.stderr)
        return got.stderr

    def test_check_tries_each_of_them(self):
        functions = '''
@espalier.engine(role="generator", n=4)
def say(task):
    return [f"{task.rng(i).random()}\\n\\n" for i in range(task.n)]
@espalier.engine(role="prm")
def judge(task):
    return [%s for step in task.steps]
@espalier.engine(role="verifier")
def verify(task):
    return None
'''
        said = self.check(functions % "0.9 if '42' in step else 0.1")
        for words in ("'say', credits 8, batch 8, n 4", "one seed, one text: 3 of 3 times alone, 3 of 3 among 9 at once", "'judge', credits 2",
                      "example: right step 0.9000, wrong step 0.1000", "'verify', credits 2", "0 mistakes, 0 warnings"):
            self.assertIn(words, said)
        self.assertIn("WARNING: prm: a wrong step (12 + 30 = 57, so the answer is 57.) scores 0.9000, the right one 0.1000",
                      self.check(functions % "0.1 if '42' in step else 0.9"))
        self.assertIn("example: it could not be scored", self.check(functions % "task.problem['sum']"))

    def test_models_killed_by_the_test_change_no_answer(self):
        notes = self.folder / "notes"
        notes.mkdir()
        killed = []

        def kill():
            until = time.monotonic() + 60
            while len(killed) < 3 and time.monotonic() < until:
                time.sleep(0.05)
                for role in ("generator", "prm", "verifier"):
                    mine = sorted(notes.glob(f"pid-{role}-*"))
                    if mine and role not in killed and written(self.folder / "out" / "candidates.jsonl"):
                        os.kill(int(mine[0].name.rsplit("-", 1)[1]), signal.SIGKILL)
                        killed.append(role)

        killer = threading.Thread(target=kill, daemon=True)
        killer.start()
        rows = self.go("out", **engines(kit.python(kit.HERE / "faulty.py", notes, "slow")))
        killer.join()
        self.assertEqual(sorted(killed), ["generator", "prm", "verifier"])
        self.assertEqual(rows, self.right)
        self.assertIn("ended with signal 9", self.log("out"))

    @unittest.skipUnless(kit.HAS_MPIRUN, "no mpirun")
    def test_models_that_die_on_ranks_change_no_answer(self):
        self.faulty("crash", "generator", "prm", "verifier", ranks=3)

    def test_models_that_hang_are_ended_and_started_again(self):
        self.faulty("hang", "prm", silence_s=1, heartbeat_s=0.2)
        self.assertIn("EXTERNAL-DROPPED", self.log("out"))

    def test_models_that_only_answer_heartbeats_are_ended_and_started_again(self):
        self.faulty("stuck", "prm", timeout_s=1)
        self.assertIn("timeout_s", self.log("out"))

    def test_models_that_talk_garbage_change_no_answer(self):
        self.faulty("garbage", "generator", "prm")
        self.assertIn("cannot be read", self.log("out"))

    def test_a_score_that_is_no_number_changes_no_answer(self):
        self.faulty("nan", "prm")

    def test_wrong_ids_and_second_answers_change_no_answer(self):
        self.faulty("unknown", "prm")
        self.assertIn("not out", self.log("out"))

    def test_the_same_answer_twice_changes_nothing(self):
        self.faulty("twice", "verifier")

    def test_a_model_that_cannot_start_stops_the_run_with_its_last_words(self):
        bad = self.folder / "bad.py"
        bad.write_text("import esp_no_such_module\n")
        with self.assertRaisesRegex(espalier.EspalierError, "esp_no_such_module"):
            self.go("out", **engines(kit.python(bad)))  # at once, not after dispatch.no_worker_s

    def test_nothing_is_left_behind(self):
        self.go("out", **engines(kit.python(kit.EXAMPLES / "models.py")))
        self.assertEqual([p.name for p in self.folder.glob("espalier-peer-*")], [])


if __name__ == "__main__":
    unittest.main()
