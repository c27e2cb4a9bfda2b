"""Preparing: whole or not there, nothing else touched, read back as written."""

from __future__ import annotations

import json

import numpy as np
import pytest

from zoo.config import recipe as recipes
from zoo.data import corpora, training_pairs
from zoo.data.examples import sentence_key
from zoo.data.mixture import Mixture
from zoo.errors import DataError
from zoo.tasks.translate import Translate
from zoo.text import MosesTokenizer, sentencepiece
from zoo.training import prepare
from zoo.training.prepare import Prepared

SMOKE = {"tokenizer.vocabulary": 80}


@pytest.fixture
def smoke(tmp_path, monkeypatch, pairs) -> recipes.Recipe:
    """The Tatoeba recipe's smoke version, with a few lines in ZOO_DATA."""
    folder = tmp_path / "zoo-data" / "tatoeba-en-fr"
    folder.mkdir(parents=True)
    splits = {"train": pairs, "valid": pairs[:4], "test": [*pairs[:3], ("Go.", "Vas-y !")]}
    for split, rows in splits.items():
        text = "".join(f"{source}\t{target}\n" for source, target in rows)
        (folder / f"{split}.tsv").write_text(text, encoding="utf-8")
    monkeypatch.setenv("ZOO_DATA", str(folder.parent))
    return recipes.load("vaswani2017-tatoeba-en-fr").smoke().changed(SMOKE)


def test_what_is_written_is_read(smoke, tmp_path, pairs):
    made = prepare.prepare(smoke, tmp_path / "out")
    read = Prepared.read(tmp_path / "out")
    assert read.recipe == made.recipe == smoke
    assert (len(read.train), len(read.valid)) == (20, 4)
    assert isinstance(read.train.source.ids, np.memmap)
    assert read.source_tokenizer is read.target_tokenizer
    tokenizer = read.target_tokenizer
    for i, (source, target) in enumerate(pairs):
        assert read.train.source[i].tolist() == [*tokenizer.encode(source), tokenizer.end_id]
        assert read.train.target[i].tolist() == [*tokenizer.encode(target), tokenizer.end_id]
    assert read.test == [("Go.", ["Va !", "Vas-y !"]), *[(s, [t]) for s, t in pairs[1:3]]]
    assert read.seen == 3  # every test source has a reference among the training targets
    assert [path.name for path in tmp_path.iterdir() if path.name != "zoo-data"] == ["out"]


def test_further_corpora_without_held_out_sentences(smoke, tmp_path, pairs):
    """Sources of the validation, test and excluded pairs are nowhere in training."""
    root = tmp_path / "zoo-data"
    rows = {
        "europarl-en-fr/train": [*pairs, ("The debate is closed.", "Le débat est clos.")],
        "newstest2014-en-fr/test": [(pairs[7][0].upper(), "x")],
    }
    for name, lines in rows.items():
        (root / name).parent.mkdir()
        text = "".join(f"{source}\t{target}\n" for source, target in lines)
        (root / f"{name}.tsv").write_text(text, encoding="utf-8")
    also = [{"corpus": "europarl-en-fr", "share": [0.5, 0.25]}]
    exclude = ["newstest2014-en-fr"]
    recipe = smoke.changed({"data.also": also, "data.exclude": exclude})
    read = prepare.prepare(recipe, tmp_path / "out")
    held = {sentence_key(source) for source, _ in [*pairs[:4], pairs[7], ("Go.", "")]}
    kept = [pair for pair in pairs if sentence_key(pair[0]) not in held]
    assert isinstance(read.train, Mixture)
    assert [len(part) for part in read.train.parts] == [len(kept), len(kept) + 1]
    assert Prepared.read(tmp_path / "out").recipe.data.also[0].share == [0.5, 0.25]
    ids = read.train.parts[1].target[len(kept)].tolist()
    assert read.target_tokenizer.decode(ids).startswith("Le d")


def test_training_pairs_are_augmented(smoke, tmp_path, pairs):
    recipe = smoke.changed({"data.augment": ["numbers", "paragraphs"]})
    twice = [training_pairs.load(recipe, pairs, []) for _ in range(2)]
    assert twice[0] == twice[1]
    assert twice[0][0][: len(pairs)] == pairs
    assert len(twice[0][0]) > len(pairs)
    with pytest.raises(DataError, match="from the corpus names, which is missing"):
        prepare.prepare(smoke.changed({"data.augment": ["names"]}), tmp_path / "out")


def test_no_step_makes_a_sentence_that_is_held_out(smoke, monkeypatch):
    rows = [(f"No, I see {i}.", f"Non, je vois {i}.") for i in range(9)]
    recipe = smoke.changed({"data.augment": ["openings"], "data.exclude": ["newstest2014-en-fr"]})
    monkeypatch.setattr(corpora, "load", lambda data, split: [("NO!", "x")])
    assert training_pairs.load(recipe, rows, []) == [rows]
    recipe = smoke.changed({"data.augment": ["openings"]})
    assert len(training_pairs.load(recipe, rows, [])[0]) > 9


def test_equal_recipes_give_equal_files(smoke, tmp_path):
    contents = []
    for name in ("a", "b"):
        prepare.prepare(smoke, tmp_path / name)
        contents.append({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()})
    assert contents[0] == contents[1]


def test_two_tokenizers(smoke, tmp_path):
    changed = smoke.changed({"tokenizer.shared": False, "tokenizer.vocabulary": 60})
    read = prepare.prepare(changed, tmp_path / "out")
    assert read.source_tokenizer is not read.target_tokenizer
    assert {"source.model", "target.model"} <= {path.name for path in read.folder.iterdir()}


def test_the_tokenizer_may_learn_from_a_sample(smoke, tmp_path, monkeypatch):
    seen = []

    class Recorder:
        @staticmethod
        def train(lines, **options):
            seen.append(list(lines))
            raise DataError("enough")

    monkeypatch.setattr(sentencepiece, "SentencePieceTokenizer", Recorder)
    for _ in range(2):
        with pytest.raises(DataError, match="enough"):
            prepare.prepare(smoke.changed({"tokenizer.sample": 5}), tmp_path / "out")
    assert len(seen[0]) == 10
    assert seen[0] == seen[1]


def test_a_failure_leaves_nothing(smoke, tmp_path, monkeypatch):
    before = sorted(tmp_path.iterdir())
    with pytest.raises(DataError, match="no pair has at most 2 pieces"):
        prepare.prepare(smoke.changed({"data.max_length": 2}), tmp_path / "out")
    assert sorted(tmp_path.iterdir()) == before

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(prepare.Encoded, "save", full)
    with pytest.raises(OSError, match="No space left"):
        prepare.prepare(smoke, tmp_path / "out")
    assert sorted(tmp_path.iterdir()) == before


def test_a_failure_leaves_what_was_there(smoke, tmp_path, monkeypatch):
    prepare.prepare(smoke, tmp_path / "out")
    with pytest.raises(DataError):
        prepare.prepare(smoke.changed({"data.max_length": 2}), tmp_path / "out")
    assert len(Prepared.read(tmp_path / "out").train) == 20


def test_it_replaces_its_own_and_a_partial_one_only(smoke, tmp_path):
    left = tmp_path / ".out.writing-1-x"
    left.mkdir()
    (left / "prepared.json").write_text("{")
    prepare.prepare(smoke, tmp_path / "out")
    again = prepare.prepare(smoke.changed({"data.limit": 18}), tmp_path / "out")
    assert len(again.train) == 18
    assert not left.exists()


def test_other_folders_are_refused(smoke, tmp_path, monkeypatch):
    monkeypatch.setattr(corpora, "load", lambda *_: pytest.fail("it read the corpus first"))
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.tex").write_text("x")
    (tmp_path / "file").write_text("x")
    a_bundle = tmp_path / "bundle"  # which has a recipe too
    a_bundle.mkdir()
    for name in ("recipe.toml", "bundle.json", "model.safetensors"):
        (a_bundle / name).write_text("x")
    for out in (mine, tmp_path / "file", a_bundle):
        before = sorted(out.iterdir()) if out.is_dir() else None
        with pytest.raises(DataError, match="holds no prepared data"):
            prepare.prepare(smoke, out)
        assert (sorted(out.iterdir()) if out.is_dir() else None) == before


def test_a_folder_that_prepare_did_not_write(tmp_path):
    with pytest.raises(DataError, match=r"prepared\.json is missing") as caught:
        Prepared.read(tmp_path)
    assert "zoo prepare" in caught.value.hint


def test_pairs_are_cut_into_ids(tiny_tokenizer):
    end = tiny_tokenizer.end_id

    def encoded(pairs, longest, reverse=False):
        changes = {"data.max_length": longest, "data.reverse_source": reverse}
        made = recipes.load("vaswani2017-tatoeba-en-fr").smoke().changed(changes)
        return Translate.encode_examples(pairs, (tiny_tokenizer, tiny_tokenizer), made)

    given = [("I am cold.", "Va !"), ("cat " * 30, "Va !"), ("Go.", "chat " * 30)]
    arrays = encoded(given, 20)
    assert len(arrays) == 1
    ids = tiny_tokenizer.encode("I am cold.")
    assert arrays.source[0].tolist() == [*ids, end]
    turned = encoded(given, 20, reverse=True)
    assert turned.source[0].tolist() == [*ids[::-1], end]
    assert turned.target[0].tolist() == arrays.target[0].tolist()
    exact = encoded(given[:1], len(ids) + 1)
    assert len(exact) == 1
    with pytest.raises(DataError, match="no rows"):
        encoded(given[:1], len(ids))


def test_the_facts_are_plain_json(smoke, tmp_path):
    prepare.prepare(smoke, tmp_path / "out")
    facts = json.loads((tmp_path / "out" / "prepared.json").read_text("utf-8"))
    assert set(facts) == {"seen", "test", "further"}


WORDS = {
    "tokenizer.kind": "moses", "tokenizer.shared": False, "tokenizer.algorithm": None,
    "tokenizer.normalization": None, "tokenizer.vocabulary": 40, "tokenizer.source_vocabulary": 50,
    "data.reverse_source": True,
}  # fmt: skip


def test_words_of_each_language(smoke, tmp_path, pairs):
    read = prepare.prepare(smoke.changed(WORDS), tmp_path / "out")
    assert {"source.moses.json", "target.moses.json"} <= {
        path.name for path in read.folder.iterdir()
    }
    source, target = read.source_tokenizer, read.target_tokenizer
    assert isinstance(source, MosesTokenizer)
    assert isinstance(target, MosesTokenizer)
    assert (source.size, target.size) == (50, 40)
    assert (source.language, target.language) == ("en", "fr")
    for i, pair in enumerate(pairs):
        assert read.train.source[i].tolist() == [*source.encode(pair[0])[::-1], source.end_id]
        assert read.train.target[i].tolist() == [*target.encode(pair[1]), target.end_id]
    with pytest.raises(DataError, match="no vocabulary of 900 words can be made: the 'en' text"):
        prepare.prepare(
            smoke.changed(WORDS | {"tokenizer.source_vocabulary": 900}), tmp_path / "other"
        )
