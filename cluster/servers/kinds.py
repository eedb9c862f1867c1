# SPDX-License-Identifier: Apache-2.0
"""kinds.py - how each kind of server is started, and the real request that proves that it answers

A new kind is one row.  In a command {model}, {host}, {bind}, {port}, {name} and {gpus} (how many) are filled in.
key: the environment variable from which such a server takes its API key; "": it has none, and a command line would show the key.
"""

import collections

Kind = collections.namedtuple("Kind", "command name tensor key")

KINDS = {
    "vllm": Kind("vllm serve {model} --host {bind} --port {port}", "--served-model-name {name}", "--tensor-parallel-size {gpus}", "VLLM_API_KEY"),
    "sglang": Kind("python3 -m sglang.launch_server --model-path {model} --host {bind} --port {port} --enable-metrics",
                   "--served-model-name {name}", "--tp {gpus}", ""),
    "llamacpp": Kind("llama-server -m {model} --host {bind} --port {port} --metrics", "--alias {name}", "", "LLAMA_API_KEY"),
}

# /health says 200 with a dead engine, and before the first request has failed: only an answer proves anything.
PROBES = {
    "completions": ("/v1/completions", {"prompt": "1 + 1 =", "max_tokens": 1}),
    "pooling": ("/pooling", {"input": "1 + 1 = 2"}),
    "classify": ("/classify", {"input": "1 + 1 = 2"}),
}


def command(options, places):
    """The words of one server's command; places: what is filled in."""
    kind = KINDS[options.kind]
    words = options.command if options.command else kind.command.split()
    if not options.command:
        words = words + (kind.name.split() if options.name else [])
        words = words + (kind.tensor.split() if places["gpus"] > 1 else [])
    return [fill(word, places) for word in words + options.more]


def fill(word, places):
    for key, value in places.items():
        word = word.replace("{" + key + "}", str(value))
    return word
