"""The verbs of every translator of the catalog: scores, alignments, the order of words."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from given import GOOD_PAIRS, PAIRS, TARGETS, TEXTS, quick, refused
from keras import ops

from zoo import golden
from zoo.cli import main
from zoo.errors import DataError, InputError, NotSupported, OptionError
from zoo.pretrained import Pretrained


class Turned:
    """A tokenizer that turns a text's pieces round by itself."""

    def __init__(self, tokenizer) -> None:
        self.tokenizer = tokenizer

    def __getattr__(self, name: str):
        return getattr(self.tokenizer, name)

    def encode(self, *text: str) -> list[int]:
        return self.tokenizer.encode(*text)[::-1]


@pytest.fixture(scope="module")
def by_flag(every_translator) -> Pretrained:
    """The model under a recipe that says to reverse the source."""
    return reading(every_translator, True, every_translator.source_tokenizer)


@pytest.fixture(scope="module")
def by_hand(every_translator) -> Pretrained:
    """The same model, whose source is reversed before a recipe that knows nothing of it."""
    return reading(every_translator, False, Turned(every_translator.source_tokenizer))


def reading(pretrained: Pretrained, reverse: bool, tokenizer) -> Pretrained:
    recipe = pretrained.recipe.changed({"data.reverse_source": reverse})
    return Pretrained(pretrained.model, recipe, (tokenizer, pretrained.target_tokenizer))


def shell(arguments: list[str]) -> int:
    # `main` is made for a process of its own and sets how that shows warnings.
    with warnings.catch_warnings(), pytest.raises(SystemExit) as done:
        main.main(arguments)
    return int(done.value.code or 0)


# What each verb gives


def test_the_best_of_several_is_what_predict_gives(every_translator):
    best = every_translator.predict(TEXTS, num_return=2)
    assert [each[0] for each in best] == every_translator.predict(TEXTS)
    assert all(len(each) == 2 for each in best)


def test_the_score_is_the_sum_of_the_steps(every_translator):
    """log P of a target is that of each piece given those before it, and of the end."""
    model, tokenizer = every_translator.model, every_translator.target_tokenizer
    found = every_translator.score(TEXTS, TARGETS)
    for text, target, score in zip(TEXTS, TARGETS, found, strict=True):
        source = np.array(every_translator.encode_sources([text]), dtype="int32")
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
    one = every_translator.score(TEXTS[0], TARGETS[0])
    assert isinstance(one, float)
    assert one == pytest.approx(found[0], abs=1e-5)


def test_align_or_a_clear_no(translator_name, every_translator, bundles, tmp_path, capsys):
    path = tmp_path / "align.png"
    command = ["figure", "attention", str(bundles(translator_name)), TEXTS[0], "-o", str(path)]
    if hasattr(every_translator.model, "attention"):
        found = every_translator.align(TEXTS[0], TARGETS[0])
        source = every_translator.encode_sources(TEXTS[:1])[0]
        pieces = every_translator.source_tokenizer.pieces(source)
        unknown = every_translator.source_tokenizer.unk_id
        for shown, piece, i in zip(found.source, pieces, source, strict=True):
            assert shown in TEXTS[0] if i == unknown else shown == piece
        assert found.target[-1] == "</s>"
        assert found.matrix.shape == (len(found.target), len(found.source))
        np.testing.assert_allclose(found.matrix.sum(axis=1), 1, atol=1e-4)
        assert shell(command) == 0
        assert path.stat().st_size > 1000
        return
    for verb in (every_translator.align, every_translator.task.align):
        with pytest.raises(NotSupported, match=r"this translator .* has no attention") as caught:
            verb(TEXTS[0])
        assert "bahdanau2015 and vaswani2017" in caught.value.hint
        assert every_translator.model.name not in str(caught.value)
    assert shell(command) == 1
    assert "this translator does not look back at the source" in capsys.readouterr().err
    assert not path.exists()


def test_evaluate_measures_likelihood_too(every_translator):
    found = every_translator.evaluate(GOOD_PAIRS, likelihood=True)
    assert 0 <= found["value"] == found["bleu"] <= 100
    assert found["sentences"] == 3
    pieces = sum(len(every_translator.target_tokenizer.encode(each)) + 1 for each in TARGETS)
    total = every_translator.score(TEXTS, TARGETS).sum()
    assert found["loss"] == pytest.approx(-total / pieces)


def test_preprocess_gives_sources_and_targets(every_translator):
    batches = list(
        every_translator.preprocess(
            GOOD_PAIRS, validation=PAIRS[:1], changes=quick(every_translator)
        )
    )
    wanted = {tuple(ids) for ids in every_translator.encode_sources(TEXTS)}
    rows = [row for inputs, _ in batches for row in inputs["source"]]
    assert {tuple(row[row != 0].tolist()) for row in rows} - {()} == wanted
    tokenizer = every_translator.target_tokenizer
    for inputs, labels in batches:
        real = (labels != 0).any(axis=1)
        assert (inputs["target"][real, 0] == tokenizer.start_id).all()
        assert (labels == tokenizer.end_id).sum() == real.sum()


# The order of words


def test_a_reversed_source_is_one_that_is_reversed_by_hand(every_translator, by_flag, by_hand):
    assert by_flag.encode_sources(TEXTS) == by_hand.encode_sources(TEXTS)
    assert by_flag.predict(TEXTS) == by_hand.predict(TEXTS)
    np.testing.assert_array_equal(by_flag.score(TEXTS, TARGETS), by_hand.score(TEXTS, TARGETS))
    found, wanted = (each.evaluate(GOOD_PAIRS, likelihood=True) for each in (by_flag, by_hand))
    assert found == wanted
    found, wanted = (golden.record(each.task, TEXTS) for each in (by_flag, by_hand))
    assert found == wanted
    if hasattr(every_translator.model, "attention"):
        found, wanted = (each.align(TEXTS[0], TARGETS[0]) for each in (by_flag, by_hand))
        np.testing.assert_array_equal(found.matrix, wanted.matrix)
        assert found.source == wanted.source
    # What `finetune` fits on.
    found, wanted = (
        list(each.preprocess(PAIRS, validation=PAIRS[:1], changes=quick(every_translator)))
        for each in (by_flag, by_hand)
    )
    assert len(found) == len(wanted) > 1
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(one[0]["source"], other[0]["source"])


def test_order_counts(every_translator, by_flag):
    forward = reading(every_translator, False, every_translator.source_tokenizer)
    ids = [each.encode_sources(TEXTS[:1])[0] for each in (forward, by_flag)]
    assert ids[0][:-1] == ids[1][:-1][::-1]
    assert ids[0][-1] == ids[1][-1] == every_translator.source_tokenizer.end_id
    scores = [each.score(TEXTS[0], TARGETS[0]) for each in (forward, by_flag)]
    assert abs(scores[0] - scores[1]) > 1e-2
    mine = scores[every_translator.recipe.data.reverse_source]
    assert every_translator.score(TEXTS[0], TARGETS[0]) == pytest.approx(mine, abs=1e-5)


# What each verb refuses

OPTIONS = [
    ("beam_size", 0, "at least 1"),
    ("beam_size", "4", "whole number"),
    ("beam_size", 1000, "at most 256"),
    ("length_penalty", -1, "at least 0"),
    ("length_penalty", "1", "a number"),
]
FINETUNING = [
    ({"data": TEXTS, "targets": TARGETS[:2]}, "3 sources, but 2 targets"),
    ({"data": TEXTS, "targets": 3}, "cannot be read from int"),
    ({"data": TEXTS}, "row 1: one str instead of a pair.*second list with the targets"),
    ({"data": [("a", ""), *GOOD_PAIRS]}, "row 1: the target is empty"),
    ({"data": [("a", None), *GOOD_PAIRS]}, "row 1: the target is missing"),
]


def test_score_refuses_what_does_not_fit(every_translator):
    for source, target in ((["a", "b"], ["c"]), ("a", ["b"]), (["a"], "b")):
        with refused(InputError, "equal length"):
            every_translator.score(source, target)
    with refused(InputError, "there is no target"):
        every_translator.score("a")
    with refused(InputError, "int is no text"):
        every_translator.score("a", 3)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (("a\0",), "the text has a NUL character at position 1"),
        (("Go.", "a\ud800"), "the target has a lone surrogate at position 1"),
    ],
)
def test_align_refuses_what_is_no_unicode(every_translator, given, message):
    with refused(InputError, message):
        every_translator.align(*given)


@pytest.mark.parametrize("given", [(None,), (["Go."],), ("Go.", 3), ("",)])
def test_align_refuses_what_is_no_text(every_translator, given):
    with refused((InputError, NotSupported), "no text|is empty|has no attention"):
        every_translator.align(*given)


def test_a_text_of_which_nothing_is_known_is_refused(every_translator):
    text, unknown = "日本", every_translator.source_tokenizer.unknown
    with refused(InputError, f"the text has only {unknown} that the model does not know"):
        every_translator.predict(text)
    with refused(InputError, f"text 2 has only {unknown}"):
        every_translator.predict(["Go.", text])
    with refused(InputError, f"the target has only {unknown}"):
        every_translator.score("Go.", text)


@pytest.mark.parametrize(("option", "value", "message"), OPTIONS)
def test_predict_and_evaluate_refuse_options_without_sense(
    every_translator, option, value, message
):
    with refused(OptionError, f"{option} is '?{value}'?.*{message}"):
        every_translator.predict(TEXTS, **{option: value})
    with refused(OptionError, f"{option} is '?{value}'?.*{message}"):
        every_translator.evaluate(GOOD_PAIRS, **{option: value})


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("num_return", 0, "at least 1"),
        ("num_return", 3, "at most beam_size"),
        ("max_length", 0, "at least 1"),
        ("max_length", "9", "whole number"),
    ],
)
def test_predict_refuses_lengths_and_counts_without_sense(every_translator, option, value, message):
    with refused(OptionError, f"{option} is '?{value}'?.*{message}"):
        every_translator.predict(TEXTS, **{option: value})


@pytest.mark.parametrize(("arguments", "message"), FINETUNING)
def test_finetune_and_preprocess_refuse_pairs_without_sense(every_translator, arguments, message):
    for verb in (every_translator.finetune, every_translator.preprocess):
        with refused(DataError, message):
            verb(**arguments)


def test_a_translator_cannot_become_a_classifier(every_translator):
    with refused(OptionError, "cannot be fine-tuned for 'classify'.*translate"):
        every_translator.finetune(GOOD_PAIRS, task="classify")
