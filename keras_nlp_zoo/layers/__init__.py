from keras_nlp_zoo.layers.pooling import SequencePooling
from keras_nlp_zoo.layers.recurrent import GRU, LSTM, RNN
from keras_nlp_zoo.layers.token_embedding import TokenEmbedding
from keras_nlp_zoo.layers.word_dropout import WordDropout

__all__ = ["GRU", "LSTM", "RNN", "SequencePooling", "TokenEmbedding", "WordDropout"]
