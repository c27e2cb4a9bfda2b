"""Experiments over several papers: trained models, mixtures, other ways to measure, years."""

from __future__ import annotations

import csv
from types import SimpleNamespace

import pytest

import zoo
from zoo import experiments
from zoo.errors import NotSupported, RecipeError, UnknownName
from zoo.reports import claims, comparison, series

TABLE = """
paper = "merity2017"
claim = "Two are better than one."
recipe = "merity2017-ptb-starter"
metrics = ["perplexity", "bits_per_character"]
facts = ["parameters", "words a second"]
axis = { key = "year", label = "year", scale = "linear", names = true }

[variants.wide]
series = "alone"

[variants.narrow]
series = "alone"
changes = { "model.arguments.width" = 6 }

[variants.both]
of = ["wide", "narrow"]

[variants.short]
of = ["narrow"]
evaluate = { limit = 3 }
"""


@pytest.fixture(autouse=True)
def _corpora(monkeypatch, corpora_folder):
    monkeypatch.setenv("ZOO_DATA", str(corpora_folder))


@pytest.fixture(scope="module")
def drawn() -> dict:
    """What was drawn, see `finished`."""
    return {}


@pytest.fixture(scope="module")
def finished(tmp_path_factory, corpora_folder, drawn):
    """The folder of the experiment, and a trained model from elsewhere in it by name."""
    root = tmp_path_factory.mktemp("several")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ZOO_DATA", str(corpora_folder))
        other = zoo.train("merity2017-ptb-starter", root / "other", smoke_changes())
        assert other.metrics["perplexity"] > 1
        path = root / "two.toml"
        path.write_text(TABLE + f'[variants.elsewhere]\nweights = "{root / "other"}"\n')
        draw = series.draw

        def record(lines, out, **options):
            drawn.update(lines=lines, **options)
            return draw(lines, out, **options)

        patch.setattr(series, "draw", record)
        return experiments.run(experiments.load(path), root / "results", smoke=True)


def smoke_changes() -> dict:
    """Changes that make the recipe's seconds-long version, and the pass shorter still."""
    from zoo.config import recipe as recipes
    from zoo.config.tables import flat

    whole, short = recipes.load("merity2017-ptb-starter"), recipes.load("merity2017-ptb-starter")
    before, after = flat(whole.tables()), flat(short.smoke().tables())
    return {
        key: value
        for key, value in after.items()
        if before.get(key) != value and not key.startswith("smoke")
    } | {"train.updates": 2}


def test_each_variant_is_measured_as_it_says(finished, drawn):
    assert {path.name for path in finished.iterdir()} == {
        "wide", "wide.run", "narrow", "narrow.run", "results.csv", "results.md", "two.png",
    }  # fmt: skip
    with (finished / "results.csv").open(encoding="utf-8", newline="") as file:
        rows = {row["variant"]: row for row in csv.DictReader(file)}
    assert list(rows) == ["wide", "narrow", "both", "short", "elsewhere"]
    wide, narrow = (zoo.load(finished / name) for name in ("wide", "narrow"))
    other = zoo.load(finished.parent / "other")
    for name, model in (("wide", wide), ("narrow", narrow), ("elsewhere", other)):
        assert float(rows[name]["perplexity"]) == pytest.approx(model.metrics["perplexity"], 1e-4)
        assert int(rows[name]["parameters"]) == model.model.parameter_count
        assert int(rows[name]["words a second"]) > 0
    mixture = zoo.mixture([wide, narrow])
    assert float(rows["both"]["perplexity"]) == pytest.approx(
        mixture.evaluate()["perplexity"], 1e-4
    )
    assert int(rows["both"]["parameters"]) == sum(m.model.parameter_count for m in mixture.models)
    assert int(rows["both"]["updates"]) == 8
    few = narrow.evaluate(limit=3)
    assert float(rows["short"]["perplexity"]) == pytest.approx(few["perplexity"], 1e-4)
    assert rows["both"]["changes"] == "wide + narrow"
    assert rows["short"]["changes"] == "narrow limit=3"
    assert rows["narrow"]["changes"] == "model.arguments.width=6"
    assert rows["elsewhere"]["changes"].endswith("other")
    text = (finished / "results.md").read_text("utf-8")
    assert f"both: {mixture.weights[0]:.3f} wide + {mixture.weights[1]:.3f} narrow" in text
    assert {x for points in drawn["lines"].values() for x, _ in points} == {2017.0}
    assert len(drawn["lines"]["alone"]) == 2
    assert set(drawn["names"].values()) == set(rows)
    assert drawn["scale"] == "linear"


@pytest.mark.parametrize(
    ("variants", "told"),
    [
        ({"two": {"of": ["none"]}}, "two is of 'none', which must be a variant that is a run"),
        ({"two": {"of": ["one"]}}, "two is one again: say in evaluate what differs"),
        ({"two": {"of": ["one"], "weights": "gpt1"}}, "weights and of exclude each other"),
        ({"two": {"weights": "gpt1", "recipe": "gpt1-starter"}}, "leave the others out"),
    ],
)
def test_variants_that_make_no_sense(variants, told):
    table = {
        "name": "few", "paper": "merity2017", "claim": "", "recipe": "merity2017-ptb-starter",
        "metrics": ["perplexity"], "variants": {"one": {}, **variants},
    }  # fmt: skip
    with pytest.raises(ValueError, match=told):
        claims.Experiment(**table)


def test_other_recipes_need_the_metrics_too_and_weights_a_name(tmp_path):
    table = {
        "name": "few", "paper": "merity2017", "claim": "", "recipe": "merity2017-ptb-starter",
        "metrics": ["perplexity"], "variants": {"one": {}, "two": {"recipe": "gpt1-sst2"}},
    }  # fmt: skip
    with pytest.raises(RecipeError, match="the task 'classify' has no metric 'perplexity'"):
        claims.Experiment(**table).recipes()
    table["variants"]["two"] = {"weights": "merity2018"}
    with pytest.raises(UnknownName, match="merity2018"):
        experiments.run(claims.Experiment(**table), tmp_path / "out", smoke=True)
    assert not (tmp_path / "out").exists()


TRANSLATORS = {
    "name": "few", "paper": "vaswani2017", "claim": "", "recipe": "vaswani2017-multi30k-de-en",
    "metrics": ["bleu"],
}  # fmt: skip


def test_a_translator_is_measured_as_its_variants_say(tmp_path):
    """No variant is left out, and they come in their order."""
    variants = {"greedy": {"of": ["one"], "evaluate": {"beam_size": 1}}, "one": {}, "two": {
        "changes": {"seed": 1}}}  # fmt: skip
    experiment = claims.Experiment(**TRANSLATORS, variants=variants)

    def evaluate(data, likelihood, beam_size=4):
        return {
            "bleu": 10.0 + beam_size, "beam_size": beam_size, "data": "multi30k", "split": "test",
            "signature": "s",
        }  # fmt: skip

    model = SimpleNamespace(
        examples=lambda data: ({}, [("Va !", ["Go."])]), evaluate=evaluate,
        target_tokenizer=SimpleNamespace(size=9, encode=lambda text: [4]),
        history=[{"step": "4"}], recipe=experiment.recipes()["one"],
        metrics={"training_seconds": 3, "backend": "jax", "hardware": "2 CPU cores"},
    )  # fmt: skip
    results, notes = comparison.measure(experiment, {"one": model, "two": model}, tmp_path)
    found = [(result.variant, result.metrics["bleu"]) for result in results]
    assert found == [("greedy", 11.0), ("one", 14.0), ("two", 14.0)]
    assert "beam 1" in notes[0]


def test_a_mixture_of_translators_is_refused_before_training(tmp_path):
    variants = {"one": {}, "two": {"changes": {"seed": 1}}, "both": {"of": ["one", "two"]}}
    experiment = claims.Experiment(**TRANSLATORS, variants=variants)
    with pytest.raises(NotSupported, match="a mixture takes language models that read forwards"):
        experiments.run(experiment, tmp_path / "out", smoke=True)
    assert not (tmp_path / "out").exists()


def test_a_mixture_has_no_training_curve_and_a_bar_in_the_picture(tmp_path, monkeypatch):
    table = {
        "name": "few", "paper": "merity2017", "claim": "", "recipe": "merity2017-ptb-starter",
        "metrics": ["perplexity"], "variants": {
            "one": {}, "two": {"weights": "bigram"}, "both": {"of": ["one", "two"]},
        },
    }  # fmt: skip
    results = [
        comparison.Result(name, "", {"perplexity": value}, 4, 3)
        for name, value in (("one", 5.0), ("two", 6.0), ("both", 4.0))
    ]
    model = SimpleNamespace(history=[{"step": "4", "val_loss": "1.5"}])
    drawn = {}
    monkeypatch.setattr(
        "zoo.reports.figures.comparison",
        lambda histories, bars, out, title: drawn.update(histories=histories, bars=bars),
    )
    models = {"one": model, "two": model}
    comparison.draw(claims.Experiment(**table), results, models, tmp_path / "a.png")
    assert drawn["histories"] == {"one": model.history}
    assert list(drawn["bars"]["perplexity"]) == ["one", "two", "both"]


def test_an_experiment_may_train_nothing(finished, tmp_path):
    table = {
        "name": "few", "paper": "merity2017", "claim": "", "recipe": "merity2017-ptb-starter",
        "metrics": ["perplexity"], "variants": {
            "one": {"weights": str(finished / "wide")},
            "two": {"weights": str(finished / "narrow")},
            "both": {"of": ["one", "two"]},
        },
    }  # fmt: skip
    for _ in range(2):  # the second one replaces the results of the first
        out = experiments.run(claims.Experiment(**table), tmp_path / "new" / "out")
    assert {path.name for path in out.iterdir()} == {"results.csv", "results.md", "few.png"}
    with (out / "results.csv").open(encoding="utf-8", newline="") as file:
        found = {row["variant"]: float(row["perplexity"]) for row in csv.DictReader(file)}
    assert found["both"] <= min(found["one"], found["two"]) + 0.1


@pytest.mark.parametrize(("heights", "begins_at_0"), [((3.1, 2.9), False), ((141.0, 98.6), True)])
def test_points_that_lie_close_together_are_told_apart(tmp_path, monkeypatch, heights, begins_at_0):
    kept = []
    monkeypatch.setattr(series, "save", lambda figure, path: kept.append(figure))
    lines = {"one": list(enumerate(heights))}
    series.draw(lines, tmp_path / "a.png", across="x", up="y", title="", scale="linear", digits=3)
    (axes,) = kept[0].axes
    assert (axes.get_ylim()[0] == 0) == begins_at_0
    assert {text.get_text() for text in axes.texts} == {f"{y:.3f}" for y in heights}


def test_points_with_names_have_the_same_room(tmp_path, monkeypatch):
    kept = []
    monkeypatch.setattr(series, "save", lambda figure, path: kept.append(figure))
    points = {(1951.0, 141.0): "bigram", (2003.0, 143.0): "bengio2003", (2010.0, 128.0): "mikolov"}
    series.draw({"one": [*points]}, tmp_path / "a.png", across="", up="", title="", names=points)
    (axes,) = kept[0].axes
    assert list(axes.get_xticks()) == [0, 1, 2]
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["1951", "2003", "2010"]
    assert list(axes.lines[0].get_xdata()) == [0, 1, 2]
