"""Go on with the run that is there: what may differ since it began, and what may not."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from pathlib import Path

from zoo.config import recipe as recipes
from zoo.config.choices import SCHEDULES
from zoo.config.recipe import Recipe
from zoo.config.tables import flat
from zoo.errors import CheckpointError, ZooWarning
from zoo.files import replacing
from zoo.training import checkpoints

RECIPE = "recipe.toml"
HINT = "resume with the values of that run, or start another one in another folder"


def check(folder: Path, recipe: Recipe, resume: bool) -> list[str]:
    """Check that a run may begin in a folder of checkpoints, or go on there.

    Returns:
        The changes since the run began, each with the step from which it holds.

    Raises:
        CheckpointError: there is a run and `resume` is not set; or it is of another recipe, or has
            made more updates than the recipe's. Names each key with its old and new value.
    """
    last = checkpoints.latest(folder)
    if last is None:
        return []
    if not resume:
        raise CheckpointError(
            f"{folder} already holds a run, up to {last.name}",
            "go on with --resume, choose another --out, or delete that folder",
        )
    before = stored(folder)
    if before is None:  # a run of an early version
        return []
    changed = different(before, recipe)
    wrong = [
        f"{key} was {old!r}, not {new!r}"
        for key, old, new in changed
        if key not in recipes.MAY_CHANGE
    ]
    if wrong:
        raise CheckpointError(f"{folder} holds a run of another recipe: {'; '.join(wrong)}", HINT)
    step = int(last.name.removeprefix(checkpoints.PREFIX))
    if recipe.train.updates < step:
        raise CheckpointError(
            f"{folder} holds a run of {step} updates, and train.updates is {recipe.train.updates}",
            f"set it to {step} or more",
        )
    name = recipe.schedule.name
    by_length = [f"the rate of schedule '{name}'"] if SCHEDULES[name].ends else []
    if recipe.data.mixed:
        by_length.append("the share of each corpus")
    if before.train.updates != recipe.train.updates and by_length:
        warnings.warn(
            f"{' and '.join(by_length)} depends on train.updates, which was "
            f"{before.train.updates}: from step {step} on it is that of a run of "
            f"{recipe.train.updates} updates",
            ZooWarning,
            stacklevel=4,
        )
    return [f"{key} from {old} to {new} at step {step}" for key, old, new in changed]


def write(folder: Path, recipe: Recipe) -> None:
    """Write the recipe of a run into its folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with replacing(folder / RECIPE) as aside:
        aside.write_text(recipes.dumps(recipe.resolved()), encoding="utf-8")


def stored(folder: Path) -> Recipe | None:
    """Return the recipe of the run in a folder of checkpoints, None where none is written."""
    # Earlier versions wrote only that of the data, at the same time.
    for path in (folder / RECIPE, folder.parent / "data" / RECIPE):
        if path.is_file():
            text = path.read_text(encoding="utf-8")
            return recipes.loads(text, where=str(path), warn=False)
    return None


def adopted(folder: Path, recipe: Recipe, keys: Iterable[str]) -> Recipe:
    """Return a recipe with the values that the run in a folder has for some keys."""
    before = stored(folder)
    if before is None:
        return recipe
    values = flat(before.tables())
    return recipe.changed({key: values.get(key) for key in keys})


def different(before: Recipe, now: Recipe) -> list[tuple[str, object, object]]:
    """Return the keys in which two recipes differ, each with both values."""
    old, new = (flat(recipe.resolved().tables()) for recipe in (before, now))
    keys = dict.fromkeys([*old, *new])
    return [(key, old.get(key), new.get(key)) for key in keys if old.get(key) != new.get(key)]
