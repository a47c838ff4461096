"""Property 4: it learns, and every weight has a part in it."""

import keras
import numpy as np
import pytest

import keras_nlp_zoo as knz
from tests.contracts.cases import CLASSIFIERS, LABELS, tiny


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_a_few_dozen_examples_are_learnt(name):
    texts, labels = knz.datasets.load("reviews", size=48, kind="plain")
    tokenizer = knz.Tokenizer.train(texts)
    model = tiny(name, tokenizer, embedding_dim=16)
    model.compile(keras.optimizers.Adam(0.005 if name == "bert" else 0.02))
    model.fit(texts, labels, epochs=25, batch_size=8, verbose=0)
    assert model.evaluate(texts, labels, verbose=0, return_dict=True)["accuracy"] >= 0.97
    answers = model.classify(texts)
    assert np.mean([answer["label"] == label for answer, label in zip(answers, labels, strict=True)]) >= 0.97
    assert all(0.5 <= answer["score"] <= 1 for answer in answers)


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_every_weight_learns(name, tokenizer, reviews):
    texts, labels = reviews
    model = tiny(name, tokenizer)
    model.compile(keras.optimizers.SGD(1.0))
    before = [keras.ops.convert_to_numpy(weight) for weight in model.trainable_weights]
    loss = model.train_on_batch(texts, labels, return_dict=True)["loss"]
    assert np.isfinite(loss)
    for weight, old in zip(model.trainable_weights, before, strict=True):
        new = keras.ops.convert_to_numpy(weight)
        assert np.isfinite(new).all(), weight.path
        assert np.abs(new - old).max() > 0, f"{weight.path} got no gradient"


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_default_optimizer_learns(name, tokenizer, reviews):
    model = tiny(name, tokenizer)
    history = model.fit(*reviews, epochs=8, batch_size=8, verbose=0).history["loss"]
    assert history[-1] < history[0]
    assert model.num_classes == len(LABELS)
