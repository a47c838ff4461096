"""2. CNN: 128 filters over three steps of a sequence at a time; then reviews, by their n-grams."""

import keras
import numpy as np

import keras_nlp_zoo as knz

keras.utils.set_random_seed(0)
sequences = np.random.normal(size=(32, 100, 50))  # (batch, channels, length), as in PyTorch; Keras has channels last
outputs = keras.layers.Conv1D(128, 3)(sequences.transpose(0, 2, 1))
print("sequences (32, 100, 50) ->", tuple(keras.ops.transpose(outputs, (0, 2, 1)).shape))  # (32, 128, 48)

texts, labels = knz.datasets.load("reviews", size=2000)
tokenizer = knz.Tokenizer.train(texts, kind="word")
classifier = knz.create_model("cnn", tokenizer=tokenizer, labels=["negative", "positive"])
classifier.fit(texts, labels, validation_split=0.1, epochs=4, verbose=2)
for text in ("the plot was superb", "the plot was not superb"):
    print(text, "->", classifier.classify(text))
