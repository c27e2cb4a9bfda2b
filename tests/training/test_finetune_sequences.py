"""A language model becomes what each of gpt1's tasks needs; such a model is trained further."""

from __future__ import annotations

import numpy as np
import pytest
import tiny_sequences as tiny
from tiny_sequences import CONTEXT, LINES, TOKENIZER, VOCABULARY

import zoo
from zoo import bundle
from zoo.bundle.weights import arrays
from zoo.config import catalog, tasks
from zoo.errors import DataError, OptionError, ZooWarning
from zoo.tasks import metrics
from zoo.training import finetune, prepare, run
from zoo.training.trainers import trainer_class

TEXTS = [f"{line} {word}" for word in ("red", "blue", "dry") for line in LINES]
PAIRS = [(text, TEXTS[-i - 1]) for i, text in enumerate(TEXTS)]
QUESTIONS = [(text, ("red", "it is blue", "green")) for text in TEXTS]
ROWS = {
    "classify": (TEXTS, [("neg", "pos")[i % 2] for i in range(15)]),
    "entail": (PAIRS, [("no", "perhaps", "yes")[i % 3] for i in range(15)]),
    "similarity": (PAIRS, [i % 2 for i in range(15)]),
    "choose": (QUESTIONS, [i % 3 for i in range(15)]),
}
TASKS = list(ROWS)
# The sizes of the data would give a hundred updates.
TWO = {"train.updates": 2, "train.updates_per_epoch": 1, "train.batch_sentences": 4}


@pytest.fixture(autouse=True)
def _registered(tmp_path_factory, monkeypatch):
    """Put the tiny paper among those of the registry."""
    found, real = tiny.entry(tmp_path_factory.mktemp("recipes")), catalog.entry
    monkeypatch.setattr(catalog, "entry", lambda name: found if name == "tiny" else real(name))


@pytest.fixture
def writer():
    return tiny.pretrained("generate")


@pytest.fixture
def planned(monkeypatch):
    """The plans of what would be trained; nothing is."""
    found = []

    def record(model, plan, tokenizer, folder, resume):
        found.append(plan)
        return model, {}, []

    monkeypatch.setattr(finetune, "run", record)
    return found


@pytest.mark.parametrize("task", TASKS)
def test_a_language_model_learns_each_task(writer, task, tmp_path):
    rows, labels = ROWS[task]
    slow = TWO | {"schedule.peak": 1e-6}
    tuned = writer.finetune(rows, labels, task=task, changes=slow, out=tmp_path / "mine")
    made = tuned.recipe
    assert (made.task, made.model.size) == (task, task)
    assert made.evaluate.metric == "accuracy"
    assert made.data.labels == ([] if task == "choose" else sorted({*map(str, labels)}))
    if task != "choose":
        assert made.model.arguments["classes"] == len(made.data.labels)
    # It begins with all of the language model; special tokens and the head are new.
    before, after = arrays(writer.model), arrays(tuned.model)
    for name, value in before.items():
        np.testing.assert_allclose(after[name], value, atol=1e-4)
    assert {*after} - {*before} == {"decoder.special", "head.kernel", "head.bias"}
    answers = {"choose": {"red", "it is blue", "green"}}.get(task, set(tuned.labels))
    assert {*tuned.predict(rows)} <= answers
    assert tuned.predict(rows[0]) == tuned.predict(rows)[0]
    measured = tuned.evaluate(rows, labels)
    assert measured["value"] == measured["accuracy"]
    loaded = zoo.load(tmp_path / "mine")
    assert loaded.recipe == made
    np.testing.assert_allclose(loaded.probabilities(rows), tuned.probabilities(rows), atol=2e-3)
    card = (tmp_path / "mine" / "README.md").read_text("utf-8")
    assert "validation loss (nats per" in card


def test_numbers_are_learned_as_numbers(writer):
    numbers = [i / 2 for i in range(15)]
    tuned = writer.finetune(PAIRS, numbers, task="similarity", validation=0.2, changes=TWO)
    assert tuned.recipe.evaluate.metric == "pearson"
    assert tuned.recipe.regression
    assert (tuned.labels, tuned.recipe.model.arguments["classes"]) == ([], 1)
    assert isinstance(tuned.predict(PAIRS[0]), float)
    measured = tuned.evaluate(PAIRS, numbers)
    assert measured["value"] == measured["pearson"]
    # Whole numbers are numbers to it, and its head stays.
    for values in (numbers, list(range(15))):
        plan = finetune.plan(tuned.recipe, (TOKENIZER,) * 2, PAIRS, values)
        assert not plan.anew
        assert plan.train.labels.dtype == "float32"
        assert {*plan.train.labels} < {*values}
    with pytest.raises(DataError, match="row 1: the label 'far' is no number"):
        tuned.evaluate(PAIRS[:1], ["far"])
    # With other labels it learns those.
    plan = finetune.plan(tuned.recipe, (TOKENIZER,) * 2, PAIRS, ["a", "b", "c"] * 5)
    assert plan.anew
    assert (plan.recipe.data.labels, plan.recipe.evaluate.metric) == (["a", "b", "c"], "accuracy")


@pytest.mark.parametrize("task", [*TASKS, "regression"])
def test_the_loss_is_that_of_the_task(task):
    """In nats of the labels or answers; of numbers the mean squared error."""
    rows, labels = ROWS.get(task, (PAIRS, [i / 2 for i in range(15)]))
    base = tiny.pretrained("similarity" if task == "regression" else task)
    held = rows[:5], labels[:5]
    valid = [(*held[0][i], held[1][i]) if isinstance(rows[0], tuple) else (held[0][i], held[1][i])
             for i in range(5)]  # fmt: skip
    tuned = base.finetune(rows, labels, validation=valid, changes=TWO)
    found = tuned.evaluate(*held)
    assert tuned.metrics["loss"] == pytest.approx(found["loss"], rel=1e-3)
    # What the optimizer sees is the same, without dropout, and without the auxiliary loss.
    tokens, given = next(iter(tuned.preprocess(rows, labels, validation=valid)))
    none = dict.fromkeys(("dropout", "attention_dropout", "dropout_head", "auxiliary"), 0)
    changes = {f"model.arguments.{name}": value for name, value in none.items()}
    quiet = bundle.model_with(arrays(tuned.model), tuned.recipe.changed(changes))
    plan = finetune.plan(tuned.recipe, (TOKENIZER,) * 2, rows, labels, validation=valid)
    trainer_class(plan.recipe.task)(quiet, plan.recipe, plan.train, plan.valid, TOKENIZER)
    loss = quiet.train_on_batch(tokens, given, return_dict=True)["loss"]
    logits = np.array([tiny.logits(tuned.model, *np.atleast_2d(each)) for each in tokens])
    if task == "regression":
        wanted = ((logits[:, 0] - given) ** 2).mean()
    else:
        chosen = metrics.softmax(logits.astype(np.float64))[np.arange(len(given)), given]
        wanted = -np.log(chosen).mean()
    assert float(loss) == pytest.approx(wanted, rel=1e-3)


def test_other_labels_begin_a_new_head():
    base = tiny.pretrained("entail")
    tokenizers = (TOKENIZER, TOKENIZER)
    same = finetune.plan(base.recipe, tokenizers, PAIRS, ["no", "yes", "yes"] * 5)
    assert not same.anew
    assert same.recipe.data.labels == base.labels
    other = finetune.plan(base.recipe, tokenizers, PAIRS, ["same", "other", "same"] * 5)
    assert other.anew
    assert other.recipe.data.labels == ["other", "same"]
    tuned = base.finetune(PAIRS, ["a", "b", "b"] * 5, changes=TWO | {"schedule.peak": 1e-6})
    before, after = arrays(base.model), arrays(tuned.model)
    np.testing.assert_allclose(after["decoder.special"], before["decoder.special"], atol=1e-4)
    assert after["head.kernel"].shape == (8, 2)


def test_one_task_after_another():
    tuned = tiny.pretrained("classify").finetune(*ROWS["choose"], task="choose", changes=TWO)
    assert tuned.predict(QUESTIONS[0]) in QUESTIONS[0][1]


@pytest.mark.parametrize("task", TASKS)
def test_batches_are_sequences_no_longer_than_the_context(task):
    base = tiny.pretrained(task)
    rows, labels = ROWS[task]
    batches = list(base.preprocess(rows, labels, validation=0.2, changes=TWO))
    count = {"similarity": (2,), "choose": (3,)}.get(task, ())
    for tokens, given in batches:
        assert tokens.shape[:-1] == (4, *count)
        assert tokens.shape[-1] in (12, CONTEXT)
        assert (tokens[..., -1] == VOCABULARY + 2).all()  # the extract token
        assert given.dtype == "int32"
    if task != "classify":
        assert {tokens.shape[-1] for tokens, _ in batches} == {12, CONTEXT}


def test_what_is_cut_is_told_once_of_training_and_of_validation(writer):
    long = [("it is wet and " * 9 + one, other) for one, other in PAIRS]
    with pytest.warns(ZooWarning, match=rf"^what begins 'it is .* {CONTEXT} tokens") as caught:
        plan = finetune.plan(
            writer.recipe, (TOKENIZER,) * 2, long, ROWS["entail"][1], task="entail"
        )
    assert plan.train.lengths.max() == CONTEXT
    told = [str(each.message) for each in caught if each.category is ZooWarning]
    assert [each.rpartition("; ")[2] for each in told] == [
        f"{len(held) - 1} more of {len(held)} are cut" for held in (plan.train, plan.valid)
    ]


# Stages


def test_texts_come_first_only_where_the_paper_does_so(writer, planned, monkeypatch):
    def tasks(**options):
        planned.clear()
        writer.finetune(*ROWS["entail"], task="entail", changes=TWO, **options)
        return [plan.recipe.task for plan in planned]

    assert tasks() == ["entail"]
    assert tasks(adapt=True) == ["generate", "entail"]
    # Premises and hypotheses alike.
    assert len(planned[0].train) + len(planned[0].valid) == 2 * len(PAIRS)
    assert tasks(adapt=TEXTS[:6]) == ["generate", "entail"]
    adapting = catalog.entry("tiny").model_copy(update={"adapt": True})
    monkeypatch.setattr(catalog, "entry", lambda name: adapting)
    assert tasks() == ["generate", "entail"]
    assert tasks(adapt=False) == ["entail"]
    # Only a language model goes on with texts.
    planned.clear()
    tiny.pretrained("classify").finetune(*ROWS["entail"], task="entail", changes=TWO)
    assert [plan.recipe.task for plan in planned] == ["entail"]


# What is wrong


@pytest.mark.parametrize(
    ("task", "data", "labels", "message"),
    [
        ("entail", PAIRS, ["a"] * 15, "all examples have the one label 'a'"),
        ("similarity", PAIRS, [1] * 15, "all examples have the one label '1'"),
        ("similarity", PAIRS, [0.5, "far"] * 7 + [1], "row 2: the label is 'far', not a number"),
        ("choose", QUESTIONS, [3] * 15, "row 1: the label '3' is no answer"),
        ("choose", QUESTIONS[:1] * 3, [0, 1, 1], "one question alone cannot be split"),
        ("entail", PAIRS[:3], ["a", "b", "b"], "there are . texts, fewer than a batch of 4"),
    ],
)
def test_examples_without_sense(writer, planned, task, data, labels, message):
    with pytest.raises(DataError, match=message):
        writer.finetune(data, labels, task=task, changes={"train.batch_sentences": 4})
    assert not planned


def test_labels_to_validate_on_must_be_labels_to_train_on(writer):
    with pytest.raises(DataError, match="validation, row 1: no other example has the label 'x'"):
        writer.finetune(*ROWS["entail"], task="entail", validation=[("it", "is", "x")])
    with pytest.raises(OptionError, match=r"cannot be fine-tuned for 'entails'\n.*'entail'"):
        writer.finetune(*ROWS["entail"], task="entails")


# From a corpus


@pytest.mark.parametrize("corpus", ["mrpc", "stsb", "rte"])
def test_a_run_on_a_corpus(corpus, tmp_path, monkeypatch):
    lines = {
        "mrpc": "\n".join(f"{i % 2}\t1\t2\t{a}\t{b}" for i, (a, b) in enumerate(PAIRS)),
        "stsb": "\n".join(f"a\tb\tc\td\t{i / 2}\t{a}\t{b}" for i, (a, b) in enumerate(PAIRS)),
        "rte": "\n".join(
            f"{i}\t{a}\t{b}\t{('', 'not_')[i % 2]}entailment" for i, (a, b) in enumerate(PAIRS)
        ),
    }[corpus]
    folder = tmp_path / "glue" / corpus
    folder.mkdir(parents=True)
    for name in ("train", "val", "dev", "test"):
        for ending in ("txt", "csv", "tsv"):
            (folder / f"{name}.{ending}").write_text(lines, "utf-8")
    monkeypatch.setenv("ZOO_DATA", str(tmp_path))
    labels = {
        "mrpc": ["not_equivalent", "equivalent"],
        "rte": ["entailment", "not_entailment"],
        "stsb": [],
    }[corpus]
    task = "entail" if corpus == "rte" else "similarity"
    made = tiny.recipe(task).changed(
        {"data.corpus": corpus, "data.labels": labels, "evaluate.limit": 6,
         "evaluate.metric": tasks.main_metric(task, bool(labels))}
    )  # fmt: skip
    data = prepare.prepare(made, tmp_path / "data")
    assert data.train.sequences == (1 if task == "entail" else 2)
    assert data.train.labels.dtype == ("float32" if corpus == "stsb" else "int32")
    assert all(isinstance(pair, tuple) for pair, _ in data.test)
    assert {*data.test} <= {*_rows(corpus, labels)}
    assert data.seen == 6
    out = run.train(made, tmp_path / "out", prepared=tmp_path / "data")
    found = zoo.load(out)
    assert found.metrics["metric"] == ("pearson" if corpus == "stsb" else "accuracy")
    assert found.metrics["texts"] == found.metrics["texts_in_training"] == 6
    zoo.golden.check(found.task, found.golden)
    again = found.evaluate(tmp_path / "data")
    assert again["value"] == pytest.approx(found.metrics["value"], abs=0.1)
    assert found.evaluate()["texts"] == 6
    assert found.evaluate(tmp_path)["split"] == "test"


def _rows(corpus: str, labels: list[str]) -> list:
    if corpus == "stsb":
        return [(pair, i / 2) for i, pair in enumerate(PAIRS)]
    return [(pair, labels[i % 2]) for i, pair in enumerate(PAIRS)]
