"""Prepare the data of a run: learn the tokenizers, encode the examples, write both."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo.config import recipe as recipes
from zoo.config.recipe import Recipe
from zoo.config.tasks import task_class
from zoo.data.corpora.own import HELD_OUT
from zoo.data.encoded import Encoded
from zoo.data.examples import Example
from zoo.data.mixture import Mixture
from zoo.errors import DataError
from zoo.files import replacing_folder
from zoo.hub import resolve
from zoo.text import Tokenizer, load_tokenizers, save_tokenizers, train_tokenizers
from zoo.training.own_data import settled


@dataclass(frozen=True)
class Prepared:
    """The data of a training run: ids for training and validation, text for measuring."""

    folder: Path
    recipe: Recipe
    train: Encoded | Mixture
    valid: Encoded
    source_tokenizer: Tokenizer
    target_tokenizer: Tokenizer
    test: list[Example]
    seen: int | None  # test examples that are also training examples; None if nobody counted
    further: dict[str, list[Example]]  # test examples of the corpora in `evaluate.also`

    @property
    def tokenizers(self) -> tuple[Tokenizer, Tokenizer]:
        return self.source_tokenizer, self.target_tokenizer

    @classmethod
    def read(cls, folder: Path | str) -> Prepared:
        """Read what `prepare` wrote; memory-map the arrays.

        Raises:
            DataError: `prepare` did not write this folder.
        """
        folder = Path(folder)
        facts = folder / "prepared.json"
        if not facts.exists():
            raise DataError(
                f"{folder} holds no prepared data (prepared.json is missing)",
                "write it with: zoo prepare RECIPE --out DIR",
            )
        content = json.loads(facts.read_text(encoding="utf-8"))
        recipe = _recipe(folder / "recipe.toml")
        several = 1 + len(recipe.data.also) if recipe.spec.also == "shares" else 1
        return cls(
            folder,
            recipe,
            Mixture.load(folder, "train", several)
            if several > 1
            else Encoded.load(folder, "train"),
            Encoded.load(folder, "valid"),
            *load_tokenizers(folder),
            _examples(content["test"]),
            content["seen"],
            {name: _examples(rows) for name, rows in content.get("further", {}).items()},
        )


def _examples(rows: list[Any]) -> list[Example]:
    return [Example(_restored(given), wanted) for given, wanted in rows]


def _recipe(path: Path) -> Recipe:
    text = path.read_text(encoding="utf-8")
    return recipes.loads(text, where=str(path), warn=False)


def _restored(given: Any) -> Any:
    """Return a JSON value with tuples in place of lists."""
    return tuple(map(_restored, given)) if isinstance(given, list) else given


def prepare(recipe: Recipe, out: Path | str) -> Prepared:
    """Write the recipe's data to a folder: tokenizers, token ids, test examples.

    The folder is written aside and renamed, so that it is complete or missing.

    Raises:
        DataError: the folder holds something else, or the corpus cannot be read.
        InputError: the tokenizer of `tokenizer.weights` knows nothing of a row.
    """
    out, recipe = Path(out), settled(recipe)
    if out.is_file() or (
        out.is_dir() and any(out.iterdir()) and not (out / "prepared.json").exists()
    ):
        raise DataError(f"{out} exists and holds no prepared data", "choose another --out")
    task = task_class(recipe.task)
    with replacing_folder(out) as aside:
        train, valid = (task.load(recipe, split) for split in ("train", "valid"))
        test = task.load_test(recipe)
        parts = task.training_parts(recipe, train, [*valid, *test])
        if recipe.tokenizer.weights:
            tokenizers = resolve.tokenizers(recipe.tokenizer.weights)
            rows = [example for part in parts for example in part]
            task.check_rows(rows, tokenizers, recipe.data)
        else:
            learned = _balanced(parts, recipe)
            if recipe.tokenizer.spec.unit == "character":  # an alphabet is that of all texts
                learned = [*learned, *valid, *test]
            tokenizers = train_tokenizers(
                recipe.tokenizer,
                task.learned_texts(learned),
                recipe.data.languages,
                recipe.seed,
            )
        save_tokenizers(aside, *tokenizers)
        Mixture([task.encode_examples(part, tokenizers, recipe) for part in parts]).save(
            aside, "train"
        )
        task.encode_examples(valid, tokenizers, recipe).save(aside, "valid")
        seen = task.count_seen([example for part in parts for example in part], test)
        further = {name: load_test(recipe, name) for name in recipe.evaluate.also}
        facts = {"seen": seen, "test": test, "further": further}
        (aside / "recipe.toml").write_text(recipes.dumps(recipe), encoding="utf-8")
        text = json.dumps(facts, ensure_ascii=False)
        (aside / "prepared.json").write_text(text, encoding="utf-8")
    return Prepared.read(out)


def load_test(recipe: Recipe, corpus: str, split: str | None = None) -> list[Example]:
    """Read the test examples of a corpus that need not be the recipe's own.

    Args:
        split: None takes the recipe's `evaluate.split`; "test" where that is the held-out part of a
            user's corpus.

    Raises:
        DataError: the corpus cannot be read, or not by the recipe's task.
    """
    if corpus != recipe.data.corpus:
        recipe = recipe.changed({"data.corpus": corpus, "data.hub": None})
    return task_class(recipe.task).load_test(recipe, split or further_split(recipe))


def further_split(recipe: Recipe) -> str:
    """Return the split of further corpora that a run is measured on."""
    split = recipe.evaluate.split
    return "test" if split == HELD_OUT else split


def _balanced(parts: list[list[Example]], recipe: Recipe) -> list[Example]:
    """Return examples to learn a tokenizer from: half of them are of the first corpus, if several.

    The other corpora share the second half, each with at most an equal part of it.
    """
    first, *others = parts
    if not others:
        return first
    random_state = random.Random(recipe.seed)
    most = (recipe.tokenizer.sample or 2 * len(first)) // 2
    chosen = random_state.sample(first, min(most, len(first)))
    left = len(chosen)
    for count, part in zip(range(len(others), 0, -1), sorted(others, key=len), strict=True):
        sample = random_state.sample(part, min(left // count, len(part)))
        chosen, left = chosen + sample, left - len(sample)
    return chosen
