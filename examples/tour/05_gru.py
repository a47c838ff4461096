"""5. GRU: the LSTM with two gates and no memory of its own; then a text that it writes letter by letter."""

import keras
import numpy as np

import keras_nlp_zoo as knz

keras.utils.set_random_seed(0)
layer = knz.layers.GRU(128, return_sequences=True, return_state=True)
output, hidden = layer(np.random.normal(size=(16, 30, 100)))
print(
    "sequences (16, 30, 100) -> output", tuple(output.shape), "hidden", (1, *hidden.shape)
)  # (16, 30, 128) (1, 16, 128)

texts, _ = knz.datasets.load("reviews", size=1000)
tokenizer = knz.Tokenizer.train(texts, kind="char")
writer = knz.create_model("gru", "causal_lm", tokenizer=tokenizer, embedding_dim=32, hidden_dim=256, dropout=0.0)
writer.compile(knz.training.Adam(3e-3, global_clipnorm=1.0))
writer.fit(texts, epochs=4, verbose=2)
print(writer.generate(["the plot", "the music"], max_length=80, sampler="top_k", seed=0))
