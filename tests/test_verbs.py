"""Every verb with every paper of the catalog, on its tiny bundle: what it gives, what it refuses.

The bundles read text in each way that the paper's recipes do: for each task, with one tokenizer or
two, pieces or words, the source as it stands or turned round. What one task's verbs do beyond this
is in test_verbs_translate.py and its neighbours.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from given import TEXTS, asked, can_be_finetuned, examples, good, quick, refused

import zoo
from zoo import bundle
from zoo.errors import (
    BundleError,
    CheckpointError,
    DataError,
    InputError,
    NotSupported,
    OptionError,
    PredictionError,
    RecipeError,
    UnknownName,
)

# What each verb gives


def test_a_bundle_is_what_was_saved(every_pretrained, tmp_path):
    """`load` of `save`: recipe, tokenizers, weights, what it says, the plain card."""
    loaded = zoo.load(every_pretrained.save(tmp_path / "mine"))
    recipe = every_pretrained.recipe
    assert loaded.recipe == recipe
    assert loaded.labels == every_pretrained.labels == recipe.data.labels
    assert (loaded.source_tokenizer is loaded.target_tokenizer) == recipe.tokenizer.shared
    sizes = (loaded.source_tokenizer.size, loaded.target_tokenizer.size)
    # A text may have fewer characters, or pieces, than a recipe has room for.
    full = recipe.tokenizer.kind not in ("characters", "albert")
    assert sizes == (recipe.tokenizer.sizes if full else (every_pretrained.tokenizer.size,) * 2)
    assert loaded.card.entry.name == recipe.paper
    language = recipe.data.source or recipe.data.language
    assert repr(loaded).startswith(f"Pretrained(tiny: {recipe.task} {language}")
    given = asked(every_pretrained)
    assert loaded.predict(given) == every_pretrained.predict(given)
    wanted = bundle.arrays(every_pretrained.model)
    for name, array in bundle.arrays(loaded.model).items():
        np.testing.assert_array_equal(array, wanted[name])


def test_predict(every_pretrained):
    """One text gives one result, a list a list in its order, whatever goes through together."""
    given = asked(every_pretrained)
    outputs = every_pretrained.predict(given)
    assert [type(output) for output in outputs] == [str] * 3
    if every_pretrained.recipe.task != "classify":
        assert len(set(outputs)) > 1
    assert every_pretrained.predict(given[0]) == outputs[0]
    assert every_pretrained.predict(given[::-1]) == outputs[::-1]
    assert every_pretrained.predict(iter(given), batch_size=2) == outputs
    assert every_pretrained.predict([]) == []


def test_what_the_model_reads_ends_with_the_end(every_pretrained):
    tokenizer = every_pretrained.source_tokenizer
    end = getattr(every_pretrained.model, "specials", [tokenizer.end_id])[-1]
    for text, ids in zip(TEXTS, every_pretrained.encode_sources(TEXTS), strict=True):
        assert ids[-1] == end
        words = tokenizer.encode(text)
        reverse = every_pretrained.recipe.data.reverse_source
        assert ids[-len(words) - 1 : -1] == (words[::-1] if reverse else words)


def test_evaluate(every_pretrained):
    found = every_pretrained.evaluate(good(every_pretrained))
    assert found["metric"] == every_pretrained.recipe.evaluate.metric
    assert found["value"] == found[found["metric"]]
    assert found["value"] >= 0
    assert found["data"] == "examples"
    fewer = every_pretrained.evaluate(good(every_pretrained), limit=2)
    assert fewer == every_pretrained.evaluate(good(every_pretrained)[:2])


def test_what_is_no_number_is_an_error(every_pretrained):
    """One weight of NaN, as a user's own training may leave it, and no verb answers."""
    if not every_pretrained.model.trainable_variables:
        pytest.skip("its weights are integers")
    task = every_pretrained.recipe.task
    # The last weight of a model that fills may be of another task's head.
    weight = every_pretrained.model.trainable_variables[0 if task == "fill" else -1]
    kept = keras.ops.convert_to_numpy(weight).copy()
    verbs = [lambda: every_pretrained.predict(asked(every_pretrained))]
    verbs += [lambda: every_pretrained.evaluate(good(every_pretrained))]
    if task == "classify":
        verbs += [lambda: every_pretrained.probabilities(TEXTS)]
    elif task != "fill":
        wanted = []
        if task == "translate":
            wanted = [[target for _, target in examples(every_pretrained.recipe)][: len(TEXTS)]]
        verbs += [lambda: every_pretrained.score(TEXTS, *wanted)]
    if task == "generate":
        verbs += [lambda: every_pretrained.predict(TEXTS, seed=1)]
    weight.assign(np.full_like(kept, np.nan))
    try:
        for verb in verbs:
            with refused(PredictionError, f"not a number: its weight '{weight.path}' holds NaN"):
                verb()
    finally:
        weight.assign(kept)
    assert every_pretrained.predict(asked(every_pretrained))


def test_a_file_is_evaluated_as_the_list_is(every_pretrained, tmp_path):
    rows = [each if isinstance(each, tuple) else (each,) for each in good(every_pretrained)]
    names = {"translate": "source\ttarget", "classify": "text\tlabel"}
    lines = [names.get(every_pretrained.recipe.task, "text"), *("\t".join(row) for row in rows)]
    path = tmp_path / "mine.tsv"
    path.write_text("\n".join(lines), "utf-8")
    found = every_pretrained.evaluate(path)
    assert found == every_pretrained.evaluate(good(every_pretrained)) | {"data": "mine.tsv"}


def network(made):
    """The model's table but for what is of the loss, which belongs to how it is trained."""
    losses = ("ar_alpha", "tar_beta", "mean_of")
    arguments = {k: v for k, v in made.model.arguments.items() if k not in losses}
    return made.model.model_copy(update={"arguments": arguments})


def test_finetune(every_pretrained, tmp_path):
    given = examples(every_pretrained.recipe)
    if not can_be_finetuned(every_pretrained):
        with refused(
            OptionError,
            r"bigram cannot be fine-tuned\n.*zoo train (RECIPE|bigram-names) --data FILE",
        ):
            every_pretrained.finetune(given, out=tmp_path / "mine")
        return
    before = bundle.arrays(every_pretrained.model)
    tuned = every_pretrained.finetune(
        given, validation=given[:4], out=tmp_path / "mine", changes=quick(every_pretrained)
    )
    for name, array in bundle.arrays(every_pretrained.model).items():
        np.testing.assert_array_equal(array, before[name])
    after = bundle.arrays(tuned.model)
    assert any(np.abs(after[name] - before[name]).max() > 0 for name in before)
    old, new = every_pretrained.recipe, tuned.recipe
    assert (new.paper, new.task) == (old.paper, old.task)
    assert network(new) == network(old)
    assert new.tokenizer == old.tokenizer
    assert new.data.labels == old.data.labels
    assert new.data.reverse_source == old.data.reverse_source
    loaded = zoo.load(tmp_path / "mine")
    assert loaded.recipe == new
    assert any(loaded.predict(asked(loaded)))
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]  # nothing of the run is left


def test_preprocess(every_pretrained):
    """Twice through the data: batches of one kind, none twice in the same order."""
    if not can_be_finetuned(every_pretrained):
        pytest.skip("no batches of a user's texts")
    given = examples(every_pretrained.recipe)
    changes = quick(every_pretrained)
    once = list(every_pretrained.preprocess(given, validation=given[:4], changes=changes))
    twice = list(
        every_pretrained.preprocess(given, validation=given[:4], changes=changes, passes=2)
    )
    assert len(twice) == 2 * len(once) > 2
    for (inputs, labels), (again, same) in zip(once, twice, strict=False):
        for name, each in _parts(inputs).items():
            np.testing.assert_array_equal(each, _parts(again)[name])
        np.testing.assert_array_equal(labels, same)
        assert labels.dtype == np.int32


def _parts(inputs: Any) -> dict[str, np.ndarray]:
    return inputs if isinstance(inputs, dict) else {"tokens": inputs}


# What each verb refuses

TEXT_ERRORS = [
    (None, "NoneType is no text"),
    (3, "int is no text"),
    (b"bytes", "bytes is no text"),
    ({"a": "b"}, "dict is no text"),
    (["a", None], "text 2 is NoneType, not text"),
    ([["a"]], "text 1 is list, not text"),
    ("", "the text is empty"),
    (["Go.", " \n"], "text 2 is empty"),
    ("I am \udce9 cold.", r"the text has a lone surrogate at position 5, '\\udce9'.*half a char"),
    (["Go.", "a\ud800"], r"text 2 has a lone surrogate at position 1"),
    (["Go.", "a\0b"], r"text 2 has a NUL character at position 1\n.*take it out"),
]
FINETUNING = [
    ({"data": []}, DataError, "no rows"),
    ({"data": None}, DataError, "cannot be read from NoneType"),
    ({"data": 3}, DataError, "cannot be read from int"),
    ({"data": "nowhere.tsv"}, DataError, "there is no file nowhere.tsv"),
    ({"task": "summarise"}, OptionError, "cannot be fine-tuned for 'summarise'.*valid choices"),
    ({"validation": 1.5}, OptionError, "is no share"),
    ({"validation": "nowhere.tsv"}, DataError, "there is no file"),
    ({"validation": []}, DataError, "no rows"),
    ({"changes": {"schedule.peek": 1.0}}, RecipeError, "did you mean 'schedule.peak'"),
    ({"changes": {"train.updates": 0}}, RecipeError, "train.updates"),
    ({"changes": "train.updates=2"}, OptionError, "give keys and values"),
]


def test_the_ids_of_one_text_are_those_of_a_list_of_one(every_pretrained):
    assert every_pretrained.encode_sources(TEXTS[0]) == every_pretrained.encode_sources(TEXTS[:1])
    with refused(InputError, "text 2 has a NUL"):
        every_pretrained.encode_sources(["Go.", "a\0b"])


@pytest.mark.parametrize(("texts", "message"), TEXT_ERRORS)
def test_predict_and_score_refuse_what_is_no_text(every_pretrained, texts, message):
    if texts == ["Go.", " \n"] and every_pretrained.recipe.tokenizer.kind == "characters":
        message = r"text 2 has '\\n' at position 1, a character that the model has never seen"
    if texts != "" or every_pretrained.recipe.tokenizer.kind != "characters":
        with refused(InputError, message):
            every_pretrained.predict(texts)
    if every_pretrained.recipe.task == "translate":
        target = ["b"] * len(texts) if isinstance(texts, list) else "b"
        with refused(InputError, message):
            every_pretrained.score(texts, target)
    elif every_pretrained.recipe.task == "generate":
        with refused(InputError, message):
            every_pretrained.score(texts)
    elif every_pretrained.recipe.task == "classify":
        with refused(InputError, message):
            every_pretrained.probabilities(texts)


def test_verbs_that_a_task_does_not_have_say_so(every_pretrained):
    task = every_pretrained.recipe.task
    if task in ("classify", "fill"):
        with refused(NotSupported, "does not score texts.*scores=True"):
            every_pretrained.score(TEXTS)
    if task != "classify":
        with refused(NotSupported, "is no classifier"):
            every_pretrained.probabilities(TEXTS)
    if task == "generate":
        with refused(InputError, "scores one text.*leave the target out"):
            every_pretrained.score(TEXTS, TEXTS)
    if task != "translate":
        refusal = f"for the task '{task}' reads one text.*nothing to align.*for translators"
        with refused(NotSupported, refusal):
            every_pretrained.align(TEXTS[0])


# Options that only another task has, by verb, and one that would do.
OTHERS: dict[str, list[tuple[str, dict[str, Any], str]]] = {
    "translate": [
        ("predict", {"temperature": 0.5}, "beam_size"),
        ("predict", {"scores": True}, "beam_size"),
    ],
    "generate": [
        ("predict", {"scores": True}, "temperature"),
        ("evaluate", {"beam_size": 2}, "batch_size"),
        ("evaluate", {"likelihood": True}, "batch_size"),
    ],
    "fill": [
        ("predict", {"temperature": 0.5}, "batch_size, num_return, progress, scores"),
        ("evaluate", {"stream": True}, "batch_size"),
    ],
    "classify": [
        ("predict", {"beam_size": 2}, "batch_size, progress, scores"),
        ("predict", {"max_length": 9}, "batch_size"),
        ("evaluate", {"length_penalty": 1.0}, "batch_size"),
    ],
}


def test_options_of_another_task_are_refused(every_pretrained):
    task = every_pretrained.recipe.task
    for verb, option, meant in OTHERS[task]:
        given = asked(every_pretrained) if verb == "predict" else good(every_pretrained)
        message = f"a model for the task '{task}' has no option '{next(iter(option))}'.*{meant}"
        with refused(OptionError, message):
            getattr(every_pretrained, verb)(given, **option)


@pytest.mark.parametrize(
    ("value", "message"), [(0, "at least 1"), (2.5, "whole number"), ("4", "whole number")]
)
def test_batches_without_sense_are_refused(every_pretrained, value, message):
    for verb, given in ((every_pretrained.predict, asked(every_pretrained)),
                        (every_pretrained.evaluate, good(every_pretrained))):  # fmt: skip
        with refused(OptionError, f"batch_size is '?{value}'?.*{message}"):
            verb(given, batch_size=value)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"data": []}, DataError, "no rows"),
        ({"data": 3}, DataError, "cannot be read from int"),
        ({"data": "nowhere.tsv"}, DataError, "there is no file nowhere.tsv"),
        ({"limit": 0}, OptionError, "limit is 0"),
        ({"limit": "a"}, OptionError, "whole number"),
    ],
)
def test_evaluate_refuses_examples_without_sense(every_pretrained, arguments, error, message):
    with refused(error, message):
        every_pretrained.evaluate(**({"data": good(every_pretrained)} | arguments))


@pytest.mark.parametrize(("arguments", "error", "message"), FINETUNING)
def test_finetune_and_preprocess_refuse_what_makes_no_sense(
    every_pretrained, arguments, error, message, tmp_path
):
    if not can_be_finetuned(every_pretrained):
        pytest.skip("it is refused whatever is given")
    given = {"data": good(every_pretrained)} | arguments
    with refused(error, message):
        every_pretrained.finetune(out=tmp_path / "mine", **given)
    assert not any(tmp_path.iterdir())
    if "task" not in given:
        with refused(error, message):
            every_pretrained.preprocess(**given)


def test_one_text_alone_cannot_be_split(every_pretrained):
    if not can_be_finetuned(every_pretrained):
        pytest.skip("it is refused whatever is given")
    one = "source" if every_pretrained.recipe.task == "translate" else "text"
    same = [good(every_pretrained)[0]] * 3
    if every_pretrained.recipe.task == "classify":
        same = [("Go.", label) for label in every_pretrained.labels]
    with refused(DataError, f"one {one} alone cannot be split"):
        every_pretrained.finetune(same)


def test_texts_that_are_none_are_told_by_their_row(every_pretrained):
    if not can_be_finetuned(every_pretrained):
        pytest.skip("it is refused whatever is given")
    first, *rest = good(every_pretrained)
    for text, problem in ((None, "missing"), ("", "empty"), (3.5, "float, not text"),
                          (7, "int, not text"), (float("nan"), "missing")):  # fmt: skip
        name = "source" if every_pretrained.recipe.task == "translate" else "text"
        wrong = (text, first[1]) if isinstance(first, tuple) else text
        with refused(DataError, f"row 3: the {name} is {problem}"):
            every_pretrained.finetune([*rest, wrong])


def test_folders_that_hold_something_else_are_left_alone(every_pretrained, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("x")
    with refused(BundleError, "exists and is no bundle"):
        every_pretrained.save(tmp_path / "mine")
    given = good(every_pretrained)
    with refused(BundleError, "exists and is no bundle"):
        every_pretrained.finetune(given, out=tmp_path / "mine")
    with refused(CheckpointError, "there is no run to resume.*without resume"):
        every_pretrained.finetune(given, out=tmp_path / "new", resume=True)
    with refused(CheckpointError, "resume needs `out`"):
        every_pretrained.finetune(given, resume=True)
    (tmp_path / "new.run").mkdir()
    with refused(CheckpointError, "already holds a run.*resume"):
        every_pretrained.finetune(given, out=tmp_path / "new")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["mine", "new.run", "thesis.tex"]


def test_options_of_one_verb_alone_are_checked_too(every_pretrained, tmp_path):
    given = good(every_pretrained)
    with refused(OptionError, "out is 3"):
        every_pretrained.finetune(given, out=3)
    with refused(OptionError, "passes is 0"):
        every_pretrained.preprocess(given, passes=0)
    with refused(OptionError, "folder is None"):
        every_pretrained.save(None)
    with refused(OptionError, "cannot be stored as 'int4'"):
        every_pretrained.save(tmp_path / "x", dtype="int4")
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("reference", [None, 3, b"vaswani2017", ["vaswani2017"]])
def test_what_is_no_name_cannot_be_loaded(reference):
    with refused(UnknownName, r"is neither a model's name nor a folder"):
        zoo.load(reference)


@pytest.mark.parametrize("name", [None, 3])
def test_what_is_no_name_cannot_be_built(name):
    with refused(UnknownName, f"there is no model '{name}'.*valid choices"):
        zoo.build(name)
