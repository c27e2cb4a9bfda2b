"""A corpus of one's own, trained on from scratch; and going on with such a run."""

from __future__ import annotations

import contextlib
import json
import random
import shutil
import warnings
from pathlib import Path

import pytest
from given import PAIRS

import zoo
from zoo.config import recipe as recipes
from zoo.data import corpora
from zoo.data.corpora import own
from zoo.data.examples import Example
from zoo.errors import CheckpointError, DataError, OptionError, ZooWarning
from zoo.training import own_data, resuming

NAME = "vaswani2017-multi30k-de-en"
CHANGES = {"tokenizer.vocabulary": 96, "train.average": 1}


@pytest.fixture(scope="module")
def smoke() -> recipes.Recipe:
    return recipes.load(NAME).smoke()


@pytest.fixture(scope="module")
def mine(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("home") / "mine.tsv"
    rows = [("de", "en"), *PAIRS]
    path.write_text("\n".join(map("\t".join, rows)) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def trained(smoke, mine):
    """The folder of a whole run. Shared: copy it before changing it."""
    state = random.getstate()
    zoo.train(smoke, mine.parent / "out", CHANGES, data=mine)
    assert random.getstate() == state
    return mine.parent / "out"


@pytest.fixture
def copied(trained, tmp_path) -> Path:
    for name in ("out", "out.run"):
        shutil.copytree(trained.with_name(name), tmp_path / name)
    return tmp_path / "out"


# One run


def test_a_file_is_a_corpus(trained, mine):
    model = zoo.load(trained)
    assert model.recipe.name == "vaswani2017-mine"
    assert model.recipe.data.corpus == "mine.tsv"
    assert (model.metrics["data"], model.metrics["split"]) == ("mine.tsv", "validation")
    assert model.metrics["sentences"] == 2  # a tenth of it is held out
    assert model.recipe.evaluate.minimum is None
    assert "hub" not in (trained / "recipe.toml").read_text("utf-8")


def test_the_card_states_no_licence_and_no_folder(trained, mine):
    card = (trained / "README.md").read_text("utf-8")
    assert "Not stated." in card
    assert "license: other" in card
    assert "mine.tsv (de to en" in card
    assert "--data PATH" in card
    for path in trained.iterdir():
        assert str(mine.parent).encode() not in path.read_bytes(), path.name


def test_weights_have_no_name_of_the_registry(smoke):
    """Even if nobody renames the recipe."""
    from zoo.bundle import model_card

    full = recipes.load("vaswani2017-tatoeba-en-fr")
    assert model_card.registered(full)[0] == "tatoeba-en-fr"
    assert model_card.registered(full.changed({"data.corpus": "./mine"})) == (None, None)


# Going on


@contextlib.contextmanager
def quiet():
    """Leave out what libraries warn of, which `pytest.warns` would repeat."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        yield


def resumed(smoke, out, mine, changes):
    return zoo.train(smoke, out, CHANGES | changes, data=mine, resume=True)


def test_more_updates_are_told(smoke, copied, mine):
    with pytest.warns(ZooWarning, match=r"train\.updates, which was 4: from step 4"), quiet():
        model = resumed(smoke, copied, mine, {"train.updates": 6, "train.patience": 9})
    told = "train.updates from 4 to 6 at step 4; train.patience from None to 9 at step 4"
    assert [(row["step"], row["changed"]) for row in model.history] == [
        ("2", ""), ("4", ""), ("6", told),
    ]  # fmt: skip
    assert model.metrics["changed"] == [told]
    assert model.recipe.train.updates == 6
    assert told in (copied / "README.md").read_text("utf-8")
    # It is the run's recipe from here on.
    with pytest.raises(CheckpointError, match=r"a run of 6 updates, and train\.updates is 4"):
        resumed(smoke, copied, mine, {"train.patience": 9})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seed": 5}, r"seed was 2017, not 5"),
        ({"schedule.peak": 0.5}, r"schedule\.peak was 0\.00\d+, not 0\.5"),
        ({"train.label_smoothing": 0.3}, r"train\.label_smoothing was 0\.1, not 0\.3"),
        ({"train.updates_per_epoch": 1}, r"train\.updates_per_epoch was 2, not 1"),
        ({"model.arguments.dropout": 0.7}, r"model\.arguments\.dropout was 0\.\d+, not 0\.7"),
        ({"evaluate.beam_size": 3}, r"evaluate\.beam_size was 2, not 3"),
        ({"train.updates": 3}, r"a run of 4 updates, and train\.updates is 3"),
    ],
)
def test_another_run_is_not_gone_on_with(smoke, trained, mine, changes, message):
    before = {path: path.read_bytes() for path in trained.iterdir()}
    with pytest.raises(CheckpointError, match=message):
        resumed(smoke, trained, mine, changes)
    assert {path: path.read_bytes() for path in trained.iterdir()} == before


def test_a_run_of_an_earlier_version_is_checked_too(smoke, copied, mine):
    """It wrote its recipe with the data alone."""
    folder = copied.with_name("out.run") / "checkpoints"
    (folder / resuming.RECIPE).unlink()
    with pytest.raises(CheckpointError, match="seed was 2017, not 5"):
        resumed(smoke, copied, mine, {"seed": 5})


@pytest.mark.parametrize("name", ["linear", "cosine", "slanted_triangular"])
def test_schedules_that_end_are_told_and_no_others(name, smoke, tmp_path):
    begun = smoke.changed(
        {"schedule.name": name, "schedule.peak": 1e-3, "schedule.cut": 0.5, "schedule.ratio": 9.0}
    )
    resuming.write(tmp_path, begun)
    (tmp_path / "step-00000002").mkdir()
    longer = {"train.updates": 9}
    with pytest.warns(ZooWarning, match=f"schedule '{name}' depends on train.updates"):
        told = resuming.check(tmp_path, begun.changed(longer), True)
    assert told == ["train.updates from 4 to 9 at step 2"]
    for other in ("constant", "noam", "inverse_sqrt"):
        begun = begun.changed({"schedule.name": other})
        resuming.write(tmp_path, begun)
        assert resuming.check(tmp_path, begun.changed(longer), True) == told  # without a warning


def test_shares_of_mixed_corpora_are_told(smoke, tmp_path):
    """A share goes from its first value to its last over the updates of a run."""
    also = [{"corpus": "europarl-en-fr", "share": [0.5, 0.2]}]
    begun = smoke.changed({"schedule.name": "noam", "data.also": also})
    assert begun.data.mixed
    assert not smoke.data.mixed
    resuming.write(tmp_path, begun)
    (tmp_path / "step-00000002").mkdir()
    with pytest.warns(ZooWarning, match="^the share of each corpus depends on train.updates"):
        resuming.check(tmp_path, begun.changed({"train.updates": 9}), True)


def test_data_of_an_earlier_start_are_those_of_the_recipe(smoke, mine, tmp_path, monkeypatch):
    """A start that trained nothing leaves data, which another seed would hold out otherwise."""
    from zoo.training import run

    first = own_data.with_data(smoke, mine, CHANGES)
    data = {}
    for seed in (1, 2, 2):
        recipe = first.changed({"seed": seed})
        prepared = run._prepared(recipe, None, tmp_path / "data")
        assert prepared.recipe.seed == seed
        data[seed] = prepared.test
    assert data[1] != data[2]


def test_a_limit_holds_for_prepared_data_too(smoke, mine, tmp_path):
    from zoo.training import run
    from zoo.training.prepare import prepare

    changes = {"data.validation": 0.5, "tokenizer.vocabulary": 60, "evaluate.limit": None}
    recipe = own_data.with_data(smoke, mine, CHANGES | changes)
    whole = prepare(recipe, tmp_path / "data")
    assert len(whole.test) == 10
    limited = recipe.changed({"evaluate.limit": 3})
    found = run._prepared(limited, tmp_path / "data", tmp_path / "none")
    assert found.test == prepare(limited, tmp_path / "limited").test
    assert len(found.test) == 3


# Where it lies


def texts(path: Path) -> list[Example]:
    return [Example(line, "") for line in path.read_text("utf-8").split()]


@pytest.fixture
def folder(tmp_path) -> Path:
    (tmp_path / "train.txt").write_text("a b c d e f g h i j", "utf-8")
    return tmp_path


def loaded(folder: Path, split: str, seed: int = 1, **changes) -> list[str]:
    data = recipes.load("gpt1-starter").changed({"data.corpus": str(folder), "data.also": []}).data
    data = data.model_copy(update=changes)
    return [given for given, _ in own.load(texts, data, split, seed=seed)]


def test_splits_of_a_folder(folder):
    train, valid = (loaded(folder, split, validation=0.3) for split in ("train", "valid"))
    assert (len(train), len(valid)) == (7, 3)
    assert {*train} | {*valid} == {*"abcdefghij"}
    assert loaded(folder, "validation", validation=0.3) == valid
    assert loaded(folder, "valid", validation=0.3, seed=2) != valid
    assert len(loaded(folder, "train", limit=4)) == 3
    with pytest.raises(DataError, match="no split 'test'"):
        loaded(folder, "test")
    (folder / "dev.txt").write_text("x y", "utf-8")
    (folder / "test.txt").write_text("z", "utf-8")
    assert loaded(folder, "train") == [*"abcdefghij"]
    assert (loaded(folder, "valid"), loaded(folder, "test")) == (["x", "y"], ["z"])
    with pytest.raises(DataError, match="there is no corpus"):
        loaded(folder / "none", "train")


def test_a_file_for_each_language(smoke, tmp_path):
    for split, count in (("train", 20), ("test", 3)):
        for language, lines in zip(("de", "en"), zip(*PAIRS[:count], strict=True), strict=True):
            (tmp_path / f"{split}.{language}").write_text("\n".join(lines) + "\n", "utf-8")
    recipe = own_data.with_data(smoke, tmp_path)
    assert recipe.evaluate.split == "test"
    from zoo.tasks.translate import Translate

    assert len(Translate.load(recipe, "train")) == 18
    assert Translate.load(recipe, "test") == [Example(*pair) for pair in PAIRS[:3]]


def test_labels_are_those_of_the_corpus(tmp_path):
    recipe, path = recipes.load("gpt1-imdb").smoke(), tmp_path / "mine.csv"
    rows = [f"{text.strip('.!?')},{('sport', 'war', 'art')[i % 3]}" for i, (text, _) in
            enumerate(PAIRS)]  # fmt: skip
    path.write_text("\n".join(["text,label", *rows]) + "\n", "utf-8")
    found = own_data.with_data(recipe, path)
    assert found.data.labels == ["art", "sport", "war"]
    assert found.resolved().model.arguments["classes"] == 3
    told = own_data.with_data(recipe, path, {"data.labels": ["war", "sport", "art"]})
    assert told.data.labels == ["war", "sport", "art"]
    from zoo.config.tasks import task_class

    short = own_data.with_data(recipe, path, {"data.labels": ["war", "sport"]})
    with pytest.raises(DataError, match="the label 'art' is none of war, sport"):
        task_class("classify").load(short, "train")
    with pytest.raises(OptionError, match="the corpus is given twice"):
        own_data.with_data(recipe, path, {"data.corpus": "imdb"})


def test_a_path_in_a_recipe_is_relative_to_its_file(tmp_path, monkeypatch):
    text = recipes.dumps(recipes.load("gpt1-starter").changed({"data.also": []}))
    (tmp_path / "corpus").mkdir()
    (tmp_path / "corpus" / "train.txt").write_text("one\ntwo\nthree\n", "utf-8")
    for corpus in ("./corpus", "corpus/train.txt"):
        mine = text.replace('corpus = "wikitext-2"', f'corpus = "{corpus}"')
        (tmp_path / "mine.toml").write_text(mine, "utf-8")
        (tmp_path / "elsewhere").mkdir(exist_ok=True)
        monkeypatch.chdir(tmp_path / "elsewhere")
        recipe = recipes.load(tmp_path / "mine.toml")
        assert recipe.data.path == tmp_path / corpus
        settled = own_data.settled(recipe)
        assert settled.evaluate.split == "validation"
        assert settled.data.hub is None
        assert str(tmp_path) not in recipes.dumps(settled.published())
        assert settled.published().data.shown == Path(corpus).name
    assert recipes.load("gpt1-starter").data.path is None
    with pytest.raises(zoo.errors.UnknownName, match=r"your own is a path, as in \./mine"):
        corpora.corpus("mine")


def test_the_run_keeps_the_path_that_the_bundle_hides(trained, mine):
    for path in ("data/recipe.toml", "checkpoints/recipe.toml"):
        text = (trained.with_name("out.run") / path).read_text("utf-8")
        assert f"corpus = {json.dumps(str(mine))}" in text


def test_characters_of_the_held_out_part_are_known_too(tmp_path):
    names = [chr(ord("a") + i) * 3 for i in range(20)]  # each letter is in one name alone
    (tmp_path / "names.txt").write_text("\n".join(names) + "\n", encoding="utf-8")
    model = zoo.train("bigram-names", tmp_path / "out", data=tmp_path / "names.txt")
    assert set("abcdefghijklmnopqrst") <= set(model.tokenizer.words)
    assert model.metrics["unknown"] == 0
    assert all(score < 0 for score in model.score(names))
