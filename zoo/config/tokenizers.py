"""The kinds of tokenizers, one row each. Imports no Keras.

To add a kind, write its class (see `zoo.text.tokenizer.Tokenizer`) and add its row: recipes, files
of bundles, model cards and docs read this table.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple


class TokenizerSpec(NamedTuple):
    """The facts of one kind of tokenizer."""

    path: str  # of the class: "module:Class"
    suffixes: tuple[str, ...]  # of its file: written with the first one, read with any
    unit: Literal["piece", "word", "character"]  # of the cut text
    about: str  # how it cuts a text, for the docs
    card: str = ""  # the same for a model card; "" is a kind of converted weights only
    train: tuple[str, ...] = ()  # arguments of the class' `train` beside lines and vocabulary
    options: Mapping[str, str | bool | None] = {}  # its own keys of [tokenizer] and their defaults
    needs: Mapping[str, str] = {}  # required ones of them and their meanings
    shareable: bool = True  # whether one tokenizer may serve two languages
    by_line: bool = False  # whether it reads WikiText by lines, not by articles


TOKENIZERS: dict[str, TokenizerSpec] = {
    "sentencepiece": TokenizerSpec(
        "zoo.text.sentencepiece:SentencePieceTokenizer", (".model",), "piece",
        "pieces learned from raw text by SentencePiece",
        "SentencePiece {algorithm}, {many}, normalisation {normalization}.",
        train=("algorithm", "normalization", "byte_fallback", "split_digits", "seed"),
        options={
            "algorithm": None, "normalization": "nmt_nfkc", "byte_fallback": False,
            "split_digits": False,
        },
        needs={"algorithm": "an algorithm: 'unigram' or 'bpe'"},
    ),
    "moses": TokenizerSpec(
        "zoo.text.moses:MosesTokenizer", (".moses.json", ".words.json"), "word",
        "words cut by the rules of Moses for their language, the most frequent of each side",
        "Words cut by the rules of Moses, the most frequent of each side, {source_size} in "
        "{source} and {target_size} in {target}.",
        train=("language",), shareable=False,
    ),
    "fastai": TokenizerSpec(
        "zoo.text.fastai:FastaiTokenizer", (".fastai.json", ".marked.json"), "word",
        "English words in lower case with fastai's markers, the most frequent",
        "English words with fastai's markers, the {target_size} most frequent.",
    ),
    "whitespace": TokenizerSpec(
        "zoo.text.whitespace:WhitespaceTokenizer", (".whitespace.json", ".spaces.json"), "word",
        "words between white space as they stand, the most frequent",
        "Words between white space, the {target_size} most frequent.",
        by_line=True,
    ),
    "characters": TokenizerSpec(
        "zoo.text.characters:CharacterTokenizer", (".characters.json",), "character",
        "single characters, those of the training texts",
        "Single characters, {target_size} symbols.",
        train=("end",), options={"end": True}, by_line=True,
    ),
    "bpe": TokenizerSpec(
        "zoo.text.bpe:BpeTokenizer", (".bpe.json",), "piece",
        "GPT's byte pairs in lower case, with `</w>` at the end of a word",
        "Lower-cased byte pairs, {target_size} pieces.",
    ),
    "wordpiece": TokenizerSpec(
        "zoo.text.wordpiece:WordPieceTokenizer", (".wordpiece.json",), "piece",
        "BERT's WordPiece: words by its rules, each cut into the longest known pieces",
        "WordPiece, {target_size} pieces, {case}.",
        train=("lowercase",), options={"lowercase": True},
    ),
    "albert": TokenizerSpec(
        "zoo.text.albert:AlbertTokenizer", (".albert.json",), "piece",
        "ALBERT's SentencePiece: plain quotes, no accents, and no piece of a digit and a comma",
        "SentencePiece as in ALBERT, {target_size} pieces, {case}.",
        train=("lowercase", "keep_accents", "seed"),
        options={"lowercase": True, "keep_accents": False},
    ),
    "marian": TokenizerSpec(
        "zoo.text.marian:MarianTokenizer", (".marian.json",), "piece",
        "Marian's pieces, SentencePiece with a vocabulary of its own; of converted weights alone",
    ),
    "subwords": TokenizerSpec(
        "zoo.text.subwords:SubwordTokenizer", (".subwords.json",), "piece",
        "words cut by Moses, then into pieces by subword-nmt's merges; of converted weights alone",
    ),
}  # fmt: skip

# What a recipe may choose.
LEARNED = {kind: row for kind, row in TOKENIZERS.items() if row.card}
# The keys of [tokenizer] that only some kinds have.
OWN_KEYS = sorted({key for row in LEARNED.values() for key in row.options})
