"""A tiny corpus of questions, and readers that answer them."""

import numpy as np

import keras_nlp_zoo as knz

NAMES, PLACES = ["Ada", "Bob", "Cleo", "Dan"], ["Paris", "Rome", "New York"]
PAIRS = [(one, other, place, further) for one in NAMES for other in NAMES for place in PLACES for further in PLACES
         if one != other and place != further][::5]  # fmt: skip


def corpus():
    """Where who went: of two persons in a context the one that is asked for."""
    questions, contexts, answers, starts = [], [], [], []
    for number, (one, other, place, further) in enumerate(PAIRS):
        context = f"{one} went to {place} . {other} went to {further} ."
        asked, answer = ((one, place), (other, further))[number % 2]
        questions.append(f"where did {asked} go ?")
        contexts.append(context)
        answers.append(answer)
        starts.append(context.index(f"{asked} went to ") + len(f"{asked} went to "))
    return {"question": questions, "context": contexts}, {"answer": answers, "answer_start": starts}


X, Y = corpus()
NO_X = {"question": ["where did Eve go ?"] * 8, "context": X["context"][:8]}
ALL_X = {key: [*X[key], *NO_X[key]] for key in X}
ALL_Y = {"answer": [*Y["answer"], *[""] * 8], "answer_start": [*Y["answer_start"], *[-1] * 8]}


def make(tokenizer, name="transformer", max_answer_length=4, no_answer_threshold=None, **options):
    sizes = {"num_layers": 1, "num_heads": 2, "hidden_dim": 16, "intermediate_dim": 32, "dropout": 0.0}
    backbone = knz.models.TransformerEncoderBackbone(tokenizer.vocabulary_size(), **sizes)
    preprocessor = knz.text.QuestionPreprocessor(tokenizer, **{"sequence_length": 32, "question_length": 6, **options})
    return knz.QuestionAnswering(
        backbone,
        preprocessor,
        dropout=0.0,
        max_answer_length=max_answer_length,
        no_answer_threshold=no_answer_threshold,
    )


def unlike(model):
    """The model with weights that make its scores differ."""
    random = np.random.RandomState(0)
    model.set_weights([random.normal(size=weight.shape, scale=0.4) for weight in model.weights])
    return model
