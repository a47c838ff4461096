"""Presets of KerasHub: its tokenizers in the Rust library, and the heads of its classifiers."""

import unicodedata
from typing import Any

import keras
import keras_hub
import numpy as np
import tokenizers
from keras_hub.src.utils import preset_utils
from tokenizers import decoders, models, normalizers, pre_tokenizers

from keras_nlp_zoo.interop.gpt2 import gpt2_from_keras_hub
from keras_nlp_zoo.text.tokenizer import Tokenizer


class KerasHubPreset:
    """A preset that KerasHub wrote, or a backbone alone that this package did.

    Args:
        loader: KerasHub's preset loader of it.
        task_class: the class of the task that it holds, or None.
    """

    def __init__(self, loader: Any, task_class: Any = None):
        self.loader = loader
        self.preset = loader.preset
        self.task_class = task_class
        self._dense: Any = None

    def backbone(self, load_weights: bool, **kwargs: Any) -> Any:
        backbone = self.loader.load_backbone(self.loader.check_backbone_class(), load_weights, **kwargs)
        return gpt2_from_keras_hub(backbone) if type(backbone) is keras_hub.models.GPT2Backbone else backbone

    def tokenizer(self) -> Any:
        """Its tokenizer, see `convert_tokenizer`; None if there is none."""
        if not preset_utils.check_file_exists(self.preset, preset_utils.TOKENIZER_CONFIG_FILE):
            return None
        return convert_tokenizer(keras_hub.tokenizers.Tokenizer.from_preset(self.preset))

    def sequence_length(self) -> int | None:
        """That of its preprocessor."""
        if not preset_utils.check_file_exists(self.preset, preset_utils.PREPROCESSOR_CONFIG_FILE):
            return None
        config = preset_utils.load_json(self.preset, preset_utils.PREPROCESSOR_CONFIG_FILE)
        return config.get("config", {}).get("sequence_length")

    def head(self, architecture: str | None) -> dict[str, Any] | None:
        """Arguments for a task of ours, if the preset holds a classifier with one dense layer over `pooled_output`."""
        if architecture != "ForSequenceClassification" or self.task_class is None:
            return None
        if not issubclass(self.task_class, keras_hub.models.TextClassifier):
            return None
        task = self.loader.load_task(self.task_class, True, True)
        dense = [layer for layer in task.layers if isinstance(layer, keras.layers.Dense)]
        features = task.backbone.output
        if len(dense) != 1 or not isinstance(features, dict) or "pooled_output" not in features:
            return None
        self._dense = dense[0]
        return {"num_classes": task.num_classes, "dropout": task.dropout, "activation": dense[0].activation}

    def tensors(self, *names: str) -> list[np.ndarray]:
        """Weights of the head, by the names that Hugging Face has for them."""
        kernel, bias = (keras.ops.convert_to_numpy(variable) for variable in self._dense.weights)
        return [{"classifier.weight": kernel.T, "classifier.bias": bias}[name] for name in names]


def convert_tokenizer(tokenizer: Any) -> Any:
    """KerasHub's WordPiece and byte-pair tokenizers as a `knz.Tokenizer`, any other as it is.

    KerasHub's tokenize 1 to 3 thousand sentences a second and know no offsets. Its BERT tokenizers lower-case without
    stripping accents, which turns "café" into an unknown token; here they strip them, as BERT was trained, unless the
    vocabulary has letters with accents (or Hangul syllables, which are taken apart with them).
    """
    if isinstance(tokenizer, keras_hub.tokenizers.WordPieceTokenizer):
        if tokenizer.suffix_indicator != "##" or not tokenizer.split or tokenizer.oov_token is None:
            return tokenizer
        vocabulary = {token: i for i, token in enumerate(tokenizer.get_vocabulary())}
        rust = tokenizers.Tokenizer(models.WordPiece(vocabulary, unk_token=tokenizer.oov_token))
        without_accents = all(unicodedata.is_normalized("NFD", token) for token in vocabulary)
        rust.normalizer = normalizers.BertNormalizer(
            handle_chinese_chars=tokenizer.split_on_cjk,
            strip_accents=tokenizer.strip_accents or (tokenizer.lowercase and without_accents),
            lowercase=tokenizer.lowercase,
        )
        rust.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        rust.decoder = decoders.WordPiece()
        unknown = {"unknown_token": tokenizer.oov_token}
    elif isinstance(tokenizer, keras_hub.tokenizers.BytePairTokenizer):
        if tokenizer.add_prefix_space:
            return tokenizer
        merges = [tuple(merge.split(" ")) for merge in tokenizer.merges]
        rust = tokenizers.Tokenizer(models.BPE(dict(tokenizer.vocabulary), merges))
        rust.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        rust.decoder = decoders.ByteLevel()
        unknown = {}
    else:
        return tokenizer
    spelled = {f"{name}_token": _special(tokenizer, name) for name in ("pad", "start", "end", "mask")}
    special = {**unknown, **{name: token for name, token in spelled.items() if token is not None}}
    known = [tokenizers.AddedToken(token, special=True, normalized=False) for token in dict.fromkeys(special.values())]
    rust.add_special_tokens(known)
    return Tokenizer.wrap(rust, **special)


def _special(tokenizer: Any, name: str) -> str | None:
    token_id = getattr(tokenizer, f"{name}_token_id", None)
    token = None if token_id is None else tokenizer.id_to_token(token_id)
    if name == "pad" and token not in tokenizer.special_tokens:
        return _special(tokenizer, "end")  # GPT-2 is padded with the token 0, which is "!"
    return token
