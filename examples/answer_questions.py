"""Trains a reader, which finds the answers to questions in a text, and asks it some.

    python examples/answer_questions.py
    python examples/answer_questions.py --preset bert_base_en_uncased --dataset xquad
    python examples/answer_questions.py --preset my_checkpoint --squad train-v1.1.json dev-v1.1.json
    python examples/answer_questions.py --preset my_reader --ask "Who wrote it?" --context letter.txt

Invented facts by default; xquad comes from the folder named by KERAS_NLP_ZOO_DATA or is downloaded once, and --squad
reads files in the format of SQuAD. With a preset (a directory of KerasHub or Hugging Face, the name of a preset of
KerasHub, kaggle://... or hf://...) BERT is fine-tuned; without one a small Transformer is trained from random
weights. With --ask nothing is trained: the preset holds a reader already.
"""

import argparse
import os
import time
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras

import keras_nlp_zoo as knz

SMALL = {"num_layers": 2, "num_heads": 4, "hidden_dim": 64, "intermediate_dim": 128, "dropout": 0.1}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", help="a pretrained BERT, or with --ask a reader")
    parser.add_argument("--dataset", default="facts", choices=["facts", "xquad"])
    parser.add_argument("--squad", nargs=2, metavar=("TRAIN", "TEST"), help="files in the format of SQuAD")
    parser.add_argument("--language", default="en", choices=["en", "ko"], help="of invented facts")
    parser.add_argument("--size", type=int, default=3000, help="questions about invented facts")
    parser.add_argument("--epochs", type=int, help="3 with a preset, 6 without")
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--save", metavar="FOLDER", help="write the trained model as a preset")
    parser.add_argument("--ask", metavar="QUESTION")
    parser.add_argument("--context", metavar="FILE", help="the text to find the answer in")
    args = parser.parse_args()

    keras.utils.set_random_seed(args.seed)
    if args.ask:
        if not args.preset or not args.context:
            parser.error("--ask needs --preset and --context")
        model = knz.QuestionAnswering.from_preset(args.preset)
        with open(args.context, encoding="utf-8") as file:
            show(args.ask, model.answer(args.ask, file.read(), num_answers=3))
        return
    train, test = read(args)
    if args.preset:
        model = knz.create_model("bert", "question_answering", preset=args.preset, sequence_length=384)
    else:
        texts = list(dict.fromkeys(train[0]["context"])) + train[0]["question"]
        tokenizer = knz.Tokenizer.train(texts, kind="wordpiece", vocabulary_size=4000)
        model = knz.create_model("transformer", "question_answering", tokenizer=tokenizer, sequence_length=192, **SMALL)
        model.compile(knz.training.fine_tuning_optimizer(1e-3))
    print(
        f"{'bert' if args.preset else 'transformer'} on {args.squad or args.dataset}: "
        f"{len(train[0]['question']):,} questions, {model.count_params():,} parameters, "
        f"backend {keras.backend.backend()}"
    )
    start = time.perf_counter()
    model.fit(*train, batch_size=args.batch_size, epochs=args.epochs or (3 if args.preset else 6), verbose=2)
    seconds = time.perf_counter() - start
    questions, contexts = test[0]["question"], test[0]["context"]
    answers = model.answer(questions, contexts)
    score = knz.metrics.squad([answer["text"] for answer in answers], test[1]["answer"])
    print(
        f"\ntest exact match {score.exact_match:.2%}, F1 {score.f1:.2%} ({len(questions)} questions; {seconds:.0f} s)\n"
    )
    print(f"  {contexts[0][:300]}")
    show(questions[0], model.answer(questions[0], contexts[0], num_answers=3))
    if args.save:
        model.save_to_preset(args.save)
        print(f"saved to {args.save}")


def read(args: argparse.Namespace) -> tuple[Any, Any]:
    """Train and test: questions and contexts, answers and where they begin."""
    if args.squad:
        train, test = args.squad
        return knz.datasets.read_squad(train), knz.datasets.read_squad(test, all_answers=True)
    if args.dataset == "xquad":
        return knz.datasets.load("xquad", split="train"), knz.datasets.load("xquad", split="test")
    options = {"language": args.language}
    return (
        knz.datasets.load("facts", split="train", size=args.size, **options),
        knz.datasets.load("facts", split="test", size=300, **options),
    )


def show(question: str, answers: list[dict[str, Any]]) -> None:
    print(f"  {question}")
    for answer in answers:
        print(f"    {answer['score']:.2f}  {answer['text'] or '(no answer)'}")


if __name__ == "__main__":
    main()
