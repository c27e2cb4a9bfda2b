"""Make the tables of the README and of docs/ from measurements and code. Imports no Keras."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from zoo.config import catalog, settings
from zoo.config import recipe as recipes
from zoo.config.choices import AUGMENTATIONS, OPTIMIZERS, SCHEDULES
from zoo.config.metrics import METRICS
from zoo.config.tasks import TASKS
from zoo.config.tokenizers import TOKENIZERS
from zoo.errors import DataError, NotSupported, did_you_mean
from zoo.files import replacing

BEGIN = "<!-- results: made by `zoo docs`, do not edit -->"
END = "<!-- end of results -->"
TABLE_END = "<!-- end of table -->"
TABLE = re.compile(
    r"(?P<begin><!-- table: (?:(?P<file>[\w/.-]+\.csv)|"
    r"task (?P<task>\w+)(?: on (?P<data>[\w -]+))?|(?P<name>\w+)) -->).*?" + TABLE_END,
    re.DOTALL,
)


def table() -> str:
    """Return the results table in Markdown, a row for each set of weights."""
    rows = [
        "| load | paper | task | parameters | test set | measured | paper's own |",
        "|---|---|---|---:|---|---|---|",
    ]
    for name in catalog.names():
        entry = catalog.entry(name)
        for tag, weights in entry.weights.items():
            metrics = catalog.metrics(entry, tag)
            cells = [
                f"`{name}.{tag}`" + (" (default)" if tag == entry.default else ""),
                f"[{entry.paper.title}]({entry.paper.url}), {entry.paper.year}",
                f"{catalog.task(entry, weights.size)} {' → '.join(weights.languages)}",
                f"{catalog.parameters(entry, tag):,}",
                " ".join(str(metrics[key]) for key in ("data", "split") if key in metrics),
                "on the hub, not measured here"
                if weights.hub and not metrics
                else _measured(metrics),
                _reported(entry, metrics),
            ]
            rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def write(folder: Path | None = None, check: bool = False) -> list[Path]:
    """Make the tables of README.md and docs/ again; return the pages that change.

    A page of docs/ asks for a table by a comment: `<!-- table: results/NAME.csv -->`, the rows of
    that file, which a command wrote; `<!-- table: task NAME on DATA -->`, the `comparison` of that
    task; `<!-- table: trained -->`, the runs of benchmarks/trained; `<!-- table: keys -->`; or a
    name of `TABLES`.

    Args:
        folder: the checkout.
        check: only compare, write nothing.

    Raises:
        NotSupported: the README is missing (in an installed package) or lacks the markers.
        DataError: a page names an unknown table.
    """
    folder = folder or catalog.data_root()
    readme = folder / "README.md"
    if not readme.is_file():
        raise NotSupported(f"there is no {readme}", "run `zoo docs` in a checkout")
    texts = {readme: _readme(readme)}
    texts |= {page: _with_tables(page) for page in sorted((folder / "docs").glob("*.md"))}
    changed = [page for page, text in texts.items() if text != page.read_text(encoding="utf-8")]
    if not check:
        for page in changed:
            with replacing(page) as aside:
                aside.write_text(texts[page], encoding="utf-8")
    return changed


def _readme(path: Path) -> str:
    """Return the README with the results table between its markers."""
    text = path.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise NotSupported(f"{path} has no place for the table", f"put in: {BEGIN} {END}")
    return f"{before}{BEGIN}\n{table()}\n{END}{after}"


def comparison(task: str, data: Collection[str] = ()) -> list[list[str]]:
    """Return rows of cells: one task's papers by data set, with result and training time.

    Weights of mixed corpora are left out: the others learned from the data set's own training
    split. Several weights of one paper share a cell.

    Args:
        data: the data sets; empty takes all.
    """
    cells: dict[tuple[str, str], list[str]] = {}
    for name in catalog.names():
        entry = catalog.entry(name)
        for tag, weights in entry.weights.items():
            if catalog.task(entry, weights.size) != task:
                continue
            metrics = catalog.metrics(entry, tag)
            shown = catalog.measured(metrics)
            if not shown or (data and metrics["data"] not in data):
                continue
            if not recipes.load(weights.recipe).data.mixed:
                minutes = metrics.get("training_seconds", 0) / 60
                column = f"{metrics['data']} {metrics['split']}"
                cells.setdefault((name, column), []).append(f"{shown}, {minutes:.0f} min")
    names = list(dict.fromkeys(name for name, _ in cells))
    columns = list(dict.fromkeys(column for _, column in cells))
    rows = [
        [f"`{name}`", *("; ".join(cells.get((name, column), [])) for column in columns)]
        for name in names
    ]
    return [["", *columns], *rows]


def trained(folder: Path) -> list[list[str]]:
    """Return rows of cells: the results of runs without kept weights, by recipe."""
    rows = [["recipe", "parameters", "measured", "on", "training"]]
    for path in sorted(folder.glob("*/metrics.json")):
        metrics = json.loads(path.read_text(encoding="utf-8"))
        rows.append(
            [
                f"`{path.parent.name}`",
                f"{metrics['parameters']:,}",
                _measured(metrics),
                f"{metrics['data']} {metrics['split']}",
                f"{metrics['training_seconds'] / 60:.0f} min",
            ]
        )
    return rows


# Tables from the code


def code(name: str) -> list[list[str]]:
    """Return rows of cells: one of the tables of choices, see `TABLES`."""
    header, table, cells, key = TABLES[name]
    rows = [header, *([f"`{choice}`", *cells(row)] for choice, row in table.items())]
    if not key:
        return rows
    papers: dict[str, dict[str, None]] = {}
    for recipe in map(recipes.load, recipes.names()):
        papers.setdefault(f"`{getattr(getattr(recipe, key[0]), key[1])}`", {})[recipe.paper] = None
    used = ["in recipes of", *(", ".join(papers.get(row[0], "")) for row in rows[1:])]
    return [[*row, cell] for row, cell in zip(rows, used, strict=True)]


def keys() -> list[list[str]]:
    """Return rows of cells: every key of a recipe's tables with the comment at its field."""
    rows, table, comments = [["key", "default", "what it is"]], "", ""
    for line in Path(settings.__file__).read_text(encoding="utf-8").splitlines():
        if match := re.match(r"class (\w+)\(", line):
            table = match[1]
        field = re.fullmatch(r"    (\w+): .*?(?:  # (.*))?", line)
        if field and field[1] in getattr(settings, table).model_fields:
            info = getattr(settings, table).model_fields[field[1]]
            default = "" if info.is_required() else f"`{json.dumps(info.default)}`"
            key = f"`{table.lower().replace('also', 'data')}.{field[1]}`"  # Data has Also's keys
            rows.append([key, default.replace("`null`", "none"), field[2] or comments])
        comment = re.fullmatch(r"    # (.*)", line)
        comments = f"{comments} {comment[1]}".strip() if comment else ""
    return rows


def _code(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


# By name: header, table of choices, a row's cells after its name, the key of recipes that chooses.
TABLES: dict[str, tuple[list[str], Mapping[str, Any], Callable[[Any], list[str]], Any]] = {
    "schedules": (
        ["`schedule.name`", "the rate", "needs"],
        SCHEDULES, lambda row: [row.about, _code(row.needs)], ("schedule", "name"),
    ),
    "optimizers": (
        ["`optimizer.name`", "what it is", "keys of its own"],
        OPTIMIZERS, lambda row: [row.about, _code(row.keys)], ("optimizer", "name"),
    ),
    "augmentations": (
        ["in `data.augment`", "what it does"], AUGMENTATIONS, lambda row: [row.about], None,
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
    """Return a page with its tables filled in."""

    def rows(match: re.Match) -> list[list[str]]:
        if match["task"]:
            return comparison(match["task"], (match["data"] or "").split())
        if match["name"] == "trained":
            return trained(page.parents[1] / "benchmarks" / "trained")
        if match["name"] == "keys":
            return keys()
        if match["name"] in TABLES:
            return code(match["name"])
        if match["name"]:
            hint = did_you_mean(match["name"], ["trained", "keys", *TABLES])
            raise DataError(f"{page} names a table '{match['name']}'", hint)
        source = page.parent / match["file"]
        if not source.is_file():
            raise DataError(f"{page} names a table that is not there", f"write {source} first")
        return list(csv.reader(source.read_text(encoding="utf-8").splitlines()))

    def filled(match: re.Match) -> str:
        header, *others = rows(match)
        lines = [header, ["---"] * len(header), *others]
        shown = "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
        return f"{match['begin']}\n{shown}\n{TABLE_END}"

    return TABLE.sub(filled, page.read_text(encoding="utf-8"))


def _measured(metrics: dict[str, Any]) -> str:
    """Return the main metric, a translation's chrF beside BLEU, results on further test sets."""
    shown = catalog.measured(metrics) or "not measured"
    more = [
        row.shown(metrics[key]) for key, row in METRICS.items() if row.tabled and key in metrics
    ]
    main = metrics.get("metric", "")
    further = [
        f"{METRICS[main].shown(row[main])} on {row['data']} {row['split']}"
        for row in metrics.get("also", [])
    ]
    return "; ".join([", ".join([shown, *more]), *further])


def _reported(entry: catalog.Entry, metrics: dict[str, Any]) -> str:
    """Return the paper's number on data that these weights were measured on, or else its first.

    Of several on the same data the last counts, that of the largest model.
    """
    results = entry.paper.results
    if not results:
        return ""
    tested = [metrics.get("data", ""), *(row["data"] for row in metrics.get("also", []))]
    named = {_letters(name) for name in tested}
    same = [result for result in results if _letters(result.data) in named]
    best = same[-1] if same else results[0]
    size = f" ({best.size})" if len(same) > 1 else ""
    return f"{best.metric} {best.value}{size} on {best.data}"


def _letters(name: str) -> str:
    """Return a data set's name as letters and figures alone: SST-2 is sst2."""
    return re.sub(r"[^a-z0-9]", "", name.lower())
