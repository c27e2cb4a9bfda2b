"""Corpora by name, one file a source: from the folder that ZOO_DATA names, else from the hub.

To add a corpus, write how its files and rows are read, and add it to `CORPORA`.
"""

from __future__ import annotations

from pathlib import Path

from zoo.config.recipe import Data
from zoo.data.corpora import glue, imdb, race, trec6, wikitext
from zoo.data.corpora.corpus import Corpus, inside
from zoo.data.corpora.parallel import Parallel
from zoo.data.corpora.tatoeba import Tatoeba
from zoo.data.examples import Example, some
from zoo.errors import UnknownName, did_you_mean

__all__ = ["CORPORA", "corpus", "inside", "load"]

Splits = dict[str, tuple[str, ...]]
TRAIN_TEST: Splits = {"train": ("train",), "test": ("test",)}
# What GLUE trains on lies in two files; its test labels were never published.
GLUE: Splits = {"train": ("train", "val"), "test": ("dev",)}

CORPORA: dict[str, Corpus] = {
    "multi30k": Parallel(names={"valid": "val", "test": "test_2016_flickr"}),
    "tatoeba-en-fr": Tatoeba(),
    "opus-100": Parallel(),
    "wmt14-de-en": Parallel(),
    "wmt14-fr-en": Parallel(),
    "ptb": Corpus(),
    "wikitext-2": Corpus(join=wikitext.articles),
    "wikitext-103": Corpus(join=wikitext.articles),
    "books": Corpus(splits={"train": ("train",)}),
    "imdb": Corpus(
        imdb.read, "jsonl", TRAIN_TEST, TRAIN_TEST | {"train": ("train", "unsup")}, clean=imdb.clean
    ),
    "trec6": Corpus(trec6.read, splits=TRAIN_TEST),
    # Papers measure on its development set, so that it may not choose the epoch too.
    "sst2": Corpus(
        glue.sst2, "tsv", {"train": ("train",), "dev": ("dev",), "test": ("test-labeled",)}
    ),
    "cola": Corpus(glue.cola, "tsv", GLUE),
    "rte": Corpus(glue.rte, "tsv", GLUE, rows="pair"),
    "mrpc": Corpus(glue.mrpc, splits=TRAIN_TEST, rows="pair"),
    "stsb": Corpus(glue.stsb, "csv", TRAIN_TEST | {"valid": ("dev",)}, rows="pair"),
    "race": Corpus(race.read, "jsonl", rows="question", read_row=race.example),
}


def corpus(name: str) -> Corpus:
    """Return the corpus of that name.

    Raises:
        UnknownName: there is none.
    """
    if name not in CORPORA:
        raise UnknownName(f"there is no corpus '{name}'", did_you_mean(name, CORPORA))
    return CORPORA[name]


def load(
    data: Data,
    split: str,
    *,
    labelled: bool = True,
    whole: bool = False,
    seed: int = 0,
    folder: Path | None = None,
) -> list[Example]:
    """Return the examples of one split, "train", "valid" or "test", in the corpus' order.

    `data.limit` keeps so many training rows: of pairs the first ones, of texts a draw by the seed,
    about equally many of each label. Where a corpus of texts has no validation split,
    `data.validation` of the training rows that are left, drawn likewise, is held out.

    Args:
        labelled: with labels; else texts for a language model, the texts of a pair one by one.
        whole: give whole texts where the corpus has them a line at a time.
        folder: the corpus' own folder; None looks in ZOO_DATA, then on the hub.

    Raises:
        UnknownName: there is no such corpus.
        DataError: a file is missing or cannot be read, has no rows, a label that is not one of
            `data.labels`, or without those a label that is no number.
    """
    named = corpus(data.corpus)
    if not whole or named.join is None:
        return named.load(data, split, labelled=labelled, seed=seed, folder=folder)
    # A limit counts whole texts.
    unlimited = data.model_copy(update={"limit": None})
    lines = named.load(unlimited, split, labelled=False, seed=seed, folder=folder)
    texts = [Example(text) for text in named.join(line for line, _ in lines)]
    return some(texts, data.limit if split == "train" else None, seed)
