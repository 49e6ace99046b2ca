"""The part of scripts/hf-parity that asks what the transformers library's own tools see; see there.

The fill-mask pipeline beside `lockstep fill`, `truncation=True`, the code of the model card, and checkpoints that transformers
saved with tokenisers of their own, measured here and there.
"""

import json
import os
import pathlib
import struct
import subprocess
import sys

import tokenizers
import torch
import transformers
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors, trainers


def compare_pipeline(check, run, lockstep, run_folder, checkpoint, text):
    """The pipeline and `fill` on the same sentences: ids in order, probabilities, and a mask with and without a blank before it."""
    fill = transformers.pipeline("fill-mask", model=str(checkpoint), device="cpu")
    words, mask = text.split(), fill.tokenizer.mask_token
    sentences = [" ".join(words[start : start + 5]) + blank + mask + " " + " ".join(words[start + 6 : start + 11]) for start in (10, 60) for blank in (" ", "")]
    for sentence in sentences:
        theirs = fill(sentence, top_k=10)
        ours = json.loads(run(lockstep, "fill", run_folder, "--text", sentence, "--top", 10, "--json"))[0]["candidates"]
        worst = max(abs(a["probability"] / b["score"] - 1) for a, b in zip(ours, theirs))
        same = [a["id"] for a in ours] == [b["token"] for b in theirs] and worst < 1e-4
        check(same, f"the fill-mask pipeline gives the candidates of fill for {sentence!r}; probabilities differ by at most {worst:.1e}")


def compare_truncation(check, model, tokenizer, context, text):
    inputs = tokenizer(text * 3, truncation=True, return_tensors="pt")
    with torch.no_grad():
        shape = model(**inputs).logits.shape
    check(tokenizer.model_max_length == context and shape[1] == context, f"truncation=True cuts {len(text) * 3} characters to {shape[1]} tokens, which the model reads")


def run_card(check, folder):
    """The code of the card, in the folder, as a reader would."""
    card = (pathlib.Path(folder) / "README.md").read_text(encoding="utf-8")
    code = card.split("```python\n")[1].split("```")[0]
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, env=os.environ | {"HF_HUB_OFFLINE": "1"})
    check(done.returncode == 0 and done.stdout.strip() != "", f"the model card's code runs: {(done.stdout or done.stderr).strip().splitlines()[-1:]}")
    head = card.split("---\n")[1]
    tags = [line for line in head.splitlines() if line.startswith("- ")]
    check(len(tags) == len(set(tags)), f"the card has {len(tags)} tags, each once")


def byte_level(texts):
    tokenizer = tokenizers.Tokenizer(models.BPE())
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(texts, trainers.BpeTrainer(vocab_size=500, special_tokens=["<|endoftext|>"], initial_alphabet=alphabet, show_progress=False))
    return transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<|endoftext|>", eos_token="<|endoftext|>")


def word_piece(texts):
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokenizer = tokenizers.Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizers.BertNormalizer(lowercase=True), pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.train_from_iterator(texts, trainers.WordPieceTrainer(vocab_size=500, special_tokens=special, show_progress=False))
    ends = [(name, tokenizer.token_to_id(name)) for name in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", "[CLS] $A [SEP] $B:1 [SEP]:1", ends)
    names = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]", "mask_token": "[MASK]"}
    return transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names)


def stream(corpus, split):
    """The ids of a split, as docs/formats.md lays shards out."""
    ids = []
    for shard in sorted(pathlib.Path(corpus).glob(f"{split}-*.shard")):
        data = shard.read_bytes()
        width, count = struct.unpack_from("<I", data, 12)[0], struct.unpack_from("<Q", data, 32)[0]
        ids += struct.unpack_from(f"<{count}{'H' if width == 2 else 'I'}", data, 256)
    return ids


def measured(run, lockstep, folder, corpus, measure, *more):
    report = json.loads(run(lockstep, "evaluate", folder, "--corpus", corpus, "--measure", measure, "--json", *more))
    return {value["name"]: value["value"] for value in report["measures"][measure]["values"]}


def causal_loss(model, ids, context):
    """Mean cross-entropy of every token after the first of the stream, read in consecutive windows."""
    total, count = 0.0, 0
    for start in range(0, len(ids) - 1, context):
        window = torch.tensor([ids[start : start + context + 1]])
        logits = model(window[:, :-1]).logits[0]
        total += torch.nn.functional.cross_entropy(logits, window[0, 1:], reduction="sum").item()
        count += window.shape[1] - 1
    return total / count


def pseudo_perplexity(model, ids, context, tokenizer):
    """Each ordinary token but the first of a framed window, predicted with all others shown."""
    special, total, count = set(tokenizer.all_special_ids), 0.0, 0
    for start in range(0, len(ids), context - 2):
        window = [tokenizer.cls_token_id, *ids[start : start + context - 2], tokenizer.sep_token_id]
        predicted = [place for place, token in enumerate(window) if token not in special][1:]
        if not predicted:
            continue
        shown = torch.tensor(window).repeat(len(predicted), 1)
        for row, place in enumerate(predicted):
            shown[row, place] = tokenizer.mask_token_id
        logits = model(shown).logits[torch.arange(len(predicted)), predicted]
        total += torch.nn.functional.cross_entropy(logits, torch.tensor([window[place] for place in predicted]), reduction="sum").item()
        count += len(predicted)
    return torch.tensor(total / count).exp().item()


def compare_own_vocabulary(check, run, lockstep, folder, text, context):
    """A GPT-2 and a BERT with random weights and tokenisers of their own, one with its rows padded, against float64."""
    (folder / "small.txt").write_text(text[:30_000], encoding="utf-8")
    torch.manual_seed(3)
    shape = {"vocab_size": 0, "hidden_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4}
    for kind, make, padding in (("gpt2", byte_level, 0), ("gpt2", byte_level, 12), ("bert", word_piece, 0)):
        place, corpus = folder / f"own-{kind}-{padding}", folder / f"own-{kind}-{padding}-corpus"
        tokenizer = make(text.split("\n\n"))
        rows = len(tokenizer) + padding
        if kind == "gpt2":
            model = transformers.GPT2LMHeadModel(transformers.GPT2Config(vocab_size=rows, n_positions=context, n_embd=48, n_layer=2, n_head=4))
        else:
            model = transformers.BertForMaskedLM(transformers.BertConfig(**(shape | {"vocab_size": rows}), intermediate_size=192, max_position_embeddings=context))
        for parameter in model.parameters():
            torch.nn.init.normal_(parameter, std=0.2) if parameter.dim() > 1 else None
        model.tie_weights()
        model.save_pretrained(place)
        tokenizer.save_pretrained(place)
        run(lockstep, "prepare", "--input", folder / "small.txt", "--output", corpus, "--tokenizer", place, "--documents", "blank-lines")
        size = json.loads((corpus / "corpus.json").read_text())["vocabulary"]["size"]
        check(size == len(tokenizer), f"{kind}: prepare takes the tokeniser's own {size} ids, of {rows} rows")
        ids, double = stream(corpus, "validation"), model.double().eval()
        with torch.no_grad():
            if kind == "gpt2":
                theirs, ours = causal_loss(double, ids, context), measured(run, lockstep, place, corpus, "loss")["loss"]
            else:
                theirs = pseudo_perplexity(double, ids, context, tokenizer)
                values = measured(run, lockstep, place, corpus, "pseudo-perplexity", "--set", "pseudo-perplexity.windows=0")
                ours = next(value for name, value in values.items() if "erplexity" in name)
        check(abs(ours / theirs - 1) < 1e-6, f"{kind}: {'loss' if kind == 'gpt2' else 'pseudo-perplexity'} {ours:.8f} is the library's {theirs:.8f}, off by {abs(ours / theirs - 1):.1e}")
        if kind == "gpt2":
            sample = json.loads(run(lockstep, "generate", place, "--prompt", "The", "--tokens", context - 4, "--temperature", 3, "--top-p", 1, "--json"))
            check(all(token < len(tokenizer) for token in sample["ids"]), f"{kind}: none of {len(sample['ids'])} generated tokens is beyond the tokeniser")
