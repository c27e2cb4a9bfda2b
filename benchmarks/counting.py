"""Seconds that counting and smoothing the n-grams of the Penn Treebank take.

    python -m benchmarks.counting [--times 5] [--smoke]

The data of recipes/bigram-ptb.toml, 929,589 words, read before the clock starts: counts of all
orders to five, modified Kneser-Ney smoothing, and the table as the model's weights. The aim is 10 s
on 2 CPU cores. There is no peer: PyPI's kenlm reads models and makes none.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from pathlib import Path

from benchmarks import results
from zoo.config import recipe
from zoo.training import run
from zoo.training.counting import CountTrainer
from zoo.training.prepare import Prepared, prepare


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--smoke", action="store_true", help="seconds long; writes nothing")
    asked = parser.parse_args()
    made = recipe.load("bigram-ptb")
    made = made.smoke() if asked.smoke else made
    with tempfile.TemporaryDirectory() as folder:
        data = prepare(made, Path(folder) / "prepared")
        counted = [count(data) for _ in range(asked.times)]
    seconds = [trainer.seconds for trainer in counted]
    row: dict[str, object] = {
        "words": f"{counted[0].texts.counted:,}",
        "n-grams": f"{sum(map(len, counted[0].table().orders)):,}",
        "seconds": f"{statistics.median(seconds):.2f}",
        "longest": f"{max(seconds):.2f}",
    }
    note = f"`{made.name}`, modified Kneser-Ney; median and longest of {asked.times} in a row."
    results.report("Counting: bigram, 5-grams of the Penn Treebank", [row], note, asked.smoke)


def count(data: Prepared) -> CountTrainer:
    """Return a trainer that has counted and smoothed; its `seconds` are what that took."""
    model = run.build(data.recipe)
    return CountTrainer(model, data.recipe, data.train, data.valid, data.target_tokenizer)


if __name__ == "__main__":
    main()
