"""How TensorFlow's pipelines feed a task: with buffers of a fixed size."""

from typing import Any

import tensorflow as tf


class SteadyStrategy:
    """A `tf.distribute.Strategy` whose datasets do not tune themselves.

    The thread that tunes a pipeline can miss that it shall stop, and then sleeps on, as long as the pipeline has
    worked already: every third fit took up to twice its time (a gru's epochs 47 s, its fit 85 s), and every fifth
    epoch over ready arrays.
    """

    def __init__(self, strategy: Any):
        self._strategy = strategy

    def __getattr__(self, name: str) -> Any:
        return getattr(self._strategy, name)

    def experimental_distribute_dataset(self, dataset: Any, options: Any = None) -> Any:
        if dataset.options().autotune.enabled is None:  # unless the user has said so
            fixed = tf.data.Options()
            fixed.autotune.enabled = False
            dataset = dataset.with_options(fixed)
        return self._strategy.experimental_distribute_dataset(dataset, options)


class SteadyFeeding:
    """Mixed into a task: Keras asks a model's strategy for the dataset that it reads."""

    @property
    def distribute_strategy(self) -> SteadyStrategy:
        return SteadyStrategy(super().distribute_strategy)  # type: ignore[misc]  # Keras's trainer has it
