"""The SavedModel: text in, text out, in a process without Keras and without this package."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import keras
import pytest

from zoo import export
from zoo.config import catalog
from zoo.errors import BundleError, NotSupported, OptionError

ON_TENSORFLOW = keras.backend.backend() == "tensorflow"
needs_tensorflow = pytest.mark.skipif(not ON_TENSORFLOW, reason="the SavedModel is TensorFlow's")

# TensorFlow imports Keras by itself where it is installed, so it is made impossible to import here.
# Of tensorflow_text only its Keras layers need it, which stand aside.
CLIENT = """
import json, sys, types
sys.modules["keras"] = sys.modules["tf_keras"] = sys.modules["zoo"] = None
sys.modules["tensorflow_text.python.keras"] = types.ModuleType("layers")
import tensorflow, tensorflow_text
loaded = tensorflow.saved_model.load(sys.argv[1])
batches = json.load(sys.stdin)
signature = loaded.signatures["serving_default"]
for texts in batches:
    outputs = loaded.translate(tensorflow.constant(texts, tensorflow.string)).numpy()
    named = signature(texts=tensorflow.constant(texts, tensorflow.string))["outputs"].numpy()
    assert outputs.tolist() == named.tolist()
    print(json.dumps([each.decode() for each in outputs]))
rooms = {name.split(".")[0] for name, module in sys.modules.items() if module is not None}
assert not rooms & {"keras", "tf_keras", "zoo"}, rooms
"""


@pytest.fixture(scope="module")
def saved(tmp_path_factory, tiny_pretrained) -> Path:
    """The tiny model, exported."""
    pytest.importorskip("tensorflow_text")
    return export.export(tiny_pretrained, tmp_path_factory.mktemp("exports") / "saved")


def outside(folder: Path, batches: list[list[str]]) -> list[list[str]]:
    """Translate batches of texts in a process of its own."""
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
    found = outside(saved, batches)
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
    from zoo.pretrained import load

    pretrained = load(folder)
    generator = random.Random(4)
    subjects = ["I", "You", "We", "They", "My parents", "The children", "Tom and Mary"]
    verbs = ["like", "see", "want", "need", "know", "have", "never eat", "often buy"]
    things = ["the red house", "a good book", "this old song", "apples", "your dog", "more time"]
    ends = [".", "?", " today.", " every day.", ", don't they?", " because it is raining."]
    choices = (subjects, verbs, things, ends)
    texts = ["{} {} {}{}".format(*(generator.choice(each) for each in choices)) for _ in range(100)]
    wanted = pretrained.predict(texts, beam_size=1)
    found = outside(export.export(pretrained, tmp_path / "saved"), [texts])[0]
    assert found == wanted


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
    """One tokenizer or two, the source as it stands or turned round."""
    pytest.importorskip("tensorflow_text")
    import tensorflow

    task = every_pretrained.recipe.task
    if task != "translate" or every_pretrained.source_tokenizer.unknown == "words":
        problem = "only a translator" if task != "translate" else "no SavedModel can hold"
        with pytest.raises(NotSupported, match=problem):
            export.export(every_pretrained, tmp_path / "saved")
        return
    texts = [pair[0] for pair in pairs]
    wanted = every_pretrained.predict(texts, beam_size=1)
    assert len(set(wanted)) > 3
    loaded = tensorflow.saved_model.load(str(export.export(every_pretrained, tmp_path / "saved")))
    found = loaded.translate(tensorflow.constant(texts)).numpy()
    assert [each.decode() for each in found] == wanted


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
