from keras_nlp_zoo.layers.attention_decoder import AttentionDecoder
from keras_nlp_zoo.layers.crf import CRF
from keras_nlp_zoo.layers.dropout import Dropout
from keras_nlp_zoo.layers.pooling import SequencePooling
from keras_nlp_zoo.layers.positions import PositionEncoding
from keras_nlp_zoo.layers.recurrent import GRU, LSTM, RNN
from keras_nlp_zoo.layers.token_embedding import TokenEmbedding
from keras_nlp_zoo.layers.transformer import Transformer
from keras_nlp_zoo.layers.transformer_decoder import TransformerDecoder
from keras_nlp_zoo.layers.transformer_encoder import TransformerEncoder
from keras_nlp_zoo.layers.word_dropout import WordDropout

__all__ = [
    "CRF",
    "GRU",
    "LSTM",
    "RNN",
    "AttentionDecoder",
    "Dropout",
    "PositionEncoding",
    "SequencePooling",
    "TokenEmbedding",
    "Transformer",
    "TransformerDecoder",
    "TransformerEncoder",
    "WordDropout",
]
