"""What pretrained backbones are trained with."""

from typing import Any

import keras

from keras_nlp_zoo.checks import check_int
from keras_nlp_zoo.training.adam import AdamW
from keras_nlp_zoo.training.schedules import WarmupDecay


def fine_tuning_optimizer(
    learning_rate: Any = 5e-5,
    weight_decay: float = 0.01,
    global_clipnorm: float | None = 1.0,
    gradient_accumulation_steps: int | None = None,
) -> keras.optimizers.Optimizer:
    """What pretrained backbones are trained with: AdamW, its rate rising and falling over one `fit`.

    Biases and layer normalisation do not decay.

    Paper: Devlin et al. (2019), https://arxiv.org/abs/1810.04805, appendix A.2 and A.3; decay as Loshchilov and
    Hutter (2019), https://arxiv.org/abs/1711.05101.

    Args:
        learning_rate: float, the peak of a `WarmupDecay`; or a schedule of one's own.
        weight_decay: float.
        global_clipnorm: float. The longest gradient that is not cut, or None.
        gradient_accumulation_steps: int. Batches whose gradients are averaged before the weights move.

    Example:
        classifier = knz.create_model("bert", vocabulary_size=9, num_classes=2, num_layers=1, num_heads=2, hidden_dim=4)
        classifier.compile(knz.training.fine_tuning_optimizer(2e-5, gradient_accumulation_steps=4))
    """
    schedule = isinstance(learning_rate, keras.optimizers.schedules.LearningRateSchedule)
    optimizer = AdamW(
        learning_rate if schedule else WarmupDecay(learning_rate),
        weight_decay=weight_decay,
        global_clipnorm=global_clipnorm,
        gradient_accumulation_steps=gradient_accumulation_steps,
    )
    optimizer.exclude_from_weight_decay(var_names=["bias", "beta", "gamma"])
    return optimizer


def freeze(backbone: Any, num_layers: int | None = None) -> None:
    """Keeps a pretrained backbone, or the lower part of it, from being trained. Compile the task anew afterwards.

    Args:
        backbone: a backbone; for a part of it one with `transformer_layers` (BERT and most of KerasHub's).
        num_layers: int. How many layers are kept as they are, and the embeddings below them; all if left out.

    Raises:
        ValueError: a number of layers that the backbone does not have, or one that has none.

    Example:
        classifier = knz.create_model("bert", vocabulary_size=9, num_classes=2, num_layers=2, num_heads=2, hidden_dim=4)
        knz.training.freeze(classifier.backbone, num_layers=1)
        classifier.compile()
    """
    if num_layers is None:
        backbone.trainable = False
        return
    layers = list(getattr(backbone, "transformer_layers", []))
    if not layers:
        raise ValueError(
            f"`num_layers` must be left out: a {type(backbone).__name__} has no `transformer_layers` to freeze in part."
        )
    check_int("num_layers", num_layers, 0)
    if num_layers > len(layers):
        raise ValueError(
            f"`num_layers` must not exceed the {len(layers)} transformer layers of this {type(backbone).__name__}. "
            f"Received: num_layers={num_layers!r}"
        )
    last = layers[num_layers - 1] if num_layers else None
    for layer in backbone.layers:
        if layer is layers[0] and last is None:
            return
        layer.trainable = False
        if layer is last:
            return
