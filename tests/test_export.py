"""The SavedModel: texts in, in a process without Keras and without this package."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from zoo import export
from zoo.config import catalog
from zoo.errors import BundleError, InputError, NotSupported, OptionError

ON_TENSORFLOW = keras.backend.backend() == "tensorflow"
needs_tensorflow = pytest.mark.skipif(not ON_TENSORFLOW, reason="the SavedModel is TensorFlow's")

# TensorFlow imports Keras by itself where it is installed, so it is made impossible to import here.
# Of tensorflow_text only its Keras layers need it, which stand aside; byte pairs do without it all.
CLIENT = """
import json, sys, types
sys.modules["keras"] = sys.modules["tf_keras"] = sys.modules["zoo"] = None
sys.modules["tensorflow_text.python.keras"] = types.ModuleType("layers")
import tensorflow
with open(sys.argv[1] + "/paperzoo.json", encoding="utf-8") as file:
    about = json.load(file)
if about["function"] == "translate":
    import tensorflow_text
loaded = tensorflow.saved_model.load(sys.argv[1])
signature = loaded.signatures["serving_default"]
for batch in json.load(sys.stdin):
    given = {name: tensorflow.constant(texts, tensorflow.string) for name, texts in batch.items()}
    found = getattr(loaded, about["function"])(*given.values())
    found = found if isinstance(found, dict) else {"outputs": found}
    named = signature(**given)
    assert {name: each.numpy().tolist() for name, each in named.items()} == {
        name: each.numpy().tolist() for name, each in found.items()}
    found["outputs"] = tensorflow.strings.as_string(found["outputs"]) if (
        found["outputs"].dtype != tensorflow.string) else found["outputs"]
    print(json.dumps({name: [each.decode() if isinstance(each, bytes) else each
                             for each in values.numpy().tolist()]
                      for name, values in found.items()}))
rooms = {name.split(".")[0] for name, module in sys.modules.items() if module is not None}
assert not rooms & {"keras", "tf_keras", "zoo"}, rooms
assert "tensorflow_text" not in rooms or about["function"] == "translate"
"""


@pytest.fixture(scope="module")
def saved(tmp_path_factory, tiny_pretrained) -> Path:
    """The tiny model, exported."""
    pytest.importorskip("tensorflow_text")
    return export.export(tiny_pretrained, tmp_path_factory.mktemp("exports") / "saved")


def outside(folder: Path, batches: list[dict[str, list]]) -> list[dict[str, list]]:
    """Run an export on batches of texts in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", CLIENT, str(folder)],
        input=json.dumps(batches),
        capture_output=True,
        text=True,
        timeout=200,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def texts_of(pairs: list[tuple[str, str]]) -> list[str]:
    """Return a hundred texts of one to three sentences, and a few that are hard to normalise."""
    generator = random.Random(3)
    sentences = [text for pair in pairs for text in pair]
    made = [" ".join(generator.sample(sentences, generator.randint(1, 3))) for _ in range(93)]
    return [
        *made,
        "  two  spaces ",
        "ﬁne",
        "ｗｉｄｅ",
        "tab\there",
        "e\u0301te\u0301",
        "x 日本 y",
        "“A” – it’s… A.",
    ]


@needs_tensorflow
def test_a_process_without_keras_gives_what_predict_gives(saved, tiny_pretrained, pairs):
    texts = texts_of(pairs)
    assert len(texts) == 100
    with pytest.warns(match="have characters that the model does not know"):
        wanted = tiny_pretrained.predict(texts, beam_size=1, split_sentences=False)
    assert len(set(wanted)) > 20
    batches = [texts[:1], texts[1:8], texts[8:], []]
    found = [each["outputs"] for each in outside(saved, [{"texts": part} for part in batches])]
    assert [len(batch) for batch in found] == [1, 7, 92, 0]
    assert [text for batch in found for text in batch] == wanted


@needs_tensorflow
def test_the_shipped_model_outside(tmp_path):
    pytest.importorskip("tensorflow_text")
    name = "vaswani2017"
    try:
        folder = catalog.find_bundle(name)
    except BundleError:
        pytest.skip("the weights do not come with this installation")
    from zoo.loading import load

    pretrained = load(folder)
    generator = random.Random(4)
    subjects = ["I", "You", "We", "They", "My parents", "The children", "Tom and Mary"]
    verbs = ["like", "see", "want", "need", "know", "have", "never eat", "often buy"]
    things = ["the red house", "a good book", "this old song", "apples", "your dog", "more time"]
    ends = [".", "?", " today.", " every day.", ", don't they?", " because it is raining."]
    choices = (subjects, verbs, things, ends)
    texts = ["{} {} {}{}".format(*(generator.choice(each) for each in choices)) for _ in range(100)]
    wanted = pretrained.predict(texts, beam_size=1)
    found = outside(export.export(pretrained, tmp_path / "saved"), [{"texts": texts}])[0]
    assert found["outputs"] == wanted


@needs_tensorflow
def test_what_predict_refuses_is_empty_and_what_is_long_is_cut(saved, tiny_pretrained):
    import tensorflow

    long = "I am cold. " * 200
    loaded = tensorflow.saved_model.load(str(saved))
    found = loaded.translate(tensorflow.constant(["", " \t", "日本!", "I am cold.", long])).numpy()
    with pytest.warns(match="cut after"):
        wanted = tiny_pretrained.predict(["I am cold.", long], beam_size=1, split_sentences=False)
    assert [each.decode() for each in found] == ["", "", "", *wanted]


@needs_tensorflow
def test_every_paper_is_exported(tmp_path, every_pretrained, pairs):
    """One tokenizer or two, the source as it stands or turned round; and an empty batch."""
    pytest.importorskip("tensorflow_text")
    import tensorflow

    tokenizer = every_pretrained.source_tokenizer
    if tokenizer.unknown == "words" or tokenizer.kind in ("characters", "wordpiece", "albert"):
        with pytest.raises(NotSupported, match="no SavedModel can hold") as refused:
            export.export(every_pretrained, tmp_path / "saved")
        assert ("FILE.arpa" in str(refused.value)) == (every_pretrained.recipe.paper == "bigram")
        return
    texts = [pair[0] for pair in pairs]
    loaded = tensorflow.saved_model.load(str(export.export(every_pretrained, tmp_path / "saved")))
    about = json.loads((tmp_path / "saved" / export.ABOUT).read_text("utf-8"))
    run = getattr(loaded, about["function"])
    found, empty = run(tensorflow.constant(texts)), run(tensorflow.constant([], tensorflow.string))
    if every_pretrained.labels:
        assert about["labels"] == every_pretrained.labels
        np.testing.assert_allclose(
            found["probabilities"], every_pretrained.probabilities(texts), atol=1e-5
        )
        assert empty["probabilities"].shape == (0, len(every_pretrained.labels))
        found, empty = found["outputs"], empty["outputs"]
    wanted = every_pretrained.predict(texts, beam_size=None if every_pretrained.labels else 1)
    assert len(set(wanted)) > (1 if every_pretrained.labels else 3)
    assert [each.decode() for each in found.numpy()] == wanted
    assert empty.shape == (0,)


# Of each task of sequences, some inputs beside those of tiny_sequences.py: of unknown text, and of
# which both parts, one or none is longer than its room.
LONG, MIDDLE = "the sky is blue or red and grass is green " * 4, "it rains and it is wet and "
MORE = {
    "classify": [LONG, "", "\n", "Ünknown ... <unk> x", "日本 ."],
    "entail": [(LONG, LONG), (LONG, "red"), ("red", LONG), (MIDDLE, MIDDLE), ("", "red")],
    "choose": [(LONG, ("red", "blue")), ("red", (LONG, "it")), (MIDDLE * 2, (MIDDLE, LONG))],
    "generate": ["it is dry", "the sky\n is", "red", LONG, "", "the ☃ is "],
}
MORE["similarity"] = MORE["entail"]
REFUSED = {
    "classify": ["", "\n", "日本 ."], "entail": [("", "red")], "similarity": [("", "red")],
    "choose": [],
    "generate": [LONG, ""],
}  # fmt: skip


@needs_tensorflow
@pytest.mark.parametrize("task", MORE)
@pytest.mark.filterwarnings("ignore:.*longer than the 24 tokens")
@pytest.mark.filterwarnings("ignore:.*that the model does not know")
def test_what_byte_pairs_read_is_exported_for_every_task(tmp_path, monkeypatch, task):
    import tensorflow
    import tiny_sequences

    folder = tmp_path / "recipes"
    folder.mkdir()
    entry, found_entry = tiny_sequences.entry(folder), catalog.entry
    monkeypatch.setattr(catalog, "entry", lambda n: entry if n == "tiny" else found_entry(n))
    pretrained = tiny_sequences.pretrained(task)
    inputs = [*tiny_sequences.INPUTS.get(task, []), *MORE[task]]
    if task == "choose":  # a batch has one number of answers
        inputs = [(context, (*answers, "grass")[:3]) for context, answers in inputs]
    saved = export.export(pretrained, tmp_path / "saved")
    loaded = tensorflow.saved_model.load(str(saved))
    run = getattr(loaded, json.loads((saved / export.ABOUT).read_text("utf-8"))["function"])
    columns = [inputs] if isinstance(inputs[0], str) else list(zip(*inputs, strict=True))
    found = run(*(tensorflow.constant(column) for column in columns))
    empty = run(*(tensorflow.constant(column)[:0] for column in columns))
    found, empty = (x if isinstance(x, dict) else {"outputs": x} for x in (found, empty))
    assert empty["outputs"].shape == (0,)
    outputs = [each.decode() for each in found["outputs"].numpy()]
    assert [given for given, output in zip(inputs, outputs, strict=True) if not output] == REFUSED[
        task
    ]
    for given in REFUSED[task]:
        with pytest.raises(InputError):
            pretrained.predict(given)
    readable = [place for place, given in enumerate(inputs) if given not in REFUSED[task]]
    given = [inputs[place] for place in readable]
    assert [outputs[place] for place in readable] == pretrained.predict(given)
    if "probabilities" in found:
        rows = found["probabilities"].numpy()
        wanted = pretrained.probabilities(given)
        np.testing.assert_allclose(rows[readable], wanted, atol=1e-5)
        assert np.isnan(rows).all(axis=1).sum() == len(REFUSED[task])


@needs_tensorflow
def test_byte_pairs_in_a_graph_are_those_of_the_library():
    """The lines of this project's own files, and what no file has."""
    import tensorflow

    from zoo.export.bytepairs import BytePairs
    from zoo.text import BpeTokenizer

    root = Path(__file__).parent.parent
    pages = [*sorted((root / "docs").glob("*.md")), *sorted((root / "tests").glob("*.py"))]
    lines = [line for page in pages for line in page.read_text("utf-8").splitlines()][:3000]
    generator = random.Random(5)
    signs = [chr(code) for code in range(0x250)]
    signs += [
        *"\u0301\u0327\u200b\u200d\u2028\u3000中가\ue000\ue001\ufffd😀\U000e0100\U0010ffffΣİẞ"
    ]
    signs += ["<unk>", "<", "unk>", "\r\n", "\n", " ", "the", "</w>", "don't", "<UNK>"] * 20
    made = ["".join(generator.choices(signs, k=generator.randint(0, 30))) for _ in range(500)]
    texts = [*lines, *made, "", "x" * 80, "\n".join(lines[:40]), " \n a \r\r b"]
    assert len(lines) > 1000
    tokenizer = BpeTokenizer.train(lines[:1000], vocabulary=700)
    graph = BytePairs(tokenizer)
    encode = tensorflow.function(graph.encode, autograph=False)
    decode = tensorflow.function(graph.decode, autograph=False)
    found = encode(tensorflow.constant(texts))
    wanted = [tokenizer.encode(text) for text in texts]
    assert found.to_list() == wanted
    assert len({i for ids in wanted for i in ids}) > 600
    decoded = [each.decode() for each in decode(found).numpy()]
    assert decoded == [tokenizer.decode(ids) for ids in wanted]


@needs_tensorflow
def test_an_export_says_what_it_is_and_may_be_replaced(tmp_path, saved, tiny_pretrained):
    about = json.loads((saved / export.ABOUT).read_text("utf-8"))
    assert about["recipe"] == "tiny"
    assert about["languages"] == ["en", "fr"]
    (saved / "old").touch()
    export.export(tiny_pretrained, saved)
    assert not (saved / "old").exists()
    assert sorted(path.name for path in saved.parent.iterdir()) == ["saved"]


@needs_tensorflow
def test_other_folders_are_refused_untouched(tmp_path, tiny_pretrained):
    (tmp_path / "mine.txt").write_text("mine", "utf-8")
    for folder, text in ((tmp_path, "holds no export"), (tmp_path / "mine.txt", "is a file")):
        with pytest.raises(OptionError, match=text):
            export.export(tiny_pretrained, folder)
    with pytest.raises(OptionError, match="folder is None"):
        export.export(tiny_pretrained, None)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


@needs_tensorflow
def test_a_full_disk_leaves_the_earlier_export(monkeypatch, saved, tiny_pretrained):
    import tensorflow

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tensorflow.saved_model, "save", full)
    with pytest.raises(BundleError, match="No space left"):
        export.export(tiny_pretrained, saved)
    assert (saved / "saved_model.pb").is_file()
    assert sorted(path.name for path in saved.parent.iterdir()) == ["saved"]


def test_words_are_told(tmp_path, tiny_pretrained):
    from zoo.pretrained import Pretrained
    from zoo.text import MosesTokenizer

    words = MosesTokenizer(["<pad>", "<unk>", "<s>", "</s>", "I"], "en")
    mixed = Pretrained(
        tiny_pretrained.model, tiny_pretrained.recipe, (words, tiny_pretrained.tokenizer)
    )
    with pytest.raises(NotSupported, match="tiny reads words cut by the rules of Moses") as caught:
        export.export(mixed, tmp_path / "saved")
    assert "zoo predict" in caught.value.hint
    assert not list(tmp_path.iterdir())


def test_other_backends_are_told(tmp_path, monkeypatch, tiny_pretrained):
    if ON_TENSORFLOW:
        monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(NotSupported, match="KERAS_BACKEND=tensorflow"):
        export.export(tiny_pretrained, tmp_path / "saved")


def test_without_tensorflow_text(tmp_path, monkeypatch, tiny_pretrained):
    monkeypatch.setattr(keras.backend, "backend", lambda: "tensorflow")
    monkeypatch.setitem(sys.modules, "tensorflow_text", None)
    with pytest.raises(NotSupported, match="pip install tensorflow-text"):
        export.export(tiny_pretrained, tmp_path / "saved")
