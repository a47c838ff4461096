"""How models are run beyond what Keras does: predictions, recorded steps. A file for one backend bears its name."""
