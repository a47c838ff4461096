from keras_nlp_zoo.text.preprocessor import TextPreprocessor
from keras_nlp_zoo.text.sources import TextFiles
from keras_nlp_zoo.text.tokenizer import Encoding, Tokenizer

__all__ = ["Encoding", "TextFiles", "TextPreprocessor", "Tokenizer"]
