# SPDX-License-Identifier: Apache-2.0
"""bad_samples.py - cases: section samples, evaluation sets, full disks and kills while samples are made"""
import fcntl
import glob
import hashlib
import json
import os
import random
import subprocess
import time

from bad_kit import ESPALIER, RUN, SLOW, Skip, Wrong, bad_run, call, case, end, folder, nothing_started, problems, start, want, write

SFT = RUN + "samples: {format: sft, compress: false}\n"


def files(output="out"):
    """Names and sums of what manifest.json lists, and of it."""
    found = {}
    for name in sorted(os.listdir(os.path.join(output, "samples"))):
        path = os.path.join(output, "samples", name)
        if os.path.isfile(path):
            with open(path, "rb") as f:
                found[name] = hashlib.sha256(f.read()).hexdigest()
    return found


def whose_problems(name):
    """Numbers of the problems in all files with this name, verified or not."""
    return {int(json.loads(line)["problem_id"][1:]) for path in glob.glob(name + "*.jsonl") for line in open(path)}


@case
def formats_and_names_of_samples():
    for text, *words in (("samples: {format: stft}", "samples", "did you mean sft"),
                         ("samples: [{format: sft}, {format: sft}]", "samples[1].name", "a name of its own"),
                         ("samples: [{format: sft, name: a/b}]", "name", "a/b"),
                         ("samples: [{format: sft, name: .}]", "name"),
                         ("samples: [{format: sft, name: refused}]", "samples[0].name", "refused", "choose another"),
                         ("samples: [{format: sft}, {format: sft, name: sft-unverified}]", "samples[1].name", "-unverified",
                          "choose another"),
                         ("samples: [{want: 3}]", "format"),
                         ("samples: [{format: sft, near: 8}]", "near", "7"),
                         ("samples: [{format: sft, pass_low: 0.8, pass_high: 0.2}]", "pass_low"),
                         ("samples: [{format: sft, balance: 0.5}]", "samples[0].balance", "say 1 or more"),
                         ("samples: [{format: sft, wnat: 3}]", "wnat", "did you mean want")):
        bad_run(RUN % "" + text + "\n", *words)


@case
def all_problems_stand_in_an_evaluation_set():
    folder(SFT % "")
    nothing_started(call("run", "run.yaml", "samples.eval_files=p.jsonl"), "all 6 problems", "p0", "p.jsonl", "allow_eval")
    want(call("run", "run.yaml", "samples.eval_files=p.jsonl", "samples.allow_eval=true"), 0, "not for training")
    with open("out/samples/README.md") as f:
        if "Not for training" not in f.read():
            raise Wrong("the card does not say what the samples are not for")


@case
def the_answer_stands_in_no_prompt():
    folder("run: {output: out}\nproblems: {file: p.jsonl}\nsearch: {strategy: best_of_n, n: 2}\ngenerator: {engine: file}\n"
           "verifier: {kind: answer}\nsamples: {format: sft, compress: false}\n")
    write("p.jsonl", '{"id": "a", "instruction": "three and four", "answer": "7", "solution": "count to 7", "completions": ["\\\\boxed{7}", "8"]}\n')
    want(call("run", "run.yaml"), (0, 1))
    with open("out/samples/sft-00000.jsonl") as f:
        prompt = json.loads(f.readline())["prompt"]
    if json.loads(prompt) != {"id": "a", "instruction": "three and four"}:
        raise Wrong("the prompt is " + prompt)


@case
def some_problems_stand_in_an_evaluation_set():
    folder(SFT % "", n=60)
    problems("eval.jsonl", n=30)
    want(call("run", "run.yaml", "run.output=all"), (0, 1))
    want(call("run", "run.yaml", "samples.eval_files=eval.jsonl"), (0, 1), "30 of 60 problems", "refused")
    before, kept, refused = (whose_problems(name) for name in ("all/samples/sft", "out/samples/sft", "out/samples/refused"))
    if not kept or not refused or max(refused) >= 30 or min(kept) < 30:
        raise Wrong(f"refused {sorted(refused)}, kept {sorted(kept)}")
    if refused | kept != before:
        raise Wrong("what was refused is not listed")


@case
def fingerprints_of_any_problems_can_be_read_again():
    folder(SFT % "")
    rows = [{"id": "a\tb", "question": "one two"}, {"id": "", "question": "three four"}, {"id": 7, "question": "five\nsix"},
            {"id": "c\nd", "question": "seven"}, {"question": "???"}]
    write("odd.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    got = call("fingerprint", "ODD", "odd.jsonl")
    want(got, 0)
    if sum(line.startswith("ODD\t") for line in got[1].split("\n")) != len(rows):
        raise Wrong("a problem is missing: " + got[1])
    write("odd.txt", got[1])
    want(call("run", "run.yaml", "samples.eval_files=odd.txt"), (0, 1))
    write("long.jsonl", '{"question": "' + "word " * 2000000 + '"}\n')
    want(call("fingerprint", "LONG", "long.jsonl"), 2, "long.jsonl:1", "longer than")
    want(call("fingerprint", "", "odd.jsonl"), 2, "NAME")
    write("many.jsonl", "".join(f'{{"question": "number {i} of many problems which are long enough to be known"}}\n' for i in range(3000)))
    want(call("-c", '"$0" fingerprint MANY many.jsonl > /dev/full', ESPALIER, command=["sh"]), 4, "standard output")


@case
def evaluation_files_that_cannot_be_read():
    folder(SFT % "")
    nothing_started(call("run", "run.yaml", "samples.eval_files=nowhere.jsonl"), "nowhere.jsonl")
    want(call("check", "run.yaml", "samples.eval_files=nowhere.jsonl"), 2, "nowhere.jsonl", "1 mistake")
    want(call("check", "run.yaml", "samples.eval_files=p.jsonl"), 2, "all 6 problems", "allow_eval")
    write("eval.jsonl", '{"id": "a", "question": "b"}\n[]\n')
    nothing_started(call("run", "run.yaml", "samples.eval_files=eval.jsonl"), "eval.jsonl:2")
    write("eval.jsonl", b"\x28\xb5\x2f\xfd\x00\x00")
    nothing_started(call("run", "run.yaml", "samples.eval_files=eval.jsonl"), "eval.jsonl")
    os.mkdir("set")
    nothing_started(call("run", "run.yaml", "samples.eval_files=set"), "set")
    for text in ("", "\n\n", '{"instruction": "what is asked", "output": "what is said"}\n', '{"question": 5}\n{"question": ""}\n'):
        write("none.jsonl", text)
        nothing_started(call("run", "run.yaml", "samples.eval_files=none.jsonl"), "none.jsonl", "no row has a field that asks", "question")
        want(call("fingerprint", "NONE", "none.jsonl"), 2, "none.jsonl", "no row has a field that asks")
    with open("p.jsonl") as f:
        rows = [json.loads(line) for line in f]
    write("second.jsonl", "".join(json.dumps({"question": "", "problem": r.get("question") or r["problem"]}) + "\n" for r in rows))
    want(call("check", "run.yaml", "samples.eval_files=second.jsonl"), 2, "all 6 problems", "allow_eval")


@case
def a_full_disk_while_samples_are_made():
    if os.geteuid() != 0:
        raise Skip("not root: no tmpfs")
    folder(SFT % "", n=60)
    os.mkdir("disk")
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "none", "disk"], capture_output=True).returncode != 0:
        raise Skip("a tmpfs cannot be mounted here")
    try:
        want(call("run", "run.yaml", "run.output=disk/out"), (0, 1))
        good = files("disk/out")
        free = os.statvfs("disk")
        write("disk/ballast", b"x" * (free.f_bavail * free.f_frsize - 8192))
        want(call("samples", "disk/out"), 3, "disk/out/samples", "No space")
        os.unlink("disk/ballast")
        want(call("samples", "disk/out"), 0)
        if files("disk/out") != good:
            raise Wrong("the samples differ after the disk was full")
    finally:
        subprocess.run(["umount", "-l", "disk"], capture_output=True)


@case
def samples_made_again_after_kills_are_the_same():
    folder(SFT % "", n=200)
    want(call("run", "run.yaml", "samples.shard_bytes=5000"), (0, 1))
    good = files()
    if len(good) < 5:
        raise Wrong(f"too few files to mean something: {good}")
    begun = time.monotonic()
    want(call("samples", "out"), 0)
    whole = time.monotonic() - begun
    for _ in range(20):
        p = start("samples", "out")
        time.sleep(random.random() * whole)
        p.kill()
        p.communicate()
    want(call("samples", "out"), 0)
    if files() != good:
        raise Wrong("the samples differ after kills")


@case
def samples_while_a_run_goes_on():
    write("run.yaml", SFT % SLOW)
    problems(n=12)
    p = start("run", "run.yaml")
    for _ in range(600):
        if os.path.exists("out/samples/raw/sft.jsonl.zst") and os.path.getsize("out/samples/raw/sft.jsonl.zst") > 0:
            break
        time.sleep(0.05)
    want(call("samples", "out"), 0, "samples: sft")
    end(p)
    want(call("samples", "out"), 0)


@case
def two_that_make_the_samples_of_one_run():
    folder(SFT % "", n=20)
    want(call("run", "run.yaml"), (0, 1))
    good = files()
    held = os.open("out/samples", os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_EX)
    p = start("samples", "out")
    said = p.stderr.readline()
    if b"another espalier makes these samples" not in said or p.poll() is not None:
        raise Wrong(f"it does not wait: {said}")
    if files() != good:
        raise Wrong("it did not wait")
    os.close(held)
    end(p)
    if p.returncode != 0 or files() != good:
        raise Wrong(f"exit {p.returncode}, or the samples differ")


@case
def raw_rows_that_are_damaged():
    folder(SFT % "", n=20)
    want(call("run", "run.yaml"), (0, 1))
    good = files()
    with open("out/samples/raw/sft.jsonl.zst", "rb") as f:
        raw = f.read()
    for damaged in (raw[: len(raw) // 2], raw[:40] + bytes([raw[40] ^ 255]) + raw[41:], b"no zstd"):
        write("out/samples/raw/sft.jsonl.zst", damaged)
        status, _, err = call("samples", "out")
        if status == 0 and damaged == b"no zstd":
            raise Wrong("nonsense was taken for raw rows")
        if status != 0 and ("sft.jsonl.zst" not in err or files() != good):
            raise Wrong(f"the file is not named, or samples were touched: {err[-300:]}")
    os.unlink("out/samples/raw/sft.jsonl.zst")
    want(call("samples", "out"), 2, "sft.jsonl.zst")
    if files() != good:
        raise Wrong("samples were touched though nothing could be read")


@case
def samples_made_again_with_what_cannot_change():
    folder(SFT % "", n=20)
    want(call("run", "run.yaml"), (0, 1))
    good = files()
    for change, key in (("samples.format=rollouts", "samples.format"), ("search.keep=1", "search.keep"), ("run.seed=9", "run.seed")):
        want(call("samples", "out", change), 2, key, "stays as it is for the life of a run")
    if files() != good:
        raise Wrong("samples were touched")
    want(call("samples", "out", "samples.want=1"), 0)


@case
def samples_of_a_run_that_has_none():
    folder()
    want(call("run", "run.yaml"), (0, 1))
    want(call("samples", "out"), 2, "no section samples", "export")
    want(call("samples"), 2, "usage")
    want(call("samples", "nowhere"), 2, "nowhere")
    want(call("fingerprint", "X"), 2, "usage")
    want(call("fingerprint", "X", "nowhere.jsonl"), 2, "nowhere.jsonl")
