"""Every verb with every paper of the catalog, on its tiny bundle: what it gives, what it refuses.

The bundles read text in each way that the paper's recipes do: one tokenizer or two, pieces or
words, the source as it stands or turned round.
"""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from keras import ops

import zoo
from zoo import bundle, cli, golden
from zoo.errors import (
    DataError,
    InputError,
    NotSupported,
    OptionError,
    RecipeError,
    UnknownName,
    ZooError,
)
from zoo.pretrained import Pretrained

TEXTS = ["I am cold.", "The cat sleeps.", "Where is the dog?"]
TARGETS = ["J'ai froid.", "Le chat dort.", "Où est le chien ?"]
GOOD = list(zip(TEXTS, TARGETS, strict=True))
QUICK = {
    "train.updates": 2, "train.updates_per_epoch": 1, "train.buckets": [40], "data.max_length": 40,
    "train.batch_tokens": 160, "train.jit": False,
}  # fmt: skip


class Turned:
    """A tokenizer that turns a text's pieces round by itself."""

    def __init__(self, tokenizer) -> None:
        self.tokenizer = tokenizer

    def __getattr__(self, name: str):
        return getattr(self.tokenizer, name)

    def encode(self, text: str) -> list[int]:
        return self.tokenizer.encode(text)[::-1]


@pytest.fixture(scope="module")
def by_flag(every_pretrained) -> Pretrained:
    """The model under a recipe that says to reverse the source."""
    return reading(every_pretrained, True, every_pretrained.source_tokenizer)


@pytest.fixture(scope="module")
def by_hand(every_pretrained) -> Pretrained:
    """The same model, whose source is reversed before a recipe that knows nothing of it."""
    return reading(every_pretrained, False, Turned(every_pretrained.source_tokenizer))


def reading(pretrained: Pretrained, reverse: bool, tokenizer) -> Pretrained:
    recipe = pretrained.recipe.changed({"data.reverse_source": reverse})
    return Pretrained(pretrained.model, recipe, (tokenizer, pretrained.target_tokenizer))


# What each verb gives


def test_a_bundle_is_what_was_saved(every_pretrained, tmp_path):
    """`load` of `save`: recipe, tokenizers, weights, what it says, the plain card."""
    loaded = zoo.load(every_pretrained.save(tmp_path / "mine"))
    recipe = every_pretrained.recipe
    assert loaded.recipe == recipe
    assert (loaded.source_tokenizer is loaded.target_tokenizer) == recipe.tokenizer.shared
    assert (loaded.source_tokenizer.size, loaded.target_tokenizer.size) == recipe.tokenizer.sizes
    assert loaded.card.entry.name == recipe.paper
    assert loaded.predict(TEXTS) == every_pretrained.predict(TEXTS)
    wanted = bundle.arrays(every_pretrained.model)
    for name, array in bundle.arrays(loaded.model).items():
        np.testing.assert_array_equal(array, wanted[name])


def test_predict(every_pretrained):
    outputs = every_pretrained.predict(TEXTS)
    assert [type(output) for output in outputs] == [str] * 3
    assert len(set(outputs)) > 1
    assert every_pretrained.predict(TEXTS[0]) == outputs[0]
    assert every_pretrained.predict(TEXTS[::-1]) == outputs[::-1]
    best = every_pretrained.predict(TEXTS, num_return=2)
    assert [each[0] for each in best] == outputs
    assert all(len(each) == 2 for each in best)
    assert every_pretrained.predict([]) == []


def test_the_score_is_the_sum_of_the_steps(every_pretrained):
    """log P of a target is that of each piece given those before it, and of the end."""
    model, tokenizer = every_pretrained.model, every_pretrained.target_tokenizer
    found = every_pretrained.score(TEXTS, TARGETS)
    for text, target, score in zip(TEXTS, TARGETS, found, strict=True):
        source = np.array(every_pretrained.encode_sources([text]), dtype="int32")
        labels = [*tokenizer.encode(target), tokenizer.end_id]
        memory, state = model.start({"source": ops.convert_to_tensor(source)}, len(labels))
        token, total = tokenizer.start_id, 0.0
        for position, label in enumerate(labels):
            given = ops.convert_to_tensor(np.array([token], dtype="int32"))
            step, state = model.step(given, position, memory, state)
            logits = ops.convert_to_numpy(step)[0].astype(np.float64)
            total += logits[label] - np.log(np.exp(logits).sum())
            token = label
        assert score == pytest.approx(total, abs=1e-5)
    one = every_pretrained.score(TEXTS[0], TARGETS[0])
    assert isinstance(one, float)
    assert one == pytest.approx(found[0], abs=1e-5)


def test_align_or_a_clear_no(every_pretrained, tmp_path, capsys, every_bundle):
    path = tmp_path / "align.png"
    command = ["figure", "attention", str(every_bundle), TEXTS[0], "-o", str(path)]
    if hasattr(every_pretrained.model, "attention"):
        found = every_pretrained.align(TEXTS[0], TARGETS[0])
        source = every_pretrained.encode_sources(TEXTS[:1])[0]
        assert found.source == every_pretrained.source_tokenizer.pieces(source)
        assert found.target[-1] == "</s>"
        assert found.matrix.shape == (len(found.target), len(found.source))
        np.testing.assert_allclose(found.matrix.sum(axis=1), 1, atol=1e-4)
        assert shell(command) == 0
        assert path.stat().st_size > 1000
        return
    for verb in (every_pretrained.align, every_pretrained._task.align):
        with pytest.raises(NotSupported, match="has no attention") as caught:
            verb(TEXTS[0])
        assert caught.value.hint
    assert shell(command) == 1
    assert "has no attention" in capsys.readouterr().err
    assert not path.exists()


def shell(arguments: list[str]) -> int:
    # `main` is made for a process of its own and sets how that shows warnings.
    with warnings.catch_warnings(), pytest.raises(SystemExit) as done:
        cli.main(arguments)
    return int(done.value.code or 0)


def test_evaluate(every_pretrained):
    found = every_pretrained.evaluate(GOOD, likelihood=True)
    assert 0 <= found["value"] == found["bleu"] <= 100
    assert found["sentences"] == 3
    pieces = sum(len(every_pretrained.target_tokenizer.encode(each)) + 1 for each in TARGETS)
    total = every_pretrained.score(TEXTS, TARGETS).sum()
    assert found["loss"] == pytest.approx(-total / pieces)


def test_finetune(every_pretrained, pairs, tmp_path):
    before = bundle.arrays(every_pretrained.model)
    tuned = every_pretrained.finetune(pairs, validation=pairs[:2], out=tmp_path, changes=QUICK)
    for name, array in bundle.arrays(every_pretrained.model).items():
        np.testing.assert_array_equal(array, before[name])
    after = bundle.arrays(tuned.model)
    assert any(np.abs(after[name] - before[name]).max() > 0 for name in before)
    old, new = every_pretrained.recipe, tuned.recipe
    assert (new.paper, new.model, new.tokenizer) == (old.paper, old.model, old.tokenizer)
    assert new.data.reverse_source == old.data.reverse_source
    loaded = zoo.load(tmp_path)
    assert loaded.recipe == new
    assert loaded.predict(TEXTS[0])


def test_preprocess(every_pretrained, pairs):
    given = list(zip(TEXTS, TARGETS, strict=True))
    batches = list(every_pretrained.preprocess(given, validation=pairs[:1], changes=QUICK))
    wanted = {tuple(ids) for ids in every_pretrained.encode_sources(TEXTS)}
    rows = [row for inputs, _ in batches for row in inputs["source"]]
    assert {tuple(row[row != 0].tolist()) for row in rows} - {()} == wanted
    tokenizer = every_pretrained.target_tokenizer
    for inputs, labels in batches:
        real = (labels != 0).any(axis=1)
        assert (inputs["target"][real, 0] == tokenizer.start_id).all()
        assert (labels == tokenizer.end_id).sum() == real.sum()


# The order of words


def test_a_reversed_source_is_one_that_is_reversed_by_hand(
    every_pretrained, by_flag, by_hand, pairs
):
    assert by_flag.encode_sources(TEXTS) == by_hand.encode_sources(TEXTS)
    assert by_flag.predict(TEXTS) == by_hand.predict(TEXTS)
    np.testing.assert_array_equal(by_flag.score(TEXTS, TARGETS), by_hand.score(TEXTS, TARGETS))
    found, wanted = (each.evaluate(GOOD, likelihood=True) for each in (by_flag, by_hand))
    assert found == wanted
    found, wanted = (golden.record(each, TEXTS) for each in (by_flag, by_hand))
    assert found == wanted
    if hasattr(every_pretrained.model, "attention"):
        found, wanted = (each.align(TEXTS[0], TARGETS[0]) for each in (by_flag, by_hand))
        np.testing.assert_array_equal(found.matrix, wanted.matrix)
        assert found.source == wanted.source
    # What `finetune` fits on.
    found, wanted = (
        list(each.preprocess(pairs, validation=pairs[:1], changes=QUICK))
        for each in (by_flag, by_hand)
    )
    assert len(found) == len(wanted) > 1
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(one[0]["source"], other[0]["source"])


def test_order_counts(every_pretrained, by_flag):
    forward = reading(every_pretrained, False, every_pretrained.source_tokenizer)
    ids = [each.encode_sources(TEXTS[:1])[0] for each in (forward, by_flag)]
    assert ids[0][:-1] == ids[1][:-1][::-1]
    assert ids[0][-1] == ids[1][-1] == every_pretrained.source_tokenizer.end_id
    scores = [each.score(TEXTS[0], TARGETS[0]) for each in (forward, by_flag)]
    assert abs(scores[0] - scores[1]) > 1e-2
    mine = scores[every_pretrained.recipe.data.reverse_source]
    assert every_pretrained.score(TEXTS[0], TARGETS[0]) == pytest.approx(mine, abs=1e-5)


# What each verb refuses

TEXT_ERRORS = [
    (None, "NoneType is no text"),
    (3, "int is no text"),
    (b"bytes", "bytes is no text"),
    ({"a": "b"}, "dict is no text"),
    (["a", None], "text 2 is NoneType, not text"),
    ([["a"]], "text 1 is list, not text"),
    ("", "the text is empty"),
    (["Go.", " \n"], "text 2 is empty"),
]
OPTIONS = [
    ("beam_size", 0, "at least 1"),
    ("beam_size", "4", "whole number"),
    ("beam_size", 1000, "at most 256"),
    ("length_penalty", -1, "at least 0"),
    ("length_penalty", "1", "a number"),
    ("batch_size", 0, "at least 1"),
    ("batch_size", 2.5, "whole number"),
]
FINETUNING = [
    ({"data": []}, DataError, "no rows"),
    ({"data": None}, DataError, "cannot be read from NoneType"),
    ({"data": "nowhere.tsv"}, DataError, "there is no file nowhere.tsv"),
    ({"data": [("a", "b")]}, DataError, "one source alone"),
    ({"data": TEXTS, "targets": TARGETS[:2]}, DataError, "3 sources, but 2 targets"),
    ({"data": TEXTS, "targets": 3}, DataError, "cannot be read from int"),
    ({"data": [("a", ""), *GOOD]}, DataError, "row 1: the target is empty"),
    ({"validation": 1.5}, OptionError, "is no share"),
    ({"validation": "nowhere.tsv"}, DataError, "there is no file"),
    ({"changes": {"schedule.peek": 1.0}}, RecipeError, "did you mean 'schedule.peak'"),
    ({"changes": {"train.updates": 0}}, RecipeError, "train.updates"),
    ({"changes": "train.updates=2"}, OptionError, "give keys and values"),
]


def refused(error: type[ZooError], text: str):
    """Expect one error whose message or next step holds a text."""
    return pytest.raises(error, match=f"(?s){text}")


@pytest.mark.parametrize(("texts", "message"), TEXT_ERRORS)
def test_predict_and_score_refuse_what_is_no_text(every_pretrained, texts, message):
    with refused(InputError, message):
        every_pretrained.predict(texts)
    with refused(InputError, message):
        every_pretrained.score(texts, ["b"] * len(texts) if isinstance(texts, list) else "b")


def test_score_refuses_what_does_not_fit(every_pretrained):
    for source, target in ((["a", "b"], ["c"]), ("a", ["b"]), (["a"], "b")):
        with refused(InputError, "equal length"):
            every_pretrained.score(source, target)
    with refused(InputError, "NoneType is no text"):
        every_pretrained.score("a", None)


@pytest.mark.parametrize("given", [(None,), (["Go."],), ("Go.", 3), ("",)])
def test_align_refuses_what_is_no_text(every_pretrained, given):
    with refused((InputError, NotSupported), "no text|is empty|has no attention"):
        every_pretrained.align(*given)


def test_unknown_characters_are_refused_and_rare_words_are_not(every_pretrained):
    text = "日本"
    if every_pretrained.source_tokenizer.unknown == "characters":
        with refused(InputError, "the text has only characters that the model does not know"):
            every_pretrained.predict(text)
        with refused(InputError, "text 2 has only characters"):
            every_pretrained.predict(["Go.", text])
    else:
        with pytest.warns(zoo.ZooWarning, match="the text has only words"):
            every_pretrained.encode_sources([text])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", zoo.ZooWarning)
            assert isinstance(every_pretrained.predict(text), str)


@pytest.mark.parametrize(("option", "value", "message"), OPTIONS)
def test_predict_and_evaluate_refuse_options_without_sense(
    every_pretrained, option, value, message
):
    with refused(OptionError, f"{option} is '?{value}'?.*{message}"):
        every_pretrained.predict(TEXTS, **{option: value})
    with refused(OptionError, f"{option} is '?{value}'?.*{message}"):
        every_pretrained.evaluate(GOOD, **{option: value})


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("num_return", 0, "at least 1"),
        ("num_return", 3, "at most beam_size"),
        ("max_length", 0, "at least 1"),
        ("max_length", "9", "whole number"),
    ],
)
def test_predict_refuses_lengths_and_counts_without_sense(every_pretrained, option, value, message):
    with refused(OptionError, f"{option} is '?{value}'?.*{message}"):
        every_pretrained.predict(TEXTS, **{option: value})


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"data": []}, DataError, "no rows"),
        ({"data": 3}, DataError, "cannot be read from int"),
        ({"data": "nowhere.tsv"}, DataError, "there is no file nowhere.tsv"),
        ({"data": [("a", None)]}, DataError, "row 1: the target is missing"),
        ({"data": GOOD, "limit": 0}, OptionError, "limit is 0"),
        ({"data": GOOD, "limit": "a"}, OptionError, "whole number"),
    ],
)
def test_evaluate_refuses_examples_without_sense(every_pretrained, arguments, error, message):
    with refused(error, message):
        every_pretrained.evaluate(**arguments)


@pytest.mark.parametrize(("arguments", "error", "message"), FINETUNING)
def test_finetune_and_preprocess_refuse_what_makes_no_sense(
    every_pretrained, arguments, error, message
):
    given = {"data": GOOD} | arguments
    with refused(error, message):
        every_pretrained.finetune(**given)
    with refused(error, message):
        every_pretrained.preprocess(**given)


def test_options_of_one_verb_alone_are_checked_too(every_pretrained, tmp_path):
    with refused(OptionError, "cannot be fine-tuned for 'classify'.*translate"):
        every_pretrained.finetune(GOOD, task="classify")
    with refused(OptionError, "out is 3"):
        every_pretrained.finetune(GOOD, out=3)
    with refused(OptionError, "passes is 0"):
        every_pretrained.preprocess(GOOD, passes=0)
    with refused(OptionError, "folder is None"):
        every_pretrained.save(None)
    with refused(OptionError, "cannot be stored as 'int8'"):
        every_pretrained.save(tmp_path / "x", dtype="int8")
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("reference", [None, 3, b"vaswani2017", ["vaswani2017"]])
def test_what_is_no_name_cannot_be_loaded(reference):
    with refused(UnknownName, r"is neither a model's name nor a folder"):
        zoo.load(reference)


@pytest.mark.parametrize("name", [None, 3])
def test_what_is_no_name_cannot_be_built(name):
    with refused(UnknownName, f"there is no model '{name}'.*valid choices"):
        zoo.build(name)
