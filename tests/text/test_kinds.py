"""Every kind of tokenizer is learned, written and read by the table, old files too."""

from __future__ import annotations

import pytest
from given import PAIRS

from zoo.config.settings import Tokenizer
from zoo.config.tokenizers import LEARNED
from zoo.errors import InputError
from zoo.text import load_tokenizers, save_tokenizers, train_tokenizers

# So many pieces or words can be learned of a few lines.
SIZES = {
    "sentencepiece": 60, "bpe": 80, "moses": 40, "fastai": 40, "whitespace": 40, "characters": 24,
    "wordpiece": 80, "albert": 60,
}  # fmt: skip


def settings(kind: str, **changes) -> Tokenizer:
    given = {"kind": kind, "vocabulary": SIZES[kind]}
    if "algorithm" in LEARNED[kind].options:
        given["algorithm"] = "unigram"
    return Tokenizer(**(given | {"shared": LEARNED[kind].shareable} | changes))


@pytest.mark.parametrize("kind", LEARNED)
def test_a_kind_is_learned_saved_and_loaded(kind, tmp_path):
    rows = [(source,) for source, _ in PAIRS]
    learned, same = train_tokenizers(settings(kind), rows, ["en"])
    assert learned is same
    assert learned.kind == kind
    for suffix in LEARNED[kind].suffixes:
        folder = tmp_path / suffix
        folder.mkdir()
        save_tokenizers(folder, learned, learned)
        (written,) = folder.iterdir()
        assert written.name == f"tokenizer{LEARNED[kind].suffixes[0]}"
        written.rename(folder / f"tokenizer{suffix}")  # as an earlier version called it
        read, _ = load_tokenizers(folder)
        assert type(read) is type(learned)
        assert read.encode("The cat runs.") == learned.encode("The cat runs.")


@pytest.mark.parametrize("kind", LEARNED)
def test_no_kind_takes_half_a_character(kind):
    learned, _ = train_tokenizers(settings(kind), [(source,) for source, _ in PAIRS], ["en"])
    with pytest.raises(InputError, match="the text has a lone surrogate at position 4"):
        learned.encode("The \udce9 cat.")


@pytest.mark.parametrize("kind", LEARNED)
def test_each_side_may_have_its_own(kind):
    made = settings(kind, shared=False, source_vocabulary=SIZES[kind] - 4)
    source, target = train_tokenizers(made, PAIRS, ["en", "fr"], seed=1)
    assert (source.size, target.size) == (SIZES[kind] - 4, SIZES[kind])
    assert source.pieces(range(20)) != target.pieces(range(20))


def test_a_sample_is_drawn_by_the_seed():
    rows = [(f"word{i}",) for i in range(50)]
    made = settings("whitespace", vocabulary=100, sample=5)
    first, again, other = (train_tokenizers(made, rows, ["en"], seed)[0] for seed in (1, 1, 2))
    assert first.size == 5 + 2
    assert first.pieces(range(7)) == again.pieces(range(7)) != other.pieces(range(7))
