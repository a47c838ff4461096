from keras_nlp_zoo.models.bert import BertBackbone
from keras_nlp_zoo.models.cnn import CNNBackbone
from keras_nlp_zoo.models.dnn import DNNBackbone
from keras_nlp_zoo.models.gpt2 import GPT2Backbone
from keras_nlp_zoo.models.gru import GRUBackbone
from keras_nlp_zoo.models.lstm import LSTMBackbone
from keras_nlp_zoo.models.rnn import RNNBackbone
from keras_nlp_zoo.models.seq2seq import Seq2SeqBackbone
from keras_nlp_zoo.models.transformer import TransformerBackbone
from keras_nlp_zoo.models.transformer_parts import TransformerDecoderBackbone, TransformerEncoderBackbone

__all__ = [
    "BertBackbone",
    "CNNBackbone",
    "DNNBackbone",
    "GPT2Backbone",
    "GRUBackbone",
    "LSTMBackbone",
    "RNNBackbone",
    "Seq2SeqBackbone",
    "TransformerBackbone",
    "TransformerDecoderBackbone",
    "TransformerEncoderBackbone",
]
