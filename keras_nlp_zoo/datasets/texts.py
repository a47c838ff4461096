"""Real texts to learn to write."""

from keras_nlp_zoo.datasets.corpus import Corpus, File


def _read_tinyshakespeare(paths: dict[str, str], split: str) -> tuple[list[str], None]:
    with open(paths["input.txt"], encoding="utf-8", newline="\n") as file:
        text = file.read()
    at = int(0.9 * len(text))  # as everybody parts it
    return [text[:at] if split == "train" else text[at:]], None


TINYSHAKESPEARE = Corpus(
    name="tinyshakespeare",
    task="causal_lm",
    description="one text of 1,115,394 characters, scenes of Shakespeare; `validation` is its last tenth",
    splits=("train", "validation"),
    read=_read_tinyshakespeare,
    files=(
        File(
            "input.txt",
            "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt",
            "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
        ),
    ),
    licence="public domain",
    citation="Karpathy (2015), The Unreasonable Effectiveness of Recurrent Neural Networks.",
)
