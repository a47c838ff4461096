"""What tasks ask of the backbone below their head."""

from typing import Any


def check_vocabulary(backbone: Any, preprocessor: Any) -> None:
    """Raises a `ValueError` if the tokenizer has ids that the backbone has no embedding for."""
    tokenizer = getattr(preprocessor, "tokenizer", None)
    size = getattr(backbone, "vocabulary_size", None)
    if tokenizer is None or size is None or not getattr(tokenizer, "is_loaded", True):
        return
    if tokenizer.vocabulary_size() > size:
        raise ValueError(
            f"The tokenizer has ids from 0 to {tokenizer.vocabulary_size() - 1}, but the backbone was made for "
            f"vocabulary_size={size}."
        )


def token_vectors(backbone: Any, features: Any) -> Any:
    """Of a backbone's outputs the vectors of the tokens, or a `TypeError`."""
    if isinstance(features, dict) and "sequence_output" not in features:
        raise TypeError(f"`backbone` must give a vector for every token. Received: {type(backbone).__name__}")
    return features["sequence_output"] if isinstance(features, dict) else features


def default_dropout(backbone: Any) -> float:
    """Before a head: 0.5 over a backbone that is trained from scratch, BERT's 0.1 over one that comes trained."""
    return 0.1 if getattr(backbone, "default_optimizer", None) is None else 0.5


def freeze_pooler(backbone: Any) -> Any:
    """The backbone, its `pooled_output` not trained: nothing reads it in a task over tokens, so it has no gradient."""
    pooler = getattr(backbone, "pooled_dense", None)
    if pooler is not None:
        pooler.trainable = False
    return backbone
