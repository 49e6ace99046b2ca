#!/usr/bin/env python3
"""Small Hugging Face models for the tests of Checkpoints, and a check of folders that Lockstep wrote.

    huggingface_checkpoints.py record [goldens/huggingface]   writes the golden models
    huggingface_checkpoints.py check FOLDER...                loads folders as a user would

Recorded with torch 2.15.0, transformers 5.23.0, safetensors 0.8.0.
"""

import json
import pathlib
import sys
import warnings

if __name__ == "__main__":
    sys.path.pop(0)  # this folder, where another script would be taken for the library of its name

import torch
from safetensors.torch import load_file, save_file
from transformers import (
    AutoModelForCausalLM,
    AutoModelForMaskedLM,
    AutoModelForPreTraining,
    BertConfig,
    BertForMaskedLM,
    ElectraConfig,
    ElectraForMaskedLM,
    ElectraForPreTraining,
    ElectraModel,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
)

VOCABULARY, CONTEXT, WIDTH, LAYERS, HEADS, INNER = 19, 10, 8, 2, 2, 20


def models():
    bert = dict(
        vocab_size=VOCABULARY, hidden_size=WIDTH, num_hidden_layers=LAYERS, num_attention_heads=HEADS,
        intermediate_size=INNER, max_position_embeddings=CONTEXT,
    )
    llama = dict(
        vocab_size=VOCABULARY, hidden_size=WIDTH, num_hidden_layers=LAYERS, num_attention_heads=HEADS,
        intermediate_size=INNER, max_position_embeddings=CONTEXT, rope_theta=5000.0,
    )
    gpt2 = dict(
        vocab_size=VOCABULARY, n_positions=CONTEXT, n_embd=WIDTH, n_layer=LAYERS, n_head=HEADS, n_inner=INNER,
        bos_token_id=0, eos_token_id=0,
    )
    yield "gpt2", GPT2LMHeadModel(GPT2Config(**gpt2))
    yield "gpt2-untied", GPT2LMHeadModel(GPT2Config(**gpt2, tie_word_embeddings=False))
    yield "bert", BertForMaskedLM(BertConfig(**bert))
    yield "bert-untied", BertForMaskedLM(BertConfig(**bert, tie_word_embeddings=False))
    yield "llama", LlamaForCausalLM(LlamaConfig(**llama))
    electra = dict(bert, embedding_size=WIDTH - 2)
    yield "llama-tied", LlamaForCausalLM(LlamaConfig(**llama, tie_word_embeddings=True))
    yield "electra", ElectraForPreTraining(ElectraConfig(**electra))
    yield "electra-generator", ElectraForMaskedLM(ElectraConfig(**electra))
    yield "electra-generator-untied", ElectraForMaskedLM(ElectraConfig(**bert, embedding_size=WIDTH, tie_word_embeddings=False))


def logits(model, ids):
    model.eval()
    with torch.no_grad():
        return model(input_ids=ids).logits


def record(target):
    torch.manual_seed(20)
    ids = torch.randint(0, VOCABULARY, (2, CONTEXT))
    for name, model in models():
        # Every parameter gets a value of its own, biases and norms too: a swap must be seen.
        for parameter in model.parameters():
            parameter.data.uniform_(-0.6, 0.6)
        for key, parameter in model.named_parameters():
            if key.endswith(("ln_1.weight", "ln_2.weight", "ln_f.weight", "LayerNorm.weight", "norm.weight")):
                parameter.data.add_(1)
        if name == "bert-untied":
            # Two copies of one bias; the class computes with the second.
            model.cls.predictions.bias.data.copy_(model.cls.predictions.decoder.bias.data)
        model.save_pretrained(target / name)
        (target / name / "generation_config.json").unlink(missing_ok=True)
        save_file({"ids": ids.float(), "logits": logits(model, ids).contiguous()}, target / name / "expected.safetensors")


def check(folder):
    folder = pathlib.Path(folder)
    (kind,) = json.loads((folder / "config.json").read_text())["architectures"]
    auto = {"MaskedLM": AutoModelForMaskedLM, "CausalLM": AutoModelForCausalLM, "LMHeadModel": AutoModelForCausalLM, "PreTraining": AutoModelForPreTraining}
    auto = next(value for name, value in auto.items() if kind.endswith(name))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model, report = auto.from_pretrained(folder, output_loading_info=True, dtype="auto")
    problems = {key: sorted(map(str, value)) for key, value in report.items() if value}
    if kind == "ElectraForPreTraining":
        bare, left = ElectraModel.from_pretrained(folder, output_loading_info=True, dtype="auto")
        problems |= {f"ElectraModel {key}": sorted(map(str, left[key])) for key in ("missing_keys", "mismatched_keys") if left[key]}
        assert bare.dtype == model.dtype
    written = load_file(folder / "model.safetensors")
    state = model.state_dict()
    wrong = [name for name, tensor in written.items() if not torch.equal(state[name], tensor)]
    line = f"{folder.name}: {type(model).__name__} {next(model.parameters()).dtype}, {len(written)} tensors"
    expected = folder / "expected.safetensors"
    if expected.exists():
        golden = load_file(expected)
        difference = (logits(model, golden["ids"].long()) - golden["logits"]).abs().max().item()
        line += f", logits differ by {difference:.1e}"
        if difference > 1e-6:
            problems["logits"] = difference
    print(line, "OK" if not problems and not wrong and not caught else f"{problems} {wrong} {[str(w.message) for w in caught]}")
    return not problems and not wrong and not caught


if __name__ == "__main__":
    if sys.argv[1:2] == ["record"]:
        record(pathlib.Path(sys.argv[2] if len(sys.argv) > 2 else "goldens/huggingface"))
    elif sys.argv[1:2] == ["check"] and len(sys.argv) > 2:
        sys.exit(0 if all([check(folder) for folder in sys.argv[2:]]) else 1)
    else:
        sys.exit(__doc__)
