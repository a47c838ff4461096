"""Checkpoints as `transformers` writes them: the same token ids, the same logits of every head, on every backend."""

import json
import re
import shutil
import unicodedata

import keras
import numpy as np
import pytest
import safetensors.numpy
import transformers
from transformers.models.bert.tokenization_bert_legacy import BertTokenizerLegacy

import keras_nlp_zoo as knz
from keras_nlp_zoo.tasks.presets import open_preset, open_source
from tests.conftest import ODD_TEXTS

# tests/parity runs this file on JAX and TensorFlow too, beside PyTorch.
torch = pytest.importorskip("torch", reason="torch is the oracle, and not installed: see `tox -e parity`")

LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGéïÅ한국어문장ᄒ0123456789中文字.,!?[]()'\"-🙂שלו"
WORDS = (
    "the paris is of france cafe naive love i natural mask PAD 한국 ##어 Café café ##ive ##ïve ##ing ##s a ##a".split()
)
PIECES = dict.fromkeys([*WORDS, *LETTERS, *(f"##{letter}" for letter in LETTERS)])
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *PIECES]
HARD = [
    "I love natural language, the Café is naïve!",
    "Ångström \u212b \u01c5 ﬁ ½ İstanbul ẞ ß",
    "한국어 문장中文字이다",
    unicodedata.normalize("NFD", "한국어 문장 é"),
    "the\u00a0paris\u3000of\u2028is\u0085france",
    "don't (naive) [x] a-b 'PAD'",
    "🙂🙂x 👩‍👩‍👧‍👦",
    "control \x00 \x07 \x1b \ufffd \u200b \u00ad",
    "mask[MASK]mask [CLS]",
    "a" * 100,
    "a" * 101,  # longer words than this are unknown
    "a b" * 3400,
    *(text for text in ODD_TEXTS if not re.search("[\ud800-\udfff]", text)),
]
TEXTS = ["Paris is the [MASK] of France.", "I love natural [MASK], the [MASK] Café!", "한국어"]
SIZES = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24}
POSITIONS = 48


def write_tokenizer(folder, form="json", do_lower_case=True):
    """A tokenizer as new checkpoints have it (`tokenizer.json`), or old ones (`vocab.txt`, settings or none)."""
    (folder / "vocab.txt").write_text("".join(f"{token}\n" for token in VOCABULARY), encoding="utf-8")
    if form == "json":
        transformers.BertTokenizer.from_pretrained(folder, do_lower_case=do_lower_case).save_pretrained(folder)
        (folder / "vocab.txt").unlink()
    elif form == "vocab":
        settings = {"do_lower_case": do_lower_case, "tokenizer_class": "BertTokenizer"}
        (folder / "tokenizer_config.json").write_text(json.dumps(settings))


def write(folder, name, **config):
    """A checkpoint of random weights of a class of `transformers`, and the module itself."""
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=len(VOCABULARY), max_position_embeddings=POSITIONS, **{**SIZES, **config}
    )
    module = getattr(transformers, name)(config).eval()
    for parameter in module.parameters():
        parameter.data.normal_(0, 0.3)
    module.save_pretrained(folder)
    write_tokenizer(folder)
    return module


def open_checkpoint(folder):
    return open_source(*open_preset(str(folder)))


def inputs_of(folder, *texts):
    """The texts as `transformers` reads them: for its modules, and under our names."""
    read = transformers.AutoTokenizer.from_pretrained(folder)(*texts, return_tensors="pt", padding=True)
    names = {"token_ids": "input_ids", "padding_mask": "attention_mask", "segment_ids": "token_type_ids"}
    return read, {ours: read[theirs].numpy() for ours, theirs in names.items()}


def run(module, inputs):
    with torch.no_grad():
        return module(**inputs)


# === Tokenizers ===


@pytest.mark.parametrize(
    ("form", "do_lower_case"),
    [("json", True), ("json", False), ("vocab", True), ("vocab", False), ("vocab alone", True)],
)
def test_token_ids_are_those_of_transformers(form, do_lower_case, tmp_path):
    transformers.BertConfig(vocab_size=len(VOCABULARY), **SIZES).save_pretrained(tmp_path)
    write_tokenizer(tmp_path, form, do_lower_case)
    ours = open_checkpoint(tmp_path).tokenizer()
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path)
    for text in HARD:
        expected = theirs(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]
        assert ours.tokenize(text) == expected, text[:50]
        assert ours.encode(text).token_ids == expected
        expected = theirs(text, add_special_tokens=False)["input_ids"]
        assert ours.tokenize(text, special_tokens=True) == expected, text[:50]
    special = [ours.pad_token_id, ours.unknown_token_id, ours.start_token_id, ours.end_token_id, ours.mask_token_id]
    assert special == [0, 1, 2, 3, 4]
    assert ours.get_vocabulary() == VOCABULARY
    if do_lower_case:  # and those of BERT's own Python, which normalises cased text to NFC, as later versions do not
        first = BertTokenizerLegacy(_vocabulary_file(tmp_path), do_lower_case=True)
        for text in HARD:
            tokens = first.tokenize(text.replace("[", "{").replace("]", "}"))  # it never splits special tokens
            assert ours.encode(text.replace("[", "{").replace("]", "}")).tokens == tokens, text[:50]


def _vocabulary_file(folder):
    (folder / "vocab.txt").write_text("".join(f"{token}\n" for token in VOCABULARY), encoding="utf-8")
    return str(folder / "vocab.txt")


def test_half_a_surrogate_pair_is_the_replacement_character(tmp_path):
    transformers.BertConfig(vocab_size=len(VOCABULARY), **SIZES).save_pretrained(tmp_path)
    write_tokenizer(tmp_path)
    ours = open_checkpoint(tmp_path).tokenizer()
    for text in ODD_TEXTS:
        assert ours.tokenize(text) == ours.tokenize(re.sub("[\ud800-\udfff]", "\ufffd", text))


@pytest.mark.parametrize("form", ["json", "files"])
def test_bytes_of_gpt2(form, tmp_path):
    trained = json.loads(knz.Tokenizer.train([*TEXTS, *HARD[:4]], "byte_bpe", 300)._rust.to_str())["model"]
    vocabulary = {token: i for i, token in enumerate([*list(trained["vocab"])[5:], "<|endoftext|>"])}
    (tmp_path / "vocab.json").write_text(json.dumps(vocabulary), encoding="utf-8")
    merges = [" ".join(pair) for pair in trained["merges"]]
    (tmp_path / "merges.txt").write_text("\n".join(["#version: 0.2", *merges]) + "\n", encoding="utf-8")
    config = transformers.GPT2Config(vocab_size=len(vocabulary), n_positions=32, n_embd=16, n_layer=2, n_head=2)
    torch.manual_seed(0)
    module = transformers.GPT2Model(config).eval()
    for parameter in module.parameters():
        parameter.data.normal_(0, 0.3)
    module.save_pretrained(tmp_path)
    theirs = transformers.GPT2Tokenizer.from_pretrained(tmp_path)
    if form == "json":
        theirs.save_pretrained(tmp_path)
        (tmp_path / "merges.txt").unlink(missing_ok=True)
    ours = open_checkpoint(tmp_path).tokenizer()
    assert ours.kind == "byte_bpe"
    for text in [*HARD, "two  spaces \n\n lines", "x<|endoftext|>y"]:
        assert ours.tokenize(text) == theirs(text, split_special_tokens=True)["input_ids"], text[:50]
        assert ours.tokenize(text, special_tokens=True) == theirs(text)["input_ids"], text[:50]
        assert ours.detokenize(ours.tokenize(text)) == text
    end = vocabulary["<|endoftext|>"]
    assert (ours.pad_token_id, ours.start_token_id, ours.end_token_id, ours.mask_token_id) == (end, end, end, None)
    if form == "files":  # one is enough
        model = knz.TextClassifier.from_preset(tmp_path, num_classes=2)
        assert model.preprocessor.sequence_length == 32
        x = model.preprocessor(["Paris is the end.", "love"])
        x["padding_mask"] = keras.ops.convert_to_numpy(x["padding_mask"])
        given = {"input_ids": torch.tensor(x["token_ids"]), "attention_mask": torch.tensor(x["padding_mask"])}
        found = model.backbone.predict(x, verbose=0)["sequence_output"][x["padding_mask"] == 1]
        np.testing.assert_allclose(found, run(module, given)[0].numpy()[x["padding_mask"] == 1], atol=1e-5)


def test_rows_of_roberta_leave_two_positions_out(tmp_path):
    """Its config counts those that padding takes; KerasHub's backbone does not."""
    tokenizer = knz.Tokenizer.train(TEXTS, "byte_bpe", 300)
    trained = json.loads(tokenizer._rust.to_str())["model"]
    tokens = ["<s>", "<pad>", "</s>", "<unk>", *list(trained["vocab"])[5:], "<mask>"]
    (tmp_path / "vocab.json").write_text(json.dumps({token: i for i, token in enumerate(tokens)}), encoding="utf-8")
    merges = [" ".join(pair) for pair in trained["merges"]]
    (tmp_path / "merges.txt").write_text("\n".join(["#version: 0.2", *merges]) + "\n", encoding="utf-8")
    config = transformers.RobertaConfig(vocab_size=len(tokens), max_position_embeddings=34, **SIZES)
    transformers.RobertaForMaskedLM(config).save_pretrained(tmp_path)
    model = knz.TextClassifier.from_preset(tmp_path, num_classes=2)
    with pytest.warns(UserWarning, match="were cut"):
        logits = model.predict(["love " * 99], verbose=0)
    assert model.preprocessor.sequence_length == 32
    assert np.isfinite(logits).all()


# === Heads ===


def test_masked_lm(tmp_path):
    module = write(tmp_path, "BertForMaskedLM")
    model = knz.create_model("bert", "masked_lm", preset=tmp_path)
    read, x = inputs_of(tmp_path, TEXTS[:2])
    logits = run(module, read).logits.numpy()
    places = [np.flatnonzero(row == 4) for row in x["token_ids"]]
    x["mask_positions"] = np.array([np.resize(row, 2) for row in places], "int32")
    np.testing.assert_allclose(
        model.predict(x, verbose=0), np.take_along_axis(logits, x["mask_positions"][:, :, None], 1), atol=1e-5
    )
    for text, found, row, positions in zip(TEXTS, model.fill(TEXTS[:2], top_k=3), logits, places, strict=False):
        assert len(found) == len(positions)
        for guesses, position in zip(found, positions, strict=True):
            probabilities = np.exp(row[position].astype("float64"))
            probabilities /= probabilities.sum()
            best = np.argsort(-probabilities)[:3]
            assert [guess["token"] for guess in guesses] == [VOCABULARY[i].removeprefix("##") for i in best]
            np.testing.assert_allclose([guess["score"] for guess in guesses], probabilities[best], atol=1e-5)
            assert all(len(guess["text"]) == len(text) - len("[MASK]") + len(guess["token"]) for guess in guesses)
    # There is no pooler in this checkpoint. A classifier over it has one of its own, and the encoder's weights.
    assert not open_checkpoint(tmp_path).names("pooler")
    classifier = knz.TextClassifier.from_preset(tmp_path, labels=["a", "b"])
    for one, other in zip(classifier.backbone.weights, model.backbone.weights, strict=True):
        if "pooled" not in one.path:
            np.testing.assert_array_equal(keras.ops.convert_to_numpy(one), keras.ops.convert_to_numpy(other))


@pytest.mark.parametrize(
    ("activation", "epsilon", "ours"),
    [("gelu", 1e-12, "gelu"), ("gelu_new", 1e-12, "gelu_approximate"), ("relu", 1e-2, "relu")],
)
def test_text_classifier(activation, epsilon, ours, tmp_path):
    """One text and two, the labels in the order of their numbers, and what checkpoints differ in."""
    names = {i: f"class {i}" for i in range(11)}  # "10" stands before "2" in the file
    options = {"hidden_act": activation, "layer_norm_eps": epsilon, "hidden_dropout_prob": 0.25}
    module = write(tmp_path, "BertForSequenceClassification", id2label=names, **options)
    model = knz.create_model("bert", preset=tmp_path)
    assert model.labels == list(names.values())
    assert model.backbone.get_config()["activation"] == ours
    assert model.backbone.dropout == 0.25
    assert model.preprocessor.sequence_length == POSITIONS
    plain = [text.replace("[MASK]", "x") for text in TEXTS]
    for texts in ((plain,), (plain, plain[::-1])):
        read, x = inputs_of(tmp_path, *texts)
        found = model.preprocessor(plain if len(texts) == 1 else texts, y=None)
        for key, value in x.items():
            np.testing.assert_array_equal(found[key][:, : value.shape[1]], value)
        np.testing.assert_allclose(model.predict(x, verbose=0), run(module, read).logits.numpy(), atol=1e-5)
    if activation != "gelu":  # what is not KerasHub's own is saved too
        model.save_to_preset(tmp_path / "again")
        again = knz.create_model("bert", preset=tmp_path / "again")
        np.testing.assert_allclose(again.predict(x, verbose=0), model.predict(x, verbose=0), atol=1e-6)


@pytest.mark.parametrize("names", [["O", "B-PER", "I-PER"], ["NOUN", "VERB", "X"], None])
def test_token_classifier(names, tmp_path):
    """Entities, parts of speech, and labels without names; each word has the label of its first token."""
    options = (
        {} if names is None else {"id2label": dict(enumerate(names)), "label2id": {n: i for i, n in enumerate(names)}}
    )
    module = write(tmp_path, "BertForTokenClassification", **options)
    model = knz.create_model("bert", "token_classifier", preset=tmp_path)
    assert model.labels == (names or ["LABEL_0", "LABEL_1"])
    assert model.scheme == ("bio" if names and "O" in names else None)
    words = [["Paris", "is", "naive"], ["cafes"]]
    read = transformers.AutoTokenizer.from_pretrained(tmp_path)(
        words, is_split_into_words=True, return_tensors="pt", padding=True
    )
    logits = run(module, read).logits.numpy()
    x = model.preprocessor(words)
    mask = read["attention_mask"].numpy().astype(bool)
    np.testing.assert_array_equal(x["token_ids"][:, : mask.shape[1]][mask], read["input_ids"].numpy()[mask])
    np.testing.assert_allclose(model.predict(words, verbose=0)[:, : mask.shape[1]][mask], logits[mask], atol=1e-5)
    for i, tags in enumerate(model.tag_words(words)):
        first = [read.word_ids(i).index(word) for word in range(len(words[i]))]
        assert tags == [model.labels[k] for k in logits[i, first].argmax(-1)]


def test_question_answering(tmp_path):
    module = write(tmp_path, "BertForQuestionAnswering")
    model = knz.create_model("bert", "question_answering", preset=tmp_path, sequence_length=40)
    x = {"question": ["is a naive Café love?", "한국"], "context": ["the Paris (of France)", "i love 어 and 문장"]}
    read, arrays = inputs_of(tmp_path, x["question"], x["context"])
    output = run(module, read)
    expected = np.stack([output.start_logits.numpy(), output.end_logits.numpy()], -1)
    mask = arrays["padding_mask"].astype(bool)
    packed = model.preprocessor(x)
    for key, value in arrays.items():
        np.testing.assert_array_equal(packed[key][:, : mask.shape[1]], value)
    np.testing.assert_allclose(model.predict(x, verbose=0)[:, : mask.shape[1]][mask], expected[mask], atol=1e-5)
    assert model.preprocessor.sequence_length == 40


def test_the_head_of_another_task_is_left(tmp_path):
    write(tmp_path, "BertForTokenClassification")
    with pytest.raises(ValueError, match="cannot be loaded: Pass `labels`"):
        knz.create_model("bert", "text_classifier", preset=tmp_path)
    model = knz.create_model("bert", "token_classifier", preset=tmp_path, labels=["PER"])
    assert model.tags == ["O", "B-PER", "I-PER"]  # a new head
    kernel = keras.ops.convert_to_numpy(model.output_dense.kernel)
    assert kernel.shape == (16, 3)
    assert np.abs(kernel.T[:2] - open_checkpoint(tmp_path).tensors("classifier.weight")[0]).max() > 0.1


def test_pretraining_checkpoint_in_parts_with_old_names(tmp_path):
    """As the first checkpoints of BERT are: `gamma` and `beta`, a head for masks and one for pairs of sentences."""
    module = write(tmp_path, "BertForPreTraining")
    module.save_pretrained(tmp_path, max_shard_size="10KB")
    (tmp_path / "model.safetensors").unlink(missing_ok=True)
    index_file = tmp_path / "model.safetensors.index.json"
    index = json.loads(index_file.read_text())
    assert len({*index["weight_map"].values()}) > 2

    def old(name):
        return name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta")

    for part in {*index["weight_map"].values()}:
        weights = safetensors.numpy.load_file(tmp_path / part)
        safetensors.numpy.save_file({old(name): weight for name, weight in weights.items()}, tmp_path / part)
    index["weight_map"] = {old(name): part for name, part in index["weight_map"].items()}
    index_file.write_text(json.dumps(index))
    model = knz.create_model("bert", "masked_lm", preset=tmp_path)
    read, x = inputs_of(tmp_path, TEXTS[:2])
    output = run(module, read).prediction_logits.numpy()
    x["mask_positions"] = np.arange(6)[None].repeat(2, 0)
    np.testing.assert_allclose(model.predict(x, verbose=0), output[:, :6], atol=1e-5)
    hidden = run(module.bert, read)
    found = model.backbone.predict({key: x[key] for key in model.backbone.input}, verbose=0)
    np.testing.assert_allclose(found["pooled_output"], hidden.pooler_output.numpy(), atol=1e-5)


# === What is read of the other files ===


@pytest.mark.parametrize(("said", "length"), [(None, POSITIONS), (20, 20), (512, POSITIONS), (int(1e30), POSITIONS)])
def test_sequence_length(said, length, tmp_path):
    """The lesser of what the model and what its tokenizer read."""
    transformers.BertConfig(vocab_size=len(VOCABULARY), max_position_embeddings=POSITIONS, **SIZES).save_pretrained(
        tmp_path
    )
    settings = {} if said is None else {"model_max_length": said}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings))
    assert open_checkpoint(tmp_path).sequence_length() == length


def test_special_tokens_by_other_names(tmp_path):
    transformers.BertConfig(vocab_size=len(VOCABULARY), **SIZES).save_pretrained(tmp_path)
    (tmp_path / "vocab.txt").write_text("<pad>\n<unk>\n<s>\n</s>\n<hole>\na\n", encoding="utf-8")
    settings = {"mask_token": {"content": "<hole>", "lstrip": False}, "pad_token": None, "do_lower_case": True}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings))
    tokenizer = open_checkpoint(tmp_path).tokenizer()
    names = [tokenizer.pad_token, tokenizer.unknown_token, tokenizer.start_token, tokenizer.end_token]
    assert names == ["<pad>", "<unk>", "<s>", "</s>"]
    assert tokenizer.tokenize("a <hole>", special_tokens=True) == [5, 4]


def test_weights_can_be_left_random(tmp_path):
    write(tmp_path, "BertForSequenceClassification")
    loaded, random = (knz.TextClassifier.from_preset(tmp_path, load_weights=flag) for flag in (True, False))
    assert random.labels == loaded.labels == ["LABEL_0", "LABEL_1"]
    for one, other in zip(loaded.trainable_weights, random.trainable_weights, strict=True):
        assert np.abs(keras.ops.convert_to_numpy(one) - keras.ops.convert_to_numpy(other)).max() > 0.01, one.path


def edit_config(folder, **changes):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **changes}))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda p: (p / "model.safetensors").unlink(), "model.safetensors"),
        (lambda p: (p / "model.safetensors").write_bytes(b"12345678"), "cannot be loaded"),
        (lambda p: (p / "config.json").write_text("{}"), "cannot be loaded"),
        (lambda p: edit_config(p, model_type="abacus"), "abacus"),
        (
            lambda p: edit_config(p, position_embedding_type="relative_key"),
            "positions are 'relative_key'; only absolute",
        ),
        (lambda p: edit_config(p, hidden_act="swash"), "swash"),
        (lambda p: edit_config(p, hidden_size=32), "cannot be loaded"),
        (lambda p: (p / "tokenizer.json").write_text("{}"), "cannot be loaded"),
    ],
)
def test_damaged_checkpoint(damage, message, damaged):
    damage(damaged)
    with pytest.raises(ValueError, match=re.escape(message)) as error:
        knz.TextClassifier.from_preset(damaged, num_classes=2)
    assert str(damaged) in str(error.value)


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    write(folder := tmp_path_factory.mktemp("sound"), "BertModel")
    return folder


@pytest.fixture
def damaged(sound, tmp_path):
    return shutil.copytree(sound, tmp_path / "damaged")
