"""The trainer that counts: one update, no gradient; what it reaches on names and PTB."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pytest
from plain_ngrams import Plain, drawn

from zoo import bundle
from zoo.config import recipe as recipes
from zoo.config.tasks import task_class
from zoo.data.encoded import Encoded, Ragged
from zoo.errors import DataError, RecipeError
from zoo.ngrams import layout
from zoo.optim.optimizers import optimizer
from zoo.text import WhitespaceTokenizer, train_tokenizers
from zoo.training import run
from zoo.training.counting import CountTrainer

DATA = Path(os.environ.get("ZOO_DATA", ""))
WORDS = ["<eos>", "<unk>", "a", "b", "c", "d", "e"]
TEXTS, HELD_OUT = drawn(len(WORDS), 50)[:40], drawn(len(WORDS), 50)[40:]


def encoded(texts: list[list[int]]) -> Encoded:
    """Texts as a task encodes them: without the start, which the end's id stands for."""
    return Encoded.texts(Ragged.of([text[1:] for text in texts]))


def trainer(**changes) -> CountTrainer:
    dotted = {key.replace("__", "."): value for key, value in changes.items()}
    made = recipes.load("bigram-ptb-trigram").changed(
        {"model.arguments.vocabulary": len(WORDS), "tokenizer.vocabulary": len(WORDS), **dotted}
    )
    tokenizer = WhitespaceTokenizer(WORDS)
    return CountTrainer(run.build(made), made, encoded(TEXTS), encoded(HELD_OUT), tokenizer)


@pytest.mark.parametrize(
    ("smoothing", "interpolated"),
    [("kneser-ney", True), ("kneser-ney", False), ("witten-bell", False), ("add-k", True)],
)
def test_one_update_fills_in_the_table(smoothing, interpolated):
    ours = trainer(
        model__arguments__smoothing=smoothing, model__arguments__interpolated=interpolated
    )
    plain = Plain(
        TEXTS, 3, smoothing, interpolated=interpolated, started=True, events=range(len(WORDS))
    )

    def loss(texts: list[list[int]]) -> float:
        """-log p of a word, the end among them."""
        each = [
            -np.log(plain.p(text[i], tuple(text[:i])))
            for text in texts
            for i in range(1, len(text))
        ]
        return float(np.mean(each))

    assert ours.update(0) == pytest.approx(loss(TEXTS), rel=1e-6)
    assert ours.validate() == pytest.approx(loss(HELD_OUT), rel=1e-6)
    assert ours.batches.tokens(0) == sum(len(text) - 1 for text in TEXTS)


def test_the_recipe_gets_the_sizes_of_the_table():
    ours = trainer()
    ours.update(0)
    made, model = ours.result(None)
    assert model is ours.model
    assert dict(made.model.arguments)["ngrams"] == [len(each) for each in ours.table().orders[1:]]
    again = run.build(made)
    shapes = [tuple(each.shape) for each in bundle.variables(again).values()]
    assert shapes == [tuple(each.shape) for each in bundle.variables(model).values()]
    assert made.resolved().model.arguments["start"] == 0


def test_what_a_count_cannot_be():
    for changes, text in (
        ({"train__updates": 3}, "counts are one update, and train.updates is 3"),
        ({"model__arguments__smoothing": "kneser"}, "there is no smoothing 'kneser'"),
        (
            {"model__arguments__smoothing": None},
            """for no smoothing write --set 'model.arguments.smoothing="none"'""",
        ),
        (
            {"model__arguments__smoothing": "add-k", "model__arguments__k": 0.0},
            r"add-k adds 0\.0",
        ),
        (
            {"model__arguments__order": 0},
            "bigram cannot be built so: order is 0, and is at least 1",
        ),
    ):
        with pytest.raises(RecipeError, match=text):
            trainer(**changes)
    with pytest.raises(DataError, match="n-grams of 30 words cannot be counted"):
        trainer(model__arguments__order=30)
    by_gradient = recipes.load("bigram-ptb").changed(
        {"optimizer.name": "adam", "train.bptt": 5, "train.batch_sentences": 2}
    )
    with pytest.raises(RecipeError, match="bigram has no weights that gradients change") as raised:
        optimizer(by_gradient, run.build(by_gradient))
    assert "set optimizer.name to counts" in str(raised.value)
    other = recipes.load("merity2017-ptb-starter").smoke()
    other = other.changed({"optimizer.name": "counts", "schedule.name": "none"})
    with pytest.raises(RecipeError, match="merity2017 is not trained by counts"):
        CountTrainer(
            run.build(other), other, encoded(TEXTS), encoded(TEXTS), WhitespaceTokenizer(WORDS)
        )


def test_no_texts_are_one_error():
    made = recipes.load("bigram-ptb-trigram")
    with pytest.raises(DataError, match="there are no texts"):
        task_class("generate").encode_examples([], (WhitespaceTokenizer(WORDS),) * 2, made)
    tokenizer = WhitespaceTokenizer(WORDS)
    nothing = Encoded.texts(Ragged(np.zeros(0, np.int32), np.array([0])))
    made = made.changed({"model.arguments.vocabulary": len(WORDS)})
    with pytest.raises(DataError, match="there are no words to count"):
        CountTrainer(run.build(made), made, nothing, nothing, tokenizer)


# On real text


def counted(name: str, **changes) -> CountTrainer:
    """Return a recipe's counts of its whole corpus, in a model without values."""
    if not DATA.joinpath("ptb").is_dir():
        pytest.skip("needs ZOO_DATA")
    dotted = {key.replace("__", "."): value for key, value in changes.items()}
    made = recipes.load(name).changed(dotted)
    task = task_class(made.task)
    examples = {split: task.load(made, split) for split in ("train", "valid")}
    texts = task.learned_texts(examples["train"])
    tokenizers = train_tokenizers(made.tokenizer, texts, made.data.languages, made.seed)
    train, valid = (task.encode_examples(examples[s], tokenizers, made) for s in examples)
    ours = CountTrainer(run.build(made), made, train, valid, tokenizers[0])
    ours.update(0)
    return ours


def test_names_reach_what_lectures_reach():
    ours = counted("bigram-names")
    assert 2.45 < ours.validate() < 2.46
    sizes = dict(ours.recipe.model.arguments)
    of_registry = recipes.load("bigram-names").resolved().model.arguments
    assert {**of_registry, **sizes} == of_registry


def test_shakespeare_is_one_text():
    """5-grams of characters, measured in nats a character."""
    assert 1.4 < counted("bigram-shakespeare").validate() < 1.65


@pytest.mark.parametrize(("name", "low", "high"), [
    ("bigram-ptb-trigram", 148.27, 148.29),  # kenlm's lmplz has 148.28
    ("bigram-ptb", 141.1, 141.3),  # SRILM has 141.2
])  # fmt: skip
def test_ptb_reaches_what_other_toolkits_reach(name, low, high):
    started = time.process_time()
    ours = counted(name)
    made = ours.recipe
    test = task_class("generate").load(made, "test")
    ids = task_class("generate").encode_examples(test, (ours.tokenizer,) * 2, made)
    texts = ours.make_batches(made, ids, ours.tokenizer)
    assert low < np.exp(texts.loss(ours.table())) < high
    assert ours.seconds < 10  # counting, smoothing and laying out
    assert time.process_time() - started < 60
    # All of it fits in a bundle of 16 MB.
    assert sum(each.nbytes for each in layout.laid_out(ours.table())[1].values()) < 15.85e6
