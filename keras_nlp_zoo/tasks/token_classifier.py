"""A label for every word: named entities, parts of speech, over any backbone."""

import warnings
from typing import Any

import keras
import keras_hub
import numpy as np

from keras_nlp_zoo.layers.crf import CRF, CRFDecoder
from keras_nlp_zoo.layers.dense import Dense
from keras_nlp_zoo.layers.dropout import Dropout
from keras_nlp_zoo.metrics import TokenAccuracy
from keras_nlp_zoo.tasks.backbones import check_vocabulary, default_dropout, freeze_pooler, token_vectors
from keras_nlp_zoo.tasks.labels import LabelledHead, check_labels, softmax
from keras_nlp_zoo.tasks.reading import as_weights
from keras_nlp_zoo.tasks.tag_set import TagSet, is_list, tag_names
from keras_nlp_zoo.tasks.task import TextTask, unless_auto
from keras_nlp_zoo.text.batching import RowParts, batches_by_length
from keras_nlp_zoo.text.inputs import as_numpy, describe
from keras_nlp_zoo.text.tagging_preprocessor import Document, TaggingPreprocessor
from keras_nlp_zoo.training import CRFLoss, TokenCrossentropy

SCHEMES = ("bio", None)


@keras.saving.register_keras_serializable(package="keras_nlp_zoo")
class TokenClassifier(LabelledHead, TextTask, keras_hub.models.Task):
    """Labels the words of a text and finds the entities in it, over a backbone of this package or of KerasHub.

    `fit` takes lists of words and of their BIO tags (`"B-PER"` begins a person, `"I-PER"` continues it, `"O"` is
    outside), or texts and the character spans of their entities. A word is learnt at its first token; texts longer
    than the model reads are read in windows, none of their words is dropped. `predict` gives logits
    `(windows, length, num_tags)`, `tag` makes entities of them.

    Papers: Collobert et al. (2011), https://arxiv.org/abs/1103.0398; with a CRF over an LSTM Huang et al. (2015),
    https://arxiv.org/abs/1508.01991; over BERT Devlin et al. (2019), https://arxiv.org/abs/1810.04805, section 5.3.

    Args:
        backbone: a backbone whose `sequence_output` has a vector for every token.
            Its `pooled_dense`, if it has one, is kept from being trained: nothing here reads it.
        preprocessor: a `knz.text.TaggingPreprocessor`, or None to take ready arrays.
        labels: sequence of str. The kinds of entities (`["PER", "LOC"]`), or the tags themselves
            (`["O", "B-PER", ...]`).
        num_classes: int. The number of tags, where they have no names; without a scheme.
        scheme: `"bio"`, or None where tags stand for themselves (parts of speech): `tag` gives every word then.
        crf: bool. Whether tags are scored as a sequence (`knz.layers.CRF`) rather than one by one.
        dropout: float. Dropout on the vectors; by default 0.5, and 0.1 over a backbone that comes trained (BERT,
            KerasHub's).

    Raises:
        TypeError: `preprocessor` is of another kind.
        ValueError: neither or contradicting `labels` and `num_classes`, an argument out of its range, a tokenizer
            with more tokens than the backbone has embeddings.

    Example:
        words = [["Ada", "met", "Bob", "in", "Paris"], ["nobody", "came"]]
        tags = [["B-PER", "O", "B-PER", "O", "B-LOC"], ["O", "O"]]
        tokenizer = knz.Tokenizer.train([" ".join(text) for text in words], kind="word")
        tagger = knz.create_model("lstm", "token_classifier", tokenizer=tokenizer, labels=["PER", "LOC"], hidden_dim=8)
        tagger.fit(words, tags, verbose=0)
        tagger.tag(["Ada came"])  # [[{"text": "Ada", "label": "PER", "start": 0, "end": 3, "score": 0.9}]]
    """

    targets_in_texts = True
    preprocessor_class = TaggingPreprocessor
    head_architecture = "ForTokenClassification"

    def __init__(
        self,
        backbone: Any,
        preprocessor: Any = None,
        labels: Any = None,
        num_classes: int | None = None,
        scheme: str | None = "bio",
        crf: bool = False,
        dropout: float | None = None,
        **kwargs: Any,
    ):
        if preprocessor is not None and not isinstance(preprocessor, TaggingPreprocessor):
            raise TypeError(
                f"`preprocessor` must be a knz.text.TaggingPreprocessor. Received: {describe(preprocessor)}"
            )
        if scheme not in SCHEMES:
            raise ValueError(f"`scheme` must be 'bio' or None. Received: scheme={scheme!r}")
        tags = tag_names(labels, scheme)
        _, number = check_labels(tags, num_classes)
        check_vocabulary(backbone, preprocessor)
        dtype = backbone.dtype_policy
        dropout = default_dropout(backbone) if dropout is None else dropout

        # === Layers ===
        self.backbone = freeze_pooler(backbone)
        self.preprocessor = preprocessor
        self.output_dropout = Dropout(dropout, dtype=dtype, name="tagger_dropout")
        self.output_dense = Dense(number, dtype=dtype, name="logits")
        self.crf_layer = CRF(dtype="float32", name="crf") if crf else None

        # === Functional ===
        inputs = backbone.input
        features = backbone(inputs)
        sequence = token_vectors(backbone, features)
        outputs = self.output_dense(self.output_dropout(sequence))  # (batch, length, num_tags)
        if self.crf_layer is not None:
            outputs = self.crf_layer(outputs)
        super().__init__(inputs=inputs, outputs=outputs, **kwargs)

        # === Config ===
        self.labels = None if labels is None else [str(label) for label in labels]
        self.num_classes = number
        self.scheme = scheme if tags is not None else None
        self.crf = crf
        self.dropout = dropout
        self.tags = tags
        self._tag_set = TagSet(tags, scheme, number)

    # === Compiling ===

    def compile(
        self, optimizer: Any = "auto", loss: Any = "auto", *, weighted_metrics: Any = "auto", **kwargs: Any
    ) -> None:
        """As `keras.Model.compile`, with defaults: the backbone's optimizer, cross-entropy per word (or the CRF's
        likelihood), accuracy per word."""
        self.__dict__.pop("_decoder_model", None)  # which was traced with the layers as they were
        super().compile(
            optimizer=unless_auto(optimizer, self.default_optimizer),
            loss=unless_auto(loss, self._default_loss),
            weighted_metrics=unless_auto(weighted_metrics, lambda: [TokenAccuracy()]),
            **kwargs,
        )

    def _default_loss(self) -> Any:
        return TokenCrossentropy() if self.crf_layer is None else CRFLoss(self.crf_layer)

    def get_compile_config(self) -> Any:
        config = super().get_compile_config()
        # That of a CRF knows the layer; the task that is loaded makes its own.
        return {**config, "loss": "auto"} if config and isinstance(self.loss, CRFLoss) else config

    # === Reading ===

    def encode_targets(self, y: Any, name: str = "y") -> np.ndarray:
        """Tags of ready arrays: indices `(n, length)` pass as they are, names become indices."""
        y = as_numpy(y)
        if y.dtype.kind not in "USO":
            return y
        return np.array([self._tag_set.indices(row.tolist(), name) for row in y], "int32")

    def _encode_all(self, x: Any, y: Any, sample_weight: Any, name: str) -> tuple[Any, Any, Any]:
        target_name = "y" if name == "x" else name
        if y is None:
            raise ValueError(f"`{target_name}` is missing: there must be tags (or spans) for every text.")
        documents = self.preprocessor.documents(x, name)
        if not is_list(y):
            raise TypeError(f"`{target_name}` must be a list of lists of tags or of spans. Received: {describe(y)}")
        if len(y) != len(documents):
            raise ValueError(f"`{name}` has {len(documents)} texts, but `{target_name}` has {len(y)} values.")
        rows, tagged = self.preprocessor.encode_documents(documents)
        tags = self._tag_set.of_units(x, list(y), documents, tagged, self.preprocessor.units, target_name)
        unread = np.concatenate([np.zeros(0, "int32"), *tags])[~rows.units_read([len(one) for one in tags])]
        lost = int((unread != self._tag_set.outside).sum())
        if lost:
            warnings.warn(
                f"{lost} tags in `{target_name}` cannot be learnt: the tokenizer reads their words as one token with "
                "others, or does not read them at all.",
                stacklevel=4,
            )
        if sample_weight is not None:
            sample_weight = as_weights(sample_weight, len(documents), name)[rows.documents]
        return rows.with_tags(tags), None, sample_weight

    def _new_file(self) -> Any:
        return RowParts()

    # === Using ===

    def tag(self, texts: Any, batch_size: int = 32) -> Any:
        """The entities of each text.

        Args:
            texts: a string, a list of strings, or a list of lists of words (then offsets are those in
                `" ".join(words)`).
            batch_size: int. Windows in a batch.

        Returns:
            For each text a list of `{"text", "label", "start", "end", "score"}` in order; `text[start:end]` is the
            entity's text, `score` the mean probability of its words' tags. Without a scheme every word.
            For a single string its list alone.

        Raises:
            TypeError: `texts` holds something that is neither a string nor a list of words.
            ValueError: there are no texts, or no preprocessor to read them with.
        """
        if isinstance(texts, (str, bytes)):
            return self.tag([texts], batch_size)[0]
        return [self._tag_set.entities(*one) for one in self._find(texts, "texts", batch_size)]

    def tag_words(self, words: Any, batch_size: int = 32) -> list[list[Any]]:
        """The tag of each word, as `fit` takes them.

        Args:
            words: list of lists of words, or of texts, which are split as in `tag`.
            batch_size: int. Windows in a batch.

        Returns:
            A list of tags (indices, if there are no `labels`) for each text.
        """
        documents = self._text_reader().documents(words, "words")
        found = self._find(words, "words", batch_size)
        return [
            self._tag_set.of_words(document, read, tags)
            for document, (read, tags, _) in zip(documents, found, strict=True)
        ]

    def _find(self, x: Any, name: str, batch_size: int) -> list[tuple[Document, np.ndarray, np.ndarray]]:
        """For each document its units, the index of the best tag of each, and that tag's probability."""
        preprocessor = self._text_reader()
        rows, documents = preprocessor.encode_documents(preprocessor.documents(x, name))
        if not documents:
            raise ValueError(f"`{name}` is empty: there are no texts in it.")
        # A word that no token stands for is outside of everything.
        best = [np.full(len(document.units), max(self._tag_set.outside, 0), "int32") for document in documents]
        scores = [np.ones(len(document.units)) for document in documents]
        for indices, filled, length in batches_by_length(rows.lengths, batch_size, preprocessor.sequence_length):
            units = preprocessor.unit_table(rows, filled, length)
            tags, probabilities = self._decode(preprocessor.pad(rows, filled, length), units >= 0)
            for i, row in enumerate(indices):
                kept = units[i] >= 0
                document, places = rows.documents[row], units[i][kept]
                best[document][places] = tags[i][kept]
                scores[document][places] = probabilities[i][kept]
        return list(zip(documents, best, scores, strict=True))

    def _decode(self, x: Any, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The best tags `(batch, length)`, and their probabilities."""
        if self.crf_layer is None:
            probabilities = softmax(self.predict_on_batch(x))
            tags = probabilities.argmax(axis=-1)
        else:
            tags, probabilities = self._decoder(self.crf_layer).predict_on_batch({**x, "decoded_mask": mask})
        return tags, np.take_along_axis(probabilities, tags[:, :, None].astype("int64"), axis=-1)[:, :, 0]

    def _decoder(self, crf: CRF) -> Any:
        """A model that gives the best tags and their probabilities."""
        if "_decoder_model" not in self.__dict__:
            given = keras.Input((None,), dtype="bool", name="decoded_mask")
            outputs = CRFDecoder(crf)(self.output, given)
            decoder = keras.Model({**self.input, "decoded_mask": given}, outputs)
            decoder.compile(jit_compile=False if keras.backend.backend() == "tensorflow" else "auto")
            self.__dict__["_decoder_model"] = decoder  # past Keras's tracking: it has no weights of its own
        return self.__dict__["_decoder_model"]

    def _text_reader(self) -> Any:
        if self.preprocessor is None:
            raise ValueError("This task has no preprocessor to read texts with: use `predict` on ready arrays.")
        return self.preprocessor

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        config.update(
            {
                "labels": self.labels,
                "num_classes": self.num_classes,
                "scheme": self.scheme,
                "crf": self.crf,
                "dropout": self.dropout,
            }
        )
        return config
