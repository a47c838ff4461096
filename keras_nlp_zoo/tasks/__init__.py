from keras_nlp_zoo.tasks.text_classifier import TextClassifier

__all__ = ["TextClassifier"]
