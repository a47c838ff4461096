from keras_nlp_zoo.tasks.seq2seq_lm import Seq2SeqLM
from keras_nlp_zoo.tasks.text_classifier import TextClassifier

__all__ = ["Seq2SeqLM", "TextClassifier"]
