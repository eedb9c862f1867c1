# SPDX-License-Identifier: Apache-2.0
"""test_serve.py - what cluster/servers/serve promises, with build/tests/support/model_server as the server

    python3 tests/servers/test_serve.py build/tests/support/model_server [WORD ...]     only cases whose name holds a word
"""

import concurrent.futures
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import traceback

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
SERVE = ROOT / "cluster" / "servers" / "serve"
MODEL_SERVER = os.path.abspath(sys.argv[1])
LONG = 30  # seconds that anything may take on a busy machine
CASES = []


def case(function):
    CASES.append(function)
    return function


class Group:
    """`serve start` in a folder; ended with the case."""

    def __init__(self, folder, *words, server="--kind vllm", environment=None, count=1):
        self.folder = pathlib.Path(folder)
        command = f"{MODEL_SERVER} --die-with-parent --port {{port}} {server}"
        base = ["--gpus", "none", "--count", str(count), "--host", "127.0.0.1", "--prefix", "s", "--command", command]
        self.errors = open(self.folder.parent / (self.folder.name + ".err"), "w+")
        self.process = subprocess.Popen([sys.executable, SERVE, "start", folder, *base, *words], stderr=self.errors,
                                        env={**os.environ, **(environment or {})})

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(LONG)
        self.errors.close()

    def url(self, name="s-0"):
        path = self.folder / f"{name}.url"
        try:
            return path.read_text().strip()
        except FileNotFoundError:
            return None

    def log(self, name="s-0"):
        path = self.folder / f"{name}.log"
        return path.read_text() if path.exists() else ""

    def servers(self):
        """Pids of the servers that run."""
        found = subprocess.run(["ps", "-o", "pid=,comm=", "--ppid", str(self.process.pid)], stdout=subprocess.PIPE, text=True, check=False)
        return [int(line.split()[0]) for line in found.stdout.splitlines() if "model_server" in line]

    def said(self):
        self.errors.flush()
        return pathlib.Path(self.errors.name).read_text()


def until(what, seconds=LONG):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        got = what()
        if got:
            return got
        time.sleep(0.05)
    raise AssertionError(f"did not come within {seconds} s")


def serve(*words, **more):
    return subprocess.run([sys.executable, SERVE, *map(str, words)], capture_output=True, text=True, check=False, timeout=60, **more)


@case
def the_url_is_there_when_a_real_request_was_answered(folder):
    with Group(folder, server="--kind vllm --fault '500 path=/v1/completions n=1-2'") as group:
        until(lambda: "listening on" in group.log())
        assert group.url() is None or "answers after" in group.log()
        url = until(group.url)
        assert f"listening on {url}" in group.log(), "the url is not that of the server"
        assert serve("wait", folder, "--count", 1, "--seconds", 5).returncode == 0
        assert "s-0  http://127.0.0.1:" in serve("list", folder).stdout


@case
def a_server_that_ends_is_hidden_and_started_again(folder):
    with Group(folder) as group:
        first = until(group.url)
        os.kill(group.servers()[0], signal.SIGKILL)
        second = until(lambda: group.url() not in (None, first) and group.url())
        assert second != first and "started again (1 of 5)" in group.log()


@case
def a_frozen_server_is_started_again(folder):
    with Group(folder, "--hung-s", "2", "--grace-s", "1") as group:
        first = until(group.url)
        frozen = group.servers()[0]
        os.kill(frozen, signal.SIGSTOP)
        until(lambda: group.url() not in (None, first))
        assert "answered no request for" in group.log() and frozen not in group.servers()


@case
def a_server_that_never_works_is_given_up(folder):
    with Group(folder, "--restarts", "1", "--command", "false") as group:
        assert group.process.wait(LONG) == 1
        assert not group.url() and (pathlib.Path(folder) / "s-0.failed").read_text().startswith("ended with status 1")
        assert serve("wait", folder, "--nodes", 1, "--seconds", 60).returncode == 1
        waited = serve("wait", folder, "--count", 1, "--seconds", 60)
        assert waited.returncode == 1 and "s-0 was given up" in waited.stderr


@case
def a_command_that_is_not_there_is_said(folder):
    with Group(folder, "--command", "/no/such/program") as group:
        assert group.process.wait(LONG) == 1
        assert "/no/such/program" in (pathlib.Path(folder) / "s-0.failed").read_text()


@case
def several_servers_have_names_and_ports_of_their_own(folder):
    with Group(folder, count=3) as group:
        assert serve("wait", folder, "--nodes", 1, "--seconds", LONG).returncode == 0
        assert serve("wait", folder, "--nodes", 2, "--seconds", 2).returncode == 1
        assert len({group.url(f"s-{i}") for i in range(3)}) == 3
        assert serve("stop", folder).returncode == 0
        assert group.process.wait(LONG) == 0 and not list(pathlib.Path(folder).glob("*.url")) and not group.servers()


@case
def stop_ends_a_server_that_hangs(folder):
    with Group(folder, "--grace-s", "1") as group:
        until(group.url)
        os.kill(group.servers()[0], signal.SIGSTOP)
        assert serve("stop", folder).returncode == 0 and group.process.wait(LONG) == 0


@case
def a_notice_hides_first_and_ends_later(folder):
    with Group(folder, "--drain-s", "2") as group:
        until(group.url)
        group.process.send_signal(signal.SIGUSR1)
        until(lambda: group.url() is None)
        assert group.servers(), "the requests in flight were not left to end"
        assert group.process.wait(LONG) == 0 and not group.servers()


@case
def the_death_of_the_keeper_ends_its_servers(folder):
    with Group(folder) as group:
        until(group.url)
        server = group.servers()[0]
        group.process.kill()
        group.process.wait()
        until(lambda: not pathlib.Path(f"/proc/{server}").exists() or "State:\tZ" in pathlib.Path(f"/proc/{server}/status").read_text())
        waited = serve("wait", folder, "--count", 1, "--seconds", 2)  # its file was left behind
        assert group.url() and waited.returncode == 1 and "not enough servers answer" in waited.stderr
    with Group(folder) as group:
        until(lambda: "listening" in group.log() and group.url())
        assert serve("wait", folder, "--count", 1, "--seconds", 5).returncode == 0


@case
def the_same_names_are_not_served_twice(folder):
    with Group(folder) as group:
        until(group.url)
        second = serve("start", folder, "--prefix", "s", "--command", "true")
        assert second.returncode == 2 and f"process {group.process.pid} of this host" in second.stderr


@case
def each_server_has_its_gpus(folder):
    show = "sh -c 'echo gpus=$CUDA_VISIBLE_DEVICES of {gpus} port={port} model={model} name={name} $0 $*; sleep 60'"
    words = ["--gpus", "auto", "--each", "2", "--command", show, "--model", "m", "--served-model-name", "n", "--", "--extra", "{port}"]
    with Group(folder, *words, environment={"CUDA_VISIBLE_DEVICES": "4,5,6,7"}) as group:
        until(lambda: "gpus=4,5 of 2" in group.log("s-0") and "gpus=6,7 of 2" in group.log("s-1"))
        assert "model=m name=n --extra" in group.log("s-1")
    with Group(folder, "--each", "node", "--gpus", "0,1,2", "--command", show) as group:
        until(lambda: "gpus=0,1,2 of 3 port" in group.log("s-0"))


@case
def a_key_goes_by_the_environment_and_must_be_private(folder):
    key = pathlib.Path(folder).parent / "key"
    key.write_text("secret\n")
    key.chmod(0o644)
    refused = serve("start", folder, "--api-key-file", key, "--command", "true")
    assert refused.returncode == 2 and f"chmod 600 {key}" in refused.stderr
    key.chmod(0o600)
    with Group(folder, "--api-key-file", str(key), server="--kind vllm --api-key secret") as group:
        until(group.url)
        assert "secret" not in group.log().split("--api-key secret")[-1]
        assert serve("wait", folder, "--count", 1, "--seconds", 5, "--api-key-file", key).returncode == 0


@case
def each_kind_gets_the_key_where_it_looks_for_it(folder):
    key = pathlib.Path(folder).parent / "key"
    key.write_text("secret\n")
    key.chmod(0o600)
    for kind, variable in (("vllm", "VLLM_API_KEY"), ("llamacpp", "LLAMA_API_KEY")):
        shows = f"{sys.executable} -c 'import os; print(os.environ.get(\"{variable}\"), flush=True)'"
        serve("start", folder, "--kind", kind, "--gpus", "none", "--restarts", 0, "--prefix", kind, "--api-key-file", key, "--command", shows)
        assert "\nsecret\n" in (pathlib.Path(folder) / f"{kind}-0.log").read_text()
    refused = serve("start", folder, "--kind", "sglang", "--model", "m", "--gpus", "none", "--api-key-file", key)
    assert refused.returncode == 2 and "sglang takes a key on its command line only" in refused.stderr


@case
def a_list_without_servers_says_so(folder):
    assert f"no server in {folder} yet" in serve("list", folder).stderr
    assert f"there is no folder {folder}/typo" in serve("list", f"{folder}/typo").stderr


@case
def a_wrong_kind_of_request_is_said(folder):
    with Group(folder, "--probe", "pooling", "--patience-s", "2", "--restarts", "0") as group:
        assert group.process.wait(LONG) == 1
        assert "is --probe pooling right for this server?" in group.log()


def performed(function):
    """(name, None or what was wrong)"""
    name = function.__name__.replace("_", " ")
    with tempfile.TemporaryDirectory() as folder:
        place = os.path.join(folder, "servers")
        os.mkdir(place)
        try:
            function(place)
            return name, None
        except (AssertionError, OSError, subprocess.TimeoutExpired):
            logs = "".join(f"{log.name}: {log.read_text()[-1500:]}\n" for log in sorted(pathlib.Path(place).glob("*.log")))
            return name, traceback.format_exc() + logs


def main():
    wanted = [function for function in CASES if not sys.argv[2:] or any(word in function.__name__ for word in sys.argv[2:])]
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(6) as pool:  # they mostly wait
        for name, wrong in pool.map(performed, wanted):
            failed += wrong is not None
            print(f"FAILED  {name}\n{wrong}" if wrong else f"ok      {name}", flush=True)
    print(f"{len(wanted) - failed} passed, {failed} failed, 0 skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
