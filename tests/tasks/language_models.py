"""Small language models with weights of any size, and what they must say, worked out without them."""

import keras
import numpy as np

import keras_nlp_zoo as knz
from tests.contracts.cases import tiny_writer

TEXTS = ["the cat sat on the mat", "a dog ran", "birds sing at dawn", "we read old books"] * 4
PROMPTS = ["the c", "a", "birds sing", "we", "dogs", "old books", "s"]


def shaken(name, tokenizer, scale=0.4, **options):
    """A model whose weights are so large that it does not say the same all the time; the same on every backend."""
    keras.utils.set_random_seed(0)
    random, model = np.random.RandomState(3), tiny_writer(name, tokenizer, **options)
    for weight in model.trainable_weights:
        begun = keras.ops.convert_to_numpy(weight)
        constant = begun if np.ptp(begun) == 0 else 0  # zeros of biases and ones of norms
        weight.assign(constant + random.normal(size=weight.shape, scale=scale))
    return model


def over(model, preprocessor):
    """The same network with another preprocessor."""
    other = knz.CausalLM(model.backbone, preprocessor)
    if model.output_dense is not None:
        other.output_dense.set_weights(model.output_dense.get_weights())
    other.compile()
    return other


def padded(rows, length):
    mask = (np.arange(length) < np.array([len(row) for row in rows])[:, None]).astype("int32")
    ids = np.zeros(mask.shape, "int32")
    ids[mask == 1] = [token for row in rows for token in row]
    return {"token_ids": ids, "padding_mask": mask}


def logits_of(model, rows, length=16):
    """What the whole model says after every token of rows, all read at once; a row at a time in float64.

    Always eight rows, so that it is compiled once.
    """
    filled = [*rows, *[rows[-1]] * (-len(rows) % 8)]
    logits = model.predict_on_batch(padded(filled, length)).astype("float64")
    return [one[: len(row)] for one, row in zip(logits, rows, strict=False)]


def log_softmax(logits):
    logits = logits - logits.max(axis=-1, keepdims=True)
    return logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))


def beginnings(model, texts):
    tokenizer = model.preprocessor.tokenizer
    start = [tokenizer.start_token_id] if model.preprocessor.add_start_token else []
    return [[*start, *tokenizer.tokenize(text)] for text in texts]


def slowly(model, texts, max_length, stops=()):
    """Greedy writing by reading everything anew for every token."""
    rows = beginnings(model, texts)
    given = [len(row) for row in rows]
    for _ in range(max_length - min(given)):
        for row, before, logits in zip(rows, given, logits_of(model, rows), strict=True):
            if len(row) < max_length and not (len(row) > before and row[-1] in stops):
                row.append(int(logits[-1].argmax()))
    return rows


def losses_of(model, ids, length):
    """Of every token of one text but the first, by windows: see `perplexity`."""
    longest, stride = model.preprocessor.sequence_length, length
    found, begun = [], 1
    while begun < len(ids):
        end = min(len(ids), begun + (longest if begun == 1 else stride))
        # The last token in view is not read, and there is room for `longest` that are; windows beside each other
        # share nothing but the token that says the first of the next.
        first = begun - 1 if stride == longest else max(0, end - 1 - longest)
        logits = log_softmax(logits_of(model, [ids[first : end - 1]], longest)[0])
        found += [-logits[place - first - 1, ids[place]] for place in range(begun, end)]
        begun = end
    return found
