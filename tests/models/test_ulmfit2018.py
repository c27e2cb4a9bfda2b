"""ULMFiT's classifier: sizes to the weight, pooling and head in NumPy, where gradients end."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tiny
from keras import ops

from zoo.bundle import weights
from zoo.config import catalog
from zoo.models import merity2017
from zoo.models.ulmfit2018 import Classifier, LanguageModel

# PyTorch's LSTMs have two biases for each gate, which the authors count: 4 (1152 + 1152 + 400) and
# 4 (1150 + 1150 + 400) numbers more.
SECOND_BIASES = {1152: 10_816, 1150: 10_800}
HEAD = 62_652  # of two classes: batch norm 2,400, linear 60,050, batch norm 100, linear 102
CHUNK, KEPT = 3, 6
SIZES = {
    "vocabulary": 60, "classes": 3, "embedding": 6, "width": 8, "layers": 2, "head_width": 5,
    "chunk": CHUNK, "kept": KEPT,
}  # fmt: skip
NONE = {
    "dropout_words": 0.0, "dropout_input": 0.0, "dropout_hidden": 0.0, "dropout_weights": 0.0,
    "dropout_head": 0.0, "dropout_final": 0.0,
}  # fmt: skip
LABELS = np.array([0, 2, 1, 1, 0])


def made(kind: type[Classifier] = Classifier, **arguments) -> Classifier:
    """A model without dropout, its weights far from zero, so that each of them counts."""
    keras.utils.set_random_seed(0)
    model = kind(**(SIZES | NONE | arguments))
    model.build()
    tiny.randomise(model)
    return model


@pytest.fixture(scope="module")
def model() -> Classifier:
    return made()


@pytest.fixture(scope="module")
def documents() -> np.ndarray:
    """Five documents of 2 to 11 words, padded on the left."""
    found = np.random.default_rng(0).integers(1, 60, size=(5, 11)).astype("int32")
    for row, length in enumerate((11, 2, 7, 8, 10)):
        found[row, :-length] = 0
    return found


# Its weights


@pytest.mark.parametrize(
    ("size", "count"), [("fastai", 44_333_280), ("base", 115_834_862)], ids=["fastai", "base"]
)
def test_the_sheets_sizes_of_the_language_model(size, count):
    found = catalog.size(catalog.entry("ulmfit2018"), size)
    with tiny.zeroed():
        model = LanguageModel(**found.arguments)
        model.build()
    assert model.count_params() == found.params == count - SECOND_BIASES[found.arguments["width"]]


def test_the_papers_classifier_to_the_weight():
    """The language model without its softmax' bias, and a head."""
    entry = catalog.entry("ulmfit2018")
    arguments = catalog.size(entry, "classifier").arguments
    with tiny.zeroed():
        model = Classifier(**arguments)
        model.build()
    counts = [
        sum(int(np.prod(each.shape)) for each in part.trainable_variables)
        for part in (model.encoder, model.head)
    ]
    assert counts == [115_596_400 - SECOND_BIASES[1150], HEAD]
    assert sum(counts) == catalog.size(entry, "classifier").params
    # Means and variances of the batch normalisation are weights, but not trained ones.
    assert model.count_params() == sum(counts) + 2 * (1200 + 50)
    # Three stages of one network: the sizes are the language model's.
    base = catalog.size(entry, "base").arguments
    for name in ("vocabulary", "embedding", "width", "layers", "padding_id"):
        assert arguments[name] == base[name]


def test_encoders_weights_have_the_language_models_names(model):
    """So that a classifier begins with what a language model has learned."""
    sizes = {name: SIZES[name] for name in ("vocabulary", "embedding", "width", "layers")}
    language_model = LanguageModel(**sizes)
    language_model.build()
    given = {n: tuple(v.shape) for n, v in weights.variables(language_model).items()}
    found = {n: tuple(v.shape) for n, v in weights.variables(model).items()}
    assert given.pop("encoder.embedding.bias") == (60,)  # of the softmax alone
    assert {n: shape for n, shape in found.items() if n.startswith("encoder.")} == given
    assert [n for n in found if not n.startswith("encoder.")] == [
        *(f"head.first_norm.{n}" for n in ("beta", "gamma", "moving_mean", "moving_variance")),
        *(f"head.hidden.{n}" for n in ("bias", "kernel")),
        *(f"head.output_layer.{n}" for n in ("bias", "kernel")),
        *(f"head.second_norm.{n}" for n in ("beta", "gamma", "moving_mean", "moving_variance")),
    ]
    assert LanguageModel is merity2017.LanguageModel


def test_groups_are_the_embedding_each_lstm_and_the_head(model):
    parts = [model.encoder.embedding, *model.encoder.lstm_layers, model.head]
    wanted = [list(map(id, part.trainable_variables)) for part in parts]
    assert [list(map(id, group)) for group in model.groups()] == wanted


# What it computes


def states(model, document: np.ndarray) -> np.ndarray:
    """Return h_1 ... h_T of one document without padding, [words, embedding]."""
    encoder = model.encoder
    hidden, _, _ = encoder(document[None].astype("int32"), encoder.initial_state(1))
    return ops.convert_to_numpy(hidden)[:, 0]


def head(model, x: np.ndarray) -> np.ndarray:
    """The two blocks of section 3.3 in NumPy, on running means and variances."""
    w = weights.arrays(model)

    def norm(x, name):
        mean, variance = w[f"head.{name}.moving_mean"], w[f"head.{name}.moving_variance"]
        scaled = (x - mean) / np.sqrt(variance + 1e-5)
        return scaled * w[f"head.{name}.gamma"] + w[f"head.{name}.beta"]

    x = norm(x, "first_norm") @ w["head.hidden.kernel"] + w["head.hidden.bias"]
    x = norm(np.maximum(x, 0.0), "second_norm")
    return x @ w["head.output_layer.kernel"] + w["head.output_layer.bias"]


def test_last_maximum_and_mean_of_the_last_words_are_pooled(model, documents):
    pooled = []
    for row in documents:
        hidden = states(model, row[row != 0])
        kept = hidden[-KEPT:]  # all before are read, so that these states know of them
        pooled.append(np.concatenate([hidden[-1], kept.max(axis=0), kept.mean(axis=0)]))
    expected = head(model, np.stack(pooled))
    np.testing.assert_allclose(tiny.logits(model, documents), expected, atol=1e-4)


def test_chunks_make_up_what_is_kept():
    with pytest.raises(ValueError, match="kept is 7, which is no multiple of chunk, 3"):
        made(kept=7)


def test_negative_states_are_pooled_too(documents):
    """The maximum of padded positions would be above that of a document of negative states."""
    low = made()
    bias = weights.variables(low)["encoder.lstm_layers.1.bias"]
    value = ops.convert_to_numpy(bias).copy()
    value[2 * 6 : 3 * 6] = -4.0  # of g, the second layer's proposal
    bias.assign(value)
    document = documents[1]
    hidden = states(low, document[document != 0])
    assert (hidden < 0).all()
    carry = low.read(document[None], low.initial_carry(1))
    found = ops.convert_to_numpy(carry["maximum"])[0]
    np.testing.assert_allclose(found, hidden.max(axis=0), atol=1e-6)


def test_batch_normalisation_is_pytorchs(documents):
    """Running means move by 0.1 towards the batch's; in training the batch's own are used."""
    model = made()
    x = np.random.default_rng(1).normal(size=(8, 18)).astype("float32")
    before = weights.arrays(model)["head.first_norm.moving_mean"]
    found = ops.convert_to_numpy(model.head(x, training=True))
    after = weights.arrays(model)
    np.testing.assert_allclose(
        after["head.first_norm.moving_mean"], 0.9 * before + 0.1 * x.mean(axis=0), atol=1e-5
    )
    other = made()
    named = weights.variables(other)
    hidden = (x - x.mean(axis=0)) / np.sqrt(x.var(axis=0) + 1e-5)
    hidden = hidden * after["head.first_norm.gamma"] + after["head.first_norm.beta"]
    hidden = np.maximum(hidden @ after["head.hidden.kernel"] + after["head.hidden.bias"], 0.0)
    for name, part in (("first_norm", x), ("second_norm", hidden)):
        named[f"head.{name}.moving_mean"].assign(part.mean(axis=0))
        named[f"head.{name}.moving_variance"].assign(part.var(axis=0))
    np.testing.assert_allclose(found, head(other, x), atol=1e-4)


# Where gradients end


class InChunks(Classifier):
    """The same network, whose state is made a constant by hand after each chunk.

    Earlier words than the last `kept` are read without being pooled or trained on.
    """

    def call(self, inputs, training=False):
        time = inputs.shape[1]
        early = time - self.kept
        carry = self.read(inputs[:, :early], self.initial_carry(len(inputs)), pooled=False)
        for first in range(early, time, CHUNK):
            carry = {
                name: ops.stop_gradient(each) if name[:2] in ("h_", "c_") else each
                for name, each in carry.items()
            }
            carry = self.read(inputs[:, first : first + CHUNK], carry, training=training)
        return self.decide(carry, training)


def gradients(model, documents) -> dict[str, np.ndarray]:
    """Return each weight's gradient, which one step of plain descent with rate 1 takes off."""
    before = weights.arrays(model)
    model.compile(
        optimizer=keras.optimizers.SGD(1.0),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        run_eagerly=keras.backend.backend() != "jax",
    )
    model.train_on_batch(documents, LABELS)
    after = weights.arrays(model)
    return {name: before[name] - after[name] for name in before if "moving" not in name}


def test_gradients_through_the_state_end_where_a_chunk_begins(documents):
    """BPT3C: the last chunk ends at the last word."""
    # In one chunk as long as what is kept they flow through all of that.
    found = gradients(made(), documents)
    wanted = gradients(made(InChunks, chunk=KEPT), documents)
    through = gradients(made(chunk=KEPT), documents)
    assert found.keys() == wanted.keys()
    for name, value in wanted.items():
        np.testing.assert_allclose(found[name], value, atol=2e-5, err_msg=name)
    for name in ("encoder.embedding.table", "encoder.lstm_layers.0.recurrent_kernel"):
        assert np.abs(found[name] - through[name]).max() > 1e-4, name
