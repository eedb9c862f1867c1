# SPDX-License-Identifier: Apache-2.0
"""test_results.py - what load promises"""
import gzip
import importlib.util
import json
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

    def test_a_tree_deeper_than_pythons_limit_can_be_read(self):
        from espalier import _results
        deep = '{"children":[' * 3000 + "]}" * 3000
        node = _results._deep(deep)
        self.assertEqual(len(node["children"]), 1)


if __name__ == "__main__":
    unittest.main()
