"""Trains one architecture on a labelled corpus and reports its accuracy on the test split.

    python examples/classify_sentiment.py                                     # generated reviews, no download
    python examples/classify_sentiment.py --dataset reviews --language ko
    python examples/classify_sentiment.py --model cnn --dataset mr
    python examples/classify_sentiment.py --model lstm --dataset trec --sentences "How far is it from Denver to Aspen ?"

mr, trec and sst2 come from the folder named by KERAS_NLP_ZOO_DATA or are downloaded once. One run takes one to
five minutes on two cores. Word vectors start at random; the epoch that does best on held-out training texts is
the one that is tested (the last one of a dnn, whose learning rate falls to zero). Expect about 77% on mr, 91% on
trec, 81% on sst2 (cnn).
"""

import argparse
import os
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras

import keras_nlp_zoo as knz

# The dnn of the paper has three layers and is trained on every phrase; a few thousand whole sentences are better served
# by one, by more dropout, and by a learning rate that falls to zero (cross-validation on sst2's training texts).
CONFIG = {"dnn": {"num_layers": 1, "dropout": 0.5, "word_dropout": 0.5}}


def main() -> None:
    corpora = [name for name in knz.datasets.list() if knz.datasets.info(name).task == "text_classifier"]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="cnn", choices=knz.list_models(task="text_classifier"))
    parser.add_argument("--dataset", default="reviews", choices=corpora)
    parser.add_argument("--language", choices=knz.datasets.info("reviews").languages, help="of the reviews")
    parser.add_argument("--tokenizer", default="word", help="word, wordpiece, bpe, byte_bpe, unigram or char")
    parser.add_argument("--vocabulary-size", type=int, default=20_000)
    parser.add_argument("--bidirectional", action="store_true", help="read backwards too (rnn, lstm, gru)")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--batch-size", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--save", metavar="FOLDER", help="write the trained model as a preset")
    parser.add_argument("--sentences", nargs="*", default=[], help="classify these afterwards")
    args = parser.parse_args()

    keras.utils.set_random_seed(args.seed)
    corpus = knz.datasets.info(args.dataset)
    options = {"language": args.language} if args.language else {}
    texts, labels = knz.datasets.load(args.dataset, split="train", **options)
    test = knz.datasets.load(args.dataset, split="test", **options)
    if "validation" in corpus.splits:
        held_out = {"validation_data": knz.datasets.load(args.dataset, split="validation", **options)}
    else:
        held_out = {"validation_split": 0.1}
    # Words seen once become the unknown token, so that it is trained too.
    tokenizer = knz.Tokenizer.train(
        texts, kind=args.tokenizer, vocabulary_size=args.vocabulary_size, lowercase=True, min_frequency=2
    )
    config = {**CONFIG.get(args.model, {}), **({"bidirectional": True} if args.bidirectional else {})}
    model = knz.create_model(args.model, "text_classifier", tokenizer=tokenizer, labels=corpus.labels, **config)
    print(
        f"{args.model} on {args.dataset}: {len(texts):,} texts, {tokenizer.vocabulary_size():,} tokens, "
        f"{model.count_params():,} parameters, backend {keras.backend.backend()}"
    )
    callbacks = []
    if args.model == "dnn":
        model.compile(knz.training.AdamW(knz.training.WarmupDecay(5e-4, warmup=0.0), weight_decay=0.3))
    else:
        callbacks.append(keras.callbacks.EarlyStopping("val_accuracy", patience=5, restore_best_weights=True))
    start = time.perf_counter()
    history = model.fit(
        texts,
        labels,
        batch_size=args.batch_size,
        epochs=args.epochs,
        callbacks=callbacks,
        verbose=2,
        **held_out,
    )
    seconds = time.perf_counter() - start
    accuracy = model.evaluate(*test, return_dict=True, verbose=0)["accuracy"]
    print(
        f"test accuracy {accuracy:.2%} ({len(test[0]):,} texts; {args.model}, {args.dataset}, seed {args.seed}, "
        f"{keras.backend.backend()}, {'best' if callbacks else 'last'} of {len(history.epoch)} epochs, {seconds:.0f} s)"
    )
    if args.save:
        model.save_to_preset(args.save)
        print(f"saved to {args.save}")
    if args.sentences:
        for sentence, answer in zip(args.sentences, model.classify(args.sentences), strict=True):
            print(f"  {answer['label']:12} {answer['score']:.2f}  {sentence}")


if __name__ == "__main__":
    main()
