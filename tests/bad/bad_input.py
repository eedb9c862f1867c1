# SPDX-License-Identifier: Apache-2.0
"""bad_input.py - cases: commands, run files, overrides, problems"""
import gzip
import json
import os
import shutil
import subprocess

from bad_kit import (RUN, Skip, Wrong, answers, bad_run, call, case, folder, lines, nothing_started, want, write)


# ---- commands ----

@case
def no_command_shows_the_usage():
    want(call(), 2, "usage: espalier")


@case
def an_unknown_command_is_named_with_the_nearest():
    want(call("rnu"), 2, "rnu", "run")


@case
def import_says_its_usage_once():
    err = want(call("import", "foo"), 2, "usage: espalier import")
    if err.count("usage:") != 1:
        raise Wrong(err)


@case
def import_names_the_argument_that_cannot_be_read():
    write("s.jsonl", '{"id": "a", "problem": "x", "completion": "y"}\n')
    for words, about in ((("samples", "none.jsonl"), "import samples: none.jsonl: No such file"),
                         (("samples", "s.jsonl", "--problems", "none.jsonl"), "import samples: --problems none.jsonl: No such file"),
                         (("samples", "."), "import samples: .: is a folder"), (("sal", "none.yaml"), "import sal: none.yaml: ")):
        err = want(call("import", *words), 2, about)
        if "problems.file" in err:
            raise Wrong(err)


@case
def every_command_has_help():
    for name in ("run", "resume", "check", "options", "report", "show", "watch", "steer", "replay", "journal"):
        want(call(name, "--help"), 0, "usage")
    want(call("--help"), 0, "usage")
    want(call("--version"), 0, "espalier")


@case
def a_command_without_its_arguments_says_which():
    for name in ("run", "resume", "check", "report", "show", "watch", "steer", "replay", "journal"):
        want(call(name), 2, ("usage", "which"))


@case
def an_unknown_option_is_named():
    folder()
    nothing_started(call("run", "run.yaml", "--resum"), "--resum")
    want(call("check", "run.yaml", "--prnt"), 2, "--prnt")


@case
def options_of_an_unknown_section_are_refused():
    want(call("options"), 0, "search.keep")
    want(call("options", "serach"), 2, "serach", "search")


# ---- the run file ----

@case
def a_run_file_that_is_missing():
    nothing_started(call("run", "none.yaml"), "none.yaml")
    want(call("check", "none.yaml"), 2, "none.yaml")


@case
def a_run_file_that_is_empty():
    bad_run("", "run.yaml", "empty")


@case
def a_run_file_that_is_not_yaml():
    bad_run("run: {name: [\n", "run.yaml:")
    bad_run("\x00\x01\x02", "run.yaml")
    bad_run("- a\n- b\n", "run.yaml")


@case
def a_run_file_that_is_a_folder():
    os.mkdir("run.yaml")
    nothing_started(call("run", "run.yaml"), "run.yaml", ("folder", "directory"))


@case
def a_run_file_of_2_megabytes():
    bad_run((RUN % "") + "#" * (2 << 20), "run.yaml", ("large", "big", "long", "most", "over", "more than"))


@case
def an_unknown_key_is_named_with_line_and_nearest():
    bad_run((RUN % "").replace("keep: 2", "kepe: 2"), "run.yaml:3", "kepe", "keep")


@case
def an_unknown_section_is_named():
    bad_run((RUN % "") + "serach: {keep: 2}\n", "run.yaml:8", "serach", "search")


@case
def a_value_of_the_wrong_type():
    bad_run((RUN % "").replace("keep: 2", "keep: many"), "run.yaml:3", "search.keep", "many")


@case
def values_out_of_range():
    bad_run((RUN % "").replace("keep: 2", "keep: -3"), "run.yaml:3", "search.keep", "-3")
    bad_run((RUN % "").replace("keep: 2", "keep: 99999999999999999999999"), "run.yaml:3", "search.keep")


@case
def a_budget_of_0_and_n_of_0_are_refused():
    bad_run((RUN % "").replace("expand: 2", "expand: 2, budget: {generations: 0}"), "run.yaml:3", "budget.generations", "left out")
    want(call("options", "search"), 0, "left out: none")
    bad_run((RUN % "").replace("strategy: beam, keep: 2, expand: 2", "strategy: best_of_n, n: 0"), "run.yaml:3", "search.n")
    bad_run((RUN % "").replace("expand: 2", "expand: 2, budget: {generations: -1}"), "run.yaml:3", "budget.generations")


@case
def a_section_of_another_name():
    bad_run((RUN % "").replace("verifier:", "verifer:"), "run.yaml:6", "did you mean verifier")


@case
def an_unknown_strategy_or_engine():
    bad_run((RUN % "").replace("strategy: beam, keep: 2, expand: 2", "strategy: baem"), "run.yaml:3", "baem", "beam")
    bad_run((RUN % "").replace("{engine: fake, slots: 4}\nprm", "{engine: fkae}\nprm"), "run.yaml:4", "fkae", "fake")
    bad_run((RUN % "").replace("kind: fake", "kind: puzle"), "run.yaml:6", "puzle", "puzzle")


@case
def a_cache_that_a_server_cannot_leave_alone():
    bad_run((RUN % "").replace("engine: fake, slots: 4}\nprm", 'engine: vllm, url: "http://127.0.0.1:1", cache_prompt: false}\nprm'),
            "run.yaml:4: generator.cache_prompt", "only llamacpp has this")
    bad_run((RUN % "").replace("prm: {engine: fake, slots: 4}", 'prm: {engine: vllm-pooling, url: "http://127.0.0.1:1", cache_prompt: false}'),
            "run.yaml:5: prm.cache_prompt", "only llamacpp-logprobs has this")


@case
def a_prompt_without_the_problem_or_its_files():
    bad_run((RUN % "") + "prompt: {template: Solve it}\n", "run.yaml:8", "prompt.template", "{problem}")
    bad_run((RUN % "") + "prompt: {examples: none.jsonl}\n", "run.yaml:8", "prompt.examples", "none.jsonl")
    bad_run((RUN % "") + "prompt: {chat: file, chat_file: none.yaml}\n", "run.yaml:8", "prompt.chat_file", "none.yaml")


@case
def a_step_rule_that_cannot_be():
    bad_run((RUN % "") + "step: {regex: \"a(\"}\n", "run.yaml:8", "step.regex", "column 3")
    bad_run((RUN % "") + "step: {regex: \"x*\"}\n", "run.yaml:8", "step.regex", "empty text")
    bad_run((RUN % "") + "step: {separator: [\"\\n\\n\", \"\\n\"]}\n", "run.yaml:8", "step.separator", "leave one of them out")
    bad_run((RUN % "") + "step: {whole: true, tokens: 5}\n", "run.yaml:8", "step.whole", "step.tokens")


@case
def files_of_the_prompt_are_not_needed_to_look_back():
    folder((RUN % "") + "prompt: {examples: shots.jsonl}\n")
    write("shots.jsonl", '{"problem": "1+1?", "solution": "2"}\n')
    want(call("run", "run.yaml"), 0)
    os.remove("shots.jsonl")
    want(call("show", "out", "p0"), 0)
    want(call("replay", "out"), 0)
    want(call("check", "out/run.yaml"), 2, "prompt.examples", "shots.jsonl")


@case
def a_strategy_without_what_it_needs():
    mcts = (RUN % "").replace("strategy: beam, keep: 2, expand: 2", "strategy: mcts, simulations: 0")
    bad_run(mcts, "run.yaml:3", "search.simulations", "budget")
    lines = [l for l in (RUN % "").splitlines() if not l.startswith("prm")]
    bad_run("\n".join(lines), "run.yaml:3", "search.strategy", "PRM")
    lines = [l for l in mcts.replace("mcts, simulations: 0", "omegaprm").splitlines() if not l.startswith("verifier")]
    bad_run("\n".join(lines), "run.yaml:3", "search.strategy", "verifier")
    for strategy in ("omegaprm", "math_shepherd"):
        only = (RUN % "").replace("strategy: beam, keep: 2, expand: 2", f"strategy: {strategy}").replace("generator: {engine: fake", "generator: {engine: file")
        bad_run(only, "run.yaml:3", "search.strategy", "second generator")


@case
def keep_and_expand_that_do_not_fit():
    bad_run((RUN % "").replace("strategy: beam, keep: 2, expand: 2", "strategy: beam, keep: 8, width: 4"), "run.yaml:3")
    bad_run((RUN % "").replace("strategy: beam, keep: 2, expand: 2", "strategy: dvts, keep: 3, expand: 0"), "run.yaml:3", "expand")
    bad_run((RUN % "").replace("keep: 2, expand: 2", "keep: 8, expand: 8, budget: {steps: 40}"), "run.yaml:3", "64", "40")


@case
def without_an_output_or_problems_file():
    bad_run((RUN % "").replace(", output: out", ""), "run.output")
    bad_run((RUN % "").replace("{file: p.jsonl}", "{limit: 3}"), "problems.file")


# ---- overrides ----

@case
def overrides_that_are_wrong():
    folder()
    for word, about in (("search.kepe=3", ("kepe", "keep")), ("search.keep", ("search.keep", "=")), ("", ("override",)),
                        ("=3", ("override",)), ("keep=3", ("keep",)), ("search.keep=x", ("search.keep",)),
                        ("search.keep=[", ("search.keep",))):
        nothing_started(call("run", "run.yaml", word), *about)
        want(call("check", "run.yaml", word), 2, *about)


# ---- problems ----

def bad_problems(data, *words, name="p.jsonl", run=RUN % ""):
    write("run.yaml", run.replace("p.jsonl", name))
    write(name, data)
    nothing_started(call("run", "run.yaml"), name, *words)
    want(call("check", "run.yaml"), 2, name, *words)


@case
def problems_that_are_missing():
    write("run.yaml", RUN % "")
    nothing_started(call("run", "run.yaml"), "p.jsonl: No such file", "check problems.file")


@case
def problems_that_are_empty():
    bad_problems(b"", ("empty", "no problem"))
    bad_problems(b"\n\n\n", ("empty", "no problem"))


@case
def problems_that_are_a_folder():
    write("run.yaml", RUN % "")
    os.mkdir("p.jsonl")
    nothing_started(call("run", "run.yaml"), "p.jsonl")


def broken_line(bad, *words, key="out"):
    all_lines = lines()
    all_lines[3] = bad
    bad_problems(b"".join(all_lines), "p.jsonl:4", *words)
    got = call("run", "run.yaml", "problems.on_error=skip", f"run.output={key}")
    want(got, 0, "p.jsonl")
    if len(answers(key)[0]) != 5:
        raise Wrong(f"{len(answers(key)[0])} rows instead of 5")
    if "p.jsonl:4" not in open(f"{key}/log.txt").read() and "p.jsonl:4" not in got[2]:
        raise Wrong("the skipped line is not named in the log")
    shutil.rmtree(key)


@case
def a_broken_line_in_the_middle():
    broken_line(b'{"id": "p3", "problem": "unfin\n')
    broken_line(b'[1, 2]\n')
    broken_line(b'{"id": {"a": 1}, "problem": "x"}\n')


@case
def invalid_utf8():
    broken_line(b'{"id": "p3", "problem": "\xff\xfe\xc0\x80"}\n')


@case
def nul_bytes():
    broken_line(b'{"id": "p3", "problem": "a\x00b"}\n')


@case
def a_line_of_100_megabytes():
    broken_line(b'{"id": "p3", "problem": "' + b"x" * (100 << 20) + b'"}\n', "max_line_bytes")


@case
def equal_ids_name_both_lines():
    all_lines = lines()
    all_lines[4] = all_lines[1]
    bad_problems(b"".join(all_lines), "p.jsonl:5", "2", "p1")


@case
def no_puzzle_numbers():
    all_lines = lines()
    all_lines[2] = b'{"id": "p2", "problem": "What is it?"}\n'
    run = (RUN % "").replace("kind: fake", "kind: puzzle")
    bad_problems(b"".join(all_lines), "p.jsonl:3", "numbers", run=run)
    run = (RUN % "").replace("generator: {engine: fake, slots: 4}", "generator: {engine: embedded}")
    bad_problems(b"".join(all_lines), "p.jsonl:3", "numbers", run=run)


@case
def gzip_that_ends_early():
    whole = gzip.compress(b"".join(json.dumps({"id": str(i), "problem": os.urandom(40).hex()}).encode() + b"\n" for i in range(400)))
    for keep in (len(whole) - 4, len(whole) // 2, 12, 1):
        bad_problems(whole[:keep], name="p.jsonl.gz")
    bad_problems(whole[:200] + b"\x55" * 20 + whole[220:], name="p.jsonl.gz")


@case
def zstd_that_ends_early():
    if not shutil.which("zstd"):
        raise Skip("no zstd program")
    text = b"".join(json.dumps({"id": str(i), "problem": os.urandom(40).hex()}).encode() + b"\n" for i in range(400))
    whole = subprocess.run(["zstd", "-c"], input=text, capture_output=True, check=True).stdout
    for keep in (len(whole) - 4, len(whole) // 2, 12, 1):
        bad_problems(whole[:keep], name="p.jsonl.zst")
