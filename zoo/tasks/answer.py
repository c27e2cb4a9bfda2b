"""Answer questions with a part of their context (bert2018, sections 4.2 and 4.3); scored by F1 and
exact match of SQuAD."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from zoo.config.recipe import Data, Recipe
from zoo.data import columns, squad
from zoo.data.encoded import Encoded, Ragged
from zoo.data.examples import Example
from zoo.data.matching import Columns, Roles, folded
from zoo.data.quoted import Quoted
from zoo.data.sequences import longest_of_model
from zoo.data.spans import (
    NO_ANSWER,
    SPANS,
    Window,
    cut,
    pieces_of,
    question_room,
    windows,
)
from zoo.errors import DataError, InputError, OptionError, ZooWarning, check_count, counted
from zoo.tasks import answering
from zoo.tasks.answering import Span
from zoo.tasks.base import Task, Tokenizers, check_examples, listed_texts
from zoo.tasks.entail import Entail
from zoo.text import Tokenizer

# The most pieces of an answer, as in the paper's code.
LONGEST = 30


class Context(NamedTuple):
    """A context as it is read: its pieces, and where each stands in it."""

    ids: list[int]
    places: list[tuple[int, int]]


class Answer(Entail):
    """Answer questions; an example is ((question, context), ((answer, place), ...))."""

    name = "answer"
    trainer = "zoo.training.answering:AnswerTrainer"
    quick_limit = 500
    names = ("question", "context")

    # Examples --------------------------------------------------------------------------------

    @classmethod
    def roles(cls, recipe: Recipe, fresh: bool = False) -> Roles:
        return Roles(_columns, cls.spec().synonyms)

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
        """Read a user's questions, see `zoo.data.squad`."""
        return squad.read(data, targets, cls.roles(recipe), table)

    @classmethod
    def encode_examples(
        cls, examples: Sequence[Example], tokenizers: Tokenizers, recipe: Recipe
    ) -> Encoded:
        """Encode questions as windows, with the places of the first answer's first and last piece.

        A window without the whole answer has those of [CLS]. Warns of questions that are cut.

        Raises:
            DataError: no examples, or an answer of which the model reads nothing.
        """
        check_examples(examples)
        tokenizer, data = tokenizers[0], recipe.data
        context = recipe.resolved().model.arguments["context"]
        longest = _longest(context, data, recipe.trained_length)
        tokens, spans, long = [], [], 0
        contexts = _contexts(tokenizer, [given[1] for given, _ in examples])
        for number, ((question, text), answers) in enumerate(examples, start=1):
            ids, places = contexts[text]
            found = None
            for answer, start in answers[:1]:
                found = pieces_of(places, start, start + len(answer))
                if found is None:
                    raise DataError(
                        f"row {number} has an answer of which the model reads nothing: {answer!a}",
                        "leave the row out: the answer is of invisible characters alone",
                    )
            asked = tokenizer.encode(question)
            long += len(asked) > question_room(longest)
            for window in _windows(tokenizer, asked, ids, longest, data):
                tokens.append(window.ids)
                spans.append(NO_ANSWER if found is None else window.span(*found))
        if long:
            warnings.warn(
                f"{long} of {counted(len(examples), 'question')} are longer than the "
                f"{question_room(longest)} pieces that are read, and cut",
                ZooWarning,
                stacklevel=4,
            )
        return Encoded({"tokens": Ragged.of(tokens), SPANS: Ragged.of(spans)})

    # The verbs -------------------------------------------------------------------------------

    @property
    def longest(self) -> int:
        """The most tokens that the model reads at a time."""
        return _longest(self.model.context, self.data, self.trained_length)

    def with_context(self, texts: Any, context: Any) -> Any:
        if context is None:
            return texts
        one, questions = listed_texts(texts)
        alone, contexts = listed_texts(context)
        if alone:
            contexts = contexts * len(questions)
        if len(contexts) != len(questions):
            raise InputError(
                f"{counted(len(questions), 'question')}, but {counted(len(contexts), 'context')}",
                "give one context for all questions, or one for each",
            )
        pairs = list(zip(questions, contexts, strict=True))
        return pairs[0] if one and alone else pairs

    def encode(self, texts: Sequence[Any]) -> list[list[Window]]:
        """Return the windows that the model reads of each input.

        Raises:
            InputError: see `predict`.
        """
        self.check_known(texts)
        self._check_questions(texts)
        return [found for found, _ in self._read(texts)]

    def encode_sources(self, texts: Sequence[Any]) -> list[Any]:
        rows = [[window.ids.tolist() for window in found] for found in self.encode(texts)]
        return [row[0] if len(row) == 1 else row for row in rows]

    def _read(self, pairs: Sequence[Any]) -> list[tuple[list[Window], Context]]:
        contexts = _contexts(self.tokenizer, [context for _, context in pairs])
        found = []
        for question, text in pairs:
            context, asked = contexts[text], self.tokenizer.encode(question)
            windows_of = _windows(self.tokenizer, asked, context.ids, self.longest, self.data)
            found.append((windows_of, context))
        return found

    def _check_questions(self, pairs: Sequence[Any]) -> None:
        """Warn once of questions that are cut."""
        most = question_room(self.longest)
        long = [i for i, pair in enumerate(pairs, 1) if len(self.tokenizer.encode(pair[0])) > most]
        if long:
            name = "the question" if len(pairs) == 1 else f"the question of pair {long[0]}"
            more = f"; {len(long) - 1} more are cut" if len(long) > 1 else ""
            warnings.warn(
                f"{name} is longer than the {most} pieces that are read, and cut{more}",
                ZooWarning,
                stacklevel=4,
            )

    def _logits(
        self, found: Sequence[Sequence[Window]], batch_size: int | None, progress: bool
    ) -> list[list[np.ndarray]]:
        """Return the logits [2, time] of each window of each input."""
        flat = [window.ids for each in found for window in each]
        rows = self.batch_size(batch_size)
        logits = iter(
            answering.span_logits(self.model, flat, self.tokenizer.pad_id, rows, progress)
        )
        return [[next(logits) for _ in each] for each in found]

    def predict(  # type: ignore[override]
        self,
        texts: Sequence[Any],
        *,
        num_return: int | None = None,
        max_length: int | None = None,
        no_answer: bool | float = False,
        batch_size: int | None = None,
        progress: bool = False,
    ) -> list[Any]:
        """Return the part of each context that answers its question.

        A long context is read in windows of `data.max_length` tokens that begin `data.stride`
        pieces apart. A score is the probability of the answer among all parts of the context of at
        most `max_length` pieces.

        Args:
            texts: (question, context) pairs.
            num_return: number of best answers; None is 1.
            max_length: most pieces of an answer; None is 30.
            no_answer: whether no answer is one too; a number is tau of the paper's section 4.3,
                which an answer's logits have to exceed those of none by, as True by 0.
            batch_size: windows read together.
            progress: show a bar while there is more than one batch and stderr is a terminal.

        Returns:
            A `zoo.data.quoted.Quoted` for each pair: a dict {"text", "start", "end", "score"}; its
            text is context[start:end], "" without an answer. With num_return over 1 a list of
            these, the best first.

        Raises:
            InputError: an input that is no pair of texts, an empty text, or one of which the model
                knows nothing; by its number.
            OptionError: a count that is no whole number of at least 1, or a wrong `no_answer`.
            PredictionError: the model's output is NaN or infinite.
        """
        pairs = list(texts)
        count, longest = num_return or 1, LONGEST if max_length is None else max_length
        for name, value in (("num_return", num_return), ("max_length", max_length)):
            if value is not None:
                check_count(name, value)
        self.check_known(pairs)
        self._check_questions(pairs)
        answers = self._answers(
            pairs, count, longest, _threshold(no_answer), batch_size, progress
        )  # fmt: skip
        return answers if count > 1 else [found[0] for found in answers]

    def _answers(
        self, pairs: Sequence[Any], count: int, longest: int, threshold: float | None,
        batch_size: int | None, progress: bool,
    ) -> list[list[Quoted]]:  # fmt: skip
        read = self._read(pairs)
        logits = self._logits([found for found, _ in read], batch_size, progress)
        answers = []
        for (_, text), (found, context), rows in zip(pairs, read, logits, strict=True):
            # ALBERT has a piece for a space alone, at no place.
            visible = np.array([start < end for start, end in context.places])
            spans = answering.best_spans(found, rows, longest, count, threshold, visible)
            quoted = [_quoted(text, context, span) for span in spans]
            # Pieces of one character are at one place.
            distinct = {(each["start"], each["end"]): each for each in reversed(quoted)}
            answers.append(sorted(distinct.values(), key=lambda each: -each["score"]))
        return answers

    def probabilities(
        self, texts: Sequence[Any], *, batch_size: int | None = None, progress: bool = False
    ) -> np.ndarray:
        return Task.probabilities(self, texts)

    def evaluate(
        self, examples: Sequence[Example], *, batch_size: int | None = None, progress: bool = False
    ) -> dict[str, Any]:
        """Compare the model's answers with the right ones.

        Where an example has no answer, no answer is allowed, with a threshold of 0.

        Args:
            examples: ((question, context), ((answer, place), ...)) pairs.

        Returns:
            See `zoo.tasks.answering.measured`.

        Raises:
            DataError: no examples.
            PredictionError: the model's output is NaN or infinite.
        """
        check_examples(examples)
        truth = [[text for text, _ in answers] for _, answers in examples]
        threshold = None if all(truth) else 0.0
        pairs = [given for given, _ in examples]
        found = self._answers(pairs, 1, LONGEST, threshold, batch_size, progress)
        return answering.measured([each["text"] for each, *_ in found], truth)

    # Golden outputs --------------------------------------------------------------------------

    def golden_inputs(self, examples: Sequence[tuple[Any, Any]]) -> list[Any]:
        """Return the four examples of the shortest contexts, among the first hundred."""
        pairs = dict.fromkeys(given for given, _ in examples[:100])
        return sorted(pairs, key=lambda pair: len(pair[1]))[:4]

    def golden_outputs(self, texts: Sequence[Any]) -> list[str]:
        """Return the answer to each question."""
        return [each["text"] for each in self.predict(texts)]

    def golden_scores(self, texts: Sequence[Any], outputs: Sequence[Any]) -> np.ndarray:
        """Return the log-probability of each answer."""
        return np.array([float(np.log(each["score"])) for each in self.predict(texts)])

    def golden_logits(self, text: Any, output: Any) -> np.ndarray:
        """Return the logits [2, time] of the first window."""
        return self._logits(self.encode([text]), None, False)[0][0]


def _columns(names: Sequence[str]) -> Columns:
    """Return the columns to look for: the answers and their places may each have one."""
    if squad.START in map(folded, names):
        return (("question", "context", "answer", squad.START),)
    return Answer.spec().columns


def _threshold(no_answer: Any) -> float | None:
    """Return tau, None if there is always an answer; raise OptionError for a wrong value."""
    if isinstance(no_answer, bool):
        return 0.0 if no_answer else None
    if not isinstance(no_answer, (int, float)) or not np.isfinite(no_answer):
        raise OptionError(f"no_answer is {no_answer!r}", "no_answer is True, False or a number")
    return float(no_answer)


def _longest(context: int, data: Data, trained_length: int | None) -> int:
    """Return the most tokens of a window; raise OptionError if they leave no room."""
    longest = min(longest_of_model(context, data), trained_length or context)
    if longest < 5:
        raise OptionError(
            f"windows of {longest} tokens have no room for a context",
            "raise data.max_length, or the context: 5 is the least",
        )
    return longest


def _contexts(tokenizer: Tokenizer, texts: Sequence[str]) -> Mapping[str, Context]:
    """Return the pieces of each distinct text."""
    return {
        text: Context(tokenizer.encode(text), tokenizer.spans(text))
        for text in dict.fromkeys(texts)
    }


def _windows(
    tokenizer: Tokenizer,
    question: Sequence[int],
    context: Sequence[int],
    longest: int,
    data: Data,
) -> list[Window]:
    stride = data.stride or longest
    return windows(question, context, longest, stride, tokenizer.start_id, tokenizer.end_id)


def _quoted(text: str, context: Context, span: Span) -> Quoted:
    """Return an answer as a part of the text of its context."""
    start, end = 0, 0
    if span.first >= 0:
        start, end = cut(text, context.places[span.first][0], context.places[span.last][1])
    values = {
        "text": text[start:end],
        "start": start,
        "end": end,
        "score": float(np.exp(span.log_p)),
    }
    return Quoted(text, values)
