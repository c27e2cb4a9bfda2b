"""SentencePiece as ALBERT reads text: plain quotes, no accents, small letters, numbers apart.

The rules are those of the paper's code: whitespace becomes one space, `` and '' become a double
quote, characters are decomposed (NFKD) and lose their accents, letters become small; then
SentencePiece cuts the text, with its own normalisation. A piece that ends in a digit and a comma
is cut again without the comma, so that "9,9" has no piece "9,". "\u2581" stands for the space
before a piece.

transformers' tokenizer until its version 4 did the same. That of version 5 (and the "fast" one
before) has no rule for digits and commas, and differs for characters that are accents to only one
of Python and Unicode's category M, and for the control characters \\x1c to \\x1f, spaces in Python
alone.

A text begins with [CLS] and ends with [SEP]. In a text, [MASK] stands for a hidden word, and what
follows it begins a word; the other special words have no meaning there.
"""

from __future__ import annotations

import base64
import binascii
import io
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path

import sentencepiece

from zoo.errors import BundleError, DataError
from zoo.text import vocabulary as vocabularies
from zoo.text.sentencepiece import processor
from zoo.text.tokenizer import Tokenizer
from zoo.text.wordpiece import END, MASK, PREFIX, START

PADDING, UNKNOWN = "<pad>", "<unk>"
SPECIAL = (PADDING, UNKNOWN, START, END, MASK)
SPACE = "\u2581"
# Each a piece of its own, as in the paper's model.
SIGNS = ["(", ")", '"', "-", ".", "–", "£", "€"]
# Of such characters are the pieces that may continue a word, to those who hide whole words; the
# marks alone do not. As in the code, which knows no "'".
MARKS = set('!"#$%&()*+,-./:;?@[\\]^_`{|}~')
LETTERS = MARKS | set("abcdefghijklmnopqrstuvwxyz")
COVERAGE = 0.99995  # share of the text's characters that get pieces
# First and last character + 1 of a part of a text.
Span = tuple[int, int]


class AlbertTokenizer(Tokenizer):
    """Turns text into ids of pieces and back. Ids 0 to 4: those of `SPECIAL`.

    Args:
        model: a SentencePiece model, as bytes.
        lowercase: read capitals as small letters.
        keep_accents: leave characters as they are, with their accents.
    """

    kind, unknown = "albert", "characters"

    def __init__(self, model: bytes, lowercase: bool = True, keep_accents: bool = False) -> None:
        self.model = model
        self.lowercase = lowercase
        self.keep_accents = keep_accents
        self._processor = processor(model)
        ids = range(self._processor.GetPieceSize())
        self.words = [self._processor.IdToPiece(i) for i in ids]
        numbers = {word: i for i, word in enumerate(self.words)}
        if missing := [word for word in SPECIAL if word not in numbers]:
            raise BundleError(
                f"a SentencePiece model of ALBERT has {', '.join(SPECIAL)}; this one lacks "
                f"{', '.join(missing)}",
                "make it with `zoo prepare`, or take the spiece.model that belongs to the weights",
            )
        self.pad_id, self.unk_id, self.start_id, self.end_id, self.mask_id = (
            numbers[word] for word in SPECIAL
        )
        self.sequence_ids = (self.start_id, self.end_id, self.end_id)
        self._ids = {word: i for word, i in numbers.items() if word not in SPECIAL}

    @classmethod
    def load(cls, path: Path | str) -> AlbertTokenizer:
        content = vocabularies.read(path, "model", "case", "accents")
        try:
            model = base64.b64decode(content["model"], validate=True)
        except (binascii.Error, ValueError) as error:
            raise BundleError(f"{path} is no vocabulary", "fetch the bundle again") from error
        made = cls(model, content["case"] == "lower", content["accents"] == "kept")
        if made.words != content["words"]:
            raise BundleError(
                f"{path}: its words are not those of its SentencePiece model",
                "fetch the bundle again",
            )
        return made

    def save(self, path: Path | str) -> None:
        """Write the SentencePiece model in base 64, its options, and the pieces as JSON."""
        content = {
            "model": base64.b64encode(self.model).decode("ascii"),
            "case": "lower" if self.lowercase else "kept",
            "accents": "kept" if self.keep_accents else "removed",
            "words": self.words,
        }
        vocabularies.write(path, content)

    @classmethod
    def train(
        cls,
        lines: Iterable[str],
        *,
        vocabulary: int,
        lowercase: bool = True,
        keep_accents: bool = False,
        seed: int = 0,
    ) -> AlbertTokenizer:
        """Learn pieces from lines of text by a unigram model, as the paper's code says.

        Args:
            lines: the text.
            vocabulary: most pieces, the special ones included; a short text gives fewer.
            lowercase, keep_accents: see the class.
            seed: of learning.

        Raises:
            DataError: the lines have no words, or more characters than `vocabulary` has room for.
        """
        plain = (prepared(line.replace(MASK, " "), lowercase, keep_accents)[0] for line in lines)
        sentencepiece.set_random_generator_seed(seed)
        model = io.BytesIO()
        try:
            sentencepiece.SentencePieceTrainer.train(
                sentence_iterator=(line for line in plain if line), model_writer=model,
                vocab_size=vocabulary, hard_vocab_limit=False, model_type="unigram",
                character_coverage=COVERAGE, pad_id=0, unk_id=1, bos_id=-1, eos_id=-1,
                pad_piece=PADDING, unk_piece=UNKNOWN, control_symbols=[START, END, MASK],
                user_defined_symbols=SIGNS, num_threads=2, minloglevel=2,
            )  # fmt: skip
        except RuntimeError as error:
            reason = str(error).rsplit("] ", 1)[-1].strip()  # drop the place in its source code
            raise DataError(
                f"no SentencePiece model of {vocabulary} pieces can be learned: {reason}",
                "give more text, or raise tokenizer.vocabulary",
            ) from error
        return cls(model.getvalue(), lowercase, keep_accents)

    def split(self, text: str) -> list[str]:
        pieces: list[str] = []
        for number, part in enumerate(text.split(MASK)):
            pieces += [MASK] if number else []
            pieces += self._cut(prepared(part, self.lowercase, self.keep_accents)[0])
        return pieces

    def _id(self, piece: str) -> int:
        return self.mask_id if piece == MASK else self._ids.get(piece, self.unk_id)

    def _cut(self, text: str) -> list[str]:
        """Return the pieces of a prepared text, none a number with its comma."""
        pieces: list[str] = []
        for piece in self._processor.EncodeAsPieces(text):
            if len(piece) < 2 or piece[-1] != "," or not piece[-2].isdigit():
                pieces.append(piece)
                continue
            parts = self._processor.EncodeAsPieces(piece[:-1].replace(SPACE, ""))
            # The space that SentencePiece puts before a text is none here.
            if not piece.startswith(SPACE):
                parts[0] = parts[0].removeprefix(SPACE)
            pieces += [*filter(None, parts), ","]
        return pieces

    def spans(self, text: str) -> list[tuple[int, int]]:
        """Return where each piece of `encode` stands in the text as it was given.

        A space before a piece is no part of it; a piece of nothing else is empty.
        """
        places: list[int] = []  # in the text, of each character of its plain form
        for at, character in enumerate(text):
            places += [at] * len(character.translate(self.replacements))
        places.append(len(text))
        found: list[Span] = []
        first = 0
        for number, part in enumerate(self.plain(text).split(MASK)):
            if number:
                found.append((first - len(MASK), first))
            found += [(first + begin, first + end) for begin, end in self._spans(part)]
            first += len(part) + len(MASK)
        return [
            (places[begin], places[end - 1] + 1 if begin < end else places[begin])
            for begin, end in found
        ]

    def _spans(self, part: str) -> list[Span]:
        """Return where each piece stands in a text without [MASK]."""
        plain, places = prepared(part, self.lowercase, self.keep_accents)
        places.append((len(part), len(part)))
        # Pieces side by side are the normalised text; `starts` is where its characters come from.
        _, starts = self._processor.Normalize(plain, with_offsets=True)
        found, at = [], 0
        for piece in self._cut(plain):
            begin, end = starts[at], starts[at + len(piece)]
            at += len(piece)
            while begin < end and plain[begin] == " ":
                begin += 1
            first = places[begin][0]
            found.append((first, places[end - 1][1] if begin < end else first))
        return found

    def begins_word(self, piece: str) -> bool:
        return piece.startswith((SPACE, "<")) or piece in MARKS or not {*piece.lower()} <= LETTERS

    @property
    def unwritten_ids(self) -> tuple[int, ...]:
        space = [self._ids[SPACE]] if SPACE in self._ids else []
        return (*super().unwritten_ids, *space)

    def as_words(self, ids: Sequence[int]) -> list[str]:
        return [
            piece.removeprefix(SPACE) if piece.startswith(SPACE) else PREFIX + piece
            for piece in self.pieces(ids)
        ]

    def knows(self, character: str) -> bool:
        # A vocabulary may have a sign only within a word.
        return super().knows(character) or self.unk_id not in self._encode(f"a{character}")[-1:]

    def unknown_parts(self, text: str) -> list[str]:
        return [part.replace(SPACE, "") for part in super().unknown_parts(text)]

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of ids without padding, start and end, in plain form."""
        words = [MASK if i == self.mask_id else self.words[i] for i in self._of_text(ids)]
        return (
            "".join(f" {word}" if word == MASK else word for word in words)
            .replace(SPACE, " ")
            .strip()
        )


def prepared(text: str, lowercase: bool, keep_accents: bool) -> tuple[str, list[Span]]:
    """Return a text as SentencePiece reads it, and where each character comes from.

    Args: see `AlbertTokenizer`.
    """
    characters: list[tuple[str, Span]] = []
    for at, character in enumerate(text):
        if not character.isspace():
            characters.append((character, (at, at + 1)))
        elif characters and characters[-1][0] != " ":
            characters.append((" ", (at, at + 1)))
    if characters and characters[-1][0] == " ":
        characters.pop()
    characters = _with_quotes(characters)
    if not keep_accents:
        # Accents that change their order by NFKD are all left out, so one character is enough.
        characters = [
            (part, place)
            for character, place in characters
            for part in unicodedata.normalize("NFKD", character)
            if not unicodedata.combining(part)
        ]
    plain = "".join(character for character, _ in characters)
    if not lowercase:
        return plain, [place for _, place in characters]
    places = [place for character, place in characters for _ in character.lower()]
    return plain.lower(), places  # of the whole, for the sigma at the end of a word


def _with_quotes(characters: list[tuple[str, Span]]) -> list[tuple[str, Span]]:
    """Return characters with two backquotes or apostrophes as a double quote."""
    found: list[tuple[str, Span]] = []
    for character, (first, last) in characters:
        if character in ("`", "'") and found and found[-1][0] == character:
            found[-1] = ('"', (found[-1][1][0], last))
        else:
            found.append((character, (first, last)))
    return found
