#!/usr/bin/env python3
"""Writes goldens/tokenizers/companions.json: what `AutoTokenizer` gives for vocabularies with small files beside them.

Usage: scripts/goldens/tokenizer_companions.py            (needs the Python package `transformers`)

Each case has the files of a folder, and the ids and the size that the transformers library makes of them.
"""
import json
import pathlib
import sys
import tempfile

sys.path.pop(0)  # this folder, where a file has the name of the library `tokenizers`
import transformers

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "goldens" / "tokenizers"
TEXTS = [
    "the in", " the in", "in the end", "The END", "caf\u00e9 cafe\u0301", "\u4e2d\u6587 a\u4e2db", "<|start|>in", "a <|start|> in", "the <mask> in",
    "the  <mask>in", "a\n<mask>", "the NEW newt", "NEWTOKEN newtoken", "[unused1] [MASK]", "a [MASK] b", "<|pad|><|end|>", "x", "[PAD][CLS] the",
]  # fmt: skip


def byte_level():
    codes = [*range(33, 127), *range(161, 173), *range(174, 256)]
    spelled = {code: chr(code) for code in codes}
    others = (code for code in range(256) if code not in spelled)
    spelled |= {code: chr(256 + index) for index, code in enumerate(others)}
    vocabulary, merges = {spelled[code]: code for code in range(256)}, []
    for left, right in (("t", "h"), ("th", "e"), ("\u0120", "the"), ("i", "n"), ("\u0120", "in")):
        merges.append(f"{left} {right}")
        vocabulary[left + right] = len(vocabulary)
    vocabulary["<|endoftext|>"] = len(vocabulary)
    return vocabulary, "#version: 0.2\n" + "\n".join(merges) + "\n"


WORDS = "[PAD] [UNK] [CLS] [SEP] [MASK] the The in a ##b new ##t e ##nd end cafe caf\u00e9 [unused1] [ unused ##1 ] < > | start mask \u4e2d ##\u6587 \u6587 x".split()
SPECIAL = {"lstrip": False, "rstrip": False, "single_word": False, "normalized": False, "special": True}


def described(content, **flags):
    return {"content": content} | SPECIAL | flags


def cases():
    vocabulary, merges = byte_level()
    size, words = len(vocabulary), len(WORDS)
    gpt2 = {"vocab.json": vocabulary, "merges.txt": merges}
    bert = {"vocab.txt": "\n".join(WORDS) + "\n"}

    def pair(**config):
        return gpt2 | {"tokenizer_config.json": {"tokenizer_class": "GPT2Tokenizer"} | config}

    def lines(**config):
        return bert | {"tokenizer_config.json": {"tokenizer_class": "BertTokenizer"} | config}

    yield "pair", pair()
    yield "pair, blank first", pair(add_prefix_space=True)
    yield "pair, added tokens", pair() | {"added_tokens.json": {"<|start|>": size, "<|pad|>": size + 1}}
    yield "pair, described tokens", pair(
        added_tokens_decoder={
            str(size): described("<|start|>", rstrip=True), str(size + 1): described("<mask>", lstrip=True),
            str(size + 2): described("NEW", special=False, single_word=True),
        }
    )  # fmt: skip
    yield "pair, roles without ids", pair(pad_token="<|pad|>", mask_token="<mask>", bos_token="<|start|>")
    yield "pair, more special tokens", pair(additional_special_tokens=["<|start|>", "<|end|>"])
    yield "pair, map of roles", pair() | {
        "special_tokens_map.json": {"mask_token": described("<mask>", lstrip=True), "additional_special_tokens": ["<|end|>"]}
    }
    yield "lines", lines()
    yield "lines, cased", lines(do_lower_case=False)
    yield "lines, accents kept", lines(strip_accents=False)
    yield "lines, ideographs together", lines(tokenize_chinese_chars=False)
    yield "lines, added tokens", lines() | {"added_tokens.json": {"NEWTOKEN": words}}
    yield "lines, a word that is special", lines(additional_special_tokens=["[unused1]"])
    yield "lines, another mask", lines(mask_token={"__type": "AddedToken"} | described("<mask>", lstrip=True))


def saved():
    """A tokenizer.json with files beside it that add to it."""
    vocabulary, merges = byte_level()
    size = len(vocabulary)
    with tempfile.TemporaryDirectory() as folder:
        write(folder, {"vocab.json": vocabulary, "merges.txt": merges, "tokenizer_config.json": {"tokenizer_class": "GPT2Tokenizer"}})
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
        tokenizer.add_special_tokens({"mask_token": transformers.AddedToken("<mask>", lstrip=True, special=True)})
        tokenizer.save_pretrained(folder)
        whole = json.loads((pathlib.Path(folder) / "tokenizer.json").read_text())
    plain = {"tokenizer_class": "PreTrainedTokenizerFast", "mask_token": "<mask>"}
    yield "whole, as RoBERTa's mask", {"tokenizer.json": whole, "tokenizer_config.json": plain}
    yield "whole, added tokens", {"tokenizer.json": whole, "tokenizer_config.json": plain, "added_tokens.json": {"<mask>": size, "<|start|>": size + 1}}
    yield "whole, a role without an id", {"tokenizer.json": whole, "tokenizer_config.json": plain | {"pad_token": "<|pad|>"}}
    yield "whole, described tokens", {
        "tokenizer.json": whole,
        "tokenizer_config.json": plain
        | {"added_tokens_decoder": {str(size): described("<mask>", lstrip=True), str(size + 1): described("<|start|>")}},
    }


def write(folder, files):
    for name, content in files.items():
        (pathlib.Path(folder) / name).write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")


def main():
    rows = []
    for name, files in [*cases(), *saved()]:
        with tempfile.TemporaryDirectory() as folder:
            write(folder, files)
            (pathlib.Path(folder) / "config.json").write_text(json.dumps({"model_type": "bert" if "vocab.txt" in files else "gpt2"}))
            tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
            ids = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in TEXTS]
        contents = {key: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":")) for key, value in files.items()}
        rows.append({"name": name, "files": contents, "size": len(tokenizer), "ids": ids})
    golden = {"versions": {"transformers": transformers.__version__}, "texts": TEXTS, "cases": rows}
    (FOLDER / "companions.json").write_text(json.dumps(golden, ensure_ascii=False, separators=(",", ":")) + "\n", encoding="utf-8")
    print(len(rows), "folders")


if __name__ == "__main__":
    main()
