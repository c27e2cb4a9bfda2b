"""The README's results table, made from the registry and every bundle's metrics.json. No Keras."""

from __future__ import annotations

from pathlib import Path

from zoo import catalog
from zoo.errors import NotSupported

BEGIN = "<!-- results: made by `zoo docs`, do not edit -->"
END = "<!-- end of results -->"


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
                f"{entry.task} {' → '.join(weights.languages)}",
                f"{catalog.parameters(entry, tag):,}",
                " ".join(str(held[key]) for key in ("data", "split") if key in held),
                catalog.measured(held) or "not measured",
                _reported(entry),
            ]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def write(path: Path | None = None, check: bool = False) -> bool:
    """Put the table between the markers of the README; return whether that changes it.

    Args:
        path: the file; the checkout's README.md when None.
        check: only compare, write nothing.

    Raises:
        NotSupported: there is no README (in an installed package) or no markers in it.
    """
    path = path or catalog.data_root() / "README.md"
    if not path.is_file():
        raise NotSupported(f"there is no {path}", "run `zoo docs` in a checkout")
    text = path.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise NotSupported(f"{path} has no place for the table", f"put in: {BEGIN} {END}")
    made = f"{before}{BEGIN}\n{table()}\n{END}{after}"
    if made != text and not check:
        path.write_text(made, encoding="utf-8")
    return made != text


def _reported(entry: catalog.Entry) -> str:
    """Return the paper's first number; it is on other data, so it comes with the data's name."""
    if not entry.paper.results:
        return ""
    best = entry.paper.results[0]
    return f"{best.metric} {best.value} on {best.data}"
