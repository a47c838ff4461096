"""GPT-2 at its real size with the real vocabulary, beside `transformers`; half a minute, where the vocabulary is."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is the oracle, and not installed: see `tox -e parity`")
transformers = pytest.importorskip("transformers", reason="transformers is the oracle, and not installed")

from tests.interop.gpt2_checkpoints import (  # noqa: E402 - asks for torch
    ARTICLE,
    HARD,
    greedy,
    logits_of,
    open_both,
    padded,
    real_vocabulary,
    text_of,
)

PROMPTS = [
    ARTICLE,
    "The",
    "def f(x):\n    return x",
    "한국어로 쓴 문장",
    "It was the best of times, it was the worst of times",
    "🙂",
    "Once upon a time there was",
    "In 1969 the first",
]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gpt2_124m")
    for name, text in zip(("vocab.json", "merges.txt"), real_vocabulary(), strict=True):
        (folder / name).write_text(text, "utf-8")
    torch.manual_seed(0)
    module = transformers.GPT2LMHeadModel(transformers.GPT2Config()).eval()
    module.save_pretrained(folder)
    checkpoint = open_both(folder, module)
    assert checkpoint.model.count_params() == 124_439_808
    return checkpoint


def test_token_ids(checkpoint):
    for text in HARD:
        assert checkpoint.model.preprocessor.tokenizer.tokenize(text) == checkpoint.tokenizer(text)["input_ids"]


def test_logits(checkpoint):
    rows = [checkpoint.tokenizer(prompt)["input_ids"] for prompt in PROMPTS]
    found = checkpoint.model.predict(padded(rows), verbose=0)
    for row, one in zip(rows, found, strict=True):
        np.testing.assert_allclose(one[: len(row)], logits_of(checkpoint.module, row), atol=1e-4)


def test_sixty_four_tokens(checkpoint):
    """A prompt alone, the article's to 30 tokens, and eight of several lengths to 64 more than the longest has."""
    lengths = [len(checkpoint.tokenizer(prompt)["input_ids"]) for prompt in PROMPTS]
    length = max(lengths) + 64
    expected = [text_of(checkpoint, greedy(checkpoint, prompt, length)) for prompt in PROMPTS]
    assert checkpoint.model.generate(PROMPTS[0], max_length=length) == expected[0]
    assert checkpoint.model.generate(PROMPTS, max_length=length) == expected
    assert checkpoint.model.generate(ARTICLE, max_length=30) == text_of(checkpoint, greedy(checkpoint, ARTICLE, 30))
