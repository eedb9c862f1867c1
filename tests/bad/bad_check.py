# SPDX-License-Identifier: Apache-2.0
"""bad_check.py - cases: what check and try say, where they say it, and how long they wait"""
import json
import os
import re
import socket
import subprocess

from bad_kit import ESPALIER, RUN, Skip, Wrong, call, case, folder as plain_folder, want, write
from bad_servers import PATHS, PROGRAM, Server, folder


def check(*words, code=0, **more):
    """The lines that check writes for people."""
    return want(call("check", "run.yaml", *words, **more), code).strip().splitlines()


def only(lines, *words):
    found = [line for line in lines if all(word in line for word in words)]
    if len(found) != 1:
        raise Wrong(f"{len(found)} lines with {words}: {lines}")
    return found[0]


# ---- the last lines ----

@case
def mistakes_are_the_last_lines_of_check():
    folder()
    change = ["generator.wait_s=0.5", "generator.url=http://127.0.0.1:1", "search.keep=2"]
    said = check(*change, code=2)
    if said[-1] != "espalier: check: 1 mistake, 0 warnings; exit status 2" or "http://127.0.0.1:1" not in said[-2]:
        raise Wrong(str(said[-3:]))
    only(said, "disk: ")
    write("p.jsonl", '{"id": "a", "problem": "x"}\n{"id": "a", "problem": "x"}\n')
    said = check(*change, code=2)
    if said[-1] != "espalier: check: 2 mistakes, 0 warnings; exit status 2" or "p.jsonl:2" not in said[-3]:
        raise Wrong(str(said[-4:]))
    said = check("search.kepe=2", "search.keep=none", code=2)
    if said[-1] != "espalier: check: 2 mistakes, 0 warnings; exit status 2" or len(said) != 3:
        raise Wrong(str(said))
    folder()
    with Server(PROGRAM) as server:
        said = check(f"generator.url={server.url}")
        if said[-1] != "espalier: check: 0 mistakes, 0 warnings; exit status 0":
            raise Wrong(str(said[-3:]))


# ---- several servers ----

@case
def check_waits_for_every_server():
    folder()
    with Server(PROGRAM) as quick, Server(PROGRAM, "--fault", "slow-headers=2 path=/version") as slow:
        said = check("generator.url=", f"generator.urls=[{quick.url},{slow.url}]")
        for url in (quick.url, slow.url):
            if "model test-model" not in only(said, "  " + url + ": "):
                raise Wrong(str(said))
        said = check("generator.url=", f"generator.urls=[{quick.url},http://127.0.0.1:1]", "generator.wait_s=2")
    row = "http://127.0.0.1:1: WARNING: out of service: http://127.0.0.1:1/get_model_info: cannot be reached"
    if row not in said[-2] or said[-1] != "espalier: check: 0 mistakes, 1 warning; exit status 0":
        raise Wrong(str(said[-3:]))
    only(said[:-2], "  " + row)


@case
def check_waits_for_every_prm_server():
    folder()
    prm = ("--kind", "vllm", "--serves", "prm", "--step-tag", "<extra_0>")
    words = ["prm.engine=vllm-pooling", "prm.layout=qwen-extra0"]
    with Server(PROGRAM) as server, Server(PROGRAM, *prm) as quick, Server(PROGRAM, *prm, "--fault", "slow-headers=2 path=/version") as slow:
        said = check(f"generator.url={server.url}", *words, f"prm.urls=[{quick.url},{slow.url}]")
        for url in (quick.url, slow.url):
            only(said, url, "example: right step")
        said = check(f"generator.url={server.url}", *words, f"prm.urls=[{quick.url},http://127.0.0.1:1]", "prm.wait_s=2")
    only(said[:-2], "http://127.0.0.1:1: WARNING: out of service")


# ---- folders of servers ----

@case
def an_empty_folder_is_waited_for_and_then_said():
    folder()
    os.mkdir("servers")
    change = ["generator.engine=vllm", "generator.url=", "generator.urls='@servers/*.url'", "generator.urls_wait_s=2"]
    sentence = ("generator.urls: no file *.url yet in servers (waited ", "generator.urls_wait_s)")
    want(call("run", "run.yaml", *change), 2, *sentence)
    want(call("try", "run.yaml", *change), 2, *sentence)
    check(*change, code=2)


@case
def the_name_of_a_folder_of_servers_has_placeholders():
    folder()
    os.makedirs(f"servers/{socket.gethostname()}")
    with Server(PROGRAM) as server:
        write(f"servers/{socket.gethostname()}/a.url", server.url + "\n")
        said = check("generator.url=", "generator.urls='@servers/{host}/*.url'")
    only(said, "  " + server.url + ": vLLM")


# ---- names ----

@case
def a_name_that_is_none_is_found_without_a_server():
    folder()
    with open("run.yaml") as f:
        base = f.read()
    prm = "prm: {engine: vllm-pooling, layout: %s, url: 'http://127.0.0.1:1'}\n"
    for old, new, *words in (
            ("prm: {engine: arithmetic}\n", prm % "qwen-extra-0", "prm.layout: there is no layout qwen-extra-0; did you mean qwen-extra0?; there are: "),
            ("prm: {engine: arithmetic}\n", prm % "xyz", "prm.layout: there is no layout xyz; there are: qwen-extra0, math-shepherd, "),
            ("prm: {engine: arithmetic}\n", prm % "thinkprm", "prm.layout: thinkprm cannot be read through engine vllm-pooling, which takes qwen-extra0"),
            ("engine: vllm,", "engine: vlm,", "generator.engine: there is no generator 'vlm'; did you mean vllm?; there are: "),
            ("engine: arithmetic", "engine: aritmetic", "prm.engine: there is no prm 'aritmetic'; did you mean arithmetic?; there are: "),
            ("verifier: {", "prompt: {preset: gsm8}\nverifier: {", "prompt.preset: unknown choice 'gsm8'; did you mean gsm8k?; there are: "),
            ("verifier: {", "prompt: {chat: chatlm}\nverifier: {", "prompt.chat: unknown choice 'chatlm'; did you mean chatml?; there are: ")):
        text = base.replace(old, new)
        write("run.yaml", text)
        line = next(i for i, row in enumerate(text.splitlines(), 1) if row not in base.splitlines())
        said = check("--no-servers", code=2)
        if not said[-2].startswith(f"run.yaml:{line}: {words[0]}"):
            raise Wrong(f"{said[-2]} instead of {words[0]}")
        want(call("run", "run.yaml"), 2, said[-2])
        if os.path.exists("out"):
            raise Wrong("something was begun")
    write("run.yaml", base.replace("prm: {engine: arithmetic}", "prm: {layout: qwen-extra0, url: 'http://127.0.0.1:1'}"))
    said = check("--no-servers", code=2)
    if said[-2:] != ["run.yaml:5: prm: says no prm.engine", "espalier: check: 1 mistake, 0 warnings; exit status 2"]:
        raise Wrong(str(said[-3:]))
    write("run.yaml", base.replace("prm: {engine: arithmetic}\n", "prm:\n- {name: a, engine: arithmetic}\n- name: b\n  engine: vllm-pooling\n  layout: qwen\n"))
    if not check("--no-servers", code=2)[-2].startswith("run.yaml:9: prm[1].layout: there is no layout qwen;"):
        raise Wrong("an item of a list")


@case
def what_a_server_or_a_generator_could_not_take_is_found_without_one():
    folder()
    with open("run.yaml") as f:
        base = f.read()
    url = 'url: "http://127.0.0.1:1"'
    for new, *words in (
            ('url: "localhost:8000"', "generator.url: localhost:8000: not a server's URL"),
            ('url: "http://{hots}:8000"', "generator.url: there is no {hots}; there are {host}, {rank}, {local_rank}"),
            ('urls: ["http://a:1", "ftp://b:2"]', "generator.url: ftp://b:2: not a server's URL"),
            ('urls: ["@a", "http://b:1"]', "generator.urls: either servers or one @FOLDER, not both"),
            ('urls: ["@"]', "generator.urls: one folder, as in @servers/*.url"),
            ('model: m', "generator.url: says no server, such as http://localhost:8000"),
            (url + ", api_key_env: A, api_key_file: b", "generator.api_key_env: api_key_env or api_key_file, not both"),
            (url + ', stop: [a, b, c, d]', "generator.stop: 4 texts, and 1 of the step rule: this kind of server takes 4 together"),
            (url + ', stop: [""]', "generator.stop: text 1 is empty: it would end every sample at once")):
        write("run.yaml", base.replace(url, new))
        if check("--no-servers", code=2)[-2].partition("run.yaml:4: ")[2].find(words[0]) != 0:
            raise Wrong(f"{check('--no-servers', code=2)[-2]} instead of {words[0]}")
        want(call("run", "run.yaml"), 2, "run.yaml:4: " + words[0])
        if os.path.exists("out"):
            raise Wrong("something was begun")
    write("run.yaml", base.replace("engine: vllm", "engine: sglang, api: chat"))
    if "run.yaml:4: generator.api: chat is not for generator.engine: sglang" not in check("--no-servers", code=2)[-2]:
        raise Wrong("api: chat")
    write("run.yaml", base.replace("prm: {engine: arithmetic}", "prm:\n- {name: a, engine: arithmetic}\n- {name: b, engine: vllm-pooling, url: 'http://{a}'}"))
    if "run.yaml:7: prm[1].url: there is no {a}" not in check("--no-servers", code=2)[-2]:
        raise Wrong("an item of a list")


@case
def tokens_of_steps_and_thinking_that_do_not_fit():
    folder()
    with open("run.yaml") as f:
        base = f.read()
    for step, key in (("{tokens: 1024}", "step.tokens"), ("{tokens: 100, think: {tokens: 600}}", "step.think.tokens")):
        write("run.yaml", base + f"step: {step}\n")
        want(call("run", "run.yaml"), 2, "run.yaml:4: generator.max_step_tokens: 512 tokens are fewer than " + key)
        if "run.yaml:4: generator.max_step_tokens: 512 tokens are fewer than " + key not in check("--no-servers", code=2)[-2]:
            raise Wrong(key)
        check("--no-servers", "generator.max_step_tokens=1024")
    write("run.yaml", base + "step: {think: {max_tokens: 2048}}\n")
    only(check("--no-servers")[:-1], "WARNING: generator.max_tokens: 2048 tokens leave none for an answer behind step.think.max_tokens, 2048")
    if check("--no-servers", "generator.max_tokens=4096")[-1] != "espalier: check: 0 mistakes, 0 warnings; exit status 0":
        raise Wrong("it fits")
    write("run.yaml", base.replace("engine: arithmetic", "engine: arithmetic, view: answer"))
    want(call("run", "run.yaml"), 2, "run.yaml:5: prm.view: there is no thinking to choose or to leave out")
    check("--no-servers", "step.think.open=<think>")


@case
def log_probabilities_can_be_the_score_and_are_missed_where_they_are_needed():
    folder()
    with open("run.yaml") as f:
        base = f.read().replace("prm: {engine: arithmetic}\n", "")
    write("run.yaml", base)
    want(call("run", "run.yaml"), 2, "run.yaml:3: search.strategy: this one decides by scores and needs a PRM")
    write("run.yaml", base.replace("beam,", "beam, score: logprob,"))
    want(call("run", "run.yaml"), 2, "run.yaml:4: generator.logprobs: search.score: logprob needs them: say sum (or top)")
    check("--no-servers", code=2)
    write("run.yaml", base.replace("beam,", "beam, score: logprob,").replace("engine: vllm", "engine: vllm, logprobs: sum"))
    if check("--no-servers")[-1] != "espalier: check: 0 mistakes, 0 warnings; exit status 0":
        raise Wrong("it has what it needs")
    for kind in PATHS:
        with Server(PROGRAM, "--kind", kind) as server:
            want(call("run", "run.yaml", f"generator.engine={kind}", f"generator.url={server.url}", f"run.output={kind}"), 0)
            want(call("replay", kind), 0)
        with open(f"{kind}/candidates.jsonl") as f:
            scores = [score for row in map(json.loads, f) for score in row["step_scores"]]
        if not scores or not all(0 < score < 1 for score in scores) or len(set(scores)) < 3:
            raise Wrong(f"{kind}: {scores}")
    write("run.yaml", base.replace("beam, keep: 2, expand: 2, max_steps: 8", "best_of_n, n: 4, score: logprob").replace("engine: vllm", "engine: vllm, logprobs: sum")
          + "prm: {engine: arithmetic}\n")
    want(call("run", "run.yaml"), 2, "run.yaml:3: search.score: logprob, and there is a section prm: leave one of the two out")
    write("run.yaml", base.replace("beam, keep: 2, expand: 2, max_steps: 8", "best_of_n, n: 4"))
    only(check("--no-servers")[:-1], "WARNING: vote.rule chooses answers by scores, and nothing scores here")
    for more in ("vote.rule=majority", "search.n=1"):
        if "WARNING" in "".join(check("--no-servers", more)):
            raise Wrong(more)
    write("run.yaml", base.replace("beam, keep: 2, expand: 2, max_steps: 8", "mcts") + "prm: {engine: arithmetic}\n")
    only(check("--no-servers")[:-1], "WARNING: search.selection: puct has priors of log-probabilities, and generator.logprobs is none")
    for more in ("generator.logprobs=sum", "search.selection=uct_prior"):
        if "WARNING" in "".join(check("--no-servers", more)):
            raise Wrong(more)


# ---- extends ----

@case
def a_key_of_a_base_can_be_taken_away():
    folder()
    with open("run.yaml") as f:
        write("base.yaml", f.read().replace("max_steps: 8", "max_steps: 8, budget: {generations: 64}"))
    write("run.yaml", "extends: base.yaml\nsearch:\n  strategy: best_of_n\n  n: 4\n")
    said = check("--no-servers", code=2)
    for key in ("keep", "expand"):
        line = only(said, f"base.yaml:3: search.{key}: unknown key")
        if f"search.strategy is best_of_n by run.yaml:3: there '{key}: ~' in section search takes this key away" not in line:
            raise Wrong(line)
    want(call("run", "run.yaml"), 2, "takes this key away")
    write("run.yaml", "extends: base.yaml\nsearch:\n  strategy: best_of_n\n  n: 4\n  keep: ~\n  expand: null\n  budget: ~\n")
    _, out, _ = call("check", "run.yaml", "--no-servers")
    if "strategy: best_of_n" not in out or "expand" in out or "budget" in out:
        raise Wrong(out)
    check("--no-servers")
    write("run.yaml", "extends: base.yaml\n")
    said = check("--no-servers", "search.strategy=best_of_n", "search.n=4", code=2)
    only(said, "search.strategy is best_of_n by an override: another override, search.keep=, takes this key away")
    check("--no-servers", "search.strategy=best_of_n", "search.n=4", "search.keep=", "search.expand=")


# ---- overrides ----

@case
def an_override_that_needs_quotes_says_which():
    folder()
    write("p.jsonl", '{"id": "a", "problem": "What is 1 + 1?", "level": "it\'s easy", "answer": "2"}\n')
    for word in ("{problem} {level}", "{problem}", "Solve: {problem}", "#{problem}", "It's {problem}: {level}"):
        said = check("--no-servers", f"prompt.template={word}", code=2)[-2]
        if "override 1 'prompt.template=" not in said or "quoted for YAML and for the shell: 'prompt.template=\"" not in said:
            raise Wrong(said)
    said = check("--no-servers", "prompt.template={problem} isn't {level}", code=2)[-2]
    example = said.partition("for the shell: ")[2]
    got = subprocess.run(f"{ESPALIER} check run.yaml --no-servers {example}", shell=True, capture_output=True, text=True)
    if got.returncode != 0 or "isn't {level}" not in got.stdout:
        raise Wrong(f"{example}: {got.stderr}")


@case
def a_model_that_is_second_of_a_list_needs_its_prompt_too():
    plain_folder()
    write("p.jsonl", '{"id": "a", "problem": "x", "solution": "1 + 1 = 2\\n#### 2", "answer": "2"}\n')
    write("run.yaml", "problems: {file: p.jsonl}\nsearch: {strategy: best_of_n, n: 2}\nrun: {output: out}\nverifier: {kind: answer}\nprompt: {template: '{level} {problem}'}\n"
                      "generator:\n- {name: solution, engine: mutate}\n- {name: model, engine: openai, url: 'http://127.0.0.1:1', model: m}\n")
    only(check("--no-servers", code=2), "p.jsonl:1", "there is no field 'level', which the template names")
    check("--no-servers", "prompt.template='{problem}'")
    only(check("--no-servers", "prompt.template='{problem}'", "prompt.improve='{level} {observation}'", code=2), "p.jsonl:1", "there is no field 'level'")
    check("--no-servers", "prompt.template='{problem}'", "prompt.improve='{observation} {answer}'")


# ---- try ----

@case
def try_cuts_the_middle_out_of_a_long_prompt():
    folder()
    write("p.jsonl", json.dumps({"id": "a", "problem": "BEGIN" + "\u00e9\u20ac" * 200000 + "END: what is 1 + 1?", "answer": "2"}) + "\n")
    for more, most in (((), 60000), (("--whole",), None)):
        with Server(PROGRAM, "--max-model-len", "1000000") as server:
            got = call("try", "run.yaml", f"generator.url={server.url}", *more)
        want(got, 0, "BEGIN", "END: what is 1 + 1?", "espalier try --whole shows them" if most else "---- verdict")
        if most and len(got[1]) > most or not most and ("left out" in got[1] or len(got[1]) < 800000):
            raise Wrong(f"{len(got[1])} characters")
    with Server(PROGRAM) as server:
        write("p.jsonl", json.dumps({"id": "a", "problem": "What is 1 + 1?", "answer": "2"}) + "\n")
        got = call("try", "run.yaml", f"generator.url={server.url}")
    if "left out" in got[1]:
        raise Wrong(got[1])


@case
def try_asks_what_the_search_asks_first():
    folder()
    write("p.jsonl", json.dumps({"id": "a", "problem": "What is 1 + 1?", "answer": "2"}) + "\n")
    for kind in ("vllm", "openai"):
        with Server(PROGRAM, "--kind", kind) as server:
            change = [f"generator.engine={kind}", f"generator.url={server.url}", "search.strategy=best_of_n", "search.keep=", "search.expand=",
                      "search.n=2", "prm.engine=arithmetic"]
            got = call("try", "run.yaml", *change)
            want(got, 0, "---- solution: ", "[step 2]", "scores of the steps: ", "\n1 generations, ")
            want(call("run", "run.yaml", *change, f"run.output={kind}"), 0)
        with open(f"{kind}/candidates.jsonl") as f:
            first = next(row for row in map(json.loads, f) if row["candidate"] == "0")
        if not all(line in got[1] for line in first["text"].splitlines()):
            raise Wrong(f"{kind}: not the search's first solution, {first['text']!r}: {got[1]}")


@case
def try_says_which_word_it_does_not_know():
    folder()
    want(call("try", "run.yaml", "--porblem", "a"), 2, "'--porblem': no option of this command (--help lists them)")
    want(call("try", "run.yaml", "--problem"), 2, "--problem: which one? its id is missing")
    want(call("try", "run.yaml", "--problem", "nobody"), 2, "has no problem 'nobody'")


# ---- contexts ----

@case
def a_prompt_longer_than_the_context_is_an_error_of_its_problem():
    folder()
    with open("p.jsonl") as f:
        write("p.jsonl", f.read() + json.dumps({"id": "long", "problem": "What is " + "1 + " * 400 + "1?", "answer": "401"}) + "\n")
    for kind in PATHS:
        with Server(PROGRAM, "--kind", kind, "--max-model-len", "300") as server:
            change = [f"generator.engine={kind}", f"generator.url={server.url}", "generator.max_tokens=100", "generator.max_step_tokens=100", f"run.output={kind}"]
            err = want(call("run", "run.yaml", *change), 1, "GENERATOR-CONTEXT", "cannot be asked: ")
            said = check(*change[:4])
            want(call("try", "run.yaml", "--problem", "long", *change[:4]), 2, "the prompt is longer than the model's context")
        with open(f"{kind}/answers.jsonl") as f:
            row = next(row for row in map(json.loads, f) if row["id"] == "long")
        if (row["finish_reason"], row["error"], row["answer"]) != ("error", "context", None):
            raise Wrong(f"{kind}: {row}")
        with open(f"{kind}/summary.json") as f:
            if json.load(f)["rows"]["errors"] != 1:
                raise Wrong(f"{kind}: not counted")
        warning = only(said[:-1], "WARNING: the longest problem, 'long', does not fit into the context")
        if said[-1] != "espalier: check: 0 mistakes, 1 warning; exit status 0":
            raise Wrong(str(said[-2:]))
        for line in (warning, only(err.splitlines(), "cannot be asked")) if kind == "vllm" else ():
            if not re.search(r"prompt of \d+ tokens, context of 300", line):
                raise Wrong(line)


# ---- what a run costs at most ----

CAPS = {  # of one problem of at most 4 steps: generations
    "greedy": ([], 1), "best_of_n": (["n=5"], 5), "beam": (["keep=2", "expand=3"], 24), "beam, fixed": (["rule=fixed"], 96), "beam, heap": (["rule=heap"], 96),
    "dvts": (["lookahead=2"], 16 * 3 * 3 + 16), "rebase": (["width=6"], 24), "particle": (["particles=4", "iterations=3"], 60),
    "mcts": (["expand=2", "simulations=7"], 56), "mcts, uct": (["selection=uct", "expand=2", "simulations=7"], 14), "rmaxts": (["samples=9"], 9),
    "best_first": (["expand=2", "expansions=5"], 10), "tot": (["keep=2", "expand=3"], 24), "tot, propose": (["keep=2", "generate=propose"], 8),
    "tot, dfs": (["rule=dfs", "expand=2", "max_visits=6"], 12), "tot, treequest": (["rule=treequest", "keep=2", "expand=3"], 24), "ab_mcts": (["samples=9"], 9),
    "ab_mcts, draft": (["samples=9", "mode=draft"], 9), "omegaprm": (["k=2", "max_searches=3"], 3 * 17 * 2 + 2),
    "omegaprm, rollouts": (["k=2", "max_searches=0", "rollout_budget=20"], 20 + 17 * 2 + 2), "math_shepherd": (["solutions=2", "completions=3"], 2 * (1 + 4 * 3))}


@case
def no_strategy_costs_more_than_check_says():
    plain_folder(n=3)
    for name, (keys, most) in CAPS.items():
        write("run.yaml", re.sub("search: .*", f"search: {{strategy: {name.partition(',')[0]}, max_steps: 4}}", RUN % ""))
        words = [f"search.{key}" for key in keys] + ["generator.max_step_tokens=200", "generator.max_tokens=1000"]
        line = only(check(*words), "cost at most: ")
        found = re.fullmatch(r"cost at most: 3 searches, (\d+) generations, (\d+) generated tokens", line)
        if not found or int(found[1]) != 3 * most:
            raise Wrong(f"{name}: {line} instead of {3 * most} generations")
        output = "out-" + re.sub(r"\W+", "-", name)
        want(call("run", "run.yaml", *words, f"run.output={output}"), 0)
        with open(f"{output}/answers.jsonl") as f:
            spent = [json.loads(row) for row in f]
        for row in spent:
            if row["generations"] > most or row["generated_tokens"] * 3 > int(found[2]):
                raise Wrong(f"{name}: {row['generations']} generations, {row['generated_tokens']} tokens: {line}")


@case
def budgets_limits_and_prices_are_in_the_cost():
    plain_folder(re.sub("search: .*", "search: {strategy: mcts, simulations: 0, budget: {generations: 40}}", RUN % ""), n=3)
    words = ["generator.max_step_tokens=100", "run.repeats=2"]
    only(check(*words), "cost at most: 6 searches, 240 generations, 24000 generated tokens")
    only(check(*words, "search.budget.steps=30"), "cost at most: 6 searches, 180 generations, 18000 generated tokens")
    only(check(*words, "search.budget.generated_tokens=500"), "240 generations, 3000 generated tokens")
    only(check(*words, "run.limits.generations=50"), "50 generations, 5000 generated tokens")
    only(check("search.budget.generations=", "search.budget.seconds=5"), "cost at most: 3 searches; nothing caps the generations")
    only(check(*words), "how long prompts are is not known")
    folder()
    with Server(PROGRAM, "--max-model-len", "2000") as server:
        said = check(f"generator.url={server.url}", "search.strategy=best_of_n", "search.keep=", "search.expand=", "search.n=10", "generator.max_tokens=100",
                     "generator.price.prompt=1000000", "generator.price.generated=2000000", "generator.parameters=1G")
    longest = int(re.search(r"longest prompt: (\d+) tokens", "\n".join(said))[1])
    only(said, "cost at most: 3 searches, 30 generations, 3000 generated tokens")
    only(said, f"  prompts without any cache: {30 * longest} tokens")
    only(said, f"  money, generators alone: {(30 * longest + 6000):.6g}")
    only(said, f"  FLOPs, generators alone: {2e9 * (30 * longest + 3000):.2e}")


@case
def prompts_of_a_step_in_pieces_are_not_promised():
    more = "more where a step takes several requests (step.every, min_chars, think.max_tokens): each reads the prompt again"
    folder()
    with Server(PROGRAM) as server:
        words = [f"generator.url={server.url}", "search.strategy=best_of_n", "search.keep=", "search.expand=", "search.n=2"]
        if more in "\n".join(check(*words)):
            raise Wrong("steps of one request each")
        for key in ("every=3", "min_chars=20", "think.max_tokens=50"):
            only(check(*words, f"step.{key}"), f"  {more}")


@case
def solutions_that_are_given_cost_no_tokens():
    plain_folder()
    write("p.jsonl", '{"id": "a", "problem": "x", "completions": ["y", "z"], "answer": "1"}\n')
    write("run.yaml", "problems: {file: p.jsonl}\nsearch: {strategy: best_of_n, n: 2}\nrun: {output: out}\ngenerator: {engine: file}\nverifier: {kind: answer}\n")
    only(check(), "cost at most: 1 searches, 2 generations; nothing is generated, the solutions are given")


# ---- lists of generators ----

@case
def every_generator_of_a_list_is_tried():
    folder()
    with open("run.yaml") as f:
        text = re.sub("generator: .*", "generator:\n- {name: small, engine: vllm, url: 'ONE'}\n- {name: large, engine: vllm, url: 'TWO', max_tokens: 1900}", f.read())
    text = re.sub("search: .*", "search: {strategy: ab_mcts, actions: 2, samples: 8}", text)
    with Server(PROGRAM) as one, Server(PROGRAM, "--max-model-len", "1800") as two:
        write("run.yaml", text.replace("ONE", one.url).replace("TWO", two.url))
        said = check()
    at = [said.index("  small"), said.index("  large")]
    if ["one seed, one text" in said[i + 1] for i in at] != [True, True]:
        raise Wrong(str(said))
    only(said[:-1], "WARNING: large: the prompt of 'p", "behind it the context of 1800 is too short for generator.max_tokens (1900): such branches are cut")


# ---- thinking ----

@case
def a_template_that_opens_the_thinking_is_said_and_can_be_told():
    folder()
    with open("run.yaml") as f:
        write("run.yaml", f.read().replace("engine: arithmetic", "engine: arithmetic, view: answer") + "step: {think: {open: <think>}}\n")
    doubt = "its chat template ends with the tag that opens the thinking: say step.think.opened: true"
    for kind in ("vllm", "sglang", "llamacpp"):
        with Server(PROGRAM, "--kind", kind, "--template-thinks", "--wrong", "0") as server:
            change = [f"generator.engine={kind}", f"generator.url={server.url}"]
            only([line for line in check(*change) if line.startswith("WARNING")], server.url, doubt)
            want(call("run", "run.yaml", *change, f"run.output={kind}-without"), 0, "GENERATOR-THINKING", doubt)
            if "WARNING" in "".join(check(*change, "step.think.opened=true")):
                raise Wrong("it was told")
            want(call("run", "run.yaml", *change, "step.think.opened=true", f"run.output={kind}"), 0)
            with Server(PROGRAM, "--serves", "prm") as prm:
                for told in ("true", "false"):
                    shown = call("try", "run.yaml", *change, f"step.think.opened={told}", "step.think.max_tokens=24", "prm.engine=vllm-pooling", f"prm.url={prm.url}")[1]
                    parts = [part for part in shown.split("\n---- ") if part.startswith("PRM input")]
                    if not parts or any("Let me see" in part for part in parts) != (told == "false"):
                        raise Wrong(f"{kind}, opened {told}: {parts}")
        with Server(PROGRAM, "--kind", kind) as server:
            said = check(*change[:1], f"generator.url={server.url}", "step.think.opened=true")
            only([line for line in said if line.startswith("WARNING")], "does not open the thinking")


# ---- problems that get no verdict ----

@case
def problems_without_tests_or_answers_are_named_before_the_run_and_say_so_after():
    plain_folder(RUN.replace("{kind: fake}", "{kind: answer}") % "")
    write("p.jsonl", "".join(json.dumps({"id": f"p{i}", "problem": f"{i} + 1?"} | ({"answer": "1"} if i == 2 else {"answer": " "} if i == 3 else {})) + "\n"
                             for i in range(6)))
    said = "p.jsonl:1: 5 of 6 problems have no reference answer that can be read: their verdicts will be unknown (no-reference); the first in lines 1, 2, 4"
    got = check("--no-servers")
    if only(got, "no-reference") != "WARNING: " + said or got[-1] != "espalier: check: 0 mistakes, 1 warning; exit status 0":
        raise Wrong(str(got))
    want(call("run", "run.yaml"), 0, "PROBLEM-DOUBTFUL", said)
    want(call("show", "out", "p0"), 0, "verdict unknown (no-reference)")
    if "no-reference" in call("show", "out", "p2")[1]:
        raise Wrong("p2 has an answer")
    want(call("check", "run.yaml", "--no-servers", "verifier.kind=code", "verifier.sandbox=none"), 0,
         "p.jsonl:1: 6 of 6 problems have no tests: their verdicts will be unknown (no-tests); the first in lines 1, 2, 3")


@case
def tests_that_do_not_parse_are_named_by_check():
    plain_folder(RUN.replace("{kind: fake}", "{kind: code, sandbox: none}") % "")
    write("p.jsonl", "".join(json.dumps({"id": f"p{i}", "problem": "f", "test_list": ["assert f(1) == 1" if i else "assert f("]}) + "\n" for i in range(3)))
    if not os.path.exists("/usr/bin/python3"):
        raise Skip("no /usr/bin/python3")
    only(check(), "WARNING: an empty candidate was judged on the first 3 problems: 1 have tests that do not parse", "(tests-do-not-parse); the first is 'p0'")
