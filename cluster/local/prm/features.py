# SPDX-License-Identifier: Apache-2.0
"""features.py - what a trained value model sees of a puzzle's state; the same list as worker/engine/embedded_features.c

No feature knows more than two numbers left and the target.  With three or more left none of them plays the puzzle to
its end; with two left there is only the view "numbers".
"""
import numpy as np

TOLERANCE = 1e-9
VIEWS = {2: "numbers", 3: "pairs", 4: "pairs", 5: "pairs"}      # by numbers left


def integer(v):
    return np.abs(v - np.floor(v + .5)) < TOLERANCE * np.maximum(1, np.abs(v))


def zero(v):
    return np.abs(v) < TOLERANCE


def divides(a, b):
    """b / a is an integer (false for a = 0)"""
    return ~zero(a) & integer(b / np.where(zero(a), 1, a))


def log_size(v, scale):
    return np.clip(np.log(np.maximum(np.abs(v), 1e-9) / scale), -4, 3)


def of_number(v, target, scale):
    return [np.clip(v / scale, -4, 4), log_size(v, scale), np.log(1 + np.minimum(np.abs(v), 255)), integer(v),
            integer(v / 2), divides(v, target), divides(target, v), zero(v - 1), zero(v)]


def of_target(target, scale):
    return [np.log(1 + np.minimum(scale, 255))] + [integer(target / p) for p in (2, 3, 4, 5, 7, 8, 9)]


def of_result(r, target, scale):
    return [np.clip(r / scale, -4, 4), log_size(r, scale), integer(r), divides(r, target), divides(target, r),
            np.abs(r - target) < TOLERANCE * scale]


def of_pair(a, b, target, scale):
    quotient = np.where(zero(a), 0, b / np.where(zero(a), 1, a))
    columns = []
    for r in (a + b, b - a, a * b, quotient):
        columns += of_result(r, target, scale)
    return columns + [zero(a - b)]


def features(view, numbers, target):
    """numbers [states, left] ascending, target [states]; gives [states, features] float32"""
    left = numbers.shape[1]
    scale = np.where(zero(target), 1, np.abs(target))
    columns = []
    for i in range(left):
        columns += of_number(numbers[:, i], target, scale)
    columns += of_target(target, scale)
    if view == "pairs":
        for i in range(left):
            for j in range(i + 1, left):
                columns += of_pair(numbers[:, i], numbers[:, j], target, scale)
    return np.stack([np.asarray(c, np.float32) for c in columns], 1)
