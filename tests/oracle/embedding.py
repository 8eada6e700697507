#!/usr/bin/env python3
"""BitNet-embedding's two networks, those of Qwen3 and Gemma 3 with a norm before every linear layer, in float64.

    embedding.py > embedding.json

src/engine/embed_test.cpp writes the same checkpoints and compares the engine's vectors with what this prints. Every
weight is a hash of the model's seed, the tensor's name and the element's place, and exact in bfloat16. Seeds are such that no number
lies near the border between two integers when it is quantized, so that float32 quantizes alike; see MARGIN.
"""

import json
import math

MARGIN = 2e-4  # of a step, where an activation or a weight becomes an integer

COMMON = {
    "hidden_size": 24, "intermediate_size": 40, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8,
    "vocab_size": 32, "max_position_embeddings": 64, "rms_norm_eps": 1e-6,
}
MODELS = [
    {
        "seed": 2, "prefix": "model.", "texts": [[5, 17, 3, 3, 29, 11], [8, 1], [30]],
        "config": COMMON | {
            "architectures": ["Qwen3ForCausalLM"], "num_hidden_layers": 2, "hidden_act": "silu",
            "rope_theta": 1000000.0, "tie_word_embeddings": True, "sliding_window": None,
            "layer_types": ["full_attention", "full_attention"],
        },
    },
    {
        "seed": 15, "prefix": "", "texts": [[2, 9, 9, 31, 14, 6, 20, 9, 1], [2, 26, 1]],
        "config": COMMON | {
            "architectures": ["Gemma3TextModel"], "num_hidden_layers": 3, "hidden_activation": "gelu_pytorch_tanh",
            "rope_theta": 1000000.0, "rope_local_base_freq": 10000.0, "sliding_window": 4,
            "query_pre_attn_scalar": 12, "final_logit_softcapping": None, "use_bidirectional_attention": False,
            "layer_types": ["sliding_attention", "full_attention", "sliding_attention"],
        },
    },
]


def element(seed, name, i):
    """An integer from 0 to 65535."""
    h = 2166136261
    for value in f"{seed}:{name}".encode() + i.to_bytes(4, "little"):
        h = ((h ^ value) * 16777619) & 0xFFFFFFFF
        h ^= h >> 15
    return h >> 16


def round_half_even(x):
    """Python's round() is that; and nothing may be near a tie."""
    global margin
    margin = min(margin, abs(x - math.floor(x) - 0.5))
    return round(x)


def rms_norm(x, weight, eps):
    scale = 1 / math.sqrt(sum(v * v for v in x) / len(x) + eps)
    return [v * scale * w for v, w in zip(x, weight)]


def rotated(head, position, theta):
    half = len(head) // 2
    out = list(head)
    for i in range(half):
        angle = position / theta ** (2 * i / len(head))
        a, b = head[i], head[i + half]
        out[i] = a * math.cos(angle) - b * math.sin(angle)
        out[i + half] = b * math.cos(angle) + a * math.sin(angle)
    return out


class Model:
    def __init__(self, model):
        self.seed, self.prefix, self.c = model["seed"], model["prefix"], model["config"]
        self.gemma = self.c["architectures"][0].startswith("Gemma3")
        self.linears = {}

    def matrix(self, name, rows, cols):
        value = lambda i: (element(self.seed, f"{self.prefix}{name}.weight", i) % 255 - 127) / 128
        return [[value(r * cols + c) for c in range(cols)] for r in range(rows)]

    def norm(self, x, name, plain=False):
        """Gemma's own norms scale by 1 + weight; those before linear layers do not."""
        tensor = f"{self.prefix}{name}.weight"
        stored = [(element(self.seed, tensor, i) % 65 + 96) / 128 for i in range(len(x))]
        weight = [w + 1 for w in stored] if self.gemma and not plain else stored
        return rms_norm(x, weight, self.c["rms_norm_eps"])

    def linear(self, x, name, out):
        if name not in self.linears:
            master = self.matrix(name, out, len(x))
            mean = sum(abs(w) for row in master for w in row) / (out * len(x))
            self.linears[name] = mean, [[max(-1, min(1, round_half_even(w / mean))) for w in row] for row in master]
        mean, ternary = self.linears[name]
        x = self.norm(x, f"{name}.norm", plain=True)
        scale = 127 / max(max(abs(v) for v in x), 1e-5)
        q = [max(-128, min(127, round_half_even(v * scale))) for v in x]
        return [sum(a * b for a, b in zip(q, row)) / scale * mean for row in ternary]

    def attention(self, xs, layer):
        c, at = self.c, f"layers.{layer}.self_attn"
        dim, heads, kv_heads = c["head_dim"], c["num_attention_heads"], c["num_key_value_heads"]
        slides = c["layer_types"][layer] == "sliding_attention"
        theta = c["rope_local_base_freq"] if slides else c["rope_theta"]
        window = c["sliding_window"] if slides else len(xs)
        split = lambda row: [row[i:i + dim] for i in range(0, len(row), dim)]
        turned = lambda row, name, position: [rotated(self.norm(head, f"{at}.{name}"), position, theta)
                                              for head in split(row)]
        q = [turned(self.linear(x, f"{at}.q_proj", heads * dim), "q_norm", t) for t, x in enumerate(xs)]
        k = [turned(self.linear(x, f"{at}.k_proj", kv_heads * dim), "k_norm", t) for t, x in enumerate(xs)]
        v = [split(self.linear(x, f"{at}.v_proj", kv_heads * dim)) for x in xs]
        scaling = 1 / math.sqrt(c.get("query_pre_attn_scalar", dim))
        out = []
        for t in range(len(xs)):
            row = []
            seen = range(max(0, t + 1 - window), t + 1)
            for h in range(heads):
                g = h // (heads // kv_heads)
                scores = [scaling * sum(a * b for a, b in zip(q[t][h], k[j][g])) for j in seen]
                weights = [math.exp(s - max(scores)) for s in scores]
                row += [sum(w * v[j][g][d] for w, j in zip(weights, seen)) / sum(weights) for d in range(dim)]
            out.append(self.linear(row, f"{at}.o_proj", c["hidden_size"]))
        return out

    def act(self, x):
        if self.gemma:
            return 0.5 * x * (1 + math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x ** 3)))
        return x / (1 + math.exp(-x))

    def feed_forward(self, x, layer):
        at = f"layers.{layer}.mlp"
        gate = self.linear(x, f"{at}.gate_proj", self.c["intermediate_size"])
        up = self.linear(x, f"{at}.up_proj", self.c["intermediate_size"])
        return self.linear([self.act(a) * b for a, b in zip(gate, up)], f"{at}.down_proj", self.c["hidden_size"])

    def hidden(self, ids):
        """After the final norm, a row for each id."""
        c = self.c
        table = self.matrix("embed_tokens", c["vocab_size"], c["hidden_size"])
        factor = math.sqrt(c["hidden_size"]) if self.gemma else 1
        xs = [[v * factor for v in table[i]] for i in ids]
        add = lambda x, y: [a + b for a, b in zip(x, y)]
        before_mlp = "pre_feedforward_layernorm" if self.gemma else "post_attention_layernorm"
        for layer in range(c["num_hidden_layers"]):
            at = f"layers.{layer}"
            branch = self.attention([self.norm(x, f"{at}.input_layernorm") for x in xs], layer)
            if self.gemma:
                branch = [self.norm(y, f"{at}.post_attention_layernorm") for y in branch]
            xs = [add(x, y) for x, y in zip(xs, branch)]
            branch = [self.feed_forward(self.norm(x, f"{at}.{before_mlp}"), layer) for x in xs]
            if self.gemma:
                branch = [self.norm(y, f"{at}.post_feedforward_layernorm") for y in branch]
            xs = [add(x, y) for x, y in zip(xs, branch)]
        return [self.norm(x, "norm") for x in xs]


def shortened(rows):
    return [[float(f"{v:.9g}") for v in row] for row in rows]


def main():
    global margin
    for model in MODELS:
        margin = 1
        network = Model(model)
        model["hidden"] = [shortened(network.hidden(ids)) for ids in model["texts"]]
        last = [rows[-1] for rows in model["hidden"]]
        model["embeddings"] = shortened([[v / math.sqrt(sum(w * w for w in x)) for v in x] for x in last])
        assert margin > MARGIN, (model["seed"], margin)
    print(json.dumps({"models": MODELS}, separators=(",", ":")))


if __name__ == "__main__":
    main()
