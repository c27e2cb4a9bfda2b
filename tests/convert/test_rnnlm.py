"""RNNLM's text files: a tiny valid one, and the toolkit's own arithmetic in plain numpy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import zoo
from zoo import convert
from zoo.bundle import weights
from zoo.errors import BundleError
from zoo.tasks import likelihood

WORDS = ["</s>", "the", "cat", "sat", "mat", "on"]
CLASSES = [0, 0, 1, 1, 2, 2]
WIDTH = 4
TEXTS = ["the cat sat on the mat", "the dog sat on", "cat the mat sat"]  # no dog in the vocabulary


def drawn(words: list[str], classes: list[int]) -> dict[str, np.ndarray]:
    """Return the numbers of a model as its file has them, with four digits."""
    random = np.random.default_rng(4)
    count, outputs = len(words), len(words) + max(classes) + 1
    arrays = {
        "Hidden layer activation:": random.uniform(size=WIDTH),
        "Weights 0->1:": random.normal(scale=0.8, size=(WIDTH, count + WIDTH)),
        "Weights 1->2:": random.normal(scale=0.8, size=(outputs, WIDTH)),
    }
    return {title: array.round(4) for title, array in arrays.items()}


def write(path: Path, words=WORDS, classes=CLASSES, changes=(), **header) -> Path:
    """Write a model as the toolkit's saveNet does; `changes` replace parts of the text."""
    count, kinds = len(words), max(classes) + 1
    values = {
        "version": 10, "file format": 0, "training data file": "train",
        "validation data file": "valid", "last probability of validation data": "-12.5",
        "number of finished iterations": 3, "current position in training data": 0,
        "current probability of training data": "-12.25", "save after processing # words": 0,
        "# of training words": 100, "input layer size": count + WIDTH,
        "hidden layer size": WIDTH, "compression layer size": 0,
        "output layer size": count + kinds, "direct connections": 0, "direct order": 3,
        "bptt": 5, "bptt block": 10, "vocabulary size": count, "class size": kinds,
        "old classes": 0, "independent sentences mode": 0, "starting learning rate": "0.100000",
        "current learning rate": "0.050000", "learning rate decrease": 1,
    }  # fmt: skip
    values |= {name.replace("_", " "): value for name, value in header.items()}
    text = "".join(f"{name}: {value}\n" for name, value in values.items() if value is not None)
    text += "\n\nVocabulary:\n"
    for i, (word, kind) in enumerate(zip(words, classes, strict=True)):
        text += f"{i:6d}\t{50 - i:10d}\t{word}\t{kind}\n"
    for title, array in drawn(words, classes).items():
        text += f"\n{title}\n" + "".join(f"{number:.4f}\n" for number in array.ravel())
    text += "\nDirect connections:\n"
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    path.write_text(text, encoding="utf-8")
    return path


def fast_exp(x: np.ndarray) -> np.ndarray:
    """The toolkit's: a float32 whose bits are a number."""
    scaled = np.maximum(np.float32(1.442695040) * x.astype("float32"), np.float32(-126))
    bits = np.float32(2**23) * (scaled + np.float32(126.94269504))
    return bits.astype("uint32").view("float32").astype(float)


def toolkits_perplexity(words, classes, texts, independent: bool = False) -> float:
    """Return "PPL net" of texts, word by word as the toolkit's testNet goes."""
    state, to_hidden, to_output = drawn(words, classes).values()
    count, kinds = len(words), np.array(classes)
    if independent:
        state = np.ones(WIDTH)
    log_p, counted, last = 0.0, 0, 0
    for text in texts:
        for word in [*text.split(), "</s>"]:
            net = to_hidden[:, count:] @ state
            if last != -1:
                net = net + to_hidden[:, last]
            state = 1 / (1 + fast_exp(-net))
            place = words.index(word) if word in words else -1
            if place != -1:
                of_classes, of_words = to_output[count:] @ state, to_output[:count] @ state
                mates = np.flatnonzero(kinds == kinds[place])
                for scores, own in (
                    (of_classes, kinds[place]),
                    (of_words[mates], mates.tolist().index(place)),
                ):
                    p = fast_exp(scores - scores.max())
                    log_p += np.log(p[own] / p.sum())
                counted += 1
            last = place
            if independent and word == "</s>":
                state = np.ones(WIDTH)
    return float(np.exp(-log_p / counted))


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("rnnlm")


@pytest.mark.parametrize(
    ("words", "classes", "texts", "independent"),
    [
        (WORDS, CLASSES, TEXTS, False),
        (WORDS, CLASSES, TEXTS, True),
        (WORDS, [0] * 6, TEXTS, False),  # -class 1
        (["</s>", "the", "<unk>", "cat", "sat"], [0, 1, 1, 2, 2], ["the <unk> sat", "cat"], False),
    ],
    ids=["classes", "independent", "one class", "unk"],
)
def test_its_perplexity_is_the_toolkits(folder, tmp_path, words, classes, texts, independent):
    path = write(
        tmp_path / "model.txt", words, classes, independent_sentences_mode=int(independent)
    )
    model = zoo.load(convert.write(path, "mikolov2010", tmp_path / "bundle"))
    found = model.evaluate(texts, stream=not independent, progress=False)
    expected = toolkits_perplexity(words, classes, texts, independent)
    assert found["perplexity"] == pytest.approx(expected, rel=2e-6)
    known = sum(word in words for text in texts for word in text.split()) + len(texts)
    assert found["words"] == known
    assert model.model.arguments.tau == 4  # the file has one more


@pytest.mark.parametrize("quirk", ["fast_exponential", "stored_start", "unknown_id"])
def test_every_quirk_of_the_toolkit_counts(tmp_path, quirk):
    """Without one of them the perplexity is another one."""
    made = zoo.load(convert.write(write(tmp_path / "model.txt"), "mikolov2010", tmp_path / "b"))
    made.model.embedding.embeddings.assign(made.model.embedding.embeddings + 0.1)
    arguments = vars(made.model.arguments)
    none = False if quirk in ("fast_exponential", "stored_start") else 0
    without = type(made.model)(**{**arguments, quirk: none})
    without.build()
    for name, variable in weights.variables(without).items():
        variable.assign(weights.arrays(made.model)[name])
    ids = np.array([0, 2, 1, 3, 4, 0], dtype="int32")
    found = [
        likelihood.stream_log_probabilities(model, ids, given=1).sum()
        for model in (made.model, without)
    ]
    assert abs(found[0] - found[1]) > 1e-3


def test_a_model_from_a_file_does_all_that_others_do(folder):
    path = write(folder / "model.txt")
    model = zoo.load(convert.write(path, "mikolov2010", folder / "bundle"))
    assert model.predict("the cat", max_length=6).startswith("the cat")
    assert "<unk>" not in model.predict("the dog", max_length=8)[len("the dog") :]
    assert np.isfinite(model.score("the dog sat"))
    assert model.recipe.converted == "RNNLM"
    moved = model.evaluate(TEXTS, stream=True, dynamic=True, progress=False)["perplexity"]
    assert moved != model.evaluate(TEXTS, stream=True, progress=False)["perplexity"]
    again = zoo.load(model.save(folder / "again"))  # in 16 bits
    scores = [each.score(TEXTS[0]) for each in (again, model)]
    assert scores[0] == pytest.approx(scores[1], rel=1e-3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"direct_connections": 100}, "direct connections is 100"),
        ({"compression_layer_size": 3}, "compression layer size is 3"),
        ({"file_format": 1}, "file format is 1"),
        ({"hidden_layer_size": None}, "has no 'hidden layer size'"),
        ({"hidden_layer_size": "x"}, "'x' as 'hidden layer size'"),
        ({"hidden_layer_size": 5}, "input layer size is 10"),
        ({"vocabulary_size": 7}, "make 11"),
        ({"changes": [("\tcat\t1", "\tcat\t9")]}, "model.txt:31 is not the line of word 2 of 6"),
        ({"changes": [("\tcat\t1", "\tcat")]}, "model.txt:31 is not the line of word 2"),
        ({"changes": [("\tcat\t", "\tthe\t")]}, "has the word 'the' twice"),
        ({"changes": [("\t</s>\t", "\t<s>\t")]}, "word 0 is <s>, not </s>"),
        ({"changes": [("Weights 1->2:", "Weights 1->3:")]}, "has no line 'Weights 1->2:'"),
        ({"changes": [("Weights 0->1:\n", "Weights 0->1:\nx\n")]}, "model.txt:43 is 'x'"),
        ({"changes": [("Weights 0->1:\n", "Weights 0->1:\n0.5\n")]}, "more than 40 numbers"),
        ({"changes": [("Weights 0->1:\n", "Weights 0->1:\nnan\n")]}, "NaN or infinity"),
        ({"changes": [("\nDirect connections:\n", "")], "cut": 30}, "has too few numbers"),
        ({"words": WORDS[:1], "classes": [0], "changes": [("Vocabulary:", "Words:")]}, "no line"),
    ],
)  # fmt: skip
def test_what_is_no_such_network_is_one_error(tmp_path, arguments, message):
    cut = arguments.pop("cut", None) if "cut" in arguments else None
    path = write(tmp_path / "model.txt", **arguments)
    if cut:
        path.write_text(path.read_text()[:-cut])
    with pytest.raises(BundleError, match=message):
        convert.read(path)


def test_other_text_is_none_of_its_files(tmp_path):
    (tmp_path / "a.txt").write_text("version 10\nfile format: 0\n")
    with pytest.raises(BundleError, match="no checkpoint that is known"):
        convert.read(tmp_path / "a.txt")
    for name in ("one", "two"):
        write(tmp_path / name)
    with pytest.raises(BundleError, match="has 2 models: one, two"):
        convert.read(tmp_path)
    (tmp_path / "latin").write_bytes(
        write(tmp_path / "one").read_bytes().replace(b"cat", b"caf\xe9")
    )
    with pytest.raises(BundleError, match="is not UTF-8"):
        convert.read(tmp_path / "latin")
