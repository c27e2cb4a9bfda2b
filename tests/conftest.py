"""What several tests share: a few lines of text, and tiny bundles of every paper (tiny.py).

Nothing here is trained: the tiny models' weights are random, drawn once from a fixed seed. Bundles
last for a whole run, models for a file, after which what they compiled is freed.
"""

from __future__ import annotations

import ctypes
import functools
import gc
import itertools
import json
import os
import sys
from pathlib import Path

import pytest
from given import PAIRS

from zoo.config import recipe as recipes

# Processes of tests that share the cores have one thread each. Torch's threads wait for each other
# in a loop: on two cores beside another job, two threads took 155 s for what took one thread 8 s.
if "PYTEST_XDIST_WORKER" in os.environ:
    for name in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
        os.environ.setdefault(name, "1")

ONE = "vaswani2017-tatoeba-en-fr"
# Bytes that a process of tests may take, and by which it may grow before it looks what is free.
WORKER, GROWTH = 2 * 10**9, 10**8
HELD = pytest.StashKey[int]()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int | None:
    """Let `-n auto` start no more processes than there is memory for."""
    if not hasattr(os, "sysconf"):
        return None
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return max(1, min(os.cpu_count() or 1, memory // WORKER))


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """Free what models compiled after each file, and within one as soon as it takes much memory.

    Models and their compiled functions hold each other, so that only the collector frees them.
    """
    at_the_end = nextitem is None or nextitem.path != item.path
    if "keras" not in sys.modules or not (
        at_the_end or resident() > item.session.stash.get(HELD, 0)
    ):
        return
    import keras

    if at_the_end:
        keras.utils.clear_session(free_memory=False)
        if keras.backend.backend() == "jax":
            import jax

            jax.clear_caches()
    if keras.backend.backend() == "tensorflow":
        # TensorFlow keeps each traced custom gradient by name, and with it the graph around it.
        from tensorflow.python.framework.ops import gradient_registry

        for name in list(gradient_registry.list()):
            if name.startswith("CustomGradient-"):
                del gradient_registry._registry[name]
    gc.collect()
    if sys.platform == "linux":
        ctypes.CDLL(None).malloc_trim(0)
    item.session.stash[HELD] = resident() + GROWTH


def resident() -> int:
    """Return how many bytes of memory this process has, 0 where that is not told."""
    if sys.platform != "linux":
        return 0
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.fixture(scope="session")
def pairs() -> list[tuple[str, str]]:
    """Twenty sentence pairs, English and French."""
    return list(PAIRS)


@pytest.fixture(scope="session")
def corpora_folder(tmp_path_factory, pairs) -> Path:
    """A ZOO_DATA folder with a few lines for every corpus that a recipe names."""
    root = tmp_path_factory.mktemp("corpora")
    for name in recipes.names():
        made = recipes.load(name)
        further = [made.data.model_copy(update=dict(also)) for also in made.data.also]
        for data in (made.data, made.smoke().data, *further):
            folder = root / data.corpus
            folder.mkdir(exist_ok=True)
            write = write_pairs if made.task == "translate" else write_texts
            write(folder, data, pairs)
    return root


def write_pairs(folder: Path, data: recipes.Data, pairs: list[tuple[str, str]]) -> None:
    joined = [tuple(map(" ".join, zip(*two, strict=True))) for two in itertools.pairwise(pairs)]
    for split in ("train", "valid", "val", "test", "test_2016_flickr"):
        # Some recipes leave the sentences of the other splits out of training.
        own = pairs + joined if (split, data.corpus) == ("train", "tatoeba-en-fr") else pairs
        for column, language in enumerate((data.source, data.target)):
            lines = [pair[column] for pair in own]
            (folder / f"{split}.{language}").write_text("\n".join(lines) + "\n", "utf-8")
        if data.corpus == "tatoeba-en-fr":
            rows = "".join("\t".join(pair) + "\n" for pair in own)
            (folder / f"{split}.tsv").write_text(rows, "utf-8")


# Lines of the corpora that have files of their own kind, from a number, two texts and a label.
HEADERS = {"sst2": ["sentence\tlabel"], "rte": ["index\tsentence1\tsentence2\tlabel"]}
ROWS = {
    "sst2": lambda i, text, other, label: f"{text}\t{i % 2}",
    "rte": lambda i, text, other, label: f"{i}\t{text}\t{other}\t{label}",
    "stsb": lambda i, text, other, label: f"a\tb\tc\td\t{i / 4}\t{text}\t{other}",
    "race": lambda i, text, other, label: json.dumps(
        {"article": text, "question": other, "options": [*"abcd"], "answer": "ABCD"[i % 4]}
    ),
}


# A word and its tag in the corpora of tagged words.
TAGGED = {
    "conll2003": lambda word, tag: f"{word} NN B-NP {tag}",
    "ud-english-ewt": lambda word, tag: "\t".join([*("1", word, "_", tag), *"______"]),
}


def paragraph(text: str) -> dict:
    """Return a paragraph of SQuAD: what is the last word of a text?"""
    answer = text.split()[-1]
    answers = [{"text": answer, "answer_start": text.index(answer)}]
    return {"context": text, "qas": [{"question": text[::-1], "answers": answers}]}


def write_texts(folder: Path, data: recipes.Data, pairs: list[tuple[str, str]]) -> None:
    """Write the sources of pairs, with labels in turn, in the form that their corpus has."""
    from zoo.data.corpora import CORPORA
    from zoo.data.corpora.cut import Cut

    corpus, texts = CORPORA[data.corpus], [source for source, _ in pairs]
    if data.corpus.startswith("wikitext"):
        texts = ["", "= One =", "", *texts[:10], "", "= Other =", "", *texts[10:]]
    labels = itertools.cycle(data.labels or [""])
    lines = texts
    if data.corpus in ROWS:
        others = texts[1:] + texts[:1]
        rows = zip(itertools.count(), texts, others, labels, strict=False)
        lines = [*HEADERS.get(data.corpus, []), *itertools.starmap(ROWS[data.corpus], rows)]
    elif corpus.ending == "jsonl":
        rows = zip(texts, labels, strict=False)
        lines = [json.dumps({"text": text, "label": label}) for text, label in rows]
    elif data.labels:
        lines = [f"{label}:x {text}" for text, label in zip(texts, labels, strict=False)]
    if data.corpus in TAGGED:
        rows = (zip(text.split(), itertools.cycle(data.labels), strict=False) for text in texts)
        lines = [
            line for words in rows for line in [*itertools.starmap(TAGGED[data.corpus], words), ""]
        ]
    if data.corpus.startswith("squad"):
        lines = [json.dumps({"data": [{"paragraphs": list(map(paragraph, texts))}]})]
    splits = {name for each in (corpus.splits, corpus.texts) for n in each.values() for name in n}
    if isinstance(corpus, Cut):
        splits = {corpus.file}
        lines = "\n\n".join(texts).split("\n") if data.corpus == "tinyshakespeare" else texts
    for split in splits:
        path = folder / f"{split}.{corpus.ending}"
        if data.labels or not path.exists():
            path.write_text("\n".join(lines) + "\n", "utf-8")


@pytest.fixture(scope="session")
def bundles(tmp_path_factory):
    """A function: the folder of the tiny bundle of a recipe, written once for all tests."""
    import tiny

    root = tmp_path_factory.mktemp("bundles")

    @functools.cache
    def written(recipe: str) -> Path:
        return tiny.write_bundle(recipe, root / recipe, PAIRS)

    return written


@pytest.fixture(scope="module")
def loaded(bundles):
    """A function: the tiny bundle of a recipe, loaded once for all tests of a file."""
    from zoo.loading import load

    return functools.cache(lambda recipe: load(bundles(recipe)))


# What a test asks for to run over the whole catalog, or over one task's part of it.
OVER = {
    "recipe_name": None, "translator_name": "translate", "writer_name": "generate",
    "classifier_name": "classify",
}  # fmt: skip


def pytest_generate_tests(metafunc) -> None:
    """Run a test over the catalog, if it asks for a key of OVER: see tiny.recipe_names."""
    for fixture, task in OVER.items():
        if fixture in metafunc.fixturenames:
            import tiny

            found = tiny.recipe_names(task)
            metafunc.parametrize(fixture, found.values(), ids=found, scope="module")


@pytest.fixture(scope="module")
def every_bundle(recipe_name, bundles) -> Path:
    """The tiny bundle of every paper. Shared by all tests: copy it before changing it."""
    return bundles(recipe_name)


@pytest.fixture(scope="module")
def every_pretrained(recipe_name, loaded):
    """Every paper's tiny bundle, loaded. Shared by a file's tests: do not change its weights."""
    return loaded(recipe_name)


@pytest.fixture(scope="module")
def every_translator(translator_name, loaded):
    """Every translator's tiny bundle, loaded. Shared by a file's tests."""
    return loaded(translator_name)


@pytest.fixture(scope="module")
def every_writer(writer_name, loaded):
    """Every language model's tiny bundle, loaded. Shared by a file's tests."""
    return loaded(writer_name)


@pytest.fixture(scope="module")
def every_classifier(classifier_name, loaded):
    """Every classifier's tiny bundle, loaded. Shared by a file's tests."""
    return loaded(classifier_name)


@pytest.fixture(scope="session")
def tiny_bundle(bundles) -> Path:
    """The Transformer's, where one paper is enough. Copy it before changing it."""
    return bundles(ONE)


@pytest.fixture(scope="module")
def tiny_pretrained(loaded):
    """The tiny bundle, loaded. Shared by a file's tests: do not change its weights."""
    return loaded(ONE)


@pytest.fixture(scope="session")
def tiny_recipe(tiny_bundle) -> recipes.Recipe:
    """The recipe of the tiny bundle: one layer, width 16."""
    return recipes.load(tiny_bundle)


@pytest.fixture(scope="module")
def tiny_tokenizer(tiny_pretrained):
    """The tiny bundle's tokenizer: SentencePiece, 96 pieces, knows every letter of `pairs`."""
    return tiny_pretrained.tokenizer
