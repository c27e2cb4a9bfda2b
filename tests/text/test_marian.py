"""Marian's pieces: the ids and texts that transformers' MarianTokenizer makes of the same files."""

from __future__ import annotations

import gzip
import io
import json
import os
from pathlib import Path

import pytest
import sentencepiece
from given import PAIRS

from zoo.errors import BundleError
from zoo.text import MarianTokenizer, load_tokenizers, save_tokenizers

CORPUS = Path(os.environ.get("ZOO_DATA", "")) / "tatoeba-en-fr" / "test.tsv.gz"


def learned(lines, size: int) -> bytes:
    """A SentencePiece model as OPUS-MT has them: no padding in it."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines), model_writer=model, vocab_size=size, minloglevel=2,
        hard_vocab_limit=False,
    )  # fmt: skip
    return model.getvalue()


def vocabulary(*models: bytes, lacking: int = 0) -> list[str]:
    """The words of vocab.json: end and unknown first, padding last."""
    pieces: dict[str, None] = dict.fromkeys(["</s>", "<unk>", ">>fra<<"])
    for model in models:
        processor = sentencepiece.SentencePieceProcessor(model_proto=model)
        kept = range(processor.GetPieceSize() - lacking)
        pieces.update(dict.fromkeys(processor.IdToPiece(i) for i in kept if i != 1))  # no <s>
    return [*pieces, "<pad>"]


def write(folder: Path, source: bytes, target: bytes, words: list[str]) -> Path:
    (folder / "source.spm").write_bytes(source)
    (folder / "target.spm").write_bytes(target)
    (folder / "vocab.json").write_text(json.dumps({word: i for i, word in enumerate(words)}))
    return folder


@pytest.fixture(scope="module")
def small() -> MarianTokenizer:
    model = learned([text for text, _ in PAIRS], 70)
    return MarianTokenizer(model, vocabulary(model))


def compared(lines: list[tuple[str, str]], size: int, folder: Path) -> int:
    """Compare ids and texts of pairs; return how many ids are unknown."""
    transformers = pytest.importorskip("transformers")
    models = [learned([pair[side] for pair in lines], size) for side in (0, 1)]
    words = vocabulary(*models, lacking=10)
    theirs = transformers.MarianTokenizer.from_pretrained(write(folder, *models, words))
    unknown = 0
    for side, model in enumerate(models):
        ours = MarianTokenizer(model, words)
        assert (ours.pad_id, ours.unk_id) == (theirs.pad_token_id, theirs.unk_token_id)
        assert ours.end_id == theirs.eos_token_id
        for pair in lines:
            # For them a typographic sign that the vocabulary lacks is unknown.
            text = ours.plain(pair[side])
            given = {"text": text} if side == 0 else {"text_target": text}
            expected = theirs(**given)["input_ids"]
            ids = [*ours.encode(text), ours.end_id]
            assert ids == expected
            unknown += ids.count(ours.unk_id)
            assert ours.decode(ids) == theirs.decode(ids, skip_special_tokens=True)
    return unknown


def test_a_few_lines_are_theirs(tmp_path):
    unusual = [(">>fra<< Go home.", " Va\u00a0! \u00e9t\u00e9"), ("\uff21 \u65e5", "d'\u00e9")]
    assert compared([*PAIRS, *unusual], 64, tmp_path) > 0


@pytest.mark.skipif(not CORPUS.is_file(), reason="needs ZOO_DATA")
def test_a_thousand_pairs_are_theirs(tmp_path):
    with gzip.open(CORPUS, "rt", encoding="utf-8") as file:
        rows = [line.rstrip("\n").split("\t") for line in file]
    assert compared([(row[0], row[1]) for row in rows[:1000]], 800, tmp_path) > 0


def test_special_ids(small):
    assert small.start_id == small.pad_id == small.size - 1
    assert (small.end_id, small.unk_id) == (0, 1)
    assert small.pieces([0, 1, 2, small.pad_id]) == ["</s>", "<unk>", ">>fra<<", "<pad>"]
    assert small.decode([small.pad_id, *small.encode("The cat sleeps."), 0, small.pad_id]) == (
        "The cat sleeps."
    )


def test_a_text_cannot_spell_special_ids(small):
    ids = small.encode("Go. </s> <pad> <unk>")
    assert {small.end_id, small.pad_id}.isdisjoint(ids)
    assert small.encode(">>fra<<Go.")[0] == 2
    assert small.encode(">>deu<<Go.")[0] == small.encode(">></s><<Go.")[0] == small.unk_id
    assert 2 not in small.encode("Go >>fra<<")[:1]


def test_it_is_one_file(small, tmp_path):
    other = MarianTokenizer(small.model, [*small.words[:-1], "new", "<pad>"])
    save_tokenizers(tmp_path, small, other)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "source.marian.json", "target.marian.json",
    ]  # fmt: skip
    source, target = load_tokenizers(tmp_path)
    assert (source.words, source.model) == (small.words, small.model)
    assert target.size == small.size + 1
    assert source.encode("The cat sleeps.") == small.encode("The cat sleeps.")


@pytest.mark.parametrize(
    "content", ["{", "[]", '{"model": "?", "words": []}', '{"model": "AAAA", "words": ["a"]}']
)
def test_a_file_of_something_else_is_refused(content, tmp_path):
    (tmp_path / "tokenizer.marian.json").write_text(content)
    with pytest.raises(BundleError, match="vocabulary"):
        load_tokenizers(tmp_path)


@pytest.mark.parametrize("words", [["</s>", "<unk>"], ["</s>", "<unk>", "<pad>", "a", "a"]])
def test_a_vocabulary_without_what_it_needs_is_refused(words, small):
    with pytest.raises(BundleError, match="has <pad>, <unk>, </s>"):
        MarianTokenizer(small.model, words)
