"""Trained variants of an experiment: measured alike, as a table, as a picture."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo import files
from zoo.config.metrics import METRICS

if TYPE_CHECKING:
    from zoo.pretrained import Pretrained
    from zoo.reports.experiments import Experiment

LABELS = {name: row.column for name, row in METRICS.items()}
# These are means over target pieces: with other pieces they are other numbers.
PER_PIECE = [name for name, row in METRICS.items() if row.per_piece]


@dataclass(frozen=True)
class Result:
    """What one variant came to: its metrics by name, how long it was trained."""

    variant: str
    changes: str
    metrics: dict[str, float]
    updates: int
    seconds: int


def write(
    experiment: Experiment,
    models: Mapping[str, Pretrained],
    out: Path,
    warnings: Sequence[str] = (),
) -> Path:
    """Write results.csv, results.md and the picture of the trained variants; return the folder.

    Args:
        models: the variants by name.
        out: the folder of the results and of the runs, whose data is read where it is still there.
        warnings: what the reader of results.md should know first.
    """
    results, notes = measure(experiment, models, out)
    picture = out / f"{experiment.name}.png"
    if experiment.axis is None:
        histories = {name: model.history for name, model in models.items()}
        draw(experiment, results, histories, picture)
    else:
        draw_along(experiment, results, models, picture)
    rows = [
        {"variant": each.variant, "changes": each.changes}
        | each.metrics
        | {"updates": each.updates, "seconds": each.seconds}
        for each in results
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

    What is a mean over pieces is left out, with a note, if the variants cut targets differently.
    """
    if not next(iter(models.values())).recipe.spec.measured_again:
        return _as_measured(experiment, models)
    kept, notes = list(experiment.metrics), []
    prepared = {name: out / f"{name}.run" / "data" for name in models}
    data = {name: path if path.is_dir() else None for name, path in prepared.items()}
    examples = {name: model.examples(data[name])[1] for name, model in models.items()}
    first, *others = examples.values()
    if any(each != first for each in others):
        notes.append("The variants were measured on different sentences.")
    references = [targets[0] for _, targets in first]
    cut, *cuts = (_pieces(model, references) for model in models.values())
    if any(each != cut for each in cuts):
        kept = [metric for metric in kept if metric not in PER_PIECE]
        dropped = " and ".join(LABELS[each] for each in experiment.metrics if each not in kept)
        if dropped:
            notes.append(f"No {dropped}: the variants cut targets into different pieces.")
    likelihood = any(metric in PER_PIECE for metric in kept)
    results, setups = [], {}
    for name, model in models.items():
        measured = model.evaluate(data[name], likelihood=likelihood)
        results.append(
            Result(
                name,
                _assignments(experiment, name),
                {metric: round(measured[metric], 4) for metric in kept},
                int(model.history[-1]["step"]),
                int(model.metrics["training_seconds"]),
            )
        )
        setups[name] = (
            f"{model.recipe.name}, seed {model.recipe.seed}; trained on "
            f"{model.metrics['backend']}, {model.metrics['hardware']}; measured on "
            f"{measured['data']} {measured['split']}, beam {measured['beam_size']}, "
            f"sacreBLEU {measured['signature']}."
        )
    for setup in dict.fromkeys(setups.values()):
        of = [name for name in setups if setups[name] == setup]
        notes.append(f"{', '.join(of)}: {setup}")
    notes += [
        f"{LABELS[metric].capitalize()} is per target piece, the end included, of the first "
        "references; all variants have the same pieces."
        for metric in kept
        if metric in PER_PIECE
    ]
    return results, notes


def _as_measured(
    experiment: Experiment, models: Mapping[str, Pretrained]
) -> tuple[list[Result], list[str]]:
    """Return what each run measured at its end, on its test split, and how."""
    results, notes = [], []
    for name, model in models.items():
        held = model.metrics
        found = {**held, "error": 100.0 - held["accuracy"]} if "accuracy" in held else held
        results.append(
            Result(
                name,
                _assignments(experiment, name),
                {metric: round(found[metric], 4) for metric in experiment.metrics},
                int(model.history[-1]["step"]),
                int(held["training_seconds"]),
            )
        )
        size = next(f"{held[unit]:,} {unit}" for unit in ("texts", "words") if unit in held)
        notes.append(
            f"Seed {model.recipe.seed}; trained on {held['backend']}, {held['hardware']}; measured "
            f"on {size} of {held['data']} {held['split']}."
        )
    return results, list(dict.fromkeys(notes))


def draw_along(
    experiment: Experiment,
    results: Sequence[Result],
    models: Mapping[str, Pretrained],
    out: Path,
) -> Path:
    """Draw the first metric over the axis, a line for each series."""
    from zoo.reports import series

    assert experiment.axis is not None
    metric = experiment.metrics[0]
    lines: dict[str, list[tuple[float, float]]] = {}
    for each in results:
        x = experiment.axis.place(models[each.variant].recipe)
        name = experiment.variants[each.variant].series or each.variant
        lines.setdefault(name, []).append((x, each.metrics[metric]))
    title = f"{experiment.name} ({experiment.paper})"
    return series.draw(lines, out, across=experiment.axis.label, up=LABELS[metric], title=title)


def _pieces(model: Pretrained, texts: Sequence[str]) -> tuple[int, list[list[int]]]:
    """Return how many pieces the model chooses among, and how it cuts targets into them."""
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
    reported = {name: each.reported for name, each in experiment.variants.items()}
    own = [metric for metric in experiment.metrics if any(metric in v for v in reported.values())]
    head = ["variant", "changes", *(LABELS[metric] for metric in metrics), "updates", "seconds"]
    rows = [[*head, *(f"paper's {LABELS[metric]}" for metric in own)]]
    rows.append(["---", "---", *["---:"] * (len(rows[0]) - 2)])
    for each in results:
        numbers = reported[each.variant]
        rows.append(
            [
                each.variant,
                f"`{each.changes}`" if each.changes else "none",
                *(f"{value:.2f}" for value in each.metrics.values()),
                f"{each.updates:,}",
                f"{each.seconds:,}",
                *(str(numbers.get(metric, "")) for metric in own),
            ]
        )
    lines = list(_orders(experiment, results))
    if own:
        lines.append(
            f"The paper's numbers: {experiment.reported_on}. The data differ: compare differences."
        )
    return "\n".join(
        [
            f"# {experiment.name}: {experiment.paper}",
            "",
            experiment.claim,
            "",
            *(line for warning in warnings for line in (warning, "")),
            *(f"| {' | '.join(row)} |" for row in rows),
            "",
            *(f"- {line}" for line in [*lines, *notes]),
            "",
        ]
    )


def draw(
    experiment: Experiment,
    results: Sequence[Result],
    histories: Mapping[str, Sequence[Mapping[str, Any]]],
    out: Path,
) -> Path:
    """Draw the validation losses of the variants and each metric beside the paper's own."""
    from zoo.reports import figures

    bars = {
        LABELS[metric]: {
            each.variant: (
                each.metrics[metric], experiment.variants[each.variant].reported.get(metric)
            )
            for each in results
        }
        for metric in results[0].metrics
    }  # fmt: skip
    title = f"{experiment.name} ({experiment.paper})"
    if experiment.reported_on:
        title += f"; pale: the paper's own, {experiment.reported_on}"
    return figures.comparison(histories, bars, out, title)


def _orders(experiment: Experiment, results: Sequence[Result]) -> list[str]:
    """Say of each metric that the paper reports whether the variants come in the paper's order."""
    found = []
    for metric in results[0].metrics:
        pairs = [
            (each.metrics[metric], experiment.variants[each.variant].reported.get(metric))
            for each in results
        ]
        known = [(here, paper) for here, paper in pairs if paper is not None]
        if len(known) < 2:
            continue
        same = all(
            (here - other) * (paper - reported) > 0 or paper == reported
            for i, (here, paper) in enumerate(known)
            for other, reported in known[:i]
        )
        verb = "come" if same else "do not come"
        found.append(f"By {LABELS[metric]} the variants {verb} in the paper's order.")
    return found


def _assignments(experiment: Experiment, name: str) -> str:
    """Return a variant's changes as `--set` takes them, those that all variants share left out."""
    everyone = [each.changes for each in experiment.variants.values()]
    own = {
        key: value
        for key, value in experiment.variants[name].changes.items()
        if not all(key in each and each[key] == value for each in everyone)
    }
    values = {
        key: "none"
        if value in (None, "")
        else value
        if isinstance(value, str)
        else json.dumps(value)
        for key, value in own.items()
    }
    return " ".join(f"{key}={value}" for key, value in values.items())
