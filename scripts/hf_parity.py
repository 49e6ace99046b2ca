"""The comparisons of scripts/hf-parity; see there.

Logits are not in the interface of `lockstep`. For them this script records a trained checkpoint as
scripts/goldens/huggingface_models.py records the committed models, and GoldenTests compares: logits to 1e-4, the loss,
every gradient, and the ids of the text. Everything else goes through the commands that people use.
"""

import argparse
import contextlib
import importlib.util
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import safetensors.torch
import torch
import transformers

import hf_own_vocabulary as own

ROOT = pathlib.Path(__file__).resolve().parents[1]
LOCKSTEP = pathlib.Path(os.environ.get("LOCKSTEP") or ROOT / ".build" / "release" / "lockstep")
CONTEXT = 64
MODELS = {
    "ar": ("ar", 'architecture = "gpt2"', transformers.AutoModelForCausalLM),
    "mlm": ("mlm", 'architecture = "bert"', transformers.AutoModelForMaskedLM),
    "llama": ("ar", 'architecture = "llama"\nintermediate_size = 80', transformers.AutoModelForCausalLM),
}
failures = 0


def check(holds, sentence):
    global failures
    failures += 0 if holds else 1
    print(("  ok    " if holds else "  FAIL  ") + sentence, flush=True)


def run(*arguments, **options):
    done = subprocess.run([str(a) for a in arguments], capture_output=True, text=True, **options)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, arguments))} ended with {done.returncode}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout


def goldens():
    place = importlib.util.spec_from_file_location("huggingface_models", ROOT / "scripts" / "goldens" / "huggingface_models.py")
    module = importlib.util.module_from_spec(place)
    place.loader.exec_module(module)
    return module


def own_text():
    files = sorted(ROOT.glob("*.md")) + sorted((ROOT / "docs").rglob("*.md"))
    return "\n\n".join(path.read_text(encoding="utf-8") for path in files)


def train(folder, corpus, name, objective, model, steps=40, rate=3e-3, more=""):
    config = folder / f"{name}.toml"
    config.write_text(
        f'name = "{name}"\n[data]\ncorpus = "{corpus}"\n[objective]\nname = "{objective}"\n{more}'
        f"[model]\n{model}\ncontext = {CONTEXT}\nhidden_size = 48\nnum_layers = 2\nnum_heads = 4\n"
        f"[batch]\nsamples = 8\nmicro_batch = 4\n[optimizer]\nlearning_rate = {rate}\n"
        f'[duration]\nsteps = {steps}\n[machine]\nruns = "{folder}/runs"\nprogress = "none"\ntensorboard = false\n'
    )
    run(LOCKSTEP, "train", config, "--threads", "1")
    return folder / "runs" / name


def checkpoint(run_folder):
    return run_folder / "checkpoints" / sorted(os.listdir(run_folder / "checkpoints"))[-1]


def load(kind, folder, **options):
    model, report = kind.from_pretrained(folder, output_loading_info=True, **options)
    left = {key: sorted(map(str, value)) for key, value in report.items() if value}
    check(not left, f"{type(model).__name__} loads without missing, unexpected or mismatched keys{'' if not left else f': {left}'}")
    tied = model.get_input_embeddings().weight.data_ptr() == model.get_output_embeddings().weight.data_ptr()
    check(tied == model.config.tie_word_embeddings, f"embedding and head are {'tied' if model.config.tie_word_embeddings else 'apart'}, as config.json says")
    return model.eval()


def record(folder, source, model, tokenizer, text):
    """A golden of three stretches of the text, the last one short where the model can be told so."""
    module = goldens()
    shutil.copytree(source, folder)
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    starts = [0, len(ids) // 3, len(ids) // 2]
    tokens = torch.tensor([ids[start : start + CONTEXT] for start in starts])
    mask, labels = torch.ones_like(tokens), tokens.clone()
    if not module.is_causal(model):
        mask[-1, CONTEXT // 2 :] = 0
        hidden = (torch.arange(tokens.numel()).reshape(tokens.shape) % 7 == 3) & (mask == 1)
        labels[~hidden] = module.IGNORED
        tokens[hidden] = tokenizer.mask_token_id
    golden = module.record(model, folder, tokens, mask, labels)
    pieces = text.split("\n\n")[:200]
    golden["texts"] = [{"text": piece, "ids": tokenizer(piece, add_special_tokens=False)["input_ids"]} for piece in pieces]
    (folder / "golden.json").write_text(json.dumps(golden))


def compare_generation(run_folder, model, tokenizer, text):
    words = text.split()
    for start in (0, 40, 200):
        prompt = " ".join(words[start : start + 6])
        ids = tokenizer(prompt, add_special_tokens=False, return_tensors="pt")["input_ids"]
        count = CONTEXT - ids.shape[1]
        ours = json.loads(run(LOCKSTEP, "generate", run_folder, "--prompt", prompt, "--temperature", "0", "--tokens", count, "--json"))["ids"]
        with torch.no_grad():
            full = model.generate(ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=count, pad_token_id=tokenizer.pad_token_id)
        theirs = full[0, ids.shape[1] :].tolist()
        theirs = theirs[: theirs.index(tokenizer.eos_token_id)] if tokenizer.eos_token_id in theirs else theirs
        check(ours == theirs, f"generate gives the {len(theirs)} tokens of greedy search after {prompt!r}")


def compare_filling(run_folder, model, tokenizer, text):
    words = text.split()
    for start in (10, 100):
        masked = " ".join(words[start : start + 5]) + " [MASK] " + " ".join(words[start + 6 : start + 12])
        ids = tokenizer(masked, add_special_tokens=False)["input_ids"]
        if tokenizer.cls_token_id is not None and tokenizer.sep_token_id is not None:
            ids = [tokenizer.cls_token_id, *ids, tokenizer.sep_token_id]
        check(tokenizer(masked)["input_ids"] == ids, "AutoTokenizer frames the text as fill does")
        place = ids.index(tokenizer.mask_token_id)
        with torch.no_grad():
            probabilities = model(torch.tensor([ids])).logits[0, place].double().softmax(-1)
        rows = json.loads(run(LOCKSTEP, "fill", run_folder, "--text", masked, "--top", len(tokenizer), "--json"))
        ours = rows[0]["candidates"]
        best = probabilities.topk(10).indices.tolist()
        worst = max(abs(c["probability"] / probabilities[c["id"]].item() - 1) for c in ours)
        check([c["id"] for c in ours[:10]] == best and rows[0]["position"] == place, f"fill ranks the first 10 tokens for {masked!r} alike")
        check(len(ours) == len(probabilities) and worst < 1e-4, f"the probabilities of all {len(ours)} tokens differ by at most {worst:.1e} of themselves")


def compare_models(folder, corpus, text):
    trained = {}
    for name, (objective, model_lines, kind) in MODELS.items():
        print(name, flush=True)
        trained[name] = train(folder, corpus, name, objective, model_lines)
        source = checkpoint(trained[name])
        model, tokenizer = load(kind, source), transformers.AutoTokenizer.from_pretrained(source)
        if objective == "ar":
            compare_generation(trained[name], model, tokenizer, text)
        else:
            compare_filling(trained[name], model, tokenizer, text)
            own.compare_pipeline(check, run, LOCKSTEP, trained[name], source, text)
        own.compare_truncation(check, model, tokenizer, CONTEXT, text)
        record(folder / "goldens" / f"trained-{name}", source, model, tokenizer, text)
        compare_export(folder, trained[name], kind)
    return trained


def compare_export(folder, run_folder, kind):
    target = folder / f"{run_folder.name}-bf16"
    run(LOCKSTEP, "export", run_folder, target, "--dtype", "bf16")
    ours, floats = (safetensors.torch.load_file(path / "model.safetensors") for path in (target, checkpoint(run_folder)))
    same = ours.keys() == floats.keys() and all(torch.equal(ours[key], floats[key].bfloat16()) for key in floats)
    check(same, f"export --dtype bf16 rounds all {len(floats)} tensors as torch does")
    model = load(kind, target, dtype="auto")
    check(model.dtype == torch.bfloat16, "the exported model loads as bfloat16")
    own.run_card(check, target)


def compare_imports(folder, corpus, tokenizer):
    """Weights that transformers saved, trained for one step at rate zero: what is saved must be every bit of what was read."""
    torch.manual_seed(1)
    gpt2 = transformers.GPT2Config(vocab_size=len(tokenizer), n_positions=CONTEXT, n_embd=48, n_layer=2, n_head=4)
    bert = transformers.BertConfig(
        vocab_size=len(tokenizer), max_position_embeddings=CONTEXT, hidden_size=48, num_hidden_layers=2, num_attention_heads=4, intermediate_size=192
    )
    for name, objective, model in (("ar", "ar", transformers.GPT2LMHeadModel(gpt2)), ("mlm", "mlm", transformers.BertForMaskedLM(bert))):
        saved = folder / f"saved-{name}"
        model.save_pretrained(saved)
        from_there = f'[init]\nfrom = "{saved}"\n'
        result = checkpoint(train(folder, corpus, f"from-{name}", objective, MODELS[name][1], steps=1, rate=0.0, more=from_there))
        theirs, ours = (safetensors.torch.load_file(path / "model.safetensors") for path in (saved, result))
        same = ours.keys() == theirs.keys() and all(torch.equal(ours[key], theirs[key]) for key in ours)
        check(same, f"init.from a {type(model).__name__} that transformers saved takes and saves all {len(theirs)} tensors bit for bit")


def compare_electra(folder, corpus, text):
    """A discriminator, its generator in the export, and a discriminator that transformers saved."""
    lines = 'architecture = "bert"\nembedding_size = 32'
    trained = train(folder, corpus, "electra", "electra", lines)
    source, target = checkpoint(trained), folder / "electra-export"
    run(LOCKSTEP, "export", trained, target)
    for place in (source, target):
        for kind, allowed in ((transformers.AutoModelForPreTraining, ""), (transformers.ElectraModel, "discriminator_predictions.")):
            model, report = kind.from_pretrained(place, output_loading_info=True)
            left = {key: sorted(map(str, value)) for key, value in report.items() if value}
            unexpected = left.pop("unexpected_keys", [])
            fits = not left and all(allowed and key.startswith(allowed) for key in unexpected)
            check(fits, f"{type(model).__name__} loads {'the export' if place == target else 'the checkpoint'} whole")
    own.run_card(check, target)
    generator, tokenizer = load(transformers.AutoModelForMaskedLM, target / "generator"), transformers.AutoTokenizer.from_pretrained(target / "generator")
    check(type(generator).__name__ == "ElectraForMaskedLM", "the generator is an ElectraForMaskedLM")
    compare_filling(target / "generator", generator, tokenizer, text)
    torch.manual_seed(2)
    config = transformers.ElectraConfig(
        vocab_size=len(tokenizer), embedding_size=32, hidden_size=48, num_hidden_layers=2, num_attention_heads=4, intermediate_size=192,
        max_position_embeddings=CONTEXT,
    )  # fmt: skip
    saved = folder / "saved-electra"
    transformers.ElectraForPreTraining(config).save_pretrained(saved)
    result = checkpoint(train(folder, corpus, "from-electra", "electra", lines, steps=1, rate=0.0, more=f'[init]\nfrom = "{saved}"\n'))
    theirs, ours = (safetensors.torch.load_file(path / "model.safetensors") for path in (saved, result))
    same = ours.keys() == theirs.keys() and all(torch.equal(ours[key], theirs[key]) for key in ours)
    check(same, f"init.from an ElectraForPreTraining that transformers saved takes and saves all {len(theirs)} tensors bit for bit")


def labelled_lines(folder, text):
    """Lines of the text, labelled by whether they hold code."""
    lines = [line.replace("\t", " ") for line in text.splitlines() if len(line) > 20][:300]
    table = folder / "labelled.tsv"
    table.write_text("text\tlabel\n" + "".join(f"{line}\t{'code' if '`' in line else 'prose'}\n" for line in lines), encoding="utf-8")
    return table


def compare_classifiers(run_folder, table):
    """The class for sequence classification gives every test text the class that `evaluate --predictions` wrote."""
    target, predictions = f"{run_folder}-classifier", f"{run_folder}-predictions.tsv"
    run(
        LOCKSTEP, "evaluate", run_folder, "--measure", "finetune", "--set", f"finetune.train={table}", "--set", "finetune.epochs=4", "--set",
        "finetune.batch=8", "--set", "finetune.learning_rate=5e-3", "--save", target, "--predictions", predictions)
    model, report = transformers.AutoModelForSequenceClassification.from_pretrained(target, output_loading_info=True)
    model.eval()
    left = {key: value for key, value in report.items() if value}
    tokenizer = transformers.AutoTokenizer.from_pretrained(target)
    rows = [line.rstrip("\n").split("\t") for line in open(predictions, encoding="utf-8")][1:]
    same = 0
    for row in rows:
        with torch.no_grad():
            scores = model(**tokenizer(row[5].replace("\\\\", "\\"), truncation=True, return_tensors="pt")).logits[0]
        same += model.config.id2label[int(scores.argmax())] == row[3]
    check(not left, f"{type(model).__name__} opens what finetune saved without missing or unexpected keys")
    check(rows and same == len(rows), f"{type(model).__name__} gives the class that lockstep gave for {same} of {len(rows)} test texts")


def compare_logits(folder):
    print("GoldenTests on the trained models", flush=True)
    command = ["swift", "test", "--package-path", str(ROOT), "-c", "release", "--filter", "GoldenTests\\."]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"LOCKSTEP_GOLDENS": str(folder / "goldens")})
    lines = done.stdout.splitlines() + done.stderr.splitlines()
    for line in lines:
        if line.startswith("trained-") or "recorded an issue" in line or "error:" in line:
            print("        " + line)
    compared = [name for name in MODELS if any(line.startswith(f"trained-{name}: logits differ") for line in lines)]
    check(done.returncode == 0 and len(compared) == len(MODELS), "logits, losses, gradients and ids of the trained models are those of transformers")


def main():
    parser = argparse.ArgumentParser(prog="scripts/hf-parity")
    parser.add_argument("--text", type=pathlib.Path, help="a text to train on instead of the project's documents")
    parser.add_argument("--corpus", type=pathlib.Path, help="a prepared corpus of that text instead of preparing one")
    parser.add_argument("--keep", type=pathlib.Path, help="a new folder to work in and leave behind")
    parser.add_argument("--no-logits", dest="logits", action="store_false", help="leave out the logits and gradients, which need a build of the tests")
    options = parser.parse_args()
    transformers.logging.set_verbosity_error()
    text = options.text.read_text(encoding="utf-8") if options.text else own_text()
    print(f"torch {torch.__version__}, transformers {transformers.__version__}")
    with contextlib.ExitStack() as stack:
        folder = options.keep or pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hf-parity-")))
        folder = folder.absolute()
        (folder / "goldens").mkdir(parents=True)
        corpus = options.corpus.absolute() if options.corpus else folder / "corpus"
        if not options.corpus:
            (folder / "text.txt").write_text(text, encoding="utf-8")
            run(LOCKSTEP, "prepare", "--input", folder / "text.txt", "--output", corpus, "--vocabulary", 600, "--documents", "blank-lines")
        trained = compare_models(folder, corpus, text)
        print("electra", flush=True)
        compare_electra(folder, corpus, text)
        print("from transformers", flush=True)
        compare_imports(folder, corpus, transformers.AutoTokenizer.from_pretrained(checkpoint(trained["ar"])))
        print("with their own vocabulary", flush=True)
        own.compare_own_vocabulary(check, run, LOCKSTEP, folder, text, CONTEXT)
        print("classifiers", flush=True)
        table = labelled_lines(folder, text)
        for run_folder in trained.values():
            compare_classifiers(run_folder, table)
        if options.logits:
            compare_logits(folder)
    print("all as it should be" if failures == 0 else f"{failures} comparisons failed")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
