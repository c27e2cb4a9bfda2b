"""Fine-tuning: sizes from the data, recipes, two stages, and going on after a kill in either.

That every paper's verb does it is tested with the verbs.
"""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import tiny
from given import PAIRS, QUICK, TEXTS, UPDATES
from tiny_run import TOKENIZER, copies, made

from zoo.bundle.weights import arrays
from zoo.config import catalog
from zoo.config import recipe as recipes
from zoo.data.encoded import Encoded, Ragged
from zoo.errors import CheckpointError, DataError, OptionError, ZooWarning
from zoo.training import checkpoints, finetune

ROWS = [(source, ("bad", "good")[len(source) % 2]) for source, _ in PAIRS]
# Of the last stage.
CHANGES = UPDATES | QUICK["classify"]


@pytest.fixture(scope="module")
def writer(loaded):
    """ULMFiT's language model, as large as its smoke runs. Shared: do not change its weights."""
    return loaded(tiny.own_recipes("ulmfit2018", "generate")[0])


@pytest.fixture
def few(monkeypatch):
    """Let the first stage, whose sizes no change reaches, make few updates."""
    monkeypatch.setattr(finetune, "FEWEST", 4)


# Sizes


@pytest.mark.parametrize(("rows", "expected"), [(60, 7), (20, 4), (4000, 128)])
def test_batches_of_sentences_are_an_eighth_of_few_rows(rows, expected):
    base = made(train__batch_tokens=None, train__batch_sentences=128)
    found = finetune.sized(base, copies(rows, 0), TOKENIZER)
    assert (found.train.batch_sentences, found.train.batch_tokens) == (expected, None)
    told = finetune.sized(base, copies(rows, 0), TOKENIZER, {"train.batch_sentences": 128})
    assert told.train.batch_sentences == 128


def test_batches_of_tokens_are_an_eighth_of_few_rows():
    rows = copies(60, 0)
    found = finetune.sized(made(train__batch_tokens=4096), rows, TOKENIZER)
    assert found.train.batch_tokens == max(4 * 16, int(rows.target.lengths.sum()) // 8)
    assert found.train.batch_sentences is None


def documents(count: int, length: int) -> Encoded:
    texts = [np.full(length, 5, dtype=np.int32) for _ in range(count)]
    return Encoded.texts(Ragged.of(texts), np.arange(count, dtype=np.int32) % 2)


@pytest.mark.parametrize(
    ("count", "rows", "updates"), [(3, 3, 100), (60, 7, 100), (400, 32, 100), (40_000, 32, 5000)]
)
def test_batches_of_documents_are_an_eighth_of_few(count, rows, updates):
    base = recipes.load("ulmfit2018-imdb").resolved()
    found = finetune.sized(base, documents(count, 12), TOKENIZER)
    assert (found.train.batch_sentences, found.train.updates) == (rows, updates)
    assert found.train.updates_per_epoch == updates // 5
    # Embedding, three LSTMs and the head: the last of five groups thaws within two epochs.
    groups = 1 + found.model.arguments["layers"]
    assert groups * found.schedule.unfreeze_every == pytest.approx(0.4 * updates, abs=groups)
    told = finetune.sized(base, documents(count, 12), TOKENIZER, {"schedule.unfreeze_every": 9})
    assert told.schedule.unfreeze_every == base.schedule.unfreeze_every


@pytest.mark.parametrize(
    ("tokens", "rows", "updates"), [(141, 2, 100), (70 * 40 + 1, 5, 100), (10**6, 48, 1485)]
)
def test_rows_of_a_stream_are_an_eighth_of_few_pieces(tokens, rows, updates):
    base = recipes.load("ulmfit2018-imdb-lm").resolved()
    found = finetune.sized(base, documents(1, tokens), TOKENIZER)
    assert (found.train.batch_sentences, found.train.updates) == (rows, updates)


# Recipes


def test_a_model_of_characters_is_measured_in_its_bases_metric():
    for name, metric in (
        ("bengio2003-names", "bits_per_character"),
        ("bengio2003-ptb", "perplexity"),
    ):
        base = recipes.load(name).resolved()
        assert finetune.recipe(base, "mine.txt", "generate", None, []).evaluate.metric == metric


def test_a_classifiers_recipe_is_the_papers_with_the_language_models_sizes(writer):
    base = writer.recipe
    found = finetune.recipe(base, "mine.csv", "classify", None, ["a", "b", "c"])
    start = recipes.load(catalog.entry("ulmfit2018").finetune["classify"])
    assert (found.task, found.model.size) == ("classify", start.model.size)
    assert found.name == "tiny-finetuned"
    arguments, wanted = found.model.arguments, start.resolved().model.arguments
    for name, value in arguments.items():
        if name == "classes":
            assert value == 3
        elif name in base.model.arguments and not name.startswith("dropout"):
            assert value == base.model.arguments[name], name
        else:
            assert value == wanted[name], name
    assert (found.data.corpus, found.data.labels) == ("mine.csv", ["a", "b", "c"])
    assert found.data.language == base.data.language
    assert (found.data.limit, found.data.hub) == (None, None)
    assert found.tokenizer == base.tokenizer
    assert found.model.weights == found.tokenizer.weights == ""
    assert (found.schedule.name, found.schedule.peak) == ("slanted_triangular", start.schedule.peak)
    assert found.optimizer.discriminate == start.optimizer.discriminate
    assert found.evaluate.metric == "accuracy"
    assert found.evaluate.minimum is None
    assert found == recipes.loads(recipes.dumps(found))


def test_labels_are_those_of_the_classifier_if_it_knows_them_all():
    base = recipes.load("ulmfit2018-imdb").resolved()
    assert finetune.recipe(base, "x", None, None, ["neg"] * 2).data.labels == ["neg", "pos"]
    found = finetune.recipe(base, "x", None, None, ["neg", "neutral"])
    assert found.data.labels == ["neg", "neutral"]
    assert found.model.arguments["classes"] == 2
    with pytest.raises(DataError, match="the one label 'pos'"):
        finetune.recipe(base, "x", None, None, ["pos"])


# Stages


@pytest.fixture
def planned(monkeypatch):
    """What would be trained: (folder, plan) of each stage, in order; nothing is."""
    found = []

    def record(model, plan, tokenizer, folder, resume):
        found.append((folder, plan))
        return model, {}, []

    monkeypatch.setattr(finetune, "run", record)
    return found


def classified(writer, data, targets=None, **options):
    return writer.finetune(data, targets, task="classify", changes=CHANGES, **options)


def test_labels_come_after_the_texts(writer, planned):
    classified(writer, ROWS)
    (_, first), (_, second) = planned
    assert (first.recipe.task, second.recipe.task) == ("generate", "classify")
    # The same model; AR and TAR, which are arguments of it, are those of the recipe to start from.
    arguments = dict(writer.recipe.model.arguments)
    assert (arguments.pop("ar_alpha"), arguments.pop("tar_beta")) == (2, 1)
    assert first.recipe.model.arguments == arguments
    assert first.recipe.model.size == writer.recipe.model.size
    assert first.recipe.schedule == recipes.load("ulmfit2018-imdb-lm").schedule
    assert (first.anew, second.anew) == (False, True)
    assert second.recipe.data.labels == ["bad", "good"]
    assert second.recipe.train.updates == UPDATES["train.updates"]
    # Changes are of the last stage. The first reads all texts but those that it holds out.
    assert first.recipe.train.updates == 100
    for plan in (first, second):
        assert (len(plan.train), len(plan.valid)) == (18, 2)
        assert plan.recipe.name == "tiny-finetuned"


def test_texts_to_adapt_to_may_be_others_or_none(writer, planned):
    others = [f"{text} Today it is raining." for text, _ in PAIRS] * 2
    classified(writer, ROWS, adapt=others)
    assert [plan.recipe.task for _, plan in planned] == ["generate", "classify"]
    assert len(planned[0][1].train) + len(planned[0][1].valid) == 40
    planned.clear()
    classified(writer, ROWS, adapt=False)
    assert [plan.recipe.task for _, plan in planned] == ["classify"]
    planned.clear()
    # A language model that stays one has one stage, whatever `adapt` is.
    writer.finetune(others, adapt=True)
    assert [plan.recipe.task for _, plan in planned] == ["generate"]


def test_named_columns_hold_for_both_stages_and_one_line_says_so(writer, planned, tmp_path, capfd):
    lines = [f"{i}|{label}|{text}" for i, (text, label) in enumerate(ROWS)]
    path = tmp_path / "mine.csv"
    path.write_text("\n".join(["n|kind|said", *lines]), "utf-8")
    named = {"text_column": "said", "label_column": "kind"}
    classified(writer, path, **named)
    classified(writer, path, columns={"text": "said", "label": "kind"}, validation=path)
    said = capfd.readouterr().err.splitlines()
    line = "mine.csv: 20 rows, parted by pipe; text: 'said', label: 'kind' (bad 10, good 10)"
    assert said == [line, line, line]  # the last is of the rows to validate on
    classified(writer, ROWS)
    digests = [plan.digest for _, plan in planned]
    # The same examples, but for the recipe's name of them.
    assert len(digests) == 6
    for one, other in zip(planned[:2], planned[4:], strict=True):
        arrays_of = (dict(each[1].train.arrays()) for each in (one, other))
        np.testing.assert_equal(*arrays_of)
    batches = writer.preprocess(path, text_column="said", delimiter="|")
    assert next(batches)[0]
    with pytest.raises(OptionError, match="there is no column 'premise'"):
        classified(writer, path, columns={"premise": "said"})
    with pytest.raises(TypeError, match="unexpected keyword argument 'txt_column'"):
        classified(writer, path, txt_column="said")


def test_names_of_columns_do_not_hold_for_lists_beside_the_table(writer, planned, tmp_path):
    path = tmp_path / "mine.csv"
    rows = "".join(f"{text};{label}\n" for text, label in ROWS)
    path.write_text(f"body;kind\n{rows}", encoding="utf-8")
    texts = tmp_path / "texts.txt"
    texts.write_text("".join(f"{text} {text}\n" for text, _ in ROWS), encoding="utf-8")
    for adapt in ([text for text, _ in ROWS], texts):
        planned.clear()
        writer.finetune(
            path, task="classify", text_column="body", label_column="kind", delimiter=";",
            validation=ROWS[:4], adapt=adapt, changes=CHANGES,
        )  # fmt: skip
        first, second = (plan for _, plan in planned)
        assert (len(second.train), len(second.valid)) == (len(ROWS), 4)
        assert len(first.train) + len(first.valid) == len(ROWS)


def test_a_rare_label_stays_in_training(writer, planned):
    rows = [*ROWS, (f"{ROWS[0][0]} {ROWS[1][0]}", "rare"), (f"{ROWS[1][0]} {ROWS[0][0]}", "rare")]
    for seed in range(5):
        planned.clear()
        writer.finetune(rows, task="classify", adapt=False, validation=0.5,
                        changes=CHANGES | {"seed": seed})  # fmt: skip
        plan = planned[0][1]
        labels = plan.recipe.data.labels
        assert sorted(plan.train.labels.tolist()).count(labels.index("rare")) == 1
        assert len(plan.valid) == 11
    rows = [(ROWS[i][0], label) for i, label in enumerate("xyz")]
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("ignore")  # pytest.warns would raise what libraries are warned of
        warnings.simplefilter("always", ZooWarning)
        writer.finetune(rows, task="classify", adapt=False, changes=CHANGES)
    assert any("no example is left to train on with the label" in str(w.message) for w in seen)


def test_rows_that_can_be_read_once_are_enough(writer, planned):
    classified(writer, iter(ROWS))
    texts, labels = zip(*ROWS, strict=True)
    classified(writer, iter(texts), iter(labels))
    digests = [plan.digest for _, plan in planned]
    assert digests[:2] == digests[2:]
    assert digests[0] != digests[1]


def test_what_is_wrong_with_the_labels_is_told_before_the_first_stage(writer, planned):
    with pytest.raises(DataError, match="the one label 'a'"):
        classified(writer, TEXTS, ["a"] * 3)
    with pytest.raises(DataError, match="fewer than a batch of 8"):
        writer.finetune(
            ROWS[:5], task="classify", adapt=[text for text, _ in PAIRS], validation=ROWS[:2],
            changes=QUICK["classify"],
        )  # fmt: skip
    with pytest.raises(DataError, match="row 1: the text is float"):
        classified(writer, ROWS, adapt=[1.5])
    assert not planned


def test_a_classifier_begins_with_the_encoder_and_a_new_head(writer):
    """One update of the head alone: all else is the language model's, or what stage two made."""
    head_only = CHANGES | {"train.updates": 1, "schedule.unfreeze_every": 9}
    before = arrays(writer.model)
    tuned = writer.finetune(ROWS, task="classify", adapt=False, changes=head_only)
    after = arrays(tuned.model)
    encoder = {name for name in after if name.startswith("encoder.")}
    assert encoder == set(before) - {"encoder.embedding.bias"}
    for name in encoder:
        np.testing.assert_array_equal(after[name], before[name])
    assert after["head.output_layer.kernel"].any()
    assert tuned.predict(TEXTS[0]) in ("bad", "good")
    assert tuned.metrics["training_texts"] == 18
    assert tuned.metrics["data"] == "examples"
    assert [row["step"] for row in tuned.history] == [1]


class Killed(BaseException):
    """What a process does not live to see."""


@pytest.fixture
def kill(monkeypatch):
    """A function: let the run end right after the checkpoint of a step of a stage."""
    save = checkpoints.save

    def after(stage: str, step: int) -> None:
        def saved(folder, number, *rest):
            path = save(folder, number, *rest)
            if (folder.name, number) == (stage, step):
                raise Killed
            return path

        monkeypatch.setattr(checkpoints, "save", saved)

    return after


def steps(folder) -> list[str]:
    return sorted(path.name for path in folder.glob("step-*"))


@pytest.mark.timeout(900)  # six trainings, each compiled
def test_a_run_killed_in_either_stage_goes_on_there(writer, tmp_path, few, kill):
    out, run = tmp_path / "mine", tmp_path / "mine.run"
    whole = classified(writer, ROWS)

    kill("language-model", 2)
    with pytest.raises(Killed):
        classified(writer, ROWS, out=out)
    assert steps(run / "language-model") == ["step-00000001", "step-00000002"]
    assert not (run / "model").exists()
    with pytest.raises(CheckpointError, match="already holds a run"):
        classified(writer, ROWS, out=out)

    kill("model", 1)
    with pytest.raises(Killed):
        classified(writer, ROWS, out=out, resume=True)
    assert steps(run / "model") == ["step-00000001"]
    assert "step-00000005" in steps(run / "language-model")

    # Other texts are told in the first stage, other labels of the same texts in the second.
    texts, labels = zip(*ROWS, strict=True)
    with pytest.raises(CheckpointError, match="language-model holds a run on other examples"):
        classified(writer, [("Go on.", "bad"), *ROWS[1:]], out=out, resume=True)
    with pytest.raises(CheckpointError, match="model holds a run on other examples"):
        classified(writer, texts, labels[::-1], out=out, resume=True)
    # The same examples in another form are the same.
    kill("model", 0)
    tuned = classified(writer, texts, labels, out=out, resume=True)
    assert not run.exists()
    for name, value in arrays(whole.model).items():
        np.testing.assert_array_equal(arrays(tuned.model)[name], value, err_msg=name)
    assert [row["val_loss"] for row in tuned.history] == [row["val_loss"] for row in whole.history]
