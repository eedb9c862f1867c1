# SPDX-License-Identifier: Apache-2.0
"""demo_llm.py - the searches and the table of cluster/local/demo-llm; the server is in ESP_LLM_URL already

Limit: how many tokens the server writes in a second with all its slots busy, measured by one short burst before the first search
and one after each: the machine's other load changes, so a search is compared with the mean of the bursts around it.
"""

import concurrent.futures
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

sys.dont_write_bytecode = True
import server_process  # noqa: E402  (a file beside this one)
from server_process import Trouble, ask, say  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
RECIPES = pathlib.Path("cluster/recipes/demo-llm")
OUTPUT = pathlib.Path("runs/demo-llm")
RANKS = 3
BURST_TOKENS = 24  # a slot; 5 to 15 s on two cores
SEARCHES = [("one", "one sample"), ("best_of_8", "8 samples"), ("beam", "beam 2 x 2")]
SETS = ["easy", "gsm8k"]
FORM = "{:<22} {:<11} {:<11} {:<11} {:>7} {:>8} {:>9}  {}"
REMARK = """
Right answers: of the {easy} easy problems, and of the {gsm8k} of GSM8K.  naive: the answer with the best score; weighted: votes that count their
scores; majority: votes.  The score is arithmetic that was recomputed, no model's opinion: with one false equation it is 0.
What this shows: real samples, real servers, and that votes and checked arithmetic find more right answers than one sample does.
What it cannot show: a model of this size writes half of its samples wrong and is no judge of steps; {easy} + {gsm8k} problems are too few
for a percentage (one problem is {point:.0f} points), and a search that chooses among wrong plans stays wrong.  Figures for models of
use: your own server, three lines of cluster/recipes/demo-llm/base.yaml (README.md).
Shares over 100 % can happen: the machine's other load differs between a burst and a search.  A share includes reading prompts."""


class Stopped(Exception):
    """Ctrl-C or SIGTERM."""


class Interrupts:
    """The first signal stops what runs; a terminal sends it to every process, so more of them say nothing new."""

    def __init__(self):
        self.child, self.seen = None, False
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self.on_signal)

    def on_signal(self, _number, _frame):
        if self.seen:
            return
        self.seen = True
        if not self.child:
            raise Stopped
        self.child.send_signal(signal.SIGTERM)

    def run(self, command, log):
        """The exit status of a command of a session of its own, in which nothing is left running."""
        with open(log, "ab") as file:
            self.child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True,
                                          preexec_fn=server_process.end_with_parent)
        deadline = None
        while self.child.poll() is None:
            if self.seen and deadline is None:
                deadline = time.monotonic() + 20
            if deadline and time.monotonic() > deadline:
                os.killpg(self.child.pid, signal.SIGKILL)
            time.sleep(0.05)
        status, self.child = self.child.returncode, None
        if self.seen:
            raise Stopped
        return status


def slots_of(url):
    status, properties = ask(url, "/props", None)
    return properties.get("total_slots", 8) if status == 200 else 8


def burst(url, slots):
    """Tokens a second of the server with all slots busy."""
    def one(number):
        body = {"prompt": f"A long story about the number {number}.\n", "n_predict": BURST_TOKENS, "ignore_eos": True}
        status, reply = ask(url, "/completion", body, 600)
        if status != 200:
            raise Trouble(f"{url}/completion answers {status}: {reply}")
        return reply["tokens_predicted"]

    began = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(slots) as pool:
        tokens = sum(pool.map(one, range(slots)))
    return tokens / (time.monotonic() - began)


def write_problems():
    """Both sets in one file; how many each has."""
    texts = {name: (RECIPES / f"{name}.jsonl").read_text() for name in SETS}
    (OUTPUT / "problems.jsonl").write_text("".join(texts.values()))
    return {name: len(text.splitlines()) for name, text in texts.items()}


def search(name, url, interrupts):
    """Run one strategy to its end; seconds of the whole mpirun."""
    output, log = OUTPUT / name, OUTPUT / f"{name}.log"
    command = ["cluster/local/mpirun", "-n", RANKS, "build/espalier", "run", RECIPES / f"{name}.yaml", "--resume", f"generator.url={url}",
               f"problems.file={OUTPUT}/problems.jsonl", f"run.output={output}"]
    began = time.monotonic()
    status = interrupts.run([str(word) for word in command], log)
    if not (output / "done").exists():
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
        raise Trouble(f"{name} did not end (mpirun's exit status was {status}); the end of {log}:\n{tail}")
    return time.monotonic() - began


def votes(output):
    """Set -> right answers by naive, weighted, majority."""
    command = ["build/espalier", "report", "--format", "json", "--bootstrap", "0", "--by", "set", output]
    report = json.loads(subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, check=True).stdout)
    found = {}
    for section in report["runs"][0]["sections"]:
        best = section["rows"][-1] if section["rows"] else None
        found[section["group"]] = {key: round(best[key]["value"] * section["answers"]) if best and best[key]["value"] is not None else 0
                                   for key in ("best", "weighted", "majority")}
    return found


def mean_right(output, sets):
    """Set -> expected right answers of one sample, from all samples."""
    right, count = dict.fromkeys(SETS, 0), dict.fromkeys(SETS, 0)
    with open(output / "candidates.jsonl", encoding="utf-8") as file:
        for row in map(json.loads, file):
            name = row["id"].partition("/")[0]
            count[name] += 1
            right[name] += row["correct"] is True
    return {name: sets[name] * right[name] / max(1, count[name]) for name in SETS}


def share(tokens, seconds, limit):
    return f"{100 * tokens / seconds / limit:.0f} % of {limit:.1f}" if limit else "-"


def rows_of(name, title, measured, sets):
    """Lines of the table for one search."""
    output = OUTPUT / name
    found = votes(output)
    right = [" ".join(f"{found.get(one, {}).get(key, 0):>2}/{sets[one]:<2}" for one in SETS) for key in ("best", "weighted", "majority")]
    counts = json.loads((output / "summary.json").read_text())["rows"]
    tokens, seconds = counts["generated_tokens"], measured["seconds"]
    yield FORM.format(title, *right, tokens, f"{seconds:.0f}", f"{tokens / seconds:.1f}", share(tokens, seconds, measured["limit"]))
    if name == "best_of_8":
        mean = mean_right(output, sets)
        yield FORM.format("  mean of the samples", " ".join(f"{mean[one]:>4.1f}" for one in SETS), *[""] * 6).rstrip()


def measure(url, slots, interrupts):
    """Every search that is not done; name -> seconds, limit."""
    limit_before, measured = None, {}
    for name, title in SEARCHES:
        kept = OUTPUT / f"{name}.measured.json"
        if kept.exists():
            measured[name] = json.loads(kept.read_text())
            continue
        limit_before = limit_before or burst(url, slots)
        resumed = (OUTPUT / name).exists()
        say(f"{title} ...")
        seconds = search(name, url, interrupts)
        limit_after = burst(url, slots)
        measured[name] = {"seconds": seconds, "limit": None if resumed else (limit_before + limit_after) / 2}
        kept.write_text(json.dumps(measured[name]))
        limit_before = limit_after
    return measured


def demo(url, resume):
    began, interrupts = time.monotonic(), Interrupts()
    if not resume and OUTPUT.exists():
        subprocess.run(["rm", "-rf", OUTPUT], check=True)
    OUTPUT.mkdir(parents=True, exist_ok=True)
    sets, slots = write_problems(), slots_of(url)
    say(f"{sum(sets.values())} word problems over {RANKS} ranks (1 coordinates, 2 work), one server with {slots} slots at {url}")
    try:
        measured = measure(url, slots, interrupts)
    except Stopped:
        say("stopped; cluster/local/demo-llm --resume goes on")
        return 130
    print("\n" + FORM.format("", "naive", "weighted", "majority", "tokens", "seconds", "tokens/s", f"of the server's limit, {slots} slots"))
    for name, title in SEARCHES:
        for line in rows_of(name, title, measured[name], sets):
            print(line)
    print(REMARK.format(**sets, point=100 / sets["easy"]) + "\n")
    say(f"all of it took {time.monotonic() - began:.0f} s; next: build/espalier report {OUTPUT}/best_of_8, "
        f"build/espalier show {OUTPUT}/beam easy/08")
    return 0


def main():
    os.chdir(ROOT)
    url = os.environ.get("ESP_LLM_URL")
    if not url:
        say("start cluster/local/demo-llm: it brings the server")
        return 2
    try:
        return demo(url, "--resume" in sys.argv[1:])
    except Trouble as trouble:
        say(trouble)
        return 1


if __name__ == "__main__":
    sys.exit(main())
