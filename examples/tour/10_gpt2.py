"""10. GPT: the next word from those before it, again and again. `10_gpt2.py gpt2_base_en` starts from a preset."""

import sys

import keras

import keras_nlp_zoo as knz

keras.utils.set_random_seed(0)
prompt = "Artificial Intelligence is"
if len(sys.argv) > 1:
    model = knz.create_model("gpt2", preset=sys.argv[1])
else:  # a small one, trained on sentences about the prompt and on film reviews
    subjects, things = ("Artificial Intelligence", "the plot", "language"), ("changing", "superb", "new", "not dull")
    texts = [f"{subject} is {a} and {b} ." for subject in subjects for a in things for b in things] * 8
    texts += knz.datasets.load("reviews", size=400)[0]
    tokenizer = knz.Tokenizer.train(texts, kind="byte_bpe", vocabulary_size=600)
    sizes = {"num_layers": 2, "num_heads": 4, "hidden_dim": 64, "intermediate_dim": 256, "max_sequence_length": 64}
    model = knz.create_model("gpt2", tokenizer=tokenizer, **sizes)
    model.compile(knz.training.AdamW(3e-3))
    model.fit(texts, epochs=4, verbose=2)
tokens = model.preprocessor.encode_prompts([prompt])[0]
print(prompt, "->", len(tokens), "tokens, continued to at most 30:")
for piece in model.stream(prompt, max_length=30, sampler="top_k", seed=0):
    print(piece, end="", flush=True)
print()
