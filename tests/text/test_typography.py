"""Typographic signs: read in plain form where a vocabulary lacks them, kept where it has them."""

from __future__ import annotations

import pytest
from given import PAIRS

from zoo.config import catalog
from zoo.errors import BundleError
from zoo.text import (
    BpeTokenizer,
    FastaiTokenizer,
    MosesTokenizer,
    SentencePieceTokenizer,
    WhitespaceTokenizer,
    load_tokenizers,
    typography,
)

LINES = ["it's a \" quote \" - 10-20 words , don't", "well . . . it is . 's a", "... it 's"] * 3
PLAIN = "it's a \"quote\" - it's..."
PRINTED = "it’s a “quote” – it’s…"


def made(kind: str, lines: list[str]):
    """Return a small tokenizer of a kind that knows the characters of some lines."""
    if kind == "sentencepiece":
        return SentencePieceTokenizer.train(lines, vocabulary=60, algorithm="bpe")
    if kind == "moses":
        words = MosesTokenizer(("<pad>", "<unk>", "<s>", "</s>"), "en")
        known = dict.fromkeys(word for line in lines for word in words.split(line))
        return MosesTokenizer([*words.words, *known], "en")
    if kind == "whitespace":
        return WhitespaceTokenizer.train(lines, vocabulary=60)
    learned = {"bpe": BpeTokenizer, "fastai": FastaiTokenizer}[kind]
    return learned.train(lines, vocabulary=80)


KINDS = ("sentencepiece", "moses", "fastai", "whitespace", "bpe")


@pytest.mark.parametrize("kind", KINDS)
def test_printed_signs_are_read_as_the_plain_ones(kind):
    tokenizer = made(kind, [*LINES, PLAIN])
    assert tokenizer.encode(PRINTED) == tokenizer.encode(PLAIN)
    assert tokenizer.encode("it\u2060's\u00ad a\ufeff \u202a10") == tokenizer.encode("it's a 10")
    assert tokenizer.encode("it\u2009is\u202fa\u00a010") == tokenizer.encode("it is a 10")


@pytest.mark.parametrize("kind", KINDS)
def test_signs_that_a_vocabulary_has_are_kept(kind):
    tokenizer = made(kind, [*LINES, PRINTED, "“ ” – ’ …"])
    assert tokenizer.plain(PRINTED.replace("…", "")) == PRINTED.replace("…", "")
    assert tokenizer.encode("“") != tokenizer.encode('"')
    assert tokenizer.unk_id not in tokenizer.encode("“ ” – ’")


def test_a_long_dash_parts_words():
    tokenizer = made("sentencepiece", LINES)
    assert tokenizer.plain("it—is") == "it - is"
    assert tokenizer.plain("10–20") == "10-20"
    with_dash = made("sentencepiece", [*LINES, "it – is"])
    assert with_dash.plain("it—is") == "it – is"
    assert with_dash.plain("10–20") == "10–20"


def test_a_sign_without_a_known_form_stays():
    assert typography.table(lambda sign: False, lambda sign: False) == {
        ord(sign): "" if options == ("",) else " "
        for sign, options in typography.REPLACEMENTS.items()
        if options in ((" ",), ("",))
    }


def test_bytes_are_no_known_character():
    """With byte fallback nothing is unknown, but a sign in bytes was hardly in training."""
    import io

    import sentencepiece

    model = io.BytesIO()
    lines = [text for pair in PAIRS for text in pair]
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([*lines, 'a "b"'] * 2), model_writer=model, vocab_size=400,
        model_type="unigram", pad_id=0, unk_id=1, bos_id=2, eos_id=3, byte_fallback=True,
        character_coverage=1.0, hard_vocab_limit=False, minloglevel=2,
    )  # fmt: skip
    tokenizer = SentencePieceTokenizer(model.getvalue())
    assert tokenizer.encode("“I am cold”") == tokenizer.encode('"I am cold"')
    assert tokenizer.unk_id not in tokenizer.encode("日本")
    assert tokenizer.decode(tokenizer.encode("日本")) == "日本"


@pytest.mark.parametrize(
    ("text", "blank"),
    [("", True), (" \n\t\u00a0", True), ("\u200b\ufeff\x01\u00ad", True), ("a\u200b", False),
     ("!", False), ("日", False)],
)  # fmt: skip
def test_what_is_blank(text, blank):
    assert typography.is_blank(text) == blank


@pytest.mark.parametrize(
    "name",
    ["vaswani2017.general-en-fr", "vaswani2017.tatoeba-en-fr", "vaswani2017.multi30k-de-en"],
)
def test_the_translators_read_printed_text(name):
    try:
        tokenizer, _ = load_tokenizers(catalog.find_bundle(name))
    except BundleError:
        pytest.skip("the weights do not come with this installation")
    ids = tokenizer.encode("She said “hello” – it’s café…")
    assert tokenizer.unk_id not in ids
