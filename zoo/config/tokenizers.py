"""The kinds of tokenizers, one row each. Imports no Keras.

To add a kind, write its class (see `zoo.text.tokenizer.Tokenizer`) and add its row: recipes, files
of bundles, model cards and docs read this table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class TokenizerSpec:
    """What the package knows about one kind of tokenizer."""

    #: of the class: "module:Class"
    path: str
    #: how the name of its file ends: the first one is written, all are read
    suffixes: tuple[str, ...]
    #: what a text is cut into
    unit: Literal["piece", "word"]
    #: how a text is cut, for the docs
    about: str
    #: the same for a model card, with {many} and the recipe's settings filled in
    card: str = ""
    #: what the class' `train` takes beside lines and vocabulary
    train: tuple[str, ...] = ()
    #: keys of [tokenizer] that this kind alone has, and their defaults
    options: Mapping[str, str | None] = field(default_factory=dict)
    #: of these, the keys that must be given, and what they are
    needs: Mapping[str, str] = field(default_factory=dict)
    #: whether a recipe may choose it; the others come with converted weights
    learned: bool = True
    #: whether one tokenizer may serve two languages
    shareable: bool = True
    #: whether a language model reads WikiText line by line, not article by article
    by_line: bool = False


TOKENIZERS: dict[str, TokenizerSpec] = {
    "sentencepiece": TokenizerSpec(
        path="zoo.text.sentencepiece:SentencePieceTokenizer",
        suffixes=(".model",),
        unit="piece",
        about="pieces learned from raw text by SentencePiece",
        card="SentencePiece {algorithm}, {many}, normalisation {normalization}.",
        train=("algorithm", "normalization", "seed"),
        options={"algorithm": None, "normalization": "nmt_nfkc"},
        needs={"algorithm": "an algorithm: 'unigram' or 'bpe'"},
    ),
    "moses": TokenizerSpec(
        path="zoo.text.moses:MosesTokenizer",
        suffixes=(".moses.json", ".words.json"),
        unit="word",
        about="words cut by the rules of Moses for their language, the most frequent of each side",
        card="Words cut by the rules of Moses, the most frequent of each side, {source_size} in "
        "{source} and {target_size} in {target}.",
        train=("language",),
        shareable=False,
    ),
    "fastai": TokenizerSpec(
        path="zoo.text.fastai:FastaiTokenizer",
        suffixes=(".fastai.json", ".marked.json"),
        unit="word",
        about="English words in lower case with fastai's markers, the most frequent",
        card="English words with fastai's markers, the {target_size} most frequent.",
    ),
    "whitespace": TokenizerSpec(
        path="zoo.text.whitespace:WhitespaceTokenizer",
        suffixes=(".whitespace.json", ".spaces.json"),
        unit="word",
        about="words between white space as they stand, the most frequent",
        card="Words between white space, the {target_size} most frequent.",
        by_line=True,
    ),
    "bpe": TokenizerSpec(
        path="zoo.text.bpe:BpeTokenizer",
        suffixes=(".bpe.json",),
        unit="piece",
        about="GPT's byte pairs in lower case, with `</w>` at the end of a word",
        card="Lower-cased byte pairs, {target_size} pieces.",
    ),
    "marian": TokenizerSpec(
        path="zoo.text.marian:MarianTokenizer",
        suffixes=(".marian.json",),
        unit="piece",
        about="Marian's pieces: SentencePiece with a vocabulary of its own",
        learned=False,
    ),
    "subwords": TokenizerSpec(
        path="zoo.text.subwords:SubwordTokenizer",
        suffixes=(".subwords.json",),
        unit="piece",
        about="words cut by Moses and then into pieces by subword-nmt's merges",
        learned=False,
    ),
}

LEARNED = {kind: row for kind, row in TOKENIZERS.items() if row.learned}
