from keras_nlp_zoo.models.cnn import CNNBackbone
from keras_nlp_zoo.models.dnn import DNNBackbone
from keras_nlp_zoo.models.gru import GRUBackbone
from keras_nlp_zoo.models.lstm import LSTMBackbone
from keras_nlp_zoo.models.rnn import RNNBackbone

__all__ = ["CNNBackbone", "DNNBackbone", "GRUBackbone", "LSTMBackbone", "RNNBackbone"]
