"""Test error of a linear model of words on the texts of an experiment with labels.

    python -m benchmarks.linear [--experiment labels] [--smoke]

What any classifier should be compared with: logistic regression on tf-idf of words, by
scikit-learn, on the very texts that the experiment's variants learn from, measured on the same
ones. Needs the recipe's corpus and `pip install -e ".[parity]"`. Writes
docs/results/EXPERIMENT-linear.csv.
"""

from __future__ import annotations

import argparse
from typing import Any

from benchmarks import common
from zoo import files
from zoo.config.recipe import Recipe
from zoo.config.tasks import task_class
from zoo.reports import experiments

REGULARISATION = 10.0  # scikit-learn's C


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--experiment", default="labels")
    parser.add_argument("--smoke", action="store_true", help="seconds long; writes nothing")
    asked = parser.parse_args()
    made = experiments.load(asked.experiment).recipes(smoke=asked.smoke)
    by_limit = {each.data.limit: each for each in made.values()}
    rows = [
        {"labels": limit, "error": f"{error(by_limit[limit]):.1f}"} for limit in sorted(by_limit)
    ]
    print(*rows, sep="\n")
    if not asked.smoke:
        out = common.ROOT / "docs" / "results" / f"{asked.experiment}-linear.csv"
        files.write_csv(out, rows)


def splits(made: Recipe) -> dict[str, list[Any]]:
    """Return the training and test examples of a recipe."""
    task = task_class(made.task)
    return {"train": task.load(made, "train"), "test": task.load_test(made)}


def error(made: Recipe) -> float:
    """Return the share of a recipe's test texts, in %, that a linear model labels wrongly."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    rows = splits(made)
    test = rows["test"][: made.evaluate.limit]
    model = make_pipeline(
        TfidfVectorizer(sublinear_tf=True), LogisticRegression(C=REGULARISATION, max_iter=1000)
    )
    model.fit(*zip(*rows["train"], strict=True))
    found = model.predict([text for text, _ in test])
    wrong = sum(each != label for each, (_, label) in zip(found, test, strict=True))
    return 100 * wrong / len(test)


if __name__ == "__main__":
    main()
