#!/usr/bin/env python3
"""Trains a small model by every objective, and holds what is written against transformers and sentence-transformers.

    every_objective.py --wgrad target/release/wgrad --work DIR --texts corpus.txt --pairs BEIR
    every_objective.py --wgrad … --work DIR --texts … --pairs … --trained     the same models again, by other versions

There  each directory loads in the class its config names, no key missing or left over; the loss of a batch is that of
       `wgrad grad`; `AutoModel`'s [CLS] states, and `SentenceTransformer`'s vectors, are those of `wgrad encode`.
Back   what transformers and sentence-transformers save of these models, whole, in parts and (before 5.0) as
       pytorch_model.bin, and fresh models of theirs, give the same vectors in `wgrad encode`.
"""

import argparse
import json
import shutil
import subprocess
import sys
from pathlib import Path

import sentence_transformers
import torch
import transformers
from safetensors.torch import load_file, save_file

import load_in_transformers as there

SIZES = dict(hidden_size=64, num_hidden_layers=2, num_attention_heads=4, intermediate_size=128)
CONFIGS = {
    "bert": SIZES | dict(model_type="bert", max_position_embeddings=64),
    "electra": SIZES
    | dict(
        model_type="electra",
        max_position_embeddings=64,
        embedding_size=32,
        generator_hidden_size=0.5,
        generator_layers=0.5,
    ),
    "xlnet": dict(model_type="xlnet", d_model=64, n_layer=2, n_head=4, d_inner=128),
    "gpt2": dict(model_type="gpt2", n_embd=64, n_layer=2, n_head=4, n_positions=64, bos_token_id=2, eos_token_id=3),
}
# Run folder, kind of model, objective, settings.
PRETRAINING = [
    ("mlm", "bert", "mlm", []),
    ("retromae", "bert", "retromae", []),
    ("retromae_basic", "bert", "retromae", ["decoding=basic"]),
    ("retromae_layers", "bert", "retromae", ["decoding=basic", "decoder_layers=3"]),
    ("dupmae", "bert", "dupmae", []),
    ("dupmae_own", "bert", "dupmae", ["bow_projection=own"]),
    ("condenser", "bert", "condenser", []),
    ("cocondenser", "bert", "cocondenser", []),
    ("electra", "electra", "electra", []),
    ("electra_token", "electra", "electra", ["tying=token"]),
    ("electra_untied", "electra", "electra", ["tying=none"]),
    ("electra_words", "electra", "electra", ["variant=replace_mlm"]),
    ("electra_all_words", "electra", "electra", ["variant=all_tokens_mlm"]),
    ("electra_adversarial", "electra", "electra", ["variant=adversarial"]),
    ("xlnet", "xlnet", "xlnet", []),
    ("xlnet_walk", "xlnet", "xlnet", ["memory=14", "reuse=10", "perm_size=2"]),
    ("clm", "gpt2", "clm", []),
]
# Run folder, what it starts from, objective, settings.
FINETUNING = [
    ("ret_bert", "mlm", "contrastive", []),
    ("ret_bert_max", "mlm", "contrastive", ["pooling=max"]),
    ("ret_retromae_mean", "retromae", "contrastive", ["pooling=mean", "similarity=dot"]),
    ("ret_cached", "cocondenser", "contrastive", ["cache_chunk=3"]),
    ("ret_electra", "electra", "contrastive", []),
    ("ret_electra_mean", "electra_untied", "contrastive", ["pooling=mean"]),
    ("ret_xlnet", "xlnet", "contrastive", []),
    ("ret_xlnet_mean", "xlnet_walk", "contrastive", ["pooling=mean"]),
    ("ret_xlnet_last", "xlnet", "contrastive", ["pooling=last", "similarity=dot"]),
    ("ret_cpt", "clm", "cpt", []),
]
# What an encoder of each kind starts from.
STARTS = {"bert": "mlm", "electra": "electra", "xlnet": "xlnet"}
# Retrievers of more than one vector a text, and models that judge; each has checks of its own.
JUDGES = [
    ("hybrid", "dupmae", "contrastive", ["representation=hybrid", "cls_width=16", "top_k=8"]),
    (
        "hybrid_own",
        "dupmae_own",
        "contrastive",
        ["representation=hybrid", "bow_projection=own", "cls_width=16", "top_k=8"],
    ),
    ("colbert", "mlm", "colbert", ["dim=16"]),
    ("cross", "mlm", "cross-encoder", ["group_size=2"]),
    ("cross_electra", "electra", "cross-encoder", ["group_size=2", "ranking=pointwise"]),
    *((f"classes_{kind}", start, "classification", []) for kind, start in STARTS.items()),
    *((f"number_{kind}", start, "regression", []) for kind, start in STARTS.items()),
    *((f"tags_{kind}", start, "token-classification", []) for kind, start in STARTS.items()),
]
LABELLED = {"classification": "classes.tsv", "regression": "numbers.tsv", "token-classification": "tags.conll"}
STEPS, ROWS, TOKENS, VOCABULARY, TEXTS = 4, 8, 32, 2000, 150
PAD, CLS, SEP, MASK, FIRST_ORDINARY = 0, 2, 3, 4, 5
IGNORED = -100


class World:
    """A folder, the binary that works in it, and what the checks said."""

    def __init__(self, wgrad, work, report):
        self.wgrad, self.work, self.report = wgrad.resolve(), work.resolve(), report

    def run(self, *words):
        """One command on the CPU, which must succeed."""
        command = [str(self.wgrad), *map(str, words), "--device", "cpu", "--quiet"]
        done = subprocess.run(command, cwd=self.work, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"{' '.join(command)}\n{done.stderr}")

    def encode(self, model, kind="passage"):
        """The vectors of `texts.txt`, [N, D]."""
        self.run(
            "encode",
            "--model",
            model,
            "--input",
            "texts.txt",
            "--kind",
            kind,
            "--max-length",
            TOKENS,
            "--out",
            "E.safetensors",
        )
        return load_file(self.work / "E.safetensors")["embeddings"].numpy()

    def loss(self, model, objective, settings, batch):
        """Every term of `wgrad grad`."""
        save_file(batch, self.work / "B.safetensors")
        words = [word for setting in settings for word in ("--set", setting)]
        self.run(
            "grad",
            "--model",
            model,
            "--objective",
            objective,
            *words,
            "--batch",
            "B.safetensors",
            "--out",
            "G.safetensors",
        )
        return {
            name: tensor
            for name, tensor in load_file(self.work / "G.safetensors").items()
            if tensor.dim() == 0
        }

    def check_term(self, name, got, ref):
        """A term against transformers', which computes in f32 too."""
        difference = abs(float(got) - float(ref))
        self.report.check(
            difference <= 1e-5 * max(1.0, abs(float(ref))), f"{name}: {float(ref):.6f}, Δ {difference:.1e}"
        )


def train(world, arguments):
    """Every model, from texts and pairs."""
    world.work.mkdir(parents=True, exist_ok=True)
    lines = [line.strip() for line in arguments.texts.read_text(encoding="utf-8").splitlines()]
    lines = [line for line in lines if len(line) > 80][:3000]
    (world.work / "corpus.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    texts = [line[: 20 + 7 * (i % 60)] for i, line in enumerate(lines[:TEXTS])]
    (world.work / "texts.txt").write_text("\n".join(map(str.strip, texts)) + "\n", encoding="utf-8")
    world.run("tokenizer", "train", "--input", "corpus.txt", "--vocab-size", VOCABULARY, "--out", "tokenizer")
    for kind, config in CONFIGS.items():
        (world.work / f"{kind}.json").write_text(json.dumps(config | {"vocab_size": VOCABULARY}))
    common = ["--batch-size", 8, "--max-length", TOKENS, "--steps", STEPS, "--learning-rate", "1e-3"]
    for name, kind, objective, settings in PRETRAINING:
        words = [word for setting in settings for word in ("--set", setting)]
        inputs = ["--data", "corpus.txt", "--config", f"{kind}.json", "--tokenizer", "tokenizer"]
        world.run("pretrain", "--objective", objective, *inputs, *common, *words, "--out", name)
    write_labelled(world.work, texts)
    for name, start, objective, settings in FINETUNING + JUDGES:
        words = [word for setting in settings for word in ("--set", setting)]
        inputs = ["--data", LABELLED.get(objective, arguments.pairs.resolve()), "--init", f"{start}/model"]
        world.run("finetune", "--objective", objective, *inputs, *common, *words, "--out", name)


def write_labelled(folder, texts):
    """The same texts with answers of each sort: by length, and by the length of each word."""
    size = [len(text) for text in texts]
    pairs = list(zip(size, texts, texts[1:] + texts[:1], strict=True))
    lines = {
        "classification": [f"{('short', 'middle', 'long')[n // 150 % 3]}\t{a}" for n, a, _ in pairs],
        "regression": [f"{n / 100:.2f}\t{a}\t{b}" for n, a, b in pairs],
        "token-classification": [
            "".join(f"{word} {'LONG' if len(word) > 5 else 'O'}\n" for word in a.split()[:5]) for _, a, _ in pairs
        ],
    }
    for objective, file in LABELLED.items():
        (folder / file).write_text("\n".join(lines[objective]) + "\n", encoding="utf-8")


def random_batch(generator):
    """Texts of two lengths, [ROWS, TOKENS], their mask, and which tokens are to be guessed."""
    ids = torch.randint(FIRST_ORDINARY, VOCABULARY, (ROWS, TOKENS), generator=generator)
    lengths = torch.tensor([TOKENS, TOKENS - 9]).repeat(ROWS // 2)
    mask = torch.arange(TOKENS)[None] < lengths[:, None]
    ids[:, 0] = CLS
    ids[torch.arange(ROWS), lengths - 1] = SEP
    ids[~mask] = PAD
    chosen = (torch.rand(ids.shape, generator=generator) < 0.2) & (ids >= FIRST_ORDINARY)
    return ids, mask.long(), chosen


def stored(**tensors):
    """As `wgrad grad` takes them."""
    return {
        name: tensor.to(torch.uint8 if name.endswith("_mask") else torch.int32).contiguous()
        for name, tensor in tensors.items()
    }


def check_losses(world, name, kind, generator):
    """The heads: a loss of `wgrad grad` and of transformers' class on one batch."""
    directory = f"{name}/model"
    path = world.work / directory
    ids, mask, chosen = random_batch(generator)
    labels = torch.where(chosen, ids, IGNORED)
    masked = torch.where(chosen, MASK, ids)
    if kind == "bert":
        batch = stored(input_ids=masked, attention_mask=mask, labels=labels)
        terms = world.loss(directory, "mlm", [], batch)
        ref = transformers.BertForMaskedLM.from_pretrained(path).eval()
        ref = ref(input_ids=masked, attention_mask=mask, labels=labels).loss
        world.check_term("BertForMaskedLM's loss", terms["loss"], ref)
    elif kind == "gpt2":
        labels = torch.where(mask.bool(), ids, IGNORED)
        batch = stored(input_ids=ids, attention_mask=mask, labels=labels)
        terms = world.loss(directory, "clm", [], batch)
        ref = transformers.GPT2LMHeadModel.from_pretrained(path).eval()
        ref = ref(input_ids=ids, attention_mask=mask, labels=labels).loss
        world.check_term("GPT2LMHeadModel's loss", terms["loss"], ref)
    elif name.endswith("_words"):
        pass  # of words, not of replaced tokens: the losses are those of the fixtures
    elif kind == "electra":
        drawn = torch.randint(FIRST_ORDINARY, VOCABULARY, ids.shape, generator=generator)
        sampled = torch.where(chosen, drawn, ids)
        batch = stored(
            input_ids=ids, attention_mask=mask, generator_input_ids=masked, generator_labels=labels
        )
        batch |= stored(sampled_ids=sampled)
        settings = next(settings for run, _, _, settings in PRETRAINING if run == name)
        terms = world.loss(directory, "electra", settings, batch)
        generator_model = transformers.ElectraForMaskedLM.from_pretrained(path / "generator").eval()
        ref = generator_model(input_ids=masked, attention_mask=mask, labels=labels).loss
        world.check_term("ElectraForMaskedLM's loss", terms["loss_generator"], ref)
        discriminator = transformers.ElectraForPreTraining.from_pretrained(path).eval()
        ref = discriminator(input_ids=sampled, attention_mask=mask, labels=(sampled != ids).long()).loss
        world.check_term("ElectraForPreTraining's loss", terms["loss_discriminator"], ref)
    else:
        places = torch.arange(TOKENS)[None, 3 : TOKENS - 10 : 4].expand(ROWS, -1)
        hidden = torch.zeros(ROWS, TOKENS, TOKENS)
        hidden.scatter_(2, places[:, None].expand(-1, TOKENS, -1), 1.0)
        labels = ids.gather(1, places)
        batch = stored(
            input_ids=ids, attention_mask=mask, perm_mask=hidden, target_positions=places, labels=labels
        )
        terms = world.loss(directory, "xlnet", [], batch)
        mapping = torch.nn.functional.one_hot(places, TOKENS).float()
        model = transformers.XLNetLMHeadModel.from_pretrained(path).eval()
        # In transformers attention_mask and perm_mask both hide.
        ref = model(
            input_ids=ids,
            attention_mask=mask.float(),
            perm_mask=hidden,
            target_mapping=mapping,
            labels=labels,
        )
        world.check_term("XLNetLMHeadModel's loss", terms["loss"], ref.loss)


def cls_vectors(directory, texts):
    """`AutoModel`'s states of [CLS], for GPT-2 of the last token, of unit length: `wgrad encode` without pooling files."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(directory)
    model = transformers.AutoModel.from_pretrained(directory).eval()
    inputs = tokenizer(texts, padding=True, truncation=True, max_length=TOKENS, return_tensors="pt")
    with torch.no_grad():
        states = model(**inputs).last_hidden_state
    last = inputs["attention_mask"].sum(-1) - 1 if model.config.model_type == "gpt2" else 0
    states = states[torch.arange(len(states)), last]
    return torch.nn.functional.normalize(states, dim=-1).numpy()


def check_same_vectors(world, what, directory, ref):
    """`wgrad encode` of a directory that the others wrote."""
    there.report_output(f"back: {what}", world.encode(directory), ref, world.report)


def saved(world, name):
    """An empty folder for what the others write."""
    folder = world.work / "saved" / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def check_back(world, name, kind):
    """transformers' own saves of a model and of a fresh one, read by wgrad."""
    path = world.work / name / "model"
    architecture = json.loads((path / "config.json").read_text())["architectures"][0]
    model = getattr(transformers, architecture).from_pretrained(path)
    tokenizer = transformers.AutoTokenizer.from_pretrained(path)
    ref = world.encode(f"{name}/model")
    ways = [("saved whole", {}), ("saved in parts", {"max_shard_size": "100KB"})]
    if transformers.__version__.startswith("4."):
        ways += [("saved as .bin", {"safe_serialization": False})]
        ways += [("saved as .bin in parts", {"safe_serialization": False, "max_shard_size": "100KB"})]
    for what, options in ways:
        folder = saved(world, f"{name}_{what.replace(' ', '_')}")
        model.save_pretrained(folder, **options)
        tokenizer.save_pretrained(folder)
        files = sorted(path.name for path in folder.glob("*model*") if path.suffix != ".json")
        check_same_vectors(world, f"{architecture} {what}, {', '.join(files[:2])}", folder, ref)
    torch.manual_seed(7)
    config = transformers.AutoConfig.from_pretrained(path)
    config.initializer_range = 0.3  # far from where attention is even
    folder = saved(world, f"fresh_{kind}")
    transformers.AutoModel.from_config(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    texts = there.read_texts(world.work / "texts.txt")
    check_same_vectors(world, f"a fresh {kind} of AutoModel", folder, cls_vectors(folder, texts))


def check_pretrained(world, name, kind, generator):
    """All checks of one pre-training directory."""
    print(f"# {name}: wgrad pretrain")
    path = world.work / name / "model"
    encoder = there.load_encoder(path, world.report)
    there.check_tokenizer(path, encoder, world.report)
    texts = there.read_texts(world.work / "texts.txt")
    there.report_output("[CLS] states", world.encode(f"{name}/model"), cls_vectors(path, texts), world.report)
    check_losses(world, name, kind, generator)


def check_retriever(world, name, objective):
    """All checks of one retriever."""
    print(f"# {name}: wgrad finetune")
    path = world.work / name / "model"
    there.check_tokenizer(path, there.load_encoder(path, world.report), world.report)
    ours = world.encode(f"{name}/model")
    files = (world.work / "texts.txt", world.work / "E.safetensors")
    there.check_retriever(path, *files, "passage", world.report)
    if objective == "cpt":  # its sides are told apart
        world.encode(f"{name}/model", "query")
        there.check_retriever(path, *files, "query", world.report)
        return
    folder = saved(world, name)
    sentence_transformers.SentenceTransformer(str(path), device="cpu").save(str(folder))
    check_same_vectors(world, "SentenceTransformer.save", folder, ours)


def check_judge(world, name, objective, pairs):
    """All checks of a model that gives more than one vector a text, or scores."""
    path = world.work / name / "model"
    texts = world.work / "texts.txt"
    if objective == "contrastive":
        for kind in ("passage", "query"):
            world.encode(f"{name}/model", kind)
            if kind == "passage":
                there.check_retriever(path, texts, world.work / "E.safetensors", kind, world.report)
            there.check_words(path, texts, world.work / "E.safetensors", world.report)
    elif objective == "colbert":
        if not hasattr(sentence_transformers, "MultiVectorEncoder"):
            print("--    these versions have no MultiVectorEncoder")
            return
        files = []
        for kind, flag in (("query", "--queries"), ("passage", "--documents")):
            out = f"{kind}.safetensors"
            world.run("encode", "--model", f"{name}/model", "--input", "texts.txt", "--kind", kind, "--out", out)
            files += [flag, world.work / out]
        script = Path(__file__).with_name("load_colbert.py")
        done = subprocess.run([sys.executable, script, path, "--texts", texts, *files], check=False)
        world.report.check(done.returncode == 0, "every check of load_colbert.py")
    elif objective == "cross-encoder":
        world.run("bm25", "--data", pairs, "--split", "test", "--top-k", 5, "--out", "bm25.trec")
        first = (world.work / "bm25.trec").read_text().splitlines()[:200]
        (world.work / "first.trec").write_text("\n".join(first) + "\n")
        words = ["--data", pairs, "--run", "first.trec", "--max-length", TOKENS, "--out", "ranked.trec"]
        world.run("rerank", "--model", f"{name}/model", *words)
        there.check_reranker(path, pairs, world.work / "ranked.trec", world.report)
    else:
        words = ["--data", LABELLED[objective], "--out", "answers.tsv"]
        world.run("predict", "--model", f"{name}/model", *words)
        there.check_labels(path, world.work / LABELLED[objective], world.work / "answers.tsv", world.report)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--wgrad", type=Path, required=True, help="the binary")
    parser.add_argument("--work", type=Path, required=True, help="where runs are written")
    parser.add_argument("--texts", type=Path, required=True, help="lines of text")
    parser.add_argument("--pairs", type=Path, required=True, help="a BEIR folder with judgments to train on")
    parser.add_argument("--trained", action="store_true", help="the runs are there already")
    arguments = parser.parse_args()
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    torch.set_num_threads(1)
    report = there.Report()
    world = World(arguments.wgrad, arguments.work, report)
    if not arguments.trained:
        train(world, arguments)
    versions = [
        f"{module.__name__} {module.__version__}" for module in (torch, transformers, sentence_transformers)
    ]
    print(f"## {', '.join(versions)}")
    generator = torch.Generator().manual_seed(42)
    for name, kind, _, _ in PRETRAINING:
        check_pretrained(world, name, kind, generator)
    for name, kind in [("mlm", "bert"), ("electra", "electra"), ("xlnet", "xlnet"), ("clm", "gpt2")]:
        print(f"# {name}: and back")
        check_back(world, name, kind)
    for name, _, objective, _ in FINETUNING:
        check_retriever(world, name, objective)
    for name, _, objective, _ in JUDGES:
        print(f"# {name}: wgrad finetune")
        check_judge(world, name, objective, arguments.pairs.resolve())
    print(f"# {'something FAILED' if report.failed else 'all ok'}")
    return int(report.failed)


if __name__ == "__main__":
    sys.exit(main())
