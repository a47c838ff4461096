import re
import unicodedata

import keras
import matplotlib
import numpy as np
import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from matplotlib import font_manager

import keras_nlp_zoo as knz
from keras_nlp_zoo import plots

CURVES = {"loss": [0.7, 0.5, 0.4], "accuracy": [0.5, 0.7, 0.8], "val_loss": [0.7, 0.6, 0.6], "val_accuracy": [0.5] * 3}


def test_learning_curves(tmp_path):
    figure = knz.plots.learning_curves({"cnn": CURVES, "dnn": {"loss": [1.0], "accuracy": [0.5]}}, tmp_path / "a.png")
    loss, accuracy = figure.axes
    assert list(loss.lines[0].get_ydata()) == CURVES["loss"]
    assert list(loss.lines[1].get_ydata()) == CURVES["val_loss"]
    assert list(accuracy.lines[0].get_ydata()) == CURVES["accuracy"]
    assert list(loss.lines[0].get_xdata()) == [1, 2, 3]
    assert (tmp_path / "a.png").stat().st_size > 5000


def test_bad_histories():
    with pytest.raises(ValueError, match="`histories` is empty"):
        knz.plots.learning_curves({})
    with pytest.raises(ValueError, match=r"`histories\['cnn'\]` has no 'f1'"):
        knz.plots.learning_curves({"cnn": CURVES}, metric="f1")


SOURCE = ["ich", "liebe", "dich", "."]
TARGET = ["i", "love", "you"]
SCORES = np.random.default_rng(0).dirichlet(np.ones(4), size=(2, 3, 3))  # (layers, heads, target, source)


def panels(figure):
    """The maps, without the colour bar."""
    return [axis for axis in figure.axes if axis.get_images() and axis.get_label() != "<colorbar>"]


def labels(axis):
    texts = axis.get_xticklabels(), axis.get_yticklabels()
    return tuple([label.get_text() for label in side] for side in texts)


def test_attention_map(tmp_path):
    figure = knz.plots.attention_map(SOURCE, TARGET, SCORES[0, 0], tmp_path / "a.png")
    (axis,) = panels(figure)
    np.testing.assert_allclose(axis.get_images()[0].get_array(), SCORES[0, 0], rtol=1e-6)
    assert labels(axis) == (SOURCE, TARGET)
    assert (tmp_path / "a.png").stat().st_size > 5000


def test_attention_maps_of_layers_and_heads(tmp_path):
    figure = knz.plots.attention_map(SOURCE, TARGET, keras.ops.convert_to_tensor(SCORES), tmp_path / "a.pdf")
    found = panels(figure)
    assert len(found) == 6
    for axis, scores in zip(found, SCORES.reshape(6, 3, 4), strict=True):
        np.testing.assert_allclose(axis.get_images()[0].get_array(), scores, rtol=1e-6)
        # One scale for all, or a head that looks at everything alike would seem to look at something.
        assert axis.get_images()[0].get_clim() == (0, np.float32(SCORES.max()))
    assert [axis.get_title() for axis in found] == ["head 1", "head 2", "head 3", "", "", ""]
    assert [axis.get_ylabel() for axis in found] == ["layer 1", "", "", "layer 2", "", ""]
    assert [labels(axis) for axis in found[:4]] == [(SOURCE, TARGET), (SOURCE, []), (SOURCE, []), ([], TARGET)]


def font_with(letters, name, path):
    """Writes a font in which each letter is a black box."""
    builder = FontBuilder(1000)
    names = [f"letter{i}" for i in range(len(letters))]
    pen = TTGlyphPen(None)
    for move, point in (
        (pen.moveTo, (50, 0)),
        (pen.lineTo, (50, 800)),
        (pen.lineTo, (950, 800)),
        (pen.lineTo, (950, 0)),
    ):
        move(point)
    pen.closePath()
    box = pen.glyph()
    builder.setupGlyphOrder([".notdef", *names])
    builder.setupCharacterMap(dict(zip(map(ord, letters), names, strict=True)))
    builder.setupGlyf(dict.fromkeys([".notdef", *names], box))
    builder.setupHorizontalMetrics(dict.fromkeys([".notdef", *names], (1000, 50)))
    builder.setupHorizontalHeader(ascent=800, descent=-200)
    builder.setupNameTable({"familyName": name, "styleName": "Regular"})
    builder.setupOS2()
    builder.setupPost()
    builder.save(path)


@pytest.fixture
def fonts(monkeypatch):
    """Only the fonts that matplotlib brings, none of which has Hangul; the warning is as if never given."""
    manager = font_manager.fontManager
    brought = [font for font in manager.ttflist if font.fname.startswith(matplotlib.get_data_path())]
    monkeypatch.setattr(manager, "ttflist", brought)
    plots._warn.cache_clear()
    yield manager
    plots._warn.cache_clear()


KOREAN = ["나는", "너를", "사랑해", "."]


def test_korean_labels_use_fonts_that_have_hangul(fonts, tmp_path, monkeypatch):
    for name, letters in (("Test Half", "나는가"), ("Test Most", "나는너를사랑"), ("Test One", "해")):
        font_with(letters, name, tmp_path / f"{name}.ttf")
        fonts.addfont(tmp_path / f"{name}.ttf")
    monkeypatch.setattr(plots, "_HANGUL_FONTS", ["Test Most"])  # the fonts made for Hangul come first
    tokens = [unicodedata.normalize("NFD", KOREAN[0]), *KOREAN[1:]]  # a word typed as separate jamo is the same word
    figure = knz.plots.attention_map(tokens, TARGET, SCORES[0, 0], tmp_path / "a.png")  # a missing glyph would warn
    (axis,) = panels(figure)
    assert labels(axis) == (KOREAN, TARGET)
    families = [*matplotlib.rcParams["font.family"], "Test Most", "Test One"]
    assert axis.get_xticklabels()[0].get_fontfamily() == families


def test_no_font_has_hangul(fonts, tmp_path):
    with pytest.warns(UserWarning, match=r"No installed font has the letters of some tokens \(HANGUL\)") as caught:
        figure = knz.plots.attention_map(KOREAN, TARGET, SCORES[0, 0], tmp_path / "a.png")
    assert len(caught) == 1
    assert labels(panels(figure)[0]) == (["#1", "#2", "#3", "."], TARGET)
    knz.plots.attention_map(KOREAN, TARGET, SCORES[0, 0], tmp_path / "a.png")  # once is enough


def test_any_token_is_a_label(fonts, tmp_path):
    tokens = ["$\\nope$", "\n", "\x00", "\ud83d", "", "a" * 1000, "_^{\\", "[END]"]
    scores = np.eye(len(tokens))
    figure = knz.plots.attention_map(tokens, tokens, scores, tmp_path / "a.png")
    assert labels(panels(figure)[0])[0] == [
        "$\\nope$", "\\n", "\\x00", "\\ud83d", "", "a" * 23 + "…", "_^{\\", "[END]",
    ]  # fmt: skip


def test_pictures_leave_no_global_state():
    from matplotlib import pyplot

    before = dict(matplotlib.rcParams)
    knz.plots.attention_map(SOURCE, TARGET, SCORES)
    assert pyplot.get_fignums() == []
    assert dict(matplotlib.rcParams) == before


@pytest.mark.parametrize(
    "shape", [(4, 3), (3, 3), (3,), (1, 3, 4), (2, 3, 4, 3), (2, 0, 3, 4)], ids=lambda shape: "x".join(map(str, shape))
)
def test_bad_scores(shape):
    message = (
        rf"`scores` must be \(target, source\) or .* 3 target and 4 source .* scores.shape={re.escape(str(shape))}"
    )
    with pytest.raises(ValueError, match=message):
        knz.plots.attention_map(SOURCE, TARGET, np.zeros(shape))


def test_bad_tokens():
    with pytest.raises(ValueError, match="`scores` must be"):
        knz.plots.attention_map([], TARGET, np.zeros((3, 0)))
    with pytest.raises(TypeError, match=r"`target_tokens` must hold strings. Item 1 is 2 of type int"):
        knz.plots.attention_map(SOURCE, ["i", 2, "you"], SCORES[0, 0])
