"""docs/contributing.md is true: a paper is three files, and the zoo does the rest.

The files of the page are written beside copies of the registry and the recipes, its commands run,
and the tests that every paper must pass are called on its model. Nothing in zoo/ is touched.
"""

from __future__ import annotations

import re
import shlex
import shutil
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import keras
import numpy as np
import pytest
import tiny

import zoo
from zoo.bundle import weights
from zoo.cli import main
from zoo.config import catalog, recipe
from zoo.models import contracts

ROOT = catalog.data_root()
PAGE = ROOT / "docs" / "contributing.md"
if not PAGE.is_file():
    pytest.skip("an installed package has no pages", allow_module_level=True)

TEXT = PAGE.read_text("utf-8")
# Each file stands in a block of its own, below its name.
FILES = dict(re.findall(r"^`([\w./-]+)`:\n\n```\w+\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE))
COMMANDS, TESTS = re.findall(r"^```sh\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)
(COMPARISON,) = set(re.findall(r"^```python\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)) - {
    *FILES.values()
}
NAME = "elman1990"


@pytest.fixture(scope="module", autouse=True)
def checkout(tmp_path_factory, corpora_folder) -> Iterator[Path]:
    """The data root with the page's files in it, and its model among those of the package."""
    root = tmp_path_factory.mktemp("checkout")
    for folder in ("registry", "recipes"):
        (root / folder).mkdir()
        for path in (ROOT / folder).glob("*.toml"):
            shutil.copy(path, root / folder)
    for name, content in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content, "utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(catalog, "data_root", lambda: root)
        patch.setattr(zoo.models, "__path__", [*zoo.models.__path__, str(root / "zoo" / "models")])
        patch.setenv("ZOO_DATA", str(corpora_folder))
        patch.syspath_prepend(str(Path(__file__).parent / "models"))
        patch.chdir(root)
        yield root
    sys.modules.pop(f"zoo.models.{NAME}", None)
    if hasattr(zoo.models, NAME):
        delattr(zoo.models, NAME)
    tiny.own_recipes.cache_clear()


@pytest.fixture(scope="module")
def variant(checkout) -> tiny.Variant:
    return tiny.Variant(NAME, "generate")


@pytest.fixture(scope="module")
def model(variant) -> keras.Model:
    """Shared by the tests of this file: not to be changed."""
    return variant.make()


def test_a_paper_is_three_files():
    suffixes = {name.split("/")[0]: Path(name).suffix for name in FILES}
    assert suffixes == {"zoo": ".py", "registry": ".toml", "recipes": ".toml"}
    assert len(FILES) == 3
    for name in FILES:
        assert not (ROOT / name).exists(), "the page's paper is in the zoo: take another one"


# The commands


def test_the_commands_of_the_page_run(checkout, capsys):
    printed = {}
    for line in COMMANDS.splitlines():
        program, verb, *arguments = shlex.split(line)
        assert program == "zoo"
        capsys.readouterr()
        with warnings.catch_warnings(), pytest.raises(SystemExit) as done:
            main.main([verb, *arguments])
        captured = capsys.readouterr()
        assert not done.value.code, captured.err
        printed[verb] = captured.out
    assert NAME in printed["list"]
    assert "Finding Structure in Time" in printed["info"]
    assert len(printed["predict"].split()) > 3
    assert "perplexity" in printed["evaluate"]
    trained = zoo.load("./runs/elman1990")
    assert trained.recipe.paper == NAME
    assert np.isfinite(trained.score("The cat sleeps."))


def test_the_tests_of_the_page_are_there():
    for words in map(shlex.split, TESTS.splitlines()):
        paths = [ROOT / word for word in words if word.startswith("tests/")]
        assert paths
        assert all(path.exists() for path in paths)


def test_the_comparison_of_the_page_holds():
    before = TEXT[: TEXT.index(COMPARISON)].count("\n")
    exec(compile("\n" * before + COMPARISON, str(PAGE), "exec"), {"__name__": "__main__"})


# What holds for every paper


def test_the_entry_is_complete():
    entry = catalog.entry(NAME)
    assert NAME in zoo.models()
    assert {catalog.task(entry, size) for size in entry.sizes} <= set(entry.finetune)
    made = recipe.load("elman1990-ptb")
    assert made.paper == NAME
    assert made.smoke().resolved().model.arguments == {"vocabulary": 40, "width": 12}


@pytest.mark.parametrize("size", ["words", "ptb"])
def test_parameters_are_counted_exactly(size):
    entry = catalog.entry(NAME)
    with tiny.zeroed():
        made = catalog.builder(entry, size)(**catalog.arguments(entry, size, {}))
        made.build()
    assert made.count_params() == entry.sizes[size].params


def test_the_model_keeps_its_contract(model):
    assert isinstance(model, contracts.LanguageModel)
    assert list(weights.variables(model)) == [
        "embedding.embeddings", "hidden.bias", "hidden.recurrent_kernel", "output_layer.kernel",
    ]  # fmt: skip


def every(module: str) -> ModuleType:
    return __import__(module)


def test_it_is_a_paper_like_every_other(variant, model, tmp_path):
    tests = every("test_every_paper")
    expected = tiny.logits(model, variant.inputs)
    tests.test_config_holds_every_argument(variant)
    tests.test_a_keras_file_brings_it_back(variant, expected, tmp_path)
    for policy in ("mixed_bfloat16", "bfloat16"):
        tests.test_logits_are_float32_in_any_precision(policy, variant, model, expected)
    tests.test_weights_have_names_and_come_back(variant, model, expected, tmp_path)
    tests.test_every_weight_learns(variant)
    tests.test_logits_are_finite_and_one_for_each_label(variant, expected)


def test_it_is_a_language_model_like_every_other(model):
    tests = every("test_every_language_model")
    expected, padding = tiny.logits(model, tiny.TOKENS), -1
    tests.test_the_future_changes_nothing_before_it(model, expected)
    tests.test_every_word_counts_for_all_that_follow_in_its_row(model, expected)
    tests.test_order_counts(model, expected)
    tests.test_reading_on_with_the_state_is_reading_at_once(model, expected)
    tests.test_what_is_read_within_the_context_is_the_full_pass(model, expected)
    tests.test_steps_are_the_full_pass(model, expected, padding)
    tests.test_padding_on_the_left_changes_nothing(model, padding)
    tests.test_a_prompt_in_pieces_is_a_prompt(model)
    for beams in (1, 3):
        tests.test_a_search_finds_what_full_passes_find(model, beams, padding)
