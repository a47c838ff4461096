"""Weights of torch.nn.Transformer and its parts: the same outputs and gradients here, on every backend."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_nlp_zoo as knz
from tests.gradients import gradients

# tests/parity runs this file on JAX and TensorFlow too, beside PyTorch.
torch = pytest.importorskip("torch", reason="torch is the oracle, and not installed: see `tox -e parity`")
from torch import nn  # noqa: E402 - not before it is known to be there

pytestmark = pytest.mark.filterwarnings(
    "ignore:enable_nested_tensor is True:UserWarning"  # what PyTorch says of its own fast path, which is not taken
)

RANDOM = np.random.RandomState(0)
DIM, HEADS, WIDTH, LAYERS = 8, 2, 12, 2
BATCH, SOURCE, TARGET = 3, 6, 5
SIZES = {"num_layers": LAYERS, "num_heads": HEADS, "intermediate_dim": WIDTH, "dropout": 0.0}


def vectors(*shape):
    return RANDOM.normal(size=shape).astype("float32")


SOURCE_VECTORS, TARGET_VECTORS = vectors(BATCH, SOURCE, DIM), vectors(BATCH, TARGET, DIM)
SOURCE_MASK = np.arange(SOURCE) < np.array([6, 1, 4])[:, None]
TARGET_MASK = np.arange(TARGET) < np.array([2, 5, 3])[:, None]
MEMORY_MASK = np.array([[1, 0, 1, 1, 1, 0], [1, 0, 0, 0, 0, 0], [0, 1, 1, 0, 0, 0]], "bool")


def numpy(tensor):
    return ops.convert_to_numpy(tensor)


def randomise(module):
    """PyTorch's biases begin at zero and its norms at one, where a mistake would not show."""
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.3)
    return module.eval()


def torch_transformer(dim=DIM, heads=HEADS, layers=LAYERS, width=WIDTH, **options):
    torch.manual_seed(0)
    return nn.Transformer(dim, heads, layers, layers, width, batch_first=True, **options)


def call_torch(module, source, target, source_mask=None, target_mask=None, memory_mask=None, causal=False):
    def padding(mask):
        return None if mask is None else ~torch.tensor(mask)

    length = target.shape[1]
    return module(
        source,
        target,
        tgt_mask=torch.triu(torch.ones(length, length, dtype=torch.bool), diagonal=1) if causal else None,
        src_key_padding_mask=padding(source_mask),
        tgt_key_padding_mask=padding(target_mask),
        memory_key_padding_mask=padding(memory_mask),
    )


MASKS = {
    "none": {},
    "causal": {"causal": True},
    "padding": {"source_mask": SOURCE_MASK, "target_mask": TARGET_MASK, "memory_mask": SOURCE_MASK},
    "all": {"source_mask": SOURCE_MASK, "target_mask": TARGET_MASK, "memory_mask": MEMORY_MASK, "causal": True},
}


@pytest.mark.parametrize(("norm_first", "activation"), [(False, "relu"), (True, "gelu")])
@pytest.mark.parametrize("masks", MASKS)
def test_same_numbers(norm_first, activation, masks):
    module = randomise(torch_transformer(norm_first=norm_first, activation=activation))
    layer = knz.layers.Transformer(**SIZES, normalize_first=norm_first, activation=activation)
    knz.interop.load_torch(layer, module)
    masks = dict(MASKS[masks])
    expected = call_torch(module, torch.tensor(SOURCE_VECTORS), torch.tensor(TARGET_VECTORS), **masks).detach()
    causal = masks.pop("causal", False)
    found = layer(SOURCE_VECTORS, TARGET_VECTORS, use_causal_mask=causal, **masks)
    np.testing.assert_allclose(numpy(found), expected, atol=1e-5)


def test_the_base_model_of_the_paper():
    """`torch.nn.Transformer(512, 8, 6, 6)` on a source of 10 and a target of 20 vectors, a batch of 32."""
    torch.manual_seed(0)
    module = nn.Transformer(512, 8, 6, 6).eval()
    with torch.no_grad():
        for parameter in module.parameters():  # biases and norms that are not what they begin with
            parameter.add_(0.05 * torch.randn(parameter.shape[-1]))
    layer = knz.layers.Transformer()
    knz.interop.load_torch(layer, module)
    source, target = torch.rand(10, 32, 512), torch.rand(20, 32, 512)  # the length first
    ours = [tensor.transpose(0, 1).numpy() for tensor in (source, target)]
    with torch.no_grad():
        expected = module(source, target).transpose(0, 1)
    np.testing.assert_allclose(numpy(layer(*ours, use_causal_mask=False)), expected, atol=1e-4)
    mask = np.arange(10) < np.array([10, 1, 7, 4])[:, None]
    hidden = {"src_key_padding_mask": torch.tensor(~mask), "memory_key_padding_mask": torch.tensor(~mask)}
    causal = nn.Transformer.generate_square_subsequent_mask(20)
    with torch.no_grad():
        expected = module(source[:, :4], target[:, :4], tgt_mask=causal < 0, **hidden).transpose(0, 1)
    found = layer(*(array[:4] for array in ours), source_mask=mask)
    np.testing.assert_allclose(numpy(found), expected, atol=1e-4)


@pytest.mark.parametrize("norm_first", [False, True])
def test_gradients(norm_first):
    module = randomise(torch_transformer(norm_first=norm_first, dropout=0.0)).train()
    layer = knz.layers.Transformer(**SIZES, normalize_first=norm_first)
    knz.interop.load_torch(layer, module)
    theirs = [torch.tensor(array, requires_grad=True) for array in (SOURCE_VECTORS, TARGET_VECTORS)]
    masks = MASKS["all"]
    weights = vectors(BATCH, TARGET, DIM)
    expected = (call_torch(module, *theirs, **masks) * torch.tensor(weights)).sum()
    expected.backward()

    def loss(source, target):
        found = layer(
            source, target, **{name: ops.convert_to_tensor(mask) for name, mask in masks.items() if name != "causal"}
        )
        return ops.sum(found * ops.convert_to_tensor(weights))

    value, found = gradients(loss, layer.trainable_variables, [SOURCE_VECTORS, TARGET_VECTORS])
    assert value == pytest.approx(float(expected.detach()), abs=1e-4)
    # torch's gradients, laid out as ours by the same conversion
    twin = knz.layers.Transformer(**SIZES, normalize_first=norm_first)
    knz.interop.load_torch(twin, {name: parameter.grad for name, parameter in module.named_parameters()})
    wanted = [*(numpy(weight) for weight in twin.trainable_variables), *(tensor.grad.numpy() for tensor in theirs)]
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4)


# === Parts, and other ways to hold the weights ===


def encoder_layer(**options):
    return nn.TransformerEncoderLayer(DIM, HEADS, WIDTH, batch_first=True, **options)


ENCODERS = {
    "without a norm": (lambda: nn.TransformerEncoder(encoder_layer(), LAYERS), {"final_norm": False}),
    "with a norm": (lambda: nn.TransformerEncoder(encoder_layer(), LAYERS, nn.LayerNorm(DIM)), {}),
    "without biases": (lambda: nn.TransformerEncoder(encoder_layer(bias=False), LAYERS), {"final_norm": False}),
    "one layer": (encoder_layer, {"num_layers": 1, "final_norm": False}),
    "twelve layers": (
        lambda: nn.TransformerEncoder(encoder_layer(), 12, nn.LayerNorm(DIM)),
        {"num_layers": 12},
    ),
}


@pytest.mark.parametrize("kind", ENCODERS)
def test_encoders(kind):
    torch.manual_seed(0)
    make, options = ENCODERS[kind]
    module = randomise(make())
    layer = knz.layers.TransformerEncoder(**{**SIZES, **options})
    if kind == "twelve layers":  # in the order of a file: 0, 1, 10, 11, 2
        knz.interop.load_torch(layer, {name: tensor.numpy() for name, tensor in sorted(module.state_dict().items())})
    else:
        knz.interop.load_torch(layer, module)
    expected = module(torch.tensor(SOURCE_VECTORS)).detach()
    np.testing.assert_allclose(numpy(layer(SOURCE_VECTORS)), expected, atol=1e-4)


def test_a_decoder():
    torch.manual_seed(0)
    layer = nn.TransformerDecoderLayer(DIM, HEADS, WIDTH, batch_first=True)
    module = randomise(nn.TransformerDecoder(layer, LAYERS))
    decoder = knz.layers.TransformerDecoder(**SIZES, final_norm=False)
    knz.interop.load_torch(decoder, module)
    expected = module(torch.tensor(TARGET_VECTORS), torch.tensor(SOURCE_VECTORS)).detach()
    found = decoder(TARGET_VECTORS, SOURCE_VECTORS, use_causal_mask=False)
    np.testing.assert_allclose(numpy(found), expected, atol=1e-4)


class Lists(nn.Module):
    """Blocks in lists of any name, one alone, and a norm that is nobody's."""

    def __init__(self):
        super().__init__()
        self.norm = nn.LayerNorm(DIM)
        self.first = encoder_layer()
        self.readers = nn.ModuleList([encoder_layer() for _ in range(LAYERS)])
        self.writers = nn.ModuleList(
            [nn.TransformerDecoderLayer(DIM, HEADS, WIDTH, batch_first=True) for _ in range(LAYERS)]
        )
        self.output = nn.Linear(DIM, 3)

    def forward(self, source, target):
        source = self.first(self.norm(source))
        for block in self.readers:
            source = block(source)
        for block in self.writers:
            target = block(target, source)
        return self.output(target)


def test_blocks_in_lists():
    torch.manual_seed(0)
    module = randomise(Lists())
    source, target = keras.Input((None, DIM)), keras.Input((None, DIM))
    options = {**SIZES, "final_norm": False}
    x = keras.layers.LayerNormalization(epsilon=1e-5)(source)
    x = knz.layers.TransformerEncoder(**{**options, "num_layers": 1})(x)
    x = knz.layers.TransformerEncoder(**options)(x)
    y = knz.layers.TransformerDecoder(**options)(target, x, use_causal_mask=False)
    model = keras.Model([source, target], keras.layers.Dense(3)(y))
    knz.interop.load_torch(model, module)
    expected = module(torch.tensor(SOURCE_VECTORS), torch.tensor(TARGET_VECTORS)).detach()
    np.testing.assert_allclose(numpy(model([SOURCE_VECTORS, TARGET_VECTORS])), expected, atol=1e-4)


class Translator(nn.Module):
    """As one writes it in PyTorch: the transformer is defined first, and the decoder's embedding before the other."""

    def __init__(self):
        super().__init__()
        self.transformer = torch_transformer()
        self.source = nn.Embedding(11, DIM)
        self.target = nn.Embedding(11, DIM)
        self.register_buffer("mask", torch.triu(torch.ones(TARGET, TARGET, dtype=torch.bool), 1), persistent=False)

    def forward(self, source, target, positions):
        source, target = (
            embedding(ids) * DIM**0.5 + positions[: ids.shape[1]]
            for embedding, ids in ((self.source, source), (self.target, target))
        )
        return self.transformer(source, target, tgt_mask=self.mask)


def test_a_whole_backbone():
    module = randomise(Translator())
    backbone = knz.models.TransformerBackbone(11, hidden_dim=DIM, tie_embeddings=False, **SIZES)
    knz.interop.load_torch(backbone, module)
    source, target = RANDOM.randint(0, 11, (BATCH, SOURCE)), RANDOM.randint(0, 11, (BATCH, TARGET))
    angles = np.arange(SOURCE)[:, None] / 10_000 ** (np.arange(0, DIM, 2) / DIM)
    positions = np.stack([np.sin(angles), np.cos(angles)], axis=-1).reshape(SOURCE, DIM)  # a sine, a cosine, a sine
    expected = module(torch.tensor(source), torch.tensor(target), torch.tensor(positions, dtype=torch.float32))
    found = backbone(
        {
            "encoder_token_ids": source,
            "encoder_padding_mask": np.ones_like(source),
            "decoder_token_ids": target,
            "decoder_padding_mask": np.ones_like(target),
        }
    )
    np.testing.assert_allclose(numpy(found["decoder_sequence_output"]), expected.detach(), atol=1e-5)


def test_layer_norm():
    module = randomise(nn.LayerNorm(DIM))
    layer = knz.layers.TransformerEncoder(1, 2, 4).norm
    knz.interop.load_torch(layer, module)
    expected = module(torch.tensor(SOURCE_VECTORS)).detach()
    np.testing.assert_allclose(numpy(layer(SOURCE_VECTORS)), expected, atol=1e-5)


# === What does not fit ===


def test_what_does_not_fit_is_listed_and_nothing_changes():
    layer = knz.layers.Transformer(**SIZES)
    knz.interop.load_torch(layer, torch_transformer())
    before = [numpy(weight) for weight in layer.weights]
    weights = randomise(torch_transformer()).state_dict()
    norm, bias = "decoder.norm.weight", "encoder.layers.1.self_attn.in_proj_bias"
    for wrong, message in (
        ({**weights, "output.weight": torch.zeros(3, 8)}, r"takes: output\.weight \(3, 8\)(.|\n)*fills: none"),
        ({n: w for n, w in weights.items() if n != norm}, r"decoder\.layers\.0\.norm3\.bias \(8,\)(.|\n)*query/kernel"),
        ({n: w for n, w in weights.items() if not n.startswith("encoder.")}, r"takes: none(.|\n)*block_1/attention"),
        ({**weights, bias: torch.zeros(25)}, r"encoder\.layers\.1\.self_attn\.in_proj_bias \(25,\)"),
        ({n: w for n, w in weights.items() if "decoder.layers.1" not in n}, r"decoder\.layers\.0(.|\n)*block_1"),
        ({**weights, "encoder.layers.0.norm3.weight": torch.ones(8)}, r"encoder\.layers\.0\.norm3\.weight"),
        (torch_transformer(layers=3), r"encoder\.layers\.2\.norm2\.bias(.|\n)*block_1"),
        ({n: w for n, w in weights.items() if "coder.norm" not in n}, r"encoder\.layers\.0(.|\n)*norm/gamma"),
    ):
        with pytest.raises(ValueError, match=message):
            knz.interop.load_torch(layer, wrong)
    for one, other in zip(before, layer.weights, strict=True):
        np.testing.assert_array_equal(one, numpy(other))


@pytest.mark.parametrize(
    ("theirs", "message"),
    [
        ({"heads": 4}, "num_heads=4, but Transformer .* with 2"),
        ({"norm_first": True}, "normalize_first=True, but Transformer .* with False"),
        ({"activation": nn.functional.gelu}, "activation=gelu, but Transformer .* with relu"),
        ({"layer_norm_eps": 1e-6}, "layer_norm_epsilon=1e-06, but Transformer .* with 1e-05"),
    ],
)
def test_options_that_no_weight_shows(theirs, message):
    layer = knz.layers.Transformer(**SIZES)
    with pytest.raises(ValueError, match=message):
        knz.interop.load_torch(layer, torch_transformer(**theirs))
    assert not layer.encoder.built
