# SPDX-License-Identifier: Apache-2.0
"""test_recipes.py - every run file of cluster/recipes is right, and those for servers run

    python3 tests/recipes/test_recipes.py build/espalier build/tests/support/model_server

Each is given to `espalier check` (without servers); those of cluster/recipes/ and papers/ are also run, on two problems and with a
small budget, against the stand-in servers of tests/support.  What papers report is not tried.
"""

import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests" / "support"))
from server_kit import Server  # noqa: E402

ESPALIER, MODEL_SERVER = (os.path.abspath(word) for word in sys.argv[1:3])
RECIPES = ROOT / "cluster" / "recipes"
SMALL = ["problems.limit=2", "search.max_steps=3", "search.budget.generations=48", "generator.wait_s=20", "observe.enabled=false"]
SMALL_SEARCH = {"best_of_n": ["search.n=4"], "dvts": ["search.keep=2"], "particle": ["search.particles=4"]}
CAUSAL = ("vllm-logprobs", "openai-critique")
failed = []


# What the papers' code says (its files are named in the headers): the run file must have it, and its headers must tell it.
PAPERS = {
    "sal-best-of-n": "run.seed 42, search.n 256, search.aggregate last, generator.temperature 0.8, generator.top_p 1.0, generator.max_tokens 2048, "
                     "prm.layout rlhflow-deepseek",
    "sal-beam": "search.rule tiled, search.keep 4, search.expand 4, search.max_steps 40, search.aggregate last, search.filter_duplicates true, "
                "search.sort_completed false, generator.temperature 0.8, generator.max_step_tokens 2048",
    "sal-dvts": "search.keep 64, search.expand 4, search.lookahead 1, search.max_steps 40, search.aggregate last, generator.temperature 0.8",
    "rebase-16": "search.width 16, search.softmax_temperature 0.2, search.max_steps 25, generator.temperature 1.0, "
                 "generator.max_step_tokens 256, generator.max_tokens 1024",
    "rollout-roulette-64": "search.particles 64, search.selection argmax, search.max_steps 40, search.aggregate prod, generator.temperature 0.8, "
                           "generator.max_step_tokens 1024, prm.layout qwen-extra0",
    "openr-mcts": "search.selection puct, search.expand 4, search.c_base 19652, search.c_init 1.25, search.max_steps 50, "
                  "generator.temperature 0.7, generator.top_p 1.0, generator.max_step_tokens 2048, prm.layout math-shepherd",
}


def check(ok, what):
    print(("ok      " if ok else "FAILED  ") + what, flush=True)
    if not ok:
        failed.append(what)


def espalier(*words, **more):
    done = subprocess.run([ESPALIER, *map(str, words)], capture_output=True, text=True, check=False, timeout=120, cwd=ROOT, **more)
    return done.returncode, done.stdout, done.stderr


def check_words():
    return ["--no-servers"] if "--no-servers" in espalier("check", "--help")[1] else []


def rows(folder):
    path = folder / "problems.jsonl"
    path.write_text("".join(json.dumps({"id": f"p{i}", "problem": f"What is {i} + {i}?", "answer": str(2 * i), "prompt": "def f():\n", "canonical_solution": f"    return {2 * i}\n", "solution": f"{i} + {i} = {2 * i}\n#### {2 * i}"}) + "\n"
                            for i in range(3)))
    return path


def is_checked(path, problems):
    words = [] if path.parent.name in ("demo", "demo-llm", "external", "proofs", "train-prm") else [f"problems.file={problems}"]
    words += ["run.output=unused"] if path.name == "base.yaml" else []  # for those that extend it to say
    status, out, err = espalier("check", path.relative_to(ROOT), *words, *check_words(), env={**os.environ, "MY_API_KEY": "k"})
    check(status == 0, f"check accepts {path.relative_to(RECIPES)}" + ("" if status == 0 else f": {err.strip()[-300:]}"))
    return out


def value(resolved, section, key):
    """Of a resolved run file; good enough for what is asked here."""
    here = False
    for line in resolved.splitlines():
        if line[:1] not in (" ", "-", ""):
            here = line.startswith(section + ":")
        words = line.strip("- ").split(": ", 1)
        if here and words[0].strip(' "') == key:
            return words[1].strip().strip('"')
    return None


def header(path):
    """Its comments, and those of what it extends, but for the base of all."""
    text = path.read_text()
    said = " ".join(line.lstrip("# ") for line in text.splitlines() if line.startswith("#")).replace(",", "")
    base = [line.split(": ")[1] for line in text.splitlines() if line.startswith("extends: ")]
    return said + (header(path.parent / base[0]) if base and base[0] != "math500.yaml" else "")


def is_the_papers(path, resolved):
    said = re.findall(r"[\w.]+", header(path))
    numbers = {float(word.rstrip('.')) for word in said if re.fullmatch(r"\d+(\.\d+)?\.?", word)}
    for row in PAPERS[path.stem].split(", "):
        key, wanted = row.split(" ")
        got = value(resolved, *key.split("."))
        number = re.fullmatch(r"\d+(\.\d+)?", wanted)
        check(got == wanted or number and float(got or "nan") == float(wanted), f"{path.stem}: {key} is the paper's, {wanted}" + ("" if got == wanted else f", not {got}"))
        if number:
            check(float(wanted) in numbers, f"{path.stem}: the header tells {wanted} of {key}")


def servers_for(resolved):
    """(kind, options) of the generator's server and the PRM's; None: needs none."""
    kinds = {"vllm": "vllm", "sglang": "sglang", "llamacpp": "llamacpp", "openai": "openai"}
    generator, prm, layout = (value(resolved, *key) for key in (("generator", "engine"), ("prm", "engine"), ("prm", "layout")))
    if prm and prm.startswith("vllm-pooling"):
        tag = {"qwen-extra0": "<extra_0>", "math-shepherd": "ки"}.get(layout)
        scorer = ["--kind", "vllm", "--serves", "prm" if tag else "causal"] + (["--step-tag", tag] if tag else [])
    elif prm in CAUSAL:
        scorer = ["--kind", "vllm"]
    else:
        scorer = ["--kind", prm.split("-")[0]] if prm and value(resolved, "prm", "url") else None
    return ["--kind", kinds[generator]], scorer


def is_run(path, problems, output, resolved):
    generator, scorer = servers_for(resolved)
    keys = [f"problems.file={problems}", f"run.output={output}", *SMALL]
    keys += SMALL_SEARCH.get(value(resolved, "search", "strategy"), [])
    generator += ["--api-key", "k"] if value(resolved, "generator", "api_key_env") else []
    with Server(MODEL_SERVER, *generator) as one, Server(MODEL_SERVER, *(scorer or ["--kind", "generic"])) as other:
        keys += [f"generator.url={one.url}", "generator.model=auto"] + ([f"prm.url={other.url}", "prm.wait_s=20"] if scorer else [])
        status, _, err = espalier("run", path.relative_to(ROOT), *keys, env={**os.environ, "MY_API_KEY": "k"})
    answers = output / "answers.jsonl"
    count = len(answers.read_text().splitlines()) if answers.exists() else 0
    check(status == 0 and count == 2, f"{path.relative_to(RECIPES)} runs" + ("" if status == 0 else f": status {status}, {err.strip()[-400:]}"))


def main():
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        problems = rows(folder)
        files = sorted(RECIPES.rglob("*.yaml"))
        for path in files:
            resolved = is_checked(path, problems)
            if path.stem in PAPERS:
                is_the_papers(path, resolved)
            if path.parent.name in ("recipes", "papers"):
                is_run(path, problems, folder / path.stem, resolved)
    told = (RECIPES / "README.md").read_text()
    for path in files:
        name, folder = str(path.relative_to(RECIPES)), path.parent / "README.md"
        has_line = name in told or (path.parent != RECIPES and folder.exists() and path.name in folder.read_text())
        check(has_line, f"the README has a line for {name}")
    print(f"{len(failed)} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
