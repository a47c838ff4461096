"""MaskedLM: what is learnt of hidden tokens, and what is said to stand in their place."""

import keras
import keras_hub
import numpy as np
import pytest

import keras_nlp_zoo as knz
from tests.called import called
from tests.conftest import ODD_TEXTS
from tests.rewind import rewinder
from tests.tasks.batches import Batches

TEXTS = [
    f"{subject} {verb} {thing}"
    for subject, verb, thing in [
        ("ada", "reads", "books"), ("bob", "eats", "plums"), ("cleo", "plays", "chess"), ("dan", "sings", "songs"),
    ]
] * 4  # fmt: skip
SIZES = {"num_layers": 1, "num_heads": 2, "hidden_dim": 16, "intermediate_dim": 32, "dropout": 0.0}


@pytest.fixture(scope="module")
def tokenizer():
    return knz.Tokenizer.train(TEXTS, kind="word")


def make(tokenizer, sequence_length=16, **options):
    model = knz.create_model(
        "bert", "masked_lm", tokenizer=tokenizer, sequence_length=sequence_length, **{**SIZES, **options}
    )
    model.compile(keras.optimizers.Adam(0.02))
    return model


def compiled_sooner(tokenizer, sequence_length=16, **options):
    """A smaller network: what is fed to it is what BERT would be fed."""
    backbone = knz.models.CNNBackbone(tokenizer.vocabulary_size(), 16, 16, kernel_sizes=[3], dropout=0.0)
    model = knz.MaskedLM(backbone, knz.text.MaskingPreprocessor(tokenizer, sequence_length, **options))
    model.compile(keras.optimizers.Adam(0.02))
    return model


@pytest.fixture(scope="module")
def trained(tokenizer):
    keras.utils.set_random_seed(0)
    model = make(
        tokenizer, hidden_dim=32, num_layers=2, num_heads=4, mask_rate=0.4, mask_token_rate=1.0, random_token_rate=0.0
    )
    model.compile(keras.optimizers.Adam(0.01))
    history = model.fit(TEXTS, batch_size=16, epochs=60, verbose=0, seed=1).history
    assert history["loss"][-1] < 0.3 * history["loss"][0]
    return model


def probabilities(logits):
    exponents = np.exp(logits.astype("float64"))
    return exponents / exponents.sum(axis=-1, keepdims=True)


# === What is learnt ===


def test_a_tiny_corpus_is_learnt(trained):
    assert trained.evaluate(TEXTS, verbose=0, return_dict=True)["accuracy"] >= 0.9
    for text in TEXTS[:4]:
        subject, verb, thing = text.split()
        assert trained.fill(f"{subject} [MASK] {thing}")[0][0]["token"] == verb
        assert trained.fill(f"{subject} {verb} [MASK]")[0][0]["text"] == text


def test_other_tokens_are_hidden_in_every_epoch(tokenizer):
    """But not where a model is evaluated, or validated."""
    model = compiled_sooner(tokenizer)
    model.compile(keras.optimizers.SGD(0.0))
    for data, options in (
        ((TEXTS,), {}),
        ((TEXTS,), {"shuffle": False}),
        ((Batches(TEXTS, batch_size=8),), {}),
        ((Batches(TEXTS, batch_size=8, endless=True),), {"steps_per_epoch": 2}),
    ):
        history = model.fit(*data, batch_size=8, epochs=3, validation_data=TEXTS[:8], verbose=0, **options).history
        assert len({round(loss, 6) for loss in history["loss"]}) == 3, options
        assert len(set(history["val_loss"])) == 1
        assert history["val_loss"][0] == pytest.approx(model.evaluate(TEXTS[:8], verbose=0)[0], abs=1e-6)
    losses = [model.fit(TEXTS, batch_size=16, seed=seed, verbose=0).history["loss"][0] for seed in (1, 1, 2)]
    assert losses[0] == losses[1] != losses[2]
    # Where training goes on, it goes on with others.
    losses = [
        model.fit(TEXTS, seed=1, initial_epoch=epoch, epochs=epoch + 1, verbose=0).history["loss"][0]
        for epoch in (0, 1)
    ]
    assert losses[0] != losses[1]


def test_evaluate_repeats_whatever_the_batches(trained):
    expected = trained.evaluate(TEXTS, batch_size=4, verbose=0)
    assert trained.evaluate(TEXTS, batch_size=4, verbose=0) == expected
    np.testing.assert_allclose(trained.evaluate(TEXTS[::-1], batch_size=4, verbose=0), expected, rtol=1e-5)
    np.testing.assert_allclose(trained.evaluate(TEXTS, batch_size=16, verbose=0), expected, rtol=1e-5)
    np.testing.assert_allclose(
        trained.evaluate(Batches(TEXTS, batch_size=8), batch_size=8, verbose=0), expected, rtol=1e-5
    )


def test_the_loss_is_per_hidden_token(trained):
    """Against logits in float64; where fewer are hidden than there is room for, the rest does not count."""
    texts = [*TEXTS[:3], "ada", "", " ".join(TEXTS[:4])]
    preprocessor = trained.preprocessor
    x, y, weight = preprocessor.pad(preprocessor.encode(texts), np.arange(6), 16)
    assert 0 < weight.sum() < weight.size
    logits = trained.predict(x, verbose=0)
    assert logits.shape == (*y.shape, trained.backbone.vocabulary_size)
    p = probabilities(logits)
    said = np.take_along_axis(p, y[:, :, None], -1)[:, :, 0]
    expected = -(np.log(said) * weight).sum() / weight.sum()
    right = (p.argmax(-1) == y)[weight == 1].mean()
    found = trained.evaluate(x, y, sample_weight=weight, batch_size=6, verbose=0)
    np.testing.assert_allclose(found, [expected, right], rtol=1e-5)
    np.testing.assert_allclose(trained.evaluate(texts, batch_size=6, verbose=0), [expected, right], rtol=1e-5)
    assert trained.predict(texts, verbose=0).shape == logits.shape
    assert np.isfinite(trained.test_on_batch(texts)).all()


# === Filling ===


def test_fill_is_the_softmax_of_predict(trained, tokenizer):
    """For each mask of each text, the others still hidden."""
    texts = ["[MASK] reads books", "bob [MASK] [MASK]", "[MASK][MASK] [MASK]", "cleo plays [MASK] and dan sings songs"]
    found = trained.fill(texts, top_k=4)
    assert [len(one) for one in found] == [1, 2, 3, 1]
    mask, start, end = tokenizer.mask_token_id, tokenizer.start_token_id, tokenizer.end_token_id
    for text, guesses in zip(texts, found, strict=True):
        ids = [start, *tokenizer.tokenize(text, special_tokens=True), end]
        positions = [i for i, token in enumerate(ids) if token == mask]
        arrays = {
            "token_ids": ids,
            "padding_mask": [1] * len(ids),
            "segment_ids": [0] * len(ids),
            "mask_positions": positions,
        }
        arrays = {key: np.array([value], "int32") for key, value in arrays.items()}
        for guess, expected in zip(guesses, probabilities(called(trained, arrays))[0], strict=True):
            best = np.argsort(-expected)[:4]
            assert [one["token"] for one in guess] == [tokenizer.id_to_token(int(i)) for i in best]
            np.testing.assert_allclose([one["score"] for one in guess], expected[best], atol=1e-5)
        parts = text.split("[MASK]")
        for number, guess in enumerate(guesses):
            before, after = "[MASK]".join(parts[: number + 1]), "[MASK]".join(parts[number + 1 :])
            assert [one["text"] for one in guess] == [f"{before}{one['token']}{after}" for one in guess]
    alone = [trained.fill(text, top_k=4) for text in texts]
    for other in (alone, trained.fill(texts, top_k=4, batch_size=1)):
        flat = [[one for text in each for guess in text for one in guess] for each in (found, other)]
        assert [one["text"] for one in flat[0]] == [one["text"] for one in flat[1]]
        np.testing.assert_allclose(*([one["score"] for one in each] for each in flat), atol=1e-5)
    assert len(trained.fill("[MASK]", top_k=99)[0]) == tokenizer.vocabulary_size()


@pytest.mark.parametrize("kind", ["wordpiece", "bpe", "byte_bpe", "unigram"])
def test_what_is_filled_in_is_text(kind):
    """Not the marks that tokenizers write for a space, for the inside of a word, or for a byte."""
    texts = ["한국 plums", "한국 chess"]
    tokenizer = knz.Tokenizer.train(texts, kind=kind, vocabulary_size=300)
    size = tokenizer.vocabulary_size()
    guesses = make(tokenizer).fill("한국 [MASK].", top_k=size)[0]
    tokens = {guess["token"] for guess in guesses}
    assert not any(sign in token for token in tokens for sign in ("##", "\u2581", "\u0120"))
    assert kind == "unigram" or {"plums", "chess"} <= tokens
    assert all(guess["text"] == f"한국 {guess['token']}." for guess in guesses)
    if kind == "byte_bpe":
        assert "한국" in tokens


def test_a_text_longer_than_the_model_reads(trained):
    with pytest.warns(UserWarning, match="1 of 1 texts in `texts` are longer than sequence_length=16 tokens"):
        assert len(trained.fill("[MASK] reads " + "books " * 20)) == 1
    with pytest.raises(
        ValueError, match=r"`texts` must have '\[MASK\]' within the first 14 tokens. Item 0 has 2 masks, 1"
    ):
        trained.fill("[MASK] reads " + "books " * 20 + "[MASK]")


# === Sources of data ===


def test_datasets_train_as_lists_do(tokenizer):
    model, losses = compiled_sooner(tokenizer), []
    model.fit(TEXTS, batch_size=4, verbose=0)  # before its first `fit` Keras looks at a batch, which draws masks for it
    rewind = rewinder(model)
    for data in (
        TEXTS,
        tuple(TEXTS),
        np.array(TEXTS),
        Batches(TEXTS, batch_size=8),
        (batch for batch in Batches(TEXTS, batch_size=8)),
    ):
        rewind()
        history = model.fit(data, batch_size=4, epochs=2, verbose=0, seed=1, validation_split=0.25).history
        losses.append(history["loss"] + history["val_loss"])
    for other in losses[1:]:
        np.testing.assert_allclose(other, losses[0], rtol=1e-5)


@pytest.mark.parametrize("mask_rate", [0.05, 0.3])
def test_texts_of_many_lengths(mask_rate, tokenizer):
    """Few masks in the short ones and more in the long ones: TensorFlow fixes what does not differ at first."""
    texts = [" ".join(TEXTS[:sentences]) for sentences in (1, 4, 9)] * 8  # a program of its own for each of them
    model = compiled_sooner(tokenizer, sequence_length=96, mask_rate=mask_rate, whole_words=True)
    assert np.isfinite(model.fit(texts, batch_size=4, epochs=2, verbose=0).history["loss"]).all()
    assert np.isfinite(model.evaluate(texts, batch_size=4, verbose=0)).all()


# === Backbones, saving ===


def test_the_backbone_is_what_is_trained(tokenizer):
    """All of it but the pooler, which nothing reads; guesses are tied to the embeddings."""
    model = make(tokenizer)
    before = [keras.ops.convert_to_numpy(weight) for weight in model.backbone.weights]
    model.fit(TEXTS, epochs=2, verbose=0)
    for old, weight in zip(before, model.backbone.weights, strict=True):
        assert np.array_equal(old, keras.ops.convert_to_numpy(weight)) == ("pooled" in weight.path), weight.path
    assert model.masked_lm_head.token_embedding is model.backbone.token_embedding
    classifier = knz.TextClassifier(
        model.backbone, knz.TextClassifier.preprocessor_for(model.backbone, tokenizer), num_classes=2
    )
    assert classifier.predict(TEXTS[:2], verbose=0).shape == (2, 2)


def test_round_trips(trained, tmp_path):
    texts = ["ada [MASK] books", "[MASK] eats [MASK]"]
    expected = trained.fill(texts)
    trained.save_to_preset(tmp_path / "preset")
    trained.save(tmp_path / "model.keras")
    for again in (
        knz.MaskedLM.from_preset(tmp_path / "preset"),
        knz.create_model("bert", preset=tmp_path / "preset"),
        keras.saving.load_model(tmp_path / "model.keras"),
    ):
        assert type(again) is knz.MaskedLM
        assert again.preprocessor.get_config() == trained.preprocessor.get_config()
        assert again.preprocessor.mask_rate == 0.4
        for one, other in zip(keras.tree.flatten(again.fill(texts)), keras.tree.flatten(expected), strict=True):
            assert one == (other if isinstance(other, str) else pytest.approx(other, abs=1e-5))
        assert again.masked_lm_head.token_embedding is again.backbone.token_embedding
        assert float(again.optimizer.learning_rate) == pytest.approx(0.01)
    np.testing.assert_allclose(again.evaluate(TEXTS, verbose=0), trained.evaluate(TEXTS, verbose=0), atol=1e-5)


@pytest.mark.parametrize("kind", ["keras_hub", "transformer"])
def test_other_encoders(kind, tokenizer):
    size = tokenizer.vocabulary_size()
    if kind == "keras_hub":
        backbone = keras_hub.models.RobertaBackbone(size, max_sequence_length=16, **SIZES)
    else:
        backbone = knz.models.TransformerEncoderBackbone(size, **SIZES)
    model = knz.MaskedLM(backbone, knz.MaskedLM.preprocessor_for(backbone, tokenizer))
    model.compile(keras.optimizers.Adam(0.02))
    losses = model.fit(TEXTS, epochs=15, verbose=0, seed=1).history["loss"]
    assert np.mean(losses[-3:]) < 0.9 * np.mean(losses[:3])
    assert len(model.fill("ada [MASK] books")) == 1


# === What is wrong ===


def test_odd_texts(tokenizer):
    model = compiled_sooner(tokenizer, sequence_length=64)
    assert np.isfinite(model.fit(ODD_TEXTS[:13], verbose=0).history["loss"]).all()
    marked = [f"{text}[MASK]" for text in ODD_TEXTS[:12]]
    assert all(
        guesses[0][0]["text"].startswith(text) for text, guesses in zip(ODD_TEXTS, model.fill(marked), strict=False)
    )


BAD = {
    "y": (
        lambda m: m.fit(TEXTS, TEXTS),
        ValueError,
        "`y` must be left out: what is hidden in `x` is what is to be guessed",
    ),
    "y of one batch": (lambda m: m.train_on_batch(TEXTS, TEXTS), ValueError, "`y` must be left out"),
    "y to validate": (
        lambda m: m.fit(TEXTS, validation_data=(TEXTS, TEXTS)),
        ValueError,
        "`validation_data` must be left out",
    ),
    "weights": (lambda m: m.fit(TEXTS, sample_weight=[1.0] * 16), ValueError, "`sample_weight` does not go with texts"),
    "class weight": (lambda m: m.fit(TEXTS, class_weight={0: 1.0}), ValueError, "`class_weight` needs classes"),
    "empty": (lambda m: m.fit([]), ValueError, "`x` is empty"),
    "None": (lambda m: m.fit(["a", None]), TypeError, "`x` must hold strings. Item 1 is None"),
    "one text": (lambda m: m.fit("ada reads"), TypeError, "`x` must be a list of strings"),
    "nothing to fill": (lambda m: m.fill([]), ValueError, "`texts` is empty"),
    "no mask": (
        lambda m: m.fill(["[MASK]", "ada"]),
        ValueError,
        r"`texts` must have '\[MASK\]' within the first 14 tokens. Item 1 has 0 masks",
    ),
    "number": (lambda m: m.fill(["[MASK]", 3]), TypeError, "`texts` must hold strings. Item 1 is 3"),
    "batch_size": (
        lambda m: m.fill("[MASK]", batch_size=-1),
        ValueError,
        "`batch_size` must be an int of at least 1. Received: batch_size=-1",
    ),
    "weights of a batch": (
        lambda m: m.train_on_batch(TEXTS[:2], sample_weight=np.ones(2)),
        ValueError,
        "`y` and `sample_weight` must be left out",
    ),
    "top_k": (
        lambda m: m.fill("[MASK]", top_k=0),
        ValueError,
        "`top_k` must be an int of at least 1. Received: top_k=0",
    ),
    "no preprocessor": (
        lambda m: knz.MaskedLM(m.backbone).fill("[MASK]"),
        ValueError,
        "`fill` needs a preprocessor with a knz.Tokenizer",
    ),
    "no preprocessor to fit": (
        lambda m: knz.MaskedLM(m.backbone).fit(TEXTS),
        ValueError,
        "`x` holds texts, but this task has no preprocessor",
    ),
    "backbone": (
        lambda m: knz.MaskedLM(knz.models.Seq2SeqBackbone(90, 4, 4)),
        ValueError,
        "`backbone` must have a token embedding. Received: Seq2SeqB",
    ),
    "preprocessor": (
        lambda m: knz.MaskedLM(m.backbone, knz.text.TextPreprocessor(m.preprocessor.tokenizer)),
        TypeError,
        "`preprocessor` must be a knz.text.MaskingPreprocessor",
    ),
    "vocabulary": (
        lambda m: knz.MaskedLM(knz.models.BertBackbone(9, **SIZES), m.preprocessor),
        ValueError,
        "was made for vocabulary_size=9",
    ),
    "labels": (
        lambda m: knz.create_model("bert", "masked_lm", vocabulary_size=9, labels=["a", "b"]),
        ValueError,
        "`labels` does not go with 'masked_lm'",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input(case, trained):
    call, error, message = BAD[case]
    with pytest.raises(error, match=message):
        call(trained)
