"""Generate a bundle's README.md and LICENSE from its recipe, its metrics and the registry."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from zoo.bundle.provenance import again, began, changed, licence, merged, on_hub, trained_further
from zoo.config import cards, catalog
from zoo.config import metrics as measures
from zoo.config import recipe as recipes
from zoo.config.choices import OPTIMIZERS
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
    "changed": "changed when the run was resumed",
    "length_penalty": "length penalty",
}
GENERATED = "This card is generated from recipe.toml, metrics.json and the registry."
SHOWN_ABOVE = ("metric", "value", "data", "split")


def text(
    recipe: Recipe,
    metrics: Mapping[str, Any],
    parameters: int,
    reference: str | None = None,
    sha256: str = "",
    quantized: bool = False,
) -> str:
    """Return the model card as Markdown, with the front matter that the hub reads.

    Args:
        recipe: the resolved recipe of the run.
        metrics: the content of metrics.json, {} without measurements.
        parameters: how many numbers the weights have.
        reference: loads the model; None is the model's name, or the folder that its recipe names.
        sha256: of the weights' files; "" if these are the weights that the registry names.
        quantized: whether matrices are stored in 8 bits.
    """
    entry = catalog.entry(recipe.paper)
    paper, tag, weights = entry.paper, *registered(recipe, sha256)
    reference = reference or (f"{recipe.paper}.{tag}" if tag else f"./{recipe.name}")
    about = (
        f"Task: {recipe.task}, {' to '.join(recipe.data.languages)}. A model of *{paper.title}* "
        f"({_authors(paper.authors)}, {paper.year}, {paper.url}) with {parameters:,} weights"
        f"{', stored in 8 bits' * quantized} (size `{recipe.model.size}`), made with paperzoo. "
        f"{paper.introduced}"
    )
    load = f"model = zoo.load({json.dumps(reference)})"
    code = f"import zoo\n\n{load}\nmodel.predict({recipe.spec.card_example})"
    sections = [
        front_matter(recipe, metrics), f"# {recipe.name}", about,
        "## Use", f"```python\n{code}\n```", typography.CARD,
        "## Measured", _measured(recipe, metrics), _reported(entry),
        "## Trained", _trained(recipe),
        *(["## Limits", weights.note] if weights is not None and weights.note else []),
        "## Licence", licence(recipe, weights),
        "## Cite", f"```bibtex\n{cards.Card(entry, tag, {}).bibtex}\n```",
        GENERATED,
    ]  # fmt: skip
    return "\n\n".join(section for section in sections if section) + "\n"


def registered(recipe: Recipe, sha256: str = "") -> tuple[str | None, catalog.Weights | None]:
    """Return the tag of these weights and the registry's facts of them, if they have a name.

    Args:
        recipe: its name finds them; trained on another corpus, it is another recipe.
        sha256: of their files. If the registry's weights have another one, these are
            a second run of the recipe: the facts hold, the tag does not. "" is not compared.
    """
    entry = catalog.entry(recipe.paper)
    tag, weights = entry.made_by(recipe.name, bool(recipe.converted))
    own = recipe.data.path is not None  # a user's corpus
    if tag is None or own or (recipe.name in recipes.names() and not _same_corpora(recipe)):
        return None, None
    known = catalog.weights_hash(entry, tag)
    return None if sha256 and known not in (None, sha256) else tag, weights


def _same_corpora(recipe: Recipe) -> bool:
    """Return whether a recipe reads the corpora of the package's recipe of that name."""

    def corpora(data: Any) -> list[str]:
        return [data.corpus, *(other.corpus for other in data.also)]

    return corpora(recipe.data) == corpora(recipes.load(recipe.name).data)


def license_text(recipe: Recipe) -> str:
    """Return the LICENSE of this recipe's weights."""
    _, weights = registered(recipe)
    made = f"Weights made by the recipe {recipe.name} of paperzoo."
    if recipe.base is not None:
        made = (
            f"Weights of {recipe.name}, {recipe.base.how} with paperzoo from {began(recipe.base)}."
        )
    lines = [made, "", licence(recipe, weights)]
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
    if recipe.base is not None and (public := on_hub(recipe.base)):
        relation = "finetune" if trained_further(recipe) else "quantized"
        facts |= {"base_model": public, "base_model_relation": relation}
    datasets = (recipe.data.hub, *(corpus.hub for corpus in recipe.data.also))
    if any(datasets) and not changed(recipe):
        facts["datasets"] = [name for name in datasets if name]
    if "metric" in metrics:
        facts["metrics"] = [metrics["metric"]]
    if "value" in metrics:
        facts["model-index"] = [{"name": recipe.name, "results": [_result(recipe, metrics)]}]
    plain = ("library_name", "license", "license_link", "pipeline_tag", "base_model_relation")
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
            "type": recipe.data.hub or recipe.data.shown,
            "name": metrics.get("data", recipe.data.shown),
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
        if recipe.base is not None:
            return (
                "These weights were not measured: what was measured of "
                f"{began(recipe.base)} does not hold for them."
            )
        return "Nothing has been measured yet."
    lines = []
    if main := catalog.measured(dict(metrics)):
        data = metrics.get("data", recipe.data.shown)
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
        name: (row.card or row.label).format(
            piece=recipe.spec.perplexity_per or piece, loss_unit=unit
        )
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
    if changed(recipe):
        return (
            f"By no recipe: this model began with {began(recipe.base)} and was changed afterwards, "
            f"in a user's own loop or by hand; on which data is not stated.{merged(recipe)} "
            "recipe.toml tells how the weights before it were made, with the same network and "
            f"tokenizer. {_tokenizer(recipe)}"
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
    texts = f"{data.shown} ({what})"
    for other in data.also:
        texts += f" and {other.shown}" + (f" ({other.limit:,} texts)" if other.limit else "")
        if other.share:
            texts += " (share of the updates from {:.0%} to {:.0%})".format(*other.share)
    if data.augment:
        texts += f", augmented by {', '.join(data.augment)}"
    begun = f" It began with the weights {recipe.model.weights}." if recipe.model.weights else ""
    if recipe.base is not None:
        begun = f" It began with {began(recipe.base)}.{merged(recipe)}"
        if not trained_further(recipe):
            begun = f" It is {began(recipe.base)}, rounded to a type of fewer bits."
    how = (
        f"at most {train.updates:,} updates of {batch}, {recipe.optimizer.name}, schedule "
        f"{recipe.schedule.name}, {loss}, precision {train.precision}"
    )
    if OPTIMIZERS[recipe.optimizer.name].trainer:
        how = f"{recipe.optimizer.name} of one pass, without a gradient"
    return (
        f"On {texts}: {how}, seed {recipe.seed}.{begun} {_tokenizer(recipe)} Everything else is in "
        f"recipe.toml, the training curve in history.csv; {again(recipe)}."
    )


def summary(recipe: Recipe, metrics: Mapping[str, Any]) -> str:
    """Return lines about a model without a name in the registry: base, data, measurement."""
    lines = [f"this model: {recipe.name}"]
    if recipe.base is not None:
        lines += [f"{recipe.base.how}{merged(recipe).rstrip('.')}: {began(recipe.base)}"]
    data = "not stated" if changed(recipe) else recipe.data.corpus
    lines += [f"trained on: {data}", catalog.measured(dict(metrics)) or "not measured"]
    return "\n  ".join(lines)


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
        case="in lower case" if settings.lowercase else "capitals kept",
    )  # fmt: skip


def _authors(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} et al."
