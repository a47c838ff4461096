"""3. RNN: a state of 64 numbers that reads 20 steps; then reviews, word by word."""

import keras
import numpy as np

import keras_nlp_zoo as knz

keras.utils.set_random_seed(0)
layer = knz.layers.RNN(64, return_sequences=True, return_state=True)
output, hidden = layer(np.random.normal(size=(32, 20, 100)))
print(
    "sequences (32, 20, 100) -> output", tuple(output.shape), "hidden", (1, *hidden.shape)
)  # (32, 20, 64) (1, 32, 64)

texts, labels = knz.datasets.load("reviews", size=4000)
tokenizer = knz.Tokenizer.train(texts, kind="word")
classifier = knz.create_model("rnn", tokenizer=tokenizer, labels=["negative", "positive"])
classifier.fit(texts, labels, validation_split=0.1, epochs=8, verbose=2)
for text in ("the plot was superb", "the plot was not superb"):
    print(text, "->", classifier.classify(text))
