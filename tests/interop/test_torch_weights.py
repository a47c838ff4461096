"""Weights of torch.nn: the same outputs, states and gradients here, on every backend."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_nlp_zoo as knz
from tests.gradients import gradients
from tests.rounding import tolerance_of_recurrent_layers

# tests/parity runs this file on JAX and TensorFlow too, beside PyTorch.
torch = pytest.importorskip("torch", reason="torch is the oracle, and not installed: see `tox -e parity`")
from torch import nn  # noqa: E402 - not before it is known to be there

TOLERANCE = tolerance_of_recurrent_layers()
RANDOM = np.random.RandomState(0)
DIM, UNITS, LENGTH = 6, 5, 9
LENGTHS = [9, 1, 4, 7, 0]
INPUTS = RANDOM.normal(size=(len(LENGTHS), LENGTH, DIM)).astype("float32")
MASK = (np.arange(LENGTH) < np.array(LENGTHS)[:, None]).astype("int32")
NETWORKS = {nn.RNN: knz.layers.RNN, nn.LSTM: knz.layers.LSTM, nn.GRU: knz.layers.GRU}


def numpy(tensor):
    return ops.convert_to_numpy(tensor)


def run_torch(module, inputs, states=None):
    """What the module says of each text alone, without padding: outputs, and its final states `(texts, units)`."""
    outputs, finals = torch.zeros(len(LENGTHS), LENGTH, UNITS * (2 if module.bidirectional else 1)), []
    for row, length in enumerate(LENGTHS):
        if states is None:
            initial = [torch.zeros(module.num_layers * (1 + module.bidirectional), 1, UNITS)] * (
                2 if isinstance(module, nn.LSTM) else 1
            )
        else:
            initial = [torch.stack([s[row : row + 1] for s in kind]) for kind in states]
        if not length:  # torch reads no empty text
            finals.append([s[:, 0] for s in initial])
            continue
        given = tuple(initial) if isinstance(module, nn.LSTM) else initial[0]
        output, final = module(inputs[row : row + 1, :length], given)
        outputs = torch.cat(
            [outputs[:row], torch.cat([output, outputs[row : row + 1, length:]], 1), outputs[row + 1 :]]
        )
        finals.append([s[:, 0] for s in (final if isinstance(module, nn.LSTM) else (final,))])
    flat = [
        torch.stack([final[kind][i] for final in finals])
        for kind in range(len(finals[0]))
        for i in range(len(finals[0][0]))
    ]
    return outputs, flat


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("num_layers", [1, 3])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("with_states", [False, True])
def test_outputs_states_and_gradients(network, num_layers, bidirectional, with_states):
    torch.manual_seed(0)
    module = network(DIM, UNITS, num_layers, bidirectional=bidirectional, batch_first=True)
    layer = NETWORKS[network](UNITS, num_layers, bidirectional, return_sequences=True, return_state=True)
    knz.interop.load_torch(layer, module)
    kinds = 2 if network is nn.LSTM else 1
    number = kinds * num_layers * (2 if bidirectional else 1)
    given = [RANDOM.normal(size=(len(LENGTHS), UNITS)).astype("float32") for _ in range(number if with_states else 0)]

    theirs = [torch.tensor(a, requires_grad=True) for a in (INPUTS, *given)]
    grouped = [theirs[1:][i * number // kinds : (i + 1) * number // kinds] for i in range(kinds)]
    expected, expected_states = run_torch(module, theirs[0], grouped if with_states else None)
    outputs, *states = layer(INPUTS, mask=MASK, initial_state=given or None)
    np.testing.assert_allclose(numpy(outputs), expected.detach(), atol=TOLERANCE)
    assert len(states) == len(expected_states)
    for one, other in zip(states, expected_states, strict=True):
        np.testing.assert_allclose(numpy(one), other.detach(), atol=TOLERANCE)

    weights = [RANDOM.normal(size=tuple(x.shape)).astype("float32") for x in (expected, *expected_states)]
    sum((x * torch.tensor(w)).sum() for x, w in zip((expected, *expected_states), weights, strict=True)).backward()

    def loss(inputs, *given):
        found = layer(inputs, mask=ops.convert_to_tensor(MASK), initial_state=list(given) or None)
        return sum(ops.sum(x * ops.convert_to_tensor(w)) for x, w in zip(found, weights, strict=True))

    _, found = gradients(loss, layer.trainable_variables, [INPUTS, *given])
    # torch's gradients, laid out as ours by the same conversion. Where we have one bias for its two, the gradient of
    # each is that of ours.
    theirs_by_name = {name: parameter.grad for name, parameter in module.named_parameters()}
    if network is not nn.GRU:
        theirs_by_name = {n: torch.zeros_like(g) if "bias_hh" in n else g for n, g in theirs_by_name.items()}
    twin = NETWORKS[network](UNITS, num_layers, bidirectional)
    knz.interop.load_torch(twin, theirs_by_name)
    wanted = [*(numpy(w) for w in twin.trainable_variables), *(t.grad.numpy() for t in theirs)]
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_allclose(one, other, atol=TOLERANCE)
    assert (found[len(twin.trainable_variables)][MASK == 0] == 0).all()


def test_other_layers():
    torch.manual_seed(0)
    x = RANDOM.normal(size=(2, 9, DIM)).astype("float32")
    for module, layer in (
        (nn.Linear(DIM, 4), keras.layers.Dense(4)),
        (nn.Linear(DIM, 4, bias=False), keras.layers.Dense(4)),
        (nn.Linear(DIM, 4, bias=False), keras.layers.Dense(4, use_bias=False)),
    ):
        knz.interop.load_torch(layer, module)
        np.testing.assert_allclose(numpy(layer(x)), module(torch.tensor(x)).detach(), atol=1e-6)
    module, layer = nn.Conv1d(DIM, 4, 3), keras.layers.Conv1D(4, 3)
    knz.interop.load_torch(layer, module)
    expected = module(torch.tensor(x).transpose(1, 2)).transpose(1, 2)
    np.testing.assert_allclose(numpy(layer(x)), expected.detach(), atol=1e-6)
    ids = RANDOM.randint(0, 11, (2, 9))
    for layer in (keras.layers.Embedding(11, DIM), knz.layers.TokenEmbedding(11, DIM)):
        module = nn.Embedding(11, DIM)
        knz.interop.load_torch(layer, module)
        np.testing.assert_array_equal(numpy(layer(ids)), module(torch.tensor(ids)).detach())


@pytest.mark.parametrize("options", [{}, {"kdim": 3, "vdim": 4}, {"bias": False}])
def test_attention(options):
    torch.manual_seed(0)
    module = nn.MultiheadAttention(8, 2, batch_first=True, **options)
    for parameter in module.parameters():  # biases begin at zero there
        nn.init.normal_(parameter)
    layer = keras.layers.MultiHeadAttention(2, 4, use_bias=options.get("bias", True))
    query = RANDOM.normal(size=(2, 5, 8)).astype("float32")
    key = RANDOM.normal(size=(2, 7, options.get("kdim", 8))).astype("float32")
    value = RANDOM.normal(size=(2, 7, options.get("vdim", 8))).astype("float32")
    with pytest.raises(ValueError, match="not built: call it once"):
        knz.interop.load_torch(layer, module)
    layer.build(query.shape, value.shape, key.shape)
    knz.interop.load_torch(layer, module)
    expected, scores = module(*(torch.tensor(a) for a in (query, key, value)), average_attn_weights=False)
    found, found_scores = layer(query, value, key, return_attention_scores=True)
    np.testing.assert_allclose(numpy(found), expected.detach(), atol=1e-4, rtol=1e-5)
    np.testing.assert_allclose(numpy(found_scores), scores.detach(), atol=1e-5)


class Classifier(nn.Module):
    """The article's kind of module: an embedding, a network, an output."""

    def __init__(self):
        super().__init__()
        self.output = nn.Linear(2 * UNITS, 3)  # defined before it is used
        self.embedding = nn.Embedding(11, DIM)
        self.lstm = nn.LSTM(DIM, UNITS, num_layers=2, bidirectional=True, batch_first=True)

    def forward(self, ids):
        _, (hidden, _) = self.lstm(self.embedding(ids))
        return self.output(torch.cat([hidden[-2], hidden[-1]], dim=-1))


def classifier():
    backbone = knz.models.LSTMBackbone(11, DIM, UNITS, num_layers=2, bidirectional=True)
    return knz.TextClassifier(backbone, num_classes=3)


@pytest.mark.parametrize("how", ["module", "state dict", "arrays", "bfloat16", "safetensors", "torch.save"])
def test_a_model_from_every_source(how, tmp_path):
    torch.manual_seed(0)
    module = Classifier()
    if how == "bfloat16":
        module = module.to(torch.bfloat16)
    source = {
        "module": lambda: module,
        "bfloat16": lambda: module,
        "state dict": module.state_dict,
        "arrays": lambda: {name: tensor.numpy() for name, tensor in module.state_dict().items()},
        "safetensors": lambda: str(tmp_path / "weights.safetensors"),
        "torch.save": lambda: tmp_path / "weights.pt",
    }[how]()
    if how == "safetensors":
        from safetensors.torch import save_file

        save_file(module.state_dict(), source)
    if how == "torch.save":
        torch.save(module.state_dict(), source)
    model = classifier()
    knz.interop.load_torch(model, source)
    ids = RANDOM.randint(1, 11, (4, 6))
    expected = module.float()(torch.tensor(ids)).detach()
    found = numpy(model({"token_ids": ids, "padding_mask": np.ones_like(ids)}))
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_what_does_not_fit_is_listed_and_nothing_changes():
    model = classifier()
    before = [numpy(w) for w in model.weights]
    weights = Classifier().state_dict()
    for wrong, message in (
        (
            {**weights, "extra.weight": torch.zeros(3)},
            r"no layer takes: extra\.weight \(3,\)(.|\n)*nothing fills: none",
        ),
        ({n: w for n, w in weights.items() if "output" not in n}, r"takes: none(.|\n)*logits/kernel \(10, 3\)"),
        (
            {n: w for n, w in weights.items() if "l1" not in n},
            r"lstm\.weight_ih_l0 \(20, 6\)(.|\n)*backward_1/bias \(20,\)",
        ),
        ({**weights, "output.weight": torch.zeros(4, 10)}, r"output\.weight \(4, 10\)(.|\n)*logits/kernel"),
    ):
        with pytest.raises(ValueError, match=message):
            knz.interop.load_torch(model, wrong)
    with pytest.raises(ValueError, match="weight_hr_l0"):
        knz.interop.load_torch(knz.layers.LSTM(5), nn.LSTM(4, 5, proj_size=3))
    attention = keras.layers.MultiHeadAttention(2, 4)
    attention.build((None, None, 8), (None, None, 8))
    with pytest.raises(ValueError, match="bias_k"):
        knz.interop.load_torch(attention, nn.MultiheadAttention(8, 2, add_bias_kv=True))
    for one, other in zip(before, model.weights, strict=True):
        np.testing.assert_array_equal(one, numpy(other))


def test_sources_that_are_none(tmp_path):
    layer = knz.layers.RNN(5)
    with pytest.raises(ValueError, match="nonlinearity='relu'"):
        knz.interop.load_torch(layer, nn.RNN(4, 5, nonlinearity="relu"))
    with pytest.raises(FileNotFoundError, match="there is no file"):
        knz.interop.load_torch(layer, tmp_path / "none.pt")
    for nothing in (None, 3, {}, [1]):
        with pytest.raises(TypeError, match="`source` must be a torch"):
            knz.interop.load_torch(layer, nothing)
    with pytest.raises(TypeError, match="map names to arrays"):
        knz.interop.load_torch(layer, {"weight_ih_l0": "text"})


def test_a_file_with_code_is_refused(tmp_path):
    torch.save(Classifier(), tmp_path / "module.pt")  # the whole module, whose class would be imported and run
    with pytest.raises(Exception, match="weights_only"):
        knz.interop.load_torch(classifier(), tmp_path / "module.pt")
