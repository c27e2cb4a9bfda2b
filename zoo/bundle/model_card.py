"""Generate a bundle's README.md and LICENSE from its recipe, its metrics and the registry."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from zoo.config import cards, catalog
from zoo.config import metrics as measures
from zoo.config.recipe import Recipe
from zoo.text import typography

# The facts of metrics.json beside metrics, in words.
FACTS = {
    "signature": "sacreBLEU signature",
    "sentences": "test sentences",
    "chrf_signature": "chrF signature",
    "weights": "weights taken",
    "training_seconds": "seconds of training",
    "training_pairs": "pairs trained on",
    "validation_pairs": "pairs held out to choose the epoch by",
    "targets_in_training": "test sentences whose target side also occurs in training",
    "texts_in_training": "test texts that also occur in training",
    "training_texts": "texts trained on",
    "validation_texts": "texts held out to choose the epoch by",
    "unknown": "share of tokens that the vocabulary lacks",
    "beam_size": "beam size",
    "length_penalty": "length penalty",
}
GENERATED = "This card is generated from recipe.toml, metrics.json and the registry."
SHOWN_ABOVE = ("metric", "value", "data", "split")


def text(
    recipe: Recipe, metrics: Mapping[str, Any], parameters: int, reference: str | None = None
) -> str:
    """Return the model card as Markdown, with the front matter that the hub reads.

    Args:
        recipe: the resolved recipe of the run.
        metrics: the content of metrics.json, {} without measurements.
        parameters: how many numbers the weights have.
        reference: loads the model; None is the model's name, or the folder that its recipe names.
    """
    entry = catalog.entry(recipe.paper)
    paper, tag, weights = entry.paper, *registered(recipe)
    reference = reference or (f"{recipe.paper}.{tag}" if tag else f"./{recipe.name}")
    about = (
        f"Task: {recipe.task}, {' to '.join(recipe.data.languages)}. A model of *{paper.title}* "
        f"({_authors(paper.authors)}, {paper.year}, {paper.url}) with {parameters:,} weights "
        f"(size `{recipe.model.size}`), made with paperzoo. {paper.introduced}"
    )
    load = f"model = zoo.load({json.dumps(reference)})"
    code = f"import zoo\n\n{load}\nmodel.predict({recipe.spec.card_example})"
    limits = weights.note if weights is not None else ""
    sections = [
        front_matter(recipe, metrics), f"# {recipe.name}", about,
        "## Use", f"```python\n{code}\n```", typography.CARD,
        "## Measured", _measured(recipe, metrics), _reported(entry),
        "## Trained", _trained(recipe),
        limits and "## Limits", limits,
        "## Licence", _licence(weights),
        "## Cite", f"```bibtex\n{cards.Card(entry, tag, {}).bibtex}\n```",
        GENERATED,
    ]  # fmt: skip
    return "\n\n".join(section for section in sections if section) + "\n"


def registered(recipe: Recipe) -> tuple[str | None, catalog.Weights | None]:
    """Return the tag and the registry's facts of this recipe's weights, if they have a name."""
    return catalog.entry(recipe.paper).made_by(recipe.name, bool(recipe.converted))


def license_text(recipe: Recipe) -> str:
    """Return the LICENSE of this recipe's weights."""
    _, weights = registered(recipe)
    lines = [f"Weights made by the recipe {recipe.name} of paperzoo.", "", _licence(weights)]
    if weights is not None and weights.license == "Apache-2.0":
        lines += ["", "The text of the licence: https://www.apache.org/licenses/LICENSE-2.0"]
    return "\n".join(lines) + "\n"


def front_matter(recipe: Recipe, metrics: Mapping[str, Any]) -> str:
    """Return the YAML between two lines --- at the head of a card, by the hub's rules for metadata.

    Each value is one line of JSON, which is YAML too.
    """
    _, weights = registered(recipe)
    license = weights.license.lower() if weights else "other"
    facts: dict[str, Any] = {"library_name": "keras", "license": license}
    if license.startswith("other"):
        # Our own id, and the file of the repository that explains it.
        name = license.partition(",")[2].strip() or "unknown"
        facts |= {"license": "other", "license_name": re.sub(r"[^a-z0-9.]+", "-", name)}
        facts["license_link"] = "LICENSE"
    facts["language"] = weights.languages if weights else recipe.data.languages
    facts["tags"] = ["paperzoo", recipe.paper]
    facts["pipeline_tag"] = recipe.spec.pipeline
    datasets = (recipe.data.hub, *(corpus.hub for corpus in recipe.data.also))
    if any(datasets):
        facts["datasets"] = [name for name in datasets if name]
    if "metric" in metrics:
        facts["metrics"] = [metrics["metric"]]
    if "value" in metrics:
        facts["model-index"] = [{"name": recipe.name, "results": [_result(recipe, metrics)]}]
    plain = ("library_name", "license", "license_link", "pipeline_tag")
    lines = [
        f"{key}: {value if key in plain else json.dumps(value, ensure_ascii=False)}"
        for key, value in facts.items()
    ]
    return "\n".join(["---", *lines, "---"])


def _result(recipe: Recipe, metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Return the measurements as one result of the hub's model-index."""
    indexed = [name for name, row in measures.METRICS.items() if row.indexed and name in metrics]
    values = {metrics["metric"]: metrics["value"]} | {name: metrics[name] for name in indexed}
    return {
        "task": {"type": recipe.spec.pipeline, "name": recipe.task},
        "dataset": {
            "type": recipe.data.hub or recipe.data.corpus,
            "name": metrics.get("data", recipe.data.corpus),
            "split": metrics.get("split", recipe.evaluate.split),
        },
        "metrics": [
            {"type": name, "value": value, "name": measures.spec(name).label}
            for name, value in values.items()
        ],
    }


def _measured(recipe: Recipe, metrics: Mapping[str, Any]) -> str:
    """Return a sentence with the main number, and a list of all others."""
    if not metrics:
        return "Nothing has been measured yet."
    lines = []
    if main := catalog.measured(dict(metrics)):
        data = metrics.get("data", recipe.data.corpus)
        split = metrics.get("split", recipe.evaluate.split)
        lines += [f"**{main}** on {data}, split `{split}`.", ""]
    for row in metrics.get("also", []):
        shown = catalog.measured({"metric": metrics["metric"], "value": row[metrics["metric"]]})
        lines += [f"**{shown}** on {row['data']}, split `{row['split']}`.", ""]
    hidden = (*SHOWN_ABOVE, metrics.get("metric"))
    piece = recipe.tokenizer.spec.unit
    per = recipe.spec.loss_per or (piece if recipe.train.loss == "token" else recipe.train.loss)
    unit = "mean squared error" if recipe.regression else f"nats per {per}"
    labels = FACTS | {
        name: (row.card or row.label).format(piece=piece, loss_unit=unit)
        for name, row in measures.METRICS.items()
    }
    lines += [
        f"- {labels.get(key, key.replace('_', ' '))}: {value}"
        for key, value in _flat({key: metrics[key] for key in metrics if key != "also"})
        if key not in hidden
    ]
    return "\n".join(lines)


def _flat(table: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Return (key, shown value) of a nested table, without empty values."""
    rows: list[tuple[str, str]] = []
    for key, value in table.items():
        if isinstance(value, Mapping):
            rows += _flat(value, f"{prefix}{key} ")
        elif isinstance(value, float):
            rows.append((prefix + key, f"{value:.4g}"))
        elif isinstance(value, list):
            rows.append((prefix + key, "; ".join(map(str, value))))
        elif value not in (None, ""):
            rows.append((prefix + key, f"{value:,}" if type(value) is int else str(value)))
    return rows


def _reported(entry: catalog.Entry) -> str:
    """Return the paper's own results, for comparison."""
    if not entry.paper.results:
        return ""
    rows = [
        f"| {result.data} | {result.size or ''} | {result.metric} {result.value} |"
        for result in entry.paper.results
    ]
    return "\n".join(["The paper's own numbers:", "", "| data | size | |", "|---|---|---|", *rows])


def _trained(recipe: Recipe) -> str:
    if recipe.converted is not None:
        return (
            f"Not here: converted from a checkpoint of {recipe.converted}. recipe.toml tells how "
            "such a model could be made with paperzoo, which is not how this one was."
        )
    data, train, arguments = recipe.data, recipe.train, recipe.model.arguments
    pieces = f"{recipe.tokenizer.spec.unit}s"
    if data.source:
        what = f"{data.source} to {data.target}, pairs of at most {data.max_length} {pieces}"
        batch = f"{train.batch_sentences:,} sentence pairs" if train.batch_sentences else ""
        if train.batch_tokens is not None:
            batch = f"{train.batch_tokens:,} padded target tokens"
        loss = f"loss per {train.loss}, label smoothing {train.label_smoothing}"
    else:
        what = f"{data.language}"
        if data.max_length is not None:
            what += f", texts cut at {data.max_length} {pieces}"
        if data.limit is not None:
            what += f", {data.limit:,} texts"
        if data.labels:
            what += f", labels {', '.join(data.labels)}"
        batch = f"{train.batch_sentences:,} texts"
        loss = "loss per text"
        if train.bptt is not None:
            vary = "about " if train.vary_bptt else ""
            batch = f"{train.batch_sentences:,} rows of {vary}{train.bptt} {pieces}"
            loss = f"loss per {recipe.tokenizer.spec.unit}"
            alpha, beta = (arguments.get(name, 0.0) for name in ("ar_alpha", "tar_beta"))
            if alpha or beta:
                loss += f", alpha {alpha:g} of AR, beta {beta:g} of TAR"
    texts = f"{data.corpus} ({what})"
    for other in data.also:
        texts += f" and {other.corpus}" + (f" ({other.limit:,} texts)" if other.limit else "")
        if other.share:
            texts += " (share of the updates from {:.0%} to {:.0%})".format(*other.share)
    if data.augment:
        texts += f", augmented by {', '.join(data.augment)}"
    begun = f" It began with the weights {recipe.model.weights}." if recipe.model.weights else ""
    return (
        f"On {texts}: at most {train.updates:,} updates of {batch}, "
        f"{recipe.optimizer.name}, schedule {recipe.schedule.name}, {loss}, precision "
        f"{train.precision}, seed {recipe.seed}.{begun} {_tokenizer(recipe)} Everything else is in "
        f"recipe.toml, the training curve in history.csv; `zoo train recipe.toml` runs it again."
    )


def _tokenizer(recipe: Recipe) -> str:
    """Return a sentence about how text is split."""
    settings = recipe.tokenizer
    source, target = (f"{size:,}" for size in settings.sizes)
    many = f"{source} pieces for the source and {target} for the target"
    if settings.shared:
        many = f"{target} pieces, shared by both sides"
    return settings.spec.card.format(
        many=many, source_size=source, target_size=target, algorithm=settings.algorithm,
        normalization=settings.normalization, source=recipe.data.source, target=recipe.data.target,
    )  # fmt: skip


def _licence(weights: catalog.Weights | None) -> str:
    if weights is None:
        return (
            "Not stated. Whoever shares these weights names a licence that fits the data they "
            "were trained on."
        )
    return (
        f"Weights: {weights.license}. Training data: {weights.data_license}. "
        f"Origin: {weights.origin}."
    )


def _authors(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} et al."
