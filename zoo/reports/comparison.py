"""Compare the trained variants of an experiment: measurements, a table, a picture."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo import files
from zoo.config.metrics import METRICS, derived

if TYPE_CHECKING:
    from zoo.pretrained import Pretrained
    from zoo.reports.claims import Experiment

LABELS = {name: row.column for name, row in METRICS.items()}
# Means over target pieces, which only models with the same pieces share.
PER_PIECE = [name for name, row in METRICS.items() if row.per_piece]


# A test split that takes longer is read once for "words a second", compiling included.
MOST_SECONDS = 30.0


@dataclass(frozen=True)
class Result:
    """A variant's metrics by name, and how long it was trained."""

    variant: str
    changes: str
    metrics: dict[str, float]
    updates: int
    seconds: int
    facts: dict[str, int] = field(default_factory=dict)


def write(
    experiment: Experiment,
    models: Mapping[str, Pretrained],
    out: Path,
    warnings: Sequence[str] = (),
) -> Path:
    """Write results.csv, results.md and the picture of the trained variants; return the folder.

    Args:
        models: the variants that are runs or weights, by name.
        out: the folder of the results and of the runs, whose data is read if it is still there.
        warnings: put at the head of results.md.
    """
    results, notes = measure(experiment, models, out)
    draw(experiment, results, models, out / f"{experiment.name}.png")
    rows = [
        {"variant": result.variant, "changes": result.changes}
        | result.metrics
        | {"updates": result.updates, "seconds": result.seconds}
        | result.facts
        for result in results
    ]
    files.write_csv(out / "results.csv", rows)
    with files.replacing(out / "results.md") as aside:
        text = report(experiment, results, notes, warnings)
        aside.write_text(text, encoding="utf-8", newline="\n")
    return out


def measure(
    experiment: Experiment, models: Mapping[str, Pretrained], out: Path
) -> tuple[list[Result], list[str]]:
    """Measure each variant on its test split; return the results, and notes for their reader.

    Means over pieces are left out, with a note, if the variants split targets differently.
    """
    if not next(iter(models.values())).recipe.spec.measured_again:
        return _each_alone(experiment, models)
    kept, notes = list(experiment.metrics), []
    prepared = {name: out / f"{name}.run" / "data" for name in models}
    data = {name: path if path.is_dir() else None for name, path in prepared.items()}
    first, *others = (model.examples(data[name])[1] for name, model in models.items())
    if any(examples != first for examples in others):
        notes.append("The variants were measured on different sentences.")
    references = [targets[0] for _, targets in first]
    pieces = [_pieces(model, references) for model in models.values()]
    if any(other != pieces[0] for other in pieces):
        kept = [metric for metric in kept if metric not in PER_PIECE]
        dropped = " and ".join(LABELS[name] for name in experiment.metrics if name not in kept)
        if dropped:
            notes.append(f"No {dropped}: the variants cut targets into different pieces.")
    likelihood = any(metric in PER_PIECE for metric in kept)
    results, setups = [], {}
    for name, variant in experiment.variants.items():
        owner = variant.of[0] if variant.of else name
        model = models[owner]
        measured = model.evaluate(data[owner], likelihood=likelihood, **variant.evaluate)
        results.append(_result(experiment, name, [model], {key: measured[key] for key in kept}))
        setups[name] = (
            f"{model.recipe.name}, seed {model.recipe.seed}; trained on "
            f"{model.metrics['backend']}, {model.metrics['hardware']}; measured on "
            f"{measured['data']} {measured['split']}, beam {measured['beam_size']}, "
            f"sacreBLEU {measured['signature']}."
        )
    for setup in dict.fromkeys(setups.values()):
        shared = ", ".join(name for name in setups if setups[name] == setup)
        notes.append(f"{shared}: {setup}")
    notes += [
        f"{LABELS[metric].capitalize()} is per target piece, the end included, of the first "
        "references; all variants have the same pieces."
        for metric in kept
        if metric in PER_PIECE
    ]
    return results, notes


def _each_alone(
    experiment: Experiment, models: Mapping[str, Pretrained]
) -> tuple[list[Result], list[str]]:
    """Return each variant's measurements on its test split, and how they were made.

    Those of a run are its own, from its end.
    """
    results, notes = [], []
    for name, variant in experiment.variants.items():
        parts = [models[part] for part in variant.of or [name]]
        facts = dict(parts[0].metrics)
        made = f"Seed {parts[0].recipe.seed}; trained on {facts['backend']}, {facts['hardware']}"
        measurable: Any = parts[0]
        if len(parts) > 1:
            from zoo.interpolation import Mixture

            measurable = Mixture(parts)
            shares = " + ".join(
                f"{share:.3f} {part}"
                for share, part in zip(measurable.weights, variant.of, strict=True)
            )
            made = f"{name}: {shares}, learned on the validation split"
        if variant.of or variant.evaluate:
            facts |= measurable.evaluate(**variant.evaluate)
        facts = {**facts, **derived(facts)}
        metrics = {metric: facts[metric] for metric in experiment.metrics}
        own = _facts(experiment, measurable, parts)
        results.append(_result(experiment, name, parts, metrics, own))
        size = next(f"{facts[unit]:,} {unit}" for unit in ("texts", "words") if unit in facts)
        notes.append(f"{made}; measured on {size} of {facts['data']} {facts['split']}.")
    return results, list(dict.fromkeys(notes))


def _facts(experiment: Experiment, measurable: Any, parts: Sequence[Pretrained]) -> dict[str, int]:
    """Return the columns that an experiment asks for beside its metrics."""
    facts = {}
    if "parameters" in experiment.facts:
        facts["parameters"] = sum(part.model.parameter_count for part in parts)
    if "words a second" in experiment.facts:
        begin = time.perf_counter()  # what a run measured is compiled only now
        measured = measurable.evaluate()
        between = time.perf_counter()
        if between - begin < MOST_SECONDS:
            begin, measured = between, measurable.evaluate()
        facts["words a second"] = round(measured["words"] / (time.perf_counter() - begin))
    return facts


def _result(
    experiment: Experiment,
    name: str,
    parts: Sequence[Pretrained],
    metrics: Mapping[str, float],
    facts: Mapping[str, int] | None = None,
) -> Result:
    rounded = {metric: round(value, 4) for metric, value in metrics.items()}
    updates = sum(int(part.history[-1]["step"]) for part in parts)
    seconds = sum(int(part.metrics["training_seconds"]) for part in parts)
    return Result(
        name, _assignments(experiment, name), rounded, updates, seconds, dict(facts or {})
    )


def _pieces(model: Pretrained, texts: Sequence[str]) -> tuple[int, list[list[int]]]:
    """Return the size of the model's target vocabulary, and its ids of the texts."""
    tokenizer = model.target_tokenizer
    return tokenizer.size, [tokenizer.encode(text) for text in texts]


def report(
    experiment: Experiment,
    results: Sequence[Result],
    notes: Sequence[str],
    warnings: Sequence[str] = (),
) -> str:
    """Return the results in Markdown: claim, warnings, the table with the paper's own, notes."""
    metrics = list(results[0].metrics)
    reported = {name: variant.reported for name, variant in experiment.variants.items()}
    own = [name for name in experiment.metrics if any(name in x for x in reported.values())]
    facts = list(results[0].facts)
    head = ["variant", "changes", *(LABELS[metric] for metric in metrics), "updates", "seconds"]
    head += facts
    rows = [[*head, *(f"paper's {LABELS[metric]}" for metric in own)]]
    rows.append(["---", "---", *["---:"] * (len(rows[0]) - 2)])
    rows += [
        [
            result.variant,
            f"`{result.changes}`" if result.changes else "none",
            *(
                f"{value:.{max(2, METRICS[metric].digits)}f}"
                for metric, value in result.metrics.items()
            ),
            f"{result.updates:,}",
            f"{result.seconds:,}",
            *(f"{result.facts[fact]:,}" for fact in facts),
            *(str(reported[result.variant].get(metric, "")) for metric in own),
        ]
        for result in results
    ]
    lines = list(_orders(experiment, results))
    if own:
        lines.append(
            f"The paper's numbers: {experiment.reported_on}. The data differ: compare differences."
        )
    blocks = [
        f"# {experiment.name}: {experiment.paper}",
        experiment.claim,
        *warnings,
        "\n".join(f"| {' | '.join(row)} |" for row in rows),
        "\n".join(f"- {line}" for line in [*lines, *notes]),
    ]
    return "\n\n".join(blocks) + "\n"


def draw(
    experiment: Experiment,
    results: Sequence[Result],
    models: Mapping[str, Pretrained],
    out: Path,
) -> Path:
    """Draw the results and return the picture's path.

    With an axis, the first metric is drawn over it in a line for each series. Without one, the
    picture holds the validation losses, and each metric beside the paper's own.
    """
    title = f"{experiment.name} ({experiment.paper})"
    if experiment.axis is not None:
        from zoo.reports import series

        metric = experiment.metrics[0]
        lines: dict[str, list[tuple[float, float]]] = {}
        names: dict[tuple[float, float], str] = {}
        for result in results:
            variant = experiment.variants[result.variant]
            parts = [models[part].recipe for part in variant.of or [result.variant]]
            x = max(map(experiment.axis.place, parts))
            point = (x, result.metrics[metric])
            lines.setdefault(variant.series or result.variant, []).append(point)
            if experiment.axis.names:
                names[point] = result.variant
        return series.draw(
            lines, out, across=experiment.axis.label, up=LABELS[metric], title=title,
            scale=experiment.axis.scale, names=names, digits=METRICS[metric].digits,
        )  # fmt: skip
    from zoo.reports import figures

    if experiment.reported_on:
        title += f"; pale: the paper's own, {experiment.reported_on}"
    order = [result.variant for result in results]
    bars = {
        LABELS[metric]: dict(zip(order, _pairs(experiment, results, metric), strict=True))
        for metric in results[0].metrics
    }
    histories = {name: models[name].history for name in experiment.runs}
    return figures.comparison(histories, bars, out, title)


def _pairs(
    experiment: Experiment, results: Sequence[Result], metric: str
) -> list[tuple[float, float | None]]:
    """Return each variant's measured and reported number, None for a missing report."""
    return [
        (result.metrics[metric], experiment.variants[result.variant].reported.get(metric))
        for result in results
    ]


def _orders(experiment: Experiment, results: Sequence[Result]) -> list[str]:
    """Say of each reported metric whether it ranks the variants as the paper does."""
    lines = []
    for metric in results[0].metrics:
        pairs = _pairs(experiment, results, metric)
        both = [(ours, paper) for ours, paper in pairs if paper is not None]
        if len(both) < 2:
            continue
        same = all(
            (ours - other) * (paper - reported) > 0 or paper == reported
            for i, (ours, paper) in enumerate(both)
            for other, reported in both[:i]
        )
        verb = "come" if same else "do not come"
        lines.append(f"By {LABELS[metric]} the variants {verb} in the paper's order.")
    return lines


def _assignments(experiment: Experiment, name: str) -> str:
    """Return a variant's changes as `--set` takes them, without those that all variants share."""

    def shown(value: Any) -> str:
        if value in (None, ""):
            return "none"
        return value if isinstance(value, str) else json.dumps(value)

    variant = experiment.variants[name]
    if not variant.is_run:
        told = [f"{key}={shown(value)}" for key, value in variant.evaluate.items()]
        return " ".join([variant.weights or " + ".join(variant.of), *told])
    everyone = [variant.changes for variant in experiment.variants.values() if variant.is_run]
    source = f"{variant.recipe} " if variant.recipe else ""
    return source + " ".join(
        f"{key}={shown(value)}"
        for key, value in variant.changes.items()
        if not all(key in changes and changes[key] == value for changes in everyone)
    )
