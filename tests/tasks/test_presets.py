"""Presets of KerasHub, with its own classes as the oracle, and presets that are far away."""

import json
import re
import socket
import unicodedata

import huggingface_hub
import keras
import keras_hub
import numpy as np
import pytest
from transformers.models.bert.tokenization_bert_legacy import BertTokenizerLegacy

import keras_nlp_zoo as knz
from keras_nlp_zoo.interop.keras_hub_presets import convert_tokenizer
from tests.conftest import ODD_TEXTS

LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGéÅ한국어문장ᄒ0123456789中文字.,!?[]()'\"-שלו"
PIECES = dict.fromkeys(["the", "paris", "cafe", "naive", "##ive", *LETTERS, *(f"##{letter}" for letter in LETTERS)])
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *PIECES]
SIZES = {"num_layers": 2, "num_heads": 2, "hidden_dim": 8, "intermediate_dim": 16, "max_sequence_length": 32}
TEXTS = ["the paris cafe", "a naive one , and long", "x"]
HARD = [
    "Café naïve, the Ångström!",
    "한국어 문장中文字이다",
    unicodedata.normalize("NFD", "한국어 é"),
    "the\u00a0paris\u3000of",
    "don't (naive) [x] a-b",
    "🙂🙂x",
    *(text for text in ODD_TEXTS if not re.search("[\ud800-\udfff\\[]", text)),
]


def numpy(tensor):
    return keras.ops.convert_to_numpy(tensor)


# === Presets that KerasHub wrote ===


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    """A classifier of KerasHub, and the preset that it wrote."""
    keras.utils.set_random_seed(1)
    tokenizer = keras_hub.tokenizers.BertTokenizer(VOCABULARY, lowercase=True)
    backbone = keras_hub.models.BertBackbone(vocabulary_size=len(VOCABULARY), **SIZES)
    preprocessor = keras_hub.models.BertTextClassifierPreprocessor(tokenizer, sequence_length=24)
    task = keras_hub.models.BertTextClassifier(backbone, 3, preprocessor, dropout=0.25)
    for weight in task.trainable_weights:
        weight.assign(np.random.normal(size=weight.shape, scale=0.3))
    task.save_to_preset(preset := str(tmp_path_factory.mktemp("hub") / "preset"))
    return task, preset


def test_a_classifier_of_keras_hub_is_loaded_with_its_head(hub):
    task, preset = hub
    model = knz.create_model("bert", preset=preset)
    assert isinstance(model, knz.TextClassifier)
    assert (model.num_classes, model.labels, model.dropout) == (3, None, 0.25)
    assert model.preprocessor.sequence_length == 24
    np.testing.assert_allclose(model.predict(TEXTS, verbose=0), task.predict(TEXTS, verbose=0), atol=1e-5)
    theirs, ours = task.preprocessor(TEXTS), model.preprocessor(TEXTS)
    for key, value in ours.items():
        np.testing.assert_array_equal(value, numpy(theirs[key])[:, : value.shape[1]])
    assert model.classify(TEXTS[0])["label"] == int(task.predict(TEXTS[:1], verbose=0).argmax())
    assert model.preprocessor.tokenizer.get_vocabulary() == VOCABULARY


def test_names_make_a_new_head(hub):
    task, preset = hub
    model = knz.TextClassifier.from_preset(preset, labels=["a", "b", "c"])
    kernels = [numpy(m.get_layer("logits").kernel) for m in (task, model)]
    assert np.abs(kernels[0] - kernels[1]).max() > 0.1
    found = model.backbone.predict(model.preprocessor(TEXTS), verbose=0)["pooled_output"]
    np.testing.assert_allclose(
        found, task.backbone.predict(model.preprocessor(TEXTS), verbose=0)["pooled_output"], atol=1e-6
    )
    random = knz.TextClassifier.from_preset(preset, load_weights=False)
    assert random.num_classes == 3
    assert np.abs(numpy(random.output_dense.kernel) - kernels[0]).max() > 0.1


def test_the_activation_of_the_head_comes_along(hub, tmp_path):
    task, _ = hub
    softmax = keras_hub.models.BertTextClassifier(task.backbone, 3, task.preprocessor, activation="softmax")
    softmax.get_layer("logits").set_weights(task.get_layer("logits").get_weights())
    softmax.save_to_preset(str(tmp_path / "preset"))
    model = knz.TextClassifier.from_preset(tmp_path / "preset")
    expected = softmax.predict(TEXTS, verbose=0)
    np.testing.assert_allclose(expected.sum(axis=-1), 1, atol=1e-6)
    answers = model.classify(TEXTS)
    assert [answer["label"] for answer in answers] == expected.argmax(axis=-1).tolist()
    np.testing.assert_allclose([answer["score"] for answer in answers], expected.max(axis=-1), atol=1e-5)


@pytest.mark.parametrize(
    ("task", "options"),
    [("token_classifier", {"labels": ["PER"]}), ("question_answering", {}), ("masked_lm", {})],
)
def test_other_tasks_take_the_backbone(task, options, hub):
    model = knz.create_model("bert", task, preset=hub[1], **options)
    assert model.preprocessor.sequence_length == 24
    assert isinstance(model.preprocessor.tokenizer, knz.Tokenizer)
    for one, other in zip(hub[0].backbone.weights, model.backbone.weights, strict=True):
        np.testing.assert_array_equal(numpy(one), numpy(other))
    assert (
        knz.create_model("bert", task, preset=hub[1], sequence_length=16, **options).preprocessor.sequence_length == 16
    )


# === Tokenizers of KerasHub ===


@pytest.mark.parametrize("lowercase", [True, False])
def test_word_pieces(lowercase, tmp_path):
    """Those of BERT's own Python, which takes accents off where it lower-cases; KerasHub's does not."""
    kept = [token for token in VOCABULARY if not lowercase or unicodedata.is_normalized("NFD", token)]
    theirs = keras_hub.tokenizers.BertTokenizer(kept, lowercase=lowercase)
    ours = convert_tokenizer(theirs)
    assert (ours.kind, ours.special_token_ids) == ("wordpiece", [0, 1, 2, 3, 4])
    (tmp_path / "vocab.txt").write_text("".join(f"{token}\n" for token in kept), encoding="utf-8")
    first = BertTokenizerLegacy(str(tmp_path / "vocab.txt"), do_lower_case=lowercase)
    for text in HARD:
        text = text if lowercase else unicodedata.normalize("NFC", text)  # cased, BERT's own composes letters
        assert ours.encode(text).tokens == first.tokenize(text), text[:50]
    plain = ["the paris cafe", "A naive one, and (long)!", "中文", ""]
    assert ours.tokenize(plain) == [numpy(theirs(text)).tolist() for text in plain]


def test_accents_of_the_vocabulary_are_kept():
    theirs = keras_hub.tokenizers.BertTokenizer(VOCABULARY, lowercase=True)
    for text in ("Café 한국어", "한국 문장", "É 中文"):
        assert convert_tokenizer(theirs).tokenize(text) == numpy(theirs(text)).tolist()


def test_bytes_of_gpt2():
    trained = knz.Tokenizer.train([*TEXTS, *HARD[:6]], "byte_bpe", 300)
    vocabulary = {token: i for i, token in enumerate([*trained.get_vocabulary()[5:], "<|endoftext|>"])}
    theirs = keras_hub.tokenizers.GPT2Tokenizer(vocabulary, _merges(trained))
    ours = convert_tokenizer(theirs)
    assert ours.kind == "byte_bpe"
    end = vocabulary["<|endoftext|>"]
    assert (ours.start_token_id, ours.end_token_id, ours.pad_token_id, theirs.pad_token_id) == (end, end, end, 0)
    assert ours.id_to_token(0) == "!"  # which is text, and not padding
    for text in [*HARD, "two  spaces \n\n lines 12's"]:
        assert ours.tokenize(text) == numpy(theirs(text)).tolist(), text[:50]
        assert ours.detokenize(ours.tokenize(text)) == text


def _merges(tokenizer):
    return [" ".join(pair) for pair in json.loads(tokenizer._loaded().to_str())["model"]["merges"]]


def test_tokenizers_that_stay_as_they_are():
    vocabulary = ["[UNK]", "a", "@@b"]
    for tokenizer in (
        keras_hub.tokenizers.WordPieceTokenizer(vocabulary, suffix_indicator="@@"),
        keras_hub.tokenizers.WordPieceTokenizer(["[UNK]", "a"], split=False),
        keras_hub.tokenizers.BytePairTokenizer({"a": 0, "b": 1, "ab": 2}, ["a b"], add_prefix_space=True),
        keras_hub.tokenizers.UnicodeCodepointTokenizer(),
    ):
        assert convert_tokenizer(tokenizer) is tokenizer


# === Presets that are far away ===


@pytest.fixture
def offline(monkeypatch, tmp_path):
    """No network, and empty caches: nothing is found, and nothing waits."""

    def no_network(*args, **kwargs):
        raise OSError("there is no network")

    monkeypatch.setattr(socket, "getaddrinfo", no_network)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "huggingface"))
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path / "kaggle"))
    return tmp_path / "huggingface"


@pytest.mark.parametrize(
    ("preset", "told"),
    [
        (
            "bert_base_en_uncased",
            ["Kaggle", "kaggle://keras/bert/keras/bert_base_en_uncased", "KAGGLEHUB_CACHE", "import kagglehub"],
        ),
        ("kaggle://keras/bert/keras/none", ["Kaggle", "KAGGLEHUB_CACHE", "model_download('keras/bert/keras/none')"]),
        ("kaggle://none", ["Unexpected Kaggle preset"]),
        ("hf://some/bert", ["Hugging Face", "HF_HOME", "hf download some/bert --local-dir my_preset"]),
        ("modelscope://some/bert", ["modelscope"]),
    ],
)
def test_a_preset_that_cannot_be_fetched(preset, told, offline):
    for load in (
        lambda: knz.create_model("bert", preset=preset, labels=["a", "b"]),
        lambda: knz.create_model("bert", "token_classifier", preset=preset, labels=["a", "b"]),
        lambda: knz.QuestionAnswering.from_preset(preset),
    ):
        with pytest.raises(ValueError, match=r"^The preset ") as error:
            load()
        for part in (repr(preset), *told, "pass the local directory as `preset`"):
            assert part in str(error.value)
        assert str(error.value).count("The preset ") == 1


def test_a_preset_of_that_name_is_not_known(offline):
    for name in ("bert_base_en_uncasd", "./nowhere"):
        with pytest.raises(ValueError, match=f"The preset '{name}' cannot be loaded: Unknown preset identifier"):
            knz.create_model("bert", preset=name, labels=["a", "b"])


def test_a_preset_in_the_cache_needs_no_network(hub, offline):
    """And what is wrong with the arguments is not blamed on the network."""
    repository, revision = offline / "models--some--bert", "0" * 40
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text(revision)
    (repository / "snapshots").mkdir()
    (repository / "snapshots" / revision).symlink_to(hub[1])
    model = knz.create_model("bert", preset="hf://some/bert")
    np.testing.assert_allclose(model.predict(TEXTS, verbose=0), hub[0].predict(TEXTS, verbose=0), atol=1e-5)
    with pytest.raises(ValueError, match="'hf://some/bert' cannot be loaded: `labels` holds a name twice"):
        knz.create_model("bert", preset="hf://some/bert", labels=["a", "a"])


# === Our own ===


def test_arguments_that_replace_the_saved_ones(tmp_path):
    tokenizer = knz.Tokenizer.train(TEXTS, kind="wordpiece", vocabulary_size=100)
    sizes = {"hidden_dim": 8, "embedding_dim": 8}
    model = knz.create_model(
        "gru", "token_classifier", tokenizer=tokenizer, labels=["PER"], sequence_length=16, **sizes
    )
    model.save_to_preset(tmp_path / "tagger")
    again = knz.TokenClassifier.from_preset(tmp_path / "tagger", sequence_length=8, units="token", overlap=2)
    assert (again.preprocessor.sequence_length, again.preprocessor.units, again.preprocessor.overlap) == (8, "token", 2)
    for one, other in zip(model.weights, again.weights, strict=True):
        np.testing.assert_array_equal(numpy(one), numpy(other))
    again = knz.create_model("gru", preset=tmp_path / "tagger", labels=["PER", "LOC"])
    assert isinstance(again, knz.TokenClassifier)
    assert numpy(again.output_dense.kernel).shape == (8, 5)
    np.testing.assert_array_equal(*(numpy(m.backbone.token_embedding.embeddings) for m in (model, again)))
    for wrong in (knz.TextClassifier, knz.QuestionAnswering):
        with pytest.raises(ValueError, match=f"it holds a TokenClassifier, not a {wrong.__name__}"):
            wrong.from_preset(tmp_path / "tagger")


def test_none_leaves_the_saved_names(tmp_path):
    tokenizer = knz.Tokenizer.train(TEXTS, kind="word")
    knz.create_model("dnn", tokenizer=tokenizer, labels=["a", "b"]).save_to_preset(tmp_path)
    assert knz.TextClassifier.from_preset(tmp_path, labels=None, num_classes=None).labels == ["a", "b"]


def test_a_length_for_no_preprocessor(tmp_path):
    knz.create_model("dnn", vocabulary_size=9, num_classes=2).save_to_preset(tmp_path)
    with pytest.raises(ValueError, match=r"cannot be loaded: it has no preprocessor to take \['sequence_length'\]"):
        knz.TextClassifier.from_preset(tmp_path, sequence_length=8)


def test_another_preprocessor_may_be_put_in_place(tmp_path):
    """And the model trains and saves with it, on PyTorch too, which would look into what is assigned to a module."""
    texts, labels = knz.datasets.load("reviews", size=8)
    tokenizer = knz.Tokenizer.train(texts, kind="word")
    model = knz.create_model("gru", tokenizer=tokenizer, labels=["negative", "positive"], hidden_dim=4)
    model.preprocessor = knz.TextClassifier.preprocessor_for(model.backbone, tokenizer, sequence_length=32)
    model.fit(texts, labels, verbose=0)
    model.save_to_preset(tmp_path / "preset")
    assert knz.TextClassifier.from_preset(tmp_path / "preset").preprocessor.sequence_length == 32
    model.save(tmp_path / "model.keras")
    assert keras.saving.load_model(tmp_path / "model.keras").preprocessor.sequence_length == 32
