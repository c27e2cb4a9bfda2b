"""Nematus' checkpoints: its equations in plain NumPy, with the arrays under their own names."""

from __future__ import annotations

import json
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
from keras import ops

import zoo
from zoo import convert
from zoo.errors import BundleError

DIM, EMBEDDING, SOURCE, TARGET = 7, 5, 12, 14  # dim, dim_word, rows of the two tables
WORDS = {
    "en": ["eos", "UNK", "lo@@", "w", "the", "new", ".", "er", "hous@@", "e"],
    "de": ["eos", "UNK", "das", "neu@@", "e", "haus", ".", "nied@@", "rig", "ist", "ein", "&quot;",
           "und", "der", "too", "many"],
}  # fmt: skip
MERGES = ["l o", "e r</w>", "n e", "ne w</w>", "t h", "th e</w>", "h o", "u s", "ho us"]


def drawn() -> dict[str, np.ndarray]:
    """All arrays of a model, far from zero."""
    random = np.random.default_rng(0)
    n, m, two = DIM, EMBEDDING, 2 * DIM
    shapes: dict[str, tuple[int, ...]] = {"Wemb": (SOURCE, m), "Wemb_dec": (TARGET, m)}
    for name in ("encoder", "encoder_r", "decoder"):
        shapes |= {
            f"{name}_W": (m, two), f"{name}_b": (two,), f"{name}_U": (n, two),
            f"{name}_Wx": (m, n), f"{name}_bx": (n,), f"{name}_Ux": (n, n),
        }  # fmt: skip
    shapes |= {
        "decoder_U_nl": (n, two), "decoder_b_nl": (two,), "decoder_Ux_nl": (n, n),
        "decoder_bx_nl": (n,), "decoder_Wc": (two, two), "decoder_Wcx": (two, n),
        "decoder_W_comb_att": (n, two), "decoder_Wc_att": (two, two), "decoder_b_att": (two,),
        "decoder_U_att": (two, 1), "decoder_c_tt": (1,), "ff_state_W": (two, n),
        "ff_state_b": (n,), "ff_logit_lstm_W": (n, m), "ff_logit_lstm_b": (m,),
        "ff_logit_prev_W": (m, m), "ff_logit_prev_b": (m,), "ff_logit_ctx_W": (two, m),
        "ff_logit_ctx_b": (m,), "ff_logit_W": (m, TARGET), "ff_logit_b": (TARGET,),
    }  # fmt: skip
    return {name: random.normal(scale=0.6, size=shape).astype("float32")
            for name, shape in shapes.items()}  # fmt: skip


def write(folder: Path, merges: bool = True, options: dict | None = None, **changes) -> Path:
    """Write a checkpoint; `changes` are arrays, None leaves one out."""
    folder.mkdir(exist_ok=True)
    arrays = {name: each for name, each in (drawn() | changes).items() if each is not None}
    np.savez(folder / "model.npz", uidx=np.array(300), **arrays)
    # What Python 2 saved beside the weights is a pickle, which is not read.
    with (
        zipfile.ZipFile(folder / "model.npz", "a") as archive,
        archive.open("history_errs.npy", "w") as file,
    ):
        np.lib.format.write_array(file, np.array([None, "x"], dtype=object), allow_pickle=True)
    said = {
        "dim_word": EMBEDDING, "dim": DIM, "n_words_src": SOURCE, "n_words": TARGET,
        "encoder": "gru", "decoder": "gru_cond", "use_dropout": False,
        "dictionaries": ["/fs/somewhere/vocab.en.json", "/fs/somewhere/vocab.de.json"],
    }  # fmt: skip
    (folder / "model.npz.json").write_text(json.dumps(said | (options or {})))
    for language, words in WORDS.items():
        ids = {word: i for i, word in enumerate(words)}
        (folder / f"vocab.{language}.json").write_text(json.dumps(ids))
    if merges:
        (folder / "ende.bpe").write_text("#version: 0.2\n" + "\n".join(MERGES) + "\n")
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return write(tmp_path_factory.mktemp("nematus") / "en-de")


@pytest.fixture(scope="module")
def ours(folder):
    return zoo.load(folder)


# Nematus, one sentence at a time, in float64


def logistic(x):
    return 1.0 / (1.0 + np.exp(-x))


class Nematus:
    def __init__(self) -> None:
        self.w = {name: each.astype("float64") for name, each in drawn().items()}

    def gru(self, name, x, h):
        w = self.w
        gates = logistic(x @ w[f"{name}_W"] + w[f"{name}_b"] + h @ w[f"{name}_U"])
        r, u = gates[:DIM], gates[DIM:]
        proposed = np.tanh(x @ w[f"{name}_Wx"] + w[f"{name}_bx"] + r * (h @ w[f"{name}_Ux"]))
        return u * h + (1 - u) * proposed

    def second(self, context, h):
        w = self.w
        gates = logistic(h @ w["decoder_U_nl"] + w["decoder_b_nl"] + context @ w["decoder_Wc"])
        r, u = gates[:DIM], gates[DIM:]
        inner = r * (h @ w["decoder_Ux_nl"] + w["decoder_bx_nl"])
        return u * h + (1 - u) * np.tanh(inner + context @ w["decoder_Wcx"])

    def annotations(self, source):
        words = self.w["Wemb"][source]
        forward, backward = [np.zeros(DIM)], [np.zeros(DIM)]
        for x in words:
            forward.append(self.gru("encoder", x, forward[-1]))
        for x in words[::-1]:
            backward.append(self.gru("encoder_r", x, backward[-1]))
        return np.concatenate([forward[1:], backward[1:][::-1]], axis=1)

    def begin(self, source):
        ctx = self.annotations(source)
        return ctx, np.tanh(ctx.mean(axis=0) @ self.w["ff_state_W"] + self.w["ff_state_b"])

    def step(self, ctx, s, word):
        """Return the logits after a word, None being the start, and the state."""
        w = self.w
        y = np.zeros(EMBEDDING) if word is None else w["Wemb_dec"][word]
        s = self.gru("decoder", y, s)
        hidden = ctx @ w["decoder_Wc_att"] + w["decoder_b_att"] + s @ w["decoder_W_comb_att"]
        e = (np.tanh(hidden) @ w["decoder_U_att"])[:, 0] + w["decoder_c_tt"]
        weights = np.exp(e) / np.exp(e).sum()
        context = weights @ ctx
        s = self.second(context, s)
        t = np.tanh(
            s @ w["ff_logit_lstm_W"] + w["ff_logit_lstm_b"]
            + y @ w["ff_logit_prev_W"] + w["ff_logit_prev_b"]
            + context @ w["ff_logit_ctx_W"] + w["ff_logit_ctx_b"]
        )  # fmt: skip
        return t @ w["ff_logit_W"] + w["ff_logit_b"], s

    def logits(self, source, target):
        ctx, s = self.begin(source)
        found = []
        for word in [None, *target[:-1]]:
            made, s = self.step(ctx, s, word)
            found.append(made)
        return np.array(found)

    def greedy(self, source, longest):
        ctx, s = self.begin(source)
        found: list[int] = []
        while len(found) < longest:
            made, s = self.step(ctx, s, found[-1] if found else None)
            found.append(int(made.argmax()))
            if found[-1] == 0:
                break
        return found


# Their ids as ours: end and unknown change places, padding and start come in.
HOUSE = np.array([3, 1, *range(4, 4 + max(SOURCE, TARGET) - 2)])
SOURCES = [[5, 6, 7, 2, 0], [8, 9, 0]]
TARGETS = [[3, 4, 5, 1, 0], [10, 11, 2, 12, 13]]


def test_a_full_pass_is_theirs(ours):
    source = np.zeros((2, 6), "int32")
    target = np.zeros((2, 5), "int32")
    for row, (left, right) in enumerate(zip(SOURCES, TARGETS, strict=True)):
        source[row, : len(left)] = HOUSE[left]
        target[row] = [2, *HOUSE[right[:-1]]]
    found = ops.convert_to_numpy(ours.model({"source": source, "target": target}))
    kept = found[:, :, HOUSE[:TARGET]]
    for row, (left, right) in enumerate(zip(SOURCES, TARGETS, strict=True)):
        expected = Nematus().logits(left, right)
        assert expected.std() > 0.5
        np.testing.assert_allclose(kept[row], expected, atol=1e-4, rtol=0)
    assert (found[:, :, [0, 2]] < -5000).all()  # padding and start are never written


def test_it_writes_what_they_write(ours):
    text = "the new house."
    ids = [4, 5, 8, 9, 6, 0]
    assert ours.encode_sources([text]) == [HOUSE[ids].tolist()]
    found = Nematus().greedy(ids, 12)
    if found[-1] != 0:
        found = [*found[:-1], 0]
    expected = ours.target_tokenizer.decode(HOUSE[found].tolist())
    assert ours.predict(text, beam_size=1, max_length=12) == expected


def test_sizes_recipe_and_words(ours):
    arguments = ours.recipe.model.arguments
    assert arguments["source_vocabulary"] == SOURCE + 2
    assert arguments["target_vocabulary"] == TARGET + 2
    assert (arguments["alignment"], arguments["decoder"]) == (2 * DIM, "conditional")
    assert ours.recipe.name == "bahdanau2015-nematus-en-de"
    assert (ours.recipe.evaluate.beam_size, ours.recipe.evaluate.length_penalty) == (12, 1.0)
    arrays = sum(each.size for each in drawn().values()) - 1  # without the constant
    # Padding and start have rows; three biases of the readout are one.
    extra = 2 * (2 * EMBEDDING + EMBEDDING + 1) - 2 * EMBEDDING
    assert ours.model.count_params() == arrays + extra
    # Two rows of the source have no word, two words of the target no row.
    assert ours.source_tokenizer.words[-2:] == ["<10>", "<11>"]
    assert ours.target_tokenizer.words[-1] == "der"
    assert ours.target_tokenizer.language == "de"


def test_with_merges_words_are_cut(ours):
    tokenizer = ours.source_tokenizer
    assert tokenizer.split("the newer low house.") == [
        "the", "ne@@", "w@@", "er", "lo@@", "w", "hous@@", "e", ".",
    ]  # fmt: skip


def test_without_merges_words_are_whole(tmp_path):
    tokenizer = zoo.load(write(tmp_path / "x", merges=False)).source_tokenizer
    assert tokenizer.pieces(tokenizer.encode("the low eos UNK w.")) == [
        "the", "<unk>", "<unk>", "<unk>", "w", ".",
    ]  # fmt: skip


@pytest.mark.filterwarnings("ignore:.*that the model does not know")
def test_it_can_be_saved_as_a_bundle(ours, tmp_path):
    ours.save(tmp_path / "bundle")
    again = zoo.load(tmp_path / "bundle")
    assert again.predict("the new house.", max_length=6)
    assert again.score("the new", "das neue") == pytest.approx(
        ours.score("the new", "das neue"), abs=0.05
    )


def test_one_of_several_models_is_named(tmp_path):
    folder = write(tmp_path / "x")
    for number in (1, 2):
        for ending in ("", ".json"):
            name = f"model-ens{number}.npz{ending}"
            (folder / name).write_bytes((folder / f"model.npz{ending}").read_bytes())
    assert zoo.load(folder).recipe.data.target == "de"
    for ending in ("", ".json"):
        (folder / f"model.npz{ending}").unlink()
    with pytest.raises(BundleError, match=r"has 2 models: model-ens1\.npz, model-ens2\.npz"):
        zoo.load(folder)
    assert convert.read(folder / "model-ens2.npz").recipe.paper == "bahdanau2015"


# What is wrong with a folder


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"decoder_U_nl": None}, "has no decoder_U_nl"),
        ({"encoder_gamma1": np.zeros(2)}, "has encoder_gamma1, which the model has no place for"),
        ({"ff_logit_b": np.zeros(3)}, r"ff_logit_b is \(3,\), its config says \(14,\)"),
        ({"Wemb": None}, "has no Wemb"),
        ({"Wemb": np.zeros(3)}, "has no Wemb"),
        ({"Wemb": np.zeros((2, 5))}, "no rows for words"),
    ],
)
def test_arrays_that_do_not_fit_are_named(changes, text, tmp_path):
    with pytest.raises(BundleError, match=text):
        zoo.load(write(tmp_path / "x", **changes))


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"decoder": "lstm_cond"}, "decoder is 'lstm_cond', bahdanau2015 has 'gru_cond'"),
        ({"use_dropout": True}, "use_dropout is True"),
        ({"dictionaries": ["a.json"]}, "does not name two dictionaries"),
        ({"dictionaries": ["a.json", "b.json"]}, "has no a.json"),
        ({"dictionaries": ["../../etc/passwd", "b.json"]}, "has no passwd"),
        ({"dictionaries": ["model.npz.json", "vocab.de.json"], "dim": None}, ""),
    ],
)
def test_options_of_something_else_are_told(options, text, tmp_path):
    folder = write(tmp_path / "x", options=options)
    if not text:  # any table of numbers is a dictionary; this one has no word of a row
        assert zoo.load(folder).source_tokenizer.words[4] == "<2>"
        return
    with pytest.raises(BundleError, match=text):
        zoo.load(folder)


def test_merges_of_something_else_are_told(tmp_path):
    folder = write(tmp_path / "x")
    (folder / "ende.bpe").write_text("#version: 0.2\na b\nc\n")
    with pytest.raises(BundleError, match=r"ende\.bpe:3 is no pair"):
        zoo.load(folder)
    (folder / "other.bpe").write_text("a b\n")
    with pytest.raises(BundleError, match=r"ende\.bpe and other\.bpe"):
        zoo.load(folder)


class Attack:
    """What runs a command when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self):
        return (Path.touch, (self.marker,))


@pytest.mark.parametrize("kind", ["array", "beside", "pickle"])
def test_a_malicious_file_runs_nothing(kind, tmp_path):
    marker, folder = tmp_path / "it-ran", write(tmp_path / "x")
    evil = np.array([Attack(marker)], dtype=object)
    if kind == "pickle":
        (folder / "model.npz").write_bytes(pickle.dumps(evil))
    elif kind == "array":
        np.savez(folder / "model.npz", **(drawn() | {"ff_logit_b": evil}))
    else:
        np.savez(folder / "model.npz", **(drawn() | {"history_errs": evil}))
    if kind == "beside":  # left out, as it is in honest files
        assert zoo.load(folder).model.built
    else:
        with pytest.raises(BundleError, match=r"cannot be read|has no ff_logit_b"):
            zoo.load(folder)
    assert not marker.exists()
    if kind == "beside":  # it would run if it were unpickled
        np.load(folder / "model.npz", allow_pickle=True)["history_errs"]
        assert marker.exists()


def test_a_shape_that_is_not_there_takes_no_memory(tmp_path):
    folder = write(tmp_path / "x")
    with (
        zipfile.ZipFile(folder / "model.npz", "w") as archive,
        archive.open("Wemb.npy", "w") as file,
    ):
        header = {"descr": "<f4", "fortran_order": False, "shape": (10**12, 500)}
        np.lib.format.write_array_header_1_0(file, header)
    with pytest.raises(BundleError, match=r"Wemb\.npy is shorter than its shape"):
        zoo.load(folder)


def test_a_truncated_file_is_told(tmp_path):
    folder = write(tmp_path / "x")
    content = (folder / "model.npz").read_bytes()
    (folder / "model.npz").write_bytes(content[: len(content) // 2])
    with pytest.raises(BundleError, match="cannot be read"):
        zoo.load(folder)
