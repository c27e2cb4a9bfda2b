"""GPT's byte pairs: learned, kept, and token for token those of transformers' tokenizer."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from zoo.data.readers import find, read_lines
from zoo.errors import BundleError, DataError, OptionError
from zoo.text import BpeTokenizer, load_tokenizers, save_tokenizers

TEXT = [
    "The low lower lowest.", "New newer newest, low!", "A wide window widens.", "Low and new...",
]  # fmt: skip


@pytest.fixture(scope="module")
def tokenizer() -> BpeTokenizer:
    return BpeTokenizer.train(TEXT, vocabulary=50)


def test_pairs_are_learned_until_the_vocabulary_is_full(tokenizer):
    assert tokenizer.size == 50
    assert tokenizer.words[0] == "<unk>"
    assert tokenizer.words[-1] == "\n</w>"
    # Every pair that is joined makes one token, which is there.
    assert len(tokenizer.merges) > 5
    assert all(first + second in tokenizer.words for first, second in tokenizer.merges)
    assert tokenizer.pieces(tokenizer.encode("low")) == ["low</w>"]
    assert tokenizer.pieces(tokenizer.encode("LOWER"))[0].startswith("low")


def test_a_text_comes_back_in_lower_case_and_cut(tokenizer):
    ids = tokenizer.encode("The  newest\twindow.")
    assert tokenizer.decode(ids) == "the newest window ."
    assert tokenizer.decode([]) == ""
    assert tokenizer.decode([-1, *ids, -1]) == "the newest window ."


def test_a_line_break_is_a_token_whatever_stands_around_it(tokenizer):
    """As in OpenAI's own code: `\\s*\\n\\s*` is one line break; those at the ends go."""
    plain = [*tokenizer.encode("low"), tokenizer.end_id, *tokenizer.encode("new")]
    for text in ("low\nnew", "low  \n\n  \n new", "low\r\nnew", "\n low\rnew \n"):
        assert tokenizer.encode(text) == plain
    assert tokenizer.decode(plain) == "low\nnew"
    assert tokenizer.start_id == tokenizer.end_id == 49


def test_what_is_not_in_the_vocabulary_is_unknown(tokenizer):
    assert tokenizer.encode("ж") == [tokenizer.unk_id]
    assert tokenizer.encode("low <unk> new") == [
        *tokenizer.encode("low"), tokenizer.unk_id, *tokenizer.encode("new"),
    ]  # fmt: skip
    assert "<unk>" in tokenizer.decode(tokenizer.encode("low <unk> new"))


def test_it_is_kept_in_one_file(tokenizer, tmp_path):
    save_tokenizers(tmp_path, tokenizer, tokenizer)
    assert [path.name for path in tmp_path.iterdir()] == ["tokenizer.bpe.json"]
    again, other = load_tokenizers(tmp_path)
    assert again is other
    assert (again.words, again.merges) == (tokenizer.words, tokenizer.merges)
    assert again.encode(TEXT[0]) == tokenizer.encode(TEXT[0])


def test_the_same_text_gives_the_same_tokens(tokenizer):
    assert BpeTokenizer.train(TEXT, vocabulary=50).words == tokenizer.words


def test_texts_too_short_for_the_vocabulary_give_all_they_have():
    made = BpeTokenizer.train(["ab ab"], vocabulary=100)
    assert "ab</w>" in made.words
    assert made.size < 10


@pytest.mark.parametrize(
    ("lines", "vocabulary", "error"),
    [([], 50, DataError), (["  "], 50, DataError), (["abcdef ghijkl"], 6, OptionError)],
)
def test_what_no_vocabulary_can_be_made_of(lines, vocabulary, error):
    with pytest.raises(error):
        BpeTokenizer.train(lines, vocabulary=vocabulary)


@pytest.mark.parametrize(
    "content",
    [
        "no json", "[]", '{"words": ["<unk>", "a"], "merges": []}',
        '{"words": ["a", "<unk>", "\\n</w>"], "merges": []}',
        '{"words": ["<unk>", "\\n</w>"], "merges": ["a b"]}',
        '{"words": ["<unk>", "a", "a", "\\n</w>"], "merges": []}',
        '{"words": ["<unk>", "\\n</w>"], "merges": ["a b c"]}',
    ],
)  # fmt: skip
def test_a_broken_file_is_refused(content, tmp_path):
    (tmp_path / "tokenizer.bpe.json").write_text(content, encoding="utf-8")
    with pytest.raises(BundleError):
        load_tokenizers(tmp_path)


# transformers


ODD = [
    "It's 3.50$ -- don't!", "naïve café ÅNGSTRÖM", "中文 and English", "a\u200bb\u00a0c\tz",
    "«quoted» “text” … – —", "", "   ", "<unk> <UNK> x<unk>y", "e-mail@host.org/path_x", "...?!",
    "1,000,000",
]  # fmt: skip


def peer(tokenizer: BpeTokenizer):
    transformers = pytest.importorskip("transformers")
    words = {word: i for i, word in enumerate(tokenizer.words)}
    return transformers.OpenAIGPTTokenizer(vocab=words, merges=tokenizer.merges)


def assert_equal(tokenizer: BpeTokenizer, lines: list[str]) -> None:
    theirs = peer(tokenizer)
    for line in lines:
        ids = tokenizer.encode(line)
        # For them a typographic sign that the vocabulary lacks is unknown.
        assert ids == theirs.encode(tokenizer.plain(line)), line
        assert tokenizer.decode(ids) == theirs.decode(ids), line


def test_it_is_transformers_tokenizer(tokenizer):
    assert_equal(tokenizer, [*TEXT, *ODD])


def test_the_published_vocabulary_is_read_as_transformers_reads_it():
    """On 10,000 lines of IMDb and WikiText-2, and what is odd."""
    if not {"ZOO_DATA", "ZOO_VOCABULARIES"} <= set(os.environ):
        pytest.skip("needs corpora and OpenAI's vocabulary")
    data, folder = Path(os.environ["ZOO_DATA"]), Path(os.environ["ZOO_VOCABULARIES"]) / "gpt1"
    words = json.loads((folder / "encoder_bpe_40000.json").read_text(encoding="utf-8"))
    merges = (folder / "vocab_40000.bpe").read_text(encoding="utf-8").split("\n")[1:-1]
    published = BpeTokenizer(
        sorted(words, key=words.__getitem__), [tuple(line.split(" ")) for line in merges]
    )
    assert (published.size, len(published.merges)) == (40_478, 40_000)
    assert published.start_id == published.end_id == 40_477
    wikitext = find(data / "wikitext-2", "train.txt")
    reviews = find(data / "imdb", "train.jsonl")
    lines = [line for _, line in zip(range(5000), read_lines(wikitext), strict=False)]
    lines += [json.loads(x)["text"] for _, x in zip(range(5000), read_lines(reviews), strict=False)]
    # A line break is no token for transformers.
    assert_equal(published, [line.replace("\n", " ") for line in [*lines, *ODD]])
