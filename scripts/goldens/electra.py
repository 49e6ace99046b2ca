#!/usr/bin/env python3
"""Writes goldens/electra: ELECTRA's pair of networks in the `transformers` library, and what the two compute on the same tokens.

Usage: scripts/goldens/electra.py [FOLDER]       (needs the Python packages torch, transformers, safetensors)

`discriminator` (ElectraForPreTraining) and `generator` (ElectraForMaskedLM) are what save_pretrained writes; the generator's
embeddings are the discriminator's. `golden.json`: masked tokens, original tokens, proposed tokens, both losses. `expected.safetensors`: the
gradient of every parameter of loss = generator + 50 · discriminator; those of the embeddings, which the two share, are added.
The arithmetic runs in doubles.
"""

import importlib.util
import json
import pathlib
import shutil
import sys

HERE = pathlib.Path(__file__).resolve().parent
if __name__ == "__main__":
    sys.path.pop(0)  # this folder, where another script would be taken for the library of its name

import safetensors.torch
import torch
import transformers

FOLDER = HERE.parents[1] / "goldens" / "electra"
SAMPLES, LENGTH, VOCABULARY, WEIGHT = 3, 13, 41, 50.0
PAD, MASK = 0, 4


def models():
    """No padding_idx: the library would drop the gradient of the row that padding and a proposed token may share."""
    common = dict(
        vocab_size=VOCABULARY, embedding_size=12, num_hidden_layers=2, max_position_embeddings=16, type_vocab_size=2, layer_norm_eps=0.02,
        hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, pad_token_id=None,
    )  # fmt: skip
    discriminator = transformers.ElectraConfig(hidden_size=20, num_attention_heads=4, intermediate_size=28, **common)
    generator = transformers.ElectraConfig(hidden_size=5, num_attention_heads=1, intermediate_size=7, **common)
    return transformers.ElectraForPreTraining(discriminator), transformers.ElectraForMaskedLM(generator)


def tokens(random):
    original = torch.randint(5, VOCABULARY, (SAMPLES, LENGTH), generator=random)
    real = torch.ones_like(original)
    real[-1, -4:] = 0
    original[real == 0] = PAD
    drawn = (torch.rand(original.shape, generator=random) < 0.3) & (real == 1)
    masked = original.clone()
    masked[drawn & (torch.rand(original.shape, generator=random) < 0.8)] = MASK
    proposed = original.clone()
    guesses = torch.randint(5, VOCABULARY, original.shape, generator=random)
    lucky = torch.rand(original.shape, generator=random) < 0.25
    proposed[drawn & ~lucky] = guesses[drawn & ~lucky]
    return original, real, drawn, masked, proposed


def main():
    folder = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    shutil.rmtree(folder, ignore_errors=True)
    place = importlib.util.spec_from_file_location("huggingface_models", HERE / "huggingface_models.py")
    shared = importlib.util.module_from_spec(place)
    place.loader.exec_module(shared)
    discriminator, generator = models()
    shared.randomize(discriminator, 31)
    shared.randomize(generator, 32)
    generator.electra.embeddings.load_state_dict(discriminator.electra.embeddings.state_dict())
    for name, model in (("discriminator", discriminator), ("generator", generator)):
        model.save_pretrained(folder / name)
        (folder / name / "generation_config.json").unlink(missing_ok=True)
        model.double().eval()
    original, real, drawn, masked, proposed = tokens(torch.Generator().manual_seed(33))
    labels = torch.where(drawn, original, torch.full_like(original, -100))
    generated = generator(input_ids=masked, attention_mask=real, labels=labels)
    classified = discriminator(input_ids=proposed, attention_mask=real, labels=(proposed != original).long())
    (generated.loss + WEIGHT * classified.loss).backward()
    tensors = {}
    for name, model in (("discriminator", discriminator), ("generator", generator)):
        for parameter, value in model.named_parameters():
            key = f"gradient.{name}.{parameter}"
            if name == "generator" and parameter.startswith("electra.embeddings."):
                key = f"gradient.discriminator.{parameter}"
                tensors[key] = tensors[key] + value.grad
            else:
                tensors[key] = value.grad
    tensors = {name: t.detach().float().contiguous() for name, t in tensors.items()}
    safetensors.torch.save_file(tensors, str(folder / "expected.safetensors"))
    golden = {
        "versions": {m.__name__: m.__version__ for m in (torch, transformers, safetensors)}, "samples": SAMPLES, "length": LENGTH,
        "original": original.flatten().tolist(), "real": real.flatten().tolist(), "drawn": drawn.int().flatten().tolist(),
        "masked": masked.flatten().tolist(), "proposed": proposed.flatten().tolist(), "discriminator_weight": WEIGHT,
        "generator_loss": generated.loss.item(), "discriminator_loss": classified.loss.item(),
    }  # fmt: skip
    (folder / "golden.json").write_text(json.dumps(golden, separators=(",", ":"), sort_keys=True) + "\n")
    for path in folder.rglob("*.safetensors"):
        path.chmod(0o644)
    print("losses", generated.loss.item(), classified.loss.item(), "replaced", int((proposed != original).sum()), "of", int(drawn.sum()))


if __name__ == "__main__":
    main()
