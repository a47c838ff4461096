"""Finding the answer to a question in a text, over any encoder."""

from typing import Any

import keras
import keras_hub
import numpy as np
from keras import ops

from keras_nlp_zoo.checks import check_int
from keras_nlp_zoo.layers.dense import Dense
from keras_nlp_zoo.layers.dropout import Dropout
from keras_nlp_zoo.layers.softmax import HIDDEN_SCORE
from keras_nlp_zoo.tasks.backbones import check_vocabulary, freeze_pooler, token_vectors
from keras_nlp_zoo.tasks.reading import as_weights
from keras_nlp_zoo.tasks.task import TextTask, unless_auto
from keras_nlp_zoo.text.batching import batches_by_length
from keras_nlp_zoo.text.inputs import as_numpy, as_text_list, describe
from keras_nlp_zoo.text.question_preprocessor import CONTEXT, QUESTION, QuestionPreprocessor, Questions
from keras_nlp_zoo.training import SpanCrossentropy

ANSWER, ANSWER_START = "answer", "answer_start"


@keras.saving.register_keras_serializable(package="keras_nlp_zoo")
class QuestionAnswering(TextTask, keras_hub.models.Task):
    """Finds where in a context the answer to a question stands, over an encoder of this package or of KerasHub.

    A dense layer gives each token a score as the answer's first and as its last token. Contexts of any length are
    read in windows that overlap. `predict` gives logits `(windows, length, 2)`, `answer` makes answers of them.

    Papers: Rajpurkar et al. (2016), https://arxiv.org/abs/1606.05250 (SQuAD); Devlin et al. (2019),
    https://arxiv.org/abs/1810.04805, sections 4.2 and 4.3.

    Args:
        backbone: a backbone whose `sequence_output` has a vector for every token.
            Its `pooled_dense`, if it has one, is kept from being trained: nothing here reads it.
        preprocessor: a `knz.text.QuestionPreprocessor`, or None to take ready arrays.
        dropout: float. Dropout on the vectors.
        max_answer_length: int. The most tokens of an answer.
        no_answer_threshold: float, or None where every question has an answer. Otherwise there is none where its
            score (that of the start token) is higher by more than this than that of the best answer: 0.0 as a rule.

    Raises:
        TypeError: `preprocessor` is of another kind.
        ValueError: an argument out of its range, a tokenizer with more tokens than the backbone has embeddings.

    Example:
        x = {"question": ["who met Bob ?"] * 2, "context": ["Ada met Bob .", "I met Bob ."]}
        y = {"answer": ["Ada", "I"], "answer_start": [0, 0]}
        tokenizer = knz.Tokenizer.train(x["question"] + x["context"], kind="word")
        reader = knz.create_model(
            "transformer", "question_answering", tokenizer=tokenizer, num_layers=1, num_heads=2, hidden_dim=8
        )
        reader.fit(x, y, verbose=0)
        reader.answer("who met Bob ?", "Ada met Bob .")  # {"text": "Ada", "start": 0, "end": 3, "score": 0.4}
    """

    preprocessor_class = QuestionPreprocessor
    head_architecture = "ForQuestionAnswering"

    def __init__(
        self,
        backbone: Any,
        preprocessor: Any = None,
        dropout: float = 0.1,
        max_answer_length: int = 30,
        no_answer_threshold: float | None = None,
        **kwargs: Any,
    ):
        if preprocessor is not None and not isinstance(preprocessor, QuestionPreprocessor):
            raise TypeError(
                f"`preprocessor` must be a knz.text.QuestionPreprocessor. Received: {describe(preprocessor)}"
            )
        check_int("max_answer_length", max_answer_length, 1)
        if isinstance(no_answer_threshold, bool) or not isinstance(no_answer_threshold, (int, float, type(None))):
            raise ValueError(
                f"`no_answer_threshold` must be a number or None. Received: no_answer_threshold={no_answer_threshold!r}"
            )
        check_vocabulary(backbone, preprocessor)
        dtype = backbone.dtype_policy

        # === Layers ===
        self.backbone = freeze_pooler(backbone)
        self.preprocessor = preprocessor
        self.output_dropout = Dropout(dropout, dtype=dtype, name="reader_dropout")
        self.output_dense = Dense(2, dtype=dtype, name="logits")

        # === Functional ===
        inputs = backbone.input
        features = backbone(inputs)
        sequence = token_vectors(backbone, features)
        logits = self.output_dense(self.output_dropout(sequence))  # (batch, length, 2)
        outputs = ops.where(ops.cast(inputs["padding_mask"], "bool")[:, :, None], logits, HIDDEN_SCORE)
        super().__init__(inputs=inputs, outputs=outputs, **kwargs)

        # === Config ===
        self.dropout = dropout
        self.max_answer_length = max_answer_length
        self.no_answer_threshold = no_answer_threshold

    def compile(self, optimizer: Any = "auto", loss: Any = "auto", *, metrics: Any = None, **kwargs: Any) -> None:
        """As `keras.Model.compile`, with defaults: the backbone's optimizer, cross-entropy of both ends."""
        super().compile(
            optimizer=unless_auto(optimizer, self.default_optimizer),
            loss=unless_auto(loss, SpanCrossentropy),
            metrics=metrics,
            **kwargs,
        )

    # === Reading ===

    def encode_targets(self, y: Any, name: str = "y") -> np.ndarray:
        """The first and the last token of answers in ready arrays, `(n, 2)`."""
        if isinstance(y, dict):
            raise TypeError(f"`{name}` must be the positions of first and last token, (n, 2), beside ready arrays.")
        return as_numpy(y)

    def _encode_all(self, x: Any, y: Any, sample_weight: Any, name: str) -> tuple[Any, Any, Any]:
        target_name = "y" if name == "x" else name
        encoded = self.preprocessor.encode_questions(x, name)
        if y is not None:
            contexts = as_text_list(x[CONTEXT], name)
            y = _positions(encoded, contexts, *_answers(y, len(contexts), target_name), target_name)
        if sample_weight is not None:
            sample_weight = as_weights(sample_weight, len(encoded.offsets), name, "questions")
            sample_weight = sample_weight[[window.example for window in encoded.windows]]
        return encoded.rows, y, sample_weight

    # === Using ===

    def answer(self, question: Any, context: Any, num_answers: int | None = None, batch_size: int = 32) -> Any:
        """The answers to questions.

        Args:
            question: a string, or a list of them.
            context: a string, or a list of them, one for each question.
            num_answers: int. How many answers to give for each question, best first; just the best one, not in a
                list, if left out.
            batch_size: int. Windows in a batch.

        Returns:
            `{"text", "start", "end", "score"}`, or a list of these for lists of strings; lists of lists with
            `num_answers`. `context[start:end]` is the text; `score` its probability among all answers that are not
            longer than `max_answer_length` tokens. No answer is `{"text": "", "start": -1, "end": -1, "score"}`.

        Raises:
            TypeError: `question` or `context` holds something that is not a string.
            ValueError: there is no question, or not one context for each.
        """
        if isinstance(question, str) and isinstance(context, str):
            return self.answer([question], [context], num_answers, batch_size)[0]
        if num_answers is not None:
            check_int("num_answers", num_answers, 1)
        if self.preprocessor is None:
            raise ValueError("This task has no preprocessor to read texts with: use `predict` on ready arrays.")
        questions, contexts = as_text_list(question, QUESTION), as_text_list(context, CONTEXT)
        if not questions or len(questions) != len(contexts):
            raise ValueError(
                f"`question` and `context` must be equally many, and not none. Received: {len(questions)} and "
                f"{len(contexts)}"
            )
        encoded = self.preprocessor.encode_questions({QUESTION: questions, CONTEXT: contexts})
        spans, nothing = self._score(encoded, batch_size)
        answers = [
            self._best(contexts[i], encoded.offsets[i], spans[i], nothing[i], num_answers or 1)
            for i in range(len(contexts))
        ]
        return [found[0] for found in answers] if num_answers is None else answers

    def _score(self, encoded: Questions, batch_size: int) -> tuple[list[np.ndarray], np.ndarray]:
        """Scores of all answers `(tokens of the context, max_answer_length)`, and of there being none, by example."""
        most = self.max_answer_length
        spans = [np.full((len(offsets), most), -np.inf) for offsets in encoded.offsets]
        nothing = np.full(len(encoded.offsets), np.inf)
        lengths = encoded.rows.lengths
        for indices, filled, length in batches_by_length(lengths, batch_size, self.preprocessor.sequence_length):
            logits = self.predict_on_batch(self.preprocessor.pad(encoded.rows, filled, length)).astype("float64")
            for i, row in enumerate(indices):
                window = encoded.windows[row]
                nothing[window.example] = min(nothing[window.example], logits[i, 0].sum())
                size = window.last - window.first
                start, end = logits[i, window.position : window.position + size].T
                # No answer begins or ends with a token that is only a space.
                blank = [a == b for a, b in encoded.offsets[window.example][window.first : window.last]]
                start, end = np.where(blank, -np.inf, start), np.where(blank, -np.inf, end)
                # Column k: the answer that ends k tokens after its first.
                ends = np.pad(end, (0, most), constant_values=-np.inf)
                scores = start[:, None] + ends[np.arange(size)[:, None] + np.arange(most)]
                best = spans[window.example][window.first : window.last]
                np.maximum(best, scores, out=best)
        return spans, nothing

    def _best(
        self, context: str, offsets: list[tuple[int, int]], spans: np.ndarray, nothing: float, number: int
    ) -> list[dict[str, Any]]:
        scores = spans.ravel()
        may_lack = self.no_answer_threshold is not None
        every = np.append(scores, nothing) if may_lack or not len(scores) else scores
        total = np.logaddexp.reduce(every)
        best = _different(scores, offsets, self.max_answer_length, number)
        answers = [
            {"text": context[start:end], "start": start, "end": end, "score": float(np.exp(scores[place] - total))}
            for place, start, end in best
        ]
        if may_lack or not answers:
            none = {"text": "", "start": -1, "end": -1, "score": float(np.exp(nothing - total))}
            threshold = self.no_answer_threshold or 0.0
            answers.insert(sum(scores[place] >= nothing - threshold for place, _, _ in best), none)
        return answers[:number]

    # === Presets ===

    def load_head(self, source: Any) -> None:
        kernel, bias = source.tensors("qa_outputs.weight", "qa_outputs.bias")
        self.output_dense.set_weights([kernel.T, bias])

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        config.update(
            {
                "dropout": self.dropout,
                "max_answer_length": self.max_answer_length,
                "no_answer_threshold": self.no_answer_threshold,
            }
        )
        return config


def _different(
    scores: np.ndarray, offsets: list[tuple[int, int]], most: int, number: int
) -> list[tuple[int, int, int]]:
    """The best places in `scores` that differ in their characters, and these: bytes of one character share it."""
    found: dict[tuple[int, int], int] = {}
    for place in np.argsort(-scores, kind="stable"):
        if len(found) == number or not np.isfinite(scores[place]):
            break
        first, more = divmod(int(place), most)
        found.setdefault((offsets[first][0], offsets[first + more][1]), int(place))
    return [(place, start, end) for (start, end), place in found.items()]


def _answers(y: Any, number: int, name: str) -> tuple[list[str], list[int]]:
    if not isinstance(y, dict) or set(y) != {ANSWER, ANSWER_START}:
        raise TypeError(f"`{name}` must be a dict of {ANSWER!r} and {ANSWER_START!r}. Received: {describe(y)}")
    texts, starts = as_text_list(y[ANSWER], f"{name}[{ANSWER!r}]"), as_numpy(y[ANSWER_START])
    if starts.ndim != 1 or (len(starts) and starts.dtype.kind not in "iu"):
        raise TypeError(f"`{name}[{ANSWER_START!r}]` must hold integers. Received: {describe(y[ANSWER_START])}")
    if not len(texts) == len(starts) == number:
        raise ValueError(f"`{name}` has {len(texts)} answers and {len(starts)} starts for {number} questions.")
    return texts, starts.tolist()


def _positions(encoded: Questions, contexts: Any, texts: list[str], starts: list[int], name: str) -> np.ndarray:
    """The places in each row of the answer's first and last token; of the start token where it is not in the row."""
    tokens: list[tuple[int, int] | None] = []
    for i, (text, start, context, offsets) in enumerate(zip(texts, starts, contexts, encoded.offsets, strict=True)):
        if not text:  # the question has no answer
            tokens.append(None)
            continue
        if start < 0 or context[start : start + len(text)] != text:
            raise ValueError(
                f"`{name}` holds an answer that does not stand in its context: {describe(text)} at character {start} "
                f"of example {i}, where there is {describe(context[max(start, 0) : max(start, 0) + len(text)])}"
            )
        inside = [k for k, (a, b) in enumerate(offsets) if a < b and a < start + len(text) and b > start]
        tokens.append((inside[0], inside[-1]) if inside else None)
    positions = np.zeros((len(encoded.windows), 2), "int32")
    for row, window in enumerate(encoded.windows):
        answer = tokens[window.example]
        if answer is not None and window.first <= answer[0] and answer[1] < window.last:
            positions[row] = [token - window.first + window.position for token in answer]
    return positions
