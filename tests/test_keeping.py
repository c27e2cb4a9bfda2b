"""What a bundle says is true of exactly its weights, and a save that fails harms nothing."""

from __future__ import annotations

import json
import shlex
import shutil
import warnings
from pathlib import Path

import hub_server
import keras
import numpy as np
import pytest
import tiny
from given import examples, quick

import zoo
from zoo import bundle, golden
from zoo.bundle import model_card
from zoo.cli.main import main
from zoo.config import catalog
from zoo.config import recipe as recipes
from zoo.errors import BundleError, RecipeError
from zoo.loading import load
from zoo.pretrained import Pretrained
from zoo.training import again, run, tuning

NAME = "gpt1.sst2"
TEXTS = ["I am cold.", "The cat eats a fish."]


@pytest.fixture(scope="module")
def shipped() -> Pretrained:
    """The registry's weights. Shared: give its weights back."""
    return load(NAME)


@pytest.fixture(scope="module")
def measured(bundles, tmp_path_factory) -> Path:
    """A classifier's bundle with golden outputs, metrics and history, whose recipe has no name."""
    source = bundles(tiny.own_recipes("gpt1", "classify")[0])
    folder = Path(shutil.copytree(source, tmp_path_factory.mktemp("measured") / "mine"))
    golden.attach(folder, TEXTS)
    return folder


@pytest.fixture
def mine(measured, tmp_path, monkeypatch) -> Pretrained:
    """That bundle, loaded from ./mine."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(measured, tmp_path / "mine")
    return load("./mine")


def change(model: Pretrained, by: float = 1.25) -> None:
    """What a training loop of one's own does."""
    weight = first_weight(model.model)
    weight.assign(weight * by)


def first_weight(model: keras.Model) -> keras.Variable:
    return next(iter(bundle.variables(model).values()))


def hash_of(folder: Path | str) -> str:
    return bundle.weights_hash(Path(folder))


def content(folder: Path | str) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in Path(folder).iterdir()}


def front_matter(card: str) -> dict:
    import yaml

    return yaml.safe_load(card.split("---\n")[1])


# The same weights


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_weights_that_did_not_change_keep_what_was_measured(shipped, tmp_path, dtype):
    folder = shipped.save(tmp_path / "same", dtype=dtype)
    source = catalog.find_bundle(NAME)
    saved, held = load(folder), bundle.read(source)
    assert saved.metrics == held.metrics == shipped.metrics
    assert (saved.history, saved.golden, saved.recipe) == (held.history, held.golden, held.recipe)
    written = json.loads((folder / "metrics.json").read_text())
    assert written == held.metrics | {"weights_sha256": hash_of(folder)}
    assert (hash_of(folder) == hash_of(source)) == (dtype == "float16")
    card = (folder / "README.md").read_text()
    assert "accuracy 82.5 %" in card
    assert "gluebenchmark.com" in card
    # The name loads the same file, or at least the same numbers; only a file is known by its hash.
    assert (f'zoo.load("{NAME}")' in card) == (dtype == "float16")
    if dtype == "float16":
        assert saved.card.tag == "sst2"


def test_weights_that_storing_rounds_are_not_measured(shipped, tmp_path):
    folder = shipped.save(tmp_path / "rounded", dtype="bfloat16")
    saved = load(folder)
    assert saved.metrics == {}
    assert len(saved.history) == len(shipped.history)  # so they were trained, and then rounded
    assert saved.golden["inputs"] == shipped.golden["inputs"]
    assert saved.golden["logits"] != shipped.golden["logits"]
    golden.check(saved.task, saved.golden)
    assert (saved.recipe.base.how, saved.recipe.base.name) == ("rounded", NAME)
    card = (folder / "README.md").read_text()
    for part in ("were not measured", f"the weights `{NAME}`", "rounded", "gluebenchmark.com"):
        assert part in card, part
    assert "82.45" not in card
    assert f'zoo.load("{NAME}")' not in card
    assert front_matter(card)["base_model_relation"] == "quantized"


@pytest.mark.parametrize(
    ("policy", "kept"), [("mixed_bfloat16", True), ("float16", True), ("bfloat16", False)]
)
def test_a_policy_that_rounds_the_weights_makes_other_weights(mine, policy, kept):
    other = load("./mine", dtype=policy)
    other.save("copy")
    saved = load("./copy")
    assert saved.metrics == (mine.metrics if kept else {})
    assert (hash_of("copy") == hash_of("mine")) == kept
    assert (saved.recipe == mine.recipe) == kept
    golden.check(saved.task, saved.golden)


def test_metrics_of_another_file_are_not_read(mine):
    """metrics.json names its weights; a bundle of an earlier version names none, and is silent."""
    metrics = json.loads(Path("mine/metrics.json").read_text())
    assert metrics.pop("weights_sha256") == hash_of("mine")
    assert metrics == mine.metrics
    for written, expected in ((metrics, metrics), (metrics | {"weights_sha256": "0" * 64}, {})):
        bundle.rewrite("mine", {"metrics.json": json.dumps(written)})
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert load("./mine").metrics == expected


# Other weights


def test_what_was_measured_stays_with_the_weights_it_was_measured_of(shipped, tmp_path):
    before = hash_of(catalog.find_bundle(NAME))
    change(shipped)
    try:
        folder = shipped.save(tmp_path / "own")
        card, pushed = str(shipped.card), shipped.push("user/own", dry_run=True)
    finally:
        change(shipped, 1 / 1.25)
    saved, readme = load(folder), (folder / "README.md").read_text()
    assert (saved.metrics, saved.history) == ({}, [])
    assert saved.golden["inputs"] == shipped.golden["inputs"]
    assert saved.golden["logits"] != shipped.golden["logits"]
    golden.check(saved.task, saved.golden)
    assert saved.recipe.name == "gpt1-sst2-changed"
    base = saved.recipe.base
    assert (base.how, base.name, base.sha256, base.public) == ("changed", NAME, before, NAME)
    for text in (readme, pushed.card):
        for part in (
            "were not measured", f"the weights `{NAME}`", before, "changed afterwards",
            "The licence of the user's own data is not stated.",
            f"{NAME} before them: other, research use",
        ):  # fmt: skip
            assert part in text, part
        for part in ("82.45", "2026-11-28", f'zoo.load("{NAME}")', "zoo train", "2,062 updates"):
            assert part not in text, part
        facts = front_matter(text)
        assert (facts["base_model"], facts["license"]) == (NAME, "other")
        assert not {"metrics", "datasets", "model-index"} & set(facts)
        assert hub_server.metadata_problems(text) == []
    assert "Weights: other, research use." not in (folder / "LICENSE").read_text()
    assert f"changed: the weights `{NAME}`" in card
    assert card.startswith("this model: gpt1-sst2-changed")
    assert "not measured" in str(saved.card)
    assert saved.card.tag is None
    for part in ('license = "other, not stated"', 'data_license = "not stated"', f"from {NAME}"):
        assert part in pushed.entry, part


def test_the_original_can_be_saved_again_after_its_weights_are_back(mine):
    change(mine, 2.0)
    mine.save("changed")
    change(mine, 0.5)
    mine.save("back")
    assert load("./changed").metrics == {}
    assert load("./back").metrics == mine.metrics
    assert load("./back").golden == mine.golden


def test_changes_on_changes_keep_the_chain(mine):
    change(mine)
    mine.save("one")
    one = load("./one")
    assert (one.recipe.name, one.recipe.base.name) == ("tiny-changed", "./mine")
    one.save("copy")
    assert load("./copy").recipe == one.recipe
    change(one)
    one.save("two")
    base = load("./two").recipe.base
    assert (base.name, base.recipe, base.sha256) == ("./one", "tiny-changed", hash_of("one"))
    assert load("./two").recipe.name == "tiny-changed"


def test_a_second_run_of_a_recipe_is_not_the_registrys_weights():
    """The licence of its data holds, the name loads other weights."""
    made = recipes.load("gpt1-sst2").resolved()
    known = hash_of(catalog.find_bundle(NAME))
    assert f'zoo.load("{NAME}")' in model_card.text(made, {}, 1, sha256=known)
    card = model_card.text(made, {}, 1, sha256="0" * 64)
    assert 'zoo.load("./gpt1-sst2")' in card
    assert "gluebenchmark.com" in card
    assert "`zoo train gpt1-sst2` runs it again" in card
    shorter = made.changed({"train.updates": 5})
    assert "`zoo train recipe.toml` runs it again" in model_card.text(shorter, {}, 1)
    other = made.changed({"data.corpus": "imdb"})
    assert "gluebenchmark.com" not in model_card.text(other, {}, 1, sha256="0" * 64)


def test_a_recipe_that_began_with_other_weights_is_not_trained_from_scratch(mine, tmp_path):
    change(mine)
    changed = recipes.load(mine.save("changed") / "recipe.toml")
    with pytest.raises(RecipeError, match=r"was changed from trained weights, \./mine"):
        run.train(changed, tmp_path / "out")
    with pytest.raises(RecipeError, match="lora_rank is for fine-tuning"):
        run.train(mine.recipe.changed({"train.lora_rank": 2}), tmp_path / "out")
    with pytest.raises(RecipeError, match=r"no key 'base\.name'"):
        changed.changed({"base.name": "vaswani2017"})


# Fine-tuned weights


def test_a_fine_tuned_model_names_its_base_its_data_and_a_command_that_runs(mine, capsys):
    rows = "".join("\t".join(row) + "\n" for row in examples(mine.recipe))
    Path("my texts.tsv").write_text(f"text\tlabel\n{rows}", "utf-8")
    tuned = mine.finetune("my texts.tsv", out="tuned", validation=0.2, changes=quick(mine))
    base = tuned.recipe.base
    assert (base.how, base.name, base.sha256) == ("finetuned", "./mine", hash_of("mine"))
    card = Path("tuned/README.md").read_text()
    for part in (
        f"`{base.command}` runs it again", "the weights `./mine`", "On my texts.tsv (",
        "The licence of the user's data, my texts.tsv, is not stated.",
        "texts trained on", 'zoo.load("./tiny-finetuned")',
    ):  # fmt: skip
        assert part in card, part
    assert "zoo train" not in card
    assert load("./tuned").recipe == tuned.recipe

    assert base.command.startswith("zoo finetune ./mine --data './my texts.tsv' --out ./tiny-fine")
    with pytest.raises(SystemExit) as done:
        main(shlex.split(base.command)[1:])
    assert not done.value.code
    assert hash_of("tiny-finetuned-again") == hash_of("tuned")
    assert load("./tiny-finetuned-again").recipe == tuned.recipe

    with pytest.raises(SystemExit):
        main(["info", "./tuned"])
    assert base.command in capsys.readouterr().out


def test_a_command_says_what_the_size_of_the_data_would_decide():
    base = recipes.load("gpt1-sst2").resolved()
    asked = {"columns": {"text": 1, "label": [2]}, "header": False, "seed": 3}
    tuned = tuning.recipe(base, "mine.tsv", None, None, base.data.labels)
    made = again.command("gpt1.sst2", base, tuned, "mine.tsv", None, asked)
    for part in ("--column text=1 --column label=2", "--no-header", "--seed 3"):
        assert part in made
    for key in ("train.batch_sentences", "train.updates"):
        assert f"--set {key}=" in made
    for name in ("validation", "adapt"):  # paths, which the shell's options do not take
        assert again.command("gpt1.sst2", base, tuned, "a.tsv", None, {name: "b.tsv"}) == ""


def test_examples_or_weights_in_memory_give_no_command(mine):
    tuned = mine.finetune(examples(mine.recipe), changes=quick(mine))
    assert (tuned.recipe.base.name, tuned.recipe.base.command) == ("./mine", "")
    tuned.save("tuned")
    assert "no command runs it again" in Path("tuned/README.md").read_text()
    saved = load("./tuned")
    assert saved.metrics == json.loads(json.dumps(tuned.metrics))  # of weights with more bits
    assert len(saved.history) == len(tuned.history)
    # What was saved has a name for a next run, what has changed since has none.
    again = tuned.finetune(examples(mine.recipe), changes=quick(mine))
    assert (again.recipe.base.name, again.recipe.base.sha256) == ("./tuned", hash_of("tuned"))
    change(again)
    third = again.finetune(examples(mine.recipe), changes=quick(mine))
    assert (third.recipe.base.name, third.recipe.base.recipe) == ("", "tiny-finetuned")
    change(tuned)
    tuned.save("changed")
    changed = load("./changed")
    assert changed.metrics == {}
    assert "texts trained on" not in Path("changed/README.md").read_text()


# A save that fails


def extend(model: keras.Model) -> None:
    model._tracker.unlock()  # Keras' own lock is no more than a hint
    model.extra = keras.layers.Dense(3)
    model.extra.build((None, 4))


def quantize(model: keras.Model) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of layers that have nothing to quantize
        model.quantize("int8")


def diverge(model: keras.Model) -> None:
    weight = first_weight(model)
    weight.assign(weight * np.nan)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (extend, "no longer that of its recipe: .*'extra.kernel'.*not in the model"),
        (diverge, "the weight '.*' is not finite"),
        (quantize, "is quantized to int8"),
    ],
    ids=["extended", "diverged", "quantized"],
)
def test_a_model_that_cannot_be_saved_leaves_the_bundle_that_is_there(mine, spoil, message):
    before = content("mine")
    spoil(mine.model)
    with pytest.raises(BundleError, match=message):
        mine.save("mine")
    assert content("mine") == before
    assert [path.name for path in Path.cwd().iterdir()] == ["mine"]
    assert "not measured" in str(mine.card) or "tiny-changed" in str(mine.card)


def test_golden_outputs_that_cannot_be_recorded_leave_the_bundle_that_is_there(mine, monkeypatch):
    def fail(*args):
        raise BundleError("no answer", "")

    before = content("mine")
    change(mine)
    monkeypatch.setattr(golden, "record", fail)
    with pytest.raises(BundleError, match="no answer"):
        mine.save("mine")
    assert content("mine") == before


# LoRA


def with_lora(model: Pretrained, trained: bool = True) -> None:
    """Enable LoRA on every linear layer, as a user does, and perhaps train it."""
    for layer in model.model._flatten_layers():
        if isinstance(layer, keras.layers.Dense):
            layer.enable_lora(2)
            if trained:
                shape = layer.lora_kernel_b.shape
                layer.lora_kernel_b.assign(np.random.default_rng(1).normal(size=shape))


def warned(model: Pretrained, folder: str, dtype: str) -> list[str]:
    """Save a model and return this package's warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.save(folder, dtype=dtype)
    return [str(each.message) for each in caught if each.category is zoo.ZooWarning]


def test_a_users_lora_is_merged_into_the_bundle_and_stays_in_memory(mine):
    before = mine.probabilities(TEXTS)
    with_lora(mine)
    held = [np.array(each) for each in mine.model.get_weights()]
    adapted = mine.probabilities(TEXTS)
    assert np.abs(adapted - before).max() > 0.01  # nothing compiled before computes without it
    assert warned(mine, "mine", "float32") == [
        "LoRA of rank 2 was merged into the weights in mine; the model in memory still has it apart"
    ]
    for old, new in zip(held, mine.model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    saved = load("./mine")
    assert list(bundle.arrays(saved.model)) == list(bundle.variables(saved.model))
    assert not any("lora" in name for name in bundle.arrays(saved.model))
    found = saved.probabilities(TEXTS)
    np.testing.assert_allclose(found, adapted, rtol=1e-4, atol=1e-5)
    assert (saved.metrics, saved.recipe.base.lora) == ({}, [2])
    assert "LoRA of rank 2, merged into the weights." in Path("mine/README.md").read_text()
    golden.check(saved.task, saved.golden)


def test_lora_that_has_learned_nothing_changes_no_weight(mine):
    with_lora(mine, trained=False)
    assert len(warned(mine, "copy", "float16")) == 1
    assert hash_of("copy") == hash_of("mine")
    assert load("./copy").metrics == mine.metrics


def test_an_embeddings_lora_is_merged_too(loaded, tmp_path):
    model = loaded(tiny.own_recipes("bahdanau2015")[0])
    embedding = next(
        each for each in model.model._flatten_layers() if isinstance(each, keras.layers.Embedding)
    )
    name = next(
        name
        for name, each in bundle.variables(model.model).items()
        if each is embedding._embeddings
    )
    before = bundle.arrays(model.model)[name]
    embedding.enable_lora(2, lora_alpha=3)
    embedding.lora_embeddings_b.assign(np.ones(embedding.lora_embeddings_b.shape))
    first = keras.ops.convert_to_numpy(embedding.lora_embeddings_a)
    found = bundle.arrays(model.model)[name]
    np.testing.assert_allclose(found, before + 1.5 * first.sum(1, keepdims=True), rtol=1e-5)
