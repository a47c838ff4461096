"""Pictures of what a training did. Needs matplotlib (`pip install "keras_nlp_zoo[plots]"`)."""

from collections.abc import Mapping
from typing import Any


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
    axes[1].legend()
    if path is not None:
        figure.savefig(path, dpi=120)
    return figure
