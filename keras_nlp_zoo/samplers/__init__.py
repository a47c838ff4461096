from keras_nlp_zoo.samplers.beam_search import BeamSearch

__all__ = ["BeamSearch"]
