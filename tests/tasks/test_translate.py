"""The task around the search: order, batches, limits, scores, alignment, BLEU, bad input."""

from __future__ import annotations

import sys
import warnings
import zlib

import keras
import numpy as np
import pytest
from keras import ops

from zoo import tasks
from zoo.bundle import weights
from zoo.config.recipe import Data, Evaluate
from zoo.data import encoded
from zoo.decoding import search
from zoo.errors import DataError, InputError, OptionError, UnknownName, ZooWarning
from zoo.models.vaswani2017 import Transformer
from zoo.tasks import batching
from zoo.tasks.translate import Translate

END = 3
TEXTS = [
    "The cat sleeps.",
    "Go.",
    "I am going to work today. Tomorrow I will work.",
    "Where is the dog?",
    "I am cold.",
]


def make_model(vocabulary, max_length=64):
    """A Transformer whose weights are random and large, so that its outputs differ."""
    model = Transformer(
        vocabulary=vocabulary,
        width=16,
        encoder_layers=1,
        decoder_layers=1,
        heads=2,
        feed_forward=32,
        max_length=max_length,
    )
    model.build()
    for name, variable in weights.variables(model).items():  # whatever their order
        if len(variable.shape) == 2:
            random = np.random.default_rng([zlib.crc32(name.encode()), 2])
            scale = 0.3 if variable.name == "table" else 0.5
            variable.assign(random.normal(size=variable.shape, scale=scale))
    return model


@pytest.fixture(scope="module")
def data():
    return Data(corpus="tatoeba-en-fr", source="en", target="fr", max_length=32)


@pytest.fixture(scope="module")
def options():
    return Evaluate(beam_size=3, max_extra=6, batch_size=4)


@pytest.fixture(scope="module")
def translate(tiny_tokenizer, options, data):
    model = make_model(tiny_tokenizer.size)
    return Translate(model, tiny_tokenizer, tiny_tokenizer, options, data)


@pytest.fixture(scope="module")
def outputs(translate):
    """One list of ids for each of TEXTS, by a decoding of each text alone."""
    tokenizer, found = translate.target_tokenizer, []
    for text in TEXTS:
        source = [*tokenizer.encode(text), END]
        decoded = search.decode(
            translate.model,
            {"source": np.array([source], dtype=np.int32)},
            start_id=2,
            end_id=END,
            pad_id=0,
            max_length=len(source) + 6,
            beam_size=3,
            forbidden_ids=(tokenizer.unk_id,),
        )
        row = decoded.ids[0, 0].tolist()
        found.append(row[: row.index(END) + 1])
    return found


def test_a_task_is_found_by_its_name():
    assert tasks.task("translate") is Translate
    with pytest.raises(UnknownName, match=r"no task 'translat'.*\n.*did you mean 'translate'"):
        tasks.task("translat")


def test_translations_come_in_the_order_of_the_texts(translate, outputs):
    wanted = [translate.target_tokenizer.decode(ids) for ids in outputs]
    assert len(set(wanted)) > 2
    whole = {"split_sentences": False}
    assert translate.predict(TEXTS, **whole) == wanted
    assert translate.predict(TEXTS[::-1], batch_size=2, **whole) == wanted[::-1]
    assert translate.predict([]) == []


def test_options_of_a_call_win_over_the_recipes(translate):
    best = translate.predict(TEXTS, num_return=3)
    assert [each[0] for each in best] == translate.predict(TEXTS, split_sentences=False)
    assert all(len(each) == 3 for each in best)
    greedy = translate.predict(TEXTS, beam_size=1)
    assert greedy != translate.predict(TEXTS)
    short = translate.predict(TEXTS, max_length=3, beam_size=1, split_sentences=False)
    tokenizer = translate.target_tokenizer
    assert all(len(tokenizer.encode(text)) <= 3 for text in short)
    assert translate.predict(TEXTS, length_penalty=0.0) != translate.predict(
        TEXTS, length_penalty=3.0
    )


def test_options_without_sense_are_refused(translate):
    with pytest.raises(OptionError, match="batch_size is 0"):
        translate.predict(TEXTS, batch_size=0)
    with pytest.raises(OptionError, match="num_return is 4 and beam_size is 3"):
        translate.predict(TEXTS, num_return=4)


@pytest.mark.skipif(keras.backend.backend() == "torch", reason="nothing is compiled on PyTorch")
def test_a_second_call_within_the_buckets_compiles_nothing(translate):
    texts = ["I am cold.", "I like red cars.", "Go.", "Va !"]
    lengths = [len(ids) for ids in translate.encode_sources(texts)]
    assert all(8 < length <= 16 for length in lengths[:2])
    assert max(lengths[2:]) <= 8
    translate.predict(texts[::2])
    before = search.traces()
    assert translate.predict(texts[1:], max_length=9)
    assert translate.predict([texts[1], texts[3]], length_penalty=1.0)
    assert search.traces() == before


def test_a_bar_is_shown_only_on_a_terminal(translate, monkeypatch, capsys):
    translate.predict(TEXTS, batch_size=2, progress=True)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    translate.predict(TEXTS, batch_size=2, progress=True)
    assert "reading" in capsys.readouterr().err
    translate.predict(TEXTS[:1], progress=True)
    assert capsys.readouterr().err == ""


def test_alignment_has_a_row_for_each_piece_written(translate, outputs):
    own = translate.align(TEXTS[0])
    tokenizer = translate.target_tokenizer
    assert own.target == tokenizer.pieces(outputs[0])
    assert own.source == [*tokenizer.pieces(tokenizer.encode(TEXTS[0])), "</s>"]
    assert own.matrix.shape == (len(own.target), len(own.source))
    given = translate.align(TEXTS[0], "Le chat dort.")
    assert given.target == [*tokenizer.pieces(tokenizer.encode("Le chat dort.")), "</s>"]
    inputs = {
        "source": np.array([[*tokenizer.encode(TEXTS[0]), END]], dtype=np.int32),
        "target": np.array([[2, *tokenizer.encode("Le chat dort.")]], dtype=np.int32),
    }
    wanted = ops.convert_to_numpy(translate.model.attention(inputs))[0].mean(0)
    np.testing.assert_allclose(given.matrix, wanted, atol=1e-5)
    np.testing.assert_allclose(given.matrix.sum(1), 1.0, rtol=1e-5)


def test_evaluation_is_sacrebleu_over_all_references(translate):
    from sacrebleu.metrics import BLEU, CHRF

    first, second = translate.predict(TEXTS[:1])[0], "Va !"
    examples = [(TEXTS[0], [first + " encore", first]), (TEXTS[1], [second])]
    found = translate.evaluate(examples)
    written = [first, translate.predict(TEXTS[1:2])[0]]
    streams = [[first + " encore", second], [first, None]]
    assert found["bleu"] == pytest.approx(BLEU().corpus_score(written, streams).score, abs=1e-3)
    assert found["chrf"] == pytest.approx(CHRF().corpus_score(written, streams).score, abs=1e-3)
    assert found["signature"].startswith("nrefs:var|case:mixed|eff:no|tok:13a|smooth:exp|version:")
    assert (found["sentences"], found["beam_size"], found["length_penalty"]) == (2, 3, 0.6)
    assert "loss" not in found


def test_bleu_is_that_of_the_target_language(translate):
    other = translate.data.model_copy(update={"target": "zh-CN"})
    chinese = Translate(
        translate.model, translate.source_tokenizer, translate.target_tokenizer,
        translate.options, other,
    )  # fmt: skip
    assert "|tok:zh|" in chinese.evaluate([(TEXTS[1], ["Va !"])])["signature"]


def test_evaluation_can_measure_the_likelihood(translate):
    examples = [(TEXTS[0], ["Le chat dort."]), (TEXTS[1], ["Va !", "Vas-y."])]
    found = translate.evaluate(examples, beam_size=1, length_penalty=0.0, likelihood=True)
    total = translate.score(TEXTS[:2], ["Le chat dort.", "Va !"]).sum()
    pieces = sum(len(translate.target_tokenizer.encode(t)) + 1 for t in ("Le chat dort.", "Va !"))
    assert found["loss"] == pytest.approx(-total / pieces)
    assert found["perplexity"] == pytest.approx(np.exp(-total / pieces))
    assert (found["beam_size"], found["length_penalty"]) == (1, 0.0)


def test_evaluation_needs_rows_and_references(translate):
    with pytest.raises(DataError, match="no rows"):
        translate.evaluate([])
    with pytest.raises(DataError, match="example 2 has no reference"):
        translate.evaluate([("Go.", ["Va !"]), ("Go.", [])])


@pytest.mark.parametrize("text", ["", "  \n\t ", "\u200b"])
def test_empty_text_is_named(translate, text):
    with pytest.raises(InputError, match="the text is empty"):
        translate.predict([text])
    with pytest.raises(InputError, match="text 2 is empty"):
        translate.predict(["Go.", text])


def test_text_of_unknown_characters_only_is_named(translate):
    with pytest.raises(InputError, match=r"text 2 has only characters .* know: '日本 語'"):
        translate.predict(["Go.", "日本 語"])
    with pytest.warns(ZooWarning, match=r"the text has characters .* know: '日', '本'$"):
        assert len(translate.predict(["Go 日本."])) == 1


def test_a_long_text_is_cut_with_a_warning(tiny_tokenizer, options, data):
    model = make_model(tiny_tokenizer.size, max_length=20)
    short = Translate(model, tiny_tokenizer, tiny_tokenizer, options, data)
    long = "The cat eats a fish. " * 9
    pieces = len(tiny_tokenizer.encode(long)) + 1
    with pytest.warns(ZooWarning, match=f"text 2 has {pieces} pieces, .* built for 20; cut after"):
        encoded = short.encode_sources(["Go.", long])
    assert encoded[1] == [*tiny_tokenizer.encode(long)[:19], END]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert len(short.predict([long])) == 1
    with pytest.raises(InputError, match=r"target 1 has .* built for 20"):
        short.score(["Go."], [long])


def test_buckets_hold_what_they_are_asked_for():
    assert [batching.bucket(value, (8, 16)) for value in (1, 8, 9, 17, 40)] == [8, 8, 16, 32, 48]
    padded = encoded.padded([[1, 2], [3]], 3, 0)
    np.testing.assert_array_equal(padded, [[1, 2, 0], [3, 0, 0]])
