"""Checkpoints of GPT-2 as `transformers` writes them, and what it makes of a prompt: for the files beside this one."""

import functools
import json
import os
import pathlib
from typing import NamedTuple

import numpy as np
import pytest

import keras_nlp_zoo as knz
from tests.conftest import ODD_TEXTS

torch = pytest.importorskip("torch", reason="torch is the oracle, and not installed: see `tox -e parity`")
transformers = pytest.importorskip("transformers", reason="transformers is the oracle, and not installed")

ARTICLE = "Artificial Intelligence is"
PROMPTS = [
    ARTICLE,
    "x",
    "def f(x):\n    return x",
    "한국어",
    "the naïve café of the intelligence",
    "🙂",
    " is is",
    "Paris is not the end of France.",
]
HARD = [
    *(text for text in ODD_TEXTS if not any("\ud800" <= letter <= "\udfff" for letter in text)),
    "naïve café, Ångström, İstanbul, e\u0301",
    "def f(x):\n    if x:\n\treturn {'a': x ** 2}  # code\n\n\n",
    "  two  spaces \n\n lines   ",
    "they're we'll I'd it's can't 'S 12.5% 1234567",
    "\x00\x01\x07\x1b \x7f \x85 \ufffd",
    "half <|endof text|> a token",
    "🙂 한국어 🙂\u200d🙂 中文字 שלום",
    "hard " * 2000,
]
SIZES = {"n_embd": 16, "n_layer": 2, "n_head": 4}
POSITIONS = 96


@functools.cache
def vocabulary():
    """A vocabulary of bytes and merges, `<|endoftext|>` last as in GPT-2's."""
    trained = json.loads(knz.Tokenizer.train([*PROMPTS, *HARD[-8:-1]], "byte_bpe", 330)._rust.to_str())["model"]
    tokens = {token: i for i, token in enumerate([*list(trained["vocab"])[5:], "<|endoftext|>"])}
    return tokens, [" ".join(pair) for pair in trained["merges"]]


def real_vocabulary():
    """The files of GPT-2's vocabulary, or a skip: they are not in the repository, nor is there a network."""
    folder = os.environ.get("KERAS_NLP_ZOO_VOCAB")
    if not folder:
        pytest.skip("KERAS_NLP_ZOO_VOCAB is not set: the real GPT-2 vocabulary is not on this machine")
    return [pathlib.Path(folder, "gpt2", name).read_text("utf-8") for name in ("encoder.json", "vocab.bpe")]


def write(folder, name="GPT2LMHeadModel", real=False, **config):
    """A checkpoint of a class of `transformers`, and the module itself.

    Its weights are random, and such that the next token depends on all before it.
    """
    if real:
        tokens, merges = real_vocabulary()
    else:
        tokens, merges = json.dumps(vocabulary()[0]), "\n".join(["#version: 0.2", *vocabulary()[1]]) + "\n"
    (folder / "vocab.json").write_text(tokens, "utf-8")
    (folder / "merges.txt").write_text(merges, "utf-8")
    size = len(json.loads(tokens))
    config = {"bos_token_id": size - 1, "eos_token_id": size - 1, "n_positions": POSITIONS, **SIZES, **config}
    torch.manual_seed(0)
    module = getattr(transformers, name)(transformers.GPT2Config(vocab_size=size, **config)).eval()
    for name, parameter in module.named_parameters():
        block, norm = ".attn." in name or ".mlp." in name, ".ln_" in name and name.endswith("weight")
        deviation = 4 * config["n_embd"] ** -0.5 if block and parameter.ndim == 2 else 0.3
        parameter.data.normal_(1.0 if norm else 0.0, deviation)
    module.save_pretrained(folder)
    return module


class Checkpoint(NamedTuple):
    folder: pathlib.Path
    module: object
    tokenizer: object  # that of transformers
    model: object  # ours


def open_both(folder, module):
    tokenizer = transformers.GPT2Tokenizer.from_pretrained(folder)
    return Checkpoint(folder, module, tokenizer, knz.create_model("gpt2", preset=folder))


def logits_of(module, ids):
    with torch.no_grad():
        return module(torch.tensor([ids])).logits[0].numpy()


def padded(rows):
    """Ready arrays, with tokens at the padding that must not matter."""
    lengths = np.array([len(row) for row in rows])
    mask = np.arange(lengths.max()) < lengths[:, None]
    tokens = np.full(mask.shape, 7, "int32")
    tokens[mask] = np.concatenate(rows)
    return {"token_ids": tokens, "padding_mask": mask.astype("int32")}


def assert_same_logits(model, rows, expected, atol):
    """The next-token scores of rows of several lengths, side by side."""
    found = model.predict(padded(rows), verbose=0)
    for row, one, other in zip(rows, found, expected, strict=True):
        np.testing.assert_allclose(one[: len(row)], other, atol=atol)


def ids_of(tokenizer, texts):
    return [tokenizer(text)["input_ids"] for text in texts]


def written(checkpoint, prompt, max_length, **options):
    """What `transformers` writes after a prompt alone: sequences of ids, and their scores."""
    ids = torch.tensor([checkpoint.tokenizer(prompt)["input_ids"]])
    options = {"eos_token_id": checkpoint.module.config.eos_token_id, **options}
    result = checkpoint.module.generate(
        ids,
        attention_mask=torch.ones_like(ids),
        max_length=max_length,
        do_sample=False,
        pad_token_id=checkpoint.module.config.eos_token_id,
        output_scores=True,
        return_dict_in_generate=True,
        **options,
    )
    if "num_beams" not in options:
        best = torch.stack(result.scores).topk(2).values
        assert (best[..., 0] - best[..., 1]).min() > 1e-4  # else rounding decides
    return result


def greedy(checkpoint, prompt, max_length, **options):
    return written(checkpoint, prompt, max_length, **options).sequences[0].tolist()


def text_of(checkpoint, ids):
    return checkpoint.tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
