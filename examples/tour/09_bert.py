"""9. BERT: a vector for every word from both of its sides; then sentiment. `09_bert.py PRESET` starts from a preset."""

import sys

import keras

import keras_nlp_zoo as knz

keras.utils.set_random_seed(0)
labels = ["negative", "positive"]
texts, y = knz.datasets.load("reviews", size=3000)
if len(sys.argv) > 1:
    model = knz.create_model("bert", preset=sys.argv[1], labels=labels)
else:  # the size of bert-base, which then learns nothing in seconds, only for its shapes
    tokenizer = knz.Tokenizer.train([*texts, "I love natural language processing."], kind="wordpiece", lowercase=True)
    model = knz.create_model("bert", tokenizer=tokenizer, labels=labels)
inputs = model.preprocessor(["I love natural language processing."])
outputs = model.backbone({key: value[:, :8] for key, value in inputs.items()})
print("I love natural language processing. ->", tuple(outputs["sequence_output"].shape))  # (1, 8, 768)

if len(sys.argv) < 2:
    sizes = {"num_layers": 2, "num_heads": 4, "hidden_dim": 64, "intermediate_dim": 256}
    model = knz.create_model("bert", tokenizer=tokenizer, labels=labels, **sizes)
    model.compile(knz.training.AdamW(1e-3))
model.fit(texts, y, validation_split=0.1, epochs=4 if len(sys.argv) < 2 else 1, verbose=2)
for text in ("the plot was superb", "the plot was not superb"):
    print(text, "->", model.classify(text))
