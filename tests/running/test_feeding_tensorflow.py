"""What TensorFlow's pipelines that feed a task are told."""

import keras
import numpy as np
import pytest

import keras_nlp_zoo as knz

if keras.backend.backend() != "tensorflow":
    pytest.skip("the other backends have no such pipelines", allow_module_level=True)

import tensorflow as tf


@pytest.fixture
def pipelines(monkeypatch):
    """The datasets that are iterated."""
    seen = []
    iterate = tf.data.Dataset.__iter__

    def noting(dataset):
        seen.append(dataset)
        return iterate(dataset)

    # Every dataset inherits it, but a class between may have its own.
    for kind in {k for k in type(tf.data.Dataset.range(1)).__mro__ if "__iter__" in vars(k)}:
        monkeypatch.setattr(kind, "__iter__", noting)
    return seen


def classifier(texts):
    tokenizer = knz.Tokenizer.train(texts, kind="word")
    return knz.create_model("dnn", tokenizer=tokenizer, labels=["negative", "positive"], embedding_dim=4)


def test_training_never_waits_for_a_pipeline_that_tunes_itself(reviews, pipelines):
    """Texts, ready arrays, held-out data and `evaluate`."""
    texts, labels = reviews
    model = classifier(texts)
    model.fit(texts, labels, validation_split=0.25, epochs=2, verbose=0)
    model.fit(model.preprocessor(texts), np.zeros(len(texts), int), verbose=0)
    model.evaluate(texts, labels, verbose=0)
    assert len(pipelines) >= 4
    assert [dataset.options().autotune.enabled for dataset in pipelines] == [False] * len(pipelines)


def test_a_pipeline_that_shall_tune_itself_may(reviews, pipelines):
    texts, _ = reviews
    model = classifier(texts)
    options = tf.data.Options()
    options.autotune.enabled = True
    dataset = model.distribute_strategy.experimental_distribute_dataset(tf.data.Dataset.range(3).with_options(options))
    assert dataset.options().autotune.enabled


def test_under_a_strategy_of_the_user(reviews):
    texts, labels = reviews
    with tf.distribute.MirroredStrategy(["CPU:0"]).scope():
        model = classifier(texts)
    history = model.fit(texts, labels, epochs=2, verbose=0).history
    assert history["loss"][1] < history["loss"][0]
