"""Trains a tagger, scores the entities that it finds, and marks those of sentences of one's own.

    python examples/tag_entities.py "Paris Jordan moved from Lima to Ashford in May 1987 ."
    python examples/tag_entities.py --language ko --units token
    python examples/tag_entities.py --model lstm --crf --dataset gum_ner --epochs 15
    python examples/tag_entities.py --preset bert_base_en_uncased --dataset gum_ner
    python examples/tag_entities.py --conll train.conll test.conll

Generated sentences by default; gum_ner comes from the folder named by KERAS_NLP_ZOO_DATA or is downloaded once, and
--conll reads files of one's own. With a preset (a directory of KerasHub or Hugging Face, the name of a preset of
KerasHub, kaggle://... or hf://...) BERT is fine-tuned; without one the model is trained from random weights.
"""

import argparse
import os
import time
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras

import keras_nlp_zoo as knz

SENTENCES = {
    "en": ["Paris Jordan moved from Lima to Ashford in May 1987.", "The share price of Ashford rose on Monday."],
    "ko": ["김민수는 서울에서 태어났다.", "삼성의 주가가 월요일에 올랐다."],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sentences", nargs="*", help="sentences to tag")
    parser.add_argument("--model", default="lstm", choices=knz.list_models(task="token_classifier"))
    parser.add_argument("--preset", help="a pretrained BERT")
    parser.add_argument("--dataset", default="entities", choices=["entities", "gum_ner"])
    parser.add_argument("--conll", nargs=2, metavar=("TRAIN", "TEST"), help="files of columns, the tag in the last")
    parser.add_argument("--language", default="en", choices=["en", "ko"], help="of generated sentences")
    parser.add_argument("--size", type=int, default=3000, help="generated sentences")
    parser.add_argument("--units", default="word", choices=["word", "token"], help="what carries a tag")
    parser.add_argument("--crf", action="store_true", help="score tags as a sequence")
    parser.add_argument("--epochs", type=int, help="5; 4 with a preset")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--save", metavar="FOLDER", help="write the trained model as a preset")
    args = parser.parse_args()

    keras.utils.set_random_seed(args.seed)
    train, validation, test, labels = read(args)
    if args.preset:
        options = {"preset": args.preset, "units": args.units, "sequence_length": 128}
        model = knz.create_model("bert", "token_classifier", labels=labels, crf=args.crf, **options)
    else:
        texts = [item if isinstance(item, str) else " ".join(item) for item in train[0]]
        # Characters where names end within words; else words, those seen once being the unknown one.
        options = {"kind": "char"} if args.units == "token" else {"kind": "word", "min_frequency": 2}
        tokenizer = knz.Tokenizer.train(texts, **options)
        config = {"bidirectional": True} if args.model in ("rnn", "lstm", "gru") else {}
        model = knz.create_model(
            args.model, "token_classifier", tokenizer=tokenizer, labels=labels, crf=args.crf, units=args.units, **config
        )
    print(
        f"{'bert' if args.preset else args.model}{' with crf' if args.crf else ''} on {args.conll or args.dataset}: "
        f"{len(train[0]):,} texts, {len(model.tags)} tags, {model.count_params():,} parameters, "
        f"backend {keras.backend.backend()}"
    )
    start = time.perf_counter()
    model.fit(
        *train,
        validation_data=validation,
        batch_size=args.batch_size,
        epochs=args.epochs or (4 if args.preset else 5),
        verbose=2,
    )
    seconds = time.perf_counter() - start
    score = evaluate(model, *test)
    print(
        f"\ntest span F1 {score.f1:.2%} (precision {score.precision:.2%}, recall {score.recall:.2%}; {seconds:.0f} s)"
    )
    for label, one in score.labels.items():
        print(f"  {label:14} F1 {one.f1:.2%} of {one.support}")
    print()
    sentences = args.sentences or SENTENCES[args.language]
    for sentence, entities in zip(sentences, model.tag(sentences), strict=True):
        print(f"  {mark(sentence, entities)}")
    if args.save:
        model.save_to_preset(args.save)
        print(f"saved to {args.save}")


def read(args: argparse.Namespace) -> tuple[Any, Any, Any, list[str]]:
    """Train, validation and test as `fit` takes them, and the tags or kinds of entities."""
    if args.conll:
        train, test = (knz.datasets.read_conll(path) for path in args.conll)
        tags = sorted({tag for text in train[1] for tag in text} - {"O"})
        return train, None, test, ["O", *tags]
    sizes = {"train": args.size, "validation": 200, "test": 500}
    options = {"language": args.language} if args.dataset == "entities" else {}
    parts = [
        knz.datasets.load(args.dataset, split=split, **options, **({"size": size} if options else {}))
        for split, size in sizes.items()
    ]
    return *parts, list(knz.datasets.info(args.dataset).labels)


def evaluate(model: knz.TokenClassifier, texts: list[Any], truth: list[Any]) -> Any:
    """Span F1, of tags of words or of spans of characters."""
    if not isinstance(texts[0], str):
        return knz.metrics.span_f1(truth, model.tag_words(texts))
    # A tag for each character makes spans of characters comparable.
    found = [[(e["start"], e["end"], e["label"]) for e in entities] for entities in model.tag(texts)]
    given = [[(s["start"], s["end"], s["label"]) for s in spans] for spans in truth]
    return knz.metrics.span_f1(
        *([by_character(*one) for one in zip(texts, side, strict=True)] for side in (given, found))
    )


def by_character(text: str, spans: list[tuple[int, int, str]]) -> list[str]:
    tags = ["O"] * len(text)
    for start, end, label in spans:
        tags[start:end] = [f"B-{label}", *[f"I-{label}"] * (end - start - 1)]
    return tags


def mark(text: str, entities: list[dict[str, Any]]) -> str:
    """The text with its entities in brackets."""
    for entity in reversed(entities):
        text = f"{text[: entity['start']]}[{entity['text']} {entity['label']}]{text[entity['end'] :]}"
    return text


if __name__ == "__main__":
    main()
