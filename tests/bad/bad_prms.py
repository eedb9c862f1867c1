# SPDX-License-Identifier: Apache-2.0
"""bad_prms.py - cases: PRM servers that fail, in every way: the run's rows are those of a run without it, and the log says what happened"""
from bad_kit import Wrong, answers, call, case, want, write
from bad_servers import PROGRAM, RUN, Server, folder

SERVED = {  # how: (engine, options of the server, path)
    "pooling": (["prm.engine=vllm-pooling", "prm.layout=qwen-extra0"], ["--serves", "prm", "--step-tag", "<extra_0>"], "/pooling"),
    "generic": (["prm.engine=http-scores", "prm.path=/score", "prm.tag=<extra_0>"], ["--kind", "generic"], "/score"),
}
PRM = RUN.replace("prm: {engine: arithmetic}", 'prm: {engine: vllm-pooling, url: "http://127.0.0.1:1", wait_s: 20, first_byte_s: 2, idle_s: 1}')


def run_at(generator, prm, how, output, *more):
    return call("run", "run.yaml", f"generator.url={generator.url}", f"prm.url={prm.url}", f"run.output={output}", *SERVED[how][0], *more)


def survives(fault, when, words, served):
    """The first requests of the path are the probe's: right and wrong example."""
    folder()
    write("run.yaml", PRM)
    for how in served:
        _, options, path = SERVED[how]
        with Server(PROGRAM) as generator:
            with Server(PROGRAM, *options) as prm:
                want(run_at(generator, prm, how, "calm-" + how), 0)
            with Server(PROGRAM, *options, "--fault", f"{fault} path={path} n={when}") as prm:
                err = want(run_at(generator, prm, how, "out-" + how), 0)
                fired = prm.get("/stats")[1]["faults"]
        if fired == 0:
            raise Wrong(f"{how}: {fault} did not happen")
        if answers("calm-" + how) != answers("out-" + how):
            raise Wrong(f"{how}: {fault} changed the rows")
        if not any(word in err for word in ((words,) if isinstance(words, str) else words)):
            raise Wrong(f"{how}: nothing about {words!r} in: {err[-900:]}")


NO_JSON = "the answer is not JSON"
FAULTS = {  # name: (fault, requests, what the log says)
    "429": ("429", "3-4", "status 429: Rate limit reached"),
    "500": ("500", "3-4", "status 500: "),
    "503": ("503", "3-4", "status 503: "),
    "html": ("html", "3-4", NO_JSON),
    "redirect": ("redirect", "3", "answers 307 and points to"),
    "stall": ("stall", "3", "connected, but no answer within 2000 ms"),
    "stall body": ("stall-body", "3", "silent for 1000 ms"),
    "half body": ("half-body", "3-4", "its answer broke off after"),
    "wrong length": ("wrong-length", "3-4", NO_JSON),
    "broken json": ("broken-json", "3-4", NO_JSON),
    "huge": ("huge=50", "3", ("the answer has no list", "0 lists in scores")),
    "too few": ("too-few", "3-4", ("entries, asked for were", "lists in scores, asked for were")),
    "too many": ("too-many", "3-4", ("entries, asked for were", "lists in scores, asked for were")),
    "nan": ("nan", "3-4", "invalid token near 'NaN'"),
    "out of range": ("out-of-range", "3-4", "1.5 is no probability"),
    "twice": ("twice", "3-4", "index 0 comes twice"),
    "rows missing": ("rows-missing", "3-4", "no row for"),
    "order": ("order", "3-4", ""),
    "close": ("close", "3-8", "its answer broke off after 0 bytes"),
    "close reused": ("close-reused", "3-6", ""),  # asked again on a new connection, without a word
    "slow headers": ("slow-headers=5", "3", ""),
}
INDEXED = ("twice", "rows missing", "order")  # one's own server answers a plain list


def fault_case(name):
    fault, when, words = FAULTS[name]

    def run():
        survives(fault, when, words, ("pooling",) if name in INDEXED else tuple(SERVED))
    run.__name__ = run.__qualname__ = f"prm_fault_{name.replace(' ', '_')}_changes_no_row"
    globals()[run.__name__] = case(run)  # found there by the process that runs it


for fault_name in FAULTS:
    fault_case(fault_name)


@case
def another_prm_after_a_restart_is_refused():
    folder()
    write("run.yaml", PRM)
    _, options, path = SERVED["pooling"]
    with Server(PROGRAM) as generator:
        with Server(PROGRAM, *options, "--fault", f"restart=other path={path} n=3") as prm:
            want(run_at(generator, prm, "pooling", "out", "dispatch.no_worker_s=4"), 3, ("has the model 'other'", "The model `test-model` does not exist"),
                 "espalier resume")
        with Server(PROGRAM, *options) as prm:
            want(call("resume", "out", f"generator.url={generator.url}", f"prm.url={prm.url}"), 0)
            want(run_at(generator, prm, "pooling", "calm"), 0)
    if answers("calm") != answers("out"):
        raise Wrong("rows differ")
