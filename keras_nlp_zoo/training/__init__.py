"""Losses, optimizers and learning rates that Keras does not have."""

from keras_nlp_zoo.training.adam import Adam, AdamW
from keras_nlp_zoo.training.fine_tuning import fine_tuning_optimizer, freeze
from keras_nlp_zoo.training.losses import CRFLoss, SpanCrossentropy, TokenCrossentropy
from keras_nlp_zoo.training.schedules import InverseSquareRoot, WarmupDecay

__all__ = [
    "Adam",
    "AdamW",
    "CRFLoss",
    "InverseSquareRoot",
    "SpanCrossentropy",
    "TokenCrossentropy",
    "WarmupDecay",
    "fine_tuning_optimizer",
    "freeze",
]
