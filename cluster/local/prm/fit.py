# SPDX-License-Identifier: Apache-2.0
"""fit.py - earned labels -> a small network for each count of numbers left -> a file of weights

    python fit.py WEIGHTS.json HARVEST...      HARVEST: output folders of runs that wrote `stepwise` samples

A state is good if some rollout from it passed (Math-Shepherd's hard estimation): the value is how likely that is.  The networks
are scikit-learn's MLPClassifier.  The format of the file: docs/embedded.md.
"""
import json
import os
import sys
import time
import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import roc_auc_score
from sklearn.neural_network import MLPClassifier

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import features  # noqa: E402
import labels  # noqa: E402

UNITS = {2: (32, 16), 3: (96, 48), 4: (32, 16), 5: (32, 16)}    # by numbers left
SCHEDULE = ((2e-3, 24), (1e-3, 14), (3e-4, 10))                 # learning rate, passes over the states: half as many lose 0.04 of AUC
BATCH, DECAY = 128, 3e-4                                        # batches of 512 lose 0.02
BY_COUNT = {2}                                                  # left: a state counts as often as branches met it; 3 left: that loses 0.02
LEAST_STATES = 200                                              # fewer are no network: the engine's own value stands in
HELD_BACK = 0.02                                                # of the puzzles: only to say how well the fit does
FORMAT = {"format": "espalier puzzle values", "version": 1}


def train(left, x, good, weight, seed):
    """layers for raw features: [weights [inputs, units], biases [units]] each"""
    mean, spread = x.mean(0), np.maximum(x.std(0), .1)
    model = MLPClassifier(UNITS[left], batch_size=min(BATCH, len(x)), alpha=DECAY, warm_start=True, tol=0, n_iter_no_change=10 ** 6,
                          random_state=seed)
    for rate, passes in SCHEDULE:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)     # the number of passes is ours
            model.set_params(learning_rate_init=rate, max_iter=passes).fit((x - mean) / spread, good, sample_weight=weight)
    layers = [[w.astype(float), b.astype(float)] for w, b in zip(model.coefs_, model.intercepts_)]
    layers[0][0] = layers[0][0] / spread[:, None]
    layers[0][1] = layers[0][1] - mean @ layers[0][0]
    return layers


def rounded(v):
    """four digits: what is left out is less than what another seed changes"""
    return float(f"{v:.4g}") if abs(v) >= 5e-5 else 0


def packed(left, layers):
    return {"left": left, "features": features.VIEWS[left], "units": list(UNITS[left]),
            "layers": [[rounded(v) for v in np.concatenate([w.ravel(), b])] for w, b in layers]}


def values(network, x):
    """what the engine makes of these features with the packed network"""
    units = network["units"] + [1]
    x = x.astype(float)
    for i, numbers in enumerate(network["layers"]):
        table = np.array(numbers).reshape(-1, units[i])
        x = x @ table[:-1] + table[-1]
        if i + 1 < len(units):
            x = np.maximum(x, 0)
    return np.clip(1 / (1 + np.exp(-x[:, 0])), .001, .999)


def fit_one(left, states, seed):
    start = time.monotonic()
    x = features.features(features.VIEWS[left], states.numbers, states.target)
    good, test = states.good, states.fold < HELD_BACK
    if test.all() or not test.any():
        test = np.zeros(len(x), bool)
    weight = states.met[~test] / states.met[~test].mean() if left in BY_COUNT else None
    network = packed(left, train(left, x[~test], good[~test], weight, seed))
    line = f"  {left} left: {len(x)} states labelled by {states.rollouts} rollouts, {100 * good.mean():.1f} % good; {time.monotonic() - start:.0f} s"
    if 0 < good[test].sum() < test.sum():
        line += f"; AUC on {test.sum()} states of puzzles held back {roc_auc_score(good[test], values(network, x[test])):.3f}"
    print(line, flush=True)
    return network


def write(path, networks, made_by):
    """whole or not at all"""
    head = json.dumps(dict(FORMAT, made_by=made_by))[:-1]
    with open(path + ".tmp", "w", encoding="ascii") as out:
        out.write(head + ',\n "networks": [\n')
        for i, network in enumerate(networks):
            layers = ",\n   ".join(json.dumps(layer, separators=(",", ":")) for layer in network.pop("layers"))
            out.write("  " + json.dumps(network)[:-1] + ', "layers": [\n   ' + layers + "]}" + (",\n" if i + 1 < len(networks) else "\n"))
        out.write(" ]}\n")
    os.replace(path + ".tmp", path)


def fit(path, folders, seed, made_by):
    networks = []
    for left, states in sorted(labels.read(folders).items()):
        if left not in UNITS or len(states) < LEAST_STATES or not 0 < states.good.sum() < len(states):
            print(f"  {left} left: {len(states)} states are too few for a network", flush=True)
            continue
        networks.append(fit_one(left, states, seed))
    if not networks:
        raise SystemExit("train-prm: there are not enough labels for any network; harvest more (--puzzles)")
    write(path, networks, made_by)


if __name__ == "__main__":
    if len(sys.argv) < 3:
        raise SystemExit(__doc__)
    fit(sys.argv[1], sys.argv[2:], 1, os.environ.get("ESP_MADE_BY", "cluster/local/prm/fit.py"))
