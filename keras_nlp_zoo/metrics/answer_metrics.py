"""Scores of the answers a model finds, while it trains."""

from typing import Any

from keras_nlp_zoo.metrics.answers import squad
from keras_nlp_zoo.metrics.epoch_scores import EpochScores, check_answers
from keras_nlp_zoo.metrics.text import as_references
from keras_nlp_zoo.text.inputs import as_text_list, describe


class AnswerMetrics(EpochScores):
    """Lets the model answer questions at the end of an epoch and scores the answers: `squad` beside the loss.

    The scores go into the epoch's logs as `val_exact_match` and `val_f1`, where the history, the progress bar and the
    callbacks that come after this one find them. An epoch left out by `every` has no scores in its logs.

    Args:
        x: dict. `{"question": [...], "context": [...]}`, as `knz.datasets.load` gives it.
        y: dict with `"answer"`: list of str, or list of lists of str where a question has several right answers;
            the empty string where the context does not tell.
        every: int. Epochs from one scoring to the next.
        max_examples: int. How many questions are asked, the first ones; None for all.
        batch_size: int. Questions that `answer` puts into a batch.

    Raises:
        ValueError: an argument that is not as above; unequal numbers of questions, contexts and answers.
        TypeError: texts that are no strings; in `fit`, a model without `answer`.

    Example:
        x, y = knz.datasets.load("facts", split="validation", size=200)
        scores = knz.metrics.AnswerMetrics(x, y, batch_size=64)
        stopping = keras.callbacks.EarlyStopping("val_exact_match", mode="max", patience=3)
        callbacks = [scores, stopping]  # for `fit`, in this order
    """

    method = "answer"

    def __init__(self, x: Any, y: Any, every: int = 1, max_examples: int | None = None, batch_size: int = 32):
        super().__init__(every, max_examples, batch_size)
        if not isinstance(x, dict) or "question" not in x or "context" not in x:
            raise ValueError(f'`x` must be a dict with "question" and "context". Received: {describe(x)}')
        if not isinstance(y, dict) or "answer" not in y:
            raise ValueError(f'`y` must be a dict with "answer". Received: {describe(y)}')
        questions = as_text_list(x["question"], 'x["question"]')
        contexts = as_text_list(x["context"], 'x["context"]')
        references = as_references(y["answer"], 'y["answer"]')
        if len({len(questions), len(contexts), len(references)}) != 1 or not questions:
            raise ValueError(
                "There must be a context and an answer for each question, and a question. "
                f"Received: {len(questions)} questions, {len(contexts)} contexts, {len(references)} answers"
            )
        self.questions = questions[:max_examples]
        self.contexts = contexts[:max_examples]
        self.references = references[:max_examples]

    def scores(self) -> dict[str, float]:
        answers = self.model.answer(self.questions, self.contexts, batch_size=self.batch_size)
        answers = check_answers(answers, len(self.questions), "answer(...)")
        return squad([answer["text"] for answer in answers], self.references)._asdict()
