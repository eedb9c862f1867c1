# SPDX-License-Identifier: Apache-2.0
# code_values.py - values between the two processes of a code check, as JSON: data only
#
#     None, bool, int, float, str   themselves          list   [..]
#     tuple {"t": [..]}   dict {"d": [[key, value], ..]}   set {"s": [..]}   frozenset {"f": [..]}
#     bytes {"b": "hex"}  complex {"c": [re, im]}          anything else {"o": "its type"}
#
# Beginning of code_judge.py and of code_runner.py, which know nothing else of each other.  Subclasses (Counter, namedtuple, IntEnum) travel as what they are built on.  Whoever decodes gets exact built-in types and nothing
# that the other side could have written methods for.
#
# Every program costs a start of Python, so nothing is imported that is slow to import: _json is the C part of json, posix that of os.
import posix
from _json import encode_basestring_ascii, make_encoder, make_scanner

MOST_DEPTH, MOST_PARTS = 60, 200000


class Unsendable(Exception):
    pass


def encode(value, depth=0, left=None):
    left = left if left is not None else [MOST_PARTS]
    left[0] -= 1
    if depth > MOST_DEPTH or left[0] < 0:
        raise Unsendable("the value is nested too deeply or too large")
    if value is None or value is True or value is False:
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, str):
        return str.__str__(value)
    inner = lambda v: encode(v, depth + 1, left)
    if isinstance(value, list):
        return [inner(v) for v in list.__iter__(value)]
    for kind, mark in ((tuple, "t"), (set, "s"), (frozenset, "f")):
        if isinstance(value, kind):
            return {mark: [inner(v) for v in kind.__iter__(value)]}
    if isinstance(value, dict):
        return {"d": [[inner(k), inner(v)] for k, v in dict.items(value)]}
    if isinstance(value, (bytes, bytearray)):
        return {"b": bytes(value).hex()}
    if isinstance(value, complex):
        return {"c": [value.real, value.imag]}
    return {"o": type(value).__name__[:100]}


def decode(value, other, depth=0):
    """other: makes what stands for a value that cannot be sent, from its type's name."""
    if depth > MOST_DEPTH + 5:
        raise ValueError("nested too deeply")
    inner = lambda v: decode(v, other, depth + 1)
    if isinstance(value, list):
        return [inner(v) for v in value]
    if not isinstance(value, dict):
        return value
    (mark, body), = value.items()
    if mark == "d":
        return {inner(k): inner(v) for k, v in body}
    if mark == "c":
        return complex(float(body[0]), float(body[1]))
    if mark in "tsf":
        return {"t": tuple, "s": set, "f": frozenset}[mark](inner(v) for v in body)
    return bytes.fromhex(body) if mark == "b" else other(str(body))


class Scanning:
    """What json.JSONDecoder is to its scanner."""
    strict, object_hook, object_pairs_hook, memo = False, None, None, {}
    parse_float, parse_int = float, int
    parse_constant = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}.__getitem__


def from_json(text):
    try:
        value, end = make_scanner(Scanning)(text, 0)
    except StopIteration:
        raise ValueError("no JSON")
    if end != len(text):
        raise ValueError("more than one JSON value")
    return value


def to_json(value):
    return "".join(make_encoder(None, None, encode_basestring_ascii, None, ":", ",", False, False, True)(value, 0))


class Lines:
    """Lines of JSON over a descriptor, nothing read ahead that another process should read."""

    def __init__(self, fd, out=None):
        self.fd, self.out, self.rest = fd, fd if out is None else out, b""

    def line(self):
        while b"\n" not in self.rest:
            chunk = posix.read(self.fd, 1 << 16)
            if not chunk:
                return None
            self.rest += chunk
        line, self.rest = self.rest.split(b"\n", 1)
        return line

    def hear(self):
        line = self.line()
        return None if line is None else from_json(line.decode())

    def say(self, message):
        data = to_json(message).encode() + b"\n"
        while data:
            data = data[posix.write(self.out, data):]
