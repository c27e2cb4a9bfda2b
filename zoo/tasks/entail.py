"""Textual entailment: label a premise and a hypothesis (gpt1, section 3.3)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

from zoo.config.recipe import Recipe
from zoo.data import cells, columns, sequences
from zoo.data.examples import Example
from zoo.errors import InputError
from zoo.tasks.classify import Classify


class Entail(Classify):
    """Classify (premise, hypothesis) pairs; the model reads the premise first."""

    name = "entail"
    form = sequences.TWO_TEXTS
    names: ClassVar[Sequence[str]] = ("premise", "hypothesis")

    @classmethod
    def read(
        cls,
        recipe: Recipe,
        data: Any,
        targets: Iterable[Any] | None = None,
        *,
        fresh: bool = False,
        table: columns.TableOptions = columns.PLAIN,
    ) -> list[Example]:
        return [
            Example(cells.two_texts(*row), cells.label_of(*row))
            for row in columns.read_rows(data, targets, cls.roles(recipe, fresh), table)
        ]

    def check(self, given: Any, name: str) -> Any:
        first, second = self.check_parts(given, name)
        return first, self.check_text(second, f"the {self.spec().parts[1]} of {name}")

    def check_parts(self, given: Any, name: str) -> tuple[str, Any]:
        """Return the first text of an input of two parts, and the second part unchecked."""
        parts, hint = self.spec().parts, f"give {self.spec().example}"
        if isinstance(given, (str, bytes, Mapping)) or not isinstance(given, Sequence):
            raise InputError(f"{name} is {type(given).__name__}, not ({', '.join(parts)})", hint)
        if len(given) != 2:
            raise InputError(f"{name} has {len(given)} parts, not two: {' and '.join(parts)}", hint)
        return self.check_text(given[0], f"the {parts[0]} of {name}"), given[1]
