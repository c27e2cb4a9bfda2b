"""What an experiment is: a claim, a base recipe and its variants. Imports no Keras."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, model_validator

from zoo.config import legacy
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
