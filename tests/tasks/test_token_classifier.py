"""TokenClassifier: tags and spans in, entities with their characters out, whatever the tokenizer and the batch."""

import unicodedata
import warnings

import keras
import numpy as np
import pytest

import keras_nlp_zoo as knz
from tests.rewind import rewinder
from tests.tasks.batches import Batches
from tests.tasks.tagging import OTHERS, SENTENCES, SPANS, TAGS, TEXTS, found, make, train


@pytest.fixture(scope="module")
def tokenizer():
    return knz.Tokenizer.train([*TEXTS, *OTHERS], kind="wordpiece", vocabulary_size=70)


@pytest.fixture(scope="module", params=[("lstm", False), ("cnn", True)], ids=["softmax", "crf"])
def trained(request, tokenizer):
    keras.utils.set_random_seed(0)
    name, crf = request.param
    model = make(tokenizer, name, crf=crf)
    model.output_dropout.rate = 0.0
    history = train(model, epochs=12)
    assert history["loss"][-1] < 0.2 * history["loss"][0]
    return model


# === What is learnt ===


def test_a_tiny_corpus_is_learnt(trained):
    results = trained.evaluate(SENTENCES, TAGS, verbose=0, return_dict=True)
    assert results["accuracy"] >= 0.99
    assert trained.tag_words(SENTENCES) == TAGS
    for text, spans in zip(TEXTS, SPANS, strict=True):
        assert found(trained, text) == spans
    entities = trained.tag(TEXTS[0])
    assert all(0.5 < entity["score"] <= 1 for entity in entities)
    assert [entity["text"] for entity in entities] == [TEXTS[0][start:end] for start, end, _ in SPANS[0]]
    # The text of words is what joins them with spaces.
    assert trained.tag([SENTENCES[0]]) == [entities]


@pytest.mark.parametrize("form", ["tuples", "dicts", "lists", "unsorted"])
def test_spans_and_tags_are_two_ways_to_say_the_same(form, tokenizer):
    forms = {
        "tuples": SPANS,
        "dicts": [[dict(zip(("start", "end", "label"), span, strict=True)) for span in spans] for spans in SPANS],
        "lists": [[list(span) for span in spans] for spans in SPANS],
        "unsorted": [[(np.int64(a), np.int32(b), c) for a, b, c in spans[::-1]] for spans in SPANS],
    }
    model = make(tokenizer, "cnn")
    rows = [model._encode_all(x, y, None, "x")[0] for x, y in ((SENTENCES, TAGS), (TEXTS, forms[form]), (TEXTS, TAGS))]
    for other in rows[1:]:
        for name in ("tags", "units", "documents", "lengths"):
            np.testing.assert_array_equal(getattr(rows[0], name), getattr(other, name))
    names = [model.tags[i] for i in rows[0].tags[rows[0].units >= 0]]
    assert names == [tag for tags in TAGS for tag in tags]


def test_texts_without_entities(tokenizer):
    """No spans are none; and a span within a word is widened, with a word of warning, or kept in tokens."""
    model = make(tokenizer, "cnn")
    rows, _, _ = model._encode_all(["Nobody came.", TEXTS[0]], [[], SPANS[0]], None, "x")
    assert (rows.tags[: rows.lengths[0]] == model.tags.index("O")).all()
    with pytest.warns(UserWarning, match="1 spans in `y` begin or end within a word and were widened; make .*'token'"):
        rows, _, _ = model._encode_all(["Adas"], [[(0, 3, "PER")]], None, "x")
    assert [model.tags[i] for i in rows.tags[rows.units >= 0]] == ["B-PER"]
    fine = make(knz.Tokenizer.train(["Adas"], kind="char"), "cnn", units="token")
    rows, _, _ = fine._encode_all(["Adas"], [[(0, 3, "PER")]], None, "x")
    assert [fine.tags[i] for i in rows.tags] == ["B-PER", "I-PER", "I-PER", "O"]


def test_tags_that_no_token_stands_for():
    joined = knz.Tokenizer.train(["(Ada, Bob)"] * 9, kind="bpe", vocabulary_size=100)
    model = make(joined, "cnn")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.fit(["(Ada, Bob)"], [[(1, 4, "PER"), (6, 9, "PER")]], verbose=0)  # "(Ada," is read as "Ada"
    with pytest.warns(
        UserWarning, match="1 tags in `y` cannot be learnt: the tokenizer reads their words as one token"
    ):
        model.fit(["(Ada, Bob)"], [[(4, 5, "PER")]], verbose=0)
    assert len(model.tag_words(["(Ada, Bob)"])[0]) == 5


# === Units and tokenizers ===


KOREAN = ["민수는 서울에서 일한다", "영희가 부산에서 논다", "철수도 서울로 갔다", "민수가 부산으로 갔다"]
KOREAN_SPANS = [
    [(0, 2, "PER"), (4, 6, "LOC")],
    [(0, 2, "PER"), (4, 6, "LOC")],
    [(0, 2, "PER"), (4, 6, "LOC")],
    [(0, 2, "PER"), (4, 6, "LOC")],
]


def decomposed(text, spans):
    """A text as separate jamo, and the same spans in it."""
    places = np.cumsum([0, *(len(unicodedata.normalize("NFD", character)) for character in text)])
    return unicodedata.normalize("NFD", text), [(int(places[a]), int(places[b]), label) for a, b, label in spans]


@pytest.mark.parametrize("kind", ["bpe", "byte_bpe", "wordpiece", "unigram", "char"])
def test_entities_within_words(kind):
    """Names before their particles, also where a syllable is three characters, or beside it an emoji of four bytes."""
    texts, spans = list(KOREAN), list(KOREAN_SPANS)
    texts += [f"🙂{text}" for text in KOREAN]
    spans += [[(a + 1, b + 1, label) for a, b, label in one] for one in KOREAN_SPANS]
    jamo = [decomposed(text, one) for text, one in zip(KOREAN, KOREAN_SPANS, strict=True)]
    texts, spans = [*texts, *(text for text, _ in jamo)], [*spans, *(one for _, one in jamo)]
    if kind == "unigram":  # its trainer would find pieces that end elsewhere
        letters = sorted({*unicodedata.normalize("NFC", "".join(texts))})
        pieces = ["[PAD]", "[UNK]", "[START]", "[END]", "[MASK]", "\u2581", *letters]
        tokenizer = knz.Tokenizer(kind, [(piece, -1.0) for piece in pieces])
    else:  # and the others merge nothing
        tokenizer = knz.Tokenizer.train(texts, kind=kind, min_frequency=1 if kind == "char" else 99)
    name = "lstm" if kind == "byte_bpe" else "cnn"  # which sees two tokens on either side: less than a character
    model = make(tokenizer, name, units="token", sequence_length=96)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # nothing is widened
        train(model, texts, spans, epochs=50, batch_size=12)  # all in one batch, of one length
    for text, expected, entities in zip(texts, spans, model.tag(texts), strict=True):
        assert [(one["start"], one["end"], one["label"]) for one in entities] == expected, text


def test_words_of_tokens(tokenizer):
    """Where tokens are tagged, words are told all the same."""
    model = make(tokenizer, units="token")
    train(model, epochs=12)
    assert model.tag_words(SENTENCES) == TAGS
    assert found(model, TEXTS[3]) == SPANS[3]
    assert model.tag_words([["", "Ada", ""]])[0] == ["O", "B-PER", "O"]  # a word of no token is outside


@pytest.mark.parametrize("units", ["word", "token"])
def test_parts_of_speech(units, tokenizer):
    """Without a scheme a tag is a tag; every word (or token) is given."""
    kinds = {"met": "VERB", "in": "PREP", ".": "PUNCT"}
    tags = [[kinds.get(word, "NOUN") for word in words] for words in SENTENCES]
    model = make(tokenizer, "cnn", labels=["NOUN", "VERB", "PREP", "PUNCT"], scheme=None, units=units)
    train(model, SENTENCES, tags, epochs=10)
    assert model.tags == model.labels
    assert model.tag_words(SENTENCES[:5]) == tags[:5]
    given = model.tag(TEXTS[0])
    if units == "word":
        assert [(TEXTS[0][e["start"] : e["end"]], e["label"]) for e in given] == list(
            zip(SENTENCES[0], tags[0], strict=True)
        )
    assert "".join(e["text"] for e in given) == TEXTS[0].replace(" ", "")
    with pytest.raises(ValueError, match=r"`y\[0\]` holds spans, which need scheme='bio'"):
        model.fit(TEXTS, SPANS)


def test_classes_without_names(tokenizer):
    model = make(tokenizer, "cnn", labels=None, num_classes=3)
    model.fit([["Ada", "met"]], [[2, 0]], verbose=0)
    assert (model.scheme, model.tags) == (None, None)
    assert {type(entity["label"]) for entity in model.tag("Ada met")} == {int}
    assert all(tag in (0, 1, 2) for tag in model.tag_words([["Ada", "met", "\u200b"]])[0])
    with pytest.raises(
        ValueError, match=r"`y\[0\]` holds names, but this task has none to compare them with: pass `labels`"
    ):
        model.fit([["Ada"]], [["PER"]])


# === Batches, windows, padding ===


def same(ours, theirs):
    assert [[{**e, "score": None} for e in one] for one in ours] == [
        [{**e, "score": None} for e in one] for one in theirs
    ]
    scores = [[entity["score"] for one in each for entity in one] for each in (ours, theirs)]
    np.testing.assert_allclose(*scores, atol=1e-5)


def test_neither_batches_nor_padding_matter(trained):
    texts = [*TEXTS[:5], *OTHERS, "", " ".join(TEXTS[:3])]
    together = trained.tag(texts)
    assert sum(map(len, together)) > 15
    same(trained.tag(texts, batch_size=4), together)
    same([trained.tag(text) for text in texts], together)
    same(trained.tag(texts[::-1])[::-1], together)


def test_long_documents(tokenizer):
    """In windows as in one: what a tag depends on here, two words on either side, stands in every window's share."""
    order = np.random.RandomState(0).permutation(len(TEXTS))
    long = " ".join(TEXTS[i] for i in order)
    model = make(tokenizer, "cnn", sequence_length=20, overlap=10)
    model.set_weights([np.random.normal(size=weight.shape, scale=0.5) for weight in model.weights])
    model.output_dense.bias.assign([-2.0, 0, 0, 0, 0])
    whole = knz.TokenClassifier(
        model.backbone, knz.text.TaggingPreprocessor(tokenizer, 500), labels=["PER", "LOC"], dropout=0.0
    )
    whole.set_weights(model.get_weights())
    entities = model.tag(["", long, *OTHERS])
    assert [len(one) > 40 for one in entities] == [False, True, False, False]
    same(entities, whole.tag(["", long, *OTHERS]))
    assert all(long[entity["start"] : entity["end"]] == entity["text"] for entity in entities[1])
    words = long.split()
    assert model.tag_words([words]) == whole.tag_words([words])
    # A document in windows trains as many words as it has.
    rows, _, _ = model._encode_all([words], [[tag for i in order for tag in TAGS[i]]], None, "x")
    assert len(rows) > 10
    assert (rows.units >= 0).sum() == len(words)
    assert [model.tags[i] for i in rows.tags[rows.units >= 0]] == [tag for i in order for tag in TAGS[i]]


def test_the_crf_without_transitions_is_argmax(tokenizer):
    """And with one that forbids a tag, the decoded tags obey."""
    model = make(tokenizer, "cnn", crf=True, sequence_length=64)
    model.set_weights([np.random.normal(size=weight.shape, scale=0.5) for weight in model.weights])
    texts = [*TEXTS[:4], *OTHERS]
    model.crf_layer.set_weights([np.zeros(weight.shape) for weight in model.crf_layer.weights])
    rows, documents = model.preprocessor.encode_documents(model.preprocessor.documents(texts))
    logits = model.predict(texts, verbose=0).astype("float64")
    table = model.preprocessor.unit_table(rows, np.arange(len(rows)), logits.shape[1])
    probabilities = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    for (_, tags, scores), row, units in zip(model._find(texts, "texts", 4), range(len(texts)), table, strict=True):
        kept = units >= 0
        assert tags.tolist() == logits[row, kept].argmax(-1).tolist()
        np.testing.assert_allclose(scores, probabilities[row, kept].max(-1), atol=1e-5)
    transitions = np.zeros((5, 5))
    transitions[:, model.tags.index("O")] = -50.0
    model.crf_layer.set_weights([transitions, np.array([0, -50.0, -50, -50, -50]), np.zeros(5)])
    for document, tags in zip(documents, model.tag_words(texts), strict=True):
        assert tags[0] == "O"
        assert "O" not in tags[1:]
        assert len(tags) == len(document.units)


# === Sources of data ===


def test_datasets_train_as_lists_do(tokenizer):
    model, losses = make(tokenizer, "cnn"), []
    model.output_dropout.rate = 0.0
    rewind = rewinder(model)
    for data in (
        (SENTENCES, TAGS),
        (Batches(SENTENCES, TAGS, batch_size=6),),
        ((batch for batch in Batches(SENTENCES, TAGS, batch_size=6)),),
        (Batches(TEXTS, SPANS, batch_size=6),),
        (tuple(SENTENCES), np.array(TAGS, dtype=object)),
    ):
        rewind()
        losses.append(model.fit(*data, batch_size=6, epochs=2, verbose=0, seed=1).history["loss"])
    for other in losses[1:]:
        np.testing.assert_allclose(other, losses[0], rtol=1e-5)


def test_an_endless_dataset(tokenizer):
    model = make(tokenizer, "cnn")
    history = model.fit(
        Batches(SENTENCES, TAGS, np.ones(18, "float32"), batch_size=6, endless=True),
        epochs=4,
        steps_per_epoch=3,
        validation_data=(TEXTS, SPANS),
        verbose=0,
    ).history
    assert history["val_loss"][-1] < history["val_loss"][0]
    assert int(model.optimizer.iterations) == 12


def test_validation(tokenizer):
    model = make(tokenizer, "cnn")
    model.compile(keras.optimizers.SGD(0.0))
    for options in ({"validation_split": 1 / 3}, {"validation_data": (SENTENCES[12:], TAGS[12:])}):
        part = slice(None, 12) if "validation_data" in options else slice(None)
        history = model.fit(SENTENCES[part], TAGS[part], batch_size=12, verbose=0, **options).history
        expected = model.evaluate(SENTENCES[12:], TAGS[12:], verbose=0, return_dict=True)
        assert history["val_loss"][0] == pytest.approx(expected["loss"], abs=1e-5)
        assert history["val_accuracy"][0] == pytest.approx(expected["accuracy"], abs=1e-6)


def test_the_loss_is_per_word_of_its_weight(tokenizer):
    """Against logits in float64: continuing pieces and padding do not count, words count by their document."""
    words, weights = [*SENTENCES[:3], ["Cleo", "left"]], np.array([2.0, 0.0, 1.0, 0.5])
    tags = [*TAGS[:3], ["B-PER", "O"]]
    model = make(tokenizer, "cnn", sequence_length=64)
    model.output_dropout.rate = 0.0
    rows, _ = model.preprocessor.encode_documents(model.preprocessor.documents(words))
    logits = model.predict(words, verbose=0).astype("float64")
    log_p = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    table = model.preprocessor.unit_table(rows, np.arange(4), logits.shape[1])
    total, count, right = 0.0, 0.0, 0.0
    for row, (units, one) in enumerate(zip(table, tags, strict=True)):
        for place in np.flatnonzero(units >= 0):
            tag = model.tags.index(one[units[place]])
            total -= weights[row] * log_p[row, place, tag]
            right += weights[row] * (logits[row, place].argmax() == tag)
            count += weights[row]
    results = model.evaluate(words, tags, sample_weight=weights, batch_size=4, verbose=0, return_dict=True)
    assert results["loss"] == pytest.approx(total / count, rel=1e-5)
    assert results["accuracy"] == pytest.approx(right / count, rel=1e-5)
    # The same on one batch, where Keras is asked directly.
    assert model.test_on_batch(words, tags, sample_weight=weights)[0] == pytest.approx(total / count, rel=1e-5)
    assert model.train_on_batch(words, tags, sample_weight=weights)[0] == pytest.approx(total / count, rel=1e-5)
    assert keras.ops.convert_to_numpy(model.predict_on_batch(words)).shape == logits.shape


def test_ready_arrays(tokenizer):
    model = make(tokenizer, "cnn")
    rows, _, _ = model._encode_all(SENTENCES, TAGS, None, "x")
    x, y, weight = model.preprocessor.pad(rows, np.arange(len(rows)), 16)
    bare = knz.TokenClassifier(model.backbone, labels=["PER", "LOC"], dropout=0.0)
    bare.set_weights(model.get_weights())
    expected = model.evaluate(SENTENCES, TAGS, batch_size=32, verbose=0)
    np.testing.assert_allclose(bare.evaluate(x, y, sample_weight=weight, verbose=0), expected, rtol=1e-5)
    names = np.array([[bare.tags[i] for i in row] for row in y])
    np.testing.assert_allclose(bare.evaluate(x, names, sample_weight=weight, verbose=0), expected, rtol=1e-5)
    with pytest.raises(ValueError, match="This task has no preprocessor to read texts with"):
        bare.tag("Ada")
    with pytest.raises(ValueError, match="`x` holds texts, but this task has no preprocessor"):
        bare.fit(TEXTS, TAGS)


# === Saving ===


def test_round_trips(trained, tmp_path):
    texts = [*TEXTS[:4], *OTHERS]
    expected = trained.tag(texts)
    trained.save_to_preset(tmp_path / "preset")
    trained.save(tmp_path / "model.keras")
    for again in (
        knz.TokenClassifier.from_preset(tmp_path / "preset"),
        knz.create_model("cnn" if trained.crf else "lstm", preset=tmp_path / "preset"),
        keras.saving.load_model(tmp_path / "model.keras"),
    ):
        assert type(again) is knz.TokenClassifier
        assert (again.labels, again.tags, again.crf, again.scheme) == (
            trained.labels, trained.tags, trained.crf, "bio",
        )  # fmt: skip
        assert again.preprocessor.get_config() == trained.preprocessor.get_config()
        vocabularies = [model.preprocessor.tokenizer.get_vocabulary() for model in (again, trained)]
        assert vocabularies[0] == vocabularies[1]
        for one, other in zip(trained.weights, again.weights, strict=True):
            np.testing.assert_array_equal(keras.ops.convert_to_numpy(one), keras.ops.convert_to_numpy(other))
        assert float(again.optimizer.learning_rate) == pytest.approx(0.02)
    same(again.tag(texts), expected)
    assert int(again.optimizer.iterations) == int(trained.optimizer.iterations)
    again.output_dropout.rate = 0.0
    histories = [train(model, epochs=1) for model in (again, trained)]
    for key in ("loss", "accuracy"):
        np.testing.assert_allclose(histories[0][key], histories[1][key], atol=1e-5)


def test_tags_without_compiling(trained, tmp_path):
    trained.save_to_preset(tmp_path)
    again = knz.TokenClassifier.from_preset(tmp_path, compile=False)
    assert not again.compiled
    same(again.tag(TEXTS), trained.tag(TEXTS))


@pytest.mark.parametrize("crf", [False, True])
def test_tags_are_those_of_the_layers_as_they_are(crf, tokenizer, tmp_path):
    """Though they were traced before; a preset that is loaded has nothing that was."""
    model = make(tokenizer, "cnn", crf=crf)
    before = model.tag_words(TEXTS)
    model.output_dense.enable_lora(2)
    model.compile()
    random = np.random.RandomState(0)
    for weight in (model.output_dense.lora_kernel_a, model.output_dense.lora_kernel_b):
        weight.assign(random.normal(size=weight.shape, scale=3.0))
    model.save_to_preset(tmp_path)
    assert model.tag_words(TEXTS) == knz.TokenClassifier.from_preset(tmp_path).tag_words(TEXTS) != before


@pytest.mark.parametrize("loss", [knz.training.CRFLoss, knz.training.TokenCrossentropy])
def test_a_loss_of_ones_own_is_saved(loss, tokenizer, tmp_path):
    """That of a CRF too, which no config can name the layer of."""
    model = make(tokenizer, "cnn", crf=loss is knz.training.CRFLoss)
    model.compile("adam", loss=loss(model.crf_layer) if model.crf else loss(0.1))
    model.optimizer.build(model.trainable_variables)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert type(again.loss) is loss
    if model.crf:
        assert again.loss.crf is again.crf_layer is not model.crf_layer
    else:
        assert again.loss.label_smoothing == 0.1
