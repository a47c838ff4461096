"""Guessing hidden words: how BERT is trained, and adapted to texts of one's own."""

from typing import Any

import keras
import keras_hub
import numpy as np

from keras_nlp_zoo.checks import check_int
from keras_nlp_zoo.metrics import TokenAccuracy
from keras_nlp_zoo.tasks.backbones import check_vocabulary, freeze_pooler, token_vectors
from keras_nlp_zoo.tasks.labels import softmax
from keras_nlp_zoo.tasks.task import TextTask, unless_auto
from keras_nlp_zoo.text.batching import RowParts, TokenRows, batches_by_length
from keras_nlp_zoo.text.inputs import as_text_list, describe
from keras_nlp_zoo.text.masking_preprocessor import MaskingPreprocessor, MaskingRows
from keras_nlp_zoo.text.preprocessor import TextPreprocessor, special_token_id, warn_if_cut
from keras_nlp_zoo.text.tokenizer import Tokenizer
from keras_nlp_zoo.training import TokenCrossentropy


@keras.saving.register_keras_serializable(package="keras_nlp_zoo")
class MaskedLM(TextTask, keras_hub.models.MaskedLM):
    """Guesses tokens that are hidden in a text from those on both sides of them.

    `fit` takes texts alone and hides some of their tokens, others in every epoch; `fill` says what may stand where a
    text has `[MASK]`. `predict` gives logits `(n, masks, vocabulary_size)` for texts of which some tokens are hidden.

    Paper: Devlin et al. (2019), https://arxiv.org/abs/1810.04805, section 3.1.

    Args:
        backbone: an encoder with a `token_embedding`, of KerasHub or of this package, which the guesses are tied to.
            Its `pooled_dense`, if it has one, is kept from being trained: nothing here reads it.
        preprocessor: a `knz.text.MaskingPreprocessor`, or None to take ready arrays, `mask_positions` among them.

    Raises:
        TypeError: `preprocessor` is of another kind.
        ValueError: a backbone without a token embedding, a tokenizer with more tokens than it has embeddings.

    Example:
        texts = ["a fine film", "a dull film"]
        tokenizer = knz.Tokenizer.train(texts, kind="wordpiece")
        sizes = {"num_layers": 1, "num_heads": 2, "hidden_dim": 8, "intermediate_dim": 8}
        model = knz.create_model("bert", "masked_lm", tokenizer=tokenizer, **sizes)
        model.fit(texts, verbose=0)
        model.fill("a [MASK] film", top_k=2)  # [[{"token": "fine", "score": 0.1, "text": "a fine film"}, ...]]
    """

    targets_in_texts = True
    preprocessor_class = MaskingPreprocessor
    head_architecture = "ForMaskedLM"

    def __init__(self, backbone: Any, preprocessor: Any = None, **kwargs: Any):
        if not hasattr(getattr(backbone, "token_embedding", None), "input_dim"):
            raise ValueError(f"`backbone` must have a token embedding. Received: {type(backbone).__name__}")
        if preprocessor is not None and not isinstance(preprocessor, MaskingPreprocessor):
            raise TypeError(
                f"`preprocessor` must be a knz.text.MaskingPreprocessor. Received: {describe(preprocessor)}"
            )
        check_vocabulary(backbone, preprocessor)

        # === Layers ===
        self.backbone = freeze_pooler(backbone)
        self.preprocessor = preprocessor
        self.masked_lm_head = keras_hub.layers.MaskedLMHead(
            token_embedding=backbone.token_embedding,
            intermediate_activation=getattr(backbone, "activation", "gelu"),
            layer_norm_epsilon=getattr(backbone, "layer_norm_epsilon", 1e-12),
            kernel_initializer=keras.initializers.TruncatedNormal(stddev=0.02),
            dtype=backbone.dtype_policy,
            name="masked_lm_head",
        )

        # === Functional ===
        inputs = {
            **backbone.input,
            "mask_positions": keras.Input((None,), dtype="int32", name="mask_positions"),
        }
        features = backbone(backbone.input)
        sequence = token_vectors(backbone, features)
        outputs = self.masked_lm_head(sequence, inputs["mask_positions"])  # (batch, masks, vocabulary_size)
        super().__init__(inputs=inputs, outputs=outputs, **kwargs)

    def compile(
        self, optimizer: Any = "auto", loss: Any = "auto", *, weighted_metrics: Any = "auto", **kwargs: Any
    ) -> None:
        """As `keras.Model.compile`, with defaults: the backbone's optimizer, cross-entropy and accuracy per mask."""
        super().compile(
            optimizer=unless_auto(optimizer, self.default_optimizer),
            loss=unless_auto(loss, TokenCrossentropy),
            weighted_metrics=unless_auto(weighted_metrics, lambda: [TokenAccuracy()]),
            **kwargs,
        )

    # === Reading ===

    def _encode_all(self, x: Any, y: Any, sample_weight: Any, name: str) -> tuple[Any, Any, Any]:
        if y is not None:
            target_name = "y" if name == "x" else name
            raise ValueError(f"`{target_name}` must be left out: what is hidden in `{name}` is what is to be guessed.")
        if sample_weight is not None:
            raise ValueError("`sample_weight` does not go with texts, which may become several rows.")
        rows = self.preprocessor.encode(x, name)
        rows.generator = np.random.default_rng(np.random.randint(2**31))
        return rows, None, None

    def _new_file(self) -> RowParts:
        return RowParts()

    def _bucket(
        self,
        rows: Any,
        y: Any,
        sample_weight: Any,
        batch_size: int,
        seed: int | None = None,
        endless: bool = False,
        first_pass: int = 0,
    ) -> Any:
        # The same tokens are hidden whenever a model is evaluated, others in every epoch of training.
        generator = rows.generator if seed is None else np.random.default_rng((seed, first_pass))
        rows = MaskingRows(rows.tokens, rows.groups, rows.mask_rate, generator if endless else None)
        return super()._bucket(rows, y, sample_weight, batch_size, seed, endless, first_pass)

    # === Using ===

    def fill(self, texts: Any, top_k: int = 5, batch_size: int = 32) -> Any:
        """What may stand where a text has the mask token.

        Args:
            texts: a string, or a list of them, with the tokenizer's mask token (`"[MASK]"`) once or more.
            top_k: int. How many tokens to give for each mask.
            batch_size: int. Texts in a batch.

        Returns:
            For each text a list with a list for each of its masks: `{"token", "score", "text"}`, the most probable
            first; `text` is the text with this mask filled. For a single string its list alone.

        Raises:
            ValueError: a text without a mask, or with one beyond `sequence_length`.
        """
        if isinstance(texts, str):
            return self.fill([texts], top_k, batch_size)[0]
        check_int("top_k", top_k, 1)
        reader = self.preprocessor
        if reader is None or not isinstance(reader.tokenizer, Tokenizer):
            raise ValueError("`fill` needs a preprocessor with a knz.Tokenizer, which finds the masks in a text.")
        texts = as_text_list(texts, "texts")
        if not texts:
            raise ValueError("`texts` is empty: there are no texts in it.")
        encodings = reader.tokenizer.encode(texts, special_tokens=True)
        mask_id = special_token_id(reader.tokenizer, "mask")
        rows, positions, cut = [], [], 0
        start, end = reader.edges()
        room = reader.sequence_length - len(start) - len(end)
        for i, encoding in enumerate(encodings):
            cut += len(encoding.token_ids) > room
            row = [*start, *encoding.token_ids[:room], *end]
            places = [k for k, token in enumerate(row) if token == mask_id]
            if len(places) != encoding.token_ids.count(mask_id) or not places:
                raise ValueError(
                    f"`texts` must have {reader.tokenizer.mask_token!r} within the first {room} tokens. Item {i} has "
                    f"{encoding.token_ids.count(mask_id)} masks, {len(places)} of them there."
                )
            rows.append(row)
            positions.append(places)
        warn_if_cut(cut, len(texts), "texts", reader.sequence_length)
        tokens = TokenRows.from_lists(rows)
        most = 1 << (max(map(len, positions)) - 1).bit_length()
        answers: list[Any] = [None] * len(texts)
        for indices, filled, length in batches_by_length(tokens.lengths, batch_size, reader.sequence_length):
            x = TextPreprocessor.pad(reader, tokens, filled, length)  # nothing more is hidden
            x["mask_positions"] = np.array([positions[i] + [0] * (most - len(positions[i])) for i in filled], "int32")
            probabilities = softmax(self.predict_on_batch(x))
            for place, i in enumerate(indices.tolist()):
                spans = [
                    span
                    for span, token in zip(encodings[i].offsets, encodings[i].token_ids, strict=True)
                    if token == mask_id
                ]
                answers[i] = [
                    self._guesses(texts[i], span, probabilities[place, k], top_k) for k, span in enumerate(spans)
                ]
        return answers

    def _guesses(self, text: str, span: tuple[int, int], probabilities: np.ndarray, top_k: int) -> list[dict[str, Any]]:
        guesses = []
        for token_id in np.argsort(-probabilities, kind="stable")[:top_k]:
            token = self._spelled(int(token_id))
            filled = text[: span[0]] + token + text[span[1] :]
            guesses.append({"token": token, "score": float(probabilities[token_id]), "text": filled})
        return guesses

    def _spelled(self, token_id: int) -> str:
        """A token as it stands in a text, without the signs for spaces, bytes and the inside of words."""
        tokenizer = self.preprocessor.tokenizer
        token = tokenizer.id_to_token(token_id)
        if tokenizer.kind == "byte_bpe" and token not in tokenizer.special_tokens:
            return tokenizer.detokenize([token_id]).strip()
        return token.removeprefix("##").replace("\u2581", "")

    def load_head(self, source: Any) -> None:
        names = source.names("cls.predictions.")
        norm = "weight", "bias"
        if any(name.endswith("LayerNorm.gamma") for name in names):
            norm = "gamma", "beta"
        dense, bias, gamma, beta, output = source.tensors(
            "cls.predictions.transform.dense.weight",
            "cls.predictions.transform.dense.bias",
            *(f"cls.predictions.transform.LayerNorm.{name}" for name in norm),
            "cls.predictions.bias",
        )
        head = self.masked_lm_head
        head._intermediate_dense.set_weights([dense.T, bias])
        head._intermediate_layer_norm.set_weights([gamma, beta])
        head._bias.assign(output)
