# SPDX-License-Identifier: Apache-2.0
"""bad_servers.py - cases: model servers that fail, in every way and of every kind; servers with which nothing can be begun

The model server of tests/support does wrong what it is told to.  Whatever that is: the run's rows are those of a run without it,
and the log says what happened.
"""
import json
import os
import re
import subprocess
import sys

from bad_kit import ESPALIER, ROOT, Skip, Wrong, answers, call, case, want, write

sys.path.insert(0, os.path.join(ROOT, "tests", "support"))
from server_kit import Server  # noqa: E402

PROGRAM = os.path.join(os.path.dirname(ESPALIER), "tests", "support", "model_server")
PATHS = {"vllm": "/v1/completions", "sglang": "/generate", "llamacpp": "/completion", "openai": "/v1/chat/completions"}
RUN = """run: {name: bad, output: out}
problems: {file: p.jsonl}
search: {strategy: beam, keep: 2, expand: 2, max_steps: 8}
generator: {engine: vllm, url: "http://127.0.0.1:1", wait_s: 20, first_byte_s: 2, idle_s: 1}
prm: {engine: arithmetic}
verifier: {kind: answer}
observe: {enabled: false}
log: {level: info}
"""
LOGPROBS = "generator.logprobs=sum"
PLAIN = "generator.stream=never"  # llama.cpp is streamed else, answer by answer


def folder():
    if not os.path.exists(PROGRAM):
        raise Skip(f"no {PROGRAM}")
    write("run.yaml", RUN)
    write("p.jsonl", "".join(json.dumps({"id": f"p{i}", "problem": f"What is {a} + {b} + {c}?", "answer": str(a + b + c)}) + "\n"
                             for i, (a, b, c) in enumerate(((12, 7, 30), (5, 9, 2), (31, 4, 4)))))


def run_at(server, kind, output, *more):
    return call("run", "run.yaml", f"generator.engine={kind}", f"generator.url={server.url}", f"run.output={output}", *more)


def survives(fault, when, words, *more, kinds=tuple(PATHS), silent=()):
    """Request 1 of the path is the probe.  words: what the log says; silent: kinds that mend it without a word."""
    folder()
    for kind in kinds:
        with Server(PROGRAM, "--kind", kind) as server:
            want(run_at(server, kind, "calm-" + kind, *more), 0)
        with Server(PROGRAM, "--kind", kind, "--fault", f"{fault} path={PATHS[kind]} n={when}") as server:
            err = want(run_at(server, kind, "out-" + kind, *more), 0)
            fired = server.get("/stats")[1]["faults"]
        if fired == 0:
            raise Wrong(f"{kind}: {fault} did not happen")
        if answers("calm-" + kind) != answers("out-" + kind):
            raise Wrong(f"{kind}: {fault} changed the rows")
        if kind not in silent and not any(word(err) if callable(word) else word in err for word in ((words,) if isinstance(words, str) else words)):
            raise Wrong(f"{kind}: nothing about {words!r} in: {err[-600:]}")



def one_choice(more):
    """One more, or less, than the request's samples: how many siblings stand in one request is a matter of time."""
    return lambda err: any(int(came) == int(asked) + more for came, asked in re.findall(r"answer has (\d+) choices, (\d+) were asked for", err))


def sample_behind_the_last(err):
    return any(sample == asked for sample, asked in re.findall(r"there is a sample (\d+), and (\d+) were asked for", err))


BROKEN = ("is not valid JSON", "part of the answer is missing", "the stream ended in the middle")
FAULTS = {  # name: (fault, requests, what the log says, more)
    "429": ("429", "3-4", "status 429: Rate limit reached"),
    "500": ("500", "3-4", "status 500: EngineCore encountered an issue"),
    "503": ("503", "3-4", "status 503: Loading model"),
    "401": ("401", "3", "status 401: Unauthorized; it is asked again until it answers"),
    "html": ("html", "3-4", BROKEN),
    "redirect": ("redirect", "3", "answers 307 and points to"),
    "too many tokens": ("too-many-tokens", "3-4", "the server ignores max_tokens"),
    "stall": ("stall", "3", "connected, but no answer within 2000 ms"),
    "wrong length": ("wrong-length", "3-4", BROKEN),
    "stall body": ("stall-body", "3", "silent for 1000 ms"),
    "half body": ("half-body", "3-4", "its answer broke off after"),
    "broken json": ("broken-json", "3-4", BROKEN),
    "huge": ("huge=50", "3", ("bytes, ", "an event of the stream has more than")),
    "too few": ("too-few", "3-4", (one_choice(-1), "part of the answer is missing")),
    "too many": ("too-many", "3-4", (one_choice(+1), sample_behind_the_last, "came twice")),
    "twice": ("twice", "3-4", "sample 0 came twice"),
    "cut utf8": ("cut-utf8", "3-4", "unable to decode byte"),
    "no logprobs": ("no-logprobs", "3", "tokens without a log probability"),
    "nan": ("nan", "3-4", "invalid token near 'NaN'"),
    "out of range": ("out-of-range", "3", "none is above 0"),
    "close": ("close", "3-8", ""),
    "close reused": ("close-reused", "3-6", ""),  # asked again on a new connection, without a word
    "slow headers": ("slow-headers=5", "3", ""),
    "order": ("order", "3-4", ""),
    "abort": ("abort", "3-4", "the server gave the request up"),
    "error inside": ("error-inside", "3-4", "EngineCore encountered an issue"),
}
MORE = {"no logprobs": (LOGPROBS,), "nan": (LOGPROBS,), "out of range": (LOGPROBS,), "too few": (PLAIN,), "too many": (PLAIN,),
        "twice": (PLAIN,), "order": (PLAIN,)}
KINDS = {  # others cannot show it: SGLang's answers have no index, OpenAI's chat counts tokens only in all
    "order": ("vllm", "llamacpp", "openai"), "twice": ("vllm", "llamacpp", "openai"),
    "too many tokens": ("vllm", "sglang", "llamacpp")}


def fault_case(name):
    fault, when, words = FAULTS[name]

    def run():
        survives(fault, when, words, *MORE.get(name, ()), kinds=KINDS.get(name, tuple(PATHS)))
    run.__name__ = run.__qualname__ = f"server_fault_{name.replace(' ', '_')}_changes_no_row"
    globals()[run.__name__] = case(run)  # found there by the process that runs it


for fault_name in FAULTS:
    fault_case(fault_name)


@case
def all_kinds_of_servers_give_the_same_rows():
    folder()
    for kind in PATHS:
        with Server(PROGRAM, "--kind", kind) as server:
            want(run_at(server, kind, kind, LOGPROBS), 0, "SERVER-UP")
            want(run_at(server, "auto", "auto-" + kind, LOGPROBS), 0, "SERVER-UP")
        if answers(kind) != answers("vllm"):
            raise Wrong(f"{kind}'s rows are not vllm's")
        if answers(kind) != answers("auto-" + kind):
            raise Wrong(f"{kind} found by probing: rows differ")


@case
def kinds_that_are_found_must_be_one():
    folder()
    with Server(PROGRAM, "--kind", "vllm") as one, Server(PROGRAM, "--kind", "llamacpp") as other:
        urls = [f"generator.urls=[{one.url},{other.url}]", "generator.engine=auto", "generator.url="]
        said = want(call("check", "run.yaml", *urls, "generator.wait_s=3"), 0, "name one in generator.engine")
        if "is a server of kind vllm, but this run began with llamacpp" not in said and "is a server of kind llamacpp, but this run began with vllm" not in said:
            raise Wrong(said[-600:])
        stops = ["generator.engine=auto", "generator.stop=[a,b,c,d]"]
        want(call("run", "run.yaml", f"generator.url={one.url}", *stops), 2,
             f"{one.url}: generator.stop: 4 texts, and 1 of the step rule: this kind of server takes 4 together")
        want(call("run", "run.yaml", f"generator.url={other.url}", *stops), 0)
        want(call("run", "run.yaml", f"generator.url={one.url}", "run.output=out2", "generator.engine=auto", "generator.cache_prompt=false"), 2,
             f"{one.url}: generator.cache_prompt: no request to a server of kind vllm")


@case
def what_a_server_cannot_do_is_said_once():
    folder()
    limits = {"vllm": (), "llamacpp": (), "sglang": ("ignores seeds",),
              "openai": ("does not tell a stop text from the end", "ignores seeds", "log probabilities without token ids", "chat only")}
    for kind, words in limits.items():
        with Server(PROGRAM, "--kind", kind) as server:
            err = want(run_at(server, kind, "out-" + kind, "log.level=warn", "generator.logprobs=top"), 0, *words)
        if err.count("GENERATOR-LIMITS") != (1 if words else 0):
            raise Wrong(f"{kind}: {err[-600:]}")


@case
def a_server_that_mostly_fails_is_survived():
    folder()
    with Server(PROGRAM) as server:
        want(run_at(server, "vllm", "calm"), 0)
    with Server(PROGRAM, "--fault", "500 path=/v1/completions p=0.25 seed=3", "--fault", "half-body path=/v1/completions p=0.2 seed=4",
                "--fault", "close path=/v1/completions p=0.1 seed=5") as server:
        want(run_at(server, "vllm", "out"), 0, "SERVER-RETRY")
    if answers("calm") != answers("out"):
        raise Wrong("rows differ")


@case
def another_model_after_a_restart_is_refused():
    folder()
    for kind in ("vllm", "llamacpp", "openai"):  # SGLang's answers name no model: there only the time without a server tells
        with Server(PROGRAM, "--kind", kind, "--fault", f"restart=other path={PATHS[kind]} n=3") as server:
            want(run_at(server, kind, "out-" + kind, "dispatch.no_worker_s=4"), 3, "has the model 'other', but this run began with 'test-model'",
                 "espalier resume")
        with Server(PROGRAM, "--kind", kind) as server:
            want(call("resume", "out-" + kind, f"generator.url={server.url}"), 0)
            want(run_at(server, kind, "calm-" + kind), 0)
        if answers("calm-" + kind) != answers("out-" + kind):
            raise Wrong(f"{kind}: rows differ")


@case
def siblings_are_one_request():
    """A level of a beam names its parents in turn; their children must still go out side by side."""
    folder()
    with Server(PROGRAM, "--kind", "vllm") as server:
        want(run_at(server, "vllm", "out", "search.keep=4", "search.expand=4", "search.rule=fixed"), 0)
        requests = server.get("/stats")[1]["requests"]
    with open("out/costs.jsonl") as rows:
        generations = sum(json.loads(row)["generations"] for row in rows)
    if generations < 100 or requests > generations / 2 + 20:  # 20: who the server is, and the prompts
        raise Wrong(f"{requests} requests for {generations} samples")


@case
def what_is_refused_for_good_is_told_once():
    folder()
    refuse = "html=400 path=/v1/completions n=2-"
    with Server(PROGRAM, "--fault", refuse + "100000") as server:
        err = want(run_at(server, "vllm", "out"), 1, "GENERATOR-FAILED", "status 400")
    if err.count("GENERATOR-FAILED") != 1:
        raise Wrong(err[-900:])


# ---- nothing is begun ----

def not_begun(url, *words, kind="vllm", more=(), env=None):
    """By run, by check and by try: the same sentence, and nothing is left or generated."""
    change = [f"generator.engine={kind}", f"generator.url={url}", "generator.wait_s=1", *more]
    want(call("run", "run.yaml", *change, env=env), 2, *words)
    if os.path.exists("out"):
        raise Wrong("something was begun")
    want(call("check", "run.yaml", *change, env=env), 2, *words)
    want(call("try", "run.yaml", *change, env=env), 2, *words)


def not_scored(server, *words, engine="vllm-pooling", more=()):
    """The same of a PRM; the generator is a good one, and only its probe may have generated."""
    with Server(PROGRAM) as generator:
        change = [f"prm.engine={engine}", f"prm.url={server}", "prm.wait_s=1", *more]
        not_begun(generator.url, *words, more=change)


@case
def a_start_that_came_to_nothing_leaves_nothing():
    folder()
    dead = ["generator.url=http://127.0.0.1:1", "generator.wait_s=0.5", "observe.enabled=true"]
    want(call("run", "run.yaml", "run.output=a/b/out", *dead), 2, "nothing was generated", "run again: nothing is left in a/b/out")
    if os.path.exists("a"):
        raise Wrong(f"left: {list(os.walk('a'))}")
    os.makedirs("a/out")
    write("a/out/mine.txt", "x")
    write("a/out/log.txt", "older\n")
    want(call("run", "run.yaml", "run.output=a/out", *dead), 2, "run again")
    if sorted(os.listdir("a/out")) != ["log.txt", "mine.txt"]:
        raise Wrong(str(sorted(os.listdir("a/out"))))
    write("bad.jsonl", "[1]\n")
    want(call("run", "run.yaml", "problems.file=bad.jsonl", "run.output=c"), 2, "bad.jsonl:1")
    if os.path.exists("c"):
        raise Wrong(f"left: {list(os.walk('c'))}")
    with Server(PROGRAM) as server:
        want(run_at(server, "vllm", "a/out"), 0)
        stopped = run_at(server, "vllm", "half", "run.limits.generations=4")
        want(stopped, 3)
    before = sorted(os.listdir("half"))
    want(call("resume", "half", *dead[:2], "run.limits.generations="), 2, "nothing was generated", "espalier resume half")
    if sorted(os.listdir("half")) != before:
        raise Wrong(f"{before} became {sorted(os.listdir('half'))}")
    with Server(PROGRAM) as server:
        want(call("resume", "half", f"generator.url={server.url}", "run.limits.generations="), 0)
    if answers("half") != answers("a/out"):
        raise Wrong("rows differ")


@case
def a_temperature_that_a_server_does_not_take():
    folder()
    for kind in ("vllm", "openai"):
        with Server(PROGRAM, "--kind", kind) as server:
            not_begun(server.url, "generator.temperature (or an action's): 3", "takes at most 2", kind=kind, more=["generator.temperature=3"])
            want(call("check", "run.yaml", f"generator.engine={kind}", f"generator.url={server.url}", "generator.temperature=3"), 2, "takes at most 2")
    write("run.yaml", RUN + "actions: [{temperature: 0.5}, {temperature: 2.5}]\n")
    with Server(PROGRAM) as server:
        not_begun(server.url, "an action's): 2.5", more=["search.strategy=ab_mcts", "search.budget.generations=8", "search.keep=", "search.expand=",
                                                         "search.max_steps="])
    write("run.yaml", RUN)
    with Server(PROGRAM, "--kind", "llamacpp") as server:
        want(run_at(server, "llamacpp", "hot", "generator.temperature=3"), (0, 1))


@case
def a_stop_text_that_is_empty():
    folder()
    not_begun("http://127.0.0.1:1", "generator.stop: text 2 is empty", more=["generator.stop=['x', '']"])


@case
def no_server_at_the_url():
    folder()
    for kind in PATHS:
        not_begun("http://127.0.0.1:1", "http://127.0.0.1:1", "cannot be reached", "generator.wait_s", kind=kind)
    not_begun("http://no-such-host.invalid:8000", "no-such-host.invalid")


@case
def a_proxy_in_between_is_said():
    folder()
    none = ["no_proxy", "NO_PROXY"]
    with Server(PROGRAM) as server, Server(PROGRAM, "--fault", "html=403 path=/") as proxy:
        for how in ({"env": {"http_proxy": proxy.url, **dict.fromkeys(none, "")}}, {"more": [f"generator.proxy={proxy.url}"]}):
            not_begun(server.url, "it is asked by a proxy: generator.proxy: none, or no_proxy for its host?", **how)
        not_begun(server.url, "the proxy on the way to it fails", "127.0.0.1 port 1", "http_proxy", more=["generator.proxy=http://127.0.0.1:1"])
        want(call("run", "run.yaml", f"generator.url={server.url}", "generator.proxy=none", env={"http_proxy": proxy.url, **dict.fromkeys(none, "")}), 0)


@case
def the_v1_of_other_clients_in_a_url():
    folder()
    for kind in PATHS:
        with Server(PROGRAM, "--kind", kind) as server:
            want(call("run", "run.yaml", f"generator.engine={kind}", f"generator.url={server.url}/v1/", f"run.output=out-{kind}"), 0)


@case
def a_port_that_serves_html():
    folder()
    with Server(PROGRAM, "--fault", "html path=/") as server:
        for kind in PATHS:
            not_begun(server.url, "answers, but not as a model server does (no /v1/models): another port?", kind=kind)


def certificate():
    made = subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "key.pem", "-out", "cert.pem", "-days", "2", "-subj",
                           "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"], capture_output=True)
    if made.returncode != 0:
        raise Skip("no openssl")
    return "--tls", "cert.pem,key.pem"


@case
def a_tls_error_in_the_run_changes_no_row():
    folder()
    tls = certificate()
    with Server(PROGRAM, *tls) as server:
        want(run_at(server, "vllm", "calm", "generator.ca_file=cert.pem"), 0)
    with Server(PROGRAM, *tls, "--fault", "tls-plain n=2-3") as server:  # the first connection is the probe's
        want(run_at(server, "vllm", "out", "generator.ca_file=cert.pem"), 0, "no secure connection", "SERVER-OUT", "in service")
    if answers("calm") != answers("out"):
        raise Wrong("rows differ")


@case
def http_where_https_is_needed_and_the_other_way_round():
    folder()
    with Server(PROGRAM, *certificate()) as server:
        plain = server.url.replace("https://", "http://")
        not_begun(plain, plain)
        not_begun(server.url, "no secure connection", "certificate", "name the right CA file")
        want(run_at(server, "vllm", "good", "generator.ca_file=cert.pem"), 0)
        want(run_at(server, "vllm", "lax", "generator.verify_tls=false"), 0)
    with Server(PROGRAM) as server:
        not_begun(server.url.replace("http://", "https://"), "https://")


def is_nowhere(secret, output):
    """In no file of an output folder, and in no record of its journal (closed segments are compressed)."""
    paths = [os.path.join(folder, name) for folder, _, names in os.walk(output) for name in names]
    if not any("journal" in path for path in paths):
        raise Wrong(f"no journal among {paths}")
    for path in paths:
        with open(path, "rb") as f:
            if secret in f.read():
                raise Wrong(f"the secret is in {path}")
    status, out, err = call("journal", "dump", output)
    if status != 0 or '"record"' not in out or secret.decode() in out + err:
        raise Wrong(f"journal dump: {status} {err[-200:]} {out[:200]}")


@case
def a_key_that_is_wanted_or_wrong_or_missing():
    folder()
    write("key", "sk-wrong-key\n")
    os.chmod("key", 0o600)
    for kind in PATHS:
        with Server(PROGRAM, "--kind", kind, "--api-key", "sk-right-key") as server:
            not_begun(server.url, "wants an API key (status 401)", "generator.api_key_env", kind=kind)
            not_begun(server.url, "wants an API key", "the one given is refused", kind=kind, more=["generator.api_key_file=key"])
            not_begun(server.url, "the environment variable ESP_TEST_MISSING_KEY is not set on rank", kind=kind,
                      more=["generator.api_key_env=ESP_TEST_MISSING_KEY"])
            os.environ["ESP_TEST_KEY"] = "sk-right-key"
            want(run_at(server, kind, "good-" + kind + "2", "generator.api_key_env=ESP_TEST_KEY", "log.file_level=debug"), 0)
            is_nowhere(b"sk-right-key", "good-" + kind + "2")
    os.chmod("key", 0o644)
    not_begun("http://127.0.0.1:1", "others may read key; do: chmod 600 key", more=["generator.api_key_file=key"])


@case
def a_model_that_the_server_has_not():
    folder()
    for kind in ("vllm", "sglang", "openai"):  # llama.cpp takes any name
        with Server(PROGRAM, "--kind", kind) as server:
            not_begun(server.url, "has no model 'no-such-model'; generator.model may be: test-model", kind=kind, more=["generator.model=no-such-model"])


@case
def a_server_of_another_kind():
    folder()
    with Server(PROGRAM, "--kind", "sglang") as server:
        not_begun(server.url, "is a server of kind sglang, but generator.engine says vllm")
        not_begun(server.url, "is a server of kind sglang, but generator.engine says llamacpp", kind="llamacpp")


@case
def an_embedding_server_is_no_generator():
    folder()
    for serves in ("embed", "classify", "prm"):
        with Server(PROGRAM, "--serves", serves) as server:
            not_begun(server.url, "has no /v1/completions: is it a PRM or an embedding server, or another port?")


@case
def a_model_that_is_no_prm():
    folder()
    for serves, engine, layout, *words in (
            ("embed", "vllm-pooling", "qwen-extra0", "an embedding or classification model, not a PRM with STEP pooling"),
            ("classify", "vllm-pooling", "qwen-extra0", "an embedding or classification model, not a PRM with STEP pooling"),
            ("generate", "vllm-pooling", "qwen-extra0", "does not serve engine vllm-pooling", "--runner pooling"),
            ("causal", "vllm-pooling", "qwen-extra0", "rows for 1 tags", "does not pool at this tag alone"),
            ("embed", "vllm-logprobs", "judge", "does not serve engine vllm-logprobs", "--runner generate"),
            ("prm", "vllm-classify", "outcome", "does not serve engine vllm-classify"),
            ("prm", "vllm-generative-scoring", "judge", "does not serve engine vllm-generative-scoring")):
        with Server(PROGRAM, "--serves", serves) as server:
            not_scored(server.url, *words, engine=engine, more=[f"prm.layout={layout}"])
    with Server(PROGRAM, "--kind", "sglang") as server:
        not_scored(server.url, "is a server of kind sglang, but prm.engine says vllm")
    with Server(PROGRAM, "--fault", "html path=/") as server:
        not_scored(server.url, "answers, but not as a model server does")


@case
def a_tag_that_the_vocabulary_of_the_prm_has_not():
    folder()
    with Server(PROGRAM, "--serves", "prm") as server:
        not_scored(server.url, 'the tag "<no such tag>" is ', "tokens of its vocabulary, it must be one", more=["prm.tag=<no such tag>"])
    with Server(PROGRAM, "--serves", "prm", "--step-tag", "<other>") as server:
        not_scored(server.url, 'no row for 1 tags "<extra_0>"', "step_tag_id")
    with Server(PROGRAM) as server:
        not_scored(server.url, 'the label "surely so" is no single token of its vocabulary', engine="vllm-logprobs",
                   more=["prm.layout=judge", "prm.good=surely so", "prm.bad=not at all"])


@case
def a_prm_whose_key_or_model_or_logprobs_are_missing():
    folder()
    with Server(PROGRAM, "--serves", "prm", "--api-key", "sk-right-key") as server:
        not_scored(server.url, "wants an API key (status 401)", "prm.api_key_env")
        not_scored(server.url, "the environment variable ESP_TEST_MISSING_KEY is not set", more=["prm.api_key_env=ESP_TEST_MISSING_KEY"])
    with Server(PROGRAM, "--serves", "prm") as server:
        not_scored(server.url, "has no model 'no-such-model'; prm.model may be: test-model", more=["prm.model=no-such-model"])
    with Server(PROGRAM, "--fault", "no-logprobs path=/v1/completions") as server:
        not_scored(server.url, "cannot score with layout judge", engine="vllm-logprobs", more=["prm.layout=judge"])
    not_scored("http://127.0.0.1:1", "http://127.0.0.1:1", "cannot be reached", "prm.wait_s")


@case
def logprobs_that_a_server_does_not_give():
    folder()
    for kind in PATHS:
        with Server(PROGRAM, "--kind", kind, "--fault", f"no-logprobs path={PATHS[kind]}") as server:
            not_begun(server.url, "without a log probability", kind=kind, more=[LOGPROBS, "generator.wait_s=30"])


@case
def a_context_that_is_too_short():
    folder()
    for kind in PATHS:
        with Server(PROGRAM, "--kind", kind, "--max-model-len", "16") as server:
            not_begun(server.url, "its context is too short even for a short prompt", kind=kind)


@case
def more_tokens_than_the_context_has_are_said_and_change_no_row():
    folder()
    for kind in PATHS:
        with Server(PROGRAM, "--kind", kind) as server:
            want(run_at(server, kind, "calm-" + kind), 0)
        with Server(PROGRAM, "--kind", kind, "--max-model-len", "300") as server:
            more = [f"generator.engine={kind}", f"generator.url={server.url}", "generator.max_step_tokens=8000"]
            known = kind != "openai"  # such a server does not say how long its context is: its refusals tell
            want(call("check", "run.yaml", *more), 0, *(["the context of 300 is too short for generator.max_step_tokens (8000)"] if known else []))
            want(run_at(server, kind, "out-" + kind, *more[2:]), 0, "its context of 300 tokens has no room for generator.max_step_tokens (8000)" if known else
                 "fewer tokens than generator.max_step_tokens are asked for")
        if answers("calm-" + kind) != answers("out-" + kind):
            raise Wrong(f"{kind}: rows differ")
