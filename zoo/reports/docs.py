"""The tables of the README and of docs/, made from what was measured. Imports no Keras."""

from __future__ import annotations

import ast
import csv
import itertools
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from zoo.config import catalog, settings
from zoo.config import recipe as recipes
from zoo.config.choices import OPTIMIZERS, SCHEDULES
from zoo.config.metrics import METRICS
from zoo.config.tasks import TASKS
from zoo.config.tokenizers import TOKENIZERS
from zoo.errors import DataError, NotSupported, did_you_mean

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
    `<!-- table: trained -->`, the runs of benchmarks/trained, or a name of `CODE`, such as
    `<!-- table: schedules -->`.

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
            page.write_text(made[page], encoding="utf-8")
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


def _code(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _papers(table: str, key: str) -> dict[str, str]:
    """Return the papers whose recipes choose a value of a key, by value."""
    found: dict[str, dict[str, None]] = {}
    for made in map(recipes.load, recipes.names()):
        found.setdefault(getattr(getattr(made, table), key), {})[made.paper] = None
    return {value: ", ".join(papers) for value, papers in found.items()}


def schedules() -> list[list[str]]:
    """Return rows of cells: the schedules that a recipe may choose."""
    papers = _papers("schedule", "name")
    rows = [
        [f"`{name}`", row.about, _code(row.needs), papers.get(name, "")]
        for name, row in SCHEDULES.items()
    ]
    return [["`schedule.name`", "the rate", "needs", "in recipes of"], *rows]


def optimizers() -> list[list[str]]:
    """Return rows of cells: the optimizers that a recipe may choose."""
    papers = _papers("optimizer", "name")
    rows = [
        [f"`{name}`", row.about, _code(row.keys), papers.get(name, "")]
        for name, row in OPTIMIZERS.items()
    ]
    return [["`optimizer.name`", "what it is", "keys of its own", "in recipes of"], *rows]


def tokenizers() -> list[list[str]]:
    """Return rows of cells: the kinds of tokenizers, those of converted weights last."""
    papers = _papers("tokenizer", "kind")
    rows = []
    for name, row in TOKENIZERS.items():
        keys = _code(row.options)
        file = f"`tokenizer{row.suffixes[0]}`"
        where = papers.get(name, "") if row.learned else "converted weights"
        rows.append([f"`{name}`", row.about, keys, file, where])
    return [["`tokenizer.kind`", "what it reads", "keys of its own", "file", "used by"], *rows]


def metrics() -> list[list[str]]:
    """Return rows of cells: the metrics, as metrics.json calls them."""
    rows = [
        [f"`{name}`", row.column, "higher" if row.higher else "lower"]
        for name, row in METRICS.items()
    ]
    return [["in metrics.json", "written as", "better is"], *rows]


def tasks() -> list[list[str]]:
    """Return rows of cells: the tasks and what their examples hold."""
    rows = [
        [f"`{name}`", row.labels, "; ".join(map(_code, row.columns)), _code(row.metrics)]
        for name, row in TASKS.items()
    ]
    return [["task", "labels", "columns", "metrics"], *rows]


def keys() -> list[list[str]]:
    """Return rows of cells: every key of a recipe's tables, explained as in settings.py."""
    rows = [["key", "default", "what it is"]]
    for holder in ast.parse(Path(settings.__file__).read_text(encoding="utf-8")).body:
        for field, text in itertools.pairwise(getattr(holder, "body", [])):
            if not isinstance(field, ast.AnnAssign) or not isinstance(text, ast.Expr):
                continue
            name, table = ast.unparse(field.target), getattr(holder, "name", "")
            default = getattr(settings, table).model_fields[name].default if field.value else ""
            shown = "none" if default is None else f"`{json.dumps(default)}`"
            about = " ".join(ast.literal_eval(text.value).split())
            prefix = "data.also" if table == "Also" else table.lower()
            rows.append([f"`{prefix}.{name}`", shown if field.value else "", about])
    return rows


CODE = {each.__name__: each for each in (schedules, optimizers, tokenizers, metrics, tasks, keys)}


def _with_tables(page: Path) -> str:
    """Return a page with the tables that it asks for."""

    def filled(found: re.Match) -> str:
        if found["task"]:
            return _filled(found["begin"], comparison(found["task"]))
        if found["name"] == "trained":
            return _filled(found["begin"], trained(page.parents[1] / "benchmarks" / "trained"))
        if found["name"] in CODE:
            return _filled(found["begin"], CODE[found["name"]]())
        if found["name"]:
            hint = did_you_mean(found["name"], ["trained", *CODE])
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
