from keras_nlp_zoo.metrics.generation import GenerationMetrics
from keras_nlp_zoo.metrics.perplexity import Perplexity
from keras_nlp_zoo.metrics.text import Score, bleu, chrf, exact_match
from keras_nlp_zoo.metrics.token_accuracy import TokenAccuracy

__all__ = ["GenerationMetrics", "Perplexity", "Score", "TokenAccuracy", "bleu", "chrf", "exact_match"]
