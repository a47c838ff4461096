"""Pictures of what a training did. Needs matplotlib (`pip install "keras_nlp_zoo[plots]"`)."""

import functools
import unicodedata
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from keras_nlp_zoo.text.inputs import as_numpy, as_text_list

__all__ = ["attention_map", "learning_curves"]

# Fonts that have Hangul, where one is needed: the first that is installed is taken before any other.
_HANGUL_FONTS = (
    "Noto Sans CJK KR|Noto Sans KR|NanumGothic|Nanum Gothic|Malgun Gothic|Apple SD Gothic Neo|AppleGothic|UnDotum|"
    "Baekmuk Dotum"
).split("|")
_LONGEST_LABEL = 24


def learning_curves(histories: Mapping[str, Any], path: Any = None, metric: str = "accuracy") -> Any:
    """Loss and a metric by epoch, a colour per model; training dashed, validation solid.

    Args:
        histories: dict from a model's name to the `History` that `fit` returned, or to its `history`.
        path: where to save the picture; the ending names the format. None saves nothing.
        metric: str. The metric beside the loss.

    Returns:
        The matplotlib `Figure`.

    Raises:
        ValueError: `histories` is empty, or one of them has no such metric.

    Example:
        history = classifier.fit(texts, labels, validation_split=0.1, epochs=5)
        knz.plots.learning_curves({"cnn": history}, "curves.png")
    """
    from matplotlib.figure import Figure  # optional, and slow to import

    if not histories:
        raise ValueError("`histories` is empty: there is nothing to draw.")
    figure = Figure(figsize=(10, 4), layout="constrained")
    axes = figure.subplots(1, 2)
    for axis, key in zip(axes, ("loss", metric), strict=True):
        for number, (name, history) in enumerate(histories.items()):
            curves = getattr(history, "history", history)
            if key not in curves:
                raise ValueError(f"`histories[{name!r}]` has no {key!r}. It has: {', '.join(curves)}")
            epochs = range(1, len(curves[key]) + 1)
            marker = {"marker": "o", "markersize": 3}
            axis.plot(epochs, curves[key], "--", color=f"C{number}", alpha=0.6, **marker)
            held_out = curves.get(f"val_{key}", [])
            axis.plot(epochs[: len(held_out)], held_out, color=f"C{number}", label=name, **marker)
        axis.set_xlabel("epoch")
        axis.set_title(key)
        axis.grid(alpha=0.3)
        axis.xaxis.get_major_locator().set_params(integer=True)
    axes[1].plot([], [], "--", color="grey", label="training")
    axes[1].plot([], [], color="grey", label="unseen")
    figure.legend(*axes[1].get_legend_handles_labels(), loc="outside right center")  # nothing lies beneath it
    if path is not None:
        figure.savefig(path, dpi=120)
    return figure


def attention_map(source_tokens: Sequence[str], target_tokens: Sequence[str], scores: Any, path: Any = None) -> Any:
    """Where a model looked: a row for each token written, a column for each token read, darker for more.

    Several layers and heads make a grid of such maps, a row for each layer and a column for each head, all on one
    scale. Labels in a script that the default font lacks (Hangul) use any installed font that has it; where none
    does, tokens are numbered and a warning says what to install.

    Args:
        source_tokens: list of str. The tokens read.
        target_tokens: list of str. The tokens written.
        scores: attention scores, `(target, source)` or `(layers, heads, target, source)`, an array or a tensor.
        path: where to save the picture; the ending names the format. None saves nothing.

    Returns:
        The matplotlib `Figure`.

    Raises:
        ValueError: `scores` are of another shape, or there is nothing to draw.
        TypeError: tokens that are not strings.

    Example:
        scores = np.array([[0.9, 0.1, 0.0], [0.1, 0.2, 0.7]])
        knz.plots.attention_map(["ich", "liebe", "dich"], ["i", "you"], scores, "attention.png")
    """
    from matplotlib.figure import Figure  # optional, and slow to import

    source_labels = [_label(token) for token in as_text_list(source_tokens, "source_tokens")]
    target_labels = [_label(token) for token in as_text_list(target_tokens, "target_tokens")]
    scores = as_numpy(scores).astype("float32")
    shape = (len(target_labels), len(source_labels))
    if scores.ndim not in (2, 4) or scores.shape[-2:] != shape or not scores.size:
        raise ValueError(
            f"`scores` must be (target, source) or (layers, heads, target, source), with {shape[0]} target and "
            f"{shape[1]} source tokens, none of them 0. Received: scores.shape={scores.shape}"
        )
    families, source_labels, target_labels = _readable(source_labels, target_labels)
    grid = scores.reshape(-1, *scores.shape[-3:]) if scores.ndim == 4 else scores[None, None]
    layers, heads = grid.shape[:2]

    single = layers * heads == 1
    figure = Figure(layout="compressed")
    maps = figure.subplots(layers, heads, squeeze=False)
    # Inches: a cell large enough to read its label, smaller ones in a grid.
    cell = 0.3 if single else min(0.2, max(0.08, 15 / (heads * shape[1])))
    width, height = heads * (shape[1] * cell + 0.15), layers * (shape[0] * cell + 0.15)
    labels = 0.6 * cell * max(map(len, source_labels + target_labels))
    figure.set_size_inches(width + labels + 1.2, height + labels + 0.5)
    font = {"fontsize": min(10, 55 * cell), "fontfamily": families, "parse_math": False}
    turn = {"rotation": 45, "ha": "left", "rotation_mode": "anchor"} if single else {"rotation": 90}
    largest = float(grid.max())
    for (layer, head), axis in np.ndenumerate(maps):
        image = axis.imshow(grid[layer, head], cmap="Blues", vmin=0, vmax=largest)
        axis.tick_params(length=0, top=True, labeltop=True, bottom=False, labelbottom=False)
        axis.set_xticks([])
        axis.set_yticks([])
        axis.spines[:].set_color("0.8")
        if layer == 0:
            axis.set_xticks(range(shape[1]), source_labels, **turn, **font)
            axis.set_title("" if single else f"head {head + 1}", fontsize=9)
        if head == 0:
            axis.set_yticks(range(shape[0]), target_labels, **font)
            axis.set_ylabel("" if single else f"layer {layer + 1}", fontsize=9)
    figure.colorbar(image, ax=maps, label="attention", shrink=0.6, aspect=30).outline.set_visible(False)
    if path is not None:
        figure.savefig(path, dpi=160)
    return figure


def _label(token: str) -> str:
    """A token as one short line: Hangul composed, what cannot be printed escaped."""
    text = unicodedata.normalize("NFC", token)
    text = "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)
    return text if len(text) <= _LONGEST_LABEL else text[: _LONGEST_LABEL - 1] + "…"


def _readable(source: list[str], target: list[str]) -> tuple[list[str], list[str], list[str]]:
    """The font families to draw the labels with, and the labels: numbered where no font has their letters."""
    from matplotlib import font_manager, rcParams

    families = list(rcParams["font.family"])
    missing = set("".join(source + target))
    for family in families:
        missing -= _letters(font_manager.findfont(font_manager.FontProperties(family=[family])))
    preference = {name: i for i, name in enumerate(_HANGUL_FONTS)}
    installed = sorted(font_manager.fontManager.ttflist, key=lambda font: preference.get(font.name, len(preference)))
    for font in installed if missing else ():
        found = missing & _letters(font.fname)
        if found:
            families.append(font.name)
            missing -= found
    if missing:
        _warn(", ".join(sorted({unicodedata.name(letter, "unnamed").split()[0] for letter in missing})))
        source, target = (
            [f"#{i}" if missing & set(label) else label for i, label in enumerate(labels, 1)]
            for labels in (source, target)
        )
    return families, source, target


@functools.cache
def _letters(path: str) -> frozenset[str]:
    """What a font can draw."""
    from matplotlib.ft2font import FT2Font

    try:
        font = FT2Font(path)
    except (OSError, RuntimeError):  # a font that FreeType cannot read
        return frozenset()
    letters = font.get_charmap()
    # Fonts of pictures (colour emoji) have no outlines, and matplotlib fails on them. A font has 65,535 glyphs at
    # most: one with more letters (Last Resort, which matplotlib brings) draws boxes that stand for them.
    return frozenset(map(chr, letters)) if font.scalable and len(letters) <= 65_535 else frozenset()


@functools.cache
def _warn(scripts: str) -> None:
    warnings.warn(
        f"No installed font has the letters of some tokens ({scripts}), so these are numbered (#1, #2, ...) in the "
        f"picture. Install a font that has them (for Korean e.g. Noto Sans CJK KR or NanumGothic), or register one "
        f"with `matplotlib.font_manager.fontManager.addfont(path)`.",
        stacklevel=4,
    )
