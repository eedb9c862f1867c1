# SPDX-License-Identifier: Apache-2.0
"""test_results.py - what load promises"""
import gzip
import importlib.util
import json
import shutil
import subprocess
import time
import unittest

import espalier
import kit

HAS_PANDAS = importlib.util.find_spec("pandas") is not None
RUN = {"generator": {"engine": "fake"}, "prm": {"engine": "fake"}, "verifier": {"kind": "fake"},
       "search": {"strategy": "beam", "keep": 2, "expand": 2, "max_steps": 6}}
PROBLEMS = [{"id": f"p{i}", "question": f"Question {i}", "answer": str(i % 5)} for i in range(5)]


class Load(kit.FolderTest):
    def written(self, **files):
        (self.folder / "run.yaml").write_text("run: {}\n")
        for name, text in files.items():
            (self.folder / f"{name}.jsonl").write_text(text)
        return espalier.load(self.folder)

    def test_a_folder_that_is_no_run_is_refused(self):
        with self.assertRaisesRegex(FileNotFoundError, "holds no run"):
            espalier.load(self.folder)
        with self.assertRaisesRegex(FileNotFoundError, "no such folder"):
            espalier.load(self.folder / "not")

    def test_a_run_that_has_written_nothing_yet_is_empty(self):
        run = self.written()
        self.assertEqual((run.answers(frame=False), run.samples(frame=False), run.summary(), run.done), ([], [], {}, False))

    def test_a_line_that_is_half_written_is_left_for_the_next_look(self):
        run = self.written(answers='{"id": "a"}\n{"id": "b", "answ')
        self.assertEqual(run.answers(frame=False), [{"id": "a"}])
        with open(self.folder / "answers.jsonl", "a") as out:
            out.write('er": "1"}\n')
        self.assertEqual(run.answers(frame=False)[1], {"id": "b", "answer": "1"})

    def test_rows_that_were_packed_are_read_too(self):
        run = self.written(answers='{"id": "a"}\n')
        with gzip.open(self.folder / "answers.jsonl.gz", "wt") as out:
            out.write((self.folder / "answers.jsonl").read_text())
        (self.folder / "answers.jsonl").unlink()
        self.assertEqual(run.answers(frame=False), [{"id": "a"}])

    def test_a_line_separator_inside_a_text_ends_no_row(self):
        run = self.written(answers='{"id": "a", "text": "x\u2028y\x85z"}\n')
        self.assertEqual(run.answers(frame=False)[0]["text"], "x\u2028y\x85z")

    def test_samples_are_the_rows_of_all_their_files(self):
        run = self.written()
        (self.folder / "samples").mkdir()
        (self.folder / "samples" / "stepwise-00.jsonl").write_text('{"n": 1}\n')
        with gzip.open(self.folder / "samples" / "preference-00.jsonl.gz", "wt") as out:
            out.write('{"n": 2}\n')
        self.assertEqual([r["n"] for r in run.samples(frame=False)], [2, 1])
        self.assertEqual(run.samples("stepwise", frame=False), [{"n": 1}])

    def test_samples_of_a_run_are_read_as_it_packs_them(self):
        run = espalier.run(PROBLEMS, self.folder / "out", progress=False, samples=[{"format": "passrate"}, {"format": "rollouts"}], **RUN)
        self.assertTrue(all(p.name.endswith(".jsonl.zst") for p in run.sample_files()) and run.sample_files())
        if not shutil.which("zstd") and not importlib.util.find_spec("zstandard"):
            self.skipTest("neither zstd nor zstandard")
        self.assertEqual({row["problem_id"] for row in run.samples("passrate", frame=False)}, {p["id"] for p in PROBLEMS})
        plain = espalier.run(PROBLEMS, self.folder / "plain", progress=False,
                             samples=[{"format": "passrate", "compress": False}, {"format": "rollouts"}], **RUN)
        self.assertEqual(run.samples(frame=False), plain.samples(frame=False))

    def test_samples_that_no_verifier_decided_come_by_their_name_only(self):
        run = self.written()
        (self.folder / "samples").mkdir()
        for name in ("sft-00000", "sft-unverified-00000", "refused-00000"):
            (self.folder / "samples" / f"{name}.jsonl").write_text(json.dumps({"file": name}) + "\n")
        self.assertEqual([r["file"] for r in run.samples(frame=False)], ["sft-00000"])
        self.assertEqual([r["file"] for r in run.samples("sft", frame=False)], ["sft-00000"])
        self.assertEqual([r["file"] for r in run.samples("sft-unverified", frame=False)], ["sft-unverified-00000"])

    def test_a_packed_file_that_is_none_is_an_error(self):
        run = self.written()
        (self.folder / "samples").mkdir()
        (self.folder / "samples" / "sft-00000.jsonl.zst").write_text("no zstd\n")
        with self.assertRaisesRegex(Exception, "zstd|[Zz]standard"):
            run.samples(frame=False)

    @unittest.skipUnless(HAS_PANDAS, "the package pandas is not there")
    def test_tables_are_frames_where_pandas_is(self):
        run = self.written(answers='{"id": "a", "score": 0.5}\n{"id": "b", "score": null}\n')
        self.assertEqual(list(run.answers().columns), ["id", "score"])
        self.assertEqual(len(run.answers(frame=True)), 2)

    def test_the_tree_of_a_problem_is_nested_dicts_and_a_table(self):
        run = espalier.run(PROBLEMS, self.folder / "out", progress=False, **RUN)
        self.assertEqual([c["id"] for c in run.costs(frame=False)], [a["id"] for a in run.answers(frame=False)])
        tree = run.tree("p1")
        self.assertEqual((tree["id"], tree["finish_reason"], tree["tree"]["path"]), ("p1", "answered", ""))
        nodes = run.nodes("p1", frame=False)
        self.assertGreaterEqual(len(nodes), 4)
        seen = {""}
        for node in nodes:
            self.assertIn(node["parent"], seen)
            self.assertEqual(node["depth"], node["path"].count(".") + 1)
            seen.add(node["path"])
        with self.assertRaisesRegex(espalier.EspalierError, "p1"):
            run.tree("p11")

    def test_a_run_can_be_followed_while_it_goes_on(self):
        (self.folder / "p.jsonl").write_text("".join(json.dumps(p) + "\n" for p in PROBLEMS))
        slow = {**RUN, "generator": {"engine": "fake", "slots": 1, "delay_us": 50000}, "run": {"output": str(self.folder / "out")},
                "problems": {"file": str(self.folder / "p.jsonl"), "open": 2}}
        (self.folder / "r.yaml").write_text(json.dumps(slow))
        process = subprocess.Popen([kit.espalier(), "run", str(self.folder / "r.yaml")], stderr=subprocess.DEVNULL)
        try:
            seen = self.followed(process)
        finally:
            process.terminate()
            process.wait()
        self.assertEqual(seen, {"answers": True, "done": False, "state": "running"})

    def followed(self, process):
        """What load() shows of a run that has finished some problems and not all; the tree of one that is open."""
        until = time.monotonic() + 120
        while time.monotonic() < until and process.poll() is None:
            time.sleep(0.05)
            if not (self.folder / "out" / "answers.jsonl").exists():
                continue
            run = espalier.load(self.folder / "out")
            ended = {row["id"] for row in run.answers(frame=False)}
            if 0 < len(ended) < len(PROBLEMS) and process.poll() is None:
                self.assertEqual(len(run.candidates(frame=False)) > 0, True)
                self.assertGreater(len(run.nodes(sorted(ended)[0], frame=False)), 0)
                going = next(p["id"] for p in PROBLEMS if p["id"] not in ended)
                return {"answers": True, "done": run.done, "state": run.tree(going)["finish_reason"]}
        self.fail("the run ended before it could be looked at")

    def test_a_tree_deeper_than_pythons_limit_can_be_read(self):
        from espalier import _results
        deep = '{"children":[' * 3000 + "]}" * 3000
        node = _results._deep(deep)
        self.assertEqual(len(node["children"]), 1)


if __name__ == "__main__":
    unittest.main()
