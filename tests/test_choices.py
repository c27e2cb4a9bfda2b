"""The tables of choices: every row is complete, and what it names is there."""

from __future__ import annotations

import inspect

import pytest

from zoo.config import metrics, recipe, settings, tasks
from zoo.config.choices import OPTIMIZERS, SCHEDULES, imported
from zoo.config.metrics import METRICS
from zoo.config.tables import Table
from zoo.config.tokenizers import LEARNED, TOKENIZERS
from zoo.reports import docs

TABLES = {"optimizers": OPTIMIZERS, "schedules": SCHEDULES, "tokenizers": TOKENIZERS}
ROWS = [(table, name) for table, rows in TABLES.items() for name in rows]


@pytest.mark.parametrize(("table", "name"), ROWS)
def test_a_row_names_what_is_there_and_says_what_it_is(table, name):
    row = TABLES[table][name]
    assert callable(imported(row.path))
    assert row.about
    assert "|" not in row.about, "it would end a cell of the docs' table"


@pytest.mark.parametrize("name", TOKENIZERS)
def test_a_tokenizers_class_is_of_its_kind(name):
    row = TOKENIZERS[name]
    kind = imported(row.path)
    assert kind.kind == name
    assert set(row.needs) <= set(row.options) <= set(settings.Tokenizer.model_fields)
    assert row.suffixes[0].split(".")[1] in (name, "model")
    if name in LEARNED:
        taken = {"vocabulary", *row.train}
        assert taken <= set(inspect.signature(kind.train).parameters)
        assert row.card


def test_no_two_kinds_share_an_ending():
    endings = [suffix for row in TOKENIZERS.values() for suffix in row.suffixes]
    assert len(set(endings)) == len(endings)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_an_optimizer_takes_its_keys(name):
    row = OPTIMIZERS[name]
    assert set(row.keys) <= set(settings.Optimizer.model_fields)
    for path in filter(None, (row.path, row.path_of_groups)):
        assert set(row.keys) <= set(inspect.signature(imported(path)).parameters)


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_schedule_needs_keys_that_exist(name):
    assert set(SCHEDULES[name].needs) <= set(settings.Schedule.model_fields)


def test_metrics_are_told_apart_and_those_of_tasks_are_there():
    columns = [row.column for row in METRICS.values()]
    assert len(set(columns)) == len(columns)
    wanted = {each for row in tasks.TASKS.values() for each in (*row.metrics, row.number_metric)}
    assert wanted - {""} <= set(METRICS)
    assert METRICS["accuracy"].shown(90.06) == "accuracy 90.1 %"
    assert metrics.spec("some_number").label == "some number"


def test_every_key_of_a_recipe_is_explained():
    _, *rows = docs.keys()
    told = {name.strip("`"): about for name, _, about in rows}
    tables = {
        name: field.annotation.model_fields
        for name, field in recipe.Recipe.model_fields.items()
        if isinstance(field.annotation, type) and issubclass(field.annotation, Table)
    }
    assert set(told) == {f"{name}.{key}" for name, table in tables.items() for key in table}
    assert all(told.values())
    assert len(rows) == len(told)


@pytest.mark.parametrize("name", docs.TABLES)
def test_a_table_of_the_docs_has_cells_for_its_header(name):
    header, *rows = docs.code(name)
    assert rows
    assert all(len(row) == len(header) for row in rows)
