#!/usr/bin/env python3
"""Loads a ColBERT directory that wgrad wrote, in the ways others do, and compares the vectors of tokens.

    load_colbert.py DIR                                                       every loader
    load_colbert.py DIR --texts T --queries Q.safetensors --documents D.safetensors   + `wgrad encode` of one text a line

The loaders: sentence-transformers' MultiVectorEncoder by PyLate's layout (modules.json, 1_Dense); the same by the
authors' layout (artifact.metadata, linear.weight in model.safetensors); transformers' BertModel; and a class that is built
as the authors' HF_ColBERT, with their tokenisation written out.
"""

import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
import transformers
from load_in_transformers import Report, read_texts
from safetensors.numpy import load_file
from sentence_transformers import MultiVectorEncoder

TOLERANCE = 2e-5  # of a cosine's operand; f32 on both sides
PROBES = ["Which river, if any, is green?", "stone " * 60, "?"]


class HF_ColBERT(transformers.BertPreTrainedModel):
    """The authors' class: encoder and projection in one file."""

    def __init__(self, config):
        super().__init__(config)
        self.bert = transformers.BertModel(config, add_pooling_layer=False)
        self.linear = torch.nn.Linear(config.hidden_size, config.dim, bias=False)
        self.post_init()


def by_hand(model, tokenizer, settings, texts, is_query):
    """Vectors of the tokens that count, as stanford-futuredata/ColBERT tokenises and encodes them."""
    side, longest = ("query", "query_maxlen") if is_query else ("doc", "doc_maxlen")
    marker = tokenizer.convert_tokens_to_ids(settings[f"{side}_token_id"])
    skipped = {tokenizer.convert_tokens_to_ids(sign) for sign in map(chr, range(33, 127)) if not sign.isalnum()}
    skipped.discard(tokenizer.unk_token_id)
    for text in texts:
        ids = tokenizer(text, truncation=True, max_length=settings[longest] - 1)["input_ids"]
        ids = [ids[0], marker, *ids[1:]]
        seen = [1] * len(ids)
        if is_query:
            fill = settings["query_maxlen"] - len(ids)
            ids, seen = ids + [tokenizer.mask_token_id] * fill, seen + [int(settings["attend_to_mask_tokens"])] * fill
        with torch.no_grad():
            hidden = model.bert(torch.tensor([ids]), torch.tensor([seen])).last_hidden_state[0]
            vectors = torch.nn.functional.normalize(model.linear(hidden), dim=-1).numpy()
        keep = [is_query or not settings["mask_punctuation"] or token not in skipped for token in ids]
        yield vectors[keep]


def compare(name, got, ref, report):
    """One line on two lists of [tokens, D]."""
    got, ref = ([np.asarray(vectors) for vectors in side] for side in (got, ref))
    shapes = [(g.shape, r.shape) for g, r in zip(got, ref, strict=True) if g.shape != r.shape]
    if shapes:
        report.check(False, f"{name}: shapes {shapes[0][0]} and {shapes[0][1]} in {len(shapes)} of {len(got)} texts")
        return
    error = max(float(np.abs(g - r).max()) for g, r in zip(got, ref, strict=True))
    report.check(error <= TOLERANCE, f"{name}: {len(got)} texts, max|Δ| {error:.2e}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--texts", type=Path, help="one text a line; needs --queries and --documents")
    parser.add_argument("--queries", type=Path, help="what `wgrad encode --kind query` wrote")
    parser.add_argument("--documents", type=Path, help="what `wgrad encode --kind passage` wrote")
    arguments = parser.parse_args()
    transformers.utils.logging.disable_progress_bar()
    report = Report()
    directory, texts = arguments.directory, read_texts(arguments.texts) if arguments.texts else PROBES

    settings = json.loads((directory / "artifact.metadata").read_text())
    config = transformers.AutoConfig.from_pretrained(directory)
    config.dim = settings["dim"]
    model, info = HF_ColBERT.from_pretrained(directory, config=config, output_loading_info=True)
    problems = {kind: sorted(info[kind]) for kind in ("missing_keys", "unexpected_keys") if info[kind]}
    report.check(not problems, f"HF_ColBERT: {problems or 'every key matches'}")
    tokenizer = transformers.AutoTokenizer.from_pretrained(directory)
    model = model.eval()
    vectors = {
        True: list(by_hand(model, tokenizer, settings, texts, is_query=True)),
        False: list(by_hand(model, tokenizer, settings, texts, is_query=False)),
    }

    _, info = transformers.AutoModel.from_pretrained(directory, output_loading_info=True, add_pooling_layer=False)
    unexpected = sorted(key for key in info["unexpected_keys"] if key != "linear.weight")
    report.check(not info["missing_keys"] and not unexpected, f"BertModel: {unexpected or 'every key matches'}")

    with tempfile.TemporaryDirectory() as folder:
        published = Path(folder) / "published"
        shutil.copytree(directory, published)
        for name in ("modules.json", "config_sentence_transformers.json", "sentence_bert_config.json", "head.safetensors"):
            (published / name).unlink()
        shutil.rmtree(published / "1_Dense")
        config = json.loads((published / "config.json").read_text())
        (published / "config.json").write_text(json.dumps(config | {"architectures": ["HF_ColBERT"]}))
        for layout, path in (("PyLate's layout", directory), ("the authors' layout", published)):
            encoder = MultiVectorEncoder(str(path), device="cpu")
            compare(f"queries by {layout}", encoder.encode_query(texts), vectors[True], report)
            compare(f"documents by {layout}", encoder.encode_document(texts), vectors[False], report)

    for is_query, path in ((True, arguments.queries), (False, arguments.documents)):
        if path is not None:
            file = load_file(path)
            got = np.split(file["embeddings"], file["offsets"][1:-1])
            compare(f"wgrad encode, {'queries' if is_query else 'documents'}", got, vectors[is_query], report)
    return int(report.failed)


if __name__ == "__main__":
    sys.exit(main())
