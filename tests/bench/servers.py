#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""servers.py - how full model servers are kept, and at what cost: the rows of docs/performance.md about servers

    tests/bench/servers.py --sim SIMSERVER [--peers FOLDER --python PYTHON] [ROW ...]

SIMSERVER is a simulated LLM + PRM server that speaks vLLM's shapes and keeps exact simulated time and counters (/stats, /reset,
/answer).  FOLDER holds its_hub_bench.py and barrier_baseline.py, which drive the same server through other clients; PYTHON has
their packages.  Prints `name value unit` and `ratio` lines.  Rows: fixed16 tiled16 fixed64 prefix cpu memory.
"""
import argparse
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request

ROOT = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
ESPALIER = os.path.join(ROOT, "build", "espalier")
MODEL_SERVER = os.path.join(ROOT, "build", "tests", "support", "model_server")
RUN = """run: {output: OUT}
problems: {file: PROBLEMS}
search: {strategy: beam, keep: 16, expand: 4, max_steps: 10, rule: fixed}
generator: {engine: vllm, urls: URLS, max_step_tokens: 600, temperature: 0.8}
prm: {engine: vllm-classify, urls: URLS, layout: outcome, chat: raw, column: 1, normalise: probability}
prompt: {preset: plain}
"""


def ask(url, data=None):
    return json.load(urllib.request.urlopen(urllib.request.Request(url, data=data, method="GET" if data is None else "POST"), timeout=30))


def free_port():
    import socket
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Servers:
    """Simulated servers that end with the block."""

    def __init__(self, sim, count, speed, slots):
        self.sim, self.speed, self.slots = sim, speed, slots
        self.processes, self.urls = [], []
        for _ in range(count):
            port = free_port()
            self.urls.append(f"http://127.0.0.1:{port}")
            self.processes.append(subprocess.Popen(
                [sim, "-listen", f"127.0.0.1:{port}", "-speed", str(speed), "-max-seqs", str(slots)],
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))

    def __enter__(self):
        for url in self.urls:
            for _ in range(100):
                try:
                    ask(url + "/health")
                    break
                except json.JSONDecodeError:
                    break
                except OSError:
                    time.sleep(0.05)
        return self

    def __exit__(self, *_):
        for p in self.processes:
            p.kill()
            p.wait()

    def reset(self):
        for url in self.urls:
            ask(url + "/reset", b"")

    def stats(self):
        total = {}
        for url in self.urls:
            for part, counters in ask(url + "/stats").items():
                if isinstance(counters, dict):
                    for name, value in counters.items():
                        total[part + name] = total.get(part + name, 0) + value
        return total


class RoundRobin:
    """A load balancer in front of servers, as many a cluster has; `url` is None where haproxy is not installed."""

    def __init__(self, urls, folder):
        program = shutil.which("haproxy", path=f"{os.environ['PATH']}:/usr/sbin")
        self.url, self.process = None, None
        if not program:
            return
        port, config = free_port(), os.path.join(folder, "haproxy.cfg")
        with open(config, "w") as f:
            f.write("defaults\n mode http\n timeout connect 10s\n timeout client 10m\n timeout server 10m\n"
                    f"frontend all\n bind 127.0.0.1:{port}\n default_backend servers\nbackend servers\n balance roundrobin\n")
            f.writelines(f" server s{i} {url.removeprefix('http://')}\n" for i, url in enumerate(urls))
        self.url = f"http://127.0.0.1:{port}"
        self.process = subprocess.Popen([program, "-db", "-f", config], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process:
            self.process.kill()
            self.process.wait()


def search(servers, folder, problems, *overrides):
    """One run; the simulated seconds, the bound, the server's counters and the CPU of our process."""
    output, rows, run = (os.path.join(folder, name) for name in ("out", "p.jsonl", "run.yaml"))
    subprocess.run(["rm", "-rf", output], check=True)
    with open(rows, "w") as f:
        for i in range(problems):
            f.write(json.dumps({"id": f"p{i}", "problem": f"Problem number {i}"}) + "\n")
    with open(run, "w") as f:
        f.write(RUN.replace("OUT", output).replace("PROBLEMS", rows).replace("URLS", json.dumps(servers.urls)))
    servers.reset()
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([ESPALIER, "run", run, *overrides], capture_output=True, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 0:
        sys.exit(f"the run failed: {done.stderr[-600:]}")
    wall = json.load(open(os.path.join(output, "summary.json")))["this_start"]["seconds"] * servers.speed
    s = servers.stats()
    s["wall"] = wall
    s["bound"] = max(s["llmBoundSeconds"], s["prmBoundSeconds"]) / len(servers.urls)
    s["cpu"] = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return s


def peer(args, servers, script, *words):
    """The other client's line, or None."""
    if not args.peers:
        return None
    servers.reset()
    done = subprocess.run([args.python, os.path.join(args.peers, script), "--server", servers.urls[0], "--repeat", "1", *words],
                          capture_output=True, text=True)
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    return json.loads(lines[-1]) if lines else None


def say(name, value, unit):
    print(f"{name} {value:.4g} {unit}", flush=True)


def say_run(name, r):
    """The bounds of a client follow from what it asks for: its_hub has finished branches scored again, so its own bound is larger."""
    say(f"{name} bound/wall", r["bound"] / r["wall"], "ratio")
    say(f"{name} wall", r["wall"], "s")


def say_peer(name, line):
    say_run(name, {"bound": line["bound_over_wall"] * line["wall_s"], "wall": line["wall_s"]})


FULL = ("generator.in_flight=128", "generator.most_n=1")  # singles fill a queue better than siblings that end together


def fixed16(args, folder):
    with Servers(args.sim, 1, args.speed, 64) as s:
        for _ in range(args.repeat):
            say_run("fixed16", search(s, folder, 16, *FULL))
        say_run("fixed16 siblings in one request", search(s, folder, 16, "generator.in_flight=128"))
        for mode in ("gather", "loop"):
            line = peer(args, s, "its_hub_bench.py", "--algorithm", "beam", "--problems", "16", "--mode", mode)
            if line:
                say_peer(f"fixed16 its_hub {mode}", line)


def tiled16(args, folder):
    with Servers(args.sim, 1, args.speed, 64) as s:
        r = search(s, folder, 16, "search.rule=tiled", *FULL)
        say_run("tiled16", r)
        line = peer(args, s, "barrier_baseline.py", "--problems", "16", "--batch", "16")
        if line:
            say("tiled16 lock step, batch 16, wall", line["wall_s"], "s")
            say("tiled16 lock step over ours", line["wall_s"] / r["wall"], "ratio")


def fixed64(args, folder):
    with Servers(args.sim, 1, args.speed, 256) as s:
        r = search(s, folder, 64, "generator.in_flight=512", "generator.most_n=1")
        say_run("fixed64 256 slots", r)
        line = peer(args, s, "its_hub_bench.py", "--algorithm", "beam", "--problems", "64", "--mode", "gather")
        if line:
            say_peer("fixed64 its_hub gather", line)
            say("fixed64 its_hub over ours", line["wall_s"] / r["wall"], "ratio")


def prefix(args, folder):
    with Servers(args.sim, 1, args.speed * 2, 64) as s:
        ideal = search(s, folder, 64, "generator.in_flight=128")["llmPrefilledTokens"]
    say("prefix prompt tokens read, one server", ideal, "tokens")
    with Servers(args.sim, 4, args.speed, 64) as s:
        for _ in range(args.repeat):
            of_four(s, folder, ideal, "at home")
        of_four(s, folder, ideal, "least busy server", "generator.affinity=false")
        with RoundRobin(s.urls, folder) as balancer:
            if balancer.url:
                of_four(s, folder, ideal, "round robin", f"generator.urls=[{balancer.url}]", "generator.in_flight=512")


def of_four(servers, folder, ideal, name, *overrides):
    r = search(servers, folder, 64, "generator.in_flight=128", *overrides)
    say(f"prefix 4 servers, {name}, over one server", r["llmPrefilledTokens"] / ideal, "ratio")
    say(f"prefix 4 servers, {name}, wall", r["wall"], "s")


def per_expansion(servers, folder, *overrides):
    """Microseconds; the start of the program is not in it, as it is not in its_hub's figure."""
    start = search(servers, folder, 1, *overrides)
    all_of_it = search(servers, folder, 64, *overrides)
    return (all_of_it["cpu"] - start["cpu"]) / (all_of_it["llmSequences"] - start["llmSequences"]) * 1e6


def cpu(args, folder):
    with Servers(args.sim, 1, 1e9, 64) as s:
        ours, theirs = [], []
        for _ in range(3):  # in turn: the machine is not always equally quick
            ours.append(per_expansion(s, folder))
            line = peer(args, s, "its_hub_bench.py", "--algorithm", "beam", "--problems", "16", "--mode", "gather")
            theirs += [line["client_cpu_s"] / line["sequences"] * 1e6] if line else []
        say("cpu of coordinator and worker per expansion", sorted(ours)[1], "us")
        say("cpu the same, a request per sample", per_expansion(s, folder, "generator.most_n=1"), "us")
        if len(theirs) == 3:
            say("cpu its_hub per expansion", sorted(theirs)[1], "us")
            say("cpu its_hub over ours", sorted(theirs)[1] / sorted(ours)[1], "ratio")


def resident(pid, field):
    return int(re.search(rf"{field}:\s+(\d+)", open(f"/proc/{pid}/status").read()).group(1)) / 1024


def memory(args, folder):
    """500 requests of 8 kB that a server sits on."""
    rows, run = os.path.join(folder, "long.jsonl"), os.path.join(folder, "long.yaml")
    server = subprocess.Popen([MODEL_SERVER, "--kind", "vllm", "--die-with-parent", "--max-model-len", "100000", "--fault",
                               "stall path=/v1/completions n=2-100000"], stdout=subprocess.PIPE, text=True)
    try:
        url = re.search(r"http://\S+", server.stdout.readline()).group(0)
        with open(rows, "w") as f:
            for i in range(500):
                f.write(json.dumps({"id": f"p{i}", "problem": f"{i} " + "word " * 1600}) + "\n")
        with open(run, "w") as f:
            f.write(f"run: {{output: {folder}/long}}\nproblems: {{file: {rows}, open: 500}}\nsearch: {{strategy: best_of_n, n: 1}}\n"
                    f"generator: {{engine: vllm, url: {url}, in_flight: 500}}\nprompt: {{chat: chatml}}\n")
        ours = subprocess.Popen([ESPALIER, "run", run], stderr=subprocess.DEVNULL)
        try:
            for _ in range(200):
                time.sleep(0.1)
                if ask(url + "/stats")["requests"] >= 500:
                    break
            say("memory of coordinator and worker in one process, 500 requests of 8 kB in flight", resident(ours.pid, "VmHWM"), "MB")
        finally:
            ours.kill()
            ours.wait()
    finally:
        server.kill()
        server.wait()


def main():
    rows = {f.__name__: f for f in (fixed16, tiled16, fixed64, prefix, cpu, memory)}
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--sim")
    p.add_argument("--peers")
    p.add_argument("--python", default=sys.executable)
    p.add_argument("--speed", type=float, default=2, help="simulated seconds a second; lower it until the figures stop changing")
    p.add_argument("--repeat", type=int, default=1, help="times that fixed16 and prefix run")
    p.add_argument("rows", nargs="*", default=list(rows), metavar="ROW", help=", ".join(rows))
    args = p.parse_args()
    for name in args.rows:
        if name not in rows:
            p.error(f"there is no row {name}; there are: {', '.join(rows)}")
        if name != "memory" and not args.sim:
            p.error(f"row {name} needs --sim")
        with tempfile.TemporaryDirectory() as folder:
            rows[name](args, folder)


if __name__ == "__main__":
    main()
