"""How TensorFlow's pipelines feed a task: with buffers of a fixed size."""

from typing import Any


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
        """`dataset`, a `tf.data.Dataset`, as this strategy reads it."""
        options_so_far = dataset.options()
        if options_so_far.autotune.enabled is None:  # unless the user has said so
            fixed = type(options_so_far)()
            fixed.autotune.enabled = False
            dataset = dataset.with_options(fixed)
        return self._strategy.experimental_distribute_dataset(dataset, options)


class SteadyFeeding:
    """Mixed into a task: Keras asks a model's strategy for what it reads, on TensorFlow, where alone there is one."""

    @property
    def distribute_strategy(self) -> SteadyStrategy:
        return SteadyStrategy(super().distribute_strategy)  # type: ignore[misc]  # Keras's trainer has it
