"""Every paper's model keeps the contracts of its kind, and a model that does not is refused."""

from __future__ import annotations

import types

import keras
import numpy as np
import pytest
import tiny

from zoo.errors import NotSupported
from zoo.models import contracts
from zoo.tasks import reading

VARIANTS = tiny.variants()
TRANSLATOR = {contracts.Decoder, contracts.Encoder, contracts.Translator}
# What a paper's model offers in a task; all others of that task must offer the first.
KINDS = {
    "translate": TRANSLATOR,
    "generate": {contracts.Decoder, contracts.LanguageModel},
    "fill": {contracts.Filler, contracts.Encoder},
    "classify": {contracts.Model},
    "entail": {contracts.SequenceClassifier},
    "similarity": {contracts.SequenceClassifier},
    "choose": {contracts.SequenceClassifier},
    "tag": {contracts.TokenClassifier, contracts.Encoder},
    "answer": {contracts.SpanFinder, contracts.Encoder},
    "embed": {contracts.SequenceClassifier, contracts.Embedder, contracts.Encoder},
}  # fmt: skip
MORE = {
    "sutskever2014": set(),
    "bahdanau2015": {contracts.Aligner},
    "vaswani2017": {contracts.Aligner, contracts.Growable},
    "merity2017": {contracts.Grouped, contracts.Regularised},
    "gpt1": {contracts.Growable},
    "bert2018-fill": {contracts.Judge},
    "albert2019-fill": {contracts.Judge},
    "ulmfit2018-classify": {contracts.StatefulClassifier, contracts.Grouped},
    "gpt1-classify": {contracts.SequenceClassifier, contracts.Regularised},
}  # fmt: skip
ALL = {
    each for each in vars(contracts).values()
    if isinstance(each, type) and each.__module__ == contracts.__name__
}  # fmt: skip


@pytest.fixture(scope="module", params=VARIANTS.values(), ids=VARIANTS)
def variant(request) -> tiny.Variant:
    return request.param


@pytest.fixture(scope="module")
def model(variant) -> keras.Model:
    return variant.make()


def test_a_model_keeps_the_contracts_of_its_kind(variant, model):
    kept = {contract for contract in ALL if isinstance(model, contract)}
    assert KINDS[variant.task] | {contracts.Model} <= kept
    name = variant.paper if variant.task in ("translate", "generate") else None
    more = MORE.get(name or f"{variant.paper}-{variant.task}")
    if more is not None:
        assert kept == KINDS[variant.task] | {contracts.Model} | more


def test_a_model_is_of_one_kind(model):
    kinds = (
        contracts.Translator, contracts.LanguageModel, contracts.SequenceClassifier,
        contracts.StatefulClassifier, contracts.Filler, contracts.TokenClassifier,
        contracts.SpanFinder,
    )  # fmt: skip
    assert sum(isinstance(model, kind) for kind in kinds) == 1


def test_the_attributes_are_what_the_contracts_say(model):
    for name in ("context", "max_length"):
        value = vars(type(model)).get(name, vars(model).get(name))
        assert value is None or value > 0
    if isinstance(model, contracts.SequenceClassifier):
        first = model.arguments.vocabulary
        own = (
            (model.arguments.start_id, *[model.arguments.separator_id] * 2)
            if "start_id" in vars(model.arguments)
            else ()
        )
        assert model.specials == (own or tuple(range(first, first + len(model.specials))))
    if isinstance(model, contracts.LanguageModel):
        assert (model.context is None) == bool(model.initial_state(1))
    if isinstance(model, contracts.StatefulClassifier):
        assert model.kept > 0


def test_a_contract_is_kept_whole_or_not_at_all():
    half = types.SimpleNamespace(name="half", start=len, __call__=len)
    assert not isinstance(half, contracts.Decoder)
    half.step = len
    assert isinstance(half, contracts.Decoder)
    assert not isinstance(half, contracts.Translator)
    half.encode, half.max_length = len, None
    assert isinstance(half, contracts.Translator)


def test_what_reads_documents_is_a_classifier():
    model = keras.Sequential([keras.layers.Dense(2)], name="only_call")
    with pytest.raises(NotSupported, match="only_call is no classifier"):
        reading.classifier_logits(model, [[np.array([1, 2])]], 0)
