"""Test a paper's claim: train variants of one recipe alike and compare them. Imports no Keras."""

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
# A variant names a folder among the results; `NAME.run` beside it is its run.
VariantName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][\w-]*$")]
Metric = Annotated[str, one_of("metric", METRICS)]
# Dotted changes to a recipe, also by the names of earlier versions.
Changes = Annotated[
    dict[str, Any],
    BeforeValidator(lambda value: legacy.changes(value) if isinstance(value, dict) else value),
]


class Axis(Table):
    """The axis of a picture, a number of the recipes: its dotted key and its label."""

    key: str
    label: str

    def place(self, recipe: Recipe) -> float:
        """Return a recipe's number; raise RecipeError if the key is unknown or not a number."""
        value: Any = recipe.tables()
        for part in legacy.KEYS.get(self.key, self.key).split("."):
            value = value.get(part) if isinstance(value, dict) else None
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            shown = "a table" if isinstance(value, dict) else repr(value)
            raise RecipeError(
                f"the axis is along '{self.key}', which is {shown}",
                "name a number of the recipe that all variants have, as in data.limit",
            )
        return float(value)


class Variant(Table):
    """A run of an experiment: dotted changes to the base recipe, and the paper's own numbers."""

    series: str = ""  # the picture's line that has this point, where there is an axis
    changes: Changes = {}  # {}: the unchanged recipe
    smoke: Changes = {}  # of the seconds-long version, if they are not `changes`
    reported: dict[Metric, float] = {}


class Experiment(Table):
    """A claim of a paper, and the runs that test it."""

    name: str
    paper: str
    claim: str
    recipe: str  # the base of all variants
    metrics: Annotated[list[Metric], Field(min_length=1)]  # compared; of the task's evaluation
    reported_on: str = ""  # the data of the paper's numbers
    axis: Axis | None = None  # the first metric is drawn over it
    variants: Annotated[dict[VariantName, Variant], Field(min_length=2)]

    @model_validator(mode="after")
    def _check_reported(self) -> Experiment:
        if any(variant.reported for variant in self.variants.values()) and not self.reported_on:
            raise ValueError("'reported_on' is missing: on what the paper measured its numbers")
        return self

    def recipes(
        self, changes: Mapping[str, Any] | None = None, smoke: bool = False
    ) -> dict[str, Recipe]:
        """Return the recipe of each variant: [smoke] first, then `changes`, then the variant's own.

        Raises:
            UnknownName, RecipeError: the base recipe, a change or a variant's change is wrong, or
                two variants are the same run.
            OptionError: the variants differ in a key of `changes`.
        """
        base, changes = recipes.load(self.recipe), legacy.changes(changes or {})
        base = (base.smoke() if smoke else base).changed(changes)
        for metric in self.metrics:
            if metric not in base.spec.metrics:
                raise RecipeError(
                    f"experiment {self.name}: the task '{base.task}' has no metric '{metric}'",
                    did_you_mean(metric, base.spec.metrics),
                )
        variants: dict[str, Recipe] = {}
        for name, variant in self.variants.items():
            for key in set(changes) & set(variant.changes):
                raise OptionError(
                    f"'{key}' is what the variants of {self.name} differ in",
                    "change other keys, or run the variant you want with `zoo train`",
                )
            try:
                variants[name] = base.changed((smoke and variant.smoke) or variant.changes)
                if self.axis is not None:
                    self.axis.place(variants[name])
            except RecipeError as wrong:
                where = f"experiment {self.name}, variant {name}"
                raise RecipeError(f"{where}: {wrong.message}", wrong.hint) from None
            twin = next((x for x in variants if x != name and variants[x] == variants[name]), None)
            if twin is not None:
                raise RecipeError(
                    f"experiment {self.name}: {twin} and {name} are the same run",
                    "the changes of the variants must differ",
                )
        return variants


def folder() -> Path:
    """Return the folder of the experiments that come with the package."""
    return catalog.data_root() / "experiments"


def names() -> list[str]:
    """Return the names of the experiments that come with the package."""
    return sorted(path.stem for path in folder().glob("*.toml"))


def load(name: str | Path) -> Experiment:
    """Return the experiment of that name, or the one in that .toml file.

    Raises:
        UnknownName: no experiment of that name.
        RecipeError: the file cannot be read, or a key or value in it is wrong.
    """
    path = Path(name)
    if isinstance(name, str) and path.suffix != ".toml":
        path = folder() / f"{name}.toml"
        if name not in names():
            raise UnknownName(f"there is no experiment '{name}'", did_you_mean(name, names()))
    table = {"name": path.stem, **read_toml(path, RecipeError)}
    experiment = parse(Experiment, table, f"experiment {path.stem}", RecipeError)
    catalog.entry(experiment.paper)
    return experiment


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
    `out`/VARIANT.run. A variant with a bundle is not trained again. The results are results.csv,
    results.md and the picture NAME.png.

    Args:
        changes: dotted keys to change in the recipes of all variants.
        smoke: train the seconds-long version of each.
        resume: continue runs that stopped half-way.

    Raises:
        OptionError: `out` holds something else, or the variants differ in a changed key.
        BundleError: a bundle or a run in `out` is of another recipe.
        CheckpointError: a run exists without `resume`, or `resume` is set without a run.
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
            continued = resume and (out / f"{name}.run").is_dir()
            run.train(missing[name], out / name, resume=continued)
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
    """Return the recipes of the variants that `run` would train: those not in `out` yet.

    All recipes and folders are checked before hours of training. Arguments and errors: see `run`.
    """
    variants = experiment.recipes(changes, smoke)
    out = Path(out).expanduser()
    _check_folder(out, experiment, resume)
    return {
        name: recipe
        for name, recipe in variants.items()
        if not _is_finished(out, name, recipe, resume)
    }


# Folders


def _check_folder(out: Path, experiment: Experiment, resume: bool) -> None:
    """Raise unless the folder is new, empty or holds only this experiment."""
    if out.exists() and not out.is_dir():
        raise OptionError(f"{out} is a file", "name a folder")
    present = {path.name for path in out.iterdir()} if out.is_dir() else set()
    runs = {f"{name}{end}" for name in experiment.variants for end in ("", ".run")}
    results = {"results.csv", "results.md", f"{experiment.name}.png"} if present & runs else set()
    strange = sorted(name for name in present - runs - results if not name.startswith("."))
    if strange:
        raise OptionError(
            f"{out} holds something else than the experiment {experiment.name}: {strange[0]}",
            "name a new or an empty folder",
        )
    if resume and not present & runs:
        raise CheckpointError(f"there is no run to resume in {out}", "start it without --resume")


def _is_finished(out: Path, name: str, recipe: Recipe, resume: bool) -> bool:
    """Return whether a variant is trained and measured; raise what `run` does."""
    from zoo import bundle

    target, run = out / name, out / f"{name}.run"
    bundle.recover(target)
    bundle.check_writable(target)
    for path in (target / "recipe.toml", run / "data" / "recipe.toml"):
        if path.is_file():
            _check_same(path, recipe)
    # A run writes its bundle once before it measures it.
    if (target / bundle.MANIFEST).is_file() and bundle.read(target).metrics:
        return True
    if not resume and any((run / "checkpoints").glob("step-*")):
        raise CheckpointError(
            f"{run} already holds a run",
            "go on with --resume, choose another --out, or delete that folder",
        )
    return False


def _check_same(path: Path, recipe: Recipe) -> None:
    """Raise BundleError unless the recipe at `path` equals `recipe`."""
    present, expected = (flat(x.resolved().tables()) for x in (recipes.load(path), recipe))
    for key in dict.fromkeys([*expected, *present]):
        if present.get(key) != expected.get(key):
            raise BundleError(
                f"{path.parent} is of another recipe: {key} is {present.get(key)!r}, "
                f"not {expected.get(key)!r}",
                "choose another --out, ask for that recipe with --set, or delete the folder",
            )
