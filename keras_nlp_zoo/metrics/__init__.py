from keras_nlp_zoo.metrics.answer_metrics import AnswerMetrics
from keras_nlp_zoo.metrics.answers import AnswerScores, squad
from keras_nlp_zoo.metrics.generation_metrics import GenerationMetrics
from keras_nlp_zoo.metrics.perplexity import Perplexity
from keras_nlp_zoo.metrics.span_metrics import SpanMetrics
from keras_nlp_zoo.metrics.spans import LabelScore, SpanScores, span_f1, spans
from keras_nlp_zoo.metrics.text import Score, bleu, chrf, exact_match
from keras_nlp_zoo.metrics.token_accuracy import TokenAccuracy

__all__ = [
    "AnswerMetrics",
    "AnswerScores",
    "GenerationMetrics",
    "LabelScore",
    "Perplexity",
    "Score",
    "SpanMetrics",
    "SpanScores",
    "TokenAccuracy",
    "bleu",
    "chrf",
    "exact_match",
    "span_f1",
    "spans",
    "squad",
]
