from keras_nlp_zoo.text.preprocessor import TextPreprocessor
from keras_nlp_zoo.text.seq2seq_preprocessor import Seq2SeqPreprocessor
from keras_nlp_zoo.text.sources import TextFiles
from keras_nlp_zoo.text.tokenizer import Encoding, Tokenizer

__all__ = ["Encoding", "Seq2SeqPreprocessor", "TextFiles", "TextPreprocessor", "Tokenizer"]
