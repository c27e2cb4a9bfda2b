"""Continued texts against a plain loop over full passes; seeds, limits, scores, bad input."""

from __future__ import annotations

import warnings

import keras
import numpy as np
import pytest
from keras import ops

from zoo import compiling
from zoo.config.recipe import Data, Evaluate
from zoo.errors import DataError, InputError, NotSupported, OptionError, ZooWarning
from zoo.models.merity2017 import LanguageModel
from zoo.tasks.generate import Generate
from zoo.text import BpeTokenizer, FastaiTokenizer, WhitespaceTokenizer

LINES = [
    "the cat sleeps on the mat",
    "The dog eats a fish today and the cat looks on",
    "we are going home to the red house",
    "I like red cars and blue cars",
]
TEXTS = ["the cat", "we", "The dog eats a fish today and the cat looks on", "red cars and"]
EXTRA = 6
compiled = pytest.mark.skipif(
    keras.backend.backend() == "torch", reason="nothing is compiled on PyTorch"
)


def make_model(tokenizer, seed=5, ends=0.0):
    """A language model of random, large weights; `ends` is the bias of the end."""
    model = LanguageModel(
        vocabulary=tokenizer.size, embedding=6, width=10, layers=2, padding_id=tokenizer.pad_id
    )
    model.build()
    random = np.random.default_rng(seed)
    for variable in model.trainable_variables:
        variable.assign(random.normal(size=variable.shape, scale=0.7))
    bias = ops.convert_to_numpy(model.encoder.embedding.bias).copy()
    bias[tokenizer.end_id] = ends
    # What no text has is no word to go on with.
    bias[[i for i in (tokenizer.pad_id, tokenizer.start_id) if i != tokenizer.end_id]] = -50.0
    model.encoder.embedding.bias.assign(bias)
    return model


def make_task(tokenizer, ends=0.0, reverse=False):
    data = Data(corpus="ptb", language="en", reverse=reverse)
    options = Evaluate(metric="perplexity", max_extra=EXTRA, batch_size=4)
    return Generate(make_model(tokenizer, ends=ends), tokenizer, tokenizer, options, data)


@pytest.fixture(scope="module")
def spaces():
    return WhitespaceTokenizer.train(LINES, vocabulary=100)


@pytest.fixture(scope="module")
def generate(spaces):
    return make_task(spaces)


@pytest.fixture(scope="module", params=["whitespace", "fastai", "sentencepiece"])
def each_task(request, spaces):
    """A writer of each kind of tokenizer."""
    if request.param == "whitespace":
        return make_task(spaces)
    if request.param == "fastai":
        return make_task(FastaiTokenizer.train(LINES, vocabulary=100))
    return make_task(request.getfixturevalue("tiny_tokenizer"))


def full_pass(model, options, arrays):
    return model(arrays["tokens"])


def log_softmax(model, ids):
    """Return log P of what follows each of ids, float64 [ids, vocabulary]: one full pass."""
    # What stands behind them changes nothing, and one length is compiled once.
    tokens = np.zeros((1, 32 if len(ids) <= 32 else 192), dtype=np.int32)
    tokens[0, : len(ids)] = ids
    logits = compiling.run(full_pass, model, None, {"tokens": tokens})
    logits = ops.convert_to_numpy(logits)[0, : len(ids)].astype(np.float64)
    logits -= logits.max(axis=1, keepdims=True)
    return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))


def greedily(task, text, most):
    """Continue a text by a full pass for each word, the unknown one left out."""
    tokenizer = task.tokenizer
    ids = [tokenizer.start_id, *tokenizer.encode(text)]
    for _ in range(most):
        each = log_softmax(task.model, ids)[-1]
        each[tokenizer.unk_id] = -np.inf
        following = int(np.argmax(each))
        if following == tokenizer.end_id:
            break
        ids.append(following)
    return tokenizer.decode(ids[1:])


def test_greedy_is_a_loop_over_full_passes(each_task):
    wanted = [greedily(each_task, text, EXTRA) for text in TEXTS]
    assert len(set(wanted)) == len(TEXTS)
    assert each_task.predict(TEXTS) == wanted
    assert [each_task.predict([text])[0] for text in TEXTS] == wanted
    assert each_task.predict(TEXTS[::-1], batch_size=2) == wanted[::-1]
    assert each_task.predict([]) == []


def test_a_text_ends_where_the_model_ends_it_or_breaks_off(spaces):
    lively, tired = make_task(spaces, ends=-50.0), make_task(spaces, ends=9.0)
    words = [len(text.split()) for text in lively.predict(TEXTS)]
    assert words == [len(text.split()) + EXTRA for text in TEXTS]
    assert [len(text.split()) for text in lively.predict(TEXTS, max_length=14)] == [14] * 4
    assert lively.predict(TEXTS, max_length=14)[1] == greedily(lively, TEXTS[1], 13)
    assert tired.predict(TEXTS, max_length=40) == [greedily(tired, text, 40) for text in TEXTS]
    assert tired.predict(TEXTS)[0] == tired.tokenizer.decode(tired.tokenizer.encode(TEXTS[0]))


def test_a_long_prompt_is_read_to_its_end(generate, spaces):
    words = " ".join(LINES * 5).split()
    texts = [" ".join(words[-number:]) for number in (63, 64, 65, 40, 1, 140)]
    for text, found in zip(texts, generate.predict(texts, batch_size=6), strict=True):
        assert found.startswith(text)
        prompt, ids = spaces.encode(text), [spaces.start_id, *spaces.encode(found)]
        each = log_softmax(generate.model, ids)[len(prompt) :]
        each[:, spaces.unk_id] = -np.inf
        following = [*ids[1 + len(prompt) :], spaces.end_id][:EXTRA]
        assert each.argmax(axis=1)[: len(following)].tolist() == following


def test_a_beam_finds_what_is_more_probable(spaces):
    lively = make_task(spaces, ends=-50.0)

    def log_probability(text, prompt):
        """Of what follows the prompt, the unknown word left out."""
        ids = [spaces.start_id, *spaces.encode(text)]
        each = log_softmax(lively.model, ids[:-1])
        each -= np.log1p(-np.exp(each[:, spaces.unk_id]))[:, None]
        return sum(each[i, ids[i + 1]] for i in range(len(spaces.encode(prompt)), len(ids) - 1))

    found = lively.predict(TEXTS, beam_size=4, num_return=3, max_length=16)
    assert [each[0] for each in found] == lively.predict(TEXTS, beam_size=4, max_length=16)
    for prompt, texts, greedy in zip(
        TEXTS, found, lively.predict(TEXTS, max_length=16), strict=True
    ):
        assert len(set(texts)) == 3
        scores = [log_probability(text, prompt) for text in texts]
        assert scores == sorted(scores, reverse=True)
        assert scores[0] >= log_probability(greedy, prompt) - 1e-4


def test_draws_of_certainty_are_greedy(each_task):
    greedy = each_task.predict(TEXTS)
    assert each_task.predict(TEXTS, top_k=1) == greedy
    assert each_task.predict(TEXTS, temperature=1e-5) == greedy
    assert each_task.predict(TEXTS, top_p=1e-6) == greedy
    assert each_task.predict(TEXTS, top_k=1, num_return=2) == [[each] * 2 for each in greedy]


def test_a_seed_is_a_text(generate):
    one = generate.predict(TEXTS, seed=1)
    assert generate.predict(TEXTS, seed=1) == one
    assert generate.predict(TEXTS, seed=1, temperature=1.0) == one
    assert generate.predict(TEXTS, seed=1, top_p=1.0) == one
    assert generate.predict(TEXTS, seed=2) != one
    assert generate.predict(TEXTS, seed=1, temperature=3.0) != one
    assert generate.predict(TEXTS, temperature=1.0) != generate.predict(TEXTS, temperature=1.0)
    # Whatever is drawn, the given words stay.
    for text, found in zip(TEXTS, one, strict=True):
        assert found.startswith(generate.tokenizer.decode(generate.tokenizer.encode(text)))


def test_equal_prompts_go_on_differently(generate):
    texts = generate.predict(["the cat"] * 6, seed=3, max_length=30, batch_size=2)
    assert len(set(texts)) == 6
    several = generate.predict(["the cat", "we"], seed=3, max_length=30, num_return=3)
    assert [len(set(each)) for each in several] == [3, 3]
    assert all(text.startswith("we") for text in several[1])


@compiled
def test_within_a_bucket_nothing_is_compiled(generate):
    generate.predict(["the cat"], seed=0, top_p=0.9)
    generate.predict(["the cat"])
    generate.predict([" ".join(LINES * 3)])  # in pieces
    before = compiling.traces()
    generate.predict(["we"], seed=7, top_p=0.3, temperature=2.0)
    generate.predict(["I like red cars and"], seed=8, top_p=0.5, max_length=9)
    generate.predict(["I like red cars and"], max_length=30)
    generate.predict([" ".join(LINES * 9)])
    assert compiling.traces() == before
    generate.predict(["we"], seed=7, top_k=3)
    assert compiling.traces() == before + 1


def test_options_without_sense_are_refused(generate):
    wrong = {
        "temperature is 0": {"temperature": 0},
        "temperature is -1.0": {"temperature": -1.0},
        "temperature is nan": {"temperature": float("nan")},
        "temperature is 'hot'": {"temperature": "hot"},
        "top_k is 0": {"top_k": 0},
        r"top_k is 2\.5": {"top_k": 2.5},
        "top_p is 0": {"top_p": 0},
        r"top_p is 1\.1": {"top_p": 1.1},
        r"seed is 1\.0": {"seed": 1.0},
        "seed is -1": {"seed": -1},
        "num_return is 0": {"num_return": 0, "seed": 1},
        "num_return is 2 and beam_size is 1": {"num_return": 2},
        "num_return is 5 and beam_size is 4": {"num_return": 5, "beam_size": 4},
        "beam_size is 2 and a sampler is given": {"beam_size": 2, "temperature": 1.0},
        "batch_size is 0": {"batch_size": 0},
        "max_length is 0": {"max_length": 0},
        "max_length is 2 and text 1 has 2 tokens already": {"max_length": 2},
    }
    for message, options in wrong.items():
        with pytest.raises(OptionError, match=message):
            generate.predict(TEXTS, **options)


@pytest.mark.parametrize("text", ["", "  \n\t "])
def test_empty_text_is_named(each_task, text):
    for verb in (each_task.predict, each_task.score):
        with pytest.raises(InputError, match=r"the text is empty\n.*at least one word"):
            verb([text])
        with pytest.raises(InputError, match="text 2 is empty"):
            verb(["we", text])


def test_text_of_what_is_unknown_only_is_named(generate, tiny_tokenizer):
    with pytest.raises(InputError, match=r"text 2 has only words .* know: 'Zyzzyva quux'"):
        generate.predict(["we", "Zyzzyva quux"])
    with warnings.catch_warnings():
        warnings.simplefilter("error", ZooWarning)
        (found,) = generate.predict(["Zyzzyva cat"])
    assert found.startswith("Zyzzyva cat ")
    assert "<unk>" not in found
    with pytest.raises(InputError, match=r"the text has only characters .* know: '日本'"):
        make_task(tiny_tokenizer).predict(["日本"])


def test_a_model_that_reads_backwards_cannot_continue(spaces):
    backward = make_task(spaces, reverse=True)
    with pytest.raises(NotSupported, match="from its last word to its first"):
        backward.predict(TEXTS)
    ids = [spaces.start_id, *spaces.encode(TEXTS[0])[::-1], spaces.end_id]
    each = log_softmax(backward.model, ids[:-1])
    wanted = sum(each[i, ids[i + 1]] for i in range(len(ids) - 1))
    assert backward.score(TEXTS[:1])[0] == pytest.approx(wanted, rel=1e-5)


def test_a_score_is_the_probability_of_all_words_and_the_end(each_task):
    found = each_task.score(TEXTS)
    assert found.dtype == np.float64
    tokenizer = each_task.tokenizer
    for text, score in zip(TEXTS, found, strict=True):
        ids = [tokenizer.start_id, *tokenizer.encode(text), tokenizer.end_id]
        each = log_softmax(each_task.model, ids[:-1])
        wanted = sum(each[i, ids[i + 1]] for i in range(len(ids) - 1))
        assert score == pytest.approx(wanted, rel=1e-5)


def test_a_stream_begins_after_an_end(generate):
    found = generate.evaluate([(line, "") for line in LINES], stream=True)
    ids = np.concatenate([[0], *([*generate.tokenizer.encode(line), 0] for line in LINES)])
    each = log_softmax(generate.model, ids[:-1])
    loss = -np.mean([each[i, ids[i + 1]] for i in range(len(ids) - 1)])
    words = sum(len(line.split()) + 1 for line in LINES)
    assert found["loss"] == pytest.approx(loss, rel=1e-5)
    assert (found["words"], found["tokens"]) == (words, words)
    assert found["perplexity"] == found["perplexity_per_token"]
    assert found["perplexity"] == pytest.approx(np.exp(loss), rel=1e-5)
    with pytest.raises(DataError, match="no rows"):
        generate.evaluate([])


def test_only_what_is_scored_is_counted(spaces):
    """A line break counts where the tokenizer reads it; white space around a text never does."""
    text = "  the cat\n\nsleeps on\nthe mat \n"
    bpe, fastai = (each.train(LINES, vocabulary=100) for each in (BpeTokenizer, FastaiTokenizer))
    breaks = {bpe: 2, fastai: 4, spaces: 0}
    for tokenizer, read in breaks.items():
        assert tokenizer.line_breaks(text) == read
        found = make_task(tokenizer).evaluate([(text, "")])
        assert found["words"] == 6 + read + 1
        assert found["tokens"] == len(tokenizer.encode(text)) + 1
        assert found["characters"] == len(text.strip()) + 1
        assert found["words"] <= found["tokens"]
