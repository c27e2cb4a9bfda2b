"""The verbs of every language model of the catalog: what follows a text, how probable texts are."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tiny
from given import PAIRS, TEXTS, can_be_finetuned, quick, refused

from zoo import compiling, golden
from zoo.data.corpora import CORPORA
from zoo.errors import DataError, InputError, NotSupported, OptionError
from zoo.pretrained import Pretrained

# More words than are read in one piece, with no two pieces alike.
LONG = " ".join(source for source, _ in (*PAIRS, *PAIRS[::2], *PAIRS[::-3]))


@pytest.fixture(scope="module")
def backward(every_writer) -> Pretrained:
    """The same model under a recipe that reads texts from the last word to the first."""
    recipe = every_writer.recipe.changed({"data.reverse": True})
    return Pretrained(every_writer.model, recipe, (every_writer.tokenizer,) * 2)


@pytest.fixture
def endless(every_writer) -> Pretrained:
    """One that carries a state, so that a text may be of any length."""
    if every_writer.task.context is not None:
        pytest.skip("it reads no more than its context")
    return every_writer


def log_probabilities(pretrained: Pretrained, words: list[int], started: bool = True) -> np.ndarray:
    """Return log P [words + 1, vocabulary] of what follows the start and each word, in one pass.

    Args:
        started: false leaves the start out, and the row after it.
    """
    first = [pretrained.tokenizer.start_id] if started else []
    tokens = np.array([[*first, *words]], dtype="int32")
    logits = tiny.logits(pretrained.model, tokens)[0].astype(np.float64)
    return logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))


# What each verb gives


@pytest.mark.parametrize("text", [TEXTS[0], LONG], ids=["short", "long"])
def test_the_most_probable_words_follow(every_writer, text):
    tokenizer = every_writer.tokenizer
    if text == LONG and every_writer.task.context is not None:
        pytest.skip("it reads no more than its context")
    given = tokenizer.encode(text)
    words, more = list(given), 1 if text == LONG else 3
    for _ in range(more):
        after = log_probabilities(every_writer, words, not tokenizer.open_ended)[-1]
        after[tokenizer.unk_id] = -np.inf  # is never written
        best = int(after.argmax())
        if best == tokenizer.end_id and not tokenizer.open_ended:
            break
        words.append(best)
    found = every_writer.predict(text, max_length=len(given) + more)
    if tokenizer.unk_id in given:  # then the text stays as it is
        new = tokenizer.decode(words).removeprefix(tokenizer.decode(given))
        assert found == text.strip() + new
    else:
        assert found == tokenizer.decode(words)


def test_a_text_is_given_back_with_what_follows(every_writer):
    shown = every_writer.tokenizer.decode(every_writer.tokenizer.encode(TEXTS[0]))
    for found in (every_writer.predict(TEXTS[0]), every_writer.predict(TEXTS[0], seed=1)):
        assert found.startswith(shown)


def test_draws_are_another_one_for_each_seed_and_the_same_for_one(every_writer):
    options = {"temperature": 2.0, "top_k": 30, "num_return": 2, "max_length": 20}
    first, second, other = (
        every_writer.predict(TEXTS[:2], seed=seed, **options) for seed in (1, 1, 2)
    )
    assert first == second != other
    assert len({text for each in first for text in each}) > 2


@pytest.mark.parametrize("text", [TEXTS[0], LONG], ids=["short", "long"])
def test_the_score_is_that_of_every_word_and_of_the_end(every_writer, text):
    if text == LONG and every_writer.task.context is not None:
        pytest.skip("it reads no more than its context")
    tokenizer = every_writer.tokenizer
    words = tokenizer.encode(text)
    each = log_probabilities(every_writer, words)
    wanted = sum(each[i, label] for i, label in enumerate([*words, tokenizer.end_id]))
    found = every_writer.score([text, TEXTS[1]])
    assert found.shape == (2,)
    assert found[0] == pytest.approx(wanted, rel=1e-4)
    one = every_writer.score(text)
    assert isinstance(one, float)
    assert one == pytest.approx(found[0], rel=1e-5)


def total_log_probability(pretrained: Pretrained, words: list[int], counted: list[int]) -> float:
    """Return log P of the counted places of the words that follow the start, in windows of NumPy.

    A model with a context sees nothing before each window of that length.
    """
    tokenizer, each = pretrained.tokenizer, []
    ids = [tokenizer.start_id, *words]
    width = pretrained.task.context or len(ids)
    for first in range(0, len(words), width):
        tokens = np.array([ids[first : min(first + width, len(words))]], dtype="int32")
        logits = tiny.logits(pretrained.model, tokens)[0].astype(np.float64)
        log_p = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
        each.extend(log_p[np.arange(len(log_p)), words[first : first + width]])
    return sum(each[place] for place in counted)


@pytest.mark.parametrize("stream", [False, True], ids=["texts", "stream"])
def test_perplexity_is_the_probability_of_every_word_that_counts(every_writer, stream):
    texts, tokenizer = [*TEXTS, LONG], every_writer.tokenizer
    words = [[*tokenizer.encode(text), tokenizer.end_id] for text in texts]
    if stream:
        first = [] if tokenizer.start_id == tokenizer.end_id else [tokenizer.start_id]
        ids = [i for each in words for i in (*first, *each)][len(first) :]
        counted = [i for i, token in enumerate(ids) if not first or token != tokenizer.start_id]
        total = total_log_probability(every_writer, ids, counted)
    else:
        total = sum(
            total_log_probability(every_writer, each, list(range(len(each)))) for each in words
        )
        assert every_writer.score(texts).sum() == pytest.approx(total, rel=1e-5)
    found = every_writer.evaluate(texts, stream=stream)
    assert found["tokens"] == sum(map(len, words))
    assert found["words"] == sum(len(text.split()) + 1 for text in texts)
    assert found["characters"] == sum(len(text) + 1 for text in texts)
    assert found["loss"] == pytest.approx(-total / found["tokens"], rel=1e-5)
    assert found["perplexity_per_token"] == pytest.approx(np.exp(found["loss"]), rel=1e-9)
    assert found["perplexity"] == pytest.approx(np.exp(-total / found["words"]), rel=1e-5)
    bits = -total / np.log(2) / found["characters"]
    assert found["bits_per_character"] == pytest.approx(bits, rel=1e-5)
    unknown = sum(each.count(tokenizer.unk_id) for each in words) / found["tokens"]
    assert found["unknown"] == pytest.approx(unknown, abs=1e-4)
    for size in (1, 32):
        again = every_writer.evaluate(texts, stream=stream, batch_size=size)
        assert again["perplexity"] == pytest.approx(found["perplexity"], rel=1e-5)


def test_one_text_has_the_perplexity_of_its_score(every_writer):
    for text in (TEXTS[2], LONG):
        found = every_writer.evaluate([text])
        wanted = np.exp(-every_writer.score(text) / (len(text.split()) + 1))
        assert found["perplexity"] == pytest.approx(wanted, rel=1e-5)


@pytest.mark.filterwarnings("ignore:.*that the model does not know")
def test_a_corpus_that_is_one_text_is_read_as_one(every_writer, corpora_folder):
    _, rows = every_writer.examples(corpora_folder, split="train")
    texts = [text for text, _ in rows]
    found = every_writer.evaluate(corpora_folder, split="train")
    if not CORPORA[every_writer.recipe.data.corpus].stream:  # names are read one by one
        assert found["perplexity"] == every_writer.evaluate(texts)["perplexity"]
        return
    assert found["perplexity"] == every_writer.evaluate(texts, stream=True)["perplexity"]
    apart = every_writer.evaluate(corpora_folder, split="train", stream=False)
    assert apart["perplexity"] == every_writer.evaluate(texts)["perplexity"]
    if len(texts) > 1 and every_writer.model.trainable_variables:
        assert apart["perplexity"] != found["perplexity"]
    elif len(texts) > 1:  # no n-gram goes from one text into the next
        assert apart["perplexity"] == pytest.approx(found["perplexity"], rel=1e-6)


def test_longer_texts_compile_nothing_new(endless):
    traces = 0
    for text in (LONG, f"{LONG} {LONG}"):
        endless.score(text)
        words = len(endless.tokenizer.encode(text))
        endless.predict(text, max_length=words + 6)
        assert traces in (0, compiling.traces())
        traces = compiling.traces()


def test_preprocess_gives_one_stream_of_all_texts(every_writer):
    if not can_be_finetuned(every_writer):
        pytest.skip("no batches of a user's texts")
    texts = [source for source, _ in PAIRS]
    changes = quick(every_writer) | {"train.shuffle": False, "train.vary_bptt": False}
    batches = list(every_writer.preprocess(texts, validation=TEXTS, changes=changes))
    stream = np.concatenate(every_writer.encode_sources(texts))
    rows = np.concatenate([inputs["tokens"] for inputs, _ in batches], axis=1)
    after = np.concatenate([labels for _, labels in batches], axis=1)
    np.testing.assert_array_equal(rows[:, 1:], after[:, :-1])
    width = (len(stream) - 1) // 4
    for i, row in enumerate(rows):
        np.testing.assert_array_equal(row, stream[i * width : i * width + len(row)])
    carried = [inputs["carry"] for inputs, _ in batches]
    assert not carried[0].any()
    assert all(each.all() for each in carried[1:])


def test_what_was_answered_is_recorded(every_writer):
    found = golden.record(every_writer.task, TEXTS)
    golden.check(every_writer.task, found)
    assert found["outputs"] == every_writer.predict(TEXTS)
    scores = every_writer.task.golden_scores(TEXTS, found["outputs"])
    np.testing.assert_allclose(found["log_probabilities"], scores, atol=1e-3)


# From the last word to the first


def test_a_backward_model_scores_texts_turned_round(every_writer, backward):
    tokenizer = every_writer.tokenizer
    words = tokenizer.encode(TEXTS[2])[::-1]
    first = [] if tokenizer.start_id == tokenizer.end_id else [tokenizer.start_id]
    assert backward.encode_sources(TEXTS[2:]) == [[*first, *words, tokenizer.end_id]]
    each = log_probabilities(every_writer, words)
    labels = [*words, tokenizer.end_id]
    wanted = sum(each[i, label] for i, label in enumerate(labels))
    assert backward.score(TEXTS[2]) == pytest.approx(wanted, rel=1e-4)
    assert backward.evaluate(TEXTS)["loss"] != every_writer.evaluate(TEXTS)["loss"]
    with refused(NotSupported, "from its last word to its first.*other direction"):
        backward.predict(TEXTS[0])


# What each verb refuses


def test_a_prompt_longer_than_the_context_is_refused(every_writer):
    context = every_writer.task.context
    if context is None:
        pytest.skip("it reads texts of any length")
    count = len(every_writer.tokenizer.encode(LONG))
    with refused(InputError, f"has {count} tokens, and the model reads no more than {context}"):
        every_writer.predict(LONG)
    with refused(OptionError, f"the model reads no more than {context} tokens"):
        every_writer.predict(TEXTS[0], max_length=context + 1)
    # A text is scored in pieces of that length.
    assert np.isfinite(every_writer.score(LONG))


def test_a_whole_text_follows_the_empty_prompt_where_texts_end(every_writer):
    tokenizer = every_writer.tokenizer
    if tokenizer.kind != "characters":
        with refused(InputError, "the text is empty"):
            every_writer.predict("")
        return
    first = np.array([[tokenizer.start_id]], np.int32)
    logits = every_writer.model.read(first, every_writer.model.initial_state(1))[0]
    best = int(np.argmax(keras.ops.convert_to_numpy(logits)[0, -1]))
    written = every_writer.predict("", max_length=6)
    assert written[:1] == tokenizer.decode([best])
    if written:
        assert written == every_writer.predict(written[0], max_length=6)
    assert len(set(every_writer.predict([""] * 8, seed=1))) > 1
    assert len(every_writer.predict("", num_return=3, seed=1)) == 3


def test_unknown_characters_are_refused(every_writer):
    if every_writer.tokenizer.unknown != "characters":
        pytest.skip("it knows words")
    message = "the text has only characters that the model does not know"
    if every_writer.tokenizer.kind == "characters":  # which has no unknown sign
        message = "the text has '日' at position 0, a character that the model has never seen"
    for verb in (every_writer.score, every_writer.predict):
        with refused(InputError, message):
            verb("日本")


def test_unknown_words_alone_are_refused(every_writer):
    if every_writer.tokenizer.unknown != "words":
        pytest.skip("it knows characters")
    for verb in (every_writer.score, every_writer.predict):
        with refused(InputError, "the text has only words that the model does not know"):
            verb("日本")


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("beam_size", 0, "at least 1"),
        ("beam_size", 1000, "at most 256"),
        ("length_penalty", -1, "at least 0"),
        ("num_return", 0, "at least 1"),
        ("num_return", 2, "at most beam_size"),
        ("max_length", 0, "at least 1"),
        ("max_length", "9", "whole number"),
        ("temperature", 0, "above 0"),
        ("temperature", "hot", "a number"),
        ("top_k", 0, "at least 1"),
        ("top_p", 1.5, "at most 1"),
        ("seed", "a", "whole number"),
        ("seed", -1, "at least 0"),
    ],
)
def test_predict_refuses_options_without_sense(every_writer, option, value, message):
    with refused(OptionError, f"{option} is '?{value}'?.*{message}"):
        every_writer.predict(TEXTS, **{option: value})


def test_a_beam_does_not_draw_and_a_full_text_does_not_go_on(every_writer):
    with refused(OptionError, "beam_size is 2 and a sampler"):
        every_writer.predict(TEXTS, beam_size=2, temperature=0.5)
    with refused(OptionError, r"text 3 has \d+ tokens already"):
        every_writer.predict(["Go.", "Go.", TEXTS[2]], max_length=4)


def test_finetune_refuses_what_is_no_list_of_texts(every_writer):
    if not can_be_finetuned(every_writer):
        pytest.skip("it is refused whatever is given")
    with refused(DataError, 'trained on texts alone.*task="classify"'):
        every_writer.finetune(TEXTS, ["a", "b", "c"])
    with refused(DataError, "row 1: the text is tuple, not text"):
        every_writer.finetune([("a", "b"), ("c", "d")])
    with refused(DataError, "found 2 columns: a, b.*name one 'text'"):
        every_writer.finetune({"a": TEXTS, "b": TEXTS})
    with refused(DataError, "one batch needs .*more text, or lower train.batch_sentences"):
        every_writer.finetune(TEXTS, validation=TEXTS, changes={"train.bptt": 200})
    with refused(InputError, "is no text"):
        every_writer.score(None)
