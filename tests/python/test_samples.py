# SPDX-License-Identifier: Apache-2.0
"""test_samples.py - every format of a real run's samples: from its files, from its journal, as datasets and as Parquet"""
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import unittest
from pathlib import Path

import kit

sys.path.insert(0, str(kit.ROOT / "tests" / "support"))
from server_kit import Server  # noqa: E402

PYTHON = os.environ.get("ESP_DATASETS_PYTHON")
MODEL_SERVER = Path(os.environ.get("ESPALIER", "")).parent / "tests" / "support" / "model_server"
TABLE = ("sft", "stepwise", "preference", "passrate", "rollouts", "distill", "prm800k", "math_shepherd", "processbench", "tree", "sal")
PUZZLES = ((1, 1, 4, 6), (1, 1, 11, 11), (1, 1, 3, 8), (6, 6, 6, 6), (1, 1, 2, 12), (2, 3, 5, 12))
RUN = """run: {name: samples, seed: 1, output: out}
problems: {file: p.jsonl}
search: {strategy: omegaprm, k: 8, max_searches: 6}
generator: {engine: embedded}
step: {separator: "\\n"}
verifier: {kind: puzzle}
samples: [{format: stepwise}, {format: sft}, {format: preference}, {format: passrate}, {format: rollouts}]
"""
SERVED = """run: {name: served, output: served}
problems: {file: q.jsonl}
search: {strategy: beam, keep: 2, expand: 2, max_steps: 8}
generator: {engine: vllm, url: "URL", logprobs: top, top_logprobs: 3}
prm: {engine: arithmetic}
verifier: {kind: answer}
samples: [{format: distill}, {format: rollouts, rows: problem}, {format: passrate}]
"""
COMMON = {"id", "problem_id", "meta"}
COLUMNS = {
    "sft": {"prompt", "completion", "answer", "score", "tokens"},
    "stepwise": {"prompt", "completions", "labels", "values", "rollouts", "passed", "low", "high", "prm_scores", "first_error", "label_source"},
    "preference": {"prompt", "prefix", "chosen", "rejected", "margin", "chosen_rate", "chosen_rollouts", "chosen_passed", "chosen_score",
                   "rejected_rate", "rejected_rollouts", "rejected_passed", "rejected_score"},
    "passrate": {"prompt", "answer", "branches", "n", "c", "rate", "low", "high", "in_band", "agreement"},
    "rollouts": {"group_id", "n", "prompt", "ground_truth", "completion", "reward", "answer", "token_ids", "logprobs", "step_scores",
                 "step_values", "finish"},
    "distill": {"messages", "answer", "token_ids", "token_logprobs", "target_token_ids", "logprobs", "parts"},
}
READ = """
import json, sys, datasets
for path in sys.argv[1:]:
    data = datasets.load_dataset("json", data_files=path, split="train")
    print(json.dumps([path.rsplit("/", 1)[-1], len(data), data.column_names]))
"""


class Samples(kit.FolderTest):
    def setUp(self):
        super().setUp()
        os.chdir(self.folder)
        Path("p.jsonl").write_text("".join(json.dumps({"id": f"p{i}", "problem": f"Make 24 of {n}.", "numbers": n, "target": 24, "answer": "24"})
                                           + "\n" for i, n in enumerate(PUZZLES)))
        Path("run.yaml").write_text(RUN)

    def tearDown(self):
        os.chdir(self.before)

    def call(self, *words, code=0):
        done = subprocess.run([kit.espalier(), *map(str, words)], capture_output=True, text=True, timeout=300)
        self.assertEqual(done.returncode, code, done.stderr[-2000:])
        return done

    def export(self, output, *words):
        return self.call("export", output, *words).stdout

    def served(self):
        """A run at a model server that returns tokens."""
        if not MODEL_SERVER.exists():
            self.skipTest(f"no {MODEL_SERVER}")
        Path("q.jsonl").write_text("".join(json.dumps({"id": f"q{i}", "problem": f"What is {a} + {b} + {c}?", "answer": str(a + b + c)}) + "\n"
                                           for i, (a, b, c) in enumerate(((12, 7, 30), (5, 9, 2), (31, 4, 4)))))
        with Server(str(MODEL_SERVER)) as server:
            Path("served.yaml").write_text(SERVED.replace("URL", server.url))
            self.call("run", "served.yaml")

    def test_export_writes_what_the_run_wrote(self):
        if not shutil.which("zstd"):
            self.skipTest("no zstd program")
        self.call("run", "run.yaml")
        for name in ("stepwise", "sft", "preference", "passrate", "rollouts"):
            raw = subprocess.run(["zstd", "-dc", f"out/samples/raw/{name}.jsonl.zst"], capture_output=True, text=True, check=True).stdout
            there = [(row["set"], row["sample"]) for row in map(json.loads, raw.splitlines())]
            for which, more in ((0, []), (1, ["--unverified"])):
                wanted = [sample for its_set, sample in there if its_set == which]
                got = [json.loads(line) for line in self.export("out", name, *more).splitlines()]
                self.assertEqual(sorted(wanted, key=lambda s: s["id"]), sorted(got, key=lambda s: s["id"]), f"{name} {more}")
                self.assertEqual([s["problem_id"] for s in got], sorted(s["problem_id"] for s in got), name)
            self.assertGreater(len(there), 0, name)

    def test_every_format_can_be_exported_from_a_run_that_asked_for_none(self):
        Path("run.yaml").write_text(RUN.partition("samples:")[0])
        self.call("run", "run.yaml")
        for name in TABLE:
            lines = self.export("out", name).splitlines()
            keys = {tuple(json.loads(line)) for line in lines}
            self.assertEqual(len(keys), 0 if name == "distill" else len(keys) if name == "sal" else 1, name)  # sal: n differs, and so the preds
            self.assertTrue(lines or name == "distill", name)
        for row in map(json.loads, self.export("out", "processbench").splitlines()):
            self.assertTrue(-1 <= row["label"] < len(row["steps"]) and (row["label"] >= 0 or row["final_answer_correct"]))
        for row in map(json.loads, self.export("out", "math_shepherd").splitlines()):
            self.assertEqual(row["input"].count("ки"), row["label"].count("ки") + row["label"].count(" +\n") + row["label"].count(" -\n") + 1)

    def test_a_run_that_was_killed_exports_its_finished_problems_and_once_resumed_all(self):
        self.call("run", "run.yaml", "run.output=whole")
        Path("slow.yaml").write_text(RUN.replace("engine: embedded", "engine: embedded, slots: 1"))
        process = subprocess.Popen([kit.espalier(), "run", "slow.yaml", "run.repeats=40"], stderr=subprocess.DEVNULL)
        until = time.monotonic() + 120
        while not (Path("out/answers.jsonl").exists() and Path("out/answers.jsonl").stat().st_size > 0) and time.monotonic() < until:
            time.sleep(0.01)
        live = self.export("out", "stepwise")  # while it goes on, or just after
        process.send_signal(signal.SIGKILL)
        process.wait()
        cut = set(self.export("out", "stepwise").splitlines())
        self.call("resume", "out")
        done = self.call("export", "out", "stepwise")
        every = done.stdout.splitlines()
        self.assertIn(f"of {40 * len(PUZZLES)} finished problems", done.stderr)
        self.assertLessEqual(cut, set(every))
        self.assertLessEqual(set(live.splitlines()), set(every))
        first = [line for line in every if json.loads(line)["meta"]["repeat"] == 0]
        whole = self.export("whole", "stepwise").splitlines()
        self.assertEqual(first, whole)

    def test_a_file_may_be_packed_and_is_whole_or_not_there(self):
        if not shutil.which("zstd"):
            self.skipTest("no zstd program")
        self.call("run", "run.yaml")
        self.call("export", "out", "tree", "-o", "tree.jsonl.zst")
        unpacked = subprocess.run(["zstd", "-dc", "tree.jsonl.zst"], capture_output=True, text=True, check=True).stdout
        self.assertEqual(unpacked, self.export("out", "tree"))
        self.call("export", "out", "tree", "-o", "none/tree.jsonl", code=2)
        self.assertEqual(sorted(p.name for p in Path(".").iterdir()), ["out", "p.jsonl", "run.yaml", "tree.jsonl.zst"])

    def test_options_and_one_problem(self):
        self.call("run", "run.yaml")
        first = json.loads(self.export("out", "stepwise").splitlines()[0])["problem_id"]
        rows = [json.loads(line) for line in self.export("out", "stepwise", "until=error", "--id", first).splitlines()]
        self.assertTrue(rows and all(row["problem_id"] == first and False not in row["labels"][:-1] for row in rows))

    def test_mistakes_are_named(self):
        self.call("run", "run.yaml")
        for words, said in (((), "usage: espalier export"), (("out", "tre"), "did you mean tree?"), (("nowhere", "tree"), "nowhere holds no run"),
                            (("out", "stepwise", "untl=error"), "did you mean until?"), (("out", "tree", "a=1"), "samples.a: unknown key"),
                            (("out", "tree", "--unverified"), "leave --unverified out"), (("out", "tree", "--id", "p9"), "no problem 'p9'"),
                            (("out", "tree", "more"), "'more' is not understood"), (("out", "stepwise", "threshold=2"), "threshold")):
            self.assertIn(said, self.call("export", *words, code=2).stderr)
        for line, said in (("{format: distill}", "generator.engine: embedded returns none; vllm, sglang and llamacpp do"),
                           ("{format: tree}", "espalier export OUTPUT tree"),
                           ("{format: passrate, band_low: 0.8, band_high: 0.2}", "band_low: larger than band_high")):
            Path("wrong.yaml").write_text(RUN.partition("samples:")[0] + f"samples: [{line}]\n")
            self.assertIn(said, self.call("run", "wrong.yaml", "run.output=wrong", code=2).stderr)
            self.assertFalse(Path("wrong").exists())

    def test_sampling_stops_when_what_is_wanted_is_there(self):
        for samples, fewer in (("[{format: sft, want: 2}]", True), ("[{format: sft}]", False), ("[{format: sft, want: 2}, {format: rollouts}]", False),
                               ("[{format: passrate, band_low: 0.02, band_high: 0.7}]", True)):
            Path("stop.yaml").write_text(RUN.replace("strategy: omegaprm, k: 8, max_searches: 6", "strategy: best_of_n, n: 256")
                                         .partition("samples:")[0] + f"samples: {samples}\n")
            shutil.rmtree("out", True)
            self.call("run", "stop.yaml")
            counts = [json.loads(line)["candidates"] for line in open("out/answers.jsonl")]
            self.assertEqual(min(counts) < 256, fewer, f"{samples}: {counts}")
            if "want: 2}]" in samples:
                texts = [json.loads(line) for line in self.export("out", "sft").splitlines()]
                for i in range(len(PUZZLES)):
                    mine = {row["completion"] for row in texts if row["problem_id"] == f"p{i}"}
                    self.assertTrue(len(mine) == 2 or counts[i] == 256, f"p{i}: {len(mine)} of {counts}")

    @unittest.skipUnless(PYTHON, "ESP_DATASETS_PYTHON names no interpreter with datasets")
    def test_every_format_is_a_dataset(self):
        self.call("run", "run.yaml")
        self.served()
        files = []
        for output, names in (("out", ("stepwise", "sft", "preference", "passrate", "rollouts")), ("served", ("distill", "passrate"))):
            for name in names:
                self.call("export", output, name, "-o", f"{output}-{name}.jsonl.zst")
                files.append((f"{output}-{name}.jsonl.zst", COLUMNS[name] | COMMON))
            for shard in sorted(Path(output, "samples").glob("*.jsonl.zst")):
                files.append((str(shard), None))
        for name in ("prm800k", "math_shepherd", "processbench", "sal"):
            self.call("export", "out", name, "-o", f"{name}.jsonl")
            files.append((f"{name}.jsonl", None))
        os.environ["HF_HOME"] = str(self.folder / "hf")
        os.environ["HF_HUB_OFFLINE"] = "1"
        os.environ.pop("PYTHONPATH", None)
        got = subprocess.run([PYTHON, "-c", READ, *[path for path, _ in files]], capture_output=True, text=True, timeout=600)
        self.assertEqual(got.returncode, 0, got.stderr[-2000:])
        read = [json.loads(line) for line in got.stdout.splitlines()]
        self.assertEqual(len(read), len(files))
        for (path, columns), (_, count, names) in zip(files, read):
            self.assertGreater(count, 0, path)
            if columns:
                self.assertEqual(set(names), columns, path)

    @unittest.skipUnless(PYTHON, "ESP_DATASETS_PYTHON names no interpreter with pyarrow")
    def test_parquet_has_verls_columns(self):
        script = kit.ROOT / "cluster" / "recipes" / "to_parquet.py"
        self.call("run", "run.yaml")
        self.call("export", "out", "passrate", "-o", "rate.jsonl.zst")
        self.call("export", "out", "sft", "-o", "sft.jsonl")
        for shape, file in (("rl", "rate.jsonl.zst"), ("sft", "sft.jsonl")):
            subprocess.run([PYTHON, script, shape, file, "-o", f"{shape}.parquet"], check=True, stdout=subprocess.DEVNULL)
        show = "import json, sys, pyarrow.parquet as p; print(json.dumps([p.read_table(f).to_pylist()[0] for f in sys.argv[1:]]))"
        done = subprocess.run([PYTHON, "-c", show, "rl.parquet", "sft.parquet"], capture_output=True, text=True, check=True)
        rl, sft = json.loads(done.stdout)
        self.assertEqual(set(rl), {"data_source", "prompt", "ability", "reward_model", "extra_info"})
        self.assertEqual(rl["reward_model"], {"style": "rule", "ground_truth": "24"})
        self.assertEqual([m["role"] for m in rl["prompt"]], ["user"])
        self.assertEqual([m["role"] for m in sft["messages"]], ["user", "assistant"])
        wrong = subprocess.run([PYTHON, script, "sft", "rate.jsonl.zst", "-o", "x.parquet"], capture_output=True, text=True)
        self.assertIn("rate.jsonl.zst:1: sft needs format sft or distill", wrong.stderr)


if __name__ == "__main__":
    unittest.main()
