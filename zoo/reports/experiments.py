"""A paper's claim, remade: variants of one recipe, trained alike and compared. Imports no Keras."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, model_validator

from zoo.config import catalog, legacy
from zoo.config import recipe as recipes
from zoo.config.choices import one_of
from zoo.config.metrics import METRICS
from zoo.config.recipe import Recipe
from zoo.config.tables import Table, flat, parse, read_toml
from zoo.errors import (
    BundleError,
    CheckpointError,
    OptionError,
    RecipeError,
    UnknownName,
    did_you_mean,
)
from zoo.reports import comparison

SMOKE = "These are the seconds-long versions of the runs: the numbers say nothing."
# A variant is a folder among the results; `NAME.run` beside it is its run.
VariantName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][\w-]*$")]
Metric = Annotated[str, one_of("metric", METRICS)]
# Dotted changes to a recipe; names of earlier versions are read.
Changes = Annotated[
    dict[str, Any],
    BeforeValidator(lambda given: legacy.changes(given) if isinstance(given, dict) else given),
]


class Axis(Table):
    """A number of the recipes that a metric is drawn over: dotted key and name."""

    key: str
    label: str

    def place(self, made: Recipe) -> float:
        """Return where a recipe is on it.

        Raises:
            RecipeError: there is no such key in the recipe, or no number.
        """
        found: Any = made.tables()
        for part in legacy.KEYS.get(self.key, self.key).split("."):
            found = found.get(part) if isinstance(found, dict) else None
        if isinstance(found, bool) or not isinstance(found, (int, float)):
            shown = "a table" if isinstance(found, dict) else repr(found)
            raise RecipeError(
                f"the axis is along '{self.key}', which is {shown}",
                "name a number of the recipe that all variants have, as in data.limit",
            )
        return float(found)


class Variant(Table):
    """Dotted changes to the base recipe, none for the recipe as it is; the paper's own numbers.

    `series` is the line of the picture that the variant is a point of, where there is an axis;
    `smoke` are the changes of its seconds-long version, where they are not `changes`.
    """

    series: str = ""
    changes: Changes = {}
    smoke: Changes = {}
    reported: dict[Metric, float] = {}


class Experiment(Table):
    """A claim of a paper, and the runs that test it.

    `recipe` is the base of all variants, `metrics` are those of the task's evaluation that are
    compared, `reported_on` says on what the paper measured its numbers. With an `axis`, the first
    metric is drawn over a number that the variants differ in.
    """

    name: str
    paper: str
    claim: str
    recipe: str
    metrics: Annotated[list[Metric], Field(min_length=1)]
    reported_on: str = ""
    axis: Axis | None = None
    variants: Annotated[dict[VariantName, Variant], Field(min_length=2)]

    @model_validator(mode="after")
    def _check_reported(self) -> Experiment:
        if any(each.reported for each in self.variants.values()) and not self.reported_on:
            raise ValueError("'reported_on' is missing: on what the paper measured its numbers")
        return self

    def recipes(
        self, changes: Mapping[str, Any] | None = None, smoke: bool = False
    ) -> dict[str, Recipe]:
        """Return the recipe of each variant: [smoke] first, then `changes`, then the variant's own.

        Raises:
            UnknownName, RecipeError: the base recipe, a change or a variant's change is wrong, or
                two variants are the same run.
            OptionError: a key of `changes` is what the variants differ in.
        """
        base, changes = recipes.load(self.recipe), legacy.changes(changes or {})
        base = (base.smoke() if smoke else base).changed(changes)
        for metric in self.metrics:
            if metric not in base.spec.metrics:
                raise RecipeError(
                    f"experiment {self.name}: the task '{base.task}' has no metric '{metric}'",
                    did_you_mean(metric, base.spec.metrics),
                )
        made: dict[str, Recipe] = {}
        for name, variant in self.variants.items():
            for key in set(changes) & set(variant.changes):
                raise OptionError(
                    f"'{key}' is what the variants of {self.name} differ in",
                    "change other keys, or run the variant you want with `zoo train`",
                )
            try:
                made[name] = base.changed((smoke and variant.smoke) or variant.changes)
                if self.axis is not None:
                    self.axis.place(made[name])
            except RecipeError as wrong:
                where = f"experiment {self.name}, variant {name}"
                raise RecipeError(f"{where}: {wrong.message}", wrong.hint) from None
            twin = next((each for each in made if each != name and made[each] == made[name]), None)
            if twin is not None:
                raise RecipeError(
                    f"experiment {self.name}: {twin} and {name} are the same run",
                    "the changes of the variants must differ",
                )
        return made


def folder() -> Path:
    """Return the folder of the experiments that come with the package."""
    return catalog.data_root() / "experiments"


def names() -> list[str]:
    """Return the names of the experiments that come with the package."""
    return sorted(path.stem for path in folder().glob("*.toml"))


def load(name: str | Path) -> Experiment:
    """Return the experiment of that name, or the one in that .toml file.

    Raises:
        UnknownName: there is no experiment of that name.
        RecipeError: the file cannot be read, or a key or value in it is wrong.
    """
    path = Path(name)
    if isinstance(name, str) and path.suffix != ".toml":
        path = folder() / f"{name}.toml"
        if name not in names():
            raise UnknownName(f"there is no experiment '{name}'", did_you_mean(name, names()))
    data = read_toml(path, RecipeError)
    data.setdefault("name", path.stem)
    found = parse(Experiment, data, f"experiment {path.stem}", RecipeError)
    catalog.entry(found.paper)
    return found


# Running


def run(
    experiment: Experiment,
    out: Path | str,
    *,
    changes: Mapping[str, Any] | None = None,
    smoke: bool = False,
    resume: bool = False,
) -> Path:
    """Train the variants of an experiment, compare them, and return the folder of the results.

    Each variant is an ordinary run: its bundle goes to `out`/VARIANT, the rest to
    `out`/VARIANT.run. One whose bundle is there already is not trained again. The results are
    results.csv, results.md and the picture NAME.png.

    Args:
        changes: dotted keys to change in the recipes of all variants.
        smoke: take the seconds-long version of each.
        resume: go on with runs that stopped half-way.

    Raises:
        OptionError: `out` holds something else, or a change touches what the variants differ in.
        BundleError: a bundle or a run in `out` is of another recipe.
        CheckpointError: there is a run and `resume` is not set, or it is set and there is none.
        UnknownName, RecipeError: see `Experiment.recipes`.
        DataError, TrainingError: see `zoo.training.run.train`.
    """
    out = Path(out).expanduser()
    missing = check(experiment, out, changes=changes, smoke=smoke, resume=resume)

    from zoo import pretrained
    from zoo.training import run

    for name in experiment.variants:
        print(f"{name}: {'training' if name in missing else 'is trained'}", file=sys.stderr)
        if name in missing:
            going_on = resume and (out / f"{name}.run").is_dir()
            run.train(missing[name], out / name, resume=going_on)
    models = {name: pretrained.load(out / name) for name in experiment.variants}
    return comparison.write(experiment, models, out, [SMOKE] if smoke else [])


def check(
    experiment: Experiment,
    out: Path | str,
    *,
    changes: Mapping[str, Any] | None = None,
    smoke: bool = False,
    resume: bool = False,
) -> dict[str, Recipe]:
    """Return the recipes of the variants that `run` would train, those not in `out` yet.

    All recipes and folders are looked at, so that nothing is wrong with the last variant after
    hours of training the first. Arguments and errors are those of `run`.
    """
    made = experiment.recipes(changes, smoke)
    out = Path(out).expanduser()
    _check_folder(out, experiment, resume)
    return {name: each for name, each in made.items() if not _is_finished(out, name, each, resume)}


# Folders


def _check_folder(out: Path, experiment: Experiment, resume: bool) -> None:
    """Raise unless the folder is new, empty or holds nothing but this experiment."""
    if out.exists() and not out.is_dir():
        raise OptionError(f"{out} is a file", "name a folder")
    held = {path.name for path in out.iterdir()} if out.is_dir() else set()
    runs = {f"{name}{end}" for name in experiment.variants for end in ("", ".run")}
    results = {"results.csv", "results.md", f"{experiment.name}.png"} if held & runs else set()
    strange = sorted(name for name in held - runs - results if not name.startswith("."))
    if strange:
        raise OptionError(
            f"{out} holds something else than the experiment {experiment.name}: {strange[0]}",
            "name a new or an empty folder",
        )
    if resume and not held & runs:
        raise CheckpointError(f"there is no run to resume in {out}", "start it without --resume")


def _is_finished(out: Path, name: str, asked: Recipe, resume: bool) -> bool:
    """Return whether a variant is trained and measured; raise if a run could not be begun.

    Raises:
        BundleError: there is a bundle or a run of another recipe, or something else.
        CheckpointError: there is a run, and `resume` is not set.
    """
    from zoo import bundle

    target, run = out / name, out / f"{name}.run"
    bundle.recover(target)
    bundle.check_writable(target)
    for path in (target / "recipe.toml", run / "data" / "recipe.toml"):
        if path.is_file():
            _check_same(path, asked)
    # A run writes its bundle once before it measures it.
    if (target / bundle.MANIFEST).is_file() and bundle.read(target).metrics:
        return True
    if not resume and any((run / "checkpoints").glob("step-*")):
        raise CheckpointError(
            f"{run} already holds a run",
            "go on with --resume, choose another --out, or delete that folder",
        )
    return False


def _check_same(path: Path, asked: Recipe) -> None:
    """Raise BundleError unless the recipe at `path` is the one asked for."""
    found, wanted = (flat(each.resolved().tables()) for each in (recipes.load(path), asked))
    for key in dict.fromkeys([*wanted, *found]):
        if found.get(key) != wanted.get(key):
            raise BundleError(
                f"{path.parent} is of another recipe: {key} is {found.get(key)!r}, "
                f"not {wanted.get(key)!r}",
                "choose another --out, ask for that recipe with --set, or delete the folder",
            )
