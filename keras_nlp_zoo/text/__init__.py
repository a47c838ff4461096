from keras_nlp_zoo.text.causal_lm_preprocessor import CausalLMPreprocessor
from keras_nlp_zoo.text.masking_preprocessor import MaskingPreprocessor
from keras_nlp_zoo.text.preprocessor import TextPreprocessor
from keras_nlp_zoo.text.question_preprocessor import QuestionPreprocessor
from keras_nlp_zoo.text.seq2seq_preprocessor import Seq2SeqPreprocessor
from keras_nlp_zoo.text.sources import TextFiles
from keras_nlp_zoo.text.tagging_preprocessor import TaggingPreprocessor
from keras_nlp_zoo.text.tokenizer import Encoding, Tokenizer

__all__ = [
    "CausalLMPreprocessor",
    "Encoding",
    "MaskingPreprocessor",
    "QuestionPreprocessor",
    "Seq2SeqPreprocessor",
    "TaggingPreprocessor",
    "TextFiles",
    "TextPreprocessor",
    "Tokenizer",
]
