"""Tag the words of a text: names, parts of speech (bert2018, section 5.3); scored by F1 of entities
or by accuracy.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from zoo.config.recipe import Data, Recipe
from zoo.config.tasks import mark_entities
from zoo.data import columns, conll
from zoo.data.encoded import Encoded, Ragged
from zoo.data.examples import Example
from zoo.data.marked import Marked
from zoo.data.matching import Roles
from zoo.data.tagged import TAGS, Window, tags_of, windows
from zoo.data.tags import complete, entities
from zoo.errors import DataError, InputError, check_text, item_names
from zoo.tasks import tagging, unknown
from zoo.tasks.base import Task, Tokenizers, check_examples
from zoo.tasks.metrics import log_softmax
from zoo.text import Tokenizer
from zoo.text.words import spans

Pieces = list[list[int]]


class Sentence(NamedTuple):
    """An input as it is read: the text, and the start and end of each word in it."""

    text: str
    spans: list[tuple[int, int]]

    @property
    def words(self) -> list[str]:
        return [self.text[start:end] for start, end in self.spans]


class Tag(Task):
    """Tag words; an example is a tuple of words and a sequence of as many tags.

    Tags that mark entities are in IOB2, see `zoo.data.tags`.
    """

    name = "tag"
    trainer = "zoo.training.tagging:TaggerTrainer"
    quick_limit = 1000

    # Examples --------------------------------------------------------------------------------

    @classmethod
    def roles(cls, recipe: Recipe, fresh: bool = False) -> Roles:
        row = cls.spec()
        return Roles(row.columns, row.synonyms)

    @classmethod
    def read(
        cls,
        recipe: Recipe,
        data: Any,
        targets: Iterable[Any] | None = None,
        *,
        fresh: bool = False,
        table: columns.TableOptions = columns.PLAIN,
    ) -> list[Example]:
        """Read a user's sentences, see `zoo.data.conll`."""
        found = conll.read(data, targets, cls.roles(recipe, fresh), table)
        return [Example(words, tags) for words, tags, _ in found]

    @classmethod
    def load_part(
        cls, recipe: Recipe, data: Data, split: str, folder: Path | None = None
    ) -> list[Example]:
        rows = super().load_part(recipe, data, split, folder)
        _check_tags(rows, data.labels, f"{data.shown} {split}, ", "change data.labels")
        return rows

    @classmethod
    def labels_in(cls, wanted: Any) -> Sequence[Any]:
        return sorted({*wanted})

    @classmethod
    def labels_of(cls, examples: Sequence[Example]) -> list[str]:
        return complete({tag for _, tags in examples for tag in tags})

    @classmethod
    def learned_texts(cls, examples: Iterable[Example]) -> list[tuple[str, ...]]:
        return [(" ".join(words),) for words, _ in examples]

    @classmethod
    def sides(cls, given: Any, wanted: Any) -> Iterator[tuple[str, str, int]]:
        yield "", given if isinstance(given, str) else " ".join(given), 0

    @classmethod
    def encode_examples(
        cls, examples: Sequence[Example], tokenizers: Tokenizers, recipe: Recipe
    ) -> Encoded:
        """Encode sentences as windows, with the tag of each word at its first piece.

        Raises:
            DataError: no examples, a tag that `data.labels` lacks, a word that gives no piece.
        """
        check_examples(examples)
        labels, tokenizer = recipe.data.labels, tokenizers[0]
        _check_tags(examples, labels, "", "add it to data.labels")
        arguments = recipe.resolved().model.arguments
        longest = min(arguments["context"], recipe.trained_length or arguments["context"])
        numbers = {label: number for number, label in enumerate(labels)}
        tokens, tags = [], []
        encoded = _pieces(tokenizer, [words for words, _ in examples], "row", DataError)
        for pieces, (_, wanted) in zip(encoded, examples, strict=True):
            places = [numbers[tag] for tag in wanted]
            for window in windows(pieces, longest, tokenizer.start_id, tokenizer.end_id):
                tokens.append(window.ids)
                tags.append(tags_of(window, places))
        return Encoded({"tokens": Ragged.of(tokens), TAGS: Ragged.of(tags)})

    # The verbs -------------------------------------------------------------------------------

    @property
    def labels(self) -> list[str]:
        """The tags, in the order of the model's logits."""
        return self.data.labels

    @property
    def longest(self) -> int:
        """The most tokens that the model reads at a time."""
        context: int = self.model.context
        return min(context, self.trained_length or context)

    def listed(self, inputs: Any) -> tuple[bool, list[Any]]:
        """Return whether `inputs` is a text or a tuple of words, and a list of these."""
        hint = f"give {self.spec().example}, or a list of these"
        if isinstance(inputs, str) or (
            isinstance(inputs, tuple) and inputs and isinstance(inputs[0], str)
        ):
            return True, [inputs]
        if isinstance(inputs, (bytes, Mapping)) or not isinstance(inputs, Iterable):
            raise InputError(f"{type(inputs).__name__} is no text", hint)
        return False, list(inputs)

    def encode(self, texts: Sequence[Any]) -> list[list[Window]]:
        """Return the windows that the model reads of each input.

        Raises:
            InputError: see `predict`.
        """
        return self._read(texts)[1]

    def encode_sources(self, texts: Sequence[Any]) -> list[Any]:
        rows = [[window.ids.tolist() for window in found] for found in self.encode(texts)]
        return [row[0] if len(row) == 1 else row for row in rows]

    def _read(self, texts: Sequence[Any]) -> tuple[list[Sentence], list[list[Window]]]:
        """Return the inputs as sentences, and the windows of each."""
        names = item_names("text", len(texts))
        sentences = [_sentence(given, name) for given, name in zip(texts, names, strict=True)]
        # As the words are read, one by one: BERT takes signs side by side as one word.
        joined = [" ".join(sentence.words) for sentence in sentences]
        unknown.encode(self.tokenizer, joined, self.data.language)
        own = [not isinstance(given, str) for given in texts]
        encoded = self.tokenizer.encode_words([sentence.words for sentence in sentences])
        for i, (sentence, words) in enumerate(zip(sentences, encoded, strict=True)):
            if own[i]:
                _check_pieces(words, sentence.words, names[i], InputError)
            elif not all(words):  # signs that the model does not see are no words
                read = [place for place, word in enumerate(words) if word]
                sentences[i] = Sentence(sentence.text, [sentence.spans[place] for place in read])
                encoded[i] = [words[place] for place in read]
        return sentences, self._windows(encoded)

    def _windows(self, encoded: Sequence[Pieces]) -> list[list[Window]]:
        start_id, end_id = self.tokenizer.start_id, self.tokenizer.end_id
        return [windows(words, self.longest, start_id, end_id) for words in encoded]

    def _logits(
        self, sentences: Sequence[list[Window]], batch_size: int | None, progress: bool
    ) -> list[np.ndarray]:
        rows = self.batch_size(batch_size)
        return tagging.tag_logits(self.model, sentences, self.tokenizer.pad_id, rows, progress)

    def predict(
        self,
        texts: Sequence[Any],
        *,
        scores: bool = False,
        batch_size: int | None = None,
        progress: bool = False,
    ) -> list[Any]:
        """Return the entities of each text, or its words if their tags mark no entities.

        A text is split into words by `zoo.text.words`; a tuple or list of words is taken as it is,
        and its text has a blank between two. A word's tag and score are those of its first piece,
        as in "first" of transformers' pipeline; an entity's score is the mean of its words'. A long
        text is read in windows that overlap by half.

        Args:
            scores: return all words instead, each with the probability of every tag.
            batch_size: windows read together.
            progress: show a bar while there is more than one batch and stderr is a terminal.

        Returns:
            A `zoo.data.marked.Marked` for each text: a list of entities {"label", "text", "start",
            "end", "score"} or of words {"word", "tag", "start", "end", "score"}; `words` has all
            words. Places count characters of the text. With `scores` a list of words, with a dict
            "scores", the most probable tag first.

        Raises:
            InputError: an input that is neither a text nor a list of words, an empty one, one of
                which the model knows nothing, or a word that gives no piece; by its number.
        """
        sentences, read = self._read(list(texts))
        logits = self._logits(read, batch_size, progress)
        answers = zip(sentences, logits, strict=True)
        if scores:
            return [self._scored(sentence, rows) for sentence, rows in answers]
        return [self._marked(sentence, rows) for sentence, rows in answers]

    def _words(self, sentence: Sentence, rows: np.ndarray) -> list[dict[str, Any]]:
        """Return each word with its most probable tag."""
        p, best = np.exp(log_softmax(rows)), rows.argmax(axis=1)
        return [
            {
                "word": word, "tag": self.labels[int(tag)], "start": start, "end": end,
                "score": float(p[number, tag]),
            }
            for number, (word, (start, end), tag) in enumerate(
                zip(sentence.words, sentence.spans, best, strict=True)
            )
        ]  # fmt: skip

    def _scored(self, sentence: Sentence, rows: np.ndarray) -> list[dict[str, Any]]:
        words = self._words(sentence, rows)
        for word, p in zip(words, np.exp(log_softmax(rows)), strict=True):
            best = np.argsort(-p, kind="stable")
            word["scores"] = {self.labels[int(i)]: float(p[i]) for i in best}
        return words

    def _marked(self, sentence: Sentence, rows: np.ndarray) -> Marked:
        words = self._words(sentence, rows)
        if not mark_entities(self.labels):
            return Marked(sentence.text, words)
        found = []
        for kind, first, last in entities([word["tag"] for word in words]):
            start, end = words[first]["start"], words[last - 1]["end"]
            score = float(np.mean([word["score"] for word in words[first:last]]))
            text = sentence.text[start:end]
            found.append({"label": kind, "text": text, "start": start, "end": end, "score": score})
        return Marked(sentence.text, words, found)

    def evaluate(
        self, examples: Sequence[Example], *, batch_size: int | None = None, progress: bool = False
    ) -> dict[str, Any]:
        """Compare the model's tags with the true ones.

        Args:
            examples: (words, tags) pairs; tags that mark entities in IOB2.

        Returns:
            See `zoo.tasks.tagging.measured`.

        Raises:
            DataError: no examples, or a tag that the model does not have.
            PredictionError: the model's output is NaN or infinite.
        """
        check_examples(examples)
        known = f"the model's tags are {', '.join(self.labels)}"
        _check_tags(examples, self.labels, "", known)
        encoded = _pieces(self.tokenizer, [words for words, _ in examples], "row", DataError)
        logits = self._logits(self._windows(encoded), batch_size, progress)
        return tagging.measured(logits, [tags for _, tags in examples], self.labels)

    # Golden outputs --------------------------------------------------------------------------

    def golden_inputs(self, examples: Sequence[Example]) -> list[str]:
        """Return the first four sentences with several different tags."""
        several = [" ".join(words) for words, tags in examples if len({*tags}) > 1]
        return several[:4]

    def golden_outputs(self, texts: Sequence[Any]) -> list[list[str]]:
        """Return the tag of each word of each text."""
        rows = self._logits(self.encode(texts), None, False)
        return [[self.labels[int(i)] for i in each.argmax(axis=1)] for each in rows]

    def golden_scores(self, texts: Sequence[Any], outputs: Sequence[Any]) -> np.ndarray:
        """Return the log-probability of each text's most probable tags together."""
        rows = self._logits(self.encode(texts), None, False)
        return np.array([float(log_softmax(each).max(axis=1).sum()) for each in rows])

    def golden_logits(self, text: Any, output: Any) -> np.ndarray:
        """Return the logits [words, labels] of a text."""
        return self._logits(self.encode([text]), None, False)[0]


def _sentence(given: Any, name: str) -> Sentence:
    """Return an input as a sentence; raise InputError for one of another kind."""
    if isinstance(given, str):
        check_text(name, given)
        return Sentence(given, spans(given))
    if isinstance(given, (bytes, Mapping)) or not isinstance(given, Sequence):
        raise InputError(
            f"{name} is {type(given).__name__}, neither text nor words", "give a text, or its words"
        )
    ends: list[int] = []
    at = 0
    for number, word in enumerate(given, start=1):
        where = f"word {number} of {name}"
        if not isinstance(word, str):
            raise InputError(f"{where} is {type(word).__name__}, not text", "convert it to text")
        check_text(where, word)
        ends.append(at + len(word))
        at = ends[-1] + 1
    places = [(end - len(word), end) for word, end in zip(given, ends, strict=True)]
    return Sentence(" ".join(given), places)


def _pieces(
    tokenizer: Tokenizer, sentences: Sequence[Sequence[str]], noun: str, error: Any
) -> list[Pieces]:
    """Return the pieces of the words of rows; raise `error` for a word that has none."""
    encoded = tokenizer.encode_words(sentences)
    for number, (pieces, words) in enumerate(zip(encoded, sentences, strict=True), start=1):
        _check_pieces(pieces, words, f"{noun} {number}", error)
    return encoded


def _check_pieces(pieces: Pieces, words: Sequence[str], name: str, error: Any) -> None:
    for number, (word, ids) in enumerate(zip(words, pieces, strict=True), start=1):
        if not ids:
            raise error(
                f"word {number} of {name} has nothing that the model reads: {word!a}",
                "leave the word out: it is empty, or of invisible characters alone",
            )


def _check_tags(rows: Sequence[Example], labels: Sequence[str], where: str, hint: str) -> None:
    """Raise DataError unless each row has as many tags as words, and all of them are labels."""
    known = {*labels}
    for number, (words, tags) in enumerate(rows, start=1):
        if len(words) != len(tags):
            raise DataError(
                f"{where}row {number}: {len(words)} words, but {len(tags)} tags",
                "give each word one tag",
            )
        if not known.issuperset(tags):
            place = next(i for i, tag in enumerate(tags) if tag not in known)
            raise DataError(
                f"{where}row {number}: the tag '{tags[place]}' of word {place + 1}, "
                f"'{words[place]}', is none of {', '.join(labels)}",
                hint,
            )
