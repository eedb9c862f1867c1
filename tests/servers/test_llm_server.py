# SPDX-License-Identifier: Apache-2.0
"""test_llm_server.py - where cluster/local/llm-server gets a model: a hub of its own here, nothing of the network

    python3 tests/servers/test_llm_server.py
"""

import http.server
import os
import pathlib
import subprocess
import sys
import tempfile
import threading
import traceback

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PROGRAM = ROOT / "cluster" / "local" / "llm-server"
MODEL = b"GGUF" + bytes(range(256)) * 2000
CASES = []


def case(function):
    CASES.append(function)
    return function


class Hub:
    """Answers one path; breaks off after `most` bytes of a whole answer."""

    def __init__(self, content=MODEL, most=None):
        hub = self
        self.asked = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                begin = int(self.headers.get("Range", "bytes=0-")[6:-1])
                hub.asked.append((self.path, begin))
                if self.path != "/me/tiny-GGUF/resolve/main/sub/tiny.gguf":
                    self.send_error(404)
                elif begin >= len(content):
                    self.send_error(416)
                else:
                    self.send_response(206 if begin else 200)
                    self.send_header("Content-Length", str(len(content) - begin))
                    self.end_headers()
                    self.wfile.write(content[begin:][:None if begin else most])

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever)

    def __enter__(self):
        self.thread.start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


def fetch(folder, url, model="me/tiny-GGUF/sub/tiny.gguf"):
    done = subprocess.run([sys.executable, PROGRAM, "fetch"], capture_output=True, text=True, timeout=60, check=False,
                          env={**os.environ, "ESP_LLAMA_SERVER": "/bin/true", "ESP_CACHE": folder, "ESP_GGUF": "", "HF_ENDPOINT": url,
                               "ESP_HUB_MODEL": model, "no_proxy": "*"})
    return done.returncode, done.stdout + done.stderr, pathlib.Path(folder) / "tiny.gguf"


@case
def a_named_model_comes_from_the_hub_once(folder):
    with Hub() as hub:
        for _ in range(2):
            status, said, model = fetch(folder, hub.url)
            assert status == 0 and f"model {model}" in said and model.read_bytes() == MODEL, said
        assert len(hub.asked) == 1, hub.asked


@case
def a_fetch_that_broke_off_goes_on(folder):
    with Hub(most=100000) as hub:
        status, said, model = fetch(folder, hub.url)
        assert status == 2 and hub.url in said and not model.exists(), said
        status, said, model = fetch(folder, hub.url)
        assert status == 0 and model.read_bytes() == MODEL, said
        assert [begin for _, begin in hub.asked] == [0, 100000], hub.asked


@case
def what_cannot_be_had_is_a_sentence(folder):
    with Hub() as hub:
        url = hub.url
        status, said, _ = fetch(folder, url, "me/tiny-GGUF/typo.gguf")
        assert status == 2 and f"{url}/me/tiny-GGUF/resolve/main/typo.gguf: HTTP Error 404" in said, said
        status, said, _ = fetch(folder, url, "tiny.gguf")
        assert status == 2 and "OWNER/REPO/FILE.gguf is meant" in said, said
    status, said, _ = fetch(folder, url)
    assert status == 2 and "refused" in said, said
    with Hub(content=b"<html>not a model</html>") as hub:
        status, said, model = fetch(folder, hub.url)
        assert status == 2 and "no GGUF file" in said and not model.exists() and not list(pathlib.Path(folder).glob("*.part")), said


def main():
    failed = 0
    for function in CASES:
        with tempfile.TemporaryDirectory() as folder:
            try:
                function(folder)
                print(f"ok      {function.__name__.replace('_', ' ')}", flush=True)
            except (AssertionError, OSError, subprocess.TimeoutExpired):
                failed += 1
                print(f"FAILED  {function.__name__.replace('_', ' ')}\n{traceback.format_exc()}", flush=True)
    print(f"{len(CASES) - failed} passed, {failed} failed, 0 skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
