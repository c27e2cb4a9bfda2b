"""The facts of a paper and its weights as readable text. Imports no Keras."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from zoo.config import catalog
from zoo.config.entries import Entry, Result, Weights
from zoo.errors import UnknownName

# What BibTeX calls the venue, by kind of entry.
VENUES = {"inproceedings": "booktitle", "article": "journal", "misc": "howpublished"}


@dataclass(frozen=True)
class Card:
    """The facts of one paper and its weights; `str(card)` is readable text.

    `metrics` holds metrics.json of every installed set of weights, by tag; `own` describes a model
    that is none of these.
    """

    entry: Entry
    tag: str | None
    metrics: dict[str, dict[str, Any]]
    own: str = ""

    @property
    def bibtex(self) -> str:
        """The paper's citation."""
        paper = self.entry.paper
        fields = {
            "title": f"{{{paper.title}}}",
            "author": " and ".join(paper.authors),
            VENUES[paper.kind]: paper.venue,
            "year": str(paper.year),
            "url": paper.url,
        }
        body = "".join(f"  {name:<12} = {{{value}}},\n" for name, value in fields.items())
        return f"@{paper.kind}{{{self.entry.name},\n{body}}}"

    def __str__(self) -> str:
        entry, paper = self.entry, self.entry.paper
        wide = max(12, *map(len, entry.sizes))
        lines = [
            *([self.own] if self.own else []),
            f"{entry.name}: {paper.title}",
            f"  {', '.join(paper.authors)}; {paper.venue} {paper.year}; {paper.url}",
            f"  {paper.introduced}",
            f"task: {entry.task}",
            "reported by the paper:",
            *(f"  {_result(result)}" for result in paper.results),
            "sizes:",
            *(
                f"  {name:<{wide}} {size.params:>13,} parameters"
                + (f", to {size.task}" if size.task else "")
                for name, size in entry.sizes.items()
            ),
            "weights:" if entry.weights else "weights: none",
        ]
        for tag, weights in entry.weights.items():
            by = "" if weights.is_converted else f", recipe {weights.recipe}"
            default = " (default)" if tag == entry.default else ""
            lines += [
                f"  {entry.name}.{tag}{default}: {weights.size}, {' -> '.join(weights.languages)}",
                f"    {catalog.measured(self.metrics.get(tag, {})) or _where(weights)}",
                f"    license {weights.license}; data {weights.data_license}",
                f"    {weights.origin}{by}",
            ]
            if weights.note:
                lines.append(f"    {weights.note}")
        for pattern, weights in entry.patterns.items():
            lines.append(f"  {entry.name}.{pattern}: whatever is {weights.hub} on the hub")
        return "\n".join([*lines, "cite:", self.bibtex])


def card(reference: str) -> Card:
    """Return the card of "name" or "name.tag".

    Raises:
        UnknownName: an unknown paper or unknown weights, or a folder.
    """
    if catalog.is_path(reference):
        raise UnknownName(
            f"{reference} is a folder, and cards are found by name",
            "zoo.load(FOLDER).card is the card of a folder",
        )
    if "." in reference:
        entry, tag = catalog.split_reference(reference)
    else:
        entry = catalog.entry(reference)
        tag = entry.default or ""
    return Card(entry, tag or None, {name: catalog.metrics(entry, name) for name in entry.weights})


def _where(weights: Weights) -> str:
    """Return the place of weights without metrics in this installation."""
    if weights.hub is None:
        return "not in this installation"
    hashed = "pinned by the hashes of its files" if weights.sha256 else "not pinned"
    pinned = f"commit {weights.revision}" if weights.revision else hashed
    return f"on the hub: {weights.hub}, {pinned}; not measured here"


def _result(result: Result) -> str:
    size_name = f" ({result.size})" if result.size else ""
    return f"{result.data}{size_name}: {result.metric} {result.value}"
