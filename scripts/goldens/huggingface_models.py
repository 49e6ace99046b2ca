#!/usr/bin/env python3
"""Writes goldens/models: small random models of the `transformers` library, and what they compute.

Usage: scripts/goldens/huggingface_models.py [FOLDER]       (needs the Python packages torch, transformers, safetensors)

Each folder is what save_pretrained writes, with two files beside it. `golden.json`: versions, inputs, labels, the loss and,
for some models, the losses and gradient norms of ten AdamW steps. `expected.safetensors`: the logits of every position and
the gradient of every parameter, under the library's names. The weights are floats, the arithmetic runs in doubles, save
what the classes themselves do in floats (Llama's norms and angles). Models are wild on purpose: no weight is small enough
for a wrong epsilon, a missing bias or swapped projections to pass unseen.
"""

import json
import pathlib
import shutil
import sys

if __name__ == "__main__":
    sys.path.pop(0)  # this folder, where another script would be taken for the library of its name

import safetensors
import safetensors.torch
import torch
import transformers

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "goldens" / "models"
IGNORED = -100
ADAMW = {"learning_rate": 1e-2, "beta1": 0.9, "beta2": 0.95, "epsilon": 1e-8, "weight_decay": 0.1, "max_grad_norm": 1.0}
QUIET = {"resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0}
STILL = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}


def gpt2(**options):
    return transformers.GPT2LMHeadModel(transformers.GPT2Config(bos_token_id=0, eos_token_id=0, **QUIET, **options))


def bert(**options):
    return transformers.BertForMaskedLM(transformers.BertConfig(pad_token_id=0, **STILL, **options))


def llama(theta=10000.0, **options):
    rope = {"rope_type": "default", "rope_theta": theta}
    return transformers.LlamaForCausalLM(transformers.LlamaConfig(bos_token_id=0, eos_token_id=0, rope_parameters=rope, **options))


# Name: how to make it, samples, length, whether ten steps are recorded. Lengths above 64 cross a block of attention.
MODELS = {
    "gpt2": (lambda: gpt2(vocab_size=61, n_positions=70, n_embd=24, n_layer=2, n_head=3), 2, 67, True),
    "gpt2-gelu-untied": (
        lambda: gpt2(
            vocab_size=53, n_positions=19, n_embd=40, n_layer=3, n_head=2, n_inner=52, activation_function="gelu",
            tie_word_embeddings=False, layer_norm_epsilon=0.03),
        3, 19, False),
    "bert": (
        lambda: bert(
            vocab_size=97, max_position_embeddings=70, hidden_size=36, num_hidden_layers=2, num_attention_heads=3,
            intermediate_size=50, type_vocab_size=2, layer_norm_eps=0.02),
        3, 66, True),
    "bert-gelu-new-untied": (
        lambda: bert(
            vocab_size=83, max_position_embeddings=33, hidden_size=24, num_hidden_layers=3, num_attention_heads=2,
            intermediate_size=41, type_vocab_size=3, hidden_act="gelu_new", tie_word_embeddings=False),
        2, 31, False),
    "llama": (
        lambda: llama(
            vocab_size=71, max_position_embeddings=70, hidden_size=28, intermediate_size=41, num_hidden_layers=2,
            num_attention_heads=2, num_key_value_heads=2, rms_norm_eps=0.02, tie_word_embeddings=False),
        2, 70, True),
    "llama-tied": (
        lambda: llama(
            theta=500.0, vocab_size=59, max_position_embeddings=29, hidden_size=40, intermediate_size=64, num_hidden_layers=3,
            num_attention_heads=4, num_key_value_heads=4, tie_word_embeddings=True),
        2, 29, False),
}  # fmt: skip


def randomize(model, seed: int):
    """Weights far from their initial values: matrices of deviation 0.25, biases of 0.3, norm weights around one."""
    random = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            values = torch.randn(parameter.shape, generator=random)
            is_norm = parameter.ndim == 1 and name.endswith("weight")
            parameter.copy_(1 + 0.3 * values if is_norm else (0.3 if parameter.ndim == 1 else 0.25) * values)


def inputs(model, samples: int, length: int, seed: int):
    """Tokens, which of them are real (an encoder's last sample is padded), and labels as the class takes them."""
    random = torch.Generator().manual_seed(seed)
    tokens = torch.randint(1, model.config.vocab_size, (samples, length), generator=random)
    mask = torch.ones_like(tokens)
    labels = tokens.clone()
    if is_causal(model):
        labels[torch.rand(labels.shape, generator=random) < 0.2] = IGNORED
    else:
        mask[-1, length - length // 3 :] = 0
        tokens[mask == 0] = 0
        labels = torch.randint(1, model.config.vocab_size, (samples, length), generator=random)
        labels[(torch.rand(labels.shape, generator=random) < 0.7) | (mask == 0)] = IGNORED
    return tokens, mask, labels


def is_causal(model) -> bool:
    return model.config.model_type != "bert"


def compute(model, tokens, mask, labels):
    """Logits and the mean loss, in doubles; held against the loss that the class itself computes, in floats."""
    output = model(input_ids=tokens, attention_mask=mask, labels=labels)
    logits = output.logits
    aligned, targets = (logits[:, :-1], labels[:, 1:]) if is_causal(model) else (logits, labels)
    loss = torch.nn.functional.cross_entropy(
        aligned.reshape(-1, aligned.shape[-1]), targets.reshape(-1), ignore_index=IGNORED)  # fmt: skip
    assert abs(loss.item() - output.loss.item()) < 1e-5 * loss.item(), (loss, output.loss)
    return logits, loss


def ten_steps(model, tokens, mask, labels):
    decayed = [p for p in model.parameters() if p.ndim >= 2]
    plain = [p for p in model.parameters() if p.ndim < 2]
    optimizer = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": ADAMW["weight_decay"]}, {"params": plain, "weight_decay": 0.0}],
        lr=ADAMW["learning_rate"], betas=(ADAMW["beta1"], ADAMW["beta2"]), eps=ADAMW["epsilon"])  # fmt: skip
    losses, norms = [], []
    for _ in range(10):
        optimizer.zero_grad()
        _, loss = compute(model, tokens, mask, labels)
        loss.backward()
        norms.append(torch.nn.utils.clip_grad_norm_(model.parameters(), ADAMW["max_grad_norm"]).item())
        losses.append(loss.item())
        optimizer.step()
    return {"options": ADAMW, "losses": losses, "gradient_norms": norms}


def record(model, folder: pathlib.Path, tokens, mask, labels, steps=False):
    """The two files beside a saved model. `model` is left in doubles."""
    model = model.double().eval()
    logits, loss = compute(model, tokens, mask, labels)
    model.zero_grad()
    loss.backward()
    tensors = {f"gradient.{name}": p.grad.float() for name, p in model.named_parameters() if p.grad is not None}
    tensors["logits"] = logits.detach().float().reshape(-1, logits.shape[-1])
    safetensors.torch.save_file({name: t.contiguous() for name, t in tensors.items()}, str(folder / "expected.safetensors"))
    golden = {
        "versions": {m.__name__: m.__version__ for m in (torch, transformers, safetensors)},
        "samples": tokens.shape[0], "length": tokens.shape[1], "tokens": tokens.flatten().tolist(), "real": mask.flatten().tolist(),
        "labels": labels.flatten().tolist(), "loss": loss.item(),
    }  # fmt: skip
    if steps:
        golden["steps"] = ten_steps(model, tokens, mask, labels)
    (folder / "golden.json").write_text(json.dumps(golden, separators=(",", ":"), sort_keys=True) + "\n")
    return golden


def main():
    target = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    for seed, (name, (make, samples, length, steps)) in enumerate(MODELS.items(), start=1):
        folder = target / name
        shutil.rmtree(folder, ignore_errors=True)
        model = make()
        randomize(model, seed)
        model.save_pretrained(folder)
        (folder / "generation_config.json").unlink(missing_ok=True)
        golden = record(model, folder, *inputs(model, samples, length, 100 + seed), steps=steps)
        sizes = {path.name: path.stat().st_size for path in sorted(folder.iterdir())}
        print(name, "loss", golden["loss"], golden.get("steps", {}).get("losses", ""), sizes)


if __name__ == "__main__":
    main()
