import grain
import keras
import keras_hub
import numpy as np
import pytest

import keras_nlp_zoo as knz
from keras_nlp_zoo.text.batching import BucketedBatches
from tests.called import called
from tests.contracts.cases import LABELS, tiny
from tests.rewind import rewinder
from tests.tasks.batches import Batches


def grain_dataset(texts, labels):
    return grain.MapDataset.source(list(zip(texts, labels, strict=True))).batch(16)


def tf_dataset(texts, labels):
    tensorflow = pytest.importorskip("tensorflow", reason="keras-hub brings TensorFlow, unless it was taken out")
    return tensorflow.data.Dataset.from_tensor_slices((texts, labels)).batch(16)


def generator(texts, labels):
    return (batch for batch in Batches(texts, labels, batch_size=16))


def data_loader(texts, labels):
    """What `torch.utils.data.DataLoader` yields: lists of lists."""
    return [([*texts[i : i + 16]], [*labels[i : i + 16]]) for i in range(0, len(texts), 16)].__iter__()


SOURCES = {
    "lists": lambda x, y: (x, y),
    "tuples": lambda x, y: (tuple(x), tuple(y)),
    "arrays": lambda x, y: (np.array(x), np.array(y)),
    "objects": lambda x, y: (np.array(x, dtype=object), np.array(y, dtype=object)),
    "bytes": lambda x, y: ([t.encode() for t in x], [t.encode() for t in y]),
    "indices": lambda x, y: (x, [LABELS.index(label) for label in y]),
    "PyDataset": lambda x, y: (Batches(x, y, batch_size=16),),
    "grain map": lambda x, y: (grain_dataset(x, y),),
    "grain iter": lambda x, y: (grain_dataset(x, y).to_iter_dataset(),),
    "tf.data": lambda x, y: (tf_dataset(x, y),),
    "generator": lambda x, y: (generator(x, y),),
    "data loader": lambda x, y: (data_loader(x, y),),
}


@pytest.fixture(scope="module")
def corpus():
    """(texts, labels) of several buckets."""
    return knz.datasets.load("reviews", size=64)


@pytest.fixture(scope="module")
def train(tokenizer, tmp_path_factory):
    """Trains from one start, on arguments of `fit`: the losses, and how many texts the tokenizer has read."""
    folder = tmp_path_factory.mktemp("tokenizer")
    tokenizer.save_assets(folder)
    instrumented = knz.Tokenizer.from_config(tokenizer.get_config())
    instrumented.load_assets(folder)
    original, read = instrumented.tokenize, []

    def tokenize(inputs, *args, **kwargs):
        read.extend(inputs)
        return original(inputs, *args, **kwargs)

    object.__setattr__(instrumented, "tokenize", tokenize)
    keras.utils.set_random_seed(0)
    model = tiny("cnn", instrumented)
    rewind = rewinder(model)

    def train(*data, **kwargs):
        rewind()
        read.clear()
        losses = model.fit(*data, epochs=3, verbose=0, seed=5, **kwargs).history["loss"]
        return losses, len(read)

    return train


@pytest.mark.parametrize("source", SOURCES)
def test_every_source_trains_alike_and_is_tokenised_once(source, train, corpus):
    texts, labels = corpus
    expected, _ = train(texts, labels, batch_size=16)
    batched = {"batch_size": 16} if len(SOURCES[source](texts, labels)) == 2 else {}
    losses, tokenised = train(*SOURCES[source](texts, labels), **batched)
    np.testing.assert_allclose(losses, expected, rtol=1e-5)
    assert losses[-1] < losses[0]
    assert tokenised == len(texts)


@pytest.mark.parametrize("source", ["PyDataset", "grain map", "tf.data", "lists"])
def test_evaluate_and_predict_on_every_source(source, tokenizer, corpus):
    texts, labels = corpus
    model = tiny("cnn", tokenizer)
    data = SOURCES[source](texts, labels)
    expected = model.predict(texts, verbose=0)
    accuracy = np.mean(expected.argmax(-1) == np.array([LABELS.index(label) for label in labels]))
    results = model.evaluate(*data, verbose=0, return_dict=True)
    assert results["accuracy"] == pytest.approx(accuracy)
    logits = expected.astype("float64")
    log_probabilities = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    picked = log_probabilities[np.arange(64), [LABELS.index(label) for label in labels]]
    assert results["loss"] == pytest.approx(-picked.mean(), abs=1e-5)
    # An accelerator or a batch of another width may round differently in the last digit.
    np.testing.assert_allclose(model.predict(SOURCES[source](texts, labels)[0], verbose=0), expected, atol=1e-6)


def test_probabilities_are_trained_as_such(tokenizer, corpus):
    """The default loss asks for the activation."""
    texts, labels = corpus
    sizes = {"embedding_dim": 8, "hidden_dim": (4,)}
    model = knz.create_model("dnn", tokenizer=tokenizer, labels=LABELS, activation="softmax", **sizes)
    probabilities = model.predict(texts, verbose=0).astype("float64")
    np.testing.assert_allclose(probabilities.sum(-1), 1.0, atol=1e-6)
    picked = probabilities[np.arange(64), [LABELS.index(label) for label in labels]]
    assert model.evaluate(texts, labels, verbose=0)[0] == pytest.approx(-np.log(picked).mean(), abs=1e-5)


def test_predict_keeps_the_order(tokenizer):
    texts = ["the plot " * n for n in (30, 1, 9, 2, 60, 1, 14)]
    model = tiny("lstm", tokenizer)
    together = model.predict(texts, batch_size=2, verbose=0)
    alone = np.concatenate([model.predict([text], verbose=0) for text in texts])
    np.testing.assert_allclose(together, alone, atol=1e-5)
    with pytest.raises(ValueError, match="`steps` does not go with texts"):
        model.predict(texts, steps=1)


def test_a_stream_without_end(tokenizer, corpus):
    texts, labels = corpus
    for class_weight in (None, {"negative": 2.0}):
        model = tiny("cnn", tokenizer)
        data = Batches(texts, labels, batch_size=16, endless=True)
        history = model.fit(
            data,
            epochs=3,
            steps_per_epoch=4,
            validation_data=corpus,
            class_weight=class_weight,
            verbose=0,
        )
        assert len(history.history["val_loss"]) == 3
        assert int(model.optimizer.iterations) == 12
    with pytest.raises(ValueError, match="`x` never ends: say with `steps_per_epoch`"):
        model.fit(Batches(texts, labels, batch_size=16, endless=True))
    with pytest.raises(ValueError, match="`validation_split` needs data that end"):
        model.fit(Batches(texts, labels, batch_size=16, endless=True), steps_per_epoch=2, validation_split=0.5)
    for call in (model.evaluate, model.predict, lambda x: model.fit(texts, labels, validation_data=x)):
        with pytest.raises(ValueError, match=r"never ends: only `fit` .* and `evaluate` .* take such a dataset"):
            call(Batches(texts, labels, batch_size=16, endless=True))
    with pytest.raises(ValueError, match="come with the dataset"):
        model.fit(Batches(texts, labels, batch_size=16), y=labels)


def test_so_many_batches_are_the_first_ones(tokenizer, corpus):
    """In the order in which they come, though they are read by length; of a generator no more than these."""
    model, (texts, labels) = tiny("cnn", tokenizer), corpus
    texts = sorted(texts, key=len, reverse=True)
    expected = model.evaluate(texts[:32], labels[:32], verbose=0)
    assert expected != model.evaluate(texts, labels, verbose=0)
    batches = (batch for batch in Batches(texts, labels, batch_size=16, endless=True))
    assert model.evaluate(texts, labels, batch_size=16, steps=2, verbose=0) == pytest.approx(expected, abs=1e-6)
    assert model.evaluate(batches, steps=2, verbose=0) == pytest.approx(expected, abs=1e-6)
    assert model.evaluate(texts, labels, batch_size=16, steps=9, verbose=0) != expected


@pytest.mark.parametrize("endless", [False, True], ids=["lists", "stream"])
def test_so_many_batches_of_validation(endless, tokenizer, corpus):
    model, (texts, labels) = tiny("cnn", tokenizer), corpus
    texts = sorted(texts, key=len, reverse=True)
    train = (Batches(texts, labels, batch_size=16, endless=True),) if endless else (texts, labels)
    common = {"validation_steps": 2, "validation_batch_size": 8, "steps_per_epoch": 2, "batch_size": 16, "verbose": 0}
    held_out = [(texts, labels), Batches(texts, labels, batch_size=8, endless=True)]
    found = [model.fit(*train, validation_data=data, **common).history["val_loss"][0] for data in held_out[:1]]
    assert found == pytest.approx([model.evaluate(texts[:16], labels[:16], verbose=0)[0]], abs=1e-6)
    found = model.fit(*train, validation_data=held_out[1], **common).history["val_loss"]
    assert found == pytest.approx([model.evaluate(texts[:16], labels[:16], verbose=0)[0]], abs=1e-6)
    if not endless:
        found = model.fit(*train, validation_split=0.5, **common).history["val_loss"]
        assert found == pytest.approx([model.evaluate(texts[32:48], labels[32:48], verbose=0)[0]], abs=1e-6)
    with pytest.raises(ValueError, match="`validation_data` has no targets"):
        model.fit(*train, validation_data=(texts,), **common)


def test_a_stream_that_runs_out(tokenizer, corpus):
    model = tiny("cnn", tokenizer)
    with pytest.warns(UserWarning, match="ran out of data"):
        model.fit(generator(*corpus), steps_per_epoch=10, verbose=0)
    assert int(model.optimizer.iterations) in (4, 5)  # TensorFlow counts the step that found nothing


def test_a_corpus_on_disk(tokenizer, corpus, tmp_path):
    lines = [f"{label}\t{text}\n" for text, label in zip(*corpus, strict=True)]
    (tmp_path / "reviews.tsv").write_text("".join(lines), encoding="utf-8")
    files = knz.text.TextFiles(tmp_path / "reviews.tsv", batch_size=16)
    losses = []
    for data in ((files,), corpus):
        keras.utils.set_random_seed(0)
        model = tiny("cnn", tokenizer)
        losses.append(model.fit(*data, batch_size=16, epochs=2, verbose=0, seed=1).history["loss"])
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-5)


def test_weights_count(tokenizer, corpus):
    """A weight of two is an example given twice; class and sample weights multiply."""
    texts, labels = corpus
    weights = np.random.RandomState(0).randint(0, 3, len(texts))

    def loss(x, y, **kwargs):
        keras.utils.set_random_seed(0)
        model = tiny("dnn", tokenizer)
        model.compile(keras.optimizers.SGD(0.5))
        model.fit(x, y, batch_size=10_000, verbose=0, **kwargs)
        return model.get_weights()[-1]

    doubled = [weight * (2 if label == "negative" else 1) for weight, label in zip(weights, labels, strict=True)]
    expected = loss(texts, labels, sample_weight=np.array(doubled, "float32"))
    assert np.abs(expected - loss(texts, labels)).max() > 1e-4
    for class_weight in ({"negative": 2.0}, {0: 2.0, 1: 1.0}):
        found = loss(texts, labels, sample_weight=weights, class_weight=class_weight)
        np.testing.assert_allclose(found, expected, atol=1e-6)
    found = loss(Batches(texts, labels, weights.astype("float32"), batch_size=64), None, class_weight={"negative": 2.0})
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_validation_split_is_the_last_part(tokenizer, corpus):
    texts, labels = corpus
    model = tiny("cnn", tokenizer)
    model.compile(keras.optimizers.SGD(0.0))
    for data in ((texts, labels), (Batches(texts, labels, batch_size=16),)):
        history = model.fit(*data, validation_split=0.25, verbose=0).history
        expected = model.evaluate(texts[48:], labels[48:], verbose=0)[0]
        assert history["val_loss"][0] == pytest.approx(expected, abs=1e-6)
        assert history["loss"][0] == pytest.approx(model.evaluate(texts[:48], labels[:48], verbose=0)[0], abs=1e-5)


def test_steps_per_epoch_go_on_where_they_stopped(tokenizer, corpus):
    """Two epochs of half a pass are one pass: every text is read once."""
    texts, labels = corpus
    losses = []
    for epochs, steps in ((1, None), (2, 2)):
        keras.utils.set_random_seed(0)
        model = tiny("cnn", tokenizer)
        model.fit(texts, labels, batch_size=16, epochs=epochs, steps_per_epoch=steps, verbose=0, seed=3)
        losses.append(model.evaluate(texts, labels, verbose=0)[0])
    assert losses[0] == pytest.approx(losses[1], abs=1e-6)


def test_resuming_sees_the_batches_of_that_epoch(tokenizer, corpus):
    runs = []
    for parts in (((0, 2),), ((0, 1), (1, 2))):
        keras.utils.set_random_seed(0)
        model = tiny("cnn", tokenizer)
        for start, stop in parts:
            model.fit(*corpus, initial_epoch=start, epochs=stop, verbose=0, seed=3)
        runs.append(model.evaluate(*corpus, verbose=0)[0])
    assert runs[0] == pytest.approx(runs[1], abs=1e-6)


def test_shuffle_can_be_left_out(tokenizer, corpus):
    runs = []
    for seed in (1, 2):
        keras.utils.set_random_seed(0)
        model = tiny("cnn", tokenizer)
        model.fit(*corpus, shuffle=False, verbose=0, seed=seed, batch_size=8)
        runs.append(model.evaluate(*corpus, verbose=0)[0])
    assert runs[0] == runs[1]


def test_ready_arrays_train_as_their_texts(tokenizer, corpus):
    """One batch, so that the order plays no part."""
    texts, labels = corpus
    losses = []
    for with_texts in (True, False):
        keras.utils.set_random_seed(0)
        model = tiny("cnn", tokenizer)
        x = texts if with_texts else model.preprocessor(texts)
        history = model.fit(x, labels, batch_size=64, epochs=2, verbose=0, validation_data=(x, labels))
        losses.append(history.history["loss"] + history.history["val_loss"])
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-5)
    bare = knz.TextClassifier(model.backbone, labels=LABELS)
    assert bare.predict(model.preprocessor(texts[:3]), verbose=0).shape == (3, 2)


def test_one_batch_calls(tokenizer, corpus):
    texts, labels = corpus
    model = tiny("cnn", tokenizer)
    expected = model.evaluate(texts, labels, verbose=0)
    np.testing.assert_allclose(model.test_on_batch(texts, labels), expected, atol=1e-5)
    logits = called(model, model.preprocessor(texts))
    np.testing.assert_allclose(model.predict_on_batch(texts), logits, atol=1e-6)
    with pytest.raises(ValueError, match="received string input"):
        model(texts)


@pytest.mark.skipif(keras.backend.backend() == "torch", reason="PyTorch runs each step as it is written")
@pytest.mark.parametrize("arguments", [{}, {"optimizer": "sgd"}])
def test_a_step_of_training_is_traced_once(arguments, tokenizer, corpus):
    model = tiny("dnn", tokenizer)
    model.compile(**arguments)
    step, traces = model.train_step, []

    def train_step(*args):
        traces.append(args)
        return step(*args)

    model.train_step = train_step
    model.fit(*corpus, batch_size=64, epochs=2, verbose=0)
    assert len(traces) == 1


def test_classify(tokenizer):
    model = tiny("cnn", tokenizer)
    logits = model.predict(["the plot", "dull"], verbose=0).astype("float64")
    probabilities = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    answers = model.classify(["the plot", "dull"])
    assert [a["label"] for a in answers] == [LABELS[i] for i in logits.argmax(-1)]
    np.testing.assert_allclose([a["score"] for a in answers], probabilities.max(-1), rtol=1e-6)
    one = model.classify("the plot")
    assert one["label"] == answers[0]["label"]
    assert one["score"] == pytest.approx(answers[0]["score"], abs=1e-6)
    softmax = knz.TextClassifier(model.backbone, model.preprocessor, labels=LABELS, activation="softmax", dropout=0.0)
    softmax.set_weights(model.get_weights())
    np.testing.assert_allclose(
        [a["score"] for a in softmax.classify(["the plot", "dull"])], probabilities.max(-1), rtol=1e-5
    )


@pytest.mark.parametrize("pooling", ["mean", "max", "first", "last"])
def test_pooling_by_choice(pooling, tokenizer, corpus, tmp_path):
    backbone = tiny("gru", tokenizer).backbone
    model = knz.TextClassifier(backbone, knz.text.TextPreprocessor(tokenizer), labels=LABELS, pooling=pooling)
    before = model.predict(["the plot was dull"], verbose=0)
    model.save_to_preset(tmp_path / "preset")
    again = knz.TextClassifier.from_preset(tmp_path / "preset")
    np.testing.assert_array_equal(again.predict(["the plot was dull"], verbose=0), before)
    if pooling in ("first", "last"):
        position = 0 if pooling == "first" else 3
        inputs = model.preprocessor(["the plot was dull"])
        vector = called(backbone, inputs)["sequence_output"][0, position]
        kernel, bias = (keras.ops.convert_to_numpy(w) for w in model.output_dense.weights)
        np.testing.assert_allclose(before[0], vector @ kernel + bias, atol=1e-5)


SMALL = {"num_layers": 1, "num_heads": 2, "hidden_dim": 8, "intermediate_dim": 16, "max_sequence_length": 32}
HUB = {
    "bert": (keras_hub.models.BertBackbone, {}),
    "roberta": (keras_hub.models.RobertaBackbone, {}),
    "gpt2": (keras_hub.models.GPT2Backbone, {}),
}


@pytest.mark.parametrize("name", HUB)
def test_a_backbone_of_keras_hub(name, tokenizer, corpus, tmp_path):
    backbone_class, config = HUB[name]
    backbone = backbone_class(vocabulary_size=tokenizer.vocabulary_size(), dropout=0.0, **SMALL, **config)
    preprocessor = knz.TextClassifier.preprocessor_for(backbone, tokenizer)
    assert preprocessor.sequence_length == 32
    model = knz.TextClassifier(backbone, preprocessor, labels=LABELS, dropout=0.0)
    assert float(model.optimizer.learning_rate) == pytest.approx(5e-5)
    texts, labels = corpus[0][:16], corpus[1][:16]
    losses = model.fit(texts, labels, epochs=2, verbose=0).history["loss"]
    assert np.isfinite(losses).all()
    alone = np.concatenate([model.predict([text], verbose=0) for text in texts[:3]])
    np.testing.assert_allclose(model.predict(texts, verbose=0)[:3], alone, atol=1e-4)
    model.save_to_preset(tmp_path / "preset")
    again = knz.TextClassifier.from_preset(tmp_path / "preset")
    np.testing.assert_allclose(again.predict(texts, verbose=0), model.predict(texts, verbose=0), atol=1e-6)
    # GPT-2 reads left to right: its vector is the last token's, so the last word has to matter.
    one, other = model.predict(["the plot was dull", "the plot was moving"], verbose=0)
    assert np.abs(one - other).max() > 1e-6


def test_a_preprocessor_and_a_preset_of_keras_hub(corpus, tmp_path):
    words = sorted({word for text in corpus[0] for word in text.split()})
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words]
    tokenizer = keras_hub.tokenizers.BertTokenizer(vocabulary, lowercase=True)
    backbone = keras_hub.models.BertBackbone(vocabulary_size=len(vocabulary), **SMALL)
    theirs = keras_hub.models.BertTextClassifierPreprocessor(tokenizer, sequence_length=32)
    model = knz.TextClassifier(backbone, theirs, labels=LABELS)
    ours = knz.TextClassifier(backbone, knz.TextClassifier.preprocessor_for(backbone, tokenizer), labels=LABELS)
    ours.set_weights(model.get_weights())
    texts, labels = corpus[0][:16], corpus[1][:16]
    np.testing.assert_allclose(model.predict(texts, verbose=0), ours.predict(texts, verbose=0), atol=1e-6)
    assert np.isfinite(model.fit(texts, labels, verbose=0).history["loss"]).all()
    pairs = ([" ".join(text.split()[:8]) for text in texts[:8]], ["the plot"] * 8)
    ours.set_weights(model.get_weights())
    np.testing.assert_allclose(model.predict(pairs, verbose=0), ours.predict(pairs, verbose=0), atol=1e-6)

    hub = keras_hub.models.BertTextClassifier(backbone=backbone, preprocessor=theirs, num_classes=2)
    hub.save_to_preset(tmp_path / "preset")
    again = knz.TextClassifier.from_preset(tmp_path / "preset", labels=LABELS)
    inputs = theirs(texts[:4])
    np.testing.assert_allclose(
        called(again.backbone, inputs)["pooled_output"],
        called(backbone, inputs)["pooled_output"],
        atol=1e-6,
    )
    assert again.classify(texts[0])["label"] in LABELS


def test_compile_arguments_of_ones_own(tokenizer, corpus, tmp_path):
    model = tiny("cnn", tokenizer)
    model.compile(
        keras.optimizers.SGD(0.1),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=[keras.metrics.SparseTopKCategoricalAccuracy(k=1, name="top")],
    )
    assert "top" in model.evaluate(*corpus, verbose=0, return_dict=True)
    one_hot = np.eye(2)[[LABELS.index(label) for label in corpus[1]]]
    model.compile(
        loss=keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.1), metrics=["accuracy"]
    )
    assert np.isfinite(model.fit(corpus[0], one_hot, verbose=0).history["loss"]).all()


def test_a_loss_that_is_not_registered_is_a_warning(tokenizer, corpus, tmp_path):
    def my_loss(y_true, y_pred):
        return keras.ops.mean(y_pred)

    model = tiny("cnn", tokenizer)
    model.compile(loss=my_loss)
    model.save_to_preset(tmp_path / "preset")
    with pytest.warns(UserWarning, match="cannot be restored, defaults are used"):
        again = knz.TextClassifier.from_preset(tmp_path / "preset")
    assert again.classify("the plot")["label"] in LABELS


def test_a_preset_saved_again_forgets_the_old_arguments(tokenizer, tmp_path):
    model = tiny("cnn", tokenizer)
    model.save_to_preset(tmp_path / "preset")
    assert (tmp_path / "preset" / "compile.json").is_file()
    bare = knz.TextClassifier(model.backbone, model.preprocessor, labels=LABELS, compile=False)
    bare.save_to_preset(tmp_path / "preset")
    assert not (tmp_path / "preset" / "compile.json").exists()


def test_batches_are_bucketed(tokenizer, corpus):
    """Not only right, but of the few lengths that make it fast."""
    texts = [text * (1 + i % 4) for i, text in enumerate(corpus[0])]
    model = tiny("cnn", tokenizer)
    batches = model._batches(texts, None, None, 8)
    assert isinstance(batches, BucketedBatches)
    lengths = {batches[i][0]["token_ids"].shape[1] for i in range(len(batches._batches(0)))}
    assert lengths <= {8, 16, 24, 32, 48, 64, 96}
    assert len(lengths) > 1
