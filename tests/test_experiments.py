"""Experiments: the tables are strict, variants are ordinary runs, results say what was measured."""

from __future__ import annotations

import csv
import os
import shutil
import tomllib
from types import SimpleNamespace

import numpy as np
import pytest

import zoo
from zoo import files
from zoo.config import catalog, recipe
from zoo.errors import BundleError, CheckpointError, OptionError, RecipeError, UnknownName
from zoo.reports import comparison, experiments, series
from zoo.reports.comparison import Result
from zoo.training import run
from zoo.training.prepare import Prepared

BASE = "vaswani2017-multi30k-de-en"
TOML = f"""
paper = "vaswani2017"
claim = "Dropout helps."
recipe = "{BASE}"
metrics = ["perplexity", "bleu"]
reported_on = "a test"

[variants.dropped]
reported = {{ perplexity = 4.5, bleu = 27 }}

[variants.plain]
changes = {{ "model.arguments.dropout" = 0.0, "train.label_smoothing" = 0.0 }}
reported = {{ perplexity = 5.5 }}
"""


@pytest.fixture(scope="module")
def experiment(tmp_path_factory) -> experiments.Experiment:
    path = tmp_path_factory.mktemp("experiments") / "dropout.toml"
    path.write_text(TOML, encoding="utf-8")
    return experiments.load(path)


@pytest.fixture(autouse=True)
def _corpora(monkeypatch, corpora_folder):
    monkeypatch.setenv("ZOO_DATA", str(corpora_folder))


@pytest.fixture(scope="module")
def finished(experiment, tmp_path_factory, corpora_folder):
    """The folder of one whole smoke run. Shared: copy it before changing it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ZOO_DATA", str(corpora_folder))
        return experiments.run(experiment, tmp_path_factory.mktemp("runs") / "out", smoke=True)


@pytest.fixture
def no_training(monkeypatch):
    """Lets a test fail that would train."""

    def refuse(*given, **options):
        raise AssertionError("it trained")

    monkeypatch.setattr(run, "train", refuse)


# What comes with the package


@pytest.mark.parametrize("name", experiments.names())
def test_every_experiment_can_be_run(name):
    found = experiments.load(name)
    assert found.name == name
    assert found.claim.endswith(".")
    made = found.recipes()
    taken = [each.weights for each in found.variants.values() if each.weights]
    entries = [catalog.split_reference(name) for name in taken]
    assert all(catalog.weights(paper, tag) for paper, tag in entries)
    papers = {each.paper for each in made.values()} | {paper.name for paper, _ in entries}
    several = taken or any("paper" in each.changes for each in found.variants.values())
    assert found.paper in papers if several else {found.paper} == papers
    for each in [*made.values(), *found.recipes(smoke=True).values()]:
        each.resolved()


def test_reversal_is_the_papers_section():
    found = experiments.load("reversal")
    made = found.recipes()
    assert made["reversed"] == recipe.load(found.recipe)
    assert made["forward"] == made["reversed"].changed({"data.reverse_source": False})
    assert made["reversed"].data.reverse_source
    reported = {name: each.reported for name, each in found.variants.items()}
    assert reported == {
        "reversed": {"perplexity": 4.7, "bleu": 30.6},
        "forward": {"perplexity": 5.8, "bleu": 25.9},
    }


def test_the_wheel_carries_them():
    path = catalog.data_root() / "pyproject.toml"
    if not path.is_file():
        pytest.skip("only a checkout can be packaged")
    wheel = tomllib.loads(path.read_text("utf-8"))["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert "experiments" in wheel["only-include"]
    assert wheel["sources"]["experiments"] == "zoo/_data/experiments"


# Tables


def test_a_wrong_name_is_told():
    with pytest.raises(UnknownName, match="did you mean 'reversal'"):
        experiments.load("reversl")


@pytest.mark.parametrize(
    ("old", "new", "error", "text"),
    [
        ("claim =", "clam =", RecipeError, "no key 'clam'\n.*did you mean 'claim'"),
        ('"bleu"]', '"blue"]', RecipeError, "metrics"),
        ("[variants.plain]", '[variants."a/b"]', RecipeError, "variants"),
        ("[variants.dropped]", "[variants.dropped]\nchange = {}", RecipeError, "no key 'change'"),
        ('reported_on = "a test"', "", RecipeError, "'reported_on' is missing"),
        ('paper = "vaswani2017"', 'paper = "vaswani"', UnknownName, "did you mean 'vaswani2017'"),
        (TOML[TOML.index("[variants.plain]") :], "", RecipeError, "at least 2"),
        ("claim", "[claim", RecipeError, "not valid TOML"),
    ],
)
def test_a_wrong_table_is_told(tmp_path, old, new, error, text):
    assert old in TOML
    path = tmp_path / "wrong.toml"
    path.write_text(TOML.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(error, match=text):
        experiments.load(path)


def test_changes_of_all_variants_come_before_their_own(experiment):
    made = experiment.recipes({"train.updates": 6}, smoke=True)
    base = recipe.load(BASE).smoke().changed({"train.updates": 6})
    assert made["dropped"] == base
    assert made["plain"] == base.changed(experiment.variants["plain"].changes)
    with pytest.raises(OptionError, match=r"'train\.label_smoothing' is what the variants"):
        experiment.recipes({"train.label_smoothing": 0.2})
    with pytest.raises(RecipeError, match=r"did you mean 'train\.updates'"):
        experiment.recipes({"train.update": 6})


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"train.update": 6}, "experiment dropout, variant plain: a recipe has no key"),
        ({}, "dropped and plain are the same run"),
        ({"seed": 2017}, "dropped and plain are the same run"),
    ],
)
def test_a_variant_must_differ(tmp_path, changes, text):
    tables = tomllib.loads(TOML) | {"name": "dropout"}
    tables["variants"]["plain"]["changes"] = changes
    with pytest.raises(RecipeError, match=text):
        experiments.Experiment(**tables).recipes()


# Runs


def test_a_variant_is_an_ordinary_run(finished, experiment, tmp_path):
    names = {"dropped", "dropped.run", "plain", "plain.run", "results.csv", "results.md"}
    assert {path.name for path in finished.iterdir()} == names | {"dropout.png"}
    made = experiment.recipes(smoke=True)
    for name, each in made.items():
        assert zoo.load(finished / name).recipe == each.resolved()
    # The second one, so that the first left nothing behind that changes it.
    alone = run.train(made["plain"], tmp_path / "alone")
    weights = [path / "model.safetensors" for path in (alone, finished / "plain")]
    assert weights[0].read_bytes() == weights[1].read_bytes()


def test_results_are_what_the_models_measure(finished):
    with (finished / "results.csv").open(encoding="utf-8", newline="") as file:
        rows = {row["variant"]: row for row in csv.DictReader(file)}
    assert list(rows) == ["dropped", "plain"]
    head = ["variant", "changes", "perplexity", "bleu", "updates", "seconds"]
    for name, row in rows.items():
        assert list(row) == head
        model = zoo.load(finished / name)
        (_, examples) = model.examples(split="test")
        sources, targets = zip(*[(source, each[0]) for source, each in examples], strict=True)
        pieces = sum(len(model.target_tokenizer.encode(target)) + 1 for target in targets)
        perplexity = np.exp(-model.score(sources, targets).sum() / pieces)
        assert float(row["perplexity"]) == pytest.approx(perplexity, rel=1e-4)
        assert float(row["bleu"]) == model.metrics["bleu"]
        assert int(row["updates"]) == 4
        assert int(row["seconds"]) == model.metrics["training_seconds"]
    changes = dict(map(recipe.assignment, rows["plain"]["changes"].split()))
    assert changes == {"model.arguments.dropout": 0.0, "train.label_smoothing": 0.0}
    assert rows["dropped"]["changes"] == ""
    assert (finished / "dropout.png").read_bytes().startswith(b"\x89PNG")
    text = (finished / "results.md").read_text("utf-8")
    assert experiments.SMOKE in text


def test_what_is_trained_is_not_trained_again(finished, experiment, tmp_path, no_training):
    out = shutil.copytree(finished, tmp_path / "out")
    for name in ("results.csv", "results.md", "dropout.png"):
        (out / name).unlink()
    shutil.rmtree(out / "plain.run")  # its data is read from the corpus then
    assert experiments.check(experiment, out, smoke=True) == {}
    experiments.run(experiment, out, smoke=True)
    for name in ("results.csv", "results.md"):
        assert (out / name).read_text("utf-8") == (finished / name).read_text("utf-8")
    assert (out / "dropout.png").is_file()


def test_a_bundle_of_another_recipe_is_refused(finished, experiment, tmp_path, no_training):
    with pytest.raises(BundleError, match=r"dropped is of another recipe: seed is 2017, not 5"):
        experiments.run(experiment, finished, smoke=True, changes={"seed": 5})
    out = tmp_path / "out"
    out.mkdir()
    shutil.copytree(finished / "plain.run", out / "plain.run")
    with pytest.raises(BundleError, match=r"data is of another recipe: train\.updates is 4, not 2"):
        experiments.run(experiment, out, smoke=True, changes={"train.updates": 2})


def test_a_run_that_stopped_goes_on_with_resume(finished, experiment, tmp_path, no_training):
    out = tmp_path / "out"
    out.mkdir()
    with pytest.raises(CheckpointError, match="there is no run to resume in"):
        experiments.run(experiment, out, smoke=True, resume=True)
    shutil.copytree(finished / "plain.run", out / "plain.run")
    # The last variant's folder is looked at before the first one is trained.
    with pytest.raises(CheckpointError, match=r"plain\.run already holds a run\n.*--resume"):
        experiments.run(experiment, out, smoke=True)
    trained = {}

    def train(made, folder, *, resume):
        trained[folder.name] = resume
        shutil.copytree(finished / folder.name, folder)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, "train", train)
        experiments.run(experiment, out, smoke=True, resume=True)
    assert trained == {"dropped": False, "plain": True}
    assert (out / "results.csv").read_text("utf-8") == (finished / "results.csv").read_text("utf-8")


def test_a_bundle_that_was_not_measured_is_not_finished(finished, experiment, tmp_path):
    from zoo import bundle

    out = shutil.copytree(finished, tmp_path / "out")
    bundle.rewrite(out / "plain", {"metrics.json": {}})
    assert list(experiments.check(experiment, out, smoke=True, resume=True)) == ["plain"]


@pytest.mark.parametrize(
    "name", ["thesis.tex", "results.csv", "plain/notes.txt", "other/recipe.toml"]
)
def test_a_folder_with_something_else_is_left_alone(experiment, tmp_path, no_training, name):
    path = tmp_path / "out" / name
    path.parent.mkdir(parents=True)
    path.write_text("mine", encoding="utf-8")
    with pytest.raises((OptionError, BundleError), match=r"something else|is no bundle"):
        experiments.run(experiment, tmp_path / "out", smoke=True)
    assert [each for each in (tmp_path / "out").rglob("*") if each.is_file()] == [path]
    with pytest.raises(OptionError, match="is a file"):
        experiments.run(experiment, path, smoke=True)


def test_reversal_reverses_the_source_only(tmp_path):
    from zoo.training import prepare

    made = experiments.load("reversal").recipes({"tokenizer.vocabulary": 60}, smoke=True)
    one, two = (prepare.prepare(each, tmp_path / name) for name, each in made.items())
    assert one.target_tokenizer.model == two.target_tokenizer.model
    assert Prepared.read(tmp_path / "forward").test == one.test
    for i in range(5):
        left, right = one.train.source[i].tolist(), two.train.source[i].tolist()
        assert left == [*right[:-1][::-1], right[-1]]
        assert one.train.target[i].tolist() == two.train.target[i].tolist()


# Along an axis

AXIS = """
paper = "ulmfit2018"
claim = "Fewer labels do."
recipe = "ulmfit2018-imdb"
metrics = ["error", "macro_f1"]
axis = { key = "data.limit", label = "labelled reviews" }
"""


def along(axis: str = "", **changes) -> experiments.Experiment:
    """Return an experiment of two lines of two points each."""
    tables = tomllib.loads(AXIS) | {"name": "few"} | changes
    if axis:
        tables["axis"]["key"] = axis
    tables["variants"] = {
        f"{name}-{count}": {
            "series": name, "changes": {"data.limit": count, "data.validation": share}
        }
        for name, share in (("pretrained", 0.1), ("scratch", 0.2))
        for count in (200, 100)
    }  # fmt: skip
    return experiments.Experiment(**tables)


def classifiers(experiment: experiments.Experiment) -> dict[str, SimpleNamespace]:
    """Return what four runs would have measured, each as accurate as it has labels."""
    return {
        name: SimpleNamespace(
            recipe=made,
            history=[{"step": "150", "val_loss": "0.5"}],
            metrics={
                "accuracy": made.data.limit / 4 + 10 * (name > "s"), "macro_f1": 50.0,
                "training_seconds": 3, "backend": "jax", "hardware": "2 CPU cores",
                "texts": 5000, "data": "imdb", "split": "test",
            },
        )
        for name, made in experiment.recipes().items()
    }  # fmt: skip


def test_a_metric_is_drawn_over_the_axis_in_a_line_for_each_series(tmp_path, monkeypatch):
    experiment, drawn = along(), {}
    draw = series.draw

    def record(lines, out, **options):
        drawn.update(lines=lines, **options)
        return draw(lines, out, **options)

    monkeypatch.setattr(series, "draw", record)
    comparison.write(experiment, classifiers(experiment), tmp_path)
    assert drawn["lines"] == {
        "pretrained": [(200.0, 50.0), (100.0, 75.0)], "scratch": [(200.0, 40.0), (100.0, 65.0)],
    }  # fmt: skip
    assert (drawn["across"], drawn["up"]) == ("labelled reviews", "test error %")
    assert (tmp_path / "few.png").read_bytes().startswith(b"\x89PNG")
    with (tmp_path / "results.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["variant"] for row in rows] == list(experiment.variants)
    assert rows[0] == {
        "variant": "pretrained-200", "changes": "data.limit=200 data.validation=0.1",
        "error": "50.0", "macro_f1": "50.0", "updates": "150", "seconds": "3",
    }  # fmt: skip
    text = (tmp_path / "results.md").read_text("utf-8")
    assert "| variant | changes | test error % | macro F1 % | updates | seconds |" in text
    assert text.count("trained on jax, 2 CPU cores; measured on 5,000 texts of imdb test.") == 1


def test_an_axis_without_numbers_and_a_metric_of_another_task_are_told_before_training():
    for key, found in (("data.limmit", None), ("data.corpus", "'imdb'"), ("train", "a table")):
        with pytest.raises(
            RecipeError, match=f"variant pretrained-200: the axis .*which is {found}"
        ):
            along(key).recipes()
    with pytest.raises(RecipeError, match=r"'classify' has no metric 'bleu'\n.*accuracy, error"):
        along(metrics=["bleu"]).recipes()


def test_labels_differ_in_nothing_but_labels_and_beginnings():
    found = experiments.load("labels")
    made = found.recipes()
    for count in {each.data.limit for each in made.values()}:
        one, other = (each for each in made.values() if each.data.limit == count)
        assert (one.model.weights, other.model.weights) == (
            recipe.load(found.recipe).model.weights,
            "",
        )
        assert one.train == other.train
        assert one.data == other.data
    lines = [each.series for each in found.variants.values()]
    assert set(lines) == {"pretrained", "from scratch"}


# Results


def fake(tokenizer, examples, perplexity=4.0, bleu=20.0):
    """A model that measures what it is told to."""
    measured = {"bleu": bleu, "data": "multi30k", "split": "test", "beam_size": 4, "signature": "s"}

    def evaluate(data, likelihood):
        return measured | ({"perplexity": perplexity} if likelihood else {})

    return SimpleNamespace(
        examples=lambda data: ({}, examples),
        evaluate=evaluate,
        target_tokenizer=tokenizer,
        history=[{"step": "4", "val_loss": "2.0"}],
        metrics={"training_seconds": 3, "backend": "jax", "hardware": "2 CPU cores"},
        recipe=recipe.load(BASE),
    )


EXAMPLES = [("Le chat dort.", ["The cat sleeps."]), ("Va !", ["Go.", "Go!"])]


def test_perplexity_is_compared_over_the_same_pieces_only(experiment, tiny_tokenizer, tmp_path):
    other = SimpleNamespace(size=tiny_tokenizer.size, encode=lambda text: [4] * len(text))
    models = {"dropped": fake(tiny_tokenizer, EXAMPLES), "plain": fake(other, EXAMPLES)}
    results, notes = comparison.measure(experiment, models, tmp_path)
    assert [each.metrics for each in results] == [{"bleu": 20.0}] * 2
    assert "No perplexity: the variants cut targets into different pieces." in notes
    models["plain"] = fake(tiny_tokenizer, EXAMPLES)
    results, notes = comparison.measure(experiment, models, tmp_path)
    assert [each.metrics for each in results] == [{"perplexity": 4.0, "bleu": 20.0}] * 2
    assert "Perplexity is per target piece" in notes[-1]
    assert "different" not in " ".join(notes)
    assert notes[0].startswith("dropped, plain: vaswani2017-multi30k-de-en, seed 2017; trained on")


def test_other_sentences_are_told(experiment, tiny_tokenizer, tmp_path):
    models = {
        "dropped": fake(tiny_tokenizer, EXAMPLES), "plain": fake(tiny_tokenizer, EXAMPLES[:1])
    }  # fmt: skip
    _, notes = comparison.measure(experiment, models, tmp_path)
    assert notes[0] == "The variants were measured on different sentences."


def test_the_report_has_a_row_for_each_variant(experiment):
    results = [
        Result("dropped", "", {"perplexity": 5.0, "bleu": 21.234}, 1000, 61),
        Result("plain", "a=1", {"perplexity": 6.0, "bleu": 20.0}, 1000, 60),
    ]
    lines = comparison.report(experiment, results, ["A note."], ["A warning."]).splitlines()
    assert lines[0] == "# dropout: vaswani2017"
    assert lines[2:6:2] == ["Dropout helps.", "A warning."]
    table = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[6:10]]
    assert table[0] == ["variant", "changes", "perplexity", "BLEU", "updates", "seconds",
                        "paper's perplexity", "paper's BLEU"]  # fmt: skip
    assert table[2] == ["dropped", "none", "5.00", "21.23", "1,000", "61", "4.5", "27.0"]
    assert table[3] == ["plain", "`a=1`", "6.00", "20.00", "1,000", "60", "5.5", ""]
    assert lines[11:] == [
        "- By perplexity the variants come in the paper's order.",
        "- The paper's numbers: a test. The data differ: compare differences.",
        "- A note.",
    ]


@pytest.mark.parametrize(("values", "verb"), [((5.0, 6.0), "come"), ((6.0, 5.0), "do not come"),
                                              ((5.0, 5.0), "do not come")])  # fmt: skip
def test_the_order_of_variants_is_told(experiment, values, verb):
    results = [
        Result(name, "", {"perplexity": value}, 1, 1)
        for name, value in zip(experiment.variants, values, strict=True)
    ]
    assert f"- By perplexity the variants {verb} in" in comparison.report(experiment, results, [])


# Files


def test_a_file_is_whole_or_as_it_was(tmp_path):
    path = tmp_path / "a.csv"
    files.write_csv(path, [{"x": 1, "y": "a,b"}])
    assert path.read_text("utf-8") == 'x,y\n1,"a,b"\n'

    def fail(aside):
        aside.write_text("half", encoding="utf-8")
        raise OSError(28, os.strerror(28))

    with pytest.raises(OSError, match="space"), files.replacing(path) as aside:
        fail(aside)
    assert path.read_text("utf-8") == 'x,y\n1,"a,b"\n'
    assert [*tmp_path.iterdir()] == [path]


def test_the_experiment_of_the_usage_page_can_be_run():
    page = catalog.data_root() / "docs" / "usage.md"
    if not page.is_file():
        pytest.skip("an installed package has no docs")
    text = page.read_text("utf-8").partition("```toml\n")[2].partition("```")[0]
    made = experiments.Experiment(**tomllib.loads(text), name="mine").recipes()
    assert len(made) == 2
