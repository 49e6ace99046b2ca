#!/usr/bin/env python3
"""Writes goldens/passages: what `retromae` and `dupmae` compute, by torch in doubles.

Usage: scripts/goldens/passages.py [FOLDER]       (needs the Python packages torch, transformers, safetensors)

The encoder and the vocabulary head are BertForMaskedLM; the decoder layer, its masks and the bag of words are written here from
the definition. Each folder holds the saved encoder, `golden.json` with inputs, targets and the loss of each term, and
`expected.safetensors` with the decoder's weights and the gradient of every parameter. Weights are wild on purpose, as in
huggingface_models.py.
"""

import json
import math
import pathlib
import shutil
import sys

if __name__ == "__main__":
    sys.path.pop(0)

import safetensors.torch
import torch
import transformers
from torch.nn.functional import cross_entropy, gelu, log_softmax

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "goldens" / "passages"
MASK, CLS, SEP, FIRST, VOCABULARY = 1, 2, 3, 4, 61
SAMPLES, LENGTH = 3, 13
KINDS = {"retromae": {"query": "raw", "bag": None}, "dupmae": {"query": "embedded", "bag": "assigned"},
         "dupmae-accumulated": {"query": "raw", "bag": "accumulated"}}  # fmt: skip
BAG_WEIGHT = 0.1


class Decoder(torch.nn.Module):
    """One layer: h = norm1(q + attention(q, rows)), y = norm2(h + down(gelu(up(h))))."""

    def __init__(self, config):
        super().__init__()
        d = config.hidden_size
        self.heads = config.num_attention_heads
        self.attention = torch.nn.ModuleDict(
            {"q": torch.nn.Linear(d, d), "kv": torch.nn.Linear(d, 2 * d), "out": torch.nn.Linear(d, d)})  # fmt: skip
        self.feedForward = torch.nn.ModuleDict(
            {"up": torch.nn.Linear(d, config.intermediate_size), "down": torch.nn.Linear(config.intermediate_size, d)})  # fmt: skip
        self.norm1 = torch.nn.LayerNorm(d, eps=config.layer_norm_eps)
        self.norm2 = torch.nn.LayerNorm(d, eps=config.layer_norm_eps)

    def forward(self, queries, rows, visible):
        b, l, d = queries.shape
        split = lambda x: x.reshape(b, l, self.heads, d // self.heads).transpose(1, 2)  # noqa: E731
        keys, values = self.attention["kv"](rows).chunk(2, dim=-1)
        scores = split(self.attention["q"](queries)) @ split(keys).transpose(-1, -2) / math.sqrt(d // self.heads)
        weights = scores.masked_fill(~visible[:, None], -math.inf).softmax(-1)
        mixed = (weights @ split(values)).transpose(1, 2).reshape(b, l, d)
        h = self.norm1(queries + self.attention["out"](mixed))
        return self.norm2(h + self.feedForward["down"](gelu(self.feedForward["up"](h))))


def randomize(module, random):
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            values = torch.randn(parameter.shape, generator=random)
            is_norm = parameter.ndim == 1 and "norm" in name.lower() and name.endswith("weight")
            parameter.copy_(1 + 0.3 * values if is_norm else (0.3 if parameter.ndim == 1 else 0.25) * values)


def inputs(random):
    """Passages with repeated words, the last one padded; a mask for the encoder and a view for each row of the decoder."""
    clean = torch.randint(FIRST, FIRST + 12, (SAMPLES, LENGTH), generator=random)
    real = torch.ones_like(clean)
    real[-1, LENGTH - 4 :] = 0
    clean[:, 0] = CLS
    for row in range(SAMPLES):
        clean[row, real[row].sum() - 1] = SEP
    clean[real == 0] = 0
    ordinary = clean >= FIRST
    predicted = ordinary & (torch.rand(clean.shape, generator=random) < 0.4)
    masked = torch.where(predicted & (torch.rand(clean.shape, generator=random) < 0.8), MASK, clean)
    visible = (torch.rand((SAMPLES, LENGTH, LENGTH), generator=random) < 0.5) & (real[:, None] == 1)
    visible[:, torch.arange(LENGTH), torch.arange(LENGTH)] = False
    visible[:, :, 0] = True
    return clean, masked, real, ordinary, predicted, visible


def bag_of(row, counts):
    """First positions, ids and weights of the distinct ordinary words of one passage."""
    places = [i for i in range(1, LENGTH) if row[i] >= FIRST]
    ids = [row[i].item() for i in places]
    first = {}
    for i, word in zip(places, ids):
        first.setdefault(word, i)
    weigh = (lambda word: ids.count(word)) if counts == "accumulated" else (lambda word: 1)
    return [(i, word, weigh(word) / len(ids)) for word, i in first.items()]


def compute(model, decoder, kind, clean, masked, real, ordinary, predicted, visible):
    embeddings = model.bert.embeddings
    hidden = model.bert(input_ids=masked, attention_mask=real).last_hidden_state
    passage = hidden[:, :1]
    rows = torch.cat([passage, embeddings(input_ids=clean)[:, 1:]], dim=1)
    spread = passage.expand(-1, LENGTH, -1)
    if kind["query"] == "raw":
        queries = spread + embeddings.position_embeddings.weight[:LENGTH]
    else:
        queries = embeddings(inputs_embeds=spread)
    decoded = decoder(queries, rows, visible)
    logits = model.cls(hidden)
    sums = [cross_entropy(logits[predicted], clean[predicted], reduction="sum"),
            cross_entropy(model.cls(decoded)[ordinary], clean[ordinary], reduction="sum")]  # fmt: skip
    counts, weights = [int(predicted.sum()), int(ordinary.sum())], [1.0, 1.0]
    bags = [bag_of(clean[s], kind["bag"]) for s in range(SAMPLES)] if kind["bag"] else []
    if bags:
        total = 0.0
        for s, bag in enumerate(bags):
            u = logits[s, 1 : real[s].sum()].max(dim=0).values
            total = total - sum(w * log_softmax(u, -1)[word] for _, word, w in bag)
        sums.append(total)
        counts.append(SAMPLES)
        weights.append(BAG_WEIGHT)
    return sums, counts, weights, bags


def targets(mask, clean):
    rows = torch.nonzero(mask.flatten()).flatten().tolist()
    return {"rows": rows, "ids": clean.flatten()[rows].tolist(), "weights": [1.0] * len(rows)}


def record(name, kind, folder, seed):
    random = torch.Generator().manual_seed(seed)
    config = transformers.BertConfig(
        vocab_size=VOCABULARY, hidden_size=18, num_hidden_layers=2, num_attention_heads=3, intermediate_size=26,
        max_position_embeddings=LENGTH + 1, type_vocab_size=2, layer_norm_eps=0.02, hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0, pad_token_id=0)  # fmt: skip
    model, decoder = transformers.BertForMaskedLM(config), Decoder(config)
    randomize(model, random)
    randomize(decoder, random)
    shutil.rmtree(folder, ignore_errors=True)
    model.save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    tensors = {f"decoder.{n}": p.detach().clone() for n, p in decoder.named_parameters()}
    model, decoder = model.double().eval(), decoder.double().eval()
    clean, masked, real, ordinary, predicted, visible = inputs(random)
    sums, counts, weights, bags = compute(model, decoder, kind, clean, masked, real, ordinary, predicted, visible)
    loss = sum(w * s / n for w, s, n in zip(weights, sums, counts))
    loss.backward()
    named = list(model.named_parameters()) + [(f"decoder.{n}", p) for n, p in decoder.named_parameters()]
    tensors.update({f"gradient.{n}": p.grad.float().contiguous() for n, p in named if p.grad is not None})
    safetensors.torch.save_file(tensors, str(folder / "expected.safetensors"))
    terms = [targets(predicted, clean), targets(ordinary, clean)]
    if bags:
        words = [(s * LENGTH + i, word, w) for s, bag in enumerate(bags) for i, word, w in bag]
        terms.append({"rows": [w[0] for w in words], "ids": [w[1] for w in words], "weights": [w[2] for w in words]})
    golden = {
        "versions": {m.__name__: m.__version__ for m in (torch, transformers)}, "query": kind["query"], "bag_counts": kind["bag"] or "",
        "samples": SAMPLES, "length": LENGTH, "clean": clean.flatten().tolist(), "masked": masked.flatten().tolist(),
        "real": real.flatten().tolist(), "visible": visible.flatten().int().tolist(), "targets": terms, "counts": counts,
        "weights": weights, "losses": [(s / n).item() for s, n in zip(sums, counts)],
    }  # fmt: skip
    (folder / "golden.json").write_text(json.dumps(golden, separators=(",", ":"), sort_keys=True) + "\n")
    print(name, "losses", golden["losses"], {p.name: p.stat().st_size for p in sorted(folder.iterdir())})


def main():
    target = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    for seed, (name, kind) in enumerate(KINDS.items(), start=1):
        record(name, kind, target / name, seed)


if __name__ == "__main__":
    main()
