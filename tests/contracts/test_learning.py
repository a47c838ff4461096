"""Property 4: it learns, and every weight has a part in it."""

import keras
import pytest

import keras_nlp_zoo as knz
from tests.conftest import reviews_of_one_bucket
from tests.contracts.cases import CLASSIFIERS, LABELS, every_weight_moved, tiny


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_a_few_dozen_examples_are_learnt_by_every_weight(name):
    texts, labels = reviews_of_one_bucket(48, kind="plain")
    tokenizer = knz.Tokenizer.train(texts)
    model = tiny(name, tokenizer, embedding_dim=16)
    model.compile(keras.optimizers.Adam(0.005 if name == "bert" else 0.02))
    before = model.get_weights()
    history = model.fit(texts, labels, epochs=40, batch_size=8, verbose=0).history
    every_weight_moved(model, before)
    assert history["accuracy"][-1] >= 0.97


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_default_optimizer_learns(name, tokenizer, reviews):
    model = tiny(name, tokenizer)
    history = model.fit(*reviews, epochs=8, batch_size=8, verbose=0).history["loss"]
    assert history[-1] < history[0]
    assert model.num_classes == len(LABELS)
