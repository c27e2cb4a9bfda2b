"""Texts of which a model knows nothing, or not all: one rule for every task and for rows."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
import tiny_sequences
from given import GOOD_PAIRS, PAIRS, UPDATES

from zoo import golden
from zoo.averaging import Ensemble
from zoo.errors import InputError, ZooWarning
from zoo.tasks import unknown
from zoo.text import FastaiTokenizer, MosesTokenizer, WhitespaceTokenizer
from zoo.training import finetune

FOREIGN = "日本 語!"
# An input of each task of gpt1, with a place for a text in each of its parts.
PARTS: dict[str, list[Any]] = {
    "classify": [lambda text: text],
    "entail": [lambda text: (text, "red"), lambda text: ("red", text)],
    "similarity": [lambda text: (text, "red"), lambda text: ("red", text)],
    "choose": [lambda text: (text, ("red", "blue")), lambda text: ("it is", ("red", text))],
}
PLACES = [(task, i) for task, places in PARTS.items() for i in range(len(places))]


def told(verb, *arguments, **options) -> list[str]:
    """Return the package's warnings of a call."""
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always", ZooWarning)
        verb(*arguments, **options)
    return [str(each.message) for each in seen if each.category is ZooWarning]


def check(task, rows) -> None:
    """Check rows as `Pretrained.evaluate` and `finetune` do."""
    task.check_rows(rows, (task.source_tokenizer, task.target_tokenizer), task.data)


@pytest.fixture(scope="module")
def classifiers():
    """Classifiers of words and of byte pairs, in a dict by the meaning of unknown."""
    from test_classify import made

    return {"words": made().task, "characters": tiny_sequences.task("classify")}


# Nothing known


@pytest.mark.parametrize(("name", "place"), PLACES)
def test_every_text_of_an_input_is_checked(name, place):
    task, given = tiny_sequences.task(name), PARTS[name][place]
    labels = {"choose": 1}.get(name, (getattr(task, "labels", None) or ["x"])[0])
    for verb in (task.predict, task.probabilities, task.encode):
        with pytest.raises(InputError, match=f"has only characters .* know: '{FOREIGN}'"):
            verb([given("red"), given(FOREIGN)])
        with pytest.raises(InputError, match="is empty"):
            verb([given("\u200b\ufeff")])
    rows = [(given("red"), labels), (given(FOREIGN), labels)]
    with pytest.raises(InputError, match=r"^row 2(: the \w+|: answer \d)? has only characters"):
        task.check_rows(rows, (task.tokenizer, task.tokenizer), task.data)


@pytest.mark.parametrize("kind", ["words", "characters"])
def test_a_classifier_does_not_answer_to_what_it_cannot_read(classifiers, kind):
    task = classifiers[kind]
    for text in (FOREIGN, "日本", "哈哈哈哈哈", "日本。"):
        with pytest.raises(InputError, match=f"the text has only {kind} that the model does not"):
            task.predict([text], scores=True)
    for text in ("\u200b", "\u00a0\x01", "\ufeff"):
        with pytest.raises(InputError, match="the text is empty"):
            task.predict([text])


def test_signs_are_known_unless_there_are_letters(tiny_tokenizer):
    def legible(text: str) -> bool:
        return unknown.is_legible(tiny_tokenizer, text, tiny_tokenizer.encode(text))

    assert all(map(legible, ("!", "?!", "♪!", "Go 日本")))
    assert not any(map(legible, ("日本!", "日本", "♪")))


@pytest.mark.parametrize("verb", ["predict", "score", "align", "encode_sources"])
def test_a_translator_names_what_it_cannot_read(tiny_pretrained, verb):
    call = getattr(tiny_pretrained, verb)
    arguments = {"score": ("日本", "Va !"), "encode_sources": (["日本"],)}.get(verb, ("日本",))
    with pytest.raises(InputError, match=r"the text has only characters .* know: '日本'"):
        call(*arguments)


@pytest.mark.parametrize("verb", ["score", "align"])
def test_so_is_a_target(tiny_pretrained, verb):
    with pytest.raises(InputError, match="the target has only characters"):
        getattr(tiny_pretrained, verb)("Go.", "日本")
    assert told(getattr(tiny_pretrained, verb), "Go.", "Va 日!") == [
        "the target has a character that the model does not know: '日'"
    ]


# Partly known


def test_unknown_characters_are_listed_once(tiny_pretrained):
    texts = ["Go.", "Go 日本.", "The cat", "日 Go \u200d\u0378.", "Go."]
    messages = told(tiny_pretrained.predict, texts)
    assert messages == [
        "texts 2, 4 (of 5) have characters that the model does not know: '日', '本', U+0378"
    ]
    assert told(tiny_pretrained.predict, "Go\u200b. “Go” – ‘go’") == []


def test_long_lists_are_cut():
    tokenizer = tiny_sequences.TOKENIZER
    texts = [f"red {chr(0x4E00 + i)}" for i in range(30)]
    (message,) = told(unknown.encode, tokenizer, texts, "en")
    assert message.startswith("texts 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 and 20 more (of 30) have char")
    assert message.endswith("'丐', '丑', '丒', '专', and 10 more")


def test_unknown_words_are_silent():
    task = tiny_sequences.task("classify")
    words = WhitespaceTokenizer.train(["it is dry"], vocabulary=10)
    assert told(unknown.encode, words, ["it rains", "is 日本"], "en") == []
    assert told(task.predict, ["it is dry 日"]) == [
        "the text has a character that the model does not know: '日'"
    ]


def test_an_alignment_shows_the_text_itself(tiny_pretrained):
    with pytest.warns(ZooWarning, match="know: '日', '本'"):
        found = tiny_pretrained.align("Go 日本.", "Va !")
    assert "日本" in found.source
    assert tiny_pretrained.tokenizer.pieces([1])[0] not in found.source
    ids = tiny_pretrained.tokenizer.encode("日 Go 本.")
    with_end = [*ids[::-1], 3]
    shown = unknown.pieces(tiny_pretrained.tokenizer, with_end, "日 Go 本.", reverse=True)
    assert [piece for piece in shown if piece in "日本"] == ["本", "日"]


def test_the_unknown_piece_is_never_written(tiny_pretrained):
    """Not even by a model that thinks it is the most probable."""
    from zoo.decoding import search

    task, seen = tiny_pretrained.task, []
    real = search.decode

    def watched(*arguments, **options):
        seen.append(options["forbidden_ids"])
        return real(*arguments, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search, "decode", watched)
        for text, options in (("Go.", {}), ("Go. Go.", {})):
            assert "\u2047" not in str(task.predict([text], **options))
        task.align("Go.")
    assert set(seen) == {(task.tokenizer.unk_id,)}
    assert len(seen) == 3


def test_a_prompt_comes_back_as_it_was_given(every_writer):
    tokenizer = every_writer.tokenizer
    prompt = "The Zyzzyva 日本 cat"
    if tokenizer.unk_id < 0:  # of characters: none is unknown
        with pytest.raises(InputError, match="the text has 'Z' at position 4, a character that"):
            every_writer.predict(prompt)
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ZooWarning)
        found = every_writer.predict(prompt)
    # Counts may end the text at once.
    assert found.startswith((f"{prompt} ", f"{prompt}\n")) or found == prompt
    written = found[len(prompt) :]
    assert tokenizer.pieces([tokenizer.unk_id])[0] not in written


# Rows


def rows_of(task: str, texts: list[str]) -> list[tuple[Any, Any]]:
    return [(text, ("neg", "pos")[i % 2]) for i, text in enumerate(texts)]


def test_rows_to_train_on_are_checked_on_both_sides(tiny_pretrained):
    def planned(*rows):
        return finetune.plan(
            tiny_pretrained.recipe, (tiny_pretrained.tokenizer,) * 2, [*PAIRS, *rows],
            changes=UPDATES,
        )  # fmt: skip

    number = len(PAIRS) + 1
    with pytest.raises(InputError, match=f"row {number}: the source has only characters"):
        planned(("日本", "Va !"))
    with pytest.raises(InputError, match=f"row {number}: the target has only characters"):
        planned(("Go.", "日本"))
    with pytest.raises(InputError, match=f"row {number}: the target is empty"):
        planned(("Go.", "\u200b"))
    assert told(planned, ("Go 日.", "Va 本!"), ("Go 日.", "Va !")) == [
        f"rows {number}, {number + 1} (of {number + 1}) have characters that the model does not "
        "know: '日', '本'"
    ]


def test_rows_to_validate_on_are_checked(tiny_pretrained):
    with pytest.raises(InputError, match="validation, row 1: the source has only characters"):
        finetune.plan(
            tiny_pretrained.recipe, (tiny_pretrained.tokenizer,) * 2, PAIRS,
            validation=[("日本", "Va !")], changes=UPDATES,
        )  # fmt: skip


def test_typographic_rows_are_trained_on_as_plain_ones(tiny_pretrained):
    def ids(rows):
        planned = finetune.plan(
            tiny_pretrained.recipe, (tiny_pretrained.tokenizer,) * 2, rows, changes=UPDATES
        )
        return [planned.train.source.ids.tolist(), planned.train.target.ids.tolist()]

    printed = [(a.replace("'", "’"), b.replace("'", "’")) for a, b in PAIRS]
    assert printed != PAIRS
    assert ids(printed) == ids(PAIRS)


def test_rows_of_unknown_words_are_only_warned_of(classifiers):
    task = classifiers["words"]
    rows = rows_of("classify", ["a good film", "thnx", "a bad film", "k"])
    assert told(check, task, rows) == ["rows 2, 4 (of 4) have no word that the model knows"]
    with pytest.raises(InputError, match="row 2 has only words"):
        check(task, rows_of("classify", ["a good film", "日本"]))
    tokenizers = (task.tokenizer, task.tokenizer)
    assert told(task.check_rows, rows, tokenizers, task.data) == [
        "rows 2, 4 (of 4) have no word that the model knows"
    ]


def test_an_ensemble_reads_by_the_rule(classifiers):
    from test_classify import made

    both = Ensemble([made(), made(seed=2)])
    with pytest.raises(InputError, match="text 2 has only words"):
        both.predict(["a film", "thnx"])
    with pytest.warns(ZooWarning, match="row 2 .of 2. has no word"):
        found = both.evaluate([("a film", "pos"), ("thnx", "pos")])
    assert found["texts"] == 2


def test_a_language_models_texts_are_one_stream(every_writer):
    task, whole = every_writer.task, ("The cat sleeps.", "")
    if task.tokenizer.unk_id < 0:  # of characters: none is unknown
        with pytest.raises(InputError, match="row 2 has '日' at position 0, a character that"):
            check(task, [whole, ("日本", "")])
        return
    if task.tokenizer.unknown == "words":
        assert told(check, task, [whole, ("日本", "")]) == []
    else:
        assert told(check, task, [whole, ("日本", "")]) == [
            "row 2 (of 2) has characters that the model does not know: '日', '本'"
        ]
    with pytest.raises(InputError, match="the text has only"):
        check(task, [("日本", ""), ("語", "")])


def test_golden_outputs_leave_out_what_cannot_be_read(tiny_pretrained):
    found = golden.record(tiny_pretrained.task, ["日本", *(text for text, _ in GOOD_PAIRS)])
    assert found["inputs"] == [text for text, _ in GOOD_PAIRS]
    assert golden.record(tiny_pretrained.task, ["日本"]) == {}


# What a tokenizer tells


def test_fastais_markers_are_no_words():
    tokenizer = FastaiTokenizer.train(["4 Good films , 4 of them"], vocabulary=60)
    ids = tokenizer.encode("哈哈哈哈 日本")
    assert tokenizer.known(ids) == []
    assert not unknown.is_legible(tokenizer, "哈哈哈哈", ids)
    assert tokenizer.known(tokenizer.encode("GOOD")) == [tokenizer.encode("good")[0]]


def test_letters_of_a_vocabulary():
    words = MosesTokenizer(("<pad>", "<unk>", "<s>", "</s>", "Été", "3"), "fr")
    assert {"é", "t"} <= words.letters
    assert "3" not in words.letters
