"""LoRA: few weights train, the others keep every bit, and the bundle is an ordinary one."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tiny
from given import PAIRS, examples, quick

from zoo import bundle
from zoo.errors import NotSupported, OptionError
from zoo.loading import load
from zoo.training import lora

RANK = 3
# The papers that have Keras' linear layers or embeddings besides a classifier's head.
ABLE = ("vaswani2017", "bahdanau2015", "sutskever2014", "gpt1")
VARIANTS = {name: each for name, each in tiny.variants().items() if each.paper in ABLE}


def trainable(model: keras.Model) -> int:
    return sum(int(np.prod(each.shape)) for each in model.trainable_variables)


@pytest.mark.parametrize("variant", VARIANTS.values(), ids=VARIANTS)
def test_two_matrices_beside_each_layer_train_and_the_head(variant):
    model = variant.make()
    before, outputs = bundle.arrays(model), tiny.logits(model, variant.inputs)
    lora.check(model, variant.paper)
    lora.enable(model, RANK)
    adapted = [each for each in model._flatten_layers() if getattr(each, "lora_enabled", False)]
    kernels = [vars(each).get("_kernel", vars(each).get("_embeddings")) for each in adapted]
    head = sum(value.size for name, value in before.items() if name.startswith("head."))
    assert adapted
    assert trainable(model) == head + sum(RANK * sum(each.shape) for each in kernels)
    # Nothing is learned yet: the same outputs, and the same weights under the same names.
    np.testing.assert_array_equal(tiny.logits(model, variant.inputs), outputs)
    after = bundle.arrays(model)
    assert list(after) == list(before)
    for name, value in after.items():
        np.testing.assert_array_equal(value, before[name])


@pytest.mark.parametrize("paper", ["vaswani2017", "bahdanau2015"])
def test_a_model_is_fine_tuned_by_lora_and_saved_as_any_other(loaded, tmp_path, paper):
    model = loaded(tiny.own_recipes(paper)[0])
    before = bundle.arrays(model.model)
    changes = quick(model) | {"train.updates": 3}
    tuned = model.finetune(
        examples(model.recipe), validation=PAIRS[:4], changes=changes, lora_rank=RANK,
        out=tmp_path / "mine",
    )  # fmt: skip
    adapted = {
        name for name in before
        if name.endswith((".kernel", ".embeddings")) and "lora" not in name
    }  # fmt: skip
    moved = {n for n, value in bundle.arrays(tuned.model).items() if (value != before[n]).any()}
    assert moved
    assert moved <= adapted
    assert all((bundle.arrays(model.model)[name] == value).all() for name, value in before.items())
    assert not any(getattr(each, "lora_enabled", False) for each in tuned.model._flatten_layers())

    saved = load(tmp_path / "mine")
    assert saved.recipe == tuned.recipe
    assert (saved.recipe.train.lora_rank, saved.recipe.base.lora) == (RANK, [RANK])
    assert [type(each) for each in saved.model.layers] == [type(x) for x in model.model.layers]
    assert "LoRA of rank 3, merged into the weights." in (tmp_path / "mine/README.md").read_text()


def test_a_classifiers_new_head_trains_as_a_whole(loaded):
    name = tiny.own_recipes("gpt1", "generate")[0]
    model = loaded(name)
    rows = [(source, ("bad", "good")[len(source) % 2]) for source, _ in PAIRS]
    context = model.recipe.model.arguments["context"]
    changes = {
        "train.updates": 2, "train.updates_per_epoch": 1, "train.jit": False,
        "train.buckets": [context], "train.batch_sentences": 8,
    }  # fmt: skip
    tuned = model.finetune(rows, task="classify", changes=changes, lora_rank=RANK)
    before, after = bundle.arrays(model.model), bundle.arrays(tuned.model)
    assert after["head.kernel"].any()
    assert after["head.bias"].any()
    for each in before:
        if not each.endswith(".kernel"):
            np.testing.assert_array_equal(after[each], before[each])


@pytest.mark.parametrize("paper", ["merity2017", "ulmfit2018"])
def test_a_paper_without_such_layers_says_so_before_it_trains(loaded, paper, tmp_path):
    model = loaded(tiny.own_recipes(paper)[0])
    with pytest.raises(NotSupported, match=f"and {paper} has none.*\n.*leave lora_rank out"):
        model.finetune(examples(model.recipe), lora_rank=8, out=tmp_path / "mine")
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(("rank", "message"), [(0, "at least 1"), (2.5, "whole number")])
def test_a_rank_without_sense_is_refused(tiny_pretrained, rank, message):
    with pytest.raises(OptionError, match=f"lora_rank is {rank}.*\n.*{message}"):
        tiny_pretrained.finetune(PAIRS, lora_rank=rank)
    with pytest.raises(OptionError, match=r"changes has another train\.lora_rank"):
        tiny_pretrained.finetune(PAIRS, lora_rank=2, changes={"train.lora_rank": 3})
