"""What several tests share: a few lines of text, a tiny tokenizer, a tiny bundle.

Nothing here is trained: the tiny model's weights are random, drawn once from a fixed seed.
"""

from __future__ import annotations

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
VOCABULARY = 96


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
def tiny_tokenizer():
    """A SentencePiece tokenizer of 96 pieces that knows every letter of `pairs`."""
    from zoo.text import SentencePieceTokenizer

    return SentencePieceTokenizer.train(
        [text for pair in PAIRS for text in pair], vocabulary=VOCABULARY
    )


@pytest.fixture(scope="session")
def tiny_recipe() -> recipes.Recipe:
    """A recipe of one layer, width 16, whose vocabulary is `tiny_tokenizer`'s."""
    return (
        recipes.load("vaswani2017-tatoeba-en-fr")
        .smoke()
        .changed(
            {
                "name": "tiny",
                "tokenizer.vocabulary": VOCABULARY,
                "evaluate.beam_size": 2,
                "evaluate.max_extra": 4,
            }
        )
        .resolved()
    )


@pytest.fixture(scope="session")
def tiny_bundle(tmp_path_factory, tiny_recipe, tiny_tokenizer) -> Path:
    """A bundle of random weights. Shared by all tests: copy it before changing it."""
    import keras

    from zoo import bundle, catalog

    keras.utils.set_random_seed(1)
    model = catalog.builder(catalog.entry(tiny_recipe.paper))(**tiny_recipe.model.arguments)
    model.build()
    return bundle.write(
        tmp_path_factory.mktemp("bundles") / "tiny",
        model=model,
        recipe=tiny_recipe,
        tokenizers=(tiny_tokenizer, tiny_tokenizer),
        metrics={"metric": "bleu", "value": 1.5, "sentences": 20},
        history=[{"epoch": 1, "loss": 4.5}, {"epoch": 2, "loss": 4.25, "validation_loss": 4.0}],
    )


@pytest.fixture(scope="session")
def tiny_pretrained(tiny_bundle):
    """The tiny bundle, loaded. Shared by all tests: do not change its weights."""
    from zoo.pretrained import load

    return load(str(tiny_bundle))
