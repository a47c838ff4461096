"""8. Transformer: attention alone, 512 wide, 8 heads, 6 + 6 layers; then dates, as people write them, to ISO."""

import keras
import numpy as np

import keras_nlp_zoo as knz

keras.utils.set_random_seed(0)
# (length, batch, width), as in PyTorch; Keras has the batch first
layer = knz.layers.Transformer(num_layers=6, num_heads=8, intermediate_dim=2048)
source, target = (np.random.normal(size=(length, 32, 512)) for length in (10, 20))
outputs = layer(source.transpose(1, 0, 2), target.transpose(1, 0, 2))
outputs = keras.ops.transpose(outputs, (1, 0, 2))
print("source (10, 32, 512), target (20, 32, 512) ->", tuple(outputs.shape))  # (20, 32, 512)

pairs, _ = knz.datasets.load("dates", size=8_000, language="en")
tokenizer = knz.Tokenizer.train(pairs["encoder_text"] + pairs["decoder_text"], kind="char", lowercase=True)
sizes = {"num_layers": 2, "num_heads": 4, "hidden_dim": 64, "intermediate_dim": 128, "dropout": 0.0}
model = knz.create_model("transformer", tokenizer=tokenizer, normalize_first=True, **sizes)
model.compile(knz.training.Adam(3e-3, beta_2=0.98))
model.fit(pairs, epochs=7, batch_size=64, verbose=2)
for date in ("Thursday, March 7, 2024", "the 21st of june, 1999"):
    print(date, "->", model.generate(date))
