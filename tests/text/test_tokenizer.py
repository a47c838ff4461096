import json
import os
import unicodedata
from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np
import pytest
import tokenizers
import transformers
from tokenizers import decoders, models, normalizers, pre_tokenizers, trainers

import keras_nlp_zoo as knz
from tests.conftest import ODD_TEXTS

KINDS = ("word", "wordpiece", "bpe", "byte_bpe", "unigram", "char")
ENGLISH = knz.datasets.load("reviews", size=300)[0]
KOREAN = knz.datasets.load("reviews", size=300, language="ko")[0]
TEXTS = ENGLISH + KOREAN
SIZE = 600


@pytest.fixture(scope="module", params=KINDS)
def trained(request):
    return knz.Tokenizer.train(TEXTS, kind=request.param, vocabulary_size=SIZE)


def test_special_tokens_by_name(trained):
    ids = [trained.pad_token_id, trained.unknown_token_id, trained.start_token_id]
    assert [*ids, trained.end_token_id, trained.mask_token_id] == [0, 1, 2, 3, 4]
    assert trained.get_vocabulary()[:5] == ["[PAD]", "[UNK]", "[START]", "[END]", "[MASK]"]
    assert trained.special_token_ids == [0, 1, 2, 3, 4]
    assert trained.vocabulary_size() == len(trained.get_vocabulary()) <= SIZE
    assert trained.id_to_token(7) == trained.get_vocabulary()[7]
    assert trained.token_to_id(trained.id_to_token(7)) == 7


def reference(kind, vocabulary):
    """The same tokenizer built with the library alone; trained by it, where its training is deterministic."""
    special = {"special_tokens": ["[PAD]", "[UNK]", "[START]", "[END]", "[MASK]"], "show_progress": False}
    if kind == "word":
        rust = tokenizers.Tokenizer(models.WordLevel(unk_token="[UNK]"))
        trainer = trainers.WordLevelTrainer(vocab_size=SIZE, min_frequency=1, **special)
        rust.normalizer, rust.pre_tokenizer = normalizers.NFC(), pre_tokenizers.Whitespace()
    elif kind == "wordpiece":
        rust = tokenizers.Tokenizer(models.WordPiece({t: i for i, t in enumerate(vocabulary)}, unk_token="[UNK]"))
        rust.normalizer, rust.pre_tokenizer = normalizers.NFC(), pre_tokenizers.BertPreTokenizer()
        return rust
    else:
        rust = tokenizers.Tokenizer(models.BPE())
        alphabet = pre_tokenizers.ByteLevel.alphabet()
        trainer = trainers.BpeTrainer(vocab_size=SIZE, min_frequency=1, initial_alphabet=alphabet, **special)
        rust.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    rust.train_from_iterator(TEXTS, trainer)
    return rust


@pytest.mark.parametrize("kind", ["word", "wordpiece", "byte_bpe"])
def test_agrees_with_the_library_token_for_token(kind):
    ours = knz.Tokenizer.train(TEXTS, kind=kind, vocabulary_size=SIZE)
    rust = reference(kind, ours.get_vocabulary())
    texts = [*TEXTS, "Unseen words, punctuation!!! (and 12.5%)", "한국어 새 문장", "🙂\ttab", "  spaces  ", ""]
    for text in texts:
        theirs = rust.encode(text)
        assert ours.tokenize(text) == theirs.ids
        encoding = ours.encode(text)
        assert (encoding.token_ids, encoding.tokens, encoding.offsets) == (theirs.ids, theirs.tokens, theirs.offsets)


@pytest.mark.parametrize("kind", ["word", "bpe", "byte_bpe", "char"])
def test_training_is_deterministic(kind):
    """The library draws lots among equals when it trains the other two."""
    first, second = (knz.Tokenizer.train(iter(TEXTS), kind=kind, vocabulary_size=SIZE) for _ in range(2))
    assert first.get_vocabulary() == second.get_vocabulary()
    assert first.tokenize(TEXTS) == second.tokenize(TEXTS)


def test_many_texts_and_one_agree(trained):
    assert trained.tokenize(TEXTS[:5]) == [trained.tokenize(text) for text in TEXTS[:5]]
    assert trained(TEXTS[:5]) == trained.tokenize(tuple(TEXTS[:5])) == trained.tokenize(np.array(TEXTS[:5]))
    assert trained.tokenize([TEXTS[0].encode()]) == [trained.tokenize(TEXTS[0])]
    assert [e.token_ids for e in trained.encode(TEXTS[:5])] == trained.tokenize(TEXTS[:5])


@pytest.mark.parametrize("text", ["the plot was not dull", "연기는 정말 훌륭했다 .", "the 🙂 plot"])
def test_offsets_are_characters_of_the_text(trained, text):
    encoding = trained.encode(text)
    assert len(encoding.token_ids) == len(encoding.tokens) == len(encoding.offsets)
    covered = set()
    for start, end in encoding.offsets:
        assert 0 <= start <= end <= len(text)
        covered |= set(range(start, end))
    assert covered >= {i for i, character in enumerate(text) if character != " "}
    for token, (start, end) in zip(encoding.tokens, encoding.offsets, strict=True):
        if trained.kind in ("word", "char") and token != "[UNK]":
            assert token == text[start:end]


def test_odd_texts(trained):
    encodings = trained.encode(ODD_TEXTS)
    assert [e.token_ids for e in encodings] == trained.tokenize(ODD_TEXTS)
    for text, encoding in zip(ODD_TEXTS, encodings, strict=True):
        if text.strip():
            assert encoding.token_ids, f"{text!r} was lost"
        assert all(start <= end <= len(text) for start, end in encoding.offsets)
        assert isinstance(trained.detokenize(encoding.token_ids), str)


@pytest.mark.parametrize("text", ["[PAD]", "[MASK]", "a [MASK] b", "[UNK][START]", "x[END]"])
def test_text_that_spells_a_special_token(trained, text):
    """Only asked for is it one: otherwise a reader of the web could pad or mask at will."""
    assert not set(trained.tokenize(text)) & {0, 2, 3, 4}
    named = {trained.token_to_id(t) for t in trained.special_tokens if t in text}
    assert named <= set(trained.tokenize(text, special_tokens=True))


def test_special_tokens_in_one_thread_are_text_in_another():
    tokenizer = knz.Tokenizer.train(["a b c"], kind="word")
    text = ["a [MASK] b"] * 20
    expected = {special: tokenizer.tokenize(text, special_tokens=special) for special in (False, True)}
    assert expected[False] != expected[True]

    def reads(special):
        return all(tokenizer.tokenize(text, special_tokens=special) == expected[special] for _ in range(500))

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(reads, [False, True] * 2))


def test_detokenize_is_exact_where_the_kind_allows_it(trained):
    for text in TEXTS[::20]:
        back = trained.detokenize(trained.tokenize(text))
        if trained.kind == "wordpiece":  # its spacing is that of prose
            assert back.replace(" ", "") == text.replace(" ", "")
        else:
            assert back == text
    if trained.kind == "byte_bpe":
        for text in ODD_TEXTS:
            clean = "".join("\ufffd" if 0xD800 <= ord(c) < 0xE000 else c for c in text)
            assert trained.detokenize(trained.tokenize(text)) == clean
    if trained.kind == "char":
        assert trained.detokenize(trained.tokenize("  the  plot ")) == "  the  plot "


def test_detokenize_drops_padding_and_takes_arrays(trained):
    ids = trained.tokenize("the plot")
    padded = [[2, *ids, 3, 0, 0], [2, 1, 3, 0] + [0] * len(ids)]
    expected = [trained.detokenize(ids), trained.detokenize([1])]
    assert trained.detokenize(np.array(padded[0])) == expected[0]
    assert trained.detokenize([row[: len(ids) + 4] for row in padded]) == expected
    assert trained.detokenize(keras.ops.convert_to_tensor([padded[0]])) == expected[:1]
    assert trained.detokenize([]) == ""
    assert "[UNK]" in expected[1]
    with pytest.raises(ValueError, match="`inputs` holds the id 99999"):
        trained.detokenize([99999])


def test_hangul_syllables_and_jamo_are_one():
    """NFC before all kinds but byte_bpe; taking accents off leaves Hangul whole."""
    jamo = unicodedata.normalize("NFD", "연기는 훌륭했다")
    assert jamo != "연기는 훌륭했다"
    for kind in KINDS:
        tokenizer = knz.Tokenizer.train(KOREAN, kind=kind, vocabulary_size=SIZE, strip_accents=kind != "byte_bpe")
        same = tokenizer.tokenize(jamo) == tokenizer.tokenize("연기는 훌륭했다")
        assert same == (kind != "byte_bpe")
        if same:
            assert tokenizer.unknown_token_id not in tokenizer.tokenize(jamo)


def test_lowercase_and_accents():
    tokenizer = knz.Tokenizer.train(["cafe olé"], lowercase=True, strip_accents=True)
    assert tokenizer.tokenize("Café OLE\u0301") == tokenizer.tokenize("cafe ole")
    assert knz.Tokenizer.train(["cafe"]).tokenize("Cafe") == [1]


def test_vocabulary_limits():
    assert knz.Tokenizer.train(["a a b c"], vocabulary_size=6).get_vocabulary()[5:] == ["a"]
    assert knz.Tokenizer.train(["a a b c"], min_frequency=2).get_vocabulary()[5:] == ["a"]
    with pytest.raises(ValueError, match="`vocabulary_size` must be an int of at least 261 for kind='byte_bpe'"):
        knz.Tokenizer.train(["a"], kind="byte_bpe", vocabulary_size=260)


@pytest.mark.parametrize(
    ("texts", "error", "message"),
    [
        ([], ValueError, "`texts` is empty"),
        (None, TypeError, "`texts` must be an iterable of strings. Received: None"),
        ("one text", TypeError, "`texts` must be an iterable of strings"),
        (["a", None], TypeError, "`texts` must hold strings. Item 1 is None"),
        ((c for c in ["a", 3]), TypeError, "`texts` must hold strings. Item 1 is 3"),
    ],
)
def test_bad_texts(texts, error, message):
    with pytest.raises(error, match=message):
        knz.Tokenizer.train(texts)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kind": "words"}, "`kind` must be one of word, wordpiece"),
        ({"kind": "bpe", "vocabulary": ["a"]}, "`merges` goes with the kinds bpe and byte_bpe"),
        ({"kind": "word", "vocabulary": ["a"], "merges": ["a b"]}, "`merges` goes with the kinds bpe and byte_bpe"),
        ({"kind": "bpe", "merges": ["a b"]}, "`merges` was given without a `vocabulary`"),
        ({"kind": "bpe", "vocabulary": ["a"], "merges": ["a b c"]}, "`merges` must hold pairs"),
        ({"kind": "word", "vocabulary": "nowhere.txt"}, "neither a dict, a list nor a file"),
        ({"kind": "word", "vocabulary": 3}, "`vocabulary` must be a dict"),
        ({"kind": "word", "vocabulary": ["[UNK]", "a", "b", "a"]}, "`vocabulary` holds a token twice: 'a', at 1 and 3"),
        ({"kind": "unigram", "vocabulary": [("a", -1.0), ("a", -2.0)]}, "`vocabulary` holds a token twice: 'a'"),
        ({"kind": "char", "vocabulary": {"[UNK]": 0, "a": 2}}, "`vocabulary` must give each id from 0 to 1 to one"),
        ({"kind": "char", "vocabulary": {"[UNK]": 0, "a": "1"}}, "`vocabulary` must give each id from 0 to 1 to one"),
        ({"kind": "char", "vocabulary": {"[UNK]": 0, "a": 0}}, "`vocabulary` must give each id from 0 to 1 to one"),
        ({"kind": "unigram", "vocabulary": ["a"]}, "is a list of"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        knz.Tokenizer(**arguments)


def test_a_wrapped_tokenizer_may_leave_ids_out():
    """Then there are more ids than tokens, and a table of vectors has to have a row for each."""
    rust = tokenizers.Tokenizer(models.WordLevel({"[UNK]": 0, "a": 3, "b": 7}, unk_token="[UNK]"))
    rust.pre_tokenizer = pre_tokenizers.Whitespace()
    wrapped = knz.Tokenizer.wrap(rust)
    assert wrapped.vocabulary_size() == 8
    assert wrapped.get_vocabulary() == ["[UNK]", "", "", "a", "", "", "", "b"]
    assert wrapped.detokenize(wrapped.tokenize("a b")) == "a b"
    with pytest.raises(ValueError, match="`inputs` holds the id 8; this tokenizer has ids from 0 to 7"):
        wrapped.detokenize([8])


def test_a_tokenizer_without_a_vocabulary():
    with pytest.raises(ValueError, match="no vocabulary yet"):
        knz.Tokenizer("word").tokenize("a")


def test_vocabulary_from_files(tmp_path):
    trained = knz.Tokenizer.train(TEXTS, kind="wordpiece", vocabulary_size=SIZE)
    (tmp_path / "vocab.txt").write_text("\n".join(trained.get_vocabulary()) + "\n", encoding="utf-8")
    ids = {token: i for i, token in enumerate(trained.get_vocabulary())}
    (tmp_path / "vocab.json").write_text(json.dumps(ids), encoding="utf-8")
    for vocabulary in (tmp_path / "vocab.txt", str(tmp_path / "vocab.json"), ids, trained.get_vocabulary()):
        again = knz.Tokenizer("wordpiece", vocabulary)
        assert again.tokenize(TEXTS) == trained.tokenize(TEXTS)
        assert again.pad_token_id == 0


def test_unigram_from_pieces():
    pieces = [("[PAD]", 0.0), ("[UNK]", 0.0), ("▁the", -1.0), ("▁", -2.0), ("t", -3.0), ("h", -3.0), ("e", -3.0)]
    tokenizer = knz.Tokenizer("unigram", pieces)
    assert tokenizer.encode("the het").tokens == ["▁the", "▁", "h", "e", "t"]
    assert tokenizer.mask_token_id is None


def test_round_trips(trained, tmp_path):
    config = trained.get_config()
    assert knz.Tokenizer.from_config(config).get_config() == config
    trained.save_to_preset(tmp_path / "preset")
    (tmp_path / "assets").mkdir()
    trained.save_assets(tmp_path / "assets")
    again = knz.Tokenizer.from_config(config)
    again.load_assets(tmp_path / "assets")
    assert again.tokenize(TEXTS) == trained.tokenize(TEXTS)
    assert os.path.isfile(tmp_path / "preset" / "assets" / "tokenizer" / "tokenizer.json")
    # The file is that of the library, so other tools read it.
    theirs = tokenizers.Tokenizer.from_file(str(tmp_path / "assets" / "tokenizer.json"))
    assert theirs.encode(TEXTS[0]).ids == trained.tokenize(TEXTS[0])


def test_gpt2_vocabulary_agrees_with_transformers(tmp_path):
    """On a vocabulary trained here, in the two files that GPT-2 comes in; the real one is below."""
    rust = tokenizers.Tokenizer(models.BPE())
    rust.pre_tokenizer, rust.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    rust.train_from_iterator(
        TEXTS,
        trainers.BpeTrainer(vocab_size=SIZE, special_tokens=["<|endoftext|>"], initial_alphabet=alphabet),
    )
    rust.model.save(str(tmp_path))
    theirs = transformers.GPT2Tokenizer.from_pretrained(str(tmp_path))
    ours = knz.Tokenizer("byte_bpe", tmp_path / "vocab.json", tmp_path / "merges.txt", end_token="<|endoftext|>")
    for text in [*TEXTS[::10], *HARD]:
        assert ours.tokenize(text) == theirs(text)["input_ids"]
    assert ours.end_token_id == theirs.eos_token_id


HARD = [
    "🙂👩‍👩‍👧‍👦 and e\u0301",
    "한국어 문장입니다 .",
    "a\tb\n\n  c   d ",
    "unpaired \" quotes ' and ` here",
    "def f(x):\n    return {'a': x ** 2}  # code",
    "they're we'll I'd it's can't",
    "\x00\x07 control",
    "1234567 12.5%",
    "a" * 10_000,
    "",
]


@pytest.mark.parametrize("text", HARD)
def test_real_gpt2_vocabulary(text):
    folder = os.environ.get("KERAS_NLP_ZOO_VOCAB")
    if not folder:
        pytest.skip("KERAS_NLP_ZOO_VOCAB is not set: the real GPT-2 vocabulary is not on this machine")
    vocabulary, merges = os.path.join(folder, "gpt2", "encoder.json"), os.path.join(folder, "gpt2", "vocab.bpe")
    theirs = transformers.GPT2Tokenizer(vocabulary, merges)
    ours = knz.Tokenizer("byte_bpe", vocabulary, merges, end_token="<|endoftext|>")
    assert ours.tokenize(text) == theirs(text)["input_ids"]
    assert ours.detokenize(ours.tokenize(text)) == text
    assert ours.vocabulary_size() == 50257
