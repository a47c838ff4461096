"""1. DNN: five vectors of 100 numbers to two classes; then reviews, each the average of its words' vectors."""

import keras
import numpy as np

import keras_nlp_zoo as knz

keras.utils.set_random_seed(0)
layers = [keras.layers.Dense(64, "relu"), keras.layers.Dense(32, "relu"), keras.layers.Dense(2)]
network = keras.Sequential(layers)
print("vectors (5, 100) ->", tuple(network(np.random.normal(size=(5, 100))).shape))  # (5, 2)

texts, labels = knz.datasets.load("reviews", size=4000)
tokenizer = knz.Tokenizer.train(texts, kind="word")
classifier = knz.create_model("dnn", tokenizer=tokenizer, labels=["negative", "positive"])
classifier.fit(texts, labels, validation_split=0.1, epochs=5, verbose=2)
for text in ("the plot was superb", "the plot was not superb"):
    print(text, "->", classifier.classify(text))
