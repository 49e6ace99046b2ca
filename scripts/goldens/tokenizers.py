#!/usr/bin/env python3
"""Writes goldens/tokenizers: what the `tokenizers` library gives for a few hundred strings.

Usage: scripts/goldens/tokenizers.py            (needs the Python package `tokenizers`)

bytes.json and trained.json are written by Lockstep itself (run the tests with LOCKSTEP_RECORD=1); everything
else is made here: a synthetic text, a vocabulary trained on it by the library, a small WordPiece vocabulary,
variants of both, and the ids of every string.
"""
import json
import pathlib
import random
import sys

sys.path.pop(0)  # this folder, where this file would be taken for the library of the same name
import tokenizers
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "goldens" / "tokenizers"
SPECIALS = ["[PAD]", "[BOS]", "[EOS]", "[MASK]", "[CLS]", "[SEP]"]
LINES = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
WORDS = """the of and a to in is it that was for on as with his they at be this from have or by one had not but what all were when
we there can an your which their said if do will each about how up out them then she many some so these would other into has more her
two like him see time could no make than first been its who now people my made over did down only way find use may water long little
very after words called just where most know through back much before right too means old any same tell boy follow came want show also
around form three small set put end does another well large must big even such because turned here why asked went men read need land
different home us move try kind hand picture again change off play spell air away animal house point page letter mother answer found
study still learn should world high every near add food between own below country plant last school father keep tree never start city
earth eyes light thought head under story saw left few while along might close something seem next hard open example begin life always
those both paper together got group often run weight gradient tokens masked training loss 2024 1,000 3.14 café naïve Müller über señor
日本語 中文 привет мир — … don't it's we'll they've I'm you'd""".split()


def text() -> str:
    """Thirty kilobytes of words drawn by Zipf's law; many pairs are equally frequent, which tests how ties are broken."""
    rng = random.Random(1)
    weights = [1 / (rank + 3) for rank in range(len(WORDS))]
    lines = []
    for _ in range(520):
        line = rng.choices(WORDS, weights, k=rng.randrange(3, 16))
        lines.append(" ".join(line).capitalize() + rng.choice([".", "!", "?", " ;", "  ", "...", "\t"]))
    return "\n".join(lines) + "\n"


def strings() -> list[str]:
    fixed = [
        "", " ", "  ", "\n", "\t", "\r\n", " \n ", "\n\n\n", "   a", "a   ", "a  b", "a\nb", "a \n b", "a\r\nb\r\n", " \t\n", "\u00a0", "\u3000x",
        "a\u2028b", "x\u00a0 y", "\u200b", "\u200d", "\ufeffx", "\x00", "a\x00b", "\x01\x1f\x7f\x85", "\x1c\x1d", "\ufffd", "a\ufffdb", "\x0b\x0c",
        "Hello, world!", "hello", " hello", "HELLO", "It's", "it's they're we've I'm she'll he'd 'tis", "IT'S THEY'RE WE'VE I'M SHE'LL",
        "''s", "' s", "'", "''", "'\u017f", "x'\u017fy", "can't've", "1", "12", "123", "1234", "1234567890", "3.14", "1,000,000", "x1y2", " 42", "²³½Ⅷ",
        "٣٤٥", "０１２", "a.b.c", "...", "!?", " !", "--", "—", "…", "“quoted”", "«guillemets»", "a_b", "__init__", "x=y+z*2", "$100", "€5", "#tag", "@me", "~^`",
        "http://example.org/a?b=c&d#e", "me@example.org", "C:\\path", "<b>bold</b>", "{\"k\": [1, 2]}",
        "café", "cafe\u0301", "naïve", "Müller", "Å", "A\u030a", "\u212b", "ﬁ", "ß", "ẞ", "İ", "ı", "ΑΣ", "ς", "ǅ", "ŉ", "e\u0301\u0323", "e\u0323\u0301", "\u0301", "\u0344",
        "q\u0307\u0323", "क्षि", "ก็", "한국어", "각", "\u1100\u1161\u11a8", "日本語", "中文字", "a中b", "𠀀", "\U0002b820", "\U0002b920", "かな", "カナ", "ｶﾅ", "々", "〇",
        "العربية", "السَّلَامُ", "עברית", "שָׁלוֹם", "हिन्दी", "ไทย", "привет", "ПРИВЕТ", "Ελληνικά", "ქართული", "አማርኛ", "\u0378", "\U000e0041", "\ue000",
        "😀", "👨‍👩‍👧‍👦", "🇩🇪", "👍🏽", "❤️", "🏳️‍🌈", "a😀b", "1️⃣", "☃", "♥️", "\U0001f9d1\u200d\U0001f680",
        "\u1734", "\u1885", "\ua9bd", "\U000111c9", "\U0001171e", "\U00011938", "\u0897", "\u088f", "\u166d", "\u061d", "\u2e52", "\u08d4", "\U00016ea0", "\U00010940", "\U0001e6c0",
        "a\u0315\u08d3", "a\u0315\u0899", "a\u0315\u08d4", "\u0f81\u0747", "\U00010041\u0301", "\U000e00a8\u0301", "\U00011935\U00011930",
        "\U00011099\U000110ba", "\U0001d15e\u0301", "\U0001d165\u0301",
        *SPECIALS, "[UNK]", "<|endoftext|>", "<mask>", " <mask>", "a <mask> b", "a<mask>b", "[mask]", "[MASK", "MASK]", "[[MASK]]", "[MASK][MASK]", "x[MASK]y",
        " [MASK] ", "[PAD][PAD]", "[CLS] a [SEP] b [SEP]", "the[PAD]the", "whole", " whole ", "wholesome", "a whole b", "whole\u0301", "(whole)", "rstrip", "Rstrip  x",
        "rs", "rstrip \n y", "É", "é x", "THE THE", "a" * 99, "a" * 100, "a" * 101, "ab" * 300, "-" * 200, " " * 150, "é" * 120, "the" * 90, "\n" * 40 + "x",
    ]  # fmt: skip
    rng = random.Random(2)
    parts = [" ", "  ", "\n", "\r\n", "\t", "'s", "'ll", "[MASK]", "<mask>", "é", "e\u0301", "中", "😀", "123", "!", "...", "\u00a0", "X", "ſ", "whole", "rstrip"]
    while len(fixed) < 350:
        fixed.append("".join(rng.choice(parts if rng.random() < 0.5 else WORDS) for _ in range(rng.randrange(2, 9))))
    return fixed


def byte_level(text: str) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    # As Lockstep writes it: the mask takes the blank before it, as RoBERTa's does.
    special = [AddedToken(name, lstrip=name == "[MASK]", normalized=False, special=True) for name in SPECIALS]
    trainer = trainers.BpeTrainer(
        vocab_size=600, min_frequency=2, special_tokens=special, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    tokenizer.train_from_iterator([text], trainer)
    return tokenizer


def variant(base: Tokenizer, change) -> Tokenizer:
    parts = json.loads(base.to_str())
    change(parts)
    return Tokenizer.from_str(json.dumps(parts))


def lines(digits: str, normalizer, ignore_merges: bool):
    def change(parts):
        split = {"type": "Split", "pattern": {"Regex": LINES.replace("{1,3}", digits)}, "behavior": "Isolated", "invert": False}
        level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
        parts["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": [split, level]}
        parts["normalizer"] = normalizer
        parts["model"]["ignore_merges"] = ignore_merges
        # Without the later merges, many tokens can only be found whole.
        merges = parts["model"]["merges"][: 100 if ignore_merges else None]
        parts["model"]["merges"] = [" ".join(pair) for pair in merges]

    return change


def flags(base: Tokenizer) -> Tokenizer:
    tokenizer = variant(base, lambda parts: parts["pre_tokenizer"].update(add_prefix_space=True))
    tokenizer.add_special_tokens([AddedToken("<mask>", lstrip=True), AddedToken("rstrip", rstrip=True), AddedToken("[PAD][PAD]")])
    tokenizer.add_tokens([AddedToken("whole", single_word=True), AddedToken("É", normalized=True), AddedToken("the", normalized=True)])
    return tokenizer


def vocabulary() -> list[str]:
    pieces = [chr(c) for c in range(33, 127) if not chr(c).isupper()] + list("éßıςпривет中日本語한각ﬁ²½—…“”«»😀") + ["ᄀ", "ᅡ", "ᆨ"]
    words = sorted({w.lower() for w in WORDS if w.isascii() and w.isalpha()})[::2]
    tails = ["s", "ing", "ed", "er", "tion", "ly", "th", "ome", "er", "и", "вет", "文", "é", "'", "\u0301"]
    tails += [c for c in "abcdefghijklmnopqrstuvwxyz0123456789"]
    order = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *pieces, *words, *["##" + t for t in tails]]
    return list(dict.fromkeys(order))


def word_piece(**options) -> Tokenizer:
    tokens = vocabulary()
    tokenizer = Tokenizer(models.WordPiece({t: i for i, t in enumerate(tokens)}, unk_token="[UNK]", max_input_chars_per_word=100))
    tokenizer.normalizer = normalizers.BertNormalizer(**options)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.add_special_tokens(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"])
    return tokenizer


def words() -> Tokenizer:
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS[::2], "é", "中", "a.b.c", "it's", "😀"]
    tokenizer = Tokenizer(models.WordLevel({t: i for i, t in enumerate(dict.fromkeys(tokens))}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.add_special_tokens(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"])
    return tokenizer


def main():
    sample = text()
    (FOLDER / "text.txt").write_text(sample, encoding="utf-8", newline="")
    (FOLDER / "vocab.txt").write_text("\n".join(vocabulary()) + "\n", encoding="utf-8", newline="")
    trained = byte_level(sample)
    cased = word_piece(lowercase=False, strip_accents=None)
    cased.add_tokens([AddedToken("whole", single_word=True), AddedToken("É", normalized=True), AddedToken("<mask>", lstrip=True, special=True)])
    made = {
        "library-trained": trained,
        "three-digits": variant(trained, lines("{1,3}", None, True)),
        "one-digit-composed": variant(trained, lines("", {"type": "NFC"}, False)),
        "flags": flags(trained),
        "wordpiece": word_piece(),
        "wordpiece-cased": cased,
        "words": words(),
    }
    for name, tokenizer in made.items():
        (FOLDER / f"{name}.json").write_text(json.dumps(json.loads(tokenizer.to_str()), ensure_ascii=False, separators=(",", ":")) + "\n")
    for name in ["bytes", "trained"]:
        made[name] = Tokenizer.from_file(str(FOLDER / f"{name}.json"))
    cases = strings()
    ids = {name: [tokenizer.encode(s, add_special_tokens=False).ids for s in cases] for name, tokenizer in made.items()}
    assert ids["trained"] == ids["library-trained"]
    del ids["library-trained"]
    split = {}
    for name in ["trained", "flags", "wordpiece-cased", "bytes"]:
        made[name].encode_special_tokens = True
        split[name] = [made[name].encode(s, add_special_tokens=False).ids for s in cases]
        made[name].encode_special_tokens = False
    decoded = [made["wordpiece"].decode(i, skip_special_tokens=False) for i in ids["wordpiece"]]
    golden = {"versions": {"tokenizers": tokenizers.__version__}, "strings": cases, "ids": ids, "special_is_text": split, "decoded": decoded}
    (FOLDER / "cases.json").write_text(json.dumps(golden, separators=(",", ":")) + "\n")
    print(len(cases), "strings;", {name: sum(map(len, rows)) for name, rows in ids.items()})


if __name__ == "__main__":
    main()
