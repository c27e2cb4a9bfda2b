"""What an experiment is: a claim, a base recipe and its variants. Imports no Keras."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from zoo.config import catalog, legacy
from zoo.config import recipe as recipes
from zoo.config.choices import one_of
from zoo.config.metrics import METRICS
from zoo.config.recipe import Recipe
from zoo.config.tables import Table
from zoo.errors import OptionError, RecipeError, did_you_mean

# A variant names a folder among the results; `NAME.run` beside it is its run.
VariantName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][\w-]*$")]
Metric = Annotated[str, one_of("metric", METRICS)]
# Dotted changes to a recipe, also by the names of earlier versions.
Changes = Annotated[
    dict[str, Any],
    BeforeValidator(lambda value: legacy.changes(value) if isinstance(value, dict) else value),
]


# The axis along the years of the variants' papers.
YEAR = "year"


class Axis(Table):
    """The axis of a picture, a number of the recipes: its dotted key and its label."""

    key: str  # "year" is that of the recipe's paper
    label: str
    scale: Literal["log", "linear"] = "log"
    names: bool = False  # whether points have the names of their variants

    def place(self, recipe: Recipe) -> float:
        """Return a recipe's number; raise RecipeError if the key is unknown or not a number."""
        if self.key == YEAR:
            return float(catalog.entry(recipe.paper).paper.year)
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
    """What an experiment compares: a run, a trained model, or models that are measured otherwise.

    A run is of the base recipe with dotted changes.
    """

    recipe: str = ""  # the base recipe, if it is not the experiment's
    weights: str = ""  # a trained model to measure in place of a run, as for `zoo.load`
    of: list[VariantName] = []  # other variants to measure in place of a run; several as a mixture
    evaluate: dict[str, Any] = {}  # arguments of `evaluate`
    series: str = ""  # the picture's line that has this point, where there is an axis
    changes: Changes = {}  # {}: the unchanged recipe
    smoke: Changes = {}  # of the seconds-long version, if they are not `changes`
    reported: dict[Metric, float] = {}

    @property
    def is_run(self) -> bool:
        """Whether it is trained."""
        return not (self.weights or self.of)

    @model_validator(mode="after")
    def _check_kind(self) -> Variant:
        if self.weights and self.of:
            raise ValueError("weights and of exclude each other: a trained model, or variants")
        if not self.is_run and (self.changes or self.smoke or self.recipe):
            raise ValueError("a variant with weights or of is not trained: leave the others out")
        return self


class Experiment(Table):
    """A claim of a paper, and the runs that test it."""

    name: str
    paper: str
    claim: str
    recipe: str  # the base of all variants
    metrics: Annotated[list[Metric], Field(min_length=1)]  # compared; of the task's evaluation
    reported_on: str = ""  # the data of the paper's numbers
    axis: Axis | None = None  # the first metric is drawn over it
    # further columns of the table: parameters, and how many words of the test split a model reads
    facts: list[Literal["parameters", "words a second"]] = []
    variants: Annotated[dict[VariantName, Variant], Field(min_length=2)]

    @model_validator(mode="after")
    def _check_reported(self) -> Experiment:
        if any(variant.reported for variant in self.variants.values()) and not self.reported_on:
            raise ValueError("'reported_on' is missing: on what the paper measured its numbers")
        for name, variant in self.variants.items():
            for part in variant.of:
                if part not in self.variants or self.variants[part].of:
                    raise ValueError(
                        f"{name} is of '{part}', which must be a variant that is a run or weights"
                    )
            if len(variant.of) == 1 and not variant.evaluate:
                raise ValueError(f"{name} is {variant.of[0]} again: say in evaluate what differs")
        return self

    @property
    def runs(self) -> list[str]:
        """The variants that are trained."""
        return [name for name, variant in self.variants.items() if variant.is_run]

    def recipes(
        self, changes: Mapping[str, Any] | None = None, smoke: bool = False
    ) -> dict[str, Recipe]:
        """Return the recipe of each run: [smoke] first, then `changes`, then the variant's own.

        Raises:
            UnknownName, RecipeError: the base recipe, a change or a variant's change is wrong, or
                two variants are the same run.
            OptionError: the variants differ in a key of `changes`.
        """
        changes = legacy.changes(changes or {})
        bases: dict[str, Recipe] = {}
        variants: dict[str, Recipe] = {}
        for name in self.runs:
            variant = self.variants[name]
            source = variant.recipe or self.recipe
            if source not in bases:
                bases[source] = self._base(source, changes, smoke)
            base = bases[source]
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

    def _base(self, name: str, changes: Mapping[str, Any], smoke: bool) -> Recipe:
        """Return a base recipe with the changes of all variants; it has the metrics."""
        recipe = recipes.load(name)
        base = (recipe.smoke() if smoke else recipe).changed(changes)
        for metric in self.metrics:
            if metric not in base.spec.metrics:
                raise RecipeError(
                    f"experiment {self.name}: the task '{base.task}' has no metric '{metric}'",
                    did_you_mean(metric, base.spec.metrics),
                )
        return base
