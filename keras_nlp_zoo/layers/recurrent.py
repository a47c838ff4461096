"""Recurrent layers, stacked and bidirectional by option, exact under padding."""

from typing import Any

import keras
from keras import ops


class _Orthogonal(keras.initializers.Orthogonal):
    """Keras's, drawn in float32: JAX has no QR decomposition of bfloat16 on CPU."""

    def __call__(self, shape: Any, dtype: Any = None) -> Any:
        return ops.cast(super().__call__(shape, "float32"), dtype or keras.config.floatx())


class Recurrent(keras.layers.Layer):
    """What `RNN`, `LSTM` and `GRU` share: layers upon layers of one Keras recurrent layer.

    Args:
        units: int. Width of the state; a bidirectional layer's output is twice as wide.
        num_layers: int. Layers, each reading the one below.
        bidirectional: bool. Whether to read backwards too; the outputs of both directions are concatenated.
        return_sequences: bool. Whether to return every step's output or the last one only.
        return_state: bool. Whether to return the final states as well.
        dropout: float in `[0, 1)`. Dropout between the layers, as `torch.nn` does it.

    Call arguments:
        inputs: float `(batch, length, dim)`.
        mask: bool or int `(batch, length)`; 1 = token, 0 = padding. All ones if left out. A masked step leaves
            the state as it is and outputs zeros; a row that is all padding ends in the zero state.
        training: bool. Whether dropout is active.

    Returns:
        `(batch, length, units)` with `return_sequences`, else `(batch, units)`, the last step's output (of a
        bidirectional layer the last step each direction reads). With `return_state` a tuple of that and the
        final states of the last layer, each `(batch, units)`: one per direction, forward first, twice as many
        for `LSTM` (hidden, then cell).

    Raises:
        ValueError: an argument out of its range.
    """

    def __init__(
        self,
        units: int,
        num_layers: int = 1,
        bidirectional: bool = False,
        return_sequences: bool = False,
        return_state: bool = False,
        dropout: float = 0.0,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        for name, value in (("units", units), ("num_layers", num_layers)):
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"`{name}` must be an int of at least 1. Received: {name}={value!r}")
        if not 0 <= dropout < 1:
            raise ValueError(f"`dropout` must be in [0, 1). Received: dropout={dropout!r}")
        self.units = units
        self.num_layers = num_layers
        self.bidirectional = bidirectional
        self.return_sequences = return_sequences
        self.return_state = return_state
        self.dropout = dropout
        self.supports_masking = True
        self.forward_layers = [self._make_layer(f"forward_{i}") for i in range(num_layers)]
        self.backward_layers = [
            self._make_layer(f"backward_{i}", go_backwards=True) for i in range(num_layers if bidirectional else 0)
        ]
        self.dropouts = [keras.layers.Dropout(dropout, dtype=self.dtype_policy) for _ in range(num_layers - 1)]

    keras_layer: Any = None

    def _make_layer(self, name: str, **kwargs: Any) -> keras.layers.Layer:
        return self.keras_layer(
            self.units,
            return_sequences=True,
            return_state=True,
            recurrent_initializer=_Orthogonal(),
            dtype=self.dtype_policy,
            name=name,
            **kwargs,
        )

    def build(self, inputs_shape: Any) -> None:
        batch, length, dim = inputs_shape
        for i in range(self.num_layers):
            shape = (batch, length, dim if i == 0 else self.output_dim)
            self.forward_layers[i].build(shape)
            if self.bidirectional:
                self.backward_layers[i].build(shape)
            if i < self.num_layers - 1:
                self.dropouts[i].build((batch, length, self.output_dim))

    @property
    def output_dim(self) -> int:
        return self.units * (2 if self.bidirectional else 1)

    def call(self, inputs: Any, mask: Any = None, training: bool = False) -> Any:
        x = inputs
        if mask is not None:
            mask = ops.cast(mask, "bool")
        states: list[tuple[Any, ...]] = []
        for i in range(self.num_layers):
            outputs, *forward_state = self.forward_layers[i](x, mask=mask, training=training)
            states = [(state,) for state in forward_state]
            if self.bidirectional:
                backward, *backward_state = self.backward_layers[i](x, mask=mask, training=training)
                outputs = ops.concatenate([outputs, ops.flip(backward, axis=1)], axis=-1)
                states = list(zip(forward_state, backward_state, strict=True))
            if mask is not None:
                outputs = outputs * ops.cast(mask, outputs.dtype)[:, :, None]
            x = outputs if i == self.num_layers - 1 else self.dropouts[i](outputs, training=training)
        if not self.return_sequences:
            x = ops.concatenate(states[0], axis=-1)
        return (x, *(state for kind in states for state in kind)) if self.return_state else x

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        sequence = mask if self.return_sequences else None
        return [sequence] + [None] * self._num_states() if self.return_state else sequence

    def _num_states(self) -> int:
        return (2 if self.keras_layer is keras.layers.LSTM else 1) * (2 if self.bidirectional else 1)

    def compute_output_shape(self, inputs_shape: Any) -> Any:
        batch, length, _ = inputs_shape
        output = (batch, length, self.output_dim) if self.return_sequences else (batch, self.output_dim)
        return (output, *([(batch, self.units)] * self._num_states())) if self.return_state else output

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        config.update(
            {
                "units": self.units,
                "num_layers": self.num_layers,
                "bidirectional": self.bidirectional,
                "return_sequences": self.return_sequences,
                "return_state": self.return_state,
                "dropout": self.dropout,
            }
        )
        return config


@keras.saving.register_keras_serializable(package="keras_nlp_zoo")
class RNN(Recurrent):
    """Elman recurrent network with a tanh state.

    Paper: Elman (1990), https://doi.org/10.1207/s15516709cog1402_1.

    Arguments, inputs and outputs are those of `Recurrent`.

    Example:
        output, hidden = RNN(64, return_sequences=True, return_state=True)(np.ones((32, 20, 100)))
    """

    keras_layer = keras.layers.SimpleRNN


@keras.saving.register_keras_serializable(package="keras_nlp_zoo")
class LSTM(Recurrent):
    """Long short-term memory.

    Paper: Hochreiter and Schmidhuber (1997), https://doi.org/10.1162/neco.1997.9.8.1735.

    Arguments, inputs and outputs are those of `Recurrent`.

    Example:
        output, hidden, cell = LSTM(128, return_sequences=True, return_state=True)(np.ones((32, 20, 100)))
    """

    keras_layer = keras.layers.LSTM


@keras.saving.register_keras_serializable(package="keras_nlp_zoo")
class GRU(Recurrent):
    """Gated recurrent unit, the reset gate after the matrix product as in cuDNN and `torch.nn`.

    Paper: Cho et al. (2014), https://arxiv.org/abs/1406.1078.

    Arguments, inputs and outputs are those of `Recurrent`.

    Example:
        output, hidden = GRU(128, return_sequences=True, return_state=True)(np.ones((16, 30, 100)))
    """

    keras_layer = keras.layers.GRU
