"""7. Attention: softmax(Q K^T) V; then letters turned round by a decoder that looks where it needs to."""

import keras
import numpy as np

import keras_nlp_zoo as knz

keras.utils.set_random_seed(0)
query, key, value = (np.random.normal(size=shape) for shape in ((2, 4), (3, 4), (3, 4)))
weights = keras.ops.softmax(query @ key.T, axis=-1)
print("queries (2, 4), keys and values (3, 4) ->", tuple(keras.ops.matmul(weights, value).shape))  # (2, 4)

pairs, _ = knz.datasets.load("reversal", size=6000, max_length=8)
tokenizer = knz.Tokenizer.train(pairs["encoder_text"], kind="word")
model = knz.create_model("attention", tokenizer=tokenizer, embedding_dim=32, hidden_dim=64, dropout=0.0)
model.compile(knz.training.Adam(5e-3, global_clipnorm=1.0))
model.fit(pairs, epochs=4, batch_size=64, verbose=2)
print("k e r a s ->", model.generate("k e r a s"))
source, target, scores = model.attention("k e r a s")
print("    ", *(f"{token:>5}" for token in source))
for token, row in zip(target, scores, strict=True):
    print(f"{token:5}", *(f"{weight:5.2f}" for weight in row))
