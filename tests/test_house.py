"""The house's promise: a task is one row, one class and one corpus reader, and nothing else."""

from __future__ import annotations

import ast
import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np
import pytest
import tomlkit
from given import QUICK, UPDATES

import zoo
from zoo.cli import main
from zoo.cli.shell import split_columns
from zoo.config import catalog, tasks
from zoo.config import recipe as recipes
from zoo.config.tasks import TASKS, TaskSpec, task_class
from zoo.data import corpora
from zoo.data.corpora.corpus import Corpus
from zoo.data.examples import Example
from zoo.data.readers import read_lines
from zoo.errors import RecipeError, UnknownName
from zoo.layers.model import PaperModel
from zoo.pretrained import Pretrained
from zoo.tasks.base import Task, listed
from zoo.tasks.classify import Classify
from zoo.training.prepare import prepare
from zoo.training.run import train
from zoo.training.trainers import Trainer, trainer_class

PACKAGE = Path(zoo.__file__).parent
TABLE = PACKAGE / "config" / "tasks.py"


# The table

# A column of a corpus, and a noun in messages, that are also the name of a task.
WORDS = {"data/corpora/race.py": {"answer"}, "tasks/choose.py": {"answer"}}


def own_file(name: str) -> Path:
    module = TASKS[name].path.partition(":")[0]
    return PACKAGE.parent / (module.replace(".", "/") + ".py")


def constants(path: Path) -> Iterator[tuple[int, str]]:
    """Yield line and value of every text in a file's code that is not a docstring."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    docs = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
            yield node.lineno, node.value


@pytest.mark.parametrize(
    "path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE))
)
def test_no_file_names_a_task_but_its_own(path):
    allowed = {name for name in TASKS if path in (TABLE, own_file(name))}
    allowed |= WORDS.get(path.relative_to(PACKAGE).as_posix(), set())
    named = [(line, text) for line, text in constants(path) if text in TASKS.keys() - allowed]
    assert not named, f"{path.relative_to(PACKAGE)} names a task: ask its row or its class"


@pytest.mark.parametrize("name", TASKS)
def test_every_row_has_a_class_of_its_own(name):
    owner = task_class(name)
    assert owner.name == name
    assert issubclass(owner, Task)
    assert owner.spec() is TASKS[name]
    assert issubclass(trainer_class(name), Trainer)
    # What the base leaves open, the class or one that it builds on answers.
    for verb in ("read", "encode_examples", "predict", "evaluate", "encode_sources",
                 "golden_inputs", "golden_scores", "golden_logits"):  # fmt: skip
        assert getattr(owner, verb) is not getattr(Task, verb), f"{name} lacks {verb}"
    row = TASKS[name]
    assert row.pipeline
    assert row.columns
    assert bool(row.parts) == (row.input != "text") == bool(row.line)
    assert (row.number_metric != "") == (row.labels == "classes or numbers")
    assert {corpus.rows for corpus in corpora.CORPORA.values()} >= {*row.rows}


def test_a_name_without_a_row_is_an_error_everywhere():
    for ask in (tasks.spec, task_class, trainer_class, lambda name: listed(name, "x"),
                lambda name: split_columns(["x"], name, None),
                lambda name: tasks.main_metric(name, False)):  # fmt: skip
        with pytest.raises(UnknownName, match=r"there is no task 'clasify'\n.*'classify'"):
            ask("clasify")
    with pytest.raises(RecipeError, match=r"there is no task 'clasify'\n.*'classify'"):
        recipes.load("gpt1-sst2").changed({"task": "clasify"})


# A pretend task and a pretend paper


def shouts(path: Path) -> Iterator[Example]:
    """Yield the lines of the pretend corpus: a text, a tab, how loud it is."""
    for line in read_lines(path):
        text, _, loud = line.partition("\t")
        yield Example(text, loud)


class Shout(Classify):
    """The pretend task: whether a text is shouted. All but its name is a classifier's."""

    name = "shout"


@keras.saving.register_keras_serializable("pretend")
class Bag(PaperModel):
    """The pretend paper's model: the mean of the words' embeddings, and a linear layer."""

    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Arguments:
        vocabulary: int
        classes: int
        width: int = 4
        padding_id: int = 0

    kept = 1400

    def __init__(self, **arguments):
        super().__init__(**arguments)
        self.embedding = keras.layers.Embedding(self.arguments.vocabulary, self.arguments.width)
        self.head = keras.layers.Dense(self.arguments.classes)

    def build(self, input_shape=None):
        self.embedding.build()
        self.head.build((None, self.embedding.output_dim))
        self.built = True

    def initial_carry(self, batch):
        zeros = keras.ops.zeros((batch, self.embedding.output_dim))
        return {"sum": zeros, "count": zeros[:, :1]}

    def read(self, tokens, carry, pooled=True):
        real = keras.ops.cast(tokens != self.arguments.padding_id, "float32")[:, :, None]
        total = carry["sum"] + keras.ops.sum(self.embedding(tokens) * real, axis=1)
        return {"sum": total, "count": carry["count"] + keras.ops.sum(real, axis=1)}

    def decide(self, carry):
        return self.head(carry["sum"] / keras.ops.maximum(carry["count"], 1.0))

    def call(self, inputs, training=False):
        carry = self.initial_carry(keras.ops.shape(inputs)[0])
        return self.decide(self.read(inputs, carry))


ENTRY = """
name = "bag2000"
builder = "test_house:Bag"
task = "shout"
finetune = { shout = "bag2000-shouts" }

[paper]
title = "Bags of Words"
authors = ["A. Pretender"]
year = 2000
venue = "nowhere"
url = "https://example.org"
introduced = "Nothing."

[sizes.tiny]
params = 66
vocabulary = 14
classes = 2
width = 4
"""


@pytest.fixture
def pretend(tmp_path, monkeypatch) -> recipes.Recipe:
    """One row, one class, one corpus reader; an entry and a recipe: what a contributor adds."""
    row = dataclasses.replace(TASKS["classify"], path="test_house:Shout", rows=("text",))
    assert isinstance(row, TaskSpec)
    monkeypatch.setitem(TASKS, "shout", row)
    monkeypatch.setitem(corpora.CORPORA, "shouts", Corpus(shouts))
    tables = _tables()
    root = tmp_path / "root"
    for folder in ("registry", "recipes"):
        (root / folder).mkdir(parents=True)
    (root / "registry" / "bag2000.toml").write_text(ENTRY, "utf-8")
    monkeypatch.setattr(catalog, "data_root", lambda: root)
    text = tomlkit.dumps(tables)
    (root / "recipes" / "bag2000-shouts.toml").write_text(text, "utf-8")
    data = tmp_path / "data" / "shouts"
    data.mkdir(parents=True)
    lines = [f"{word * 2} word {i}\t{'loud' if word.isupper() else 'soft'}"
             for i, word in enumerate(["AH ", "ah "] * 8)]  # fmt: skip
    for split in ("train", "valid", "test"):
        (data / f"{split}.txt").write_text("\n".join(lines) + "\n", "utf-8")
    monkeypatch.setenv("ZOO_DATA", str(data.parent))
    return recipes.load("bag2000-shouts")


def _tables() -> dict:
    tables = recipes.load("ulmfit2018-imdb").smoke().tables()
    tables |= {
        "name": "bag2000-shouts", "paper": "bag2000", "task": "shout", "smoke": {},
        "model": {"size": "tiny"}, "optimizer": {"name": "adam"},
        "schedule": {"name": "constant", "peak": 0.05},
        "tokenizer": {"kind": "whitespace", "vocabulary": 14},
    }  # fmt: skip
    tables["data"] |= {"corpus": "shouts", "labels": ["loud", "soft"], "hub": None}
    tables["evaluate"] |= {"minimum": None}
    return recipes._without_none(tables)


def test_a_pretend_task_and_paper_need_nothing_else(pretend, tmp_path, capsys):
    changes = UPDATES | QUICK["classify"] | {"schedule.unfreeze_every": None, "train.updates": 40}
    made = pretend.changed(changes | {"train.updates_per_epoch": 20})
    assert len(prepare(made, tmp_path / "prepared").train) == 16
    out = train(made, tmp_path / "mine", prepared=tmp_path / "prepared")
    model = zoo.load(out)
    assert isinstance(model, Pretrained)
    assert repr(model).startswith("Pretrained(bag2000-shouts: shout en")
    assert model.predict(["AH AH", "ah ah"]) == ["loud", "soft"]
    assert model.metrics["accuracy"] == model.evaluate()["value"] == 100.0
    assert np.allclose(model.probabilities("AH").sum(), 1.0)
    few = UPDATES | {"train.batch_sentences": 2}
    tuned = model.finetune(
        ["AH", "ah", "AH word", "ah word"], ["loud", "soft"] * 2, validation=0.5, changes=few
    )
    assert tuned.recipe.task == "shout"
    with pytest.raises(SystemExit):
        main.main(["predict", str(out), "AH AH"])
    assert capsys.readouterr().out == "loud\n"
    card = (out / "README.md").read_text("utf-8")
    assert "Task: shout" in card
    assert "pipeline_tag: text-classification" in card
    assert json.loads((out / "golden.json").read_text("utf-8"))["outputs"]
    assert zoo.card("bag2000").entry.paper.title == "Bags of Words"
    assert "bag2000" in zoo.models()
