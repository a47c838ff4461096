"""6. Seq2Seq: what one LSTM has read, another writes down; then letters, to be turned round through one vector."""

import keras
import numpy as np

import keras_nlp_zoo as knz

keras.utils.set_random_seed(0)
encoder = knz.layers.LSTM(256, return_state=True)
decoder = knz.layers.LSTM(256, return_sequences=True)
_, *states = encoder(np.random.normal(size=(32, 10, 100)))
outputs = decoder(np.random.normal(size=(32, 12, 100)), initial_state=states)
print("source (32, 10, 100), target (32, 12, 100) ->", tuple(outputs.shape))  # (32, 12, 256)

pairs, _ = knz.datasets.load("reversal", size=6000, max_length=6)
tokenizer = knz.Tokenizer.train(pairs["encoder_text"], kind="word")
model = knz.create_model("seq2seq", tokenizer=tokenizer, embedding_dim=32, hidden_dim=128, dropout=0.0)
model.compile(knz.training.Adam(5e-3, global_clipnorm=1.0))
model.fit(pairs, epochs=8, batch_size=64, verbose=2)
for source in ("a b c", "k e r a s"):
    print(source, "->", model.generate(source))
