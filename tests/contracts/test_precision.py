"""Property 6: it runs in every precision, with any batch and length."""

import keras
import numpy as np
import pytest

from tests.called import called
from tests.contracts.cases import CLASSIFIERS, arrays, tiny


def on_gpu():
    return any("gpu" in device or "cuda" in device for device in keras.distribution.list_devices())


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_batch_and_length_are_free(name):
    backbone = tiny(name).backbone
    assert all(tuple(tensor.shape) == (None, None) for tensor in backbone.input.values())
    for batch, length in ((1, 1), (3, 2), (2, 40)):
        ids = np.ones((batch, length), "int32")
        outputs = called(backbone, arrays(backbone, ids, ids))
        assert outputs["sequence_output"].shape[:2] == (batch, length)
        assert all(output.shape[0] == batch for output in outputs.values())


# Every kind of network in both; the recurrent ones, which differ in their cells, in one each.
@pytest.mark.parametrize(
    ("name", "dtype"),
    [
        *((name, "bfloat16") for name in CLASSIFIERS if name != "lstm"),
        *((name, "mixed_float16") for name in CLASSIFIERS if name not in ("rnn", "gru")),
    ],
)
def test_trains_in_every_precision(name, dtype, tokenizer, reviews):
    if name == "bert" and dtype == "mixed_float16" and keras.backend.backend() == "jax" and not on_gpu():
        pytest.skip("Keras's attention multiplies float16 into float32, a product that XLA does not have on CPU")
    model = tiny(name, tokenizer, dtype=dtype)
    texts = [*reviews[0][:15], ""]
    history = model.fit(texts, reviews[1][:16], epochs=2, verbose=0).history
    assert np.isfinite(history["loss"]).all()
    if dtype == "bfloat16":  # the scale of mixed_float16 begins so high that the first steps are left out
        assert history["loss"][1] != history["loss"][0], "it does not learn"
    assert keras.backend.standardize_dtype(model.output.dtype) == dtype.removeprefix("mixed_")


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_half_precision_agrees_with_float32(name, tokenizer, reviews):
    full = tiny(name, tokenizer)
    half = tiny(name, tokenizer, dtype="mixed_bfloat16")
    half.set_weights(full.get_weights())
    inputs = full.preprocessor([*reviews[0][:8], ""])
    one, other = (called(model, inputs).astype("float32") for model in (half, full))
    np.testing.assert_allclose(one, other, atol=0.05)
