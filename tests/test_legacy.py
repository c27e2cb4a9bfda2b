"""Recipes of earlier versions are read: one warning for each old name, none for a bundle's own."""

from __future__ import annotations

import warnings

import pytest

from zoo import bundle
from zoo.config import catalog, legacy, recipe
from zoo.errors import ZooWarning
from zoo.reports import experiments

KINDS = {
    "marked": ("fastai", "ulmfit2018-wikitext-2"),
    "spaces": ("whitespace", "merity2017-ptb"),
    "words": ("moses", "sutskever2014-wmt14-en-fr"),
}
BUNDLES = sorted((catalog.data_root() / "registry" / "bundles").glob("*/recipe.toml"))


@pytest.fixture(autouse=True)
def fresh():
    """Nothing was told yet."""
    legacy._tell.cache_clear()
    yield
    legacy._tell.cache_clear()


def old_tables(name: str) -> dict:
    """Return a recipe as the version before had it."""
    tables = recipe.load(name).tables()
    old = {new: kind for kind, (new, _) in KINDS.items()}
    kind = tables["tokenizer"]["kind"]
    tables["tokenizer"]["kind"] = old.get(kind, kind)
    for key, new in (("activation", "ar_alpha"), ("temporal", "tar_beta")):
        tables["train"][key] = tables["model"]["arguments"].pop(new, 0.0)
    return tables


@pytest.mark.parametrize(("old", "new", "name"), [(k, *v) for k, v in KINDS.items()])
def test_an_old_kind_is_read_with_one_warning(old, new, name):
    made = recipe.load(name)
    with pytest.warns(ZooWarning, match=f"'{old}' is called '{new}' now") as caught:
        assert made.changed({"tokenizer.kind": old}) == made
    assert len(caught) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert made.changed({"tokenizer.kind": old}) == made


@pytest.mark.parametrize("name", ["merity2017-ptb", "ulmfit2018-wikitext-2"])
def test_an_old_recipe_is_the_new_one_with_a_warning_for_each_name(name):
    with pytest.warns(ZooWarning) as caught:
        assert recipe.loads(old_tables(name)) == recipe.load(name)
    told = sorted(str(each.message) for each in caught)
    assert [text.split(" is called ")[1].split(" now")[0] for text in told[1:]] == [
        "model.arguments.ar_alpha", "model.arguments.tar_beta"
    ]  # fmt: skip
    assert told[0].startswith("tokenizer.kind = '")
    assert len(told) == 3


@pytest.mark.parametrize("name", ["gpt1-starter", "vaswani2017-tatoeba-en-fr"])
def test_a_zero_that_means_nothing_is_dropped_without_a_word(name):
    old = old_tables(name)
    assert old["train"]["activation"] == old["train"]["temporal"] == 0
    assert recipe.loads(old) == recipe.load(name)


def test_the_old_keys_of_the_smoke_version():
    old = old_tables("merity2017-ptb")
    old["smoke"]["train"] |= {"activation": 0.0, "temporal": 0.5}
    with pytest.warns(ZooWarning):
        smoke = recipe.loads(old).smoke()
    assert smoke.model.arguments["ar_alpha"] == 0
    assert smoke.model.arguments["tar_beta"] == 0.5


def test_old_keys_in_changes():
    made = recipe.load("merity2017-ptb")
    with pytest.warns(ZooWarning, match=r"train.activation is called model.arguments.ar_alpha"):
        changed = made.changed({"train.activation": 0.0})
    assert changed.model.arguments == {"ar_alpha": 0, "tar_beta": 1}


def test_old_keys_in_an_experiment(tmp_path):
    path = tmp_path / "ar.toml"
    path.write_text(
        'paper = "merity2017"\nclaim = "AR helps."\nrecipe = "merity2017-ptb"\n'
        'metrics = ["perplexity"]\naxis = { key = "train.activation", label = "alpha" }\n'
        '[variants.with]\nchanges = { "train.activation" = 1.0 }\n'
        '[variants.without]\nchanges = { "train.activation" = 0.0 }\n',
        encoding="utf-8",
    )
    with pytest.warns(ZooWarning) as caught:
        made = experiments.load(path).recipes()
    assert len(caught) == 1
    assert [each.model.arguments["ar_alpha"] for each in made.values()] == [1, 0]


@pytest.mark.parametrize("path", BUNDLES, ids=lambda path: path.parent.name)
def test_a_bundles_own_recipe_is_read_in_silence(path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read = bundle.read(path.parent).recipe
        assert recipe.load(path.parent) == recipe.load(path) == read
    text = path.read_text(encoding="utf-8")
    for old, (new, _) in KINDS.items():
        named = any(f'kind = "{kind}"' in text for kind in (old, new))
        assert named == (read.tokenizer.kind == new)
    regularized = any(f"{key} = 2.0" in text for key in ("activation", "ar_alpha"))
    assert read.model.arguments.get("ar_alpha", 0) == (2 if regularized else 0)


def test_further_training_takes_ar_and_tar_from_where_it_starts():
    from zoo.training import finetune

    folder = catalog.data_root() / "registry" / "bundles" / "ulmfit2018.wikitext-2"
    if not folder.is_dir():
        pytest.skip("these weights do not come with this installation")
    base = recipe.load(folder)
    assert base.model.arguments["ar_alpha"] == 2
    made = finetune.recipe(base, "mine")
    assert not {"ar_alpha", "tar_beta"} & set(made.model.arguments)
    assert set(base.model.arguments) - set(made.model.arguments) == {"ar_alpha", "tar_beta"}
