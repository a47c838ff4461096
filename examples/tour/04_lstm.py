"""4. LSTM: a state with a memory beside it; then named entities, which take both sides of a word."""

import keras
import numpy as np

import keras_nlp_zoo as knz

keras.utils.set_random_seed(0)
layer = knz.layers.LSTM(128, return_sequences=True, return_state=True)
output, hidden, cell = layer(np.random.normal(size=(32, 20, 100)))
states = [(1, *state.shape) for state in (hidden, cell)]
print(
    "sequences (32, 20, 100) -> output", tuple(output.shape), "hidden and cell", *states
)  # (32, 20, 128) (1, 32, 128)

words, tags = knz.datasets.load("entities", size=600, language="en", format="words")
tokenizer = knz.Tokenizer.train([" ".join(text) for text in words], kind="wordpiece")
labels = ["date", "organisation", "person", "place"]
tagger = knz.create_model("lstm", "token_classifier", tokenizer=tokenizer, labels=labels, bidirectional=True)
tagger.fit(words, tags, epochs=10, verbose=2)
for entity in tagger.tag("Paris Jordan moved from Lima to Ashford in May 1987."):
    print(entity)
