"""Texts of several sentences through a translator, and texts longer than it has seen."""

from __future__ import annotations

import warnings

import pytest
from given import GOOD_PAIRS, TARGETS, TEXTS

from zoo.config import recipe as recipes
from zoo.errors import OptionError, ZooWarning
from zoo.tasks import paragraphs
from zoo.tasks.batching import decode_by_length


@pytest.fixture(scope="module")
def alone(tiny_pretrained) -> dict[str, str]:
    """The translation of each sentence by itself."""
    return {text: tiny_pretrained.predict(text, split_sentences=False) for text in TEXTS}


def test_a_text_is_translated_sentence_by_sentence(tiny_pretrained, alone):
    text = " ".join(TEXTS)
    assert tiny_pretrained.predict(text) == " ".join(alone[sentence] for sentence in TEXTS)
    assert tiny_pretrained.predict([text, TEXTS[0]])[1] == alone[TEXTS[0]]
    whole = tiny_pretrained.predict(text, split_sentences=False)
    assert whole != tiny_pretrained.predict(text, split_sentences=True)
    assert whole == tiny_pretrained.predict(text, num_return=2)[0]


def test_line_breaks_stay(tiny_pretrained, alone):
    one, two, three = TEXTS
    text = f"\n{one} {two}\r\n\r\n{three}\n"
    wanted = f"{alone[one]} {alone[two]}\r\n\r\n{alone[three]}"
    assert tiny_pretrained.predict(text) == wanted


def test_a_sentence_of_which_nothing_is_known_stays(tiny_pretrained, alone):
    with pytest.warns(ZooWarning, match="the text has characters .* know: '日', '本'$"):
        found = tiny_pretrained.predict(f"{TEXTS[0]} 日本. {TEXTS[1]}")
    assert found == f"{alone[TEXTS[0]]} 日本. {alone[TEXTS[1]]}"


def test_all_sentences_are_decoded_together(tiny_pretrained, monkeypatch):
    calls = []

    def counted(decode, lengths, *rest):
        calls.append(len(lengths))
        return decode_by_length(decode, lengths, *rest)

    monkeypatch.setattr("zoo.tasks.translate.decode_by_length", counted)
    tiny_pretrained.predict([" ".join(TEXTS), TEXTS[0]])
    assert calls == [4]
    assert tiny_pretrained.predict([]) == []


def test_several_outputs_are_of_whole_texts(tiny_pretrained):
    with pytest.raises(OptionError, match="split_sentences is set and num_return is 2"):
        tiny_pretrained.predict(TEXTS, num_return=2, split_sentences=True)
    assert len(tiny_pretrained.predict(" ".join(TEXTS), num_return=2)) == 2


def test_only_translators_cut(loaded, every_writer):
    with pytest.raises(OptionError, match="has no option 'split_sentences'"):
        every_writer.predict("I am", split_sentences=True)


def test_evaluation_reads_lines_whole_unless_told(tiny_pretrained, monkeypatch):
    text, target = " ".join(TEXTS), " ".join(TARGETS)
    outputs = []

    def measured(translations, references, language):
        outputs.append(translations)
        return {"bleu": 0.0, "chrf": 0.0}

    monkeypatch.setattr("zoo.tasks.metrics.translation", measured)
    tiny_pretrained.evaluate([(text, target)])
    tiny_pretrained.evaluate([(text, target)], split_sentences=True)
    assert outputs == [
        [tiny_pretrained.predict(text, split_sentences=False)], [tiny_pretrained.predict(text)]
    ]  # fmt: skip


def test_a_prefix_goes_before_each_sentence():
    class Marian:
        def prefix(self, text):
            return text[:7], text[7:]

    cut = paragraphs.cut(">>fra<< Go. Stop.", Marian(), "en")
    assert cut.sentences == [">>fra<<Go.", ">>fra<<Stop."]


# Longer than what was seen


def told(verb, *arguments, **options) -> list[str]:
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always", ZooWarning)
        verb(*arguments, **options)
    return [str(each.message) for each in seen if each.category is ZooWarning]


@pytest.mark.parametrize(
    ("max_length", "buckets", "expected"), [(64, [20, 40], 40), (30, [20, 40], 30)]
)
def test_the_trained_length_is_the_recipes(tiny_recipe, max_length, buckets, expected):
    changes = {"data.max_length": max_length, "train.buckets": buckets}
    changed = tiny_recipe.changed(changes)
    assert changed.trained_length == expected
    assert changed.model_copy(update={"converted": "x"}).trained_length is None
    assert recipes.load("gpt1-starter").trained_length is None


def test_what_is_longer_than_in_training_is_told_by_that_length(tiny_pretrained):
    task = tiny_pretrained.task
    trained = task.trained_length
    assert trained == tiny_pretrained.recipe.trained_length
    endless = "the cat eats a fish and " * 8
    pieces = len(task.tokenizer.encode(endless)) + 1
    assert trained < pieces
    wanted = (
        f"text 2 has {pieces} pieces in one sentence or line, and no text of the model's training "
        f"had more than {trained}: its end may be lost"
    )
    assert told(task.encode_sources, ["Go.", endless])[-1] == wanted
    (message,) = told(task.predict, ["Go.", f"Go. Go. {endless}"], max_length=3)
    assert message == wanted
    short = "I am cold. " * 30  # no sentence of it is long
    assert told(task.predict, [short], max_length=3) == []
    assert told(task.predict, [short], max_length=3, split_sentences=False)
    of_source, of_target = told(task.score, [endless], [endless])
    assert of_source.startswith("the text has")
    assert of_target.startswith("the target has")
    assert "so it is for 2 of 3" in told(task.encode_sources, ["Go.", endless, endless])[-1]


def test_the_test_set_is_read_by_lines(tiny_pretrained):
    rows = [(" ".join(TEXTS), [" ".join(TARGETS)]), *((a, [b]) for a, b in GOOD_PAIRS)]
    found = tiny_pretrained.task.evaluate(rows)
    assert found["sentences"] == 4
