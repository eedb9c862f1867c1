# SPDX-License-Identifier: Apache-2.0
"""fake_kimina.py - a Kimina Lean server (POST /api/check) whose REPL is fake_lean.py; says "URL PID" and serves until it is ended

    python3 fake_kimina.py [yes | deaf | key]

yes: takes every proof for right; deaf: has no /api/check; key: wants "Authorization: Bearer k".
Words in a proof, beside fake_lean's: late, ended: the item's error; busy_once: 429 first; garbage, half, empty: the answer itself.
"""
import json
import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from fake_lean import answer, axioms

KIND = sys.argv[1] if len(sys.argv) > 1 else ""
seen = set()


def body_of(code):
    """Imports in front go to the REPL's header."""
    lines = code.split("\n")
    while lines and lines[0].startswith("import "):
        lines.pop(0)
    return "\n".join(lines)


def result(snippet):
    code = snippet["code"]
    for word, error in (("late", "Lean REPL command timed out in 60 seconds"), ("ended", "Lean REPL process terminated")):
        if f"  {word}\n" in code:
            return {"id": snippet["id"], "error": error, "time": 1.0}
    if KIND == "yes":
        return {"id": snippet["id"], "time": 0.1, "is_valid": True, "response": {"env": 0, "messages": [axioms("espalier_probe", "")]}}
    return {"id": snippet["id"], "time": 0.1, "is_valid": True, "response": answer(body_of(code), 0)}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *words):
        pass

    def reply(self, status, body, length=None):
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(length or len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        self.reply(404, b'{"detail":"Not Found"}')

    def do_POST(self):
        text = self.rfile.read(int(self.headers["Content-Length"]))
        if KIND == "deaf" or self.path != "/api/check":
            return self.reply(404, b'{"detail":"Not Found"}')
        if KIND == "key" and self.headers.get("Authorization") != "Bearer k":
            return self.reply(401, b'{"detail":"Missing API key"}')
        asked = json.loads(text)
        assert asked["timeout"] > 0 and len({s["id"] for s in asked["snippets"]}) == len(asked["snippets"])
        code = asked["snippets"][0]["code"]
        if "busy_once" in code and code not in seen:
            seen.add(code)
            return self.reply(429, b'{"detail":"No available REPLs"}')
        if "  garbage\n" in code:
            return self.reply(200, b"<html>")
        if "  empty\n" in code:
            return self.reply(200, b'{"results": []}')
        if "  half\n" in code:
            self.close_connection = True
            return self.reply(200, b'{"results": [', 999)
        return self.reply(200, json.dumps({"results": [result(s) for s in asked["snippets"]]}).encode())


def main():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(f"http://127.0.0.1:{server.server_port} {os.getpid()}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
