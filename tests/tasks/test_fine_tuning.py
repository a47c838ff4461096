"""How pretrained backbones are trained: the learning rate of one fit, what is frozen, low-rank additions."""

import keras
import numpy as np
import pytest

import keras_nlp_zoo as knz
from tests.contracts.cases import tiny

SIZES = {"num_layers": 1, "num_heads": 2, "hidden_dim": 8, "intermediate_dim": 8, "dropout": 0.0}


@pytest.fixture
def short(reviews):
    """(texts, labels) that fit into 8 tokens."""
    return [" ".join(text.split()[:5]) for text in reviews[0]], reviews[1]


def make(tokenizer, **options):
    options = {"labels": ["negative", "positive"], "sequence_length": 8, **SIZES, **options}
    return knz.create_model("bert", tokenizer=tokenizer, **options)


def compiled_sooner(tokenizer):
    """A smaller network, trained as BERT is."""
    model = tiny("dnn", tokenizer, sequence_length=8)
    model.compile(knz.training.fine_tuning_optimizer(5e-5))
    return model


def rates(model, steps):
    return [float(keras.ops.convert_to_numpy(model.optimizer._learning_rate(step))) for step in steps]


class Rates(keras.callbacks.Callback):
    """The learning rate at the end of every epoch."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def on_epoch_end(self, epoch, logs=None):
        self.seen.append(float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate)))


class ScaledRates(Rates):
    def on_epoch_end(self, epoch, logs=None):
        optimizer = self.model.optimizer.inner_optimizer
        self.seen.append(float(keras.ops.convert_to_numpy(optimizer.learning_rate)))


def test_the_rate_rises_and_falls_in_straight_lines():
    schedule = knz.training.WarmupDecay(2.0, warmup=0.25, steps=8, start=3)
    found = [float(keras.ops.convert_to_numpy(schedule(step))) for step in range(3, 13)]
    np.testing.assert_allclose(found, [1, 2, 2, 5 / 3, 4 / 3, 1, 2 / 3, 1 / 3, 0, 0], rtol=1e-6)


def test_fit_says_how_many_steps_there_are(short, tokenizer):
    texts, labels = short[0][:16], short[1][:16]
    model = make(tokenizer)
    assert rates(model, [0, 100]) == pytest.approx([5e-5, 5e-5])
    seen = Rates()
    model.fit(texts, labels, batch_size=4, epochs=2, verbose=0, callbacks=[seen])
    # Eight steps, the first rises: after the fourth the rate has fallen from the peak by 3.2 of 7.2 steps.
    assert seen.seen == pytest.approx([5e-5 * 4 / 7.2, 0.0], abs=1e-9)
    # A second fit begins anew, where the optimizer's count of steps stands.
    model.fit(texts, labels, batch_size=4, epochs=1, verbose=0)
    assert rates(model, [8, 12]) == pytest.approx([5e-5, 0.0], abs=1e-9)


def test_the_rate_falls_though_the_loss_is_scaled(short, tokenizer):
    """As Keras has it for float16: the optimizer that moves the weights lies within another."""
    model, seen = make(tokenizer), ScaledRates()
    model.compile(keras.optimizers.LossScaleOptimizer(knz.training.fine_tuning_optimizer(5e-5), initial_scale=2.0))
    model.fit(short[0][:16], short[1][:16], batch_size=4, epochs=2, verbose=0, callbacks=[seen])
    assert seen.seen == pytest.approx([5e-5 * 4 / 7.2, 0.0], abs=1e-9)


def test_a_rate_of_ones_own_stays(short, tokenizer):
    model = compiled_sooner(tokenizer)
    model.compile(keras.optimizers.AdamW(knz.training.WarmupDecay(1e-3, steps=100)))
    model.fit(short[0][:8], short[1][:8], batch_size=8, verbose=0)
    assert model.optimizer._learning_rate.steps == 100


def test_a_loaded_model_waits_for_its_own_fit(short, tokenizer, tmp_path):
    model = compiled_sooner(tokenizer)
    model.fit(short[0][:8], short[1][:8], batch_size=8, verbose=0)
    model.save_to_preset(tmp_path / "preset")
    model.save(tmp_path / "model.keras")
    for again in (
        knz.TextClassifier.from_preset(tmp_path / "preset"),
        keras.saving.load_model(tmp_path / "model.keras"),
    ):
        assert rates(again, [50]) == pytest.approx([5e-5])
    again.fit(short[0][:8], short[1][:8], batch_size=8, verbose=0)


def test_biases_and_norms_do_not_decay(tokenizer):
    model = make(tokenizer)
    decays = {variable.path for variable in model.trainable_variables if model.optimizer._use_weight_decay(variable)}
    kept = {variable.path for variable in model.trainable_variables} - decays
    assert all(path.endswith(("bias", "beta", "gamma")) for path in kept)
    assert any("layer_norm/gamma" in path for path in kept)
    assert any(path.endswith("query/kernel") for path in decays)
    assert any(path.endswith("embeddings") for path in decays)


def weights_by_layer(model):
    return {v.path: np.array(keras.ops.convert_to_numpy(v)) for v in model.weights}


def moved(model, texts, labels):
    before = weights_by_layer(model)
    model.fit(texts, labels, batch_size=8, epochs=2, verbose=0)
    return {path for path, value in weights_by_layer(model).items() if not np.array_equal(value, before[path])}


def test_frozen_layers_stay(short, tokenizer):
    texts, labels = short[0][:8], short[1][:8]
    model = make(tokenizer, num_layers=2)
    knz.training.freeze(model.backbone, num_layers=1)
    model.compile(knz.training.fine_tuning_optimizer(1e-2))
    changed = moved(model, texts, labels)
    assert not any("embedding" in path or "transformer_layer_0" in path for path in changed)
    assert any("transformer_layer_1" in path for path in changed)
    assert any("pooled_dense" in path for path in changed)
    knz.training.freeze(model.backbone)
    assert {variable.path.split("/")[0] for variable in model.trainable_variables} == {"logits"}


def test_what_stands_above_all_frozen_layers_is_trained(short, tokenizer):
    model = make(tokenizer, num_layers=2)
    knz.training.freeze(model.backbone, num_layers=2)
    model.compile(knz.training.fine_tuning_optimizer(1e-2))
    changed = moved(model, short[0][:8], short[1][:8])
    assert any("pooled_dense" in path for path in changed)
    assert not any("transformer_layer" in path or "embedding" in path for path in changed)
    model = make(tokenizer, num_layers=2)
    knz.training.freeze(model.backbone, num_layers=0)
    assert all(layer.trainable for layer in model.backbone.transformer_layers)
    assert not model.backbone.token_embedding.trainable


def test_a_backbone_without_a_list_of_layers_is_not_frozen_in_part(tokenizer):
    backbone = knz.models.GPT2Backbone(9, **{**SIZES, "max_sequence_length": 8})
    with pytest.raises(ValueError, match="`num_layers` must be left out: a GPT2Backbone"):
        knz.training.freeze(backbone, 1)
    knz.training.freeze(backbone)
    assert not backbone.trainable_weights


@pytest.mark.parametrize("num_layers", [-1, 3, 1.0, True])
def test_freezing_layers_that_are_not_there(num_layers, tokenizer):
    with pytest.raises(ValueError, match="`num_layers`"):
        knz.training.freeze(make(tokenizer, num_layers=2).backbone, num_layers)


def test_lora_trains_little_and_is_merged_into_what_is_saved(short, tokenizer, tmp_path):
    texts, labels = short[0][:8], short[1][:8]
    model = make(tokenizer)
    model.backbone.enable_lora(2)
    model.compile(knz.training.fine_tuning_optimizer(1e-2))
    changed = moved(model, texts, labels)
    assert changed
    # KerasHub trains the biases of the layers that have an addition, too.
    assert all("lora" in path or path.startswith("logits") or path.endswith("bias") for path in changed)
    assert {"query", "value"} == {path.split("/")[-2] for path in changed if "lora" in path}
    model.save_to_preset(tmp_path / "preset")
    again = knz.TextClassifier.from_preset(tmp_path / "preset")
    np.testing.assert_allclose(again.predict(texts, verbose=0), model.predict(texts, verbose=0), atol=1e-5)


def test_accumulated_gradients_are_those_of_one_large_batch(short, tokenizer):
    # Batches of a fixed order: shuffle=False keeps it, and all texts are of one bucket.
    texts, labels = short[0][:8], short[1][:8]
    results = []
    for batch_size, accumulate in ((8, None), (4, 2)):
        keras.utils.set_random_seed(1)
        model = tiny("dnn", tokenizer, sequence_length=8)  # without dropout, which draws other noise for two batches
        model.compile(keras.optimizers.SGD(0.1, gradient_accumulation_steps=accumulate))
        model.fit(texts, labels, batch_size=batch_size, shuffle=False, verbose=0)
        results.append(model.predict(texts, verbose=0))
    np.testing.assert_allclose(*results, atol=1e-5)


def test_the_rate_falls_while_gradients_accumulate(short, tokenizer):
    """To nothing at the end of a `fit`, and again of the next, whose schedule begins where the last one ended."""
    texts, labels = short[0][:16], short[1][:16]
    model = compiled_sooner(tokenizer)
    model.compile(knz.training.fine_tuning_optimizer(5e-5, gradient_accumulation_steps=2))
    for _ in range(2):
        seen = Rates()
        model.fit(texts, labels, batch_size=4, epochs=2, verbose=0, callbacks=[seen])
        assert seen.seen == pytest.approx([5e-5 * 4 / 7.2, 0.0], abs=1e-9)


def test_the_rate_falls_on_ready_arrays(short, tokenizer):
    texts, labels = short[0][:20], short[1][:20]
    model, seen = compiled_sooner(tokenizer), Rates()
    options = {"batch_size": 4, "epochs": 2, "validation_split": 0.2, "verbose": 0, "callbacks": [seen]}
    model.fit(model.preprocessor(texts), model.encode_targets(labels), **options)
    assert seen.seen == pytest.approx([5e-5 * 4 / 7.2, 0.0], abs=1e-9)


@pytest.mark.parametrize("argument", [{"peak": 0}, {"warmup": 1.0}, {"warmup": -0.1}, {"steps": 0}, {"steps": 2.5}])
def test_arguments_out_of_range(argument):
    with pytest.raises(ValueError, match=f"`{next(iter(argument))}`"):
        knz.training.WarmupDecay(**argument)


def test_a_repeated_token_takes_the_same_first_step():
    # Adam's first step is the learning rate, however large the gradient. Keras's own on TensorFlow: its square root
    # of 3 times for a token that stands there 3 times.
    model = keras.Sequential([keras.Input((4,), dtype="int32"), keras.layers.Embedding(3, 2)])
    model.compile(knz.training.AdamW(0.01, weight_decay=0.0), loss=lambda y, out: out)
    before = model.get_weights()[0]
    model.fit(np.array([[1, 1, 1, 2]]), np.zeros((1, 4)), verbose=0)
    # But for its epsilon.
    np.testing.assert_allclose(before - model.get_weights()[0], [[0, 0], [0.01, 0.01], [0.01, 0.01]], atol=1e-5)
