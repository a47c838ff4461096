import numpy as np
import pytest
from keras import ops

from keras_nlp_zoo.models import Seq2SeqBackbone
from tests.called import called, numpy

SOURCE_LENGTHS, TARGET_LENGTHS = np.array([6, 3, 1]), np.array([5, 2, 4])
RANDOM = np.random.RandomState(0)


def side(name, lengths):
    mask = (np.arange(lengths.max()) < lengths[:, None]).astype("int32")
    return {f"{name}_token_ids": RANDOM.randint(1, 20, mask.shape) * mask, f"{name}_padding_mask": mask}


INPUTS = {**side("encoder", SOURCE_LENGTHS), **side("decoder", TARGET_LENGTHS)}
CONFIGS = {
    "plain": {"cell": "gru"},
    "deep, reversed": {"cell": "lstm", "num_layers": 2, "reverse_source": True},
    "deep, bidirectional": {"cell": "lstm", "num_layers": 2, "bidirectional": True},
    "additive": {"cell": "gru", "attention": "additive", "bidirectional": True},
    "additive, deep, reversed": {"cell": "lstm", "attention": "additive", "num_layers": 3, "reverse_source": True},
    "dot": {"cell": "lstm", "attention": "dot", "num_layers": 2},
    "dot, bidirectional, tied": {
        "cell": "rnn",
        "attention": "dot",
        "bidirectional": True,
        "tie_embeddings": True,
        "embedding_dim": 12,
    },
}


def backbone(**config):
    model = Seq2SeqBackbone(20, **{"embedding_dim": 8, "hidden_dim": 12, "dropout": 0.0, **config})
    random = np.random.RandomState(1)
    for weight in model.weights:  # large ones, and biases, so that everything shows
        weight.assign(random.normal(size=weight.shape, scale=0.5))
    return model


@pytest.mark.parametrize("name", CONFIGS)
def test_one_step_at_a_time_is_all_at_once(name):
    model = backbone(**CONFIGS[name])
    expected = called(model, INPUTS)["decoder_sequence_output"]
    assert expected.shape == (3, 5, 12)
    cache = called(model.start_decoding, INPUTS["encoder_token_ids"], INPUTS["encoder_padding_mask"], max_length=5)
    for index in range(5):
        output, cache = called(model.decode_step, INPUTS["decoder_token_ids"][:, index], index, cache)
        real = index < TARGET_LENGTHS
        np.testing.assert_allclose(output[real], expected[real, index], atol=1e-5)


@pytest.mark.parametrize("name", CONFIGS)
def test_attention_scores(name):
    scores = backbone(**CONFIGS[name]).attention_scores(INPUTS)
    if "attention" not in CONFIGS[name]:
        assert scores is None
        return
    scores = numpy(scores)
    assert scores.shape == (3, 5, 6)
    np.testing.assert_allclose(scores.sum(axis=-1), 1, atol=1e-6)
    assert np.abs(scores[np.broadcast_to(INPUTS["encoder_padding_mask"][:, None] == 0, scores.shape)]).max() == 0
    assert scores[0].std(axis=-1).min() > 1e-3


def test_reverse_source_reads_from_the_end():
    """As reading, forwards, a source that was turned round by hand."""
    one, other = backbone(reverse_source=True), backbone()
    turned = INPUTS["encoder_token_ids"].copy()
    for row, length in enumerate(SOURCE_LENGTHS):
        turned[row, :length] = turned[row, :length][::-1]
    expected = numpy(other({**INPUTS, "encoder_token_ids": turned}))
    found = numpy(one(INPUTS))
    np.testing.assert_allclose(found["decoder_sequence_output"], expected["decoder_sequence_output"], atol=1e-6)
    for row, length in enumerate(SOURCE_LENGTHS):
        np.testing.assert_allclose(
            found["encoder_sequence_output"][row, :length],
            expected["encoder_sequence_output"][row, :length][::-1],
            atol=1e-6,
        )


def test_dot_attention_is_that_of_luong():
    """Luong et al. (2015), equations 5 and 7 with the "general" score, in float64 NumPy on the layers' own inputs."""
    model = backbone(attention="dot", cell="gru")
    source = called(model, INPUTS)["encoder_sequence_output"].astype("float64")
    words = model.decoder_embedding(INPUTS["decoder_token_ids"])
    states = ops.convert_to_tensor(source[np.arange(3), SOURCE_LENGTHS - 1].astype("float32"))
    hidden = numpy(model.decoder(words, initial_state=[states])[0]).astype("float64")
    query, output = (numpy(layer.kernel).astype("float64") for layer in (model.query_dense, model.output_dense))
    expected = np.zeros((3, 5, 12))
    for row, (length, width) in enumerate(zip(TARGET_LENGTHS, SOURCE_LENGTHS, strict=True)):
        for t in range(length):
            scores = np.exp(source[row, :width] @ (hidden[row, t] @ query))
            context = scores / scores.sum() @ source[row, :width]
            expected[row, t] = np.tanh(np.concatenate([context, hidden[row, t]]) @ output)
    np.testing.assert_allclose(called(model, INPUTS)["decoder_sequence_output"], expected, atol=1e-5)


def test_maxout_is_that_of_bahdanau():
    model = backbone(attention="additive", cell="gru")
    words = model.decoder_embedding(INPUTS["decoder_token_ids"])
    source = model(INPUTS)["encoder_sequence_output"]
    states = ops.convert_to_tensor(numpy(source)[np.arange(3), SOURCE_LENGTHS - 1])
    hidden, contexts, _ = model.attending(words, source, INPUTS["encoder_padding_mask"], [states])
    joined = np.concatenate([numpy(hidden), numpy(contexts), numpy(words)], axis=-1).astype("float64")
    pairs = joined @ numpy(model.output_dense.kernel) + numpy(model.output_dense.bias)
    expected = np.maximum(pairs[..., :12], pairs[..., 12:]) * INPUTS["decoder_padding_mask"][:, :, None]
    np.testing.assert_allclose(called(model, INPUTS)["decoder_sequence_output"], expected, atol=1e-5)


def test_tied_embeddings_are_one_matrix():
    model = backbone(tie_embeddings=True, embedding_dim=12)
    assert model.encoder_embedding is model.decoder_embedding
    assert sum(weight.shape == (20, 12) for weight in model.weights) == 1


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"cell": "lsm"}, "`cell` must be one of 'rnn', 'lstm', 'gru'. Received: cell='lsm'"),
        ({"attention": "luong"}, "`attention` must be one of None, 'additive', 'dot'. Received: attention='luong'"),
        ({"hidden_dim": 0}, "`hidden_dim` must be an int of at least 1. Received: hidden_dim=0"),
        ({"dropout": 1.0}, r"`dropout` must be a number in \[0, 1\). Received: dropout=1.0"),
        ({"tie_embeddings": True}, "`tie_embeddings` needs a `hidden_dim` that equals `embedding_dim`"),
    ],
)
def test_bad_arguments(config, message):
    with pytest.raises(ValueError, match=message):
        backbone(**config)
