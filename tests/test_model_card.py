"""Model cards: made from recipe, metrics and registry, with front matter that parses."""

from __future__ import annotations

import json
import re

import pytest

from zoo.bundle import model_card
from zoo.config import recipe

METRICS = {
    "metric": "bleu", "value": 44.123, "data": "tatoeba-en-fr", "split": "test", "bleu": 44.123,
    "signature": "nrefs:var|case:mixed", "sentences": 2000, "targets_in_training": 1345,
    "backend": "jax",
}  # fmt: skip


def front_matter(card: str) -> dict:
    """Return the front matter; its values are plain words or JSON, which YAML includes."""
    _, block, _ = card.split("---\n", 2)
    found = {}
    for line in block.splitlines():
        key, value = line.split(": ", 1)
        found[key] = json.loads(value) if value[:1] in '[{"' else value
    return found


def test_registered_weights_are_described():
    made = recipe.load("vaswani2017-tatoeba-en-fr").resolved()
    card = model_card.text(made, METRICS, 1234567)
    facts = front_matter(card)
    assert facts["license"] == "apache-2.0"
    assert facts["language"] == ["en", "fr"]
    assert facts["pipeline_tag"] == "translation"
    assert facts["metrics"] == ["bleu"]
    for part in (
        "**BLEU 44.1** on tatoeba-en-fr, split `test`",
        "- sacreBLEU signature: nrefs:var|case:mixed",
        "- test sentences whose target side also occurs in training: 1,345",
        "- backend: jax",
        'zoo.load("vaswani2017.tatoeba-en-fr")',
        "1,234,567 weights",
        "Attention Is All You Need",
        "newstest2014 en-de",
        f"{made.train.updates:,} updates",
        "@inproceedings{vaswani2017",
        "CC BY 2.0 FR",
    ):
        assert part in card, part
    assert "CC BY 2.0 FR" in model_card.license_text(made)


def test_research_use_is_not_a_licence_of_the_hub():
    made = recipe.load("vaswani2017-multi30k-de-en").resolved()
    facts = front_matter(model_card.text(made, {}, 1))
    assert (facts["license"], facts["license_name"]) == ("other", "research-use")
    assert "research use" in model_card.license_text(made)


def test_words_and_batches_of_sentences_are_described():
    card = model_card.text(recipe.load("sutskever2014-wmt14-en-fr"), {"loss": 35.5}, 1)
    for part in (
        "pairs of at most 100 words",
        "703,125 updates of 128 sentence pairs, sgd, schedule halving, loss per sentence",
        "the most frequent of each side, 160,000 in en and 80,000 in fr.",
        "- validation loss (nats per sentence): 35.5",
    ):
        assert part in card, part
    card = model_card.text(recipe.load("sutskever2014-tatoeba-en-fr"), {"loss": 3.5}, 1)
    assert "4,000 pieces for the source and 4,000 for the target, normalisation nmt_nfkc" in card
    assert "- validation loss (nats per piece): 3.5" in card


def test_a_language_model_is_described():
    metrics = {
        "metric": "perplexity", "value": 106.43, "data": "wikitext-2", "split": "test",
        "perplexity": 106.43, "perplexity_per_token": 58.5, "loss": 4.08, "words": 238068,
        "bits_per_character": 1.299, "unknown": 0.0899, "texts_in_training": 0,
    }  # fmt: skip
    made = recipe.load("ulmfit2018-wikitext-2")
    card = model_card.text(made, metrics, 5_136_000)
    facts = front_matter(card)
    assert (facts["pipeline_tag"], facts["language"]) == ("text-generation", ["en"])
    assert facts["metrics"] == ["perplexity"]
    for part in (
        "Task: generate, en.",
        "**perplexity 106.4** on wikitext-2, split `test`.",
        "(curly quotes as straight ones, a dash as a hyphen)",
        "- perplexity per token: 58.5",
        "- validation loss (nats per token): 4.08",
        "- words: 238,068",
        "- share of tokens that the vocabulary lacks: 0.0899",
        "- test texts that also occur in training: 0",
        f"{made.train.updates:,} updates of 64 rows of 70 words, adam",
        "loss per word, alpha 2 of AR, beta 1 of TAR",
        "English words with fastai's markers, the 12,000 most frequent.",
    ):
        assert part in card, part
    assert "It began with" not in card
    card = model_card.text(recipe.load("merity2017-ptb-starter"), {}, 1)
    assert "of 40 rows of about 70 words" in card
    assert "Words between white space, the 10,000 most frequent." in card
    card = model_card.text(recipe.load("ulmfit2018-imdb-lm"), {}, 1)
    assert "imdb (en, texts cut at 200 words, 75,000 texts)" in card
    assert "It began with the weights ulmfit2018.wikitext-2." in card


def test_models_of_characters_are_measured_in_bits():
    metrics = {"metric": "bits_per_character", "value": 2.87, "perplexity": 1137.0, "loss": 1.99}
    card = model_card.text(recipe.load("oord2016-names"), metrics, 1)
    assert front_matter(card)["metrics"] == ["bits_per_character"]
    assert "**bits per character 2.870** on names, split `valid`." in card
    assert "- perplexity per word: 1137" in card


def test_further_corpora_are_named():
    made = recipe.load("gpt1-starter").resolved()
    card = model_card.text(made, {}, 10)
    assert front_matter(card)["datasets"] == ["Salesforce/wikitext", "stanfordnlp/imdb"]
    assert re.search(r"On wikitext-2 \(en.*?\) and imdb \(12,000 texts\): at most", card)


def test_a_classifier_is_described():
    metrics = {
        "metric": "accuracy", "value": 90.06, "data": "imdb", "split": "test", "accuracy": 90.06,
        "macro_f1": 89.9, "loss": 0.25, "texts": 5000,
        "confusion": {"neg": {"neg": 2300, "pos": 200}, "pos": {"neg": 300, "pos": 2200}},
    }  # fmt: skip
    made = recipe.load("ulmfit2018-imdb")
    card = model_card.text(made, metrics, 1)
    assert front_matter(card)["pipeline_tag"] == "text-classification"
    assert front_matter(card)["metrics"] == ["accuracy"]
    for part in (
        "Task: classify, en.",
        "**accuracy 90.1 %** on imdb, split `test`.",
        "- macro F1 (%): 89.9",
        "- validation loss (nats per text): 0.25",
        "- confusion neg pos: 200",
        "labels neg, pos",
        f"{made.train.updates:,} updates of 32 texts, adam",
        "loss per text",
        "It began with the weights ulmfit2018.imdb-lm.",
    ):
        assert part in card, part


def test_a_users_own_weights_name_no_licence(tiny_recipe):
    card = model_card.text(tiny_recipe, {}, 1)
    assert front_matter(card)["license"] == "other"
    assert 'zoo.load("./tiny")' in card
    assert "Nothing has been measured yet." in card
    assert "Not stated" in model_card.license_text(tiny_recipe)


def test_a_model_that_counted_is_described():
    card = model_card.text(recipe.load("bigram-names"), {}, 1)
    assert "On names (en): counts of one pass, without a gradient, seed 1951." in card
    assert "updates of" not in card


@pytest.mark.parametrize(
    ("name", "pipeline", "given", "loss", "data"),
    [
        ("gpt1-rte", "text-classification", '("...", "...")', "nats per text", "labels entailment"),
        ("gpt1-stsb", "text-classification", '("...", "...")', "mean squared error", "stsb (en"),
        (
            "gpt1-race", "multiple-choice", '("...", ["...", "..."])', "nats per question",
            "race (en, texts cut at 512 pieces)",
        ),
    ],
)  # fmt: skip
def test_a_model_of_several_texts_is_described(name, pipeline, given, loss, data):
    card = model_card.text(recipe.load(name), {"loss": 0.5}, 1)
    assert front_matter(card)["pipeline_tag"] == pipeline
    for part in (
        f"model.predict({given})", f"- validation loss ({loss}): 0.5", data,
        "Lower-cased byte pairs, 10,000 pieces.",
    ):  # fmt: skip
        assert part in card, part
