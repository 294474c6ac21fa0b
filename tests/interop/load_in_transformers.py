#!/usr/bin/env python3
"""Loads a directory that wgrad wrote in transformers and sentence-transformers, and compares outputs.

    load_in_transformers.py DIR                                           keys and tokenizer
    load_in_transformers.py DIR --batch B --got G                         + `wgrad grad`'s last hidden state
    load_in_transformers.py DIR --retriever --texts T --embeddings E      + SentenceTransformer, `wgrad encode`
    load_in_transformers.py DIR --retriever --texts T --embeddings E --kind query   as queries of a model that tells them apart
    load_in_transformers.py DIR --data BEIR --run R                       + CrossEncoder, `wgrad rerank`
    load_in_transformers.py DIR --labelled F --predictions P              + the class of config.json, `wgrad predict`
    load_in_transformers.py DIR --same-as DIR2                            + every tensor equal, bit for bit

Each check prints one line, `ok` or `FAIL`; exits 1 if one failed. What passes is what a user may rely on: no key is
missing, none is unexpected, and the numbers are the same within the GPU gate of tests/fixtures/compare.py.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import torch
import transformers
from safetensors.numpy import load_file

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "fixtures"))
import compare  # noqa: E402  (its folder is on the path only now)

GATE = compare.GATES["gpu"]
PROBES = ["Retrieval-oriented pre-training.", "naïve café, 漢字 & don't!", "a " * 40]


class Report:
    """Prints each check as it is made and remembers whether one failed."""

    def __init__(self):
        self.failed = False

    def check(self, passed, what):
        self.failed |= not passed
        print(f"{'ok  ' if passed else 'FAIL'}  {what}")


def load_model(auto_class, directory, report, foreign=(), **options):
    """Loads with `auto_class`; keys must match but for unexpected ones that start with `foreign`."""
    model, info = auto_class.from_pretrained(directory, output_loading_info=True, **options)
    missing = sorted(info["missing_keys"])
    mismatched = sorted(map(str, info["mismatched_keys"]))
    unexpected = sorted(key for key in info["unexpected_keys"] if not key.startswith(tuple(foreign)))
    problems = [
        f"{kind} {keys}"
        for kind, keys in [("missing", missing), ("mismatched", mismatched), ("unexpected", unexpected)]
        if keys
    ]
    report.check(not problems, f"{type(model).__name__}: {'; '.join(problems) or 'every key matches'}")
    return model.eval()


def type_name(config):
    """The class that `AutoModel` takes for a configuration."""
    names = {"bert": "BertModel", "electra": "ElectraModel", "xlnet": "XLNetModel", "gpt2": "GPT2Model"}
    return names[config["model_type"]]


def load_encoder(directory, report):
    """The bare encoder of `directory`, after the class that its config names has loaded too."""
    config = json.loads((directory / "config.json").read_text())
    architecture = (config.get("architectures") or ["?"])[0]
    pooler = any("pooler." in key for key in load_file(directory / "model.safetensors"))
    if not hasattr(transformers, architecture):
        report.check(False, f"transformers has no {architecture}")
    elif architecture != type_name(config):
        load_model(getattr(transformers, architecture), directory, report)
    if (directory / "generator").exists():
        load_model(transformers.ElectraForMaskedLM, directory / "generator", report)
    heads = ("cls.", "discriminator_predictions.", "generator_predictions.", "generator_lm_head.", "lm_loss.")
    heads += ("classifier.", "sequence_summary.", "logits_proj.")
    options = {"add_pooling_layer": pooler} if config["model_type"] == "bert" else {}
    return load_model(transformers.AutoModel, directory, report, foreign=heads, **options)


def check_tokenizer(directory, encoder, report):
    """AutoTokenizer opens, wraps texts in its special tokens and stays inside the vocabulary."""
    if not any((directory / name).exists() for name in ("tokenizer.json", "vocab.txt")):
        print("--    no tokenizer in the directory")
        return
    tokenizer = transformers.AutoTokenizer.from_pretrained(directory)
    encoded = tokenizer(PROBES, padding=True, truncation=True, return_tensors="pt")
    ids, vocabulary = encoded["input_ids"], encoder.config.vocab_size
    report.check(
        len(tokenizer) <= vocabulary and int(ids.max()) < vocabulary,
        f"{type(tokenizer).__name__}: {len(tokenizer)} tokens, embeddings have {vocabulary}",
    )
    settings = json.loads((directory / "tokenizer_config.json").read_text())
    first, last = settings.get("passage_delimiters", (tokenizer.cls_token, tokenizer.sep_token))
    opens, closes = tokenizer.convert_tokens_to_ids([first, last])
    lengths = encoded["attention_mask"].sum(1).tolist()
    rows = [row[:length] for row, length in zip(ids.tolist(), lengths, strict=True)]
    wrapped = all(row[0] == opens and closes in row for row in rows)
    report.check(wrapped, f"{first} … {last} around every text")
    limit = encoder.config.max_position_embeddings  # -1 of XLNet: none
    report.check(
        limit < 0 or tokenizer.model_max_length <= limit,
        f"model_max_length {tokenizer.model_max_length}, the model has {limit} positions",
    )


def report_output(name, got, ref, report):
    """One line on `got` against `ref`, by the gate for outputs."""
    if got.shape != ref.shape:
        report.check(False, f"{name}: shape {got.shape}, expected {ref.shape}")
        return
    row = compare.compare_output(name, got.astype(np.float64), ref.astype(np.float64), GATE)
    report.check(row.share <= 1.0, f"{name}: max|Δ| {row.error:.2e}, {row.share:.3f} of the gate")


def check_hidden_state(encoder, batch_path, got_path, report):
    """`out.last_hidden_state` of `wgrad grad` on a batch, [B, T, H]."""
    batch = {name: torch.from_numpy(value).long() for name, value in load_file(batch_path).items()}
    sides = [side for side in ("query", "x") if f"{side}_ids" in batch]
    names = (f"{sides[0]}_ids", f"{sides[0]}_mask") if sides else ("input_ids", "attention_mask")
    inputs = dict(zip(("input_ids", "attention_mask"), (batch[name] for name in names), strict=True))
    if "token_type_ids" in batch:
        inputs["token_type_ids"] = batch["token_type_ids"]
    with torch.no_grad():
        ref = encoder(**inputs).last_hidden_state.numpy()
    report_output("last hidden state", load_file(got_path)["out.last_hidden_state"], ref, report)


def read_texts(path):
    """One text a line, or JSON lines with `text` and perhaps `title`, joined by a blank."""
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    if path.suffix != ".jsonl":
        return lines
    records = [json.loads(line) for line in lines]
    return [" ".join(filter(None, (record.get("title"), record["text"]))) for record in records]


def check_retriever(directory, texts_path, embeddings_path, kind, report):
    """SentenceTransformer opens the directory, and encodes texts as `wgrad encode` did, [N, D] in their order."""
    from sentence_transformers import SentenceTransformer

    retriever = SentenceTransformer(str(directory), device="cpu")
    modules = " → ".join(type(module).__name__ for module in retriever)
    report.check((directory / "modules.json").exists(), f"SentenceTransformer from modules.json: {modules}")
    if texts_path is None:
        report.check(np.isfinite(retriever.encode(PROBES)).all(), "embeddings of the probe texts are finite")
        return
    texts = read_texts(texts_path)
    if kind == "query":
        texts = [(text, "") for text in texts]  # what a tokenizer with delimiters takes for a query
    ref = retriever.encode(texts, convert_to_numpy=True)
    report_output(f"embeddings ({kind})", load_file(embeddings_path)["embeddings"], ref, report)


def check_words(directory, texts_path, embeddings_path, report):
    """What a hybrid retriever says of the vocabulary, by BertForMaskedLM: of passages, the entries that are kept."""
    told = json.loads((directory / "hybrid.json").read_text())
    head = {name: torch.from_numpy(value) for name, value in load_file(directory / "head.safetensors").items()}
    body = {name: torch.from_numpy(value) for name, value in load_file(directory / "model.safetensors").items()}
    config = transformers.AutoConfig.from_pretrained(directory)
    model = transformers.BertForMaskedLM(config).eval()
    state = {f"bert.{name}": value for name, value in body.items()}
    state |= {name: value for name, value in head.items() if name.startswith("cls.")}
    absent, unknown = model.load_state_dict(state, strict=False)
    tied = {"cls.predictions.decoder.weight", "cls.predictions.decoder.bias"}
    own = "ot_projection.weight" in head
    missing = [] if own else [name for name in absent if name not in tied]
    found = missing or "every key matches"
    report.check(not missing and not unknown, f"BertForMaskedLM with the head beside it: {found}")
    model.tie_weights()
    tokenizer = transformers.AutoTokenizer.from_pretrained(directory)
    saturations = {"none": lambda x: x, "relu": torch.relu, "log1p": lambda x: torch.relu(x).log1p()}
    saturate = saturations[told["bow_saturation"]]
    length = json.loads((directory / "sentence_bert_config.json").read_text())["max_seq_length"]
    rows = []
    for text in read_texts(texts_path):
        inputs = tokenizer(text, truncation=True, max_length=length, return_tensors="pt")
        with torch.no_grad():
            out = model(**inputs, output_hidden_states=True)
        logits = out.logits[0]
        if own:
            logits = out.hidden_states[-1][0] @ head["ot_projection.weight"].T + head["ot_projection.bias"]
        end = None if told["bow_tokens"] == "all" else -1
        rows.append(saturate(logits[1:end].max(0).values).numpy())
    ref, got = np.stack(rows), load_file(embeddings_path)
    if "words" in got:
        report_output("words of queries", got["words"], ref, report)
        return
    report_output("kept values", got["word_values"], -np.sort(-ref, -1)[:, : told["top_k"]], report)
    at = np.take_along_axis(ref, got["word_indices"].astype(np.int64), -1)
    report_output("kept values, at their entries", got["word_values"], at, report)


def check_reranker(directory, beir, run_path, report):
    """CrossEncoder opens the directory, and scores every pair of a run as `wgrad rerank` did."""
    from sentence_transformers import CrossEncoder

    texts = {}
    for name in ("corpus", "queries"):
        records = [json.loads(line) for line in (beir / f"{name}.jsonl").read_text().splitlines() if line.strip()]
        texts[name] = {r["_id"]: " ".join(filter(None, (r.get("title"), r["text"]))) for r in records}
    rows = [line.split() for line in run_path.read_text().splitlines()]
    pairs = [(texts["queries"][row[0]], texts["corpus"][row[2]]) for row in rows]
    model = CrossEncoder(str(directory), device="cpu")
    scores = model.predict(pairs, batch_size=16)
    report_output(f"CrossEncoder, {len(pairs)} scores", np.array([float(row[4]) for row in rows]), scores, report)


def read_labelled(path, tags):
    """Texts, pairs or words of a file as `wgrad finetune` takes it: with tabs, `label text`, or words with tags."""
    if tags:
        texts = [[line.split()[0] for line in text.splitlines()] for text in path.read_text().split("\n\n")]
        return [words for words in texts if words]
    examples = []
    for line in path.read_text(encoding="utf-8").splitlines():
        columns = line.split("\t")
        if len(columns) >= 7:  # STS-B's own
            examples.append(columns[5:7])
        elif line.strip():
            examples.append(columns[1:] if len(columns) > 1 else line.split(" ", 1)[1:])
    return examples


def check_labels(directory, labelled_path, predictions_path, report):
    """The scores of `wgrad predict`, by the class of config.json one text at a time."""
    config = json.loads((directory / "config.json").read_text())
    architecture = config["architectures"][0]
    tags = architecture.endswith("ForTokenClassification")
    model = getattr(transformers, architecture).from_pretrained(directory).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(directory)
    lines = [line for line in predictions_path.read_text().splitlines() if line]
    numbers = model.config.num_labels == 1
    got = np.array([[float(x) for x in line.split("\t")[0 if numbers else 1 :]] for line in lines])
    ref = []
    for texts in read_labelled(labelled_path, tags):
        if tags:
            encoded = tokenizer(texts, is_split_into_words=True, return_tensors="pt")
        else:
            encoded = tokenizer(*texts, truncation="longest_first", return_tensors="pt")
        words = encoded.word_ids() if tags else None
        inputs = dict(encoded)
        if config["model_type"] == "xlnet":  # the text, [SEP] and [CLS], as XLNet has them
            kinds = inputs["token_type_ids"].clone()
            kinds[:, 0] = 2
            inputs = {
                "input_ids": inputs["input_ids"].roll(-1, 1),
                "token_type_ids": kinds.roll(-1, 1),
                "attention_mask": inputs["attention_mask"],
            }
            words = words and words[1:] + words[:1]
        with torch.no_grad():
            logits = model(**inputs).logits.numpy()[0]
        if tags:
            first = [at for at, word in enumerate(words) if word is not None and word not in words[:at]]
            ref.extend(logits[first])
        else:
            ref.append(logits)
        if len(ref) >= len(lines):
            break
    report_output(f"{architecture}, {len(ref)} rows of scores", got, np.array(ref), report)


def check_same(directory, other, report):
    """Both directories hold the same tensors, bit for bit, under the same names."""
    for name in ("model.safetensors", "head.safetensors"):
        if not (directory / name).exists() and not (other / name).exists():
            continue
        ours, theirs = (load_file(d / name) if (d / name).exists() else {} for d in (directory, other))
        differ = sorted(set(ours) ^ set(theirs))
        differ += [key for key in ours.keys() & theirs.keys() if ours[key].tobytes() != theirs[key].tobytes()]
        report.check(
            not differ, f"{name}: {f'differs in {differ}' if differ else f'{len(ours)} tensors equal'}"
        )


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("directory", type=Path)
    parser.add_argument("--batch", type=Path, help="inputs of `wgrad grad`; needs --got")
    parser.add_argument("--got", type=Path, help="what `wgrad grad --out` wrote")
    parser.add_argument("--retriever", action="store_true", help="open it as a SentenceTransformer too")
    parser.add_argument("--texts", type=Path, help="input of `wgrad encode`; needs --retriever, --embeddings")
    parser.add_argument("--embeddings", type=Path, help="what `wgrad encode --out` wrote")
    parser.add_argument("--kind", choices=["query", "passage"], default="passage", help="what the texts are")
    parser.add_argument("--data", type=Path, help="the BEIR folder of `wgrad rerank`; needs --run")
    parser.add_argument("--run", type=Path, help="what `wgrad rerank --out` wrote")
    parser.add_argument("--labelled", type=Path, help="the data of `wgrad predict`; needs --predictions")
    parser.add_argument("--predictions", type=Path, help="what `wgrad predict --out` wrote")
    parser.add_argument("--same-as", type=Path, help="a directory with the same tensors")
    arguments = parser.parse_args()
    if (arguments.batch is None) != (arguments.got is None):
        parser.error("--batch and --got go together")
    if (arguments.data is None) != (arguments.run is None):
        parser.error("--data and --run go together")
    if (arguments.labelled is None) != (arguments.predictions is None):
        parser.error("--labelled and --predictions go together")
    if (arguments.texts is None) != (arguments.embeddings is None):
        parser.error("--texts and --embeddings go together")
    if arguments.texts is not None and not arguments.retriever:
        parser.error("--texts needs --retriever")

    report = Report()
    encoder = load_encoder(arguments.directory, report)
    check_tokenizer(arguments.directory, encoder, report)
    if arguments.batch is not None:
        check_hidden_state(encoder, arguments.batch, arguments.got, report)
    if arguments.retriever:
        check_retriever(arguments.directory, arguments.texts, arguments.embeddings, arguments.kind, report)
        if arguments.texts is not None and (arguments.directory / "hybrid.json").exists():
            check_words(arguments.directory, arguments.texts, arguments.embeddings, report)
    if arguments.run is not None:
        check_reranker(arguments.directory, arguments.data, arguments.run, report)
    if arguments.predictions is not None:
        check_labels(arguments.directory, arguments.labelled, arguments.predictions, report)
    if arguments.same_as is not None:
        check_same(arguments.directory, arguments.same_as, report)
    return int(report.failed)


if __name__ == "__main__":
    sys.exit(main())
