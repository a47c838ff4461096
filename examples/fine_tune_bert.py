"""Fine-tunes BERT to classify sentences: all of it, its upper layers, or a low-rank addition to it.

    python examples/fine_tune_bert.py
    python examples/fine_tune_bert.py --preset bert_base_en_uncased --dataset mr --epochs 2
    python examples/fine_tune_bert.py --preset my_checkpoint --dataset mr --lora 4 --sentences "a quiet triumph"

A preset is a directory (of KerasHub or Hugging Face), the name of a preset of KerasHub, kaggle://... or hf://...
Without one a small BERT is first trained on the texts themselves, to guess words that are hidden in them; that needs
no network. Generated reviews by default; mr, sst2 and trec come from the folder named by KERAS_NLP_ZOO_DATA or are
downloaded once.
"""

import argparse
import os
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras

import keras_nlp_zoo as knz

SMALL = {"num_layers": 2, "num_heads": 4, "hidden_dim": 64, "intermediate_dim": 128, "dropout": 0.1}
LORA_LEARNING_RATE = 2e-3  # few weights, and most of them not pretrained: they take larger steps


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", help="a pretrained BERT; a small one is trained on the spot otherwise")
    parser.add_argument("--dataset", default="reviews", choices=["reviews", "mr", "sst2", "trec"])
    parser.add_argument("--size", type=int, default=2000, help="texts of the generated corpus")
    parser.add_argument("--epochs", type=int, help="2 of a preset, 8 otherwise")
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--learning-rate", type=float, help="the highest")
    parser.add_argument("--sequence-length", type=int, default=128)
    parser.add_argument("--lora", type=int, metavar="RANK", help="train the head, and a low-rank addition to attention")
    parser.add_argument("--freeze", type=int, metavar="LAYERS", help="keep the embeddings and the lowest layers")
    parser.add_argument("--accumulate", type=int, metavar="BATCHES", help="batches from one step to the next")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--save", metavar="FOLDER", help="write the tuned model as a preset")
    parser.add_argument("--sentences", nargs="*", default=[], help="classify these afterwards")
    args = parser.parse_args()

    keras.utils.set_random_seed(args.seed)
    corpus = knz.datasets.info(args.dataset)
    generated = args.dataset == "reviews"
    texts, labels = knz.datasets.load(args.dataset, split="train", **({"size": args.size} if generated else {}))
    test = knz.datasets.load(args.dataset, split="test", **({"size": 500} if generated else {}))
    if args.preset:
        model = knz.create_model(
            "bert", "text_classifier", preset=args.preset, labels=corpus.labels, sequence_length=args.sequence_length
        )
    else:
        model = from_scratch(texts, corpus.labels)
    epochs = args.epochs or (2 if args.preset else 8)
    rate = args.learning_rate or (LORA_LEARNING_RATE if args.lora else 5e-5 if args.preset else 1e-3)
    if args.lora:
        model.backbone.enable_lora(args.lora)
        model.backbone.pooled_dense.trainable = True  # its task was another, if it had one
    if args.freeze is not None:
        knz.training.freeze(model.backbone, args.freeze)
    model.compile(knz.training.fine_tuning_optimizer(rate, gradient_accumulation_steps=args.accumulate))
    trained = sum(keras.ops.size(variable) for variable in model.trainable_variables)
    print(
        f"bert on {args.dataset}: {len(texts):,} texts, {model.count_params():,} parameters, {trained:,} of them "
        f"trained ({trained / model.count_params():.2%}), backend {keras.backend.backend()}"
    )
    start = time.perf_counter()
    model.fit(texts, labels, validation_split=0.1, batch_size=args.batch_size, epochs=epochs, verbose=2)
    seconds = time.perf_counter() - start
    accuracy = model.evaluate(*test, return_dict=True, verbose=0)["accuracy"]
    print(
        f"test accuracy {accuracy:.2%} ({len(test[0]):,} texts; {args.dataset}, seed {args.seed}, "
        f"{keras.backend.backend()}, {epochs} epochs, {seconds:.0f} s)"
    )
    if args.save:
        model.save_to_preset(args.save)
        print(f"saved to {args.save}")
    if args.sentences:
        for sentence, answer in zip(args.sentences, model.classify(args.sentences), strict=True):
            print(f"  {answer['label']:12} {answer['score']:.2f}  {sentence}")


def from_scratch(texts: list[str], labels: list[str]) -> knz.TextClassifier:
    """A small BERT that has learnt to guess hidden words of the texts, with a classifier on it."""
    tokenizer = knz.Tokenizer.train(texts, kind="wordpiece", vocabulary_size=2000, lowercase=True)
    reader = knz.create_model("bert", "masked_lm", tokenizer=tokenizer, sequence_length=64, **SMALL)
    reader.compile(knz.training.fine_tuning_optimizer(2e-3))
    print("Pretraining, to guess hidden words:")
    reader.fit(texts, batch_size=32, epochs=4, verbose=2)
    hidden = texts[0].split()
    hidden[len(hidden) // 2] = tokenizer.mask_token
    for guess in reader.fill(" ".join(hidden), top_k=2)[0]:
        print(f"  {guess['score']:.2f}  {guess['text']}")
    reader.backbone.pooled_dense.trainable = True
    preprocessor = knz.TextClassifier.preprocessor_for(reader.backbone, tokenizer, sequence_length=64)
    return knz.TextClassifier(reader.backbone, preprocessor, labels=labels)


if __name__ == "__main__":
    main()
