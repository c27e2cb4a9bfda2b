"""Tokenizers: train, save, load."""

from zoo.text.albert import AlbertTokenizer
from zoo.text.bpe import BpeTokenizer
from zoo.text.characters import CharacterTokenizer
from zoo.text.fastai import FastaiTokenizer
from zoo.text.kinds import load_tokenizers, save_tokenizers, train_tokenizers
from zoo.text.marian import MarianTokenizer
from zoo.text.moses import MosesTokenizer
from zoo.text.sentencepiece import SentencePieceTokenizer
from zoo.text.subwords import SubwordTokenizer
from zoo.text.tokenizer import Tokenizer
from zoo.text.whitespace import WhitespaceTokenizer
from zoo.text.wordpiece import WordPieceTokenizer

__all__ = [
    "AlbertTokenizer", "BpeTokenizer", "CharacterTokenizer", "FastaiTokenizer", "MarianTokenizer",
    "MosesTokenizer", "SentencePieceTokenizer", "SubwordTokenizer", "Tokenizer",
    "WhitespaceTokenizer", "WordPieceTokenizer",
    "load_tokenizers", "save_tokenizers", "train_tokenizers",
]  # fmt: skip
