"""SentencePiece: its special ids, what normalisation does to a text, what it refuses."""

from __future__ import annotations

import pytest

from zoo.errors import BundleError, DataError
from zoo.text import SentencePieceTokenizer, keyboard, load_tokenizers, save_tokenizers


def test_a_text_comes_back(tiny_tokenizer, pairs):
    for pair in pairs:
        for text in pair:
            ids = tiny_tokenizer.encode(text)
            assert tiny_tokenizer.decode(ids) == text
            assert "".join(tiny_tokenizer.pieces(ids)) == "\u2581" + text.replace(" ", "\u2581")


def test_special_ids(tiny_tokenizer):
    names = tiny_tokenizer.pieces(range(4))
    assert names == ["<pad>", "<unk>", "<s>", "</s>"]
    assert (tiny_tokenizer.pad_id, tiny_tokenizer.unk_id) == (0, 1)
    assert (tiny_tokenizer.start_id, tiny_tokenizer.end_id) == (2, 3)
    assert tiny_tokenizer.size == 96
    ids = tiny_tokenizer.encode("I am cold.")
    assert not {0, 1, 2, 3} & set(ids)
    assert tiny_tokenizer.decode([2, *ids, 3, 0, 0]) == "I am cold."
    assert tiny_tokenizer.unk_id in tiny_tokenizer.encode("Ж")
    assert tiny_tokenizer.encode("") == []


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("\uff29 am cold\uff0e", "I am cold."),  # full-width
        ("I\u00a0am   cold.\t\n", "I am cold."),  # every run of white space is one space
        ("  I am cold.", "I am cold."),
        ("I am\u0001\u0007 cold.", "I am cold."),  # control characters
        ("E\u0301lle", "\u00c9lle"),  # a combining accent and its letter are one character
        ("la \ufb01n", "la fin"),  # a ligature
        ("THE cat", "THE cat"),  # case stays
        ("\u00e9t\u00e9", "\u00e9t\u00e9"),  # accents stay
    ],
)
def test_normalisation(text, normal):
    lines = ["I am cold. THE cat la fin été Élle Elle"] * 5
    tokenizer = SentencePieceTokenizer.train(lines, vocabulary=25)
    assert tokenizer.encode(text) == tokenizer.encode(normal)
    assert tokenizer.decode(tokenizer.encode(text)) == normal


def test_identity_keeps_what_it_gets():
    lines = ["\uff29 am cold"] * 5
    tokenizer = SentencePieceTokenizer.train(lines, vocabulary=13, normalization="identity")
    assert tokenizer.decode(tokenizer.encode("\uff29 am")) == "\uff29 am"


KEYBOARD = SentencePieceTokenizer.train(
    ['I am cold. THE "cat" la fin - 1250 aujourd\'hui'] * 5,
    vocabulary=287, normalization="keyboard", byte_fallback=True, split_digits=True,
)  # fmt: skip


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("l\u2019homme", "l'homme"),
        ("\u00ab\u00a0Oui\u202f\u00bb et \u00abnon\u00bb", '"Oui" et "non"'),
        ("\u201ca\u201d \u2013 b\u2014c", '"a" - b-c'),
        ("\u0416\u65e5 \U0001f642 \u1ebf", "\u0416\u65e5 \U0001f642 \u1ebf"),  # in bytes
        ("\uff29 \ufb01n\u00a0!  E\u0301", "I fin ! \u00c9"),  # all else as ever
    ],
)
def test_keyboard_signs_and_bytes(text, normal):
    ids = KEYBOARD.encode(text)
    assert KEYBOARD.decode(ids) == normal
    assert not {0, 1, 2, 3} & set(ids)
    assert KEYBOARD.pieces(range(4)) == ["<pad>", "<unk>", "<s>", "</s>"]
    assert keyboard.plain(text).count('"') == normal.count('"')


def test_each_digit_is_a_piece():
    assert KEYBOARD.pieces(KEYBOARD.encode("1250"))[-4:] == ["1", "2", "5", "0"]


@pytest.mark.parametrize("algorithm", ["unigram", "bpe"])
def test_training_twice_gives_the_same_file(pairs, algorithm):
    lines = [text for pair in pairs for text in pair]
    first, second = (
        SentencePieceTokenizer.train(lines, vocabulary=90, algorithm=algorithm, seed=3)
        for _ in range(2)
    )
    assert first.model == second.model


def test_too_many_pieces(pairs):
    lines = [text for pair in pairs for text in pair]
    message = "no SentencePiece model of 5000 pieces can be learned: Vocabulary size too high"
    with pytest.raises(DataError, match=message) as caught:
        SentencePieceTokenizer.train(lines, vocabulary=5000)
    assert "lower tokenizer.vocabulary" in caught.value.hint


def test_what_is_no_model_is_refused(tmp_path):
    (tmp_path / "tokenizer.model").write_bytes(b"not a model")
    with pytest.raises(BundleError, match="is not a SentencePiece model"):
        SentencePieceTokenizer.load(tmp_path / "tokenizer.model")


def test_other_special_ids_are_refused(tmp_path, pairs):
    import io

    import sentencepiece

    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([text for pair in pairs for text in pair]),
        model_writer=model, vocab_size=90, minloglevel=2,
    )  # fmt: skip
    with pytest.raises(BundleError, match=r"at \(-1, 0, 1, 2\), not at \(0, 1, 2, 3\)"):
        SentencePieceTokenizer(model.getvalue())


def test_one_file_or_two(tmp_path, tiny_tokenizer):
    save_tokenizers(tmp_path, tiny_tokenizer, tiny_tokenizer)
    assert [path.name for path in tmp_path.iterdir()] == ["tokenizer.model"]
    source, target = load_tokenizers(tmp_path)
    assert source is target
    assert source.encode("I am cold.") == tiny_tokenizer.encode("I am cold.")

    other = SentencePieceTokenizer(tiny_tokenizer.model)
    both = tmp_path / "both"
    both.mkdir()
    save_tokenizers(both, tiny_tokenizer, other)
    assert sorted(path.name for path in both.iterdir()) == ["source.model", "target.model"]
    source, target = load_tokenizers(both)
    assert source is not target
    (both / "target.model").unlink()
    with pytest.raises(BundleError, match=r"has no tokenizer\.model"):
        load_tokenizers(both)
