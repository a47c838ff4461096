"""Learns to answer in Korean, and answers.

    python examples/chat_korean.py "오늘 너무 피곤해" "주말에 뭐 하지?"
    python examples/chat_korean.py --dataset korean_chatbot --interactive
    python examples/chat_korean.py --corpus dialogues.tsv --epochs 30

By default small talk that is generated: a remark has one right answer, which takes up what the remark was about.
korean_chatbot, of people (11,823 questions with an answer each; ten minutes or more on two cores), comes from the
folder named by KERAS_NLP_ZOO_DATA or is downloaded once. It is small and most answers fit many questions, so the
model learns what kind of answer suits a question more than what it says; the test perplexity shows how unsure it is
of an answer's tokens. --corpus reads a file of your own, a question, a tab and its answer on each line.
Saves a preset that any backend loads.
"""

import argparse
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras

import keras_nlp_zoo as knz

QUESTIONS = {
    "small_talk": ["저기 오늘 너무 피곤해", "주말에 냉면을 먹고 싶어", "동생이랑 다퉜어", "내 카메라 어디 갔지?"],
    "korean_chatbot": ["안녕하세요", "오늘 너무 피곤해", "배고파", "좋아하는 사람이 생겼어", "주말에 뭐 하지?"],
}
SMALL = {
    "seq2seq": {"embedding_dim": 64, "hidden_dim": 256, "dropout": 0.1},
    "attention": {"embedding_dim": 64, "hidden_dim": 128, "dropout": 0.1},
    "transformer": {"num_layers": 2, "num_heads": 4, "hidden_dim": 96, "intermediate_dim": 192, "dropout": 0.1},
}
LARGE = {
    "seq2seq": {"embedding_dim": 256, "hidden_dim": 512, "dropout": 0.4},
    "attention": {"embedding_dim": 256, "hidden_dim": 256, "dropout": 0.4},
    "transformer": {"num_layers": 2, "num_heads": 4, "hidden_dim": 192, "intermediate_dim": 512, "dropout": 0.2},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("questions", nargs="*")
    parser.add_argument("--model", default="attention", choices=LARGE)
    parser.add_argument("--dataset", default="small_talk", choices=QUESTIONS)
    parser.add_argument("--corpus", metavar="FILE", help="questions and answers of your own")
    parser.add_argument("--epochs", type=int, help="6 of small talk, 15 otherwise")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--beams", type=int, default=4)
    parser.add_argument("--interactive", action="store_true", help="go on with questions from the keyboard")
    parser.add_argument("--save", default="chat_output", metavar="FOLDER")
    args = parser.parse_args()

    keras.utils.set_random_seed(args.seed)
    invented = args.dataset == "small_talk" and not args.corpus
    train, validation, test = read(args.dataset, args.corpus)
    # Pieces of words: Korean joins particles and endings to its words, so whole words are rare.
    tokenizer = knz.Tokenizer.train(train["encoder_text"] + train["decoder_text"], kind="unigram", vocabulary_size=8000)
    config = (SMALL if invented else LARGE)[args.model]
    model = knz.create_model(args.model, tokenizer=tokenizer, sequence_length=32, **config)
    model.compile(
        knz.training.Adam(3e-3 if invented else 5e-4, global_clipnorm=1.0),
        loss=knz.training.TokenCrossentropy(label_smoothing=0.1),
        weighted_metrics=[knz.metrics.TokenAccuracy(), knz.metrics.Perplexity()],
        sampler=knz.samplers.BeamSearch(args.beams) if args.beams > 1 else "greedy",
    )
    print(f"{args.model}, {len(train['encoder_text']):,} pairs, {model.count_params():,} parameters")
    stopping = keras.callbacks.EarlyStopping("val_perplexity", mode="min", patience=3, restore_best_weights=True)
    epochs = args.epochs or (6 if invented else 15)
    model.fit(train, validation_data=(validation, None), batch_size=64, epochs=epochs, callbacks=[stopping], verbose=2)
    print(f"test perplexity {model.evaluate(test, verbose=0, return_dict=True)['perplexity']:.1f}")
    if invented:
        answers = model.generate(test["encoder_text"])
        print(f"test exact match {knz.metrics.exact_match(answers, test['decoder_text']):.2%}")
    model.save_to_preset(args.save)
    questions = args.questions or QUESTIONS[args.dataset]
    for question, answer in zip(questions, model.generate(questions), strict=True):
        print(f"  {question} -> {answer}")
    while args.interactive and (question := input("> ").strip()):
        print(model.generate(question))


def read(dataset: str, corpus: str | None) -> list[dict[str, list[str]]]:
    """Pairs to learn from, to stop by and to be tested on; of a file nine tenths, a twentieth and a twentieth."""
    if corpus is None:
        sizes = {"train": 2500, "validation": 200, "test": 400}
        return [
            knz.datasets.load(dataset, split=split, **({"size": size} if dataset == "small_talk" else {}))[0]
            for split, size in sizes.items()
        ]
    with open(corpus, encoding="utf-8") as file:
        lines = [line.rstrip("\n").split("\t") for line in file if line.strip()]
    if any(len(line) != 2 for line in lines) or len(lines) < 20:
        raise SystemExit(f"{corpus} must have 20 lines or more, each a question, a tab and its answer")
    keys, held_out = ("encoder_text", "decoder_text"), len(lines) // 20
    parts = lines[2 * held_out :], lines[:held_out], lines[held_out : 2 * held_out]
    return [dict(zip(keys, map(list, zip(*part, strict=True)), strict=True)) for part in parts]


if __name__ == "__main__":
    main()
