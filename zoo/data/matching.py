"""Which column of a table is which: by the names that a user gives, by known names, by content.

Whatever could be meant in two ways is an error that asks.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from zoo.config.languages import is_language
from zoo.data.cells import is_missing, number_of
from zoo.errors import DataError, OptionError, counted, did_you_mean

Columns = Sequence[tuple[str, ...]]  # alternative sets of column names
Asked = Mapping[str, Sequence[str]]  # the columns that a user names for a role

# Roles with an option of their own, as in text_column.
SHORTHANDS = ("text", "label", "source", "target")
# Names of columns that number rows.
KEYS = ("id", "idx", "index", "uid", "uuid", "guid", "key", "unnamed:_0")
# Fewer rows say too little about what a column holds.
FEW = 4
# With so many rows, labels repeat.
MANY = 10
LONGEST_LABEL = 60  # characters
TEXT_WORDS, LABEL_WORDS = 3, 2  # a text has so many words on average, a label no more
NAME = re.compile(r"[^\W\d][\w /()#-]{0,40}")
SENTENCE = re.compile(r"\S+\s+\S+\s+\S+|.*[.!?…。]$")


@dataclass(frozen=True)
class Roles:
    """The columns that a task reads.

    Attributes:
        columns: sets of names to look for together, in this order, the first of which names the
            roles; or a function that returns them for the names of a table.
        synonyms: further names by role.
        labels: what the last column holds, see `TaskSpec.labels`.
        known: the labels that the model has.
        languages: whether each column is in a language.
    """

    columns: Columns | Callable[[Sequence[str]], Columns]
    synonyms: Mapping[str, Sequence[str]] = field(default_factory=dict)
    labels: str = "none"
    known: Sequence[str] = ()
    languages: bool = False

    def sets(self, names: Sequence[str] = (), asked: Asked | None = None) -> Columns:
        """Return the sets of names to look for in a table with these names.

        Raises:
            OptionError: the user names a column for a role that the task does not have.
        """
        usual = list(self.columns([]) if callable(self.columns) else self.columns)
        own = list(self.columns(names)) if callable(self.columns) else usual
        if asked and not {*asked} <= {*own[0]}:
            own = usual
        for role in asked or ():
            if role not in own[0]:
                raise OptionError(f"there is no column '{role}'", did_you_mean(role, own[0]))
        return own

    def all_found(self, names: Sequence[str]) -> bool:
        """Return whether names hold all roles; more than one column may have the name of a role."""
        try:
            return all(by_name(names, self, {}, "").values())
        except DataError:
            return True

    def knows(self, name: str) -> bool:
        """Return whether a name is that of a role, or of a language where that is one."""
        known = {folded(each) for names in self.sets() for each in names}
        known |= {each for names in self.synonyms.values() for each in names}
        return folded(name) in known or (self.languages and is_language(folded(name)))

    def without_last(self) -> Roles:
        """Return all roles but the last, whose cells come from elsewhere."""
        return Roles(lambda names: [each[:-1] for each in self.sets(names)], self.synonyms)


@dataclass(frozen=True)
class Choice:
    """The chosen columns of a table: their places from 0, their names in messages, their roles.

    `header` tells whether the first row holds names.
    """

    places: list[int]
    names: list[str]
    roles: list[str]
    header: bool


def choose(
    first: Sequence[Any],
    sample: Sequence[Sequence[Any]],
    roles: Roles,
    asked: Asked,
    header: bool | None,
    where: str,
    apart: bool = False,
) -> Choice:
    """Choose the columns of a table.

    Args:
        first: the names of its columns, or its first row.
        sample: the rows after that.
        asked: names, or numbers from 1, that the user gives for roles.
        header: whether `first` holds names; None looks.
        where: the table, or the place of its first row, for messages.
        apart: whether the user gave each column by itself.

    Raises:
        DataError: a column is not found, or more than one could be meant.
        OptionError: see `Roles.sets`.
    """
    names = ["" if is_missing(cell) else str(cell).strip() for cell in first]
    if header is None:
        header = _has_header(names, sample, roles, asked, where)
    names_or_none = names if header else [""] * len(names)
    found = by_name(names_or_none, roles, asked, where)
    missing = [role for role, places in found.items() if not places]
    if missing:
        taken = {place for places in found.values() for place in places}
        left = [place for place in range(len(names)) if place not in taken]
        others = [folded(names_or_none[i]) for i in left]
        wrong = any(name in KEYS or (roles.languages and is_language(name)) for name in others)
        if len(left) != len(missing) or wrong or (taken and len(missing) > 1):
            raise DataError(f"{where}: found {_listed(names)}", _question(roles, found, names))
        found |= {role: [place] for role, place in zip(missing, left, strict=True)}
    if roles.labels != "none" and not asked:
        rows = sample if header else [first, *sample]
        if _swapped(rows, found, roles, not missing, apart, where, names_or_none):
            text, label = found
            found[text], found[label] = found[label], found[text]
    pairs = [(role, place) for role, places in found.items() for place in places]
    shown = [names_or_none[place] or role for role, place in pairs]
    return Choice([place for _, place in pairs], shown, [role for role, _ in pairs], header)


# By name


def folded(name: str) -> str:
    """Return a name lower-cased, with "_" for blanks and hyphens."""
    return re.sub(r"[\s-]+", "_", name.strip()).casefold()


def by_name(names: Sequence[str], roles: Roles, asked: Asked, where: str) -> dict[str, list[int]]:
    """Return the places of each role's columns, none where no name is known.

    Raises:
        DataError: a column that the user names is not there, or several names fit a role.
    """
    sets = roles.sets(names, asked)
    keys = [folded(name) for name in names]
    if not asked:
        for requested in ([folded(name) for name in each] for each in sets):
            if all(name in keys for name in requested):
                same = len(requested) == len(sets[0])
                return {
                    role: [keys.index(name)]
                    for role, name in zip(sets[0] if same else requested, requested, strict=True)
                }
    found = {role: [_place(name, names, where) for name in asked.get(role, ())] for role in sets[0]}
    taken = {place for places in found.values() for place in places}
    alike = [requested for requested in sets if len(requested) == len(sets[0])]
    for number, role in enumerate(sets[0]):
        if found[role]:
            continue
        fitting = {*(folded(each[number]) for each in alike), *roles.synonyms.get(role, ())}
        places = [i for i, key in enumerate(keys) if key in fitting and i not in taken]
        exact = [i for i in places if keys[i] == folded(role)]
        if len(exact or places) > 1:
            several = " and ".join(f"'{names[i]}'" for i in places)
            raise DataError(
                f"{where}: {several} could each be the {role}",
                f"say which: {_option(role, names[places[0]])}",
            )
        found[role] = exact or places
    claims = [place for places in found.values() for place in places]
    if len({*claims}) < len(claims):
        twice = next(place for place in claims if claims.count(place) > 1)
        if asked:
            raise OptionError(f"the column '{names[twice]}' is named twice", "name two columns")
        found = {role: [i for i in places if i != twice] for role, places in found.items()}
    return found


def _place(name: str, names: Sequence[str], where: str) -> int:
    """Return the place of a column that the user names, or numbers from 1."""
    place = _named_place(name, names)
    if place is None and name.isdecimal() and 1 <= int(name) <= len(names):
        place = int(name) - 1
    if place is None:
        if not any(names):
            raise DataError(
                f"{where}: there is no column '{name}', for its columns have no names",
                f"number them: 1 to {len(names)}",
            )
        raise DataError(f"{where}: there is no column '{name}'", did_you_mean(name, names))
    return place


def _named_place(name: str, names: Sequence[str]) -> int | None:
    if name in names:
        return names.index(name)
    keys = [folded(each) for each in names]
    return keys.index(folded(name)) if keys.count(folded(name)) == 1 else None


# A header or the first row


def _has_header(
    names: Sequence[str],
    sample: Sequence[Sequence[Any]],
    roles: Roles,
    asked: Asked,
    where: str,
) -> bool:
    """Return whether the first row of a file holds names.

    Raises:
        DataError: it looks as if, but none of them is known.
    """
    wanted = [name for each in asked.values() for name in each]
    if wanted and not all(name.isdecimal() for name in wanted):
        return True
    if roles.all_found(names):
        return True
    columns = [[str(row[i]).strip() for row in sample if i < len(row)] for i in range(len(names))]
    if len({*names}) < len(names) or not all(map(NAME.fullmatch, names)):
        return False
    if any(name in column for name, column in zip(names, columns, strict=True)):
        return False
    if any(map(roles.knows, names)):
        return True
    if any(_differs(name, column) for name, column in zip(names, columns, strict=True)):
        options = ", ".join(_option(role, "...") for role in roles.sets()[0])
        raise DataError(
            f"{where}: is the first row a header? {_listed(names)}",
            f"if it is, say which column is which: {options}; if not, say header=False "
            "(--no-header in a shell)",
        )
    return False


def _differs(name: str, column: Sequence[str]) -> bool:
    """Return whether the first cell of a column is of another kind than the others."""
    if len(column) < 2:
        return False
    if all(number_of(cell) is not None for cell in column):
        return True
    if len(column) < FEW or SENTENCE.match(name):
        return False
    sentences = sum(bool(SENTENCE.match(cell)) for cell in column)
    return sentences >= 0.8 * len(column) or len({*column}) <= len(column) / 2


# Texts and labels


def _swapped(
    rows: Sequence[Sequence[Any]],
    found: Mapping[str, Sequence[int]],
    roles: Roles,
    certain: bool,
    apart: bool,
    where: str,
    names: Sequence[str],
) -> bool:
    """Return whether the columns of texts and of labels are the other way round.

    Args:
        found: the place of each role.
        certain: whether all were found by their names.
        apart: whether the user gave each by itself.

    Raises:
        DataError: they are, although their names say otherwise, or it is not certain; or the labels
            are texts.
    """
    *_, label_place = (place for places in found.values() for place in places)
    place = next(iter(found.values()))[0]
    columns = [
        [str(row[i]).strip() for row in rows if i < len(row) and not is_missing(row[i])]
        for i in (place, label_place)
    ]
    texts, labels = columns
    if not labels or (roles.known and {*labels} <= {*roles.known}):
        return False
    known = bool(roles.known and texts and {*texts} <= {*roles.known})
    kinds = [_kind(column, roles.labels) for column in columns]
    repeats = kinds[0] == "label" and kinds[1] != "label" and len({*labels}) > len({*texts})
    short = (
        not apart
        and len(rows) > 1
        and max((len(text.split()) for text in texts), default=0) <= LABEL_WORDS
        and _mean_words(labels) >= TEXT_WORDS
    )
    both = names[place] or "1", names[label_place] or "2"
    hint = _which(found, both)
    if len(found) == 2 and (known or repeats or short):
        if not certain and (known or (repeats and len(labels) >= FEW)):
            return True
        raise DataError(
            f"{where}: the texts look like labels, and the labels like texts: "
            f"'{texts[0][:30]}', '{labels[0][:30]}'",
            f"put the texts first, or {_which(found, both[::-1])}",
        )
    if apart:
        return False
    if kinds[1] in ("text", "number"):
        raise DataError(
            f"{where}: the labels look like {kinds[1]}s: '{labels[0][:40]}', with "
            f"{len({*labels})} different ones in {counted(len(labels), 'row')}",
            hint,
        )
    if not certain and kinds == ["label", "label"] and len({*labels}) > len({*texts}):
        raise DataError(f"{where}: which column holds the labels?", hint)
    return False


def _kind(column: Sequence[str], labels: str) -> str:
    """Return whether a column holds "label"s, "text"s or "number"s of rows; "" if unsure."""
    count, different = len(column), len({*column})
    if count < FEW:
        return ""
    if all(number_of(cell) is not None for cell in column):
        if labels == "classes or numbers" or different <= count / 2:
            return "label"
        return "number" if count >= MANY else ""
    longest = max(map(len, column))
    if different <= count / 2 and longest <= LONGEST_LABEL:
        return "label"
    words = _mean_words(column)
    return "text" if words >= TEXT_WORDS or longest > LONGEST_LABEL else ""


def _mean_words(column: Sequence[str]) -> float:
    return sum(len(cell.split()) for cell in column) / max(1, len(column))


# Messages


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(name[:30] for name in names[:8])
    return f"{counted(len(names), 'column')}: {shown}"


def _option(role: str, name: str) -> str:
    """Return how to name a column, in Python."""
    if role in SHORTHANDS:
        return f"{role}_column='{name}'"
    return f"columns={{'{role}': '{name}'}}"


def _which(found: Mapping[str, Sequence[int]], names: Sequence[str]) -> str:
    """Return the hint to name the columns of texts and labels."""
    first, *_, last = found
    return f"say which is which: {_option(first, names[0])}, {_option(last, names[1])}"


def _question(roles: Roles, found: Mapping[str, Sequence[int]], names: Sequence[str]) -> str:
    """Return the hint for columns that are not found."""
    sets = roles.sets(names)
    number = {1: "one", 2: "two", 3: "three"}.get(len(sets[0]), str(len(sets[0])))
    known = " or ".join(map(_quoted, sets))
    missing = [role for role, places in found.items() if not places]
    options = ", ".join(_option(role, "...") for role in missing)
    keep = f", or keep exactly {number}" if len(names) != len(sets[0]) else ""
    return f"name {number} {known}{keep}, or say which: {options} (--column in a shell)"


def _quoted(names: Sequence[str]) -> str:
    *others, last = [f"'{name}'" for name in names]
    return f"{', '.join(others)} and {last}" if others else last
