"""The peers that ours are measured against are the same models, with the same loss and search."""

from __future__ import annotations

import re
import subprocess
import sys

import keras
import numpy as np
import pytest

from benchmarks import common
from zoo import bundle
from zoo.config import catalog
from zoo.decoding import search
from zoo.layers.positions import sinusoid
from zoo.models.merity2017 import LanguageModel
from zoo.models.oord2016 import LanguageModel as WaveNet
from zoo.models.vaswani2017 import Transformer
from zoo.tasks.losses import LabelSmoothedCrossEntropy

torch = pytest.importorskip("torch")

SOURCE = np.array([[5, 6, 7, 8, 3], [9, 10, 3, 0, 0]], dtype="int32")
TARGET = np.array([[2, 11, 12, 13], [2, 14, 15, 0]], dtype="int32")
LABELS = np.array([[11, 12, 13, 3], [14, 15, 3, 0]], dtype="int32")
NAMES = {
    "self_attention": "self_attn", "cross_attention": "multihead_attn",
    "self_attention_norm": "norm1", "feed_forward.inner": "linear1",
    "feed_forward.outer": "linear2",
}  # fmt: skip


@pytest.fixture(scope="module")
def ours() -> Transformer:
    keras.utils.set_random_seed(0)
    model = Transformer(
        vocabulary=40, width=16, encoder_layers=2, decoder_layers=2, heads=4, feed_forward=24,
        attention_bias=True, max_length=12,
    )  # fmt: skip
    model.build()
    return model


@pytest.fixture(scope="module")
def theirs(ours):
    from benchmarks.peers import TorchTransformer

    model = TorchTransformer(vars(ours.arguments), sinusoid(12, 16)).eval()
    held = bundle.arrays(ours)
    state = {"embedding.weight": held.pop("embedding.table")}
    for side, last in (("encoder", "norm2"), ("decoder", "norm3")):
        names = NAMES | {"cross_attention_norm": "norm2", "feed_forward_norm": last}
        for i in range(2):
            layer = f"{side}_layers.{i}."
            own = {name.removeprefix(layer): held.pop(name) for name in list(held)
                   if name.startswith(layer)}  # fmt: skip
            for part, name in names.items():
                to = f"{side}.layers.{i}.{name}"
                if f"{part}.query.kernel" in own:
                    three = [own[f"{part}.{each}.kernel"].T for each in ("query", "key", "value")]
                    state[f"{to}.in_proj_weight"] = np.concatenate(three)
                    three = [own[f"{part}.{each}.bias"] for each in ("query", "key", "value")]
                    state[f"{to}.in_proj_bias"] = np.concatenate(three)
                    state[f"{to}.out_proj.weight"] = own[f"{part}.projection.kernel"].T
                    state[f"{to}.out_proj.bias"] = own[f"{part}.projection.bias"]
                elif f"{part}.kernel" in own:
                    state[f"{to}.weight"] = own[f"{part}.kernel"].T
                    state[f"{to}.bias"] = own[f"{part}.bias"]
                elif f"{part}.gamma" in own:
                    state[f"{to}.weight"] = own[f"{part}.gamma"]
                    state[f"{to}.bias"] = own[f"{part}.beta"]
    assert not held
    tensors = {name: torch.tensor(np.ascontiguousarray(each)) for name, each in state.items()}
    model.load_state_dict(tensors)
    return model


def tensors(array: np.ndarray):
    return torch.tensor(array.astype("int64"))


def test_it_has_as_many_weights(ours, theirs):
    assert sum(each.numel() for each in theirs.parameters()) == ours.count_params()


def test_it_computes_the_same(ours, theirs):
    with torch.no_grad():
        expected = theirs(tensors(SOURCE), tensors(TARGET)).numpy()
    found = keras.ops.convert_to_numpy(ours({"source": SOURCE, "target": TARGET}))
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_its_loss_is_the_same(ours):
    from benchmarks.peers import smoothed_loss

    logits = np.random.default_rng(0).normal(size=(2, 4, 40)).astype("float32") * 2
    for smoothing in (0.0, 0.1):
        found = LabelSmoothedCrossEntropy(smoothing)(LABELS, logits)
        expected = smoothed_loss(torch.tensor(logits), tensors(LABELS), smoothing, 0)
        assert float(keras.ops.convert_to_numpy(found)) == pytest.approx(float(expected), abs=1e-5)


# The recurrent models ----------------------------------------------------------------------------

SIZES = {
    "sutskever2014": {"embedding": 6, "width": 8, "layers": 2},
    "bahdanau2015": {"embedding": 6, "width": 8, "alignment": 7, "maxout": 5},
}
PAPERS = pytest.mark.parametrize("paper", SIZES)


@pytest.fixture(scope="module")
def recurrent():
    """Of each recurrent paper our model, with random weights far from zero, and the peer's."""
    from benchmarks.recurrent import PEERS

    made = {}
    for paper, sizes in SIZES.items():
        model = catalog.builder(catalog.entry(paper))(
            source_vocabulary=20, target_vocabulary=70, dropout=0.1, **sizes
        )
        model.build()
        random = np.random.default_rng(4)
        for variable in model.trainable_variables:
            variable.assign(random.normal(size=variable.shape))
        made[paper] = model, PEERS[paper](vars(model.arguments)).load(bundle.arrays(model)).eval()
    return made


@PAPERS
def test_a_recurrent_peer_has_as_many_weights(recurrent, paper):
    ours, theirs = recurrent[paper]
    second = sum(each.numel() for name, each in theirs.named_parameters() if ".bias_hh" in name)
    assert second == (4 * 4 * 8 if paper == "sutskever2014" else 0)  # left at zero
    assert sum(each.numel() for each in theirs.parameters()) - second == ours.count_params()


@PAPERS
def test_a_recurrent_peer_computes_the_same(recurrent, paper):
    ours, theirs = recurrent[paper]
    with torch.no_grad():
        expected = theirs(tensors(SOURCE), tensors(TARGET)).numpy()
    found = keras.ops.convert_to_numpy(ours({"source": SOURCE, "target": TARGET}))
    assert expected.std() > 0.5
    np.testing.assert_allclose(found, expected, atol=1e-4)


@PAPERS
def test_a_recurrent_peer_writes_the_same(recurrent, paper):
    from benchmarks.recurrent import greedy

    ours, theirs = recurrent[paper]
    source = np.random.default_rng(0).integers(4, 20, size=(24, 7), dtype="int32")
    source[:, 6] = 3
    source[::2, 3:] = [3, 0, 0, 0]
    given = {"start_id": 2, "pad_id": 0}
    open_ended = greedy(theirs, tensors(source), end_id=-1, longest=12, **given).numpy()
    # The piece that about half of the sentences hold is taken for the end.
    holds = {piece: (open_ended == piece).any(axis=1).mean() for piece in np.unique(open_ended)}
    end = int(min(holds, key=lambda piece: abs(holds[piece] - 0.5)))
    expected = greedy(theirs, tensors(source), end_id=end, longest=12, **given).numpy()
    ended = (expected == end).any(axis=1)
    assert 0.1 < ended.mean() < 0.9
    found = search.decode(ours, {"source": source}, end_id=end, max_length=12, **given).ids[:, 0]
    # Ours closes what is cut; a textbook's loop leaves it open.
    np.testing.assert_array_equal(found[ended], expected[ended])
    np.testing.assert_array_equal(found[:, :-1], expected[:, :-1])


# The language model ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def language_models():
    """Our language model, with random weights far from zero, and the peer's."""
    from benchmarks.recurrent import PEERS

    model = LanguageModel(vocabulary=70, embedding=6, width=8)
    model.build()
    scatter(model, 2.0)
    bias = model.encoder.embedding.bias
    bias.assign(bias * 0.1)  # or one word would win everywhere
    return model, PEERS["merity2017"](vars(model.arguments)).load(bundle.arrays(model)).eval()


def scatter(model: keras.Model, deviation: float) -> None:
    random = np.random.default_rng(5)
    for variable in model.trainable_variables:
        variable.assign(random.normal(0.0, deviation, variable.shape))


def test_a_language_models_peer_has_as_many_weights(language_models):
    ours, theirs = language_models
    second = sum(each.numel() for name, each in theirs.named_parameters() if ".bias_hh" in name)
    assert second == 4 * (8 + 8 + 6)  # left at zero
    assert sum(each.numel() for each in theirs.parameters()) - second == ours.count_params()


def test_a_language_models_peer_computes_the_same(language_models):
    ours, theirs = language_models
    tokens = np.random.default_rng(0).integers(0, 70, (3, 9), dtype="int32")
    with torch.no_grad():
        expected = theirs(tensors(tokens), theirs.zero_state(3))[0].numpy()
    assert expected.std() > 0.5
    found = keras.ops.convert_to_numpy(ours(tokens))
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_a_language_models_peer_writes_the_same(language_models):
    from benchmarks.recurrent import greedy

    ours, theirs = language_models
    prompts = np.random.default_rng(0).integers(0, 70, (24, 7), dtype="int32")

    def theirs_until(end: int) -> np.ndarray:
        first = tensors(prompts[:, -1])
        return greedy(theirs, tensors(prompts), first, end, pad_id=0, longest=12).numpy()

    open_ended = theirs_until(-1)
    # The word that about half of the texts hold is taken for the end.
    holds = {word: (open_ended == word).any(axis=1).mean() for word in np.unique(open_ended)}
    end = int(min(holds, key=lambda word: abs(holds[word] - 0.5)))
    assert 0.1 < holds[end] < 0.9
    found = search.decode(
        ours, {"tokens": prompts, "lengths": np.full(24, 7, "int32")}, start_id=prompts[:, -1],
        end_id=end, pad_id=0, max_length=12, complete=False,
    ).ids[:, 0]  # fmt: skip
    np.testing.assert_array_equal(found, theirs_until(end))


def test_a_language_models_peer_drops_as_the_paper_does(language_models):
    from benchmarks.recurrent import TorchLanguageModel

    arguments = {**vars(language_models[0].arguments), "width": 64, "dropout_words": 0.5}
    theirs = TorchLanguageModel(arguments).train()
    torch.manual_seed(0)
    mask = theirs.locked(torch.ones(5, 4, 64), "hidden")
    assert (mask == mask[:1]).all()  # at all times
    assert (mask[0] != mask[0, :1]).any()  # not in all rows
    words = torch.arange(70).repeat(2, 1)
    seen = theirs.embed(words) / theirs.embedding(words)
    assert {0.0, 2.0} == set(seen.round(decimals=3).unique().tolist())
    assert (seen == seen[:1, :, :1]).all()  # wherever the word stands
    theirs(words, theirs.zero_state(2))[0].sum().backward()
    zero = (theirs.lstms[1].weight_hh_l0.grad == 0).float().mean()
    assert 0.4 < float(zero) < 0.6  # one mask for the whole pass


@pytest.mark.parametrize("size", [2, 3])
def test_a_convolutional_peer_writes_the_same_from_its_window(size):
    """Ours keeps queues of the past, the peer reads a window that it fills with padding first."""
    from benchmarks.convolutional import TorchWaveNet
    from benchmarks.recurrent import greedy

    sizes = {"vocabulary": 30, "width": 6, "gate": 5, "skip": 7, "layers": 2, "stacks": 2}
    ours = WaveNet(**sizes, size=size, start_id=4)
    ours.build()
    scatter(ours, 1.0)
    bias = ours.output_layer.bias
    bias.assign(bias * 0.1)  # or one word would win everywhere
    theirs = TorchWaveNet(vars(ours.arguments)).load(bundle.arrays(ours)).eval()
    assert sum(each.numel() for each in theirs.parameters()) == ours.count_params()
    assert theirs.window == ours.window
    prompts = np.random.default_rng(0).integers(0, 30, (5, 3), dtype="int32")
    with torch.no_grad():
        memory, window = theirs.start(tensors(prompts))
        expected, _ = theirs.step(tensors(prompts[:, -1]), 0, memory, window)
    found = keras.ops.convert_to_numpy(ours(prompts))[:, -1]
    np.testing.assert_allclose(found, expected.numpy(), atol=1e-4)
    written = greedy(theirs, tensors(prompts), tensors(prompts[:, -1]), -1, -1, longest=40)
    found = search.decode(
        ours, {"tokens": prompts, "lengths": np.full(5, 3, "int32")}, start_id=prompts[:, -1],
        end_id=-1, pad_id=-1, max_length=40, complete=False,
    ).ids[:, 0]  # fmt: skip
    np.testing.assert_array_equal(found, written.numpy())
    assert len(np.unique(found)) > 3


def test_a_language_models_peer_is_trained_by_the_same_updates():
    from benchmarks import training
    from zoo.training.run import build

    parts = ("words", "input", "hidden", "output", "weights")
    nothing = {f"model.arguments.dropout_{part}": 0.0 for part in parts}
    made = training.recipe("merity2017", smoke=True).changed(nothing)
    model = build(made)
    scatter(model, 0.5)
    data = training.random_batches(made)
    theirs = training.peer(made).load(bundle.arrays(model))
    for lstm in theirs.lstms:
        lstm.bias_hh_l0.requires_grad_(False)  # the bias would move twice as fast
    run = training.updates_of(theirs, made, data)
    ours = training.trainer_of(model, made, data).model
    # The state is carried from batch to batch; at 50 the text begins anew.
    steps = [0, 1, 2, 3, 50]
    assert data.batch(50)[0]["carry"].sum() == 0
    expected = [run(step, 1) for step in steps]
    found = [ours.train_on_batch(*data.batch(step), return_dict=True)["loss"] for step in steps]
    np.testing.assert_allclose(found, expected, rtol=1e-4)


# The benchmarks themselves -----------------------------------------------------------------------


@pytest.mark.parametrize("paper", common.PAPERS)
def test_every_paper_is_trained_on_the_same_batches_as_its_peer(paper):
    from benchmarks import training

    name = {"tensorflow": "TensorFlow", "jax": "JAX", "torch": "Keras on PyTorch"}
    made = training.recipe(paper, smoke=True)
    counted = []
    for each in (name[keras.backend.backend()], training.PEER):
        measured = training.prepare(each, made, updates=2)("updates")
        assert measured["seconds"] > 0
        counted.append(measured["tokens"])
    assert counted[0] == counted[1] > 0


@pytest.mark.parametrize("paper", common.TRANSLATORS)
def test_every_translator_writes_as_much_as_its_peer(paper):
    from benchmarks import decoding as benchmark

    if paper == "vaswani2017":
        pytest.importorskip("transformers")
    made = benchmark.arguments(paper, "starter", smoke=True)
    name = next(each for each, of in benchmark.OURS.items() if of == keras.backend.backend())
    pieces = [
        benchmark.prepare(each, paper, made)("batch 32, greedy")["pieces"]
        for each in (name, benchmark.PEERS[paper])
    ]
    assert pieces[0] == pieces[1] > 0


@pytest.mark.parametrize("paper", ["merity2017", "gpt1", "oord2016"])
def test_every_language_model_writes_as_much_as_its_peer(paper):
    from benchmarks import decoding as benchmark
    from benchmarks import generation

    if paper == "gpt1":
        pytest.importorskip("transformers")
    made = benchmark.arguments(paper, "starter", smoke=True)
    name = next(each for each, of in generation.OURS.items() if of == keras.backend.backend())
    words = [
        generation.prepare(each, paper, made)("batch 8, greedy")["words"]
        for each in (name, generation.PEER[paper])
    ]
    assert words == [32 * 64, 32 * 64]
    assert generation.prepare(name, paper, made)("batch 1, drawn")["words"] == 8 * 64


@pytest.mark.parametrize("name", ["training", "generation"])
def test_a_smoke_run_measures_and_writes_nothing(name):
    from benchmarks import results

    before = results.RESULTS.read_bytes()
    command = [sys.executable, "-m", f"benchmarks.{name}", "--paper", "merity2017", "--smoke"]
    done = subprocess.run(
        [*command, "--only", "PyTorch"], cwd=common.ROOT, capture_output=True, text=True, check=True
    )
    assert "words/s" in done.stdout
    assert "'against PyTorch': '1.00'" in done.stdout
    assert results.RESULTS.read_bytes() == before


def test_a_section_of_the_results_is_replaced_and_others_stay(tmp_path, monkeypatch):
    from benchmarks import results

    monkeypatch.setattr(results, "RESULTS", tmp_path / "RESULTS.md")
    monkeypatch.setattr(results, "PACKAGES", ("keras", "no-such-package"))
    results.write("One", [{"a": 1, "b": 2}], "A note.")
    results.write("Two", [{"a": 3}], "Another.")
    results.write("One", [{"a": 4}], "A third.")
    text = results.RESULTS.read_text(encoding="utf-8")
    assert [line for line in text.splitlines() if line.startswith("## ")] == ["## One", "## Two"]
    assert "| 4 |" in text
    assert "| 3 |" in text
    assert "A note." not in text
    assert "\n\n## Two" in text
    assert "revision" in text
    assert f"keras {keras.__version__}." in text


def test_what_other_processes_did_is_told():
    turns = {"a": [{"others": 0.0}, {"others": 0.5}], "b": [{"others": 1.0}]}
    assert "0.50 CPU cores busy meanwhile, at most 1.00" in common.quietness(turns)
    assert "not known" in common.quietness({"a": [{"others": None}]})


def test_fine_tuning_tells_how_much_memory_it_took():
    from benchmarks import finetuning

    found = finetuning.measure(updates=2, smoke=True)
    assert found["peak"] > 0.1
    assert found["tokens"] == 2 * finetuning.ROWS * 64  # the tiny model's context
    assert found["seconds"] > 0


def test_loading_is_timed_against_transformers_from_one_cache():
    pytest.importorskip("transformers")
    pytest.importorskip("torch")
    from benchmarks import results

    before = results.RESULTS.read_bytes()
    command = [sys.executable, "-m", "benchmarks.loading", "--smoke", "--only", "TensorFlow"]
    done = subprocess.run(
        [*command, "transformers"], cwd=common.ROOT, capture_output=True, text=True, check=True
    )
    assert "'process': 'TensorFlow', 's to the first logits'" in done.stdout
    assert "'against transformers': '1.00'" in done.stdout
    assert results.RESULTS.read_bytes() == before


def test_counting_is_timed_without_its_data(monkeypatch, capsys, corpora_folder):
    from benchmarks import counting, results

    before = results.RESULTS.read_bytes()
    monkeypatch.setenv("ZOO_DATA", str(corpora_folder))
    monkeypatch.setattr(sys, "argv", ["counting", "--smoke", "--times", "2"])
    counting.main()
    printed = capsys.readouterr().out
    assert re.search(r"'words': '\d+', 'n-grams': '[\d,]+', 'seconds': '0\.\d\d'", printed)
    assert "median and longest of 2" in printed
    assert results.RESULTS.read_bytes() == before


def test_tagging_is_timed_against_transformers():
    pytest.importorskip("transformers")
    from benchmarks import results

    before = results.RESULTS.read_bytes()
    command = [sys.executable, "-m", "benchmarks.encoders", "--smoke", "--task", "tag", "--only"]
    done = subprocess.run(
        [*command, "TensorFlow", "transformers"],
        cwd=common.ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "'tagging': 'TensorFlow', 'texts/s'" in done.stdout
    assert "'against transformers': '1.00'" in done.stdout
    assert results.RESULTS.read_bytes() == before


def test_ours_and_theirs_answer_alike(tmp_path):
    pytest.importorskip("transformers")
    from benchmarks import encoders

    encoders.write(tmp_path, smoke=True, answers=True)
    contexts = encoders.texts(tmp_path, np.array([40, 150]))
    pairs = [("who was there", contexts[0]), ("when did it end", contexts[1])]
    ours = encoders._our_answers(tmp_path)(pairs)
    theirs = encoders._their_answers(tmp_path)(pairs)
    assert [(each["text"], each["start"]) for each in ours] == [each[1:] for each in theirs]


def test_taggers_are_fine_tuned_on_the_same_batches(tmp_path):
    pytest.importorskip("transformers")
    from benchmarks import encoders

    encoders.write(tmp_path, smoke=True)
    found = [
        encoders._training(tmp_path, updates=2, low=low, ours=ours)("finetune")
        for low, ours in ((False, True), (False, False))
    ]
    assert found[0]["amount"] == found[1]["amount"] > 2 * encoders.BATCH
    assert all(each["seconds"] > 0 for each in found)


def test_a_linear_model_learns_from_an_experiments_texts(monkeypatch):
    pytest.importorskip("sklearn")
    from benchmarks import linear
    from zoo.config import recipe

    texts = ["good film", "so good", "bad film", "so bad"]
    rows = [{"text": text, "label": "pos" if "good" in text else "neg"} for text in texts]
    monkeypatch.setattr(
        "benchmarks.linear.splits",
        lambda made: {"train": [tuple(row.values()) for row in rows],
                      "test": [("a good one", "pos"), ("a bad one", "neg"), ("good", "neg")]},
    )  # fmt: skip
    assert linear.error(recipe.load("ulmfit2018-imdb")) == pytest.approx(100 / 3)
