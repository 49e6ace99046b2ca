"""Records what numpy finds in the small worlds of docs/small-worlds.md, written without a look at the Swift code's structure.

Usage: python3 scripts/goldens/small_worlds.py goldens/small-worlds.json
Dense matrices and numpy.linalg.svd, a breadth-first search for components, least squares by lstsq. The worlds are drawn by the
generator that docs/numerics.md names, so that both sides describe the same six.
"""

import itertools
import json
import sys

import numpy as np

M32, M64 = 2**32 - 1, 2**64 - 1
V, L = 4, 5


def mix(value):
    z = (value + 0x9E3779B97F4A7C15) & M64
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & M64
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & M64
    return z ^ (z >> 31)


def philox(counter, key):
    (c0, c1, c2, c3), (k0, k1) = counter, key
    for _ in range(10):
        p0, p1 = c0 * 0xD2511F53, c2 * 0xCD9E8D57
        c0, c1, c2, c3 = (p1 >> 32) ^ c1 ^ k0, p1 & M32, (p0 >> 32) ^ c3 ^ k1, p0 & M32
        k0, k1 = (k0 + 0x9E3779B9) & M32, (k1 + 0xBB67AE85) & M32
    return c0, c1, c2, c3


def uniform(seed, element, purpose=6, site=0x574F524C):
    mixed = mix(seed ^ (purpose * 0x9E3779B97F4A7C15) & M64)
    words = philox((element >> 1, site, 0, 0), (mixed & M32, mixed >> 32))
    pair = (element & 1) * 2
    return ((words[pair] | words[pair + 1] << 32) >> 11) * 2.0**-53


def world(seed):
    chains = np.full((2, V, V), 0.15 / V)
    for label in range(2):
        for token in range(V):
            u = uniform(seed, 4 * label + token)
            chains[label, token, 2 * label] += 0.85 * u
            chains[label, token, 2 * label + 1] += 0.85 * (1 - u)
    return chains


def predictions(scheme, size):
    if scheme == "ahead":
        for i in range(L - 1):
            inside = [i + offset for offset in range(1, size + 1) if i + offset < L]
            for place in inside:
                yield tuple(range(i + 1)), place, 1 / (L - 1) / len(inside)
    else:
        patterns = list(itertools.combinations(range(L), size))
        for holes in patterns:
            for hole in holes:
                yield tuple(i for i in range(L) if i not in holes), hole, 1 / len(patterns) / size


def figures(chains, scheme, size, aware):
    predicted = list(predictions(scheme, size))
    joint, labels = {}, {}
    for text in itertools.product(range(V), repeat=L):
        p = [np.prod([chains[y][a][b] for a, b in zip(text, text[1:])]) / V / 2 for y in range(2)]
        for visible, place, share in predicted:
            condition = (visible, tuple(text[i] for i in visible))
            target = (place, text[place]) if aware else text[place]
            joint[condition, target] = joint.get((condition, target), 0) + sum(p) * share
            labels.setdefault(condition, np.zeros(2))
            labels[condition] += np.array(p) * share
    rows = sorted({c for c, _ in joint})
    columns = sorted({t for _, t in joint})
    at = {c: i for i, c in enumerate(rows)}, {t: i for i, t in enumerate(columns)}
    P = np.zeros((len(rows), len(columns)))
    for (c, t), p in joint.items():
        P[at[0][c], at[1][t]] = p
    pc, pt = P.sum(1), P.sum(0)
    A = P / np.sqrt(np.outer(pc, pt))
    u, s, _ = np.linalg.svd(A, full_matrices=False)
    y = np.array([labels[c] for c in rows])
    features = u[:, :6] / np.sqrt(pc)[:, None]
    weight = np.sqrt(pc)[:, None]
    answer = (y[:, 0] - y[:, 1]) / pc
    fit = np.linalg.lstsq(features * weight, answer * weight[:, 0], rcond=None)[0]
    score = features @ fit
    return {
        "scheme": scheme, "size": size, "position_aware": aware, "conditions": len(rows), "targets": len(columns),
        "components": components(P > 0), "singular_values": s.tolist(), "squared_sum": float((A**2).sum()),
        # Features of one part of the graph are zero in the others: there the rule must guess.
        "probe_error": float(np.where(abs(score) < 1e-9, y.mean(1), np.where(score > 0, y[:, 1], y[:, 0])).sum()), "bayes_error": float(y.min(1).sum()),
    }


def components(linked):
    left, count = set(range(linked.shape[0])), 0
    while left:
        count += 1
        front = {left.pop()}
        while front:
            columns = linked[sorted(front)].any(0)
            front = set(np.nonzero(linked[:, columns].any(1))[0].tolist()) & left
            left -= front
    return count


def main(path):
    cases = [("ahead", m) for m in (1, 2, 3, 4)] + [("masked", n) for n in (1, 2, 3)]
    worlds = []
    for seed in range(6):
        chains = world(seed)
        found = [figures(chains, *case, aware) for aware in (True, False) for case in cases]
        worlds.append({"seed": seed, "transitions": chains.reshape(2, -1).tolist(), "figures": found})
    with open(path, "w") as file:
        json.dump({"numpy": np.__version__, "worlds": worlds}, file, separators=(",", ":"))
        file.write("\n")


main(sys.argv[1])
