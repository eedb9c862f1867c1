# SPDX-License-Identifier: Apache-2.0
"""test_engine.py - what @engine and serve promise, to a worker that is this file"""
import asyncio
import json
import os
import random
import threading
import time
import unittest

import espalier
import kit
from espalier import _engine


def task(kind="score", **fields):
    return {"id": fields.pop("id", 1), "kind": kind, "problem": {"id": "p", "question": "2 + 2?"},
            "steps": ["2 + 2 = 4\n\n", "so 4"], **fields}


class Values(unittest.TestCase):
    """From what a function returns to what travels."""

    def result(self, value, kind="score", **fields):
        return _engine._result(espalier.Task(task(kind, **fields)), value)

    def refused(self, value, words, **fields):
        made = self.result(value, **fields)
        self.assertIn(words, made["error"]["message"])
        self.assertFalse(made["error"]["retryable"])

    def test_a_task_tells_what_is_asked(self):
        asked = espalier.Task(task("generate", seeds=[7, 8], seed=7, n=2, temperature=0.5, later={"new": 1}))
        self.assertEqual((asked.text, asked.question, asked.n), ("2 + 2 = 4\n\nso 4", "2 + 2?", 2))
        self.assertEqual(asked.rng(1).random(), random.Random(8).random())
        self.assertEqual(asked.observation, "")
        draft = espalier.Task(task("generate", mode="draft", observation="1 of 3 failed"))
        self.assertEqual((draft.mode, draft.observation), ("draft", "1 of 3 failed"))

    def test_a_generator_returns_texts_or_dicts(self):
        self.assertEqual(self.result("a", "generate")["samples"], [{"text": "a"}])
        full = {"text": "a", "finish": "eos", "tokens": 3, "logprob": -1.5, "steps": 1, "prompt_tokens": 9, "cached_tokens": 4}
        self.assertEqual(self.result([full, "b"], "generate", n=2)["samples"], [full, {"text": "b"}])
        self.refused("a", "1 samples where 2", kind="generate", n=2)
        self.refused(7, "returned a int", kind="generate")
        self.refused({"text": None}, "text is a NoneType", kind="generate")
        self.refused({"text": "a", "finish": "done"}, "finish is 'done'", kind="generate")
        self.refused({"text": "a", "logprob": float("nan")}, "logprob is nan", kind="generate")

    def test_a_prm_returns_a_number_for_each_step(self):
        class Array:
            def tolist(self):
                return [0.5, 1]

        self.assertEqual(self.result([0, True])["scores"], [0.0, 1.0])
        self.assertEqual(self.result(Array())["scores"], [0.5, 1.0])
        self.assertEqual(self.result(0.25, **{"from": 1})["scores"], [0.25])
        self.assertEqual(self.result({"scores": Array(), "tokens": 7}), {"id": 1, "scores": [0.5, 1.0], "tokens": 7})
        self.refused({"tokens": 7}, "1 scores for 2 steps")
        self.refused([0.5], "1 scores for 2 steps")
        self.refused([0.5, float("inf")], "a score is inf")
        self.refused([0.5, "good"], "could not convert")
        self.refused(None, "1 scores for 2 steps")

    def test_a_verifier_returns_a_verdict(self):
        for value, verdict in ((True, "pass"), (False, "fail"), (None, "unknown"), ("pass", "pass")):
            self.assertEqual(self.result(value, "verify")["verdict"], verdict)
        full = {"verdict": "fail", "reason": "wrong-answer", "answer": "4", "share": 0.5, "observation": "no"}
        self.assertEqual(self.result(full, "verify"), {"id": 1, **full})
        self.refused("maybe", "pass, fail, unknown", kind="verify")
        self.refused(1, "pass, fail, unknown", kind="verify")

    def test_half_a_surrogate_pair_becomes_a_question_mark(self):
        self.assertEqual(self.result("a\ud800b", "generate")["samples"], [{"text": "a?b"}])
        json.loads(_engine._dumps(self.result(KeyError, "verify")))

    def test_a_role_is_one_of_three(self):
        with self.assertRaisesRegex(ValueError, "generator, prm, verifier"):
            espalier.engine(role="judge")


@kit.needs_pynng
class Serving(kit.FolderTest):
    """A server, and a worker that speaks the protocol."""

    def serve(self, function, role="prm", **how):
        import pynng
        espalier.engine(function, role=role, **how)
        self.addCleanup(_engine._engines.clear)
        address = f"ipc://{self.folder}/peer"
        self.server = _engine.Server(address).start()
        self.addCleanup(self.server.stop)
        self.worker = pynng.Pair1(recv_timeout=20000, send_timeout=20000)
        self.addCleanup(self.worker.close)
        self.worker.dial(address)
        return self.hello(role)

    def hello(self, role, session=5):
        self.say({"type": "hello", "version": 1, "session": session, "role": role, "silence_s": 30})
        self.session = session
        return self.hear()

    def say(self, message):
        self.worker.send(json.dumps(message).encode())

    def hear(self):
        return json.loads(self.worker.recv())

    def give(self, *tasks, session=None):
        self.say({"type": "tasks", "session": session or self.session, "tasks": list(tasks)})

    def results(self, count):
        got = {}
        while len(got) < count:
            message = self.hear()
            self.assertEqual((message["type"], message["session"]), ("results", self.session))
            got.update((result["id"], result) for result in message["results"])
        return got

    def test_hello_says_what_the_function_is(self):
        hello = self.serve(lambda tasks: [], batch=16, name="my prm")
        self.assertEqual((hello["version"], hello["session"], hello["name"], hello["credits"], hello["roles"]),
                         (1, 5, "my prm", 32, ["prm"]))
        self.assertEqual(self.hello("generator", 6)["roles"], ["prm"])  # not what was asked for: the worker refuses

    def test_a_function_is_called_for_each_task(self):
        self.serve(lambda asked: [len(step) for step in asked.steps])
        self.give(task(id=1), task(id=2, steps=["abc"]))
        got = self.results(2)
        self.assertEqual((got[1]["scores"], got[2]["scores"]), ([11.0, 4.0], [3.0]))

    def test_a_batch_function_gets_what_waits(self):
        sizes, gate = [], threading.Event()

        def score(tasks):
            gate.wait(20)
            sizes.append(len(tasks))
            return [[0.5] * len(t.steps) for t in tasks]

        self.serve(score, batch=4)
        self.give(*(task(id=i) for i in range(1, 10)))
        time.sleep(0.2)
        gate.set()
        self.assertEqual(len(self.results(9)), 9)
        self.assertLessEqual(max(sizes), 4)
        self.assertEqual(sum(sizes), 9)

    def test_threads_work_at_the_same_time(self):
        both = threading.Barrier(2)

        def score(asked):
            both.wait(20)
            return [0.5, 0.5]

        self.serve(score, threads=2)
        self.give(task(id=1), task(id=2))
        self.assertEqual(sorted(self.results(2)), [1, 2])

    def test_an_async_function_is_called_for_all_at_once(self):
        waiting = []

        async def score(asked):
            waiting.append(asked.id)
            while len(waiting) < 3:
                await asyncio.sleep(0.001)
            return [0.5, 0.5]

        self.serve(score)
        self.give(*(task(id=i) for i in (1, 2, 3)))
        self.assertEqual(sorted(self.results(3)), [1, 2, 3])

    def test_an_exception_is_an_error_that_may_go_away_and_failed_is_one_that_does_not(self):
        def verify(asked):
            raise (espalier.Failed("no such theorem") if asked.id == 1 else OSError("connection reset"))

        self.serve(verify, role="verifier")
        self.give(task("verify", id=1), task("verify", id=2))
        got = self.results(2)
        self.assertEqual(got[1]["error"], {"message": "no such theorem", "retryable": False})
        self.assertEqual(got[2]["error"], {"message": "OSError: connection reset", "retryable": True})

    def test_a_batch_of_another_length_is_an_error_of_all(self):
        self.serve(lambda tasks: [], batch=True)
        self.give(task(id=1))
        self.assertIn("0 results for a batch of 1", self.results(1)[1]["error"]["message"])

    def test_heartbeats_are_answered_while_the_function_works(self):
        gate = threading.Event()
        self.addCleanup(gate.set)
        self.serve(lambda asked: gate.wait(20) and [0.5, 0.5])
        self.give(task(id=1))
        for _ in range(3):
            self.say({"type": "heartbeat", "session": self.session})
            self.assertEqual(self.hear(), {"type": "heartbeat", "session": self.session})
        gate.set()
        self.assertEqual(self.results(1)[1]["scores"], [0.5, 0.5])

    def test_a_task_that_was_not_begun_can_be_cancelled(self):
        gate = threading.Event()
        self.addCleanup(gate.set)
        self.serve(lambda asked: gate.wait(20) and [0.5, 0.5])
        self.give(task(id=1), task(id=2), task(id=3))
        time.sleep(0.1)
        self.say({"type": "cancel", "session": self.session, "ids": [1, 2]})
        self.assertEqual(list(self.results(1)), [2])
        gate.set()
        self.assertEqual(sorted(self.results(2)), [1, 3])

    def test_what_is_of_another_session_is_not_begun_and_not_sent(self):
        gate = threading.Event()
        self.addCleanup(gate.set)
        self.serve(lambda asked: gate.wait(20) and [float(asked.id)] * 2)
        self.give(task(id=1), task(id=2))
        time.sleep(0.1)
        self.hello("prm", session=9)
        self.give(task(id=3), session=5)
        self.give(task(id=4))
        gate.set()
        self.assertEqual(list(self.results(1)), [4])

    def test_what_cannot_be_read_is_passed_over(self):
        self.serve(lambda asked: [0.5, 0.5])
        for bad in (b"", b"\xff", b"[]", b'{"type": 7}', b'{"session": 5}', b'{"type":"new","session":5}'):
            self.worker.send(bad)
        self.give(task(id=1))
        self.assertEqual(list(self.results(1)), [1])

    def test_without_address_and_worker_serve_says_what_to_do(self):
        os.environ.pop("ESPALIER_URL", None)
        with self.assertRaisesRegex(SystemExit, "command: ..."):
            espalier.serve()

    def test_without_an_engine_there_is_nothing_to_serve(self):
        with self.assertRaisesRegex(ValueError, "decorate a function"):
            espalier.Server("ipc:///tmp/x", functions={})


if __name__ == "__main__":
    unittest.main()
