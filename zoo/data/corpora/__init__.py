"""Corpora by name: from the folder in ZOO_DATA, else from the hub.

To add a corpus, write a reader of its files and rows, and add it to `CORPORA`.
"""

from __future__ import annotations

from pathlib import Path

from zoo.config.recipe import Data
from zoo.data import squad
from zoo.data.corpora import glue, imdb, own, race, running, trec6, wikitext, words
from zoo.data.corpora.corpus import Corpus, check_labels, inside
from zoo.data.corpora.cut import Cut, shakespeare
from zoo.data.corpora.parallel import Parallel
from zoo.data.corpora.tatoeba import Tatoeba
from zoo.data.corpora.words import Words
from zoo.data.examples import Example, some
from zoo.errors import UnknownName, did_you_mean

__all__ = ["CORPORA", "check_labels", "corpus", "inside", "load", "own"]

Splits = dict[str, tuple[str, ...]]
TRAIN_TEST: Splits = {"train": ("train",), "test": ("test",)}
# GLUE's training examples are in two files; its test labels were never published.
GLUE: Splits = {"train": ("train", "val"), "test": ("dev",)}

# Papers measure on the development set, see sst2. Questions on one context are held out together.
SQUAD = Corpus(
    squad.read_file, "json", {"train": ("train",), "test": ("dev",)}, rows="span",
    read_row=squad.of_hub, together=lambda example: example.given[1],
)  # fmt: skip

CORPORA: dict[str, Corpus] = {
    "multi30k": Parallel(names={"valid": "val", "test": "test_2016_flickr"}),
    "tatoeba-en-fr": Tatoeba(),
    **dict.fromkeys(
        (
            "europarl-en-fr",
            "python-docs-en-fr",
            "novels-en-fr",
            "newstest2013-en-fr",
            "newstest2014-en-fr",
        ),
        Parallel(columns=("en", "fr")),
    ),
    "opus-100": Parallel(),
    "wmt14-de-en": Parallel(),
    "wmt14-fr-en": Parallel(),
    # Each line has a blank at both ends, which would be characters.
    "ptb": Corpus(clean=str.strip, stream=True),
    "brown": Corpus(clean=str.strip, stream=True),
    "names": Cut(),  # first names, one a line
    "tinyshakespeare": Cut(cut=shakespeare, file="input", stream=True),
    "wikitext-2": Corpus(join=wikitext.articles, stream=True),
    "wikitext-103": Corpus(join=wikitext.articles, stream=True),
    "openstax-cc-by": Corpus(join=running.titled, stream=True),
    "eltec-eng-novels": Corpus(join=running.titled, stream=True),
    "books": Corpus(splits={"train": ("train",)}, stream=True),
    "imdb": Corpus(
        imdb.read, "jsonl", TRAIN_TEST, TRAIN_TEST | {"train": ("train", "unsup")}, clean=imdb.clean
    ),
    "trec6": Corpus(trec6.read, splits=TRAIN_TEST),
    # Papers measure on the development set, so it must not choose the epoch too.
    "sst2": Corpus(
        glue.sst2, "tsv", {"train": ("train",), "dev": ("dev",), "test": ("test-labeled",)}
    ),
    "cola": Corpus(glue.cola, "tsv", GLUE),
    "rte": Corpus(glue.rte, "tsv", GLUE, rows="pair"),
    "mrpc": Corpus(glue.mrpc, splits=TRAIN_TEST, rows="pair"),
    "stsb": Corpus(glue.stsb, "csv", TRAIN_TEST | {"valid": ("dev",)}, rows="pair"),
    "conll2003": Words(words.read, rows="words", column="ner_tags"),
    "ud-english-ewt": Words(words.read, "conllu", rows="words", column="upos"),
    **dict.fromkeys(("squad-v1.1", "squad-v2.0"), SQUAD),
    "race": Corpus(race.read, "jsonl", rows="question", read_row=race.example),
}


def corpus(name: str) -> Corpus:
    """Return the corpus of that name, or raise UnknownName."""
    if name not in CORPORA:
        hint = f"{did_you_mean(name, CORPORA)}; your own is a path, as in ./{name}"
        raise UnknownName(f"there is no corpus '{name}'", hint)
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
    """Load the examples of one split, "train", "valid" or "test", in the corpus' order.

    `data.limit` keeps the first training pairs, or a random sample of texts with about equally many
    of each label. For a corpus of texts without a validation split, a random share of
    `data.validation` of the remaining training rows is held out.

    Args:
        labelled: load labels; else texts for a language model, both texts of a pair separately.
        whole: join the lines of a corpus into whole texts.
        folder: the corpus' folder; None looks in ZOO_DATA, then on the hub.

    Raises:
        UnknownName: there is no such corpus.
        DataError: a file is missing, cannot be read or has no rows; a label is not one of
            `data.labels`, or not a number if there are none.
    """
    source = corpus(data.corpus)
    if not whole or source.join is None:
        return source.load(data, split, labelled=labelled, seed=seed, folder=folder)
    # A limit counts whole texts.
    unlimited = data.model_copy(update={"limit": None})
    lines = source.load(unlimited, split, labelled=False, seed=seed, folder=folder)
    texts = [Example(text) for text in source.join(line for line, _ in lines)]
    return some(texts, data.limit if split == "train" else None, seed)
