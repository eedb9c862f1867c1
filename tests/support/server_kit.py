# SPDX-License-Identifier: Apache-2.0
"""server_kit.py - start build/tests/support/model_server from a Python test, talk to it, compare shapes of replies"""

import json
import socket
import subprocess
import urllib.error
import urllib.request


class Server:
    """with Server(program, "--kind", "sglang") as server: server.post("/generate", {...})"""

    def __init__(self, program, *options):
        self.process = subprocess.Popen([program, "--die-with-parent", *options], stdout=subprocess.PIPE, text=True)
        words = self.process.stdout.readline().split()
        if words[:2] != ["listening", "on"]:
            raise RuntimeError(f"model_server {options} does not start")
        self.url = words[2]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        status = self.process.wait()
        self.process.stdout.close()
        assert status == 0, f"model_server ended with status {status}"

    def ask(self, method, path, data=None, headers=None, timeout=20):
        """(status, headers, bytes)"""
        request = urllib.request.Request(self.url + path, data, {"Content-Type": "application/json", **(headers or {})}, method=method)
        try:
            with urllib.request.build_opener(NoRedirect).open(request, timeout=timeout) as reply:
                return reply.status, reply.headers, reply.read()
        except urllib.error.HTTPError as refused:
            return refused.code, refused.headers, refused.read()

    def get(self, path):
        status, _, body = self.ask("GET", path)
        return status, parsed(body)

    def post(self, path, body, **more):
        data = body["raw"].encode() if isinstance(body, dict) and "raw" in body else json.dumps(body).encode()
        status, _, text = self.ask("POST", path, data, **more)
        return status, parsed(text)

    def send(self, path, body):
        """The connection on which a POST has been sent."""
        host, _, port = self.url.rpartition("/")[2].partition(":")
        data = json.dumps(body).encode()
        line = socket.create_connection((host, int(port)))
        line.sendall(f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n".encode() + data)
        return line

    def raw(self, path, body, timeout=1.0):
        """All bytes that come for a POST until the server closes or is silent for `timeout` s; and whether it closed."""
        got, closed = b"", False
        with self.send(path, body) as line:
            line.settimeout(timeout)
            try:
                while part := line.recv(65536):
                    got += part
                closed = True
            except (TimeoutError, ConnectionResetError):
                pass
        return got, closed


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


def parsed(body):
    try:
        return json.loads(body)
    except ValueError:
        return body.decode(errors="replace")


def events(text):
    """The JSON of each event of a stream; "[DONE]" stays text."""
    data = [line[6:] for line in text.splitlines() if line.startswith("data: ")]
    return [json.loads(item) if item != "[DONE]" else item for item in data]


def is_cut(value):
    return isinstance(value, str) and value.startswith("<cut")


def differences(real, ours, place=""):
    """Sentences: keys that one has and the other has not, and values of another type (null fits everything)."""
    if real is None or ours is None or is_cut(real):
        return []
    if isinstance(real, dict) and isinstance(ours, dict):
        found = [f"{place}.{key} is missing" for key in real if key not in ours]
        found += [f"{place}.{key} is not in the real reply" for key in ours if key not in real]
        return found + [text for key in real if key in ours for text in differences(real[key], ours[key], f"{place}.{key}")]
    if isinstance(real, list) and isinstance(ours, list):
        return differences(real[0], ours[0], place + "[0]") if real and ours else []
    number = (int, float)
    same = isinstance(ours, number) if isinstance(real, number) and not isinstance(real, bool) else type(real) is type(ours)
    return [] if same else [f"{place} is {type(ours).__name__}, not {type(real).__name__}"]
