#!/usr/bin/env python3
"""Contrastive search (Su et al. 2022), written down plainly and slowly, on a model that is a formula.

    contrastive_search.py > contrastive_search.json

src/generate/contrastive_search_test.cpp compares the engine's search with what this prints. The model is that of
tests/support/fake_model.h: logits and hidden states are hashes of all ids so far.
"""

import json
import math

VOCAB = 23
HIDDEN = 6


def scrambled(ids, what):
    h = 2166136261
    for value in list(ids) + [what, what * 2654435761 & 0xFFFFFFFF]:
        h = ((h ^ value) * 16777619) & 0xFFFFFFFF
        h ^= h >> 15
    return h >> 16


def logits_of(ids):
    return [scrambled(ids, i) / 8192.0 - 4.0 for i in range(VOCAB)]


def hidden_of(ids):
    # Mostly the last id's own, so that a token resembles itself at another place.
    return [scrambled(ids[-1:], 1000 + d) / 32768.0 - 1.0 + (scrambled(ids, 2000 + d) / 32768.0 - 1.0) / 4.0
            for d in range(HIDDEN)]


def softmax(logits):
    most = max(logits)
    weights = [math.exp(x - most) for x in logits]
    return [w / sum(weights) for w in weights]


def cosine(a, b):
    dot = sum(x * y for x, y in zip(a, b))
    return dot / math.sqrt(sum(x * x for x in a)) / math.sqrt(sum(x * x for x in b))


def contrastive_search(prompt, new_tokens, top_k, alpha, eos):
    ids = list(prompt)
    margin = math.inf
    for _ in range(new_tokens):
        p = softmax(logits_of(ids))
        candidates = sorted(range(VOCAB), key=lambda i: (-p[i], i))[:top_k]
        context = [hidden_of(ids[: n + 1]) for n in range(len(ids))]
        scores = []
        for candidate in candidates:
            hidden = hidden_of(ids + [candidate])
            penalty = max(cosine(hidden, c) for c in context)
            scores.append((1 - alpha) * p[candidate] - alpha * penalty)
        order = sorted(scores, reverse=True)
        margin = min(margin, order[0] - order[1])
        ids.append(candidates[scores.index(order[0])])
        if ids[-1] == eos:
            break
    return ids[len(prompt):], margin


def main():
    cases = []
    for number in range(60):
        prompt = [scrambled([number, n], 7) % VOCAB for n in range(1 + number % 5)]
        top_k = 2 + number % 7
        alpha = [0.1, 0.4, 0.6, 0.8, 1.0][number % 5]
        eos = scrambled([number], 8) % VOCAB
        ids, margin = contrastive_search(prompt, 12, top_k, alpha, eos)
        assert margin > 1e-5, "a near-tie: choose other numbers"
        cases.append({"prompt": prompt, "top_k": top_k, "penalty_alpha": alpha, "eos_token_id": eos, "ids": ids})
    lines = ",\n".join(json.dumps(case) for case in cases)
    print('{"vocab": %d, "hidden": %d, "max_new_tokens": 12, "cases": [\n%s\n]}' % (VOCAB, HIDDEN, lines))


main()
