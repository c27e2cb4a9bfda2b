"""What several tests share: a few lines of text, and tiny bundles of every paper (tiny.py).

Nothing here is trained: the tiny models' weights are random, drawn once from a fixed seed.
"""

from __future__ import annotations

import functools
from pathlib import Path

import pytest

from zoo import recipe as recipes

PAIRS = [
    ("Go.", "Va !"),
    ("I am cold.", "J'ai froid."),
    ("I am hungry.", "J'ai faim."),
    ("She is at home.", "Elle est chez elle."),
    ("He is at work.", "Il est au travail."),
    ("We are going home.", "Nous rentrons chez nous."),
    ("The cat sleeps.", "Le chat dort."),
    ("The dog eats.", "Le chien mange."),
    ("The cat eats a fish.", "Le chat mange un poisson."),
    ("The house is red.", "La maison est rouge."),
    ("The car is blue.", "La voiture est bleue."),
    ("I like red cars.", "J'aime les voitures rouges."),
    ("You like fish.", "Tu aimes le poisson."),
    ("Do you like cats?", "Aimes-tu les chats ?"),
    ("Where is the dog?", "Où est le chien ?"),
    ("Where are we going?", "Où allons-nous ?"),
    ("Today it is raining.", "Aujourd'hui il pleut."),
    ("Tomorrow I will work.", "Demain je travaillerai."),
    ("I am going to work today.", "Je vais travailler aujourd'hui."),
    ("Thank you very much.", "Merci beaucoup."),
]
ONE = "vaswani2017-tatoeba-en-fr"


@pytest.fixture(scope="session")
def pairs() -> list[tuple[str, str]]:
    """Twenty sentence pairs, English and French."""
    return list(PAIRS)


@pytest.fixture(scope="session")
def corpora_folder(tmp_path_factory, pairs) -> Path:
    """A ZOO_DATA folder with a few lines for every corpus that a recipe names."""
    root = tmp_path_factory.mktemp("corpora")
    for name in recipes.names():
        data = recipes.load(name).data
        folder = root / data.corpus
        folder.mkdir(exist_ok=True)
        for split in ("train", "valid", "val", "test", "test_2016_flickr"):
            for column, language in enumerate((data.source, data.target)):
                lines = [pair[column] for pair in pairs]
                (folder / f"{split}.{language}").write_text("\n".join(lines) + "\n", "utf-8")
            if data.corpus == "tatoeba-en-fr":
                rows = "".join("\t".join(pair) + "\n" for pair in pairs)
                (folder / f"{split}.tsv").write_text(rows, "utf-8")
    return root


@pytest.fixture(scope="session")
def bundles(tmp_path_factory):
    """A function: the folder of the tiny bundle of a recipe, written once for all tests."""
    import tiny

    root = tmp_path_factory.mktemp("bundles")

    @functools.cache
    def written(recipe: str) -> Path:
        return tiny.write_bundle(recipe, root / recipe, PAIRS)

    return written


@pytest.fixture(scope="session")
def loaded(bundles):
    """A function: the tiny bundle of a recipe, loaded once for all tests."""
    from zoo.pretrained import load

    return functools.cache(lambda recipe: load(bundles(recipe)))


def pytest_generate_tests(metafunc) -> None:
    """Run a test that asks for `recipe_name` over the whole catalog: see tiny.recipe_names."""
    if "recipe_name" in metafunc.fixturenames:
        import tiny

        found = tiny.recipe_names()
        metafunc.parametrize("recipe_name", found.values(), ids=found, scope="session")


@pytest.fixture(scope="session")
def every_bundle(recipe_name, bundles) -> Path:
    """The tiny bundle of every paper. Shared by all tests: copy it before changing it."""
    return bundles(recipe_name)


@pytest.fixture(scope="session")
def every_pretrained(recipe_name, loaded):
    """Every paper's tiny bundle, loaded. Shared by all tests: do not change its weights."""
    return loaded(recipe_name)


@pytest.fixture(scope="session")
def tiny_bundle(bundles) -> Path:
    """The Transformer's, where one paper is enough. Copy it before changing it."""
    return bundles(ONE)


@pytest.fixture(scope="session")
def tiny_pretrained(loaded):
    """The tiny bundle, loaded. Shared by all tests: do not change its weights."""
    return loaded(ONE)


@pytest.fixture(scope="session")
def tiny_recipe(tiny_bundle) -> recipes.Recipe:
    """The recipe of the tiny bundle: one layer, width 16."""
    return recipes.load(tiny_bundle)


@pytest.fixture(scope="session")
def tiny_tokenizer(tiny_pretrained):
    """The tiny bundle's tokenizer: SentencePiece, 96 pieces, knows every letter of `pairs`."""
    return tiny_pretrained.tokenizer
