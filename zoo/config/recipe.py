"""The recipe of a training run: typed, strict, overridable. Imports no Keras."""

from __future__ import annotations

import copy
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, model_validator

from zoo.config import catalog, legacy, tasks
from zoo.config.base import Base
from zoo.config.choices import OPTIMIZERS, SCHEDULES, one_of
from zoo.config.settings import Also, Data, Evaluate, Model, Optimizer, Schedule, Tokenizer, Train
from zoo.config.tables import Table, flat, parse, read_toml
from zoo.errors import RecipeError, UnknownName, did_you_mean

# The keys that may change when a run is resumed: how long it is and how it computes. All others
# decide what has been trained so far.
MAY_CHANGE = ("train.updates", "train.patience", "train.jit")


class Recipe(Table):
    """One training run. [smoke] holds the changes for a version of it that takes seconds."""

    name: str
    paper: str
    task: Annotated[str, one_of("task", tasks.TASKS)]
    seed: Annotated[int, Field(ge=0)] = 0
    # Origin of a converted checkpoint; the recipe could make such a model but did not make it.
    converted: str | None = None
    # The trained weights that a fine-tuned or changed model began with.
    base: Base | None = None
    model: Model
    data: Data
    tokenizer: Tokenizer
    optimizer: Optimizer
    schedule: Schedule
    train: Train
    evaluate: Evaluate
    smoke_changes: dict[str, dict[str, Any]] = Field(default={}, alias="smoke")

    @model_validator(mode="after")
    def _check_task(self) -> Recipe:
        labels = self.data.labels
        for key in self.spec.needs:
            table, name = key.split(".")
            if table == "train" and OPTIMIZERS[self.optimizer.name].trainer:
                continue  # the task's own way to make batches is not used
            if not getattr(getattr(self, table), name):
                raise ValueError(f"the task '{self.task}' needs {key}")
        metric = tasks.main_metric(self.task, labels)
        if self.evaluate.metric not in (metric, *self.spec.other_metrics):
            without = " without data.labels" if metric == self.spec.number_metric else ""
            choice = " or ".join(f"'{each}'" for each in (metric, *self.spec.other_metrics))
            raise ValueError(f"the task '{self.task}'{without} has evaluate.metric {choice}")
        repeated = {label for label in labels if labels.count(label) > 1}
        if repeated:
            raise ValueError(f"data.labels has '{min(repeated)}' twice")
        if OPTIMIZERS[self.optimizer.name].averages and self.train.average > 1:
            name = self.optimizer.name
            raise ValueError(f"train.average is more than 1, and {name} averages by itself")
        self._check_corpora()
        if self.spec.labels != "none" and len(labels) == 1:
            raise ValueError("data.labels has one class: a classifier needs two or more")
        if self.spec.labels == "none" and labels:
            question = self.spec.input == "question"
            why = "answers come with each example" if question else "remove them"
            raise ValueError(f"the task '{self.task}' has no data.labels: {why}")
        return self

    def _check_corpora(self) -> None:
        data, shares = self.data, [also.share for also in self.data.also]
        if data.also and self.spec.also == "no":
            raise ValueError(f"the task '{self.task}' trains on one corpus: leave data.also out")
        if self.spec.also == "joined" and any(shares):
            raise ValueError(f"the task '{self.task}' reads whole corpora: leave the share out")
        if self.spec.also == "shares":
            if any(len(share) != 2 for share in shares):
                raise ValueError("each corpus of data.also needs share = [FIRST, LAST]")
            if any(sum(at_once) > 1 for at_once in zip(*shares, strict=True)):
                raise ValueError("the shares of data.also are more than 1 together")
        if data.augment and (data.source, data.target) != ("en", "fr"):
            raise ValueError("data.augment is for translators from en to fr: leave it out")
        if data.exclude and not data.target:
            raise ValueError("data.exclude is for translators: leave it out")
        for name in self.evaluate.also:
            if Also(corpus=name).path is not None:
                raise ValueError(f"evaluate.also names corpora, and '{name}' is a path")

    @property
    def spec(self) -> tasks.TaskSpec:
        """The row of its task."""
        return tasks.spec(self.task)

    @property
    def regression(self) -> bool:
        """Whether the model predicts numbers in place of labels."""
        return bool(self.spec.number_metric) and not self.data.labels

    @property
    def trained_length(self) -> int | None:
        """The most pieces of a text in training, its end included; None for any or not known."""
        limits = [self.data.max_length or 0, *self.train.buckets[-1:]]
        return None if self.converted else min(filter(None, limits), default=None)

    def tables(self) -> dict[str, Any]:
        """Return the recipe as nested dicts, keyed as in TOML."""
        return self.model_dump(by_alias=True)

    def changed(self, changes: Mapping[str, Any]) -> Recipe:
        """Return a copy with dotted keys set, as in {"schedule.peak": 5e-4}.

        Raises:
            RecipeError: a key does not exist, a value has the wrong type, or the schedule would not
                use the new peak.
        """
        tables, changes = self.tables(), legacy.changes(changes)
        schedule = self.schedule.name
        if (
            changes.get("schedule.peak") is not None
            and "schedule.name" not in changes
            and "peak" not in SCHEDULES[schedule].needs
        ):
            raise RecipeError(
                f"the schedule {schedule} of {self.name} does not use schedule.peak",
                "scale its rate by optimizer.learning_rate, or change schedule.name too",
            )
        for key, value in changes.items():
            _set(tables, key, value)
        return parse(Recipe, tables, f"recipe {self.name}", RecipeError)

    def smoke(self) -> Recipe:
        """Return this run with its [smoke] table applied."""
        changes = flat(self.smoke_changes)
        # The smoke version's kind of batches wins over the run's, which may have changed since.
        kinds = ("train.batch_tokens", "train.batch_sentences")
        if any(kind in changes for kind in kinds):
            changes = dict.fromkeys(kinds) | changes
        return self.changed(changes)

    def resolved(self) -> Recipe:
        """Return the recipe with all arguments of the builder and without [smoke].

        The recipe's arguments win over the tokenizers' vocabularies, these over the size's.
        """
        entry = catalog.entry(self.paper)
        arguments = dict(catalog.size(entry, self.model.size).arguments)
        source, target = self.tokenizer.sizes
        sizes = {"vocabulary": target, "source_vocabulary": source, "target_vocabulary": target}
        sizes["classes"] = len(self.data.labels) or 1
        arguments |= {name: sizes[name] for name in sizes if name in arguments}
        tables = self.tables()
        tables["model"]["arguments"] = arguments | self.model.arguments
        del tables["smoke"]
        return parse(Recipe, tables, f"recipe {self.name}", RecipeError)

    def _corpora(self, tables: dict[str, Any]) -> list[tuple[Also, dict[str, Any]]]:
        """Return each corpus with its table in `tables`, those of the recipe."""
        data = tables["data"]
        return [(self.data, data), *zip(self.data.also, data["also"], strict=True)]

    def published(self) -> Recipe:
        """Return the recipe as a bundle holds it: without the folders of a user's own files."""
        tables = self.tables()
        for corpus, table in self._corpora(tables):
            if (path := corpus.path) is not None:
                table["corpus"] = path.name if path.suffix else f"./{path.name}"
        for name in ("model", "tokenizer"):
            weights = tables[name]["weights"]
            if Path(weights).expanduser().is_absolute():
                tables[name]["weights"] = f"./{Path(weights).name}"
        return parse(Recipe, tables, f"recipe {self.name}", RecipeError)


def folder() -> Path:
    """Return the folder of the package's recipes."""
    return catalog.data_root() / "recipes"


def names() -> list[str]:
    """Return the names of the package's recipes."""
    return sorted(path.stem for path in folder().glob("*.toml"))


def path_of(name: str | Path) -> Path:
    """Return the file of a recipe: one of the package by its name, a file, or that of a folder.

    Raises:
        UnknownName: there is no recipe of that name.
    """
    path = Path(name)
    if isinstance(name, str) and path.suffix != ".toml" and path.name == name:
        path = folder() / f"{name}.toml"
        if not path.is_file():
            raise UnknownName(f"there is no recipe '{name}'", did_you_mean(name, names()))
    return path / "recipe.toml" if path.is_dir() else path


def load(name: str | Path) -> Recipe:
    """Return the recipe of that name or in that file, which may use names of earlier versions.

    The path of a corpus in a file is relative to the file.

    Raises:
        UnknownName: there is no recipe of that name.
        RecipeError: an unreadable file, or a wrong key or value in it.
    """
    path = path_of(name)
    data = read_toml(path, RecipeError)
    data.setdefault("name", path.stem)
    where = f"recipe {path.stem if path.parent == folder() else path}"
    # A run wrote recipe.toml and nobody edits it, so old names need no warning.
    recipe = loads(data, where, warn=path.name != "recipe.toml")
    return _located(recipe, path.resolve().parent)


def _located(recipe: Recipe, folder: Path) -> Recipe:
    """Return a recipe whose own corpora are in a folder, unless their paths say where they are."""
    if all(corpus.path is None for corpus in (recipe.data, *recipe.data.also)):
        return recipe
    tables = recipe.tables()
    for corpus, table in recipe._corpora(tables):
        if corpus.path is not None:
            table["corpus"] = str(folder / corpus.path)
    return parse(Recipe, tables, f"recipe {recipe.name}", RecipeError)


def loads(data: Mapping[str, Any] | str, where: str = "recipe", warn: bool = True) -> Recipe:
    """Return the recipe in a TOML text or in nested tables, after a check of [smoke].

    Args:
        where: its name in errors.
        warn: whether to warn of names of earlier versions.
    """
    if isinstance(data, str):
        try:
            data = tomllib.loads(data)
        except tomllib.TOMLDecodeError as failure:
            raise RecipeError(f"{where} is not valid TOML: {failure}") from None
    recipe = parse(Recipe, legacy.tables(data, warn), where, RecipeError)
    try:
        recipe.smoke()
    except RecipeError as failure:
        raise RecipeError(f"{where} [smoke]: {failure.message}", failure.hint) from None
    return recipe


def dumps(recipe: Recipe) -> str:
    """Return the recipe as TOML text, from which `loads` makes an equal recipe."""
    import tomlkit

    return tomlkit.dumps(_without_none(recipe.tables()))


def assignment(text: str) -> tuple[str, Any]:
    """Return key and value of a shell's `schedule.peak=5e-4`.

    The value is TOML, `none`, which unsets a key, or else text.
    """
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise RecipeError(f"'{text}' is not KEY=VALUE", "write KEY=VALUE, as in train.updates=2000")
    key, value = key.strip(), value.strip()
    if value.lower() == "none":
        return key, None
    try:
        parsed = tomllib.loads(f"value = {value}")
    except tomllib.TOMLDecodeError:
        return key, value
    return key, parsed["value"] if set(parsed) == {"value"} else value


def _set(tables: dict[str, Any], key: str, value: Any) -> None:
    """Set one dotted key in place; only [model.arguments] takes new names."""
    *path, last = key.split(".")
    table: Any = tables
    for depth, part in enumerate(path):
        table = table.get(part)
        if not isinstance(table, dict):
            raise _unknown_key(tables, key, ".".join(path[:depth]))
    if path != ["model", "arguments"]:
        if last not in table or key.split(".")[0] in ("smoke", "base"):
            raise _unknown_key(tables, key, ".".join(path))
        if isinstance(table[last], dict) and key != "model.arguments":
            valid = ", ".join(f"{key}.{name}" for name in table[last])
            raise RecipeError(f"'{key}' is a table, not a value", f"set one of its keys: {valid}")
    table[last] = copy.deepcopy(value)


def _unknown_key(tables: dict[str, Any], key: str, holder: str) -> RecipeError:
    tables = {name: value for name, value in tables.items() if name not in ("smoke", "base")}
    valid = list(flat(tables, whole=("model.arguments",)))
    same_table = [name for name in valid if holder and name.startswith(f"{holder}.")]
    return RecipeError(f"a recipe has no key '{key}'", did_you_mean(key, same_table or valid))


def _without_none(table: dict[str, Any]) -> dict[str, Any]:
    """Return a copy without None, which TOML cannot hold; None is always the default."""

    def plain(value: Any) -> Any:
        if isinstance(value, list):
            return [plain(item) for item in value]
        return _without_none(value) if isinstance(value, dict) else value

    return {
        key: plain(value)
        for key, value in table.items()
        if value is not None and not (key == "smoke" and not value)
    }
