"""Every example of a public docstring runs."""

import inspect
import re
import textwrap

import keras
import numpy as np
import pytest

import keras_nlp_zoo as knz
from keras_nlp_zoo import layers, naming, text


def documented():
    modules = {
        "knz": knz,
        **{
            name: getattr(knz, name)
            for name in ("layers", "models", "text", "datasets", "interop", "metrics", "plots", "samplers", "training")
        },
    }
    for prefix, module in modules.items():
        names = getattr(module, "__all__", None) or [n for n in dir(module) if not n.startswith("_")]
        for name in names:
            value = getattr(module, name)
            if inspect.isroutine(value) or inspect.isclass(value):
                yield f"{prefix}.{name}", value


PUBLIC = dict(documented())
# What a docstring may send its reader to: names, with their modules or without, and modules.
KNOWN = {part for name in PUBLIC for part in (name.removeprefix("knz."), *name.split("."))}


@pytest.mark.parametrize("name", PUBLIC)
def test_public_names_are_documented(name):
    assert inspect.getdoc(PUBLIC[name]), f"{name} has no docstring"


@pytest.mark.parametrize("name", PUBLIC)
def test_what_a_docstring_refers_to_is_public(name):
    """A reader who is sent somewhere else for the arguments finds them there."""
    doc = inspect.getdoc(PUBLIC[name])
    for other in re.findall(r"(?:those of|[Aa]s (?:for|in|of))\s+`([\w.]+)`", doc):
        if not other.startswith(("keras.", "keras_hub.", "torch.")):
            own = inspect.isclass(PUBLIC[name]) and hasattr(PUBLIC[name], other)
            assert own or other.removeprefix("knz.") in KNOWN, other


def example(value):
    doc = inspect.getdoc(value) or ""
    if "\nExample:\n" not in doc:
        return None
    lines = doc.split("\nExample:\n", 1)[1].split("\n")
    kept = [line for line in lines if line.startswith("    ") or not line.strip()]
    return textwrap.dedent("\n".join(kept))


EXAMPLES = {name: example(value) for name, value in {**PUBLIC, "suggest": naming.suggest}.items() if example(value)}


def test_examples_are_found():
    assert len(EXAMPLES) >= 14


@pytest.mark.skipif(
    keras.backend.backend() != "torch",
    reason="every backend runs what is shown in other tests; where each example is compiled, they take a minute more",
)
@pytest.mark.parametrize("name", EXAMPLES)
def test_example_runs(name, reviews, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    texts, labels = reviews[0][:8], reviews[1][:8]
    (tmp_path / "reviews.tsv").write_text("".join(f"{b}\t{a}\n" for a, b in zip(texts, labels, strict=True)), "utf-8")
    tokenizer = knz.Tokenizer.train(texts)
    namespace = {
        "knz": knz,
        "np": np,
        "keras": keras,
        "texts": texts,
        "labels": labels,
        "tokenizer": tokenizer,
        "classifier": knz.create_model("dnn", tokenizer=tokenizer, labels=["negative", "positive"]),
        **vars(layers),
        **vars(knz.models),
        **vars(text),
        "suggest": naming.suggest,
    }
    code = EXAMPLES[name].replace('["positive", "negative", ...]', "labels")
    exec(compile(code, name, "exec"), namespace)
