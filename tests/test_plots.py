import pytest

import keras_nlp_zoo as knz

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
