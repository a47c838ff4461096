from keras_nlp_zoo.tasks.causal_lm import CausalLM
from keras_nlp_zoo.tasks.masked_lm import MaskedLM
from keras_nlp_zoo.tasks.question_answering import QuestionAnswering
from keras_nlp_zoo.tasks.seq2seq_lm import Seq2SeqLM
from keras_nlp_zoo.tasks.text_classifier import TextClassifier
from keras_nlp_zoo.tasks.token_classifier import TokenClassifier

__all__ = ["CausalLM", "MaskedLM", "QuestionAnswering", "Seq2SeqLM", "TextClassifier", "TokenClassifier"]
