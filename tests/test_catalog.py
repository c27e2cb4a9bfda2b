"""The registry: every entry is complete and true, and a wrong name says what was meant."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest
import tiny

import zoo
from zoo.config import cards, catalog, recipe
from zoo.config.choices import OPTIMIZERS
from zoo.config.tables import parse
from zoo.errors import BundleError, OptionError, RecipeError, UnknownName

NAMES = catalog.names()
SIZES = [(name, size) for name in NAMES for size in catalog.entry(name).sizes]
WEIGHTS = [(name, tag) for name in NAMES for tag in catalog.entry(name).weights]

ENTRY = {
    "name": "someone1999",
    "builder": "zoo.models.someone1999:Model",
    "task": "translate",
    "default": "small",
    "paper": {
        "title": "A Title", "authors": ["Some One"], "year": 1999, "venue": "A Venue",
        "url": "https://example.org", "introduced": "Something.",
    },
    "sizes": {"base": {"params": 10, "width": 4}},
    "weights": {
        "small": {
            "recipe": "someone1999-data", "size": "base", "bundle": "someone1999.small",
            "license": "Apache-2.0", "data_license": "CC0", "languages": ["en"],
            "origin": "trained here",
        },
    },
}  # fmt: skip

HEAD = {
    "task": "classify", "builder": "zoo.models.someone1999:Classifier", "params": {"base": 12},
    "classes": 2,
}  # fmt: skip


def changed(**tables):
    return {**ENTRY, **tables}


@pytest.mark.parametrize("name", NAMES)
def test_entry_is_complete(name):
    entry = catalog.entry(name)
    assert entry.name == name
    assert entry.task
    assert entry.paper.results, "the paper's own numbers are missing"
    assert entry.paper.url.startswith("https://")
    for task, start in entry.finetune.items():
        assert recipe.load(start).task == task
        assert recipe.load(start).paper == name
    recipes = [recipe.load(each) for each in recipe.names()]
    made = [each for each in recipes if each.paper == name]
    if made and all(OPTIMIZERS[each.optimizer.name].trainer for each in made):
        assert not entry.finetune  # counts of other texts are not in the model
        return
    # A model of every size can be trained further for what it is there to do.
    assert {catalog.task(entry, size) for size in entry.sizes} <= set(entry.finetune)
    assert catalog.task(entry) == entry.task


@pytest.mark.parametrize(("name", "tag"), WEIGHTS)
def test_weights_are_described(name, tag):
    entry = catalog.entry(name)
    weights = entry.weights[tag]
    made_by = recipe.load(weights.recipe)
    # One file may serve two papers of one network.
    builders = [catalog.builder(each, weights.size) for each in (entry, _entry(made_by))]
    assert builders[0] is builders[1]
    assert made_by.task == catalog.task(entry, weights.size)
    assert made_by.model.size == weights.size
    assert weights.languages == made_by.data.languages
    assert weights.bundle in (None, f"{made_by.paper}.{tag}")


def _entry(made_by):
    return catalog.entry(made_by.paper)


@pytest.mark.parametrize(("name", "size"), SIZES)
def test_parameters_are_counted_exactly(name, size):
    entry = catalog.entry(name)
    with tiny.zeroed():
        model = catalog.builder(entry, size)(**catalog.arguments(entry, size, {}))
        model.build()
    assert model.parameter_count == entry.sizes[size].params
    if model.trainable_variables:
        trainable = sum(math.prod(variable.shape) for variable in model.trainable_variables)
        assert trainable == model.parameter_count


def test_paper_sizes_are_the_papers():
    sizes = catalog.entry("vaswani2017").sizes
    assert next(iter(sizes)) == "base"
    assert sizes["base"].params == 63_045_632
    assert sizes["big"].params == 214_171_648


def test_a_size_may_be_for_another_task():
    entry = catalog.entry("ulmfit2018")
    assert (catalog.task(entry), catalog.task(entry, "classifier")) == ("generate", "classify")
    assert catalog.builder(entry).__name__ == "LanguageModel"
    assert catalog.builder(entry, "starter-classifier").__name__ == "Classifier"
    assert catalog.arguments(entry, "classifier", {"classes": 6})["classes"] == 6
    with pytest.raises(OptionError, match="ulmfit2018 has no argument 'classes'"):
        catalog.arguments(entry, "base", {"classes": 6})


@pytest.mark.parametrize("name", NAMES)
def test_card_tells_everything(name):
    card = cards.card(name)
    entry = catalog.entry(name)
    text = str(card)
    for part in (entry.paper.title, entry.paper.url, *entry.sizes, *entry.weights):
        assert part in text
    for size, each in entry.sizes.items():
        told = f", to {each.task}" if each.task else ""
        assert re.search(rf"^  {size} +{each.params:,} parameters{told}$", text, re.MULTILINE)
    for weights in entry.weights.values():
        assert weights.data_license in text
    journals = {"bengio2003": "article", "bigram": "article", "gpt1": "misc", "graves2013": "misc"}
    assert card.bibtex.startswith(f"@{journals.get(name, 'inproceedings')}{{{name},")
    field = {"article": "journal", "misc": "howpublished"}.get(journals.get(name), "booktitle")
    assert re.search(rf"^  {field} += {{{re.escape(entry.paper.venue)}}},$", card.bibtex, re.M)
    assert card.bibtex.count("{") == card.bibtex.count("}")


def test_split_reference():
    assert catalog.split_reference("vaswani2017")[1] == "everyday-en-fr"
    assert catalog.split_reference("vaswani2017.multi30k-de-en")[1] == "multi30k-de-en"


def test_a_pattern_stands_for_many_weights():
    entry, tag = catalog.split_reference("vaswani2017.opus-mt-fr-zh_CN")
    assert tag not in entry.weights
    weights = entry.find(tag)
    assert weights is not None
    assert weights.hub == "Helsinki-NLP/opus-mt-fr-zh_CN"
    assert weights.languages == ["fr", "zh_CN"]
    assert weights.revision is None
    assert entry.made_by("vaswani2017-opus-mt-fr-zh_CN", converted=True) == (tag, weights)
    assert "Helsinki-NLP/opus-mt-{source}-{target}" in str(cards.card("vaswani2017"))
    for wrong in ("opus-mt-fr", "opus-mt-fr-en/x", "opus-mt--en", "x-opus-mt-fr-en"):
        assert entry.find(wrong) is None


def test_who_trains_a_recipe_has_not_made_what_was_converted():
    entry = catalog.entry("gpt1")
    assert entry.made_by("gpt1-books", converted=True) == ("openai", entry.weights["openai"])
    assert entry.made_by("gpt1-books", converted=False) == (None, None)
    assert entry.find("openai").hub == "openai-community/openai-gpt"


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: catalog.entry("vaswani"), UnknownName, "did you mean 'vaswani2017'"),
        (lambda: catalog.entry("../vaswani2017"), UnknownName, "there is no model"),
        (lambda: catalog.split_reference("vaswani2017.tatoba"), UnknownName, "tatoeba-en-fr"),
        (lambda: catalog.size(catalog.entry("vaswani2017"), "bigg"), UnknownName, "'big'"),
        (lambda: catalog.find_bundle("./nowhere"), BundleError, "there is no folder nowhere"),
        (lambda: catalog.find_bundle(__file__), BundleError, "is a file, and a model is a folder"),
        (lambda: cards.card("./mine"), UnknownName, "zoo.load(FOLDER).card"),
        (lambda: cards.card(Path("mine")), UnknownName, "zoo.load(FOLDER).card"),
        (lambda: catalog.find_bundle("vaswani2017.x"), UnknownName, "no weights 'x'"),
        (
            lambda: catalog.arguments(catalog.entry("vaswani2017"), "base", {"drop_out": 0.2}),
            OptionError,
            "did you mean 'dropout'",
        ),
    ],
)
def test_wrong_names_say_what_was_meant(call, error, text):
    with pytest.raises(error, match=re.escape(text)):
        call()


def test_arguments_lay_changes_over_the_size():
    entry = catalog.entry("vaswani2017")
    arguments = catalog.arguments(entry, "big", {"dropout": 0.1})
    assert arguments == {**entry.sizes["big"].arguments, "dropout": 0.1}
    assert entry.sizes["big"].arguments["dropout"] == 0.3


def test_a_path_is_found_and_a_name_wins_over_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "vaswani2017").mkdir()
    assert catalog.find_bundle("./vaswani2017").resolve() == tmp_path / "vaswani2017"
    assert catalog.find_bundle(tmp_path / "vaswani2017") == tmp_path / "vaswani2017"
    monkeypatch.setattr(catalog, "split_reference", lambda name: pytest.fail("asked by name"))
    with pytest.raises(pytest.fail.Exception):
        catalog.find_bundle("vaswani2017")


def test_a_folder_written_as_a_name_says_how_to_write_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").mkdir()
    with pytest.raises(UnknownName, match=r"there is no model 'mine'\n.*\./mine"):
        catalog.find_bundle("mine")


def test_weights_that_did_not_come_along_say_how_to_get_them(tmp_path, monkeypatch):
    entry = catalog.entry("vaswani2017")
    monkeypatch.setattr(catalog, "split_reference", lambda _: (entry, "multi30k-de-en"))
    monkeypatch.setattr(catalog, "data_root", lambda: tmp_path)
    with pytest.raises(BundleError, match="zoo train vaswani2017-multi30k-de-en"):
        catalog.find_bundle("vaswani2017.multi30k-de-en")
    assert catalog.metrics(entry, "multi30k-de-en") == {}


def test_entry_reads_sizes_with_flat_arguments():
    entry = parse(catalog.Entry, ENTRY, "registry entry", RecipeError)
    assert entry.sizes["base"].params == 10
    assert entry.sizes["base"].arguments == {"width": 4}


def test_a_head_adds_to_the_sizes_that_it_counts():
    sizes = {name: {"params": 10, "width": 4, "dropout": each}
             for name, each in (("base", 0.5), ("tiny", 0.1), ("huge", 0.3))}  # fmt: skip
    head = HEAD | {"params": {"base": 12, "tiny": 13}, "without": ["width"]}
    head |= {"changes": {"tiny": {"dropout": 0.2}}}
    entry = parse(
        catalog.Entry, changed(sizes=sizes, heads={"sorter": head}), "entry", RecipeError
    )  # fmt: skip
    assert list(entry.sizes) == ["base", "sorter", "tiny", "tiny-sorter", "huge"]
    sorter, tiny_sorter = entry.sizes["sorter"], entry.sizes["tiny-sorter"]
    assert (sorter.task, sorter.params, tiny_sorter.params) == ("classify", 12, 13)
    assert sorter.arguments == {"dropout": 0.5, "classes": 2}
    assert tiny_sorter.arguments == {"dropout": 0.2, "classes": 2}
    assert entry.builders["classify"] == HEAD["builder"]


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (changed(papers={}), "there is no key 'papers'"),
        (changed(papers={}), "did you mean 'paper'"),
        (changed(paper={**ENTRY["paper"], "year": "1999"}), "paper.year = '1999'"),
        (changed(sizes={"base": {"width": 4}}), "the key 'params' is missing in [sizes.base]"),
        (changed(sizes={}), "sizes"),
        (changed(default="large"), "default 'large' is none of its weights"),
        (changed(builder="zoo.models"), "builder = 'zoo.models'"),
        (changed(builders={"classify": "zoo"}), "there is no key 'builders'"),
        (changed(heads={"sorter": {**HEAD, "builder": "zoo"}}), "heads.sorter.builder = 'zoo'"),
        (changed(heads={"sorter": {**HEAD, "params": {}}}), "heads.sorter.params"),
        (
            changed(heads={"sorter": {**HEAD, "params": {"huge": 12}}}),
            "head 'sorter' is of a size 'huge' that is not there",
        ),
        (
            changed(sizes={"base": {"params": 10, "task": "classify", "width": 4}}),
            "size 'base' is for 'classify', which has no builder",
        ),
        (
            changed(weights={"small": {**ENTRY["weights"]["small"], "licence": "MIT"}}),
            "there is no key 'licence' in [weights.small]",
        ),
        (
            changed(weights={"small": {**ENTRY["weights"]["small"], "size": "huge"}}),
            "size 'huge' that is not there",
        ),
        (
            changed(weights={"small": {**ENTRY["weights"]["small"], "revision": "a" * 40}}),
            "'revision' and 'sha256' pin a repository together",
        ),
        (
            changed(
                weights={
                    "small": {
                        **ENTRY["weights"]["small"],
                        "revision": "a" * 40,
                        "sha256": {"model.safetensors": "0" * 64},
                    }
                }
            ),
            "and no 'hub'",
        ),
    ],
)
def test_a_wrong_entry_names_the_key(data, text):
    with pytest.raises(RecipeError, match=re.escape(text)):
        parse(catalog.Entry, data, "registry entry someone1999", RecipeError)


def test_measured_is_one_short_text():
    assert catalog.measured({"metric": "bleu", "value": 45.123}) == "BLEU 45.1"
    assert catalog.measured({"metric": "accuracy", "value": 90.06}) == "accuracy 90.1 %"
    assert catalog.measured({"metric": "perplexity", "value": 99.96}) == "perplexity 100.0"
    assert catalog.measured({}) == ""


@pytest.mark.parametrize("wrong", [{"width": 255}, {"activation": "rleu"}, {"encoder_layers": -1}])
def test_arguments_that_make_no_sense_are_one_clear_error(wrong):
    with pytest.raises(OptionError, match=next(iter(wrong)) + "|rleu|heads"):
        zoo.build("vaswani2017", size="starter", **wrong)
