"""What every task does with texts: `fit`, `evaluate` and `predict`."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np

from keras_nlp_zoo.layers.calling import RunsItsLayers
from keras_nlp_zoo.running.feeding_tensorflow import SteadyFeeding
from keras_nlp_zoo.running.predicting import predictions
from keras_nlp_zoo.tasks.presets import PresetTask
from keras_nlp_zoo.tasks.reading import TextReading, cut, first_batches, weighted
from keras_nlp_zoo.tasks.slices import batches_to_train, can_be_sliced, number_of_batches, number_of_rows, slices
from keras_nlp_zoo.text.batching import BucketedBatches
from keras_nlp_zoo.text.preprocessor import TextPreprocessor
from keras_nlp_zoo.text.sources import all_texts, is_dataset, is_endless
from keras_nlp_zoo.training import WarmupDecay, fine_tuning_optimizer


def unless_auto(value: Any, default: Callable[[], Any]) -> Any:
    """An argument of `compile`, or what its `"auto"` stands for."""
    return default() if isinstance(value, str) and value == "auto" else value


class TextTask(RunsItsLayers, TextReading, PresetTask, SteadyFeeding):
    """What the tasks share that put one head on any backbone, ours or KerasHub's; mixed into a task of KerasHub.

    `fit`, `evaluate` and `predict` take texts in lists, tuples or arrays, and datasets that yield batches of them
    (`keras.utils.PyDataset`, `knz.text.TextFiles`, `grain`, `tf.data`, generators). Texts are tokenised once per
    call and batched by length. A dataset is read once; its token ids wait in a temporary file, so it need not fit
    into memory (where rows are more than token ids, in a tagger and a masked language model, they stay in memory), and
    a new order is drawn for every epoch. Only a dataset without end is tokenised as it comes,
    for `steps_per_epoch` batches an epoch.

    Arrays that are ready (`{"token_ids", "padding_mask"}`) are taken too, and are all a task without a
    preprocessor takes.
    """

    # What reads texts for it, unless another is given.
    preprocessor_class: Any = TextPreprocessor

    def encode_class_weight(self, class_weight: dict[Any, float]) -> dict[int, float]:
        """Class weights by index. Tasks that classify texts override this."""
        raise ValueError("`class_weight` needs classes: use `sample_weight`.")

    # === Training and inference ===

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: Any = "auto",
        callbacks: Any = None,
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: bool = True,
        class_weight: dict[Any, float] | None = None,
        sample_weight: Any = None,
        initial_epoch: int = 0,
        steps_per_epoch: int | None = None,
        validation_steps: int | None = None,
        validation_batch_size: int | None = None,
        validation_freq: Any = 1,
        seed: int | None = None,
    ) -> Any:
        """Trains on texts (or ready arrays). As `keras.Model.fit`, but for what is said here.

        Args:
            x: texts `(n,)`, a dataset that yields `(texts, y)` or `(texts, y, sample_weight)` batches, or arrays.
            y: targets `(n, ...)`; comes with the dataset if `x` is one.
            class_weight: dict from class (name or index) to weight; multiplies `sample_weight` if both are given.
            validation_split: float. The last part of the texts is held out, as Keras does it.
            validation_steps: int. How many batches of what is held out are read, the first ones; all if left out.
            seed: int. The seed of the batches' order; drawn from NumPy's global state (`keras.utils.set_random_seed`)
                if left out.

        Returns:
            A `keras.callbacks.History`.

        Raises:
            TypeError: `x` or `validation_data` holds something that is not a text.
            ValueError: texts without targets, or not as many; targets or weights of classes that there are none of;
                targets beside a dataset that brings its own; nothing to read, or nothing left on one side of
                `validation_split`; a dataset without end and no `steps_per_epoch`.
        """
        common = {
            "epochs": epochs,
            "verbose": verbose,
            "callbacks": callbacks,
            "initial_epoch": initial_epoch,
            "validation_freq": validation_freq,
        }
        if class_weight is not None:
            class_weight = self.encode_class_weight(class_weight)
        if not self._takes_texts(x):
            if y is not None:
                y = self.encode_targets(y)
            if isinstance(validation_data, tuple) and len(validation_data) > 1:
                validation_data = (
                    validation_data[0],
                    self.encode_targets(validation_data[1], "validation_data"),
                    *validation_data[2:],
                )
            batches = steps_per_epoch or batches_to_train(x, batch_size, validation_split)
            self._plan_learning_rate((batches or 0) * (epochs - initial_epoch))
            return self._ready_fit(
                x=x,
                y=y,
                batch_size=batch_size,
                validation_split=validation_split,
                validation_data=validation_data,
                shuffle=shuffle,
                class_weight=class_weight,
                sample_weight=sample_weight,
                steps_per_epoch=steps_per_epoch,
                validation_steps=validation_steps,
                validation_batch_size=validation_batch_size,
                **common,
            )
        if is_dataset(x):
            if y is not None or sample_weight is not None:
                raise ValueError("`y` and `sample_weight` come with the dataset: do not pass them beside it.")
            if is_endless(x, steps_per_epoch):
                if steps_per_epoch is None:
                    raise ValueError("`x` never ends: say with `steps_per_epoch` how many batches make an epoch.")
                if validation_split:
                    raise ValueError("`validation_split` needs data that end: pass `validation_data`.")
                if validation_data is not None:
                    validation_data = self._held_out(
                        validation_data, validation_batch_size or batch_size, validation_steps
                    )
                self._plan_learning_rate(steps_per_epoch * (epochs - initial_epoch))
                return self._ready_fit(
                    x=self._stream(x, class_weight),
                    validation_data=validation_data,
                    shuffle=False,
                    steps_per_epoch=steps_per_epoch,
                    **common,
                )
        rows, y, sample_weight, batch_size = self._read(x, y, sample_weight, batch_size)
        if y is None and not self.targets_in_texts:
            raise ValueError("`y` is missing: `fit` needs a target for every text.")
        held_out = None
        if validation_data is not None:
            held_out = self._held_out(validation_data, validation_batch_size or batch_size, validation_steps)
        elif validation_split:
            (rows, y, sample_weight), last = _split(rows, y, sample_weight, validation_split)
            size = validation_batch_size or batch_size
            held_out = self._bucket(*first_batches(last, size, validation_steps), size)
        if class_weight is not None:
            sample_weight = weighted(y, sample_weight, class_weight)
        if seed is None:
            seed = int(np.random.randint(2**31))
        batches = self._bucket(rows, y, sample_weight, batch_size, seed if shuffle else None, True, initial_epoch)
        self._plan_learning_rate((steps_per_epoch or batches.batches_per_pass) * (epochs - initial_epoch))
        return self._ready_fit(
            x=batches,
            validation_data=held_out,
            shuffle=False,  # the batches are shuffled already
            steps_per_epoch=steps_per_epoch or batches.batches_per_pass,
            **common,
        )

    def _held_out(self, data: Any, batch_size: int | None, steps: int | None) -> BucketedBatches:
        batches = self._batches(*self._unpack(data), batch_size, "validation_data", steps)
        if batches.y is None and not self.targets_in_texts:
            raise ValueError("`validation_data` has no targets: pass `(texts, y)`.")
        return batches

    def evaluate(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        sample_weight: Any = None,
        steps: int | None = None,
        **kwargs: Any,
    ) -> Any:
        """Loss and metrics on texts or ready arrays, all of them or the first `steps` batches. As in Keras.

        Raises:
            TypeError: `x` holds something that is not a text.
            ValueError: texts without targets, or not as many; nothing to read; a dataset without end and no `steps`.
        """
        if not self._takes_texts(x):
            y = y if y is None else self.encode_targets(y)
            ready = {"x": x, "y": y, "batch_size": batch_size, "sample_weight": sample_weight, "steps": steps}
            return self._ready_evaluate(**ready, **kwargs)
        batches = self._batches(x, y, sample_weight, batch_size, steps=steps)
        if batches.y is None and not self.targets_in_texts:
            raise ValueError("`y` is missing: `evaluate` needs a target for every text.")
        return self._ready_evaluate(x=batches, **kwargs)

    def predict(
        self,
        x: Any,
        batch_size: int | None = None,
        verbose: Any = "auto",
        steps: int | None = None,
        callbacks: Any = None,
    ) -> Any:
        """The model's outputs for texts or ready arrays, in the order of `x`. As `keras.Model.predict`.

        On PyTorch on a CPU a small network reads up to eight batches at once.

        Raises:
            TypeError: `x` holds something that is not a text.
            ValueError: nothing to read; a dataset without end; `steps` beside texts that are classified.
        """
        takes_texts = self._takes_texts(x)
        if takes_texts and len(self.outputs[0].shape) > 2:
            # Something for every token, so all in one array: and a text may be several rows, which stay together.
            ready, takes_texts = self.preprocessor(all_texts(x, "x") if is_dataset(x) else x), False
            x = ready[0] if isinstance(ready, tuple) else ready
        if not takes_texts:
            return self._ready_predict(x=x, batch_size=batch_size, verbose=verbose, steps=steps, callbacks=callbacks)
        if steps is not None:
            raise ValueError("`steps` does not go with texts, whose batches are not in the order of `x`.")
        batches = self._batches(x, None, None, batch_size)
        outputs = self._ready_predict(x=batches, verbose=verbose, callbacks=callbacks)
        position = np.argsort(batches.order())
        return keras.tree.map_structure(lambda array: array[position], outputs)

    def preprocess_samples(self, x: Any, y: Any = None, sample_weight: Any = None) -> Any:
        """One batch of texts as arrays; what `train_on_batch` and its like call."""
        if not self._takes_texts(x):
            y = y if y is None else self.encode_targets(y)
            return keras.utils.pack_x_y_sample_weight(x, y, sample_weight)
        if y is None:
            return self.preprocessor(x, y=None, sample_weight=sample_weight)
        rows, y, sample_weight = self._encode_all(x, y, sample_weight, "x")
        return self._bucket(rows, y, sample_weight, len(rows))[0]

    # Keras's own methods, past the pipeline of KerasHub, which tokenises anew in every epoch and never shuffles.

    def _ready_fit(self, **kwargs: Any) -> Any:
        # Where TensorFlow finds variables made while it traces a step, it traces the step a second time.
        if self.optimizer is not None and not self.optimizer.built:
            strategy = getattr(self, "distribute_strategy", None)  # of TensorFlow's trainer alone
            with strategy.scope() if strategy else contextlib.nullcontext():
                self.optimizer.build(self.trainable_variables)
        with self._steps("train", "test"):
            return keras.Model.fit(self, **kwargs)

    def _ready_evaluate(self, **kwargs: Any) -> Any:
        with self._steps("test"):
            return keras.Model.evaluate(self, **kwargs)

    def _steps(self, *functions: str) -> Any:
        """A context in which Keras's trainer takes its steps fast."""
        if keras.backend.backend() != "torch":
            return contextlib.nullcontext()  # they are compiled
        from keras_nlp_zoo.running.recorded_torch import recorded

        return recorded(self, *functions)

    def _ready_predict(self, x: Any, batch_size: int | None = None, verbose: Any = "auto", **kwargs: Any) -> Any:
        if any(value is not None for value in kwargs.values()) or not can_be_sliced(x):
            return keras.Model.predict(self, x=x, batch_size=batch_size, verbose=verbose, **kwargs)
        # Keras's loop takes 1 to 3 ms a batch on TensorFlow to fetch it, as long as a small network takes to read it.
        bar = keras.utils.Progbar(number_of_batches(x, batch_size)) if verbose == "auto" or verbose else None

        def batches() -> Iterator[Any]:
            for batch in slices(x, batch_size):
                yield batch
                if bar is not None:
                    bar.add(1)

        return predictions(self, batches(), number_of_rows(x))

    # === Compiling ===

    def default_optimizer(self) -> keras.optimizers.Optimizer:
        """The backbone's own; `knz.training.fine_tuning_optimizer()` for a backbone of KerasHub."""
        own = getattr(self.backbone, "default_optimizer", None)
        return fine_tuning_optimizer() if own is None else own()

    def _plan_learning_rate(self, steps: int) -> None:
        """Tells a `WarmupDecay` that waits for it how many steps there will be."""
        optimizer: Any = getattr(self.optimizer, "inner_optimizer", self.optimizer)  # within one that scales the loss
        schedule = getattr(optimizer, "_learning_rate", None)
        if not isinstance(schedule, WarmupDecay) or steps < 1:
            return
        if schedule.steps is not None and not getattr(schedule, "planned", False):
            return  # somebody has said so already
        # Batches, of which `iterations` counts only those after which the weights moved (gradient accumulation).
        begun = int(keras.ops.convert_to_numpy(optimizer._iterations))
        planned = WarmupDecay(schedule.peak, schedule.warmup, steps, begun)
        planned.planned = True
        optimizer.learning_rate = planned
        self.train_function = None  # the old rate is compiled into it

    @classmethod
    def preprocessor_for(cls, backbone: Any, tokenizer: Any, **kwargs: Any) -> Any:
        """A preprocessor that suits a backbone: with its special tokens, segments and longest sequence."""
        if isinstance(tokenizer, cls.preprocessor_class):
            return tokenizer
        limit = getattr(backbone, "max_sequence_length", None)
        if limit is not None:
            kwargs.setdefault("sequence_length", min(512, limit))
        if "segment_ids" in backbone.input:
            kwargs = {"add_start_token": True, "add_end_token": True, "return_segment_ids": True, **kwargs}
        return cls.preprocessor_class(tokenizer, **kwargs)


def _split(rows: Any, y: Any, sample_weight: Any, validation_split: float) -> tuple[Any, Any]:
    at = int(np.floor(len(rows) * (1.0 - validation_split)))
    if not 0 < validation_split < 1 or not 0 < at < len(rows):
        raise ValueError(
            f"`validation_split` must leave texts on both sides. Received: validation_split={validation_split!r} "
            f"for {len(rows)} texts."
        )
    columns = (rows, y, sample_weight)
    return cut(columns, slice(at)), cut(columns, slice(at, None))
