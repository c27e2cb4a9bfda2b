"""fast.ai's checkpoints: what torch.nn.LSTM computes with the same files, old and new."""

from __future__ import annotations

import functools
import pickle
from pathlib import Path

import numpy as np
import pytest
from keras import ops

import zoo
from zoo import convert
from zoo.convert.pickled_words import read_words
from zoo.errors import BundleError

torch = pytest.importorskip("torch")

EMBEDDING, LAYERS = 12, 3
OLD = ["_unk_", "_pad_", "the", ",", "film", "t_up", "was", "tk_rep", "-", "well", "made", "xbos",
       "3", "4", "\n", "good", "."]  # fmt: skip
NEW = ["xxunk", "xxpad", "xxbos", "xxeos", "xxfld", "xxmaj", "xxup", "xxrep", "xxwrep", "the", ",",
       "film", "was", "@-@", "well", "made", "4", "good", ".", "xxfake", "xxfake"]  # fmt: skip
LISTS = {"old": OLD, "new": NEW, "nested": NEW, "legacy": OLD}


def state(words: list[str], width: int, new: bool) -> dict:
    """Weights far from zero under fast.ai's names; each two biases differ."""
    generator = torch.Generator().manual_seed(len(words))

    def drawn(*shape):
        return 0.8 * torch.randn(*shape, generator=generator)

    found = {"0.encoder.weight": drawn(len(words), EMBEDDING)}
    copy = "0.encoder_dp.emb.weight" if new else "0.encoder_with_dropout.embed.weight"
    found[copy] = found["1.decoder.weight"] = found["0.encoder.weight"].clone()
    if new:
        found["1.decoder.bias"] = drawn(len(words))
    sizes = [EMBEDDING, *[width] * (LAYERS - 1), EMBEDDING]
    for i in range(LAYERS):
        layer, raw = f"0.rnns.{i}.module", f"0.rnns.{i}" + ("" if new else ".module")
        found[f"{layer}.weight_ih_l0"] = drawn(4 * sizes[i + 1], sizes[i])
        found[f"{raw}.weight_hh_l0_raw"] = drawn(4 * sizes[i + 1], sizes[i + 1])
        found[f"{layer}.bias_ih_l0"] = drawn(4 * sizes[i + 1])
        found[f"{layer}.bias_hh_l0"] = drawn(4 * sizes[i + 1])
        if new:  # a copy that was dropped
            found[f"{layer}.weight_hh_l0"] = torch.zeros(4 * sizes[i + 1], sizes[i + 1])
    return found


def write(folder: Path, layout: str, name: str = "") -> Path:
    """Write a checkpoint as one of fast.ai's versions would have."""
    folder.mkdir(exist_ok=True)
    new = layout in ("new", "nested")
    made = state(LISTS[layout], 16 if new else 20, new)
    content = {"model": made, "opt": {"state": {}, "param_groups": []}}
    torch.save(
        content if layout == "nested" else made,
        folder / (name or ("lstm_fwd.pth" if new else "fwd_wt103.h5")),
        _use_new_zipfile_serialization=layout != "legacy",
    )
    (folder / "itos_wt103.pkl").write_bytes(
        pickle.dumps(LISTS[layout], 2 if layout == "old" else 4)
    )
    return folder


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("checkpoints")
    return {each: write(root / each, each) for each in LISTS}


@pytest.fixture(scope="module")
def load(folders):
    return functools.cache(lambda layout: zoo.load(folders[layout]))


def their_logits(path: Path, tokens: np.ndarray) -> np.ndarray:
    """The network in plain PyTorch: nn.LSTM with the weights of the file."""
    weights = torch.load(path, weights_only=True)
    weights = weights.get("model", weights)
    table = weights["0.encoder.weight"]
    x = table[torch.tensor(tokens.astype("int64"))]
    for i in range(LAYERS):
        layer = f"0.rnns.{i}.module"
        raw = weights.get(f"0.rnns.{i}.weight_hh_l0_raw", weights.get(f"{layer}.weight_hh_l0_raw"))
        lstm = torch.nn.LSTM(x.shape[-1], raw.shape[1], batch_first=True)
        lstm.load_state_dict(
            {
                name: weights[f"{layer}.{name}"]
                for name in ("weight_ih_l0", "bias_ih_l0", "bias_hh_l0")
            }
            | {"weight_hh_l0": raw}
        )
        with torch.no_grad():
            x, _ = lstm(x)
    bias = weights.get("1.decoder.bias", torch.zeros(len(table)))
    return (x @ table.T + bias).numpy()


@pytest.mark.parametrize("layout", LISTS)
def test_a_full_pass_is_theirs(layout, folders, load):
    ours = load(layout)
    tokens = np.random.default_rng(0).integers(0, 17, size=(2, 9))
    (path,) = [each for each in folders[layout].iterdir() if each.suffix != ".pkl"]
    expected = their_logits(path, tokens)
    # Ours has the same words in another order, under fast.ai's later names.
    later = {"_unk_": "xxunk", "_pad_": "xxpad", "xbos": "xxbos", "t_up": "xxup", "tk_rep": "xxrep"}
    words = [later.get(word, word) for word in LISTS[layout]]
    place = {word: i for i, word in enumerate(ours.tokenizer.words)}
    ids = np.array([place[word] for word in words])
    found = ops.convert_to_numpy(ours.model(ids[tokens].astype("int32")))
    once = [i for i, word in enumerate(words) if words.index(word) == i]
    assert expected.std() > 0.3
    np.testing.assert_allclose(found[:, :, ids[once]], expected[:, :, once], atol=1e-4, rtol=0)


@pytest.mark.parametrize("layout", LISTS)
def test_sizes_and_words(layout, load):
    ours = load(layout)
    arguments, new = ours.recipe.model.arguments, layout in ("new", "nested")
    assert arguments["vocabulary"] == ours.tokenizer.size
    assert (arguments["embedding"], arguments["width"]) == (EMBEDDING, 16 if new else 20)
    lacking = {"xxeos", "xxmaj", "xxwrep", "@-@"} if not new else {"\n"}
    assert ours.tokenizer.size == len(set(LISTS[layout])) + len(lacking)
    assert ours.recipe.name == "ulmfit2018-wt103-forward"


def test_what_the_list_lacks_gets_the_mean(load):
    ours = load("old")
    place = {word: i for i, word in enumerate(ours.tokenizer.words)}
    table = ops.convert_to_numpy(ours.model.encoder.embedding.table)
    given = state(OLD, 20, False)["0.encoder.weight"].numpy()
    for word in ("xxmaj", "xxeos", "xxwrep"):
        np.testing.assert_allclose(table[place[word]], given.mean(axis=0), atol=1e-6)
    np.testing.assert_array_equal(table[place["@-@"]], given[OLD.index("-")])


def test_capitals_are_marked_only_where_the_model_knows_it(load, tmp_path):
    text = "The FILM was well-made."
    words = ["the", "xxup", "film", "was", "well", "@-@", "made", "."]
    assert load("old").tokenizer.split(text) == words
    assert load("new").tokenizer.split(text) == ["xxmaj", *words]
    load("old").tokenizer.save(tmp_path / "x.fastai.json")
    again = type(load("old").tokenizer).load(tmp_path / "x.fastai.json")
    assert again.split(text) == words


def test_it_can_be_saved_as_a_bundle(load, tmp_path):
    ours = load("new")
    assert "was" in ours.predict("The film was", max_length=6)
    ours.save(tmp_path / "bundle", dtype="float32")
    again = zoo.load(tmp_path / "bundle")
    text = "The film was good."
    assert again.score(text) == pytest.approx(ours.score(text), abs=1e-4)


def test_both_directions_in_one_folder(tmp_path):
    """A folder is read forward; the other direction is read by its file's name."""
    folder = write(write(tmp_path / "wt103", "old"), "old", "bwd_wt103.h5")
    torch.save({}, folder / "fwd_wt103_enc.h5")  # the encoder alone, which fast.ai has beside it
    assert not zoo.load(folder).recipe.data.reverse
    backward = convert.read(folder / "bwd_wt103.h5").recipe
    assert backward.data.reverse
    assert backward.name == "ulmfit2018-wt103-backward"


# What is wrong with a folder


def lacking(found):
    del found["0.rnns.1.module.bias_hh_l0"]


def surplus(found):
    found["2.layers.0.weight"] = torch.zeros(2)


def untied(found):
    found["1.decoder.weight"] = found["1.decoder.weight"] + 1


def narrow(found):
    found["0.rnns.2.module.weight_ih_l0"] = torch.zeros(48, 19)


def another(found):
    found.clear()
    found["weight"] = torch.zeros(2)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lacking, r"has no 0\.rnns\.1\.bias_hh_l0"),
        (surplus, r"has 2\.layers\.0\.weight, which the model has no place for"),
        (untied, r"1\.decoder\.weight is another table"),
        (narrow, r"0\.rnns\.2\.weight_ih_l0 is \(48, 19\)"),
        (another, r"has no 0\.encoder\.weight"),
    ],
)
def test_tensors_that_do_not_fit_are_named(change, text, tmp_path):
    folder = write(tmp_path / "wrong", "old")
    found = state(OLD, 20, False)
    change(found)
    torch.save(found, folder / "fwd_wt103.h5")
    with pytest.raises(BundleError, match=text):
        zoo.load(folder)


def test_a_list_of_other_weights_is_refused(tmp_path):
    folder = write(tmp_path / "wrong", "old")
    (folder / "itos_wt103.pkl").write_bytes(pickle.dumps(OLD[:-1]))
    with pytest.raises(BundleError, match=r"has 16 words, fwd_wt103\.h5 17 rows"):
        zoo.load(folder)
    (folder / "itos_other.pkl").write_bytes(pickle.dumps(OLD))
    with pytest.raises(BundleError, match=r"itos_other\.pkl and itos_wt103\.pkl"):
        zoo.load(folder)


def test_a_folder_without_the_list_is_no_checkpoint(tmp_path):
    folder = write(tmp_path / "wrong", "old")
    (folder / "itos_wt103.pkl").unlink()
    with pytest.raises(BundleError, match="neither a bundle"):
        zoo.load(folder)
    with pytest.raises(BundleError, match="no checkpoint that is known"):
        convert.read(folder / "fwd_wt103.h5")


# Lists of words


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_lists_of_every_protocol(protocol, tmp_path):
    words = [*(f"word{i}" for i in range(2500)), "\n", "\u00e9t\u00e9", "x" * 300, "word1"]
    words.append(words[0])
    (tmp_path / "itos.pkl").write_bytes(pickle.dumps(words, protocol))
    if protocol == 0:  # an older way to begin a list, which nobody's file has
        with pytest.raises(BundleError, match="the instruction LIST"):
            read_words(tmp_path / "itos.pkl")
        return
    assert read_words(tmp_path / "itos.pkl") == words


class Attack:
    """What runs a command when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self):
        return (Path.touch, (self.marker,))


@pytest.mark.parametrize("kind", ["list", "inside", "state", "torch"])
def test_a_malicious_file_runs_nothing(kind, tmp_path):
    marker = tmp_path / "it-ran"
    folder = write(tmp_path / "wrong", "old")
    evil = Attack(marker)
    if kind == "torch":
        torch.save({"0.encoder.weight": evil}, folder / "fwd_wt103.h5")
    elif kind == "state":
        (folder / "fwd_wt103.h5").write_bytes(pickle.dumps(evil))
    else:
        content = evil if kind == "list" else [*OLD[:-1], evil]
        (folder / "itos_wt103.pkl").write_bytes(pickle.dumps(content))
    with pytest.raises(BundleError, match="was not read"):
        zoo.load(folder)
    assert not marker.exists()
    if kind == "inside":  # it would run if it were unpickled
        pickle.loads((folder / "itos_wt103.pkl").read_bytes())
        assert marker.exists()


@pytest.mark.parametrize(
    "content",
    [
        b"", b".", b"\x80\x04", b"garbage", b"]e.", b"(a.", b"K\x01.", b"](K\x01e.", b"]h\x05.",
        b"X\x01\x00\x00\x00aX\x01\x00\x00\x00ba.",
        b"\x80\x02]r\xff\xff\xff\x7f.X\xff\xff\xff\x7fa.",
        pickle.dumps({"a": 1}), pickle.dumps(["a", 1]), pickle.dumps(["a", b"b"]),
        pickle.dumps(["a", ["b"]]), pickle.dumps(("a",)), pickle.dumps("a"),
    ],
)  # fmt: skip
def test_anything_else_is_no_list_of_words(content, tmp_path):
    (tmp_path / "itos.pkl").write_bytes(content)
    if content.startswith(b"\x80\x02]r"):  # a memo of two billion places; ours has one
        assert read_words(tmp_path / "itos.pkl") == []
        return
    with pytest.raises(BundleError, match="no pickled list of words"):
        read_words(tmp_path / "itos.pkl")
