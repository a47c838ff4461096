"""Trains an encoder-decoder, shows where it looks, and translates sentences.

    python examples/translate.py
    python examples/translate.py --model attention --dataset dates "Thursday, March 7, 2024" "2024년 3월 7일"
    python examples/translate.py --model transformer --dataset multi30k "Ein Hund läuft durch den Schnee."

dates (as people write them, English and Korean, to 2024-03-07) and reversal (letters, to be written backwards) are
generated; multi30k (captions, German to English) comes from the folder named by KERAS_NLP_ZOO_DATA or is downloaded
once. Writes a preset and, for models that attend, a picture of an attention map into a folder. On two cores one or
two minutes for reversal, up to four for dates, an hour or more for multi30k. What to expect: see the README beside
this file.
"""

import argparse
import os
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras

import keras_nlp_zoo as knz

DATES = ["Thursday, March 7, 2024", "the 21st of june, 1999", "2031년 12월 25일", "이천이십사년 삼월 칠일"]
LETTERS = ["a b c d e", "k e r a s"]
CAPTIONS = ["Ein Hund läuft durch den Schnee.", "Zwei Kinder spielen auf einer Wiese mit einem roten Ball."]

# Arguments of the tokenizer and of the models for what is written in characters or letters, and for sentences.
SMALL = {
    "seq2seq": {"embedding_dim": 64, "hidden_dim": 256, "dropout": 0.1},
    "attention": {"embedding_dim": 64, "hidden_dim": 128, "dropout": 0.1},
    "transformer": {
        "num_layers": 2,
        "num_heads": 4,
        "hidden_dim": 96,
        "intermediate_dim": 192,
        "dropout": 0.0,
        "normalize_first": True,
    },
}
LARGE = {
    "seq2seq": {"cell": "gru", "embedding_dim": 256, "hidden_dim": 512, "dropout": 0.2},
    "attention": {"embedding_dim": 256, "hidden_dim": 256, "dropout": 0.5},
    "transformer": {"num_layers": 3, "num_heads": 4, "hidden_dim": 256, "intermediate_dim": 512, "dropout": 0.3},
}
TASKS = {
    "dates": (DATES, {"kind": "char", "lowercase": True}, SMALL, {"size": 30_000}),
    "reversal": (LETTERS, {"kind": "word"}, SMALL, {"size": 10_000}),
    "multi30k": (CAPTIONS, {"kind": "bpe", "vocabulary_size": 8000, "lowercase": True}, LARGE, {}),
}

# Where another number of pairs, of epochs (not five) or of pairs in a batch (not 64) does better or suffices.
SIZES = {("dates", "attention"): 25_000, ("dates", "transformer"): 55_000, ("reversal", "attention"): 7000}
BATCH_SIZES = {("dates", "transformer"): 32}
EPOCHS = {
    ("reversal", "attention"): 3,
    ("dates", "attention"): 2,
    ("dates", "transformer"): 2,
    ("multi30k", "seq2seq"): 12,
    ("multi30k", "attention"): 10,
    ("multi30k", "transformer"): 18,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sentences", nargs="*", help="sentences to translate")
    parser.add_argument("--model", default="attention", choices=knz.list_models(task="seq2seq_lm"))
    parser.add_argument("--dataset", default="reversal", choices=TASKS)
    parser.add_argument("--size", type=int, help="training pairs of a generated corpus")
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--vocabulary-size", type=int, help="the most tokens that are learnt")
    parser.add_argument("--batch-size", type=int)
    parser.add_argument("--beams", type=int, help="1 decodes greedily")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", default="translate_output", help="folder for the model and the picture")
    args = parser.parse_args()

    keras.utils.set_random_seed(args.seed)
    sentences, vocabulary, configs, options = TASKS[args.dataset]
    sentences = args.sentences or sentences
    if args.size or (args.dataset, args.model) in SIZES:
        options = {"size": args.size or SIZES[args.dataset, args.model]}
    real = args.dataset == "multi30k"
    train, _ = knz.datasets.load(args.dataset, split="train", **options)
    held_out = {"size": 500} if "size" in options else {}
    validation, _ = knz.datasets.load(args.dataset, split="validation", **held_out)
    test, _ = knz.datasets.load(
        args.dataset, split="test", **({"size": min(2000, options["size"])} if held_out else {})
    )

    if args.vocabulary_size:
        vocabulary = {**vocabulary, "vocabulary_size": args.vocabulary_size}
    tokenizer = knz.Tokenizer.train(train["encoder_text"] + train["decoder_text"], **vocabulary)
    model = knz.create_model(args.model, tokenizer=tokenizer, **configs[args.model])
    epochs = args.epochs or EPOCHS.get((args.dataset, args.model), 5)
    batch_size = args.batch_size or BATCH_SIZES.get((args.dataset, args.model), 64)
    steps = -(-len(train["encoder_text"]) // batch_size)
    beams = args.beams or (5 if real else 1)
    model.compile(
        optimizer_for(args.model, real, steps, steps * epochs),
        loss=knz.training.TokenCrossentropy(label_smoothing=0.1 if real else 0.0),
        sampler=knz.samplers.BeamSearch(beams) if beams > 1 else "greedy",
    )
    number = len(train["encoder_text"])
    print(
        f"{args.model} on {args.dataset}: {number:,} pairs, {tokenizer.vocabulary_size():,} tokens, "
        f"{model.count_params():,} parameters, backend {keras.backend.backend()}"
    )
    print(f"e.g. {train['encoder_text'][0]!r} -> {train['decoder_text'][0]!r}\n")

    start = time.perf_counter()
    model.fit(train, validation_data=(validation, None), batch_size=batch_size, epochs=epochs, verbose=2)
    seconds = time.perf_counter() - start
    answers = model.generate(test["encoder_text"], verbose=1)
    about = f"({args.model}, {args.dataset}, seed {args.seed}, {keras.backend.backend()}, {seconds / 60:.1f} minutes)"
    if real:
        score = knz.metrics.bleu(answers, test["decoder_text"], lowercase=True)
        print(f"\ntest BLEU {score.score:.2f} {about}\n{score.signature}")
    else:
        print(f"\ntest exact match {knz.metrics.exact_match(answers, test['decoder_text']):.2%} {about}")

    os.makedirs(args.output, exist_ok=True)
    preset = os.path.join(args.output, "model")
    model.save_to_preset(preset)
    for sentence, answer in zip(sentences, model.generate(sentences), strict=True):
        print(f"  {sentence} -> {answer}")
    if args.model != "seq2seq":
        picture = os.path.join(args.output, "attention.png")
        tokens, said, scores = model.attention(sentences[0])
        # Of a transformer the last layer, its heads averaged.
        knz.plots.attention_map(tokens, said, scores if scores.ndim == 2 else scores[-1].mean(axis=0), picture)
        print(f"Where it looked for the first: {picture}")
    print(f"Saved {preset} (load it on any backend: knz.Seq2SeqLM.from_preset({preset!r}))")


def optimizer_for(name: str, real: bool, epoch: int, steps: int) -> keras.optimizers.Optimizer:
    """Adam at a falling rate, which the Transformer reaches slowly; for sentences `fit` leaves the weights' average."""
    average = {"use_ema": real, "ema_momentum": 0.999}
    if name != "transformer":
        rate = keras.optimizers.schedules.CosineDecay(1e-3 if real and name == "attention" else 3e-3, steps)
        return knz.training.Adam(rate, global_clipnorm=1.0, **average)
    if real:
        rate = knz.training.InverseSquareRoot(1.5e-3, warmup_steps=2 * epoch)
    else:
        warmup = min(400, steps // 4)
        rate = keras.optimizers.schedules.CosineDecay(0.0, steps - warmup, warmup_target=3e-3, warmup_steps=warmup)
    return knz.training.Adam(rate, beta_2=0.98, epsilon=1e-9, **average)


if __name__ == "__main__":
    main()
