"""The tables of the README and of docs/, made from what was measured. Imports no Keras."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from zoo.config import catalog, settings
from zoo.config import recipe as recipes
from zoo.config.choices import OPTIMIZERS, SCHEDULES
from zoo.config.metrics import METRICS
from zoo.config.tasks import TASKS
from zoo.config.tokenizers import TOKENIZERS
from zoo.errors import DataError, NotSupported, did_you_mean
from zoo.files import replacing

BEGIN = "<!-- results: made by `zoo docs`, do not edit -->"
END = "<!-- end of results -->"
TABLE_END = "<!-- end of table -->"
TABLE = re.compile(
    r"(?P<begin><!-- table: (?:(?P<file>[\w/.-]+\.csv)|task (?P<task>\w+)|(?P<name>\w+)) -->).*?"
    + TABLE_END,
    re.DOTALL,
)


def table() -> str:
    """Return the results table in Markdown, one row for each set of weights."""
    lines = [
        "| load | paper | task | parameters | test set | measured | paper's own |",
        "|---|---|---|---:|---|---|---|",
    ]
    for name in catalog.names():
        entry = catalog.entry(name)
        for tag, weights in entry.weights.items():
            held = catalog.metrics(entry, tag)
            cells = [
                f"`{name}.{tag}`" + (" (default)" if tag == entry.default else ""),
                f"[{entry.paper.title}]({entry.paper.url}), {entry.paper.year}",
                f"{catalog.task(entry, weights.size)} {' → '.join(weights.languages)}",
                f"{catalog.parameters(entry, tag):,}",
                " ".join(str(held[key]) for key in ("data", "split") if key in held),
                "on the hub, not measured here" if weights.hub and not held else _measured(held),
                _reported(entry),
            ]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def write(folder: Path | None = None, check: bool = False) -> list[Path]:
    """Make the tables of README.md and docs/ again; return the pages that change by it.

    A page of docs/ holds a table where it says `<!-- table: results/NAME.csv -->`, the rows of that
    file, which a command wrote, or `<!-- table: task NAME -->`, the `comparison` of that task,
    `<!-- table: trained -->`, the runs of benchmarks/trained, `<!-- table: keys -->`, or a name
    of `TABLES`.

    Args:
        folder: the checkout.
        check: only compare, write nothing.

    Raises:
        NotSupported: there is no README (in an installed package) or no markers in it.
        DataError: a page names a table that is not there.
    """
    folder = folder or catalog.data_root()
    readme = folder / "README.md"
    if not readme.is_file():
        raise NotSupported(f"there is no {readme}", "run `zoo docs` in a checkout")
    made = {readme: _readme(readme)}
    made |= {page: _with_tables(page) for page in sorted((folder / "docs").glob("*.md"))}
    changed = [page for page, text in made.items() if text != page.read_text(encoding="utf-8")]
    if not check:
        for page in changed:
            with replacing(page) as aside:
                aside.write_text(made[page], encoding="utf-8")
    return changed


def _readme(path: Path) -> str:
    """Return the README with the table of all weights between its markers."""
    text = path.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise NotSupported(f"{path} has no place for the table", f"put in: {BEGIN} {END}")
    return f"{before}{BEGIN}\n{table()}\n{END}{after}"


def comparison(task: str) -> list[list[str]]:
    """Return rows of cells: what the papers of one task reach, a column for each data set.

    The header comes first; a cell holds the measurement and how long the training took.
    """
    cells: dict[tuple[str, str], str] = {}
    for name in catalog.names():
        entry = catalog.entry(name)
        for tag, weights in entry.weights.items():
            if catalog.task(entry, weights.size) != task:
                continue
            held = catalog.metrics(entry, tag)
            if shown := catalog.measured(held):
                minutes = held.get("training_seconds", 0) / 60
                cells[name, f"{held['data']} {held['split']}"] = f"{shown}, {minutes:.0f} min"
    names = list(dict.fromkeys(name for name, _ in cells))
    columns = list(dict.fromkeys(column for _, column in cells))
    rows = [[f"`{name}`", *(cells.get((name, each), "") for each in columns)] for name in names]
    return [["", *columns], *rows]


def trained(folder: Path) -> list[list[str]]:
    """Return rows of cells: what runs reached whose weights are not kept, by recipe."""
    rows = [["recipe", "parameters", "measured", "on", "training"]]
    for path in sorted(folder.glob("*/metrics.json")):
        held = json.loads(path.read_text(encoding="utf-8"))
        minutes = held["training_seconds"] / 60
        rows.append(
            [
                f"`{path.parent.name}`",
                f"{held['parameters']:,}",
                _measured(held),
                f"{held['data']} {held['split']}",
                f"{minutes:.0f} min",
            ]
        )
    return rows


# What the code says


def code(name: str) -> list[list[str]]:
    """Return rows of cells: one of the tables of choices, as `TABLES` tells it."""
    header, table, cells, key = TABLES[name]
    rows = [header, *([f"`{each}`", *cells(row)] for each, row in table.items())]
    if not key:
        return rows
    papers: dict[str, dict[str, None]] = {}
    for made in map(recipes.load, recipes.names()):
        papers.setdefault(f"`{getattr(getattr(made, key[0]), key[1])}`", {})[made.paper] = None
    used = ["in recipes of", *(", ".join(papers.get(row[0], "")) for row in rows[1:])]
    return [[*row, cell] for row, cell in zip(rows, used, strict=True)]


def keys() -> list[list[str]]:
    """Return rows of cells: every key of a recipe's tables with the comment at its field."""
    rows, table, before = [["key", "default", "what it is"]], "", ""
    for line in Path(settings.__file__).read_text(encoding="utf-8").splitlines():
        if found := re.match(r"class (\w+)\(", line):
            table = found[1]
        field = re.fullmatch(r"    (\w+): .*?(?:  # (.*))?", line)
        if field and field[1] in getattr(settings, table).model_fields:
            made = getattr(settings, table).model_fields[field[1]]
            default = "" if made.is_required() else f"`{json.dumps(made.default)}`"
            key = f"`{table.lower().replace('also', 'data')}.{field[1]}`"  # Data has Also's keys
            rows.append([key, default.replace("`null`", "none"), field[2] or before])
        comment = re.fullmatch(r"    # (.*)", line)
        before = f"{before} {comment[1]}".strip() if comment else ""
    return rows


def _code(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


# A header, a table, the cells of its rows beside their name; the key of recipes that chooses one.
TABLES: dict[str, tuple[list[str], Mapping[str, Any], Callable[[Any], list[str]], Any]] = {
    "schedules": (
        ["`schedule.name`", "the rate", "needs"],
        SCHEDULES, lambda row: [row.about, _code(row.needs)], ("schedule", "name"),
    ),
    "optimizers": (
        ["`optimizer.name`", "what it is", "keys of its own"],
        OPTIMIZERS, lambda row: [row.about, _code(row.keys)], ("optimizer", "name"),
    ),
    "tokenizers": (
        ["`tokenizer.kind`", "what it reads", "keys of its own", "file"],
        TOKENIZERS,
        lambda row: [row.about, _code(row.options), f"`tokenizer{row.suffixes[0]}`"],
        ("tokenizer", "kind"),
    ),
    "metrics": (
        ["in metrics.json", "written as", "better is"],
        METRICS, lambda row: [row.column, "higher" if row.higher else "lower"], None,
    ),
    "tasks": (
        ["task", "labels", "columns", "metrics"],
        TASKS,
        lambda row: [
            row.labels, "; ".join(map(_code, row.columns)),
            _code([*row.metrics, *filter(None, [row.number_metric])]),
        ],
        None,
    ),
}  # fmt: skip


def _with_tables(page: Path) -> str:
    """Return a page with the tables that it asks for."""

    def filled(found: re.Match) -> str:
        if found["task"]:
            return _filled(found["begin"], comparison(found["task"]))
        if found["name"] == "trained":
            return _filled(found["begin"], trained(page.parents[1] / "benchmarks" / "trained"))
        if found["name"] == "keys":
            return _filled(found["begin"], keys())
        if found["name"] in TABLES:
            return _filled(found["begin"], code(found["name"]))
        if found["name"]:
            hint = did_you_mean(found["name"], ["trained", "keys", *TABLES])
            raise DataError(f"{page} names a table '{found['name']}'", hint)
        source = page.parent / found["file"]
        if not source.is_file():
            raise DataError(f"{page} names a table that is not there", f"write {source} first")
        rows = csv.reader(source.read_text(encoding="utf-8").splitlines())
        return _filled(found["begin"], list(rows))

    return TABLE.sub(filled, page.read_text(encoding="utf-8"))


def _filled(begin: str, rows: list[list[str]]) -> str:
    header, *others = rows
    lines = [header, ["---"] * len(header), *others]
    shown = "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
    return f"{begin}\n{shown}\n{TABLE_END}"


def _measured(held: dict[str, Any]) -> str:
    """Return the metric and, of a translation, chrF beside BLEU."""
    shown = catalog.measured(held) or "not measured"
    more = [row.shown(held[key]) for key, row in METRICS.items() if row.tabled and key in held]
    return ", ".join([shown, *more])


def _reported(entry: catalog.Entry) -> str:
    """Return the paper's first number; it is on other data, so it comes with the data's name."""
    if not entry.paper.results:
        return ""
    best = entry.paper.results[0]
    return f"{best.metric} {best.value} on {best.data}"
