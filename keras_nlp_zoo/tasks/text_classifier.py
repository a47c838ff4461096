"""Text classification over any backbone."""

from typing import Any

import keras
import keras_hub
import numpy as np

from keras_nlp_zoo.layers import SequencePooling
from keras_nlp_zoo.layers.dense import Dense
from keras_nlp_zoo.layers.dropout import Dropout
from keras_nlp_zoo.naming import suggest
from keras_nlp_zoo.tasks.backbones import check_vocabulary, default_dropout
from keras_nlp_zoo.tasks.labels import LabelledHead, check_labels, softmax
from keras_nlp_zoo.tasks.task import TextTask, unless_auto
from keras_nlp_zoo.text.inputs import as_numpy, as_text_list
from keras_nlp_zoo.text.preprocessor import is_pair


@keras.saving.register_keras_serializable(package="keras_nlp_zoo")
class TextClassifier(LabelledHead, TextTask, keras_hub.models.TextClassifier):
    """Puts a text into one of several classes, over a backbone of this package or of KerasHub.

    The backbone's vector for the text goes through dropout and one dense layer; `predict` gives the logits
    `(n, num_classes)`, `classify` the names of the classes.

    Args:
        backbone: a backbone with the inputs `token_ids` and `padding_mask`.
        preprocessor: a `knz.text.TextPreprocessor`, a preprocessor of KerasHub, or None to take ready arrays.
        labels: sequence of str. The names of the classes, in the order of their indices.
        num_classes: int. The number of classes, where they have no names.
        pooling: how the text's vector is made of `sequence_output`: `"mean"`, `"max"`, `"first"` or `"last"`. By
            default the backbone's `pooled_output`; where it has none, the last token of a decoder (GPT-2), the
            first of an encoder (RoBERTa).
        dropout: float. Dropout on the text's vector; by default 0.5, and 0.1 over one that comes
            trained (BERT, GPT-2, KerasHub's).
        activation: activation of the dense layer, e.g. `"softmax"`; None gives logits.

    Raises:
        ValueError: neither or contradicting `labels` and `num_classes`, a tokenizer with more tokens than the
            backbone has embeddings.

    Example:
        tokenizer = knz.Tokenizer.train(texts, kind="word")
        backbone = knz.models.CNNBackbone(tokenizer.vocabulary_size())
        preprocessor = knz.text.TextPreprocessor(tokenizer)
        classifier = knz.TextClassifier(backbone, preprocessor, labels=["negative", "positive"])
        classifier.fit(texts, ["positive", "negative", ...], epochs=5, validation_split=0.1)
        classifier.classify(["an absolute delight"])  # [{"label": "positive", "score": 0.97}]
    """

    def __init__(
        self,
        backbone: Any,
        preprocessor: Any = None,
        labels: Any = None,
        num_classes: int | None = None,
        pooling: str | None = None,
        dropout: float | None = None,
        activation: Any = None,
        **kwargs: Any,
    ):
        labels, num_classes = check_labels(labels, num_classes)
        check_vocabulary(backbone, preprocessor)
        dtype = backbone.dtype_policy
        dropout = default_dropout(backbone) if dropout is None else dropout

        # === Layers ===
        self.backbone = backbone
        self.preprocessor = preprocessor
        self.activation = keras.activations.get(activation)  # the default loss asks for it
        self.output_dropout = Dropout(dropout, dtype=dtype, name="classifier_dropout")
        self.output_dense = Dense(num_classes, activation=activation, dtype=dtype, name="logits")

        # === Functional ===
        inputs = backbone.input
        features = backbone(inputs)
        mode = pooling or _default_pooling(backbone, features)
        if mode == "pooled_output":
            pooled = features["pooled_output"]
        else:
            sequence = features["sequence_output"] if isinstance(features, dict) else features
            pooled = SequencePooling(mode, dtype=dtype, name="pooling")(sequence, inputs["padding_mask"])
        outputs = self.output_dense(self.output_dropout(pooled))  # (batch, num_classes)
        super().__init__(inputs=inputs, outputs=outputs, **kwargs)

        # === Config ===
        self.labels = labels
        self.num_classes = num_classes
        self.pooling = pooling
        self.dropout = dropout

    def classify(self, texts: Any, batch_size: int = 32) -> Any:
        """The most likely class of each text.

        Args:
            texts: a string, a list of them, or a tuple of two lists (pairs).
            batch_size: int. Texts in a batch.

        Returns:
            `{"label", "score"}` for a string, a list of them for a list. `score` is the probability; `label` is the
            class's name, or its index if the task has no `labels`.

        Raises:
            TypeError: `texts` holds something that is not a string.
            ValueError: there are no texts, or the lists of pairs differ in length.
        """
        if isinstance(texts, str):
            return self.classify([texts], batch_size)[0]
        if isinstance(texts, (list, tuple)):
            if not len(texts):
                raise ValueError("`texts` is empty: there are no texts in it.")
            for part in texts if is_pair(texts) else (texts,):
                as_text_list(part, "texts")  # which `predict` would call `x`
        outputs = self.predict(texts, batch_size=batch_size, verbose=0)
        scores = outputs if self.activation is keras.activations.softmax else softmax(outputs)
        best = scores.argmax(axis=-1)
        names = range(self.num_classes) if self.labels is None else self.labels
        return [{"label": names[i], "score": float(row[i])} for i, row in zip(best, scores, strict=True)]

    def compile(self, optimizer: Any = "auto", loss: Any = "auto", *, metrics: Any = "auto", **kwargs: Any) -> None:
        """As `keras.Model.compile`, with defaults: the backbone's own optimizer, cross-entropy, accuracy."""
        super().compile(
            optimizer=unless_auto(optimizer, self.default_optimizer),
            loss=loss,
            metrics=unless_auto(metrics, lambda: [keras.metrics.SparseCategoricalAccuracy(name="accuracy")]),
            **kwargs,
        )

    def encode_targets(self, y: Any, name: str = "y") -> np.ndarray:
        """Class indices `(n,)` from names or indices; rows of numbers `(n, num_classes)` pass as they are."""
        y = as_numpy(y)
        if y.dtype.kind in "USO":
            if self.labels is None:
                raise ValueError(f"`{name}` holds names, but this task has none to compare them with: pass `labels`.")
            index = {label: i for i, label in enumerate(self.labels)}
            names = [value.decode("utf-8") if isinstance(value, bytes) else value for value in y.tolist()]
            for value in names:
                if value not in index:
                    raise ValueError(f"`{name}` holds an unknown label. {suggest('label', value, self.labels)}")
            return np.array([index[value] for value in names], "int32")
        if y.ndim != 1:
            return y
        indices = y.astype("int32")
        if len(y) and (not np.array_equal(indices, y) or indices.min() < 0 or indices.max() >= self.num_classes):
            wrong = next(
                v for v, i in zip(y.tolist(), indices.tolist(), strict=True) if v != i or not 0 <= i < self.num_classes
            )
            raise ValueError(f"`{name}` must hold class indices from 0 to {self.num_classes - 1}. Found: {wrong!r}")
        return indices

    def encode_class_weight(self, class_weight: dict[Any, float]) -> dict[int, float]:
        keys = self.encode_targets(list(class_weight), "class_weight").tolist()
        return dict(zip(keys, map(float, class_weight.values()), strict=True))

    head_architecture = "ForSequenceClassification"

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        config.update(
            {
                "labels": self.labels,
                "num_classes": self.num_classes,
                "pooling": self.pooling,
                "dropout": self.dropout,
                "activation": keras.activations.serialize(self.activation),
            }
        )
        return config


def _default_pooling(backbone: Any, features: Any) -> str:
    if isinstance(features, dict) and "pooled_output" in features:
        return "pooled_output"
    decoders = {task.backbone_cls for task in _subclasses(keras_hub.models.CausalLM)}
    return "last" if type(backbone) in decoders or hasattr(backbone, "decode_step") else "first"


def _subclasses(cls: Any) -> list[Any]:
    return [found for child in cls.__subclasses__() for found in (child, *_subclasses(child))]
