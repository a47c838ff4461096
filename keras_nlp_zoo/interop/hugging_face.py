"""Checkpoints of Hugging Face: what KerasHub's converters leave out or get wrong.

KerasHub makes the backbone and copies its weights. From here come the tokenizer (the checkpoint's own, run by the
Rust library that `transformers` runs), BERT's activation, dropout and epsilon, the longest sequence, and the heads of
tasks.
"""

import re
from typing import Any

import numpy as np
import safetensors
import tokenizers
from keras_hub.src.utils import preset_utils
from keras_hub.src.utils.transformers.safetensor_utils import SafetensorLoader
from tokenizers import decoders, models, normalizers, pre_tokenizers

from keras_nlp_zoo.interop.gpt2 import gpt2_from_hugging_face
from keras_nlp_zoo.models.bert import BertBackbone
from keras_nlp_zoo.text.tokenizer import Tokenizer

# The names of activations in `config.json` that Keras calls otherwise.
ACTIVATIONS = {"gelu_new": "gelu_approximate", "gelu_pytorch_tanh": "gelu_approximate", "gelu_python": "gelu"}
# Special tokens here: what they are called there, and how they are spelled where nothing is said.
KNOWN_SPELLINGS = {
    "pad_token": (("pad_token",), ("[PAD]", "<pad>")),
    "unknown_token": (("unk_token",), ("[UNK]", "<unk>", "<|endoftext|>")),
    "start_token": (("cls_token", "bos_token"), ("[CLS]", "<s>", "<|endoftext|>")),
    "end_token": (("sep_token", "eos_token"), ("[SEP]", "</s>", "<|endoftext|>")),
    "mask_token": (("mask_token",), ("[MASK]", "<mask>")),
}
# A tokenizer without a limit has 1e30 in its config.
NO_LIMIT = 1_000_000


class HuggingFaceCheckpoint:
    """A checkpoint of Hugging Face: a local directory, or `hf://...`.

    Args:
        loader: KerasHub's preset loader of it.
    """

    def __init__(self, loader: Any):
        self.loader = loader
        self.preset = loader.preset
        self.config = loader.config

    def backbone(self, load_weights: bool, **kwargs: Any) -> Any:
        """KerasHub's backbone; of BERT ours, with the activation and the dropout it was trained with, and of GPT-2."""
        if self.config["model_type"] == "gpt2":
            activation = self.config.get("activation_function", "gelu_new")
            with _Weights(self.preset) as weights:
                read = weights.get_tensor if load_weights else None
                return gpt2_from_hugging_face(self.config, read, ACTIVATIONS.get(activation, activation), **kwargs)
        if self.config["model_type"] != "bert":
            return self.loader.load_backbone(self.loader.check_backbone_class(), load_weights, **kwargs)
        if self.config.get("position_embedding_type", "absolute") != "absolute":
            raise ValueError(
                f"its positions are {self.config['position_embedding_type']!r}; only absolute ones are known"
            )
        converter = self.loader.converter
        activation = self.config.get("hidden_act", "gelu")
        backbone = BertBackbone(
            **converter.convert_backbone_config(self.config),
            num_segments=self.config.get("type_vocab_size", 2),
            dropout=self.config.get("hidden_dropout_prob", 0.1),
            activation=ACTIVATIONS.get(activation, activation),
            layer_norm_epsilon=self.config.get("layer_norm_eps", 1e-12),
            **kwargs,
        )
        if load_weights:
            # BERTs that tag or answer are saved without a pooler; it stays random then.
            skip = () if self.names("pooler.dense.weight") else ("pooler.",)
            with _Weights(self.preset, skip) as weights:
                converter.convert_weights(backbone, weights, self.config)
        return backbone

    def tokenizer(self) -> Tokenizer | None:
        """The checkpoint's tokenizer, or None where only its SentencePiece model is there."""
        settings = self._json("tokenizer_config.json")
        forms: dict[tuple[str, ...], Any] = {
            ("tokenizer.json",): lambda path, _: tokenizers.Tokenizer.from_file(path),
            ("vocab.txt",): _bert_tokenizer,
            ("vocab.json", "merges.txt"): _byte_tokenizer,
        }
        names = next((names for names in forms if all(self._exists(name) for name in names)), None)
        if names is None:
            return None
        files = [preset_utils.get_file(self.preset, name) for name in names]
        try:
            rust = forms[names](*files, settings)
        except Exception as error:  # the library raises a bare Exception for anything wrong with a file
            raise ValueError(f"its {' or '.join(names)} is damaged: {error}") from error
        named = {**self._json("special_tokens_map.json"), **settings}
        found = {name: _spelling(rust, named, *known) for name, known in KNOWN_SPELLINGS.items()}
        # GPT-2 has one special token, for everything.
        found["pad_token"] = found["pad_token"] or found["end_token"]
        found = {name: token for name, token in found.items() if token is not None}
        rust.add_special_tokens([tokenizers.AddedToken(t, special=True, normalized=False) for t in set(found.values())])
        return Tokenizer.wrap(rust, **found)

    def sequence_length(self) -> int | None:
        """The most tokens that both the model's config and the tokenizer's allow."""
        positions = self.config.get("max_position_embeddings") or self.config.get("n_positions")
        limits = [positions, self._json("tokenizer_config.json").get("model_max_length")]
        return min((int(limit) for limit in limits if limit and limit < NO_LIMIT), default=None)

    def head(self, architecture: str | None) -> dict[str, Any] | None:
        """Arguments for a task, if the checkpoint is BERT with a head of this architecture (`"ForMaskedLM"`, ...)."""
        wanted = {f"Bert{architecture}", *(["BertForPreTraining"] if architecture == "ForMaskedLM" else [])}
        if architecture is None or not wanted & {*(self.config.get("architectures") or [])}:
            return None
        if architecture not in ("ForSequenceClassification", "ForTokenClassification"):
            return {}
        names = self.config.get("id2label") or {"0": "LABEL_0", "1": "LABEL_1"}
        labels = [names[key] for key in sorted(names, key=int)]
        if architecture == "ForTokenClassification" and not all(re.fullmatch("O|[BIES]-.*", name) for name in labels):
            return {"labels": labels, "scheme": None}  # parts of speech, say, and not entities
        return {"labels": labels}

    def tensors(self, *names: str) -> list[np.ndarray]:
        """Weights by their names."""
        with _Weights(self.preset) as weights:
            return [weights.get_tensor(name) for name in names]

    def names(self, part: str) -> list[str]:
        """The names of the weights that have this in them."""
        if self._exists(preset_utils.SAFETENSOR_CONFIG_FILE):
            names = self._json(preset_utils.SAFETENSOR_CONFIG_FILE)["weight_map"]
        else:
            path = preset_utils.get_file(self.preset, preset_utils.SAFETENSOR_FILE)
            with safetensors.safe_open(path, framework="np") as file:
                names = list(file.keys())
        return [name for name in names if part in name]

    def _exists(self, name: str) -> bool:
        return preset_utils.check_file_exists(self.preset, name)

    def _json(self, name: str) -> dict[str, Any]:
        return preset_utils.load_json(self.preset, name) if self._exists(name) else {}


class _Weights(SafetensorLoader):
    """KerasHub's reader, with names that begin with one of `skip` left out."""

    def __init__(self, preset: str, skip: tuple[str, ...] = ()):
        super().__init__(preset)
        self.skip = skip

    def port_weight(self, keras_variable: Any, hf_weight_key: str, hook_fn: Any = None) -> None:
        if not hf_weight_key.startswith(self.skip or "\0"):
            super().port_weight(keras_variable, hf_weight_key, hook_fn)


def _spelling(rust: tokenizers.Tokenizer, named: dict[str, Any], keys: Any, usual: Any) -> str | None:
    for key in keys:
        token = named.get(key)
        token = token.get("content") if isinstance(token, dict) else token
        if token is not None and rust.token_to_id(token) is not None:
            return token
    return next((token for token in usual if rust.token_to_id(token) is not None), None)


def _byte_tokenizer(vocabulary_file: str, merges_file: str, settings: dict[str, Any]) -> tokenizers.Tokenizer:
    rust = tokenizers.Tokenizer(models.BPE.from_file(vocabulary_file, merges_file))
    rust.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=settings.get("add_prefix_space", False))
    rust.decoder = decoders.ByteLevel()
    return rust


def _bert_tokenizer(vocabulary_file: str, settings: dict[str, Any]) -> tokenizers.Tokenizer:
    rust = tokenizers.Tokenizer(models.WordPiece.from_file(vocabulary_file, unk_token="[UNK]"))
    rust.normalizer = normalizers.BertNormalizer(
        handle_chinese_chars=settings.get("tokenize_chinese_chars", True),
        strip_accents=settings.get("strip_accents"),  # None: if it lower-cases
        lowercase=settings.get("do_lower_case", True),
    )
    rust.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    rust.decoder = decoders.WordPiece()
    return rust
