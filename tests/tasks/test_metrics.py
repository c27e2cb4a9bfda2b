"""What is measured of numbers and of choices, against numbers worked out elsewhere."""

from __future__ import annotations

import numpy as np
import pytest

from zoo.errors import ZooWarning
from zoo.tasks import metrics

FOUND = np.array([1.0, 2.0, 2.0, 4.0, 7.5, -3.0])
TRUTH = np.array([0.5, 3.0, 2.5, 2.5, 9.0, 1.0])
# scipy.stats.pearsonr and spearmanr of these.
PEARSON, SPEARMAN = 83.91090738029527, 80.88235294117648


def test_correlations():
    found = metrics.regression(FOUND, TRUTH)
    assert found["pearson"] == pytest.approx(PEARSON)
    assert found["spearman"] == pytest.approx(SPEARMAN)
    assert found["loss"] == pytest.approx(((FOUND - TRUTH) ** 2).mean())
    assert found["texts"] == 6
    assert metrics.regression(-3 * TRUTH + 1, TRUTH)["pearson"] == pytest.approx(-100)
    assert metrics.regression(np.exp(TRUTH), TRUTH)["spearman"] == pytest.approx(100)


def test_a_constant_correlates_with_nothing():
    found = metrics.regression(np.ones(6), TRUTH)
    assert (found["pearson"], found["spearman"]) == (0, 0)
    assert metrics.regression(TRUTH, np.ones(6))["spearman"] == 0


def test_equal_values_share_a_rank():
    assert metrics.ranks(FOUND).tolist() == [2, 3.5, 3.5, 5, 6, 1]
    assert metrics.ranks(np.array([3.0, 3.0, 3.0])).tolist() == [2, 2, 2]


def test_choices():
    probabilities = np.array([[0.7, 0.3, 0.0], [0.2, 0.3, 0.5], [0.5, 0.4, 0.1]])
    found = metrics.choice(probabilities, np.array([0, 2, 1]))
    assert found["accuracy"] == pytest.approx(200 / 3)
    assert found["loss"] == pytest.approx(-np.log([0.7, 0.5, 0.4]).mean())
    assert found["texts"] == 3


CHINESE = ["我是一个学生。", "他们今天去北京。"], [["我是学生。"], ["他们今天要去北京。"]]
JAPANESE = ["私は学生です。", "猫が好きです。"], [["私は学生でした。"], ["猫が大好きです。"]]


@pytest.fixture
def told():
    """Warnings of missing tokenizers are given once in a process: forget which were."""
    metrics._installed.cache_clear()
    yield
    metrics._installed.cache_clear()


@pytest.mark.parametrize(
    ("language", "tokenizer"),
    [
        ("fr", "13a"), ("", "13a"), ("de-CH", "13a"), ("ROMANCE", "13a"), ("zh", "zh"),
        ("zh-CN", "zh"), ("zh_Hant", "zh"), ("cmn_Hans", "zh"), ("ZH", "zh"), ("th", "char"),
        ("lao", "char"), ("km-KH", "char"), ("my", "char"),
    ],
)  # fmt: skip
def test_bleu_is_cut_as_its_language_is(language, tokenizer):
    from sacrebleu.metrics import BLEU, CHRF

    outputs, references = CHINESE
    found = metrics.translation(outputs, references, language)
    streams = [[each for (each,) in references]]
    bleu = BLEU(tokenize=tokenizer).corpus_score(outputs, streams).score
    assert found["bleu"] == pytest.approx(bleu, abs=1e-4)
    assert f"|tok:{tokenizer}|" in found["signature"]
    assert found["chrf"] == pytest.approx(CHRF().corpus_score(outputs, streams).score, abs=1e-4)


@pytest.mark.parametrize(("language", "module"), [("ja-JP", "MeCab"), ("ko", "mecab_ko")])
def test_without_mecab_characters_are_words_and_it_is_said_once(language, module, told):
    try:
        __import__(module)
        pytest.skip(f"{module} is installed")
    except ImportError:
        pass
    with pytest.warns(ZooWarning, match=r"by characters: .*sacrebleu\[(ja|ko)\]"):
        found = metrics.translation(*JAPANESE, language)
    assert "|tok:char|" in found["signature"]
    assert metrics.translation(*JAPANESE, language) == found  # a warning would be an error here


def test_mecab_cuts_japanese(told):
    pytest.importorskip("MeCab")
    pytest.importorskip("ipadic")
    assert "|tok:ja-mecab-" in metrics.translation(*JAPANESE, "ja")["signature"]
