"""Words: cut by the rules of Moses, the most frequent ones known, text that comes back."""

from __future__ import annotations

import json

import numpy as np
import pytest

from zoo import bundle
from zoo.config import recipe as recipes
from zoo.errors import BundleError, DataError, InputError
from zoo.text import MosesTokenizer, SentencePieceTokenizer, load_tokenizers, save_tokenizers
from zoo.text.moses import SPECIAL


def made(lines: list[str], language: str = "en", most: int | None = None) -> MosesTokenizer:
    """A vocabulary of all words of some lines, or of `most`."""
    cut = MosesTokenizer(SPECIAL, language)
    words = {word for line in lines for word in cut.split(line)}
    size = len(SPECIAL) + len(words) if most is None else most
    return MosesTokenizer.train(lines, vocabulary=size, language=language)


@pytest.mark.parametrize(("side", "language"), [(0, "en"), (1, "fr")])
def test_a_text_comes_back(pairs, side, language):
    texts = [pair[side] for pair in pairs]
    tokenizer = made(texts, language)
    for text in texts:
        ids = tokenizer.encode(text)
        assert not {0, 1, 2, 3} & set(ids)
        assert tokenizer.decode(ids) == text


@pytest.mark.parametrize(
    ("language", "text", "words"),
    [
        ("en", "Don't stop, Mr. Smith.", ["Don", "'t", "stop", ",", "Mr.", "Smith", "."]),
        ("en", "It costs 5,300 (or so)!", ["It", "costs", "5,300", "(", "or", "so", ")", "!"]),
        ("fr", "C'est l'homme de M. Dupont.",
         ["C'", "est", "l'", "homme", "de", "M.", "Dupont", "."]),
        ("fr", "Aimes-tu les chats ?", ["Aimes-tu", "les", "chats", "?"]),
        ("en", "  two\u00a0 spaces\t", ["two", "spaces"]),
        ("en", "A & B <s> [x]", ["A", "&", "B", "<", "s", ">", "[", "x", "]"]),
        ("en", "THE the", ["THE", "the"]),  # case stays
        ("en", "\ufb01ne", ["\ufb01ne"]),  # and so does everything else
    ],
)  # fmt: skip
def test_the_rules_are_of_the_language(language, text, words):
    tokenizer = made([text], language)
    assert tokenizer.pieces(tokenizer.encode(text)) == words


def test_special_ids():
    tokenizer = made(["I am cold."])
    assert tokenizer.pieces(range(4)) == ["<pad>", "<unk>", "<s>", "</s>"]
    assert (tokenizer.pad_id, tokenizer.unk_id) == (0, 1)
    assert (tokenizer.start_id, tokenizer.end_id) == (2, 3)
    assert tokenizer.size == 8
    ids = tokenizer.encode("I am cold.")
    assert tokenizer.decode([2, *ids, 3, 0, 0]) == "I am cold."
    # No text becomes a special id: Moses cuts their names to pieces.
    assert not {0, 2, 3} & set(tokenizer.encode("<pad> <s> </s> <unk>"))
    for nothing in ("", " \t\n", "\u0001"):
        assert tokenizer.encode(nothing) == []
    assert tokenizer.decode([]) == tokenizer.decode([2, 3]) == ""


def test_other_words_are_unknown():
    tokenizer = made(["I am cold."])
    ids = tokenizer.encode("I am Tom.")
    assert ids[2] == tokenizer.unk_id
    assert tokenizer.pieces(ids) == ["I", "am", "<unk>", "."]
    assert tokenizer.decode(ids) == "I am UNK."


def test_the_most_frequent_words_are_kept_and_ties_are_in_order():
    lines = ["b b b", "a a c", "d e", "e d c"]  # 3 b, 2 each of a, c, d, e
    assert made(lines, most=7).words[4:] == ["b", "a", "c"]
    assert made(lines[::-1], most=7).words == made(lines, most=7).words
    assert made(lines).words[4:] == ["b", "a", "c", "d", "e"]


def test_too_few_words():
    message = "no vocabulary of 9 words can be made: the 'en' text has 8"
    with pytest.raises(DataError, match=message) as caught:
        made(["I am cold."], most=9)
    assert "lower tokenizer.vocabulary" in caught.value.hint


def test_what_is_saved_is_plain_and_read_back(tmp_path):
    tokenizer = made(["Où est l'été ?"], "fr")
    tokenizer.save(tmp_path / "source.moses.json")
    content = json.loads((tmp_path / "source.moses.json").read_text("utf-8"))
    assert content == {"language": "fr", "words": tokenizer.words}
    assert "été" in (tmp_path / "source.moses.json").read_text("utf-8")
    again = MosesTokenizer.load(tmp_path / "source.moses.json")
    assert (again.words, again.language) == (tokenizer.words, "fr")
    assert again.encode("Où est l'été ?") == tokenizer.encode("Où est l'été ?")


@pytest.mark.parametrize(
    "content",
    [
        "not JSON",
        "[]",
        '{"words": []}',
        '{"language": "en", "words": 3}',
        '{"language": 3, "words": ["<pad>", "<unk>", "<s>", "</s>"]}',
        '{"language": "en", "words": ["<pad>", "<unk>", "<s>", "</s>", 4]}',
    ],
)
def test_what_is_no_vocabulary_is_refused(tmp_path, content):
    (tmp_path / "source.moses.json").write_text(content, "utf-8")
    with pytest.raises(BundleError, match="is no vocabulary"):
        MosesTokenizer.load(tmp_path / "source.moses.json")


@pytest.mark.parametrize(
    "words", [["a", "b"], ["<pad>", "<s>", "<unk>", "</s>"], [*SPECIAL, "a", "a"]]
)
def test_other_special_words_and_words_twice_are_refused(words):
    with pytest.raises(BundleError, match="begins with <pad>, <unk>, <s>, </s>"):
        MosesTokenizer(words, "en")


def test_what_a_folder_holds_is_loaded_by_its_kind(tmp_path, tiny_tokenizer):
    english, french = made(["I am cold."]), made(["Va !"], "fr")
    save_tokenizers(tmp_path, english, french)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "source.moses.json", "target.moses.json",
    ]  # fmt: skip
    source, target = load_tokenizers(tmp_path)
    assert isinstance(source, MosesTokenizer)
    assert isinstance(target, MosesTokenizer)
    assert (source.language, target.language) == ("en", "fr")
    (tmp_path / "target.moses.json").unlink()
    with pytest.raises(BundleError, match=r"has no tokenizer\.model") as caught:
        load_tokenizers(tmp_path)
    assert "source.moses.json" in caught.value.hint
    tiny_tokenizer.save(tmp_path / "target.model")
    assert isinstance(load_tokenizers(tmp_path)[1], SentencePieceTokenizer)


# A model of words


@pytest.fixture(scope="module")
def wordy(tmp_path_factory, corpora_folder):
    """A bundle of random weights that reads and writes words, loaded."""
    import keras

    from zoo.config import catalog
    from zoo.loading import load
    from zoo.training.prepare import prepare

    made, folder = (
        recipes.load("sutskever2014-wmt14-en-fr").smoke(),
        tmp_path_factory.mktemp("words"),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ZOO_DATA", str(corpora_folder))
        data = prepare(made, folder / "data")
    keras.utils.set_random_seed(1)
    model = catalog.builder(catalog.entry(made.paper))(**made.resolved().model.arguments)
    model.build()
    tokenizers = data.source_tokenizer, data.target_tokenizer
    bundle.write(folder / "bundle", model=model, recipe=made, tokenizers=tokenizers)
    return load(folder / "bundle")


def test_every_verb_takes_words(wordy, tmp_path, pairs):
    assert isinstance(wordy.tokenizer, MosesTokenizer)
    assert isinstance(wordy.predict("The cat eats."), str)
    assert np.isfinite(wordy.score("The cat eats.", "Le chat mange."))
    measured = wordy.evaluate(pairs[:6], progress=False)
    assert measured["sentences"] == 6
    changes = {"train.updates": 2, "train.updates_per_epoch": 2}
    tuned = wordy.finetune(pairs, changes=changes, out=tmp_path / "tuned")
    assert tuned.tokenizer is wordy.tokenizer
    bundle.verify(tmp_path / "tuned")
    names = {path.name for path in (tmp_path / "tuned").iterdir()}
    assert {"source.moses.json", "target.moses.json"} <= names
    card = (tmp_path / "tuned" / "README.md").read_text("utf-8")
    assert "Words cut by the rules of Moses" in card
    (inputs, labels), *_ = wordy.preprocess(pairs)
    first = inputs["source"][0]
    assert first[first > 0][-1] == wordy.tokenizer.end_id
    assert set(wordy.target_tokenizer.pieces(labels[0])) <= set(wordy.target_tokenizer.words)


def test_a_text_of_unknown_words_is_refused(wordy):
    with pytest.raises(InputError, match="has only words that the model does not know: '日本'"):
        wordy.task.encode_sources(["日本"])
