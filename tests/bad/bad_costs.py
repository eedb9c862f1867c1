# SPDX-License-Identifier: Apache-2.0
"""bad_costs.py - cases: costs through kills, engines that give more tokens than asked, prices that are wrong"""
import json
import os
import time

from bad_kit import ESPALIER, RUN, SLOW, Skip, Wrong, call, case, folder, rows, same, start, stopped_run, undisturbed, want, whose, write

COSTS = ", costs: true"
COUNTS = ("generations", "generated_tokens", "prompt_tokens", "cached_tokens", "scored_tokens", "read_tokens", "verdicts")


def sums(output):
    with open(os.path.join(output, "costs.jsonl")) as f:
        all_rows = [json.loads(line) for line in f]
    return {key: sum(row[key] for row in all_rows) for key in COUNTS}


def summary(output):
    with open(os.path.join(output, "summary.json")) as f:
        return json.load(f)["costs"]


@case
def kills_leave_one_row_of_costs_for_each_answer():
    folder(RUN % COSTS, n=8)
    undisturbed()
    write("slow.yaml", RUN % (SLOW + COSTS))
    stopped_run("out")
    for i in range(2):
        p = start("resume", "out")
        time.sleep(0.2 + 0.2 * i)
        p.kill()
        p.communicate()
    want(call("resume", "out", "generator.delay_us=0"), 0)
    same("calm", "out")
    if sums("out") != sums("calm"):  # the fake engine reads the same whatever happens: servers may not
        raise Wrong(f"costs {sums('out')} instead of {sums('calm')}")
    want(call("replay", "out"), 0, "the rows of 8 are those of the files")
    told = summary("out")["all_starts"]
    if {key: told[key] for key in COUNTS} != sums("out") or told["answers"] != 8:
        raise Wrong(f"summary.json says {told}")


@case
def replay_notices_a_changed_row_of_costs():
    folder(RUN % COSTS)
    want(call("run", "run.yaml"), 0)
    with open("out/costs.jsonl") as f:
        text = f.read()
    write("out/costs.jsonl", text.replace('"verdicts":', '"verdicts":9', 1)[:len(text)])
    want(call("replay", "out"), 4, "costs.jsonl")


@case
def a_server_that_ignores_max_tokens_now_and_then_changes_no_answer():
    folder(RUN % "")
    undisturbed("search.budget.generated_tokens=150")
    got = call("run", "run.yaml", "search.budget.generated_tokens=150", "generator.overrun=5")
    want(got, 0, "DISPATCH-OVERRUN", "tokens came where at most")
    same("calm", "out")
    if summary("out")["this_start"]["wasted"]["results"] == 0:
        raise Wrong("nothing was counted as wasted")
    with open("out/answers.jsonl") as f:
        most = max(json.loads(line)["generated_tokens"] for line in f)
    if most > 150:
        raise Wrong(f"a budget of 150 tokens was exceeded: {most}")


@case
def a_server_that_always_ignores_max_tokens_ends_its_problems_in_an_error():
    folder(RUN % "", n=2)
    want(call("run", "run.yaml", "generator.overrun=1", "dispatch.retries=2"), 1, "DISPATCH-OVERRUN", "is not taken")
    with open("out/answers.jsonl") as f:
        for row in map(json.loads, f):
            if row["error"] != "engine" or row["generated_tokens"] != 0 or row["candidates"] != 0:
                raise Wrong(f"{row}")


@case
def prices_make_money_of_tokens():
    folder(RUN % COSTS)
    want(call("run", "run.yaml", "generator.price.prompt=2", "generator.price.cached=0.5", "generator.price.generated=8",
              "generator.parameters=7G", "prm.parameters=500M", "prm.price.prompt=1"), 0)
    n = sums("out")
    anew = n["prompt_tokens"] - n["cached_tokens"]
    money = (2 * anew + 0.5 * n["cached_tokens"] + 8 * n["generated_tokens"] + n["read_tokens"]) / 1e6
    flops = 2 * 7e9 * (anew + n["generated_tokens"]), 2 * 5e8 * n["read_tokens"]
    told = summary("out")
    everything, here = told["all_starts"], told["this_start"]
    for got, meant in ((everything["money"], money), (here["money"], money), (here["flops"], sum(flops)),
                       (everything["generator_flops"], flops[0]), (everything["prm_flops"], flops[1]),
                       (sum(s["money"] or 0 for s in here["servers"]), money)):
        if abs(got - meant) > 1e-9 * meant:
            raise Wrong(f"{got} instead of {meant}: {told}")
    want(call("report", "out"), 0, "per answer", "cache hits", "money", "FLOPs")


@case
def a_list_of_generators_is_paid_by_generator():
    text = (RUN % "").replace("generator: {engine: fake, slots: 4}", "generator: [{name: small, engine: fake, costs: true, "
                              "price: {generated: 1}}, {name: large, engine: fake, costs: true, price: {generated: 100}}]")
    write("run.yaml", text.replace("{strategy: beam, keep: 2, expand: 2}", "{strategy: ab_mcts, budget: {generations: 12}}"))
    write("p.jsonl", "".join(json.dumps(r) + "\n" for r in rows(4)))
    want(call("run", "run.yaml"), 0)
    tokens = [0, 0]
    with open("out/costs.jsonl") as f:
        for row in map(json.loads, f):
            parts = row["generators"]
            if len(parts) != 2 or sum(p["generated_tokens"] for p in parts) != row["generated_tokens"]:
                raise Wrong(f"{row}")
            tokens = [tokens[i] + parts[i]["generated_tokens"] for i in range(2)]
    money = (tokens[0] + 100 * tokens[1]) / 1e6
    told = summary("out")
    if min(tokens) == 0 or abs(told["all_starts"]["money"] - money) > 1e-12 or abs(told["this_start"]["money"] - money) > 1e-12:
        raise Wrong(f"{tokens}: {told}")
    if {s.get("generator") for s in told["this_start"]["servers"] if s["kind"] == "generate"} != {"small", "large"}:
        raise Wrong(f"{told['this_start']['servers']}")


@case
def who_did_it_is_always_named():
    peer = os.path.join(os.path.dirname(ESPALIER), "cluster", "external_prm_c")
    folder((RUN % "").replace("generator: {engine: fake, slots: 4}", "generator: {engine: embedded}").replace(
        "prm: {engine: fake, slots: 4}", f"prm: {{engine: external, command: {peer}}}").replace("kind: fake", "kind: puzzle"))
    if not os.path.exists(peer):
        raise Skip(f"no {peer}")
    want(call("run", "run.yaml"), (0, 1))
    named = {(s["kind"], s["server"]) for s in summary("out")["this_start"]["servers"]}
    if named != {("generate", "embedded"), ("score", peer[:200]), ("verify", "puzzle")}:
        raise Wrong(str(named))


@case
def prices_that_are_wrong_are_named():
    folder()
    for key, value, word in (("generator.price.prompt", "-1", "out of range"), ("generator.parameters", "7B", "number"),
                             ("prm.price.generated", "1", "unknown key"), ("generator.price.promt", "1", "price.prompt")):
        want(call("run", "run.yaml", f"{key}={value}"), 2, key, word)


@case
def a_damaged_costs_file_is_named_and_one_that_is_not_there_is_fine():
    folder(RUN % COSTS)
    want(call("run", "run.yaml"), 0)
    os.rename("out/costs.jsonl", "kept")
    err = want(call("report", "out"), 0)
    if "costs" in err:
        raise Wrong(err)
    for text in ("[]\n", "{\n", '{"id":"p0"}\n', '{"generations":-1}\n'):
        write("out/costs.jsonl", text)
        want(call("report", "out"), 2, "costs.jsonl:1")
    os.rename("kept", "out/costs.jsonl")
    if whose("out", "costs.jsonl") != whose("out", "answers.jsonl"):
        raise Wrong("rows of costs.jsonl are in another order")
