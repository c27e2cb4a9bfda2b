"""Answering: spans with their places, windows, n best, no answer, training, the shell."""

from __future__ import annotations

import itertools
import json
import pickle

import keras
import numpy as np
import pytest

import zoo
from zoo import tasks
from zoo.cli import lines, main
from zoo.config import recipe as recipes
from zoo.config.recipe import Data, Evaluate
from zoo.data.encoded import Encoded, Ragged
from zoo.data.examples import Example
from zoo.data.quoted import Quoted
from zoo.data.spans import SPANS
from zoo.errors import DataError, InputError, OptionError, ZooWarning
from zoo.models.bert2018 import MaskedLanguageModel
from zoo.models.bert2018_tasks import Answerer
from zoo.pretrained import Pretrained
from zoo.tasks.answering import best_spans
from zoo.text.wordpiece import WordPieceTokenizer
from zoo.training.answering import AnswerTrainer

NAMES = ["ada", "bob", "eve", "zoe"]
PLACES = ["rome", "oslo", "lima", "bonn"]
TEXTS = [f"{name} went to {place} ." for name in NAMES for place in PLACES]
SIGNS = "who where ? the cafe is naive 10 a b … ’ “ ” , ( ) ' 👩👩👧 abcdefghijklmnopqrstuvwxyz"
TOKENIZER = WordPieceTokenizer.train([*TEXTS, SIGNS], vocabulary=160)
SIZES = {
    "vocabulary": TOKENIZER.size, "context": 24, "width": 16, "layers": 2, "heads": 2,
    "feed_forward": 32, "padding_id": TOKENIZER.pad_id, "separator_id": TOKENIZER.end_id,
}  # fmt: skip
PAIR = ("who went to rome?", "Ada went to Rome.")
LONG = " ".join(TEXTS)


@pytest.fixture(scope="module")
def task():
    """A model with random weights that answers questions, shared."""
    keras.utils.set_random_seed(4)
    model = Answerer(**SIZES)
    model.build()
    draw = np.random.default_rng(4)
    for variable in model.trainable_variables:
        value = keras.ops.convert_to_numpy(variable)
        variable.assign(value + draw.normal(scale=0.3, size=variable.shape))
    data = Data(corpus="x", language="en", max_length=24, stride=6)
    options = Evaluate(metric="f1", batch_size=4)
    return tasks.task("answer")(model, TOKENIZER, TOKENIZER, options, data)


@pytest.fixture(scope="module")
def pretrained(task):
    model = Pretrained(task.model, recipes.load("bert2018-squad"), (TOKENIZER, TOKENIZER))
    model.task = task
    return model


# Answers, with their places


AWKWARD = [
    "Ada went to Rome.",
    "  the cafe\u0301 is nai\u0308ve… \n\n ada’s “bob” 👩‍👩‍👧 a\u200bb ",
    "ada\x07 went\tto\u00a0rome \u200b .",
    "Zoe (EVE) 10 \r\n CAFE\u0301\u0327",
    LONG,
]


@pytest.mark.parametrize("context", AWKWARD)
def test_an_answer_is_cut_from_the_users_own_string(task, context):
    (found,) = task.predict([("who?", context)], num_return=40)
    assert len(found) > 10
    assert len({(each["start"], each["end"]) for each in found}) == len(found)
    for each in found:
        assert context[each["start"] : each["end"]] == each["text"]
        assert each["text"].strip() == each["text"] != ""
        assert not context[each["end"] : each["end"] + 1].startswith(("\u0301", "\u0308", "\u0327"))
        assert 0 < each["score"] < 1
    scores = [each["score"] for each in found]
    assert scores == sorted(scores, reverse=True)


def plain(task, question, context, longest=30):
    """Return the score of each span, window by window, computed anew: {(start, end): score}."""
    ids, spans = TOKENIZER.encode(context), TOKENIZER.spans(context)
    asked = TOKENIZER.encode(question)
    room = SIZES["context"] - 3 - len(asked)
    scores, none = {}, []
    firsts = [0]
    while firsts[-1] + room < len(ids):
        firsts.append(firsts[-1] + min(task.data.stride, room))
    for first in firsts:
        part = ids[first : first + room]
        tokens = [TOKENIZER.start_id, *asked, TOKENIZER.end_id, *part, TOKENIZER.end_id]
        logits = keras.ops.convert_to_numpy(task.model(np.array([tokens], "int32")))[0]
        none.append(float(logits[:, 0].sum()))
        starts, ends = logits[:, len(asked) + 2 :]
        for i, j in itertools.product(range(len(part)), repeat=2):
            own = all(
                min(i, len(part) - 1 - i) + 0.01 * len(part)
                > min(first + i - other, min(room, len(ids) - other) - 1 - first - i + other)
                + 0.01 * min(room, len(ids) - other)
                - 1e-9 * (other > first)
                for other in firsts
                if other != first and other <= first + i < other + room
            )
            if own and i <= j < i + longest:
                place = spans[first + i][0], spans[first + j][1]
                scores[place] = max(float(starts[i] + ends[j]), scores.get(place, -np.inf))
    return scores, min(none)


@pytest.mark.parametrize(
    ("context", "longest"), [(PAIR[1], 30), (PAIR[1], 2), (LONG, 30), (LONG, 3)]
)
def test_answers_are_the_best_of_all_spans(task, context, longest):
    scores, none = plain(task, PAIR[0], context, longest)
    best = sorted(scores, key=lambda place: -scores[place])[:10]
    total = sum(map(np.exp, scores.values()))
    (found,) = task.predict([(PAIR[0], context)], num_return=10, max_length=longest)
    assert [(each["start"], each["end"]) for each in found] == best
    wanted = [np.exp(scores[place]) / total for place in best]
    np.testing.assert_allclose([each["score"] for each in found], wanted, rtol=1e-3)
    # With no answer among them.
    (found,) = task.predict(
        [(PAIR[0], context)], num_return=5000, max_length=longest, no_answer=True
    )  # fmt: skip
    (empty,) = (each for each in found if not each["text"])
    assert (empty["start"], empty["end"]) == (0, 0)
    assert empty["score"] == pytest.approx(np.exp(none) / (total + np.exp(none)), rel=1e-3)


def test_a_threshold_decides_whether_there_is_an_answer(task):
    scores, none = plain(task, *PAIR)
    margin = max(scores.values()) - none
    (above,), (below,) = (
        [task.predict([PAIR], no_answer=margin + shift)[0]["text"]] for shift in (0.01, -0.01)
    )
    assert (above, below != "") == ("", True)
    assert task.predict([PAIR])[0]["text"] == below


def test_spans_by_hand(task):
    """Two windows: which starts count where, j >= i, at most so many pieces, none."""
    made = tasks.task("answer")
    data = Data(corpus="x", language="en", max_length=10, stride=2)
    small = made(task.model, TOKENIZER, TOKENIZER, Evaluate(metric="f1"), data)
    (found,) = small.encode([("a", "ada bob eve zoe ada bob eve")])
    assert [(w.first, len(w.own), w.own.nonzero()[0].tolist()) for w in found] == [
        (0, 6, [0, 1, 2, 3]), (2, 5, [2, 3, 4]),
    ]  # fmt: skip
    first, second = np.zeros((2, 10)), np.zeros((2, 9))
    first[:, 0], second[:, 0] = 3.0, 1.0
    first[0, 3 + 4], first[1, 3 + 5] = 9.0, 4.0  # a start that belongs to the second window
    second[0, 3 + 3], second[1, 3 + 2] = 5.0, 8.0  # the end is before the start
    spans = best_spans(found, [first, second], 30, 3)
    scores = [span.log_p for span in spans]
    assert (spans[0].first, spans[0].last) == (4, 4)  # 0 + 8
    assert {(span.first, span.last) for span in spans[1:]} == {(5, 5), (5, 6)}  # 5 + 0
    assert scores[0] - scores[1] == pytest.approx(3.0)
    short = best_spans(found, [first, second], 1, 99)
    assert len(short) == 7
    assert all(span.first == span.last for span in short)
    assert sum(np.exp(span.log_p) for span in short) == pytest.approx(1.0)
    none = best_spans(found, [first, second], 1, 1, threshold=6.5)  # 2 + 6.5 > 8
    assert (none[0].first, none[0].last) == (-1, -1)
    assert best_spans(found, [first, second], 1, 1, threshold=5.5)[0].first == 4
    hidden = np.array([True, True, True, True, False, True, True])
    seen = best_spans(found, [first, second], 30, 99, visible=hidden)
    assert all(4 not in (span.first, span.last) for span in seen)
    assert seen[0].first == 5


def test_padding_and_company_change_nothing(task):
    pairs = [PAIR, ("where?", LONG), ("who is the cafe?", "bob"), PAIR]
    together = task.predict(pairs)
    alone = [task.predict([pair])[0] for pair in pairs]
    assert [each["text"] for each in together] == [each["text"] for each in alone]
    np.testing.assert_allclose(
        [each["score"] for each in together], [each["score"] for each in alone], rtol=1e-4
    )


# Inputs


def test_a_question_with_its_context(pretrained):
    question, context = PAIR
    wanted = pretrained.predict(PAIR)
    assert isinstance(wanted, Quoted)
    assert pretrained.predict(question, context=context) == wanted
    assert pretrained.predict([PAIR]) == [wanted]
    assert pretrained.predict([question, "who?"], context=context)[0]["text"] == wanted["text"]
    two = pretrained.predict([question, "who?"], context=[context, LONG])
    assert [each.context for each in two] == [context, LONG]
    several = pretrained.predict(question, context=context, num_return=3)
    assert len(several) == 3
    assert several[0]["text"] == wanted["text"]
    with pytest.raises(InputError, match="2 questions, but 3 contexts"):
        pretrained.predict(["who?", "where?"], context=["a"] * 3)


@pytest.mark.parametrize(
    ("given", "options", "error", "message"),
    [
        (["who?"], {}, InputError, r"the pair is str, not \(question, context\)\n.*Ada met Bob"),
        ([("who?", "")], {}, InputError, r"the context of the pair is empty"),
        ([PAIR, (" ", "ada")], {}, InputError, r"the question of pair 2 is empty"),
        ([("who?", "a", "b")], {}, InputError, r"has 3 parts, not two: question and context"),
        ([("who?", 5)], {}, InputError, r"the context of the pair is int, not text"),
        ([("who?", "日本")], {}, InputError, r"has only characters that the model does not know"),
        ([PAIR], {"num_return": 0}, OptionError, "num_return is 0"),
        ([PAIR], {"max_length": 1.5}, OptionError, "max_length is 1.5"),
        ([PAIR], {"no_answer": "x"}, OptionError, "no_answer is 'x'"),
    ],
)
def test_what_is_refused(task, given, options, error, message):
    with pytest.raises(error, match=message):
        task.predict(given, **options)


def test_a_text_alone_is_no_question(pretrained, task):
    with pytest.raises(InputError, match=r"str is no pair \(question, context\)\n.*Ada met Bob"):
        pretrained.predict("who went to rome?")
    with pytest.raises(OptionError, match="has no option 'scores'"):
        pretrained.predict(PAIR, scores=True)
    with pytest.raises(OptionError, match="'classify' has no option 'context'"):
        tasks.task("classify").with_context(tasks.task("classify"), "a", "b")


def test_a_long_question_is_cut_with_a_warning(task):
    question = "who went to rome ? " * 5
    with pytest.warns(ZooWarning, match="the question of pair 2 is longer than the 10 pieces"):
        found = task.predict([PAIR, (question, PAIR[1])])
    with pytest.warns(ZooWarning, match="the question is longer"):
        (rows,) = task.encode_sources([(question, LONG)])
    assert max(map(len, rows)) == 24
    assert found[1]["text"]


# How it shows itself


def test_an_answer_shows_itself():
    context = "He said: <b>Ada</b> & Bob. " + "word " * 40
    found = Quoted(context, {"text": "Ada", "start": 12, "end": 15, "score": 0.5})
    assert str(found) == lines.written(found, lines.Format.text) == "Ada"
    assert json.loads(lines.written(found, lines.Format.jsonl)) == found
    assert lines.written([found, found], lines.Format.text) == "Ada\tAda"
    assert found.rich().plain.startswith("He said: <b>Ada</b> & Bob. word")
    assert found.rich().plain.endswith("word…")
    assert len(found.rich().plain) < 130
    assert "&lt;b&gt;<mark style" in found._repr_html_()
    assert '0.500">Ada</mark>&lt;/b&gt; &amp; Bob' in found._repr_html_()
    again = pickle.loads(pickle.dumps(found))
    assert (again, again.context, type(again)) == (found, context, Quoted)
    none = Quoted(context, {"text": "", "start": 0, "end": 0, "score": 0.5})
    assert (str(none), none.rich().plain) == ("", "no answer")
    assert "no answer" in none._repr_html_()


# Training


QUESTIONS = [("who went ?", text, text.split()[0]) for text in TEXTS] + [
    ("where ?", text, text.split()[3]) for text in TEXTS
]


def test_a_window_without_the_answer_points_at_the_first_token(task):
    made = recipes.load("bert2018-squad").smoke()
    made = made.changed({"data.max_length": 16, "data.stride": 4, "train.buckets": [16]})
    text = " ".join(TEXTS[:4])
    answer = "lima"
    example = Example(("where ?", text), ((answer, text.index(answer)),))
    none = Example(("where ?", text), ())
    found = task.encode_examples([example, none], (TOKENIZER, TOKENIZER), made)
    spans = [tuple(found.columns[SPANS][i]) for i in range(len(found))]
    assert set(spans[len(spans) // 2 :]) == {(0, 0)}
    there = [i for i, span in enumerate(spans) if span != (0, 0)]
    assert 0 < len(there) < len(spans) // 2
    for i in there:
        first, last = spans[i]
        assert TOKENIZER.decode(found.tokens[i][first : last + 1]) == answer
    with pytest.warns(ZooWarning, match="1 of 2 questions are longer than the 6 pieces"):
        task.encode_examples([Example(("where ?" * 9, text), ()), none], [TOKENIZER], made)
    with pytest.raises(DataError, match=r"row 1 has an answer of which the model reads nothing"):
        task.encode_examples([Example(("a", "b \u200b"), (("\u200b", 2),))], [TOKENIZER], made)


def test_the_loss_is_the_mean_of_start_and_end(task):
    made = recipes.load("bert2018-squad").smoke().changed(
        {"train.batch_sentences": 2, "train.buckets": [16]}
    )  # fmt: skip
    made = made.changed({"model.arguments": SIZES | {"dropout": 0.0, "attention_dropout": 0.0}})
    ids = [np.array([2, 5, 3, 7, 8, 9, 3]), np.array([2, 6, 3, 9, 3])]
    data = Encoded({"tokens": Ragged.of(ids), SPANS: Ragged.of([(3, 5), (0, 0)])})
    expected = []
    for row, (start, end) in zip(ids, [(3, 5), (0, 0)], strict=True):
        logits = keras.ops.convert_to_numpy(task.model(row[None].astype("int32")))[0]
        log_p = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        expected += [-log_p[0, start], -log_p[1, end]]
    other = Answerer(**SIZES | {"dropout": 0.0, "attention_dropout": 0.0})
    other.build()
    other.set_weights(task.model.get_weights())
    trainer = AnswerTrainer(other, made, data, data, TOKENIZER)
    assert trainer.validate() == pytest.approx(np.mean(expected), rel=1e-4)
    assert trainer.update(0) == pytest.approx(np.mean(expected), rel=1e-4)


@pytest.fixture(scope="module")
def tuned():
    """A masked language model that has learned to answer two kinds of questions."""
    made = recipes.load("bert2018-starter").smoke().resolved()
    keras.utils.set_random_seed(6)
    base = MaskedLanguageModel(**SIZES)
    base.build()
    arguments = {**made.model.arguments, **SIZES}
    made = made.changed({"model.arguments": arguments, "tokenizer.vocabulary": TOKENIZER.size})
    model = Pretrained(base, made, (TOKENIZER, TOKENIZER))
    few = {
        "train.updates": 100, "train.updates_per_epoch": 50, "train.batch_sentences": 8,
        "schedule.peak": 1e-2, "schedule.warmup": 10, "train.jit": False, "train.buckets": [16, 24],
        "data.max_length": 24, "data.stride": 6,
    }  # fmt: skip
    return model.finetune(QUESTIONS, task="answer", validation=QUESTIONS[:4], changes=few)


def test_a_tiny_model_learns_to_answer(tuned, tmp_path):
    assert tuned.recipe.evaluate.metric == "f1"
    measured = tuned.evaluate(QUESTIONS)
    assert (measured["f1"], measured["exact_match"], measured["questions"]) == (100.0, 100.0, 32)
    text = "Bob went to Lima ."
    found = tuned.predict(["who went ?", "where ?"], context=text)
    assert [each["text"] for each in found] == ["Bob", "Lima"]
    assert (found[1]["start"], found[1]["end"]) == (12, 16)
    again = zoo.load(tuned.save(tmp_path / "mine"))
    assert again.predict(("where ?", text))["text"] == "Lima"
    assert again.evaluate(QUESTIONS)["f1"] == 100.0
    card = (tmp_path / "mine" / "README.md").read_text("utf-8")
    assert "pipeline_tag: question-answering" in card
    assert 'model.predict("...", context="...")' in card
    assert tuned.push("me/mine", dry_run=True).repo == "me/mine"


def test_no_answer_is_measured_where_there_is_none(tuned):
    rows = [*QUESTIONS, ("who went ?", "the cafe is naive", [])]
    measured = tuned.evaluate(rows)
    assert (measured["questions"], measured["without_answer"]) == (33, 1)
    assert {"f1_with_answer", "f1_without_answer"} <= measured.keys()


def test_the_shell(tuned, tmp_path, capsys):
    bundle = tuned.save(tmp_path / "mine")
    article = tmp_path / "article.txt"
    article.write_text("\ufeffBob went\nto Lima .\n", "utf-8")

    def run(*words):
        with pytest.raises(SystemExit) as done:
            main.main(["predict", str(bundle), *words])
        output = capsys.readouterr()
        assert done.value.code == ("error" in output.err), output.err
        return output.out or output.err

    assert run("--context", str(article), "who went ?", "where ?") == "Bob\nLima\n"
    (tmp_path / "asked.txt").write_text("where ?\n\nwho went ?\n", "utf-8")
    asked = ("--context", str(article), "--file", str(tmp_path / "asked.txt"))
    assert run(*asked) == "Lima\n\nBob\n"
    assert run("where ?\tEve went to Bonn .") == "Bonn\n"
    found = json.loads(run("--context", str(article), "where ?", "--format", "jsonl"))
    assert (found["text"], found["start"], found["end"]) == ("Lima", 12, 16)
    assert 0.5 < found["score"] <= 1
    assert len(run("--context", str(article), "where ?", "--num-return", "3").split("\t")) == 3
    assert run("--context", str(article), "where ?", "--no-answer") in ("Lima\n", "\n")
    assert "there is no file no.txt" in run("--context", "no.txt", "where ?")
    (tmp_path / "empty.txt").write_text(" \n")
    assert "empty.txt is empty" in run("--context", str(tmp_path / "empty.txt"), "where ?")
    assert "expected a question and its context" in run("where ?")
