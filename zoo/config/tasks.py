"""The tasks, one row each. All that depends on a task is here or in the task's own class.

To add a task, add its row and write its class (see `zoo.tasks.base.Task`). A name without a row is
an error everywhere. Imports no Keras.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from zoo.config.choices import imported
from zoo.errors import UnknownName, did_you_mean


@dataclass(frozen=True)
class TaskSpec:
    """The facts of one task for the parts of the package that import no Keras."""

    path: str  # of the class that reads, encodes, trains and measures: "module:Class"
    pipeline: str  # the hub's name of the task
    needs: tuple[str, ...]  # required keys of a recipe
    metrics: tuple[str, ...]  # metrics that experiments may compare, the main one first
    # column names to look for together; the first ones name columns without names
    columns: tuple[tuple[str, ...], ...]
    # further names of a column, by its name in the first of `columns`: lower-cased, joined by "_"
    synonyms: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    input: Literal["text", "pair", "question"] = "text"  # kind of one input
    parts: tuple[str, ...] = ()  # parts of an input other than a single text
    example: str = "at least one word"  # an input as Python code, for messages
    card_example: str = '"..."'  # the same for model cards
    line: str = ""  # content of a shell's line whose tabs separate the parts
    # whether `data.labels` lists classes; without it, some tasks have numbers
    # "tags" are classes of each word
    labels: Literal["none", "classes", "classes or numbers", "tags"] = "none"
    number_metric: str = ""  # main metric of numbers in place of labels
    plain_metric: str = ""  # main metric of tags that mark no entities, as parts of speech
    other_metrics: tuple[str, ...] = ()  # what recipes may name in place of the main metric
    unit: str = "texts"  # name of examples in counts
    seen: str = "texts_in_training"  # metrics.json's key of test examples that training saw too
    loss_per: str = "text"  # the validation loss is a mean per this; "" leaves it to `train.loss`
    perplexity_per: str = ""  # a perplexity is per this; "" is a piece of the tokenizer
    measured_again: bool = False  # whether experiments measure models again for missing metrics
    # how training reads further corpora (`data.also`): not, all texts as one, or by shares
    also: Literal["no", "joined", "shares"] = "no"
    rows: tuple[str, ...] = ("text",)  # kinds of a corpus' rows that the task can read
    given: str = ""  # an input's name in messages; "" is `input`


_BATCHES = ("train.buckets", "train.batch_sentences")
_LABEL_METRICS = ("accuracy", "error", "loss", "macro_f1")
_TEXT = (
    "text", "texts", "sentence", "review", "review_text", "message", "sms", "comment",
    "comment_text", "tweet", "content", "body", "post", "document", "article", "utterance", "query",
    "question", "title", "headline", "description", "phrase", "input",
)  # fmt: skip
_LABEL = (
    "label", "labels", "category", "class", "sentiment", "target", "tag", "topic", "intent",
    "emotion", "rating", "stars", "score", "spam", "is_spam", "polarity", "class_label",
    "label_text", "coarse_label", "toxic", "verdict",
)  # fmt: skip
_FIRST, _SECOND = (
    tuple(f"{word}{sign}{number}" for word in ("sentence", "text", "question", "sent", "s")
          for sign in ("", "_"))
    for number in (1, 2)
)  # fmt: skip
_TWO_TEXTS = 'two texts, as in ("It rains.", "It is wet.")'

TASKS: dict[str, TaskSpec] = {
    "translate": TaskSpec(
        path="zoo.tasks.translate:Translate",
        pipeline="translation",
        needs=("data.source", "data.target", "data.max_length", "train.buckets"),
        metrics=("bleu", "chrf", "loss", "perplexity"),
        columns=(("source", "target"), ("text", "label")),
        synonyms={
            "source": ("src", "source_text", "source_sentence", "input", "original"),
            "target": (
                "tgt",
                "trg",
                "target_text",
                "target_sentence",
                "translation",
                "translated",
                "reference",
                "output",
            ),
        },
        unit="pairs",
        seen="targets_in_training",
        rows=("translation",),
        also="shares",
        given="source",
        measured_again=True,
        loss_per="",
    ),
    "generate": TaskSpec(
        path="zoo.tasks.generate:Generate",
        pipeline="text-generation",
        needs=("data.language", "train.bptt", "train.batch_sentences"),
        metrics=("perplexity", "loss", "bits_per_character"),
        other_metrics=("bits_per_character",),
        columns=(("text",),),
        synonyms={"text": _TEXT},
        loss_per="token",
        perplexity_per="word",
        also="joined",
        rows=("text", "pair", "question"),
    ),
    "fill": TaskSpec(
        path="zoo.tasks.fill:Fill",
        pipeline="fill-mask",
        needs=("data.language", "data.max_length", "train.batch_sentences"),
        metrics=("accuracy", "perplexity", "loss"),
        columns=(("text",),),
        synonyms={"text": _TEXT},
        example="a text with [MASK]",
        card_example='"... [MASK] ..."',
        loss_per="hidden piece",
        perplexity_per="hidden piece",
        also="joined",
        rows=("text", "pair", "question"),
    ),
    "classify": TaskSpec(
        path="zoo.tasks.classify:Classify",
        pipeline="text-classification",
        needs=("data.language", "data.labels", *_BATCHES),
        metrics=_LABEL_METRICS,
        columns=(("text", "label"), ("sentence", "label"), ("source", "target")),
        synonyms={"text": _TEXT, "label": _LABEL},
        labels="classes",
    ),
    "entail": TaskSpec(
        path="zoo.tasks.entail:Entail",
        pipeline="text-classification",
        needs=("data.language", "data.labels", *_BATCHES),
        metrics=_LABEL_METRICS,
        columns=(
            ("premise", "hypothesis", "label"),
            ("sentence1", "sentence2", "label"),
            ("text", "hypothesis", "label"),
        ),
        synonyms={
            "premise": _FIRST,
            "hypothesis": (*_SECOND, "claim"),
            "label": ("gold_label", "entailment", "entailment_judgment", "relation", *_LABEL),
        },
        input="pair",
        rows=("pair",),
        given="text",
        parts=("premise", "hypothesis"),
        example=_TWO_TEXTS,
        card_example='("...", "...")',
        line="two texts",
        labels="classes",
    ),
    "similarity": TaskSpec(
        path="zoo.tasks.similarity:Similarity",
        pipeline="text-classification",
        needs=("data.language", *_BATCHES),
        metrics=_LABEL_METRICS,
        columns=tuple(
            (*two, last)
            for two in (("sentence1", "sentence2"), ("question1", "question2"))
            for last in ("label", "score", "similarity")
        ),
        synonyms={
            "sentence1": _FIRST,
            "sentence2": _SECOND,
            "label": ("is_duplicate", "relatedness_score", "quality", *_LABEL),
        },
        input="pair",
        rows=("pair",),
        given="text",
        parts=("first text", "second text"),
        example=_TWO_TEXTS,
        card_example='("...", "...")',
        line="two texts",
        labels="classes or numbers",
        number_metric="pearson",
    ),
    "tag": TaskSpec(
        path="zoo.tasks.tag:Tag",
        pipeline="token-classification",
        needs=("data.language", "data.labels", *_BATCHES),
        metrics=("f1", "accuracy", "micro_precision", "micro_recall", "f1_strict", "loss"),
        columns=(
            ("words", "tags"),
            *(
                (words, tags)
                for words in ("tokens", "words")
                for tags in ("ner_tags", "tags", "labels", "ner", "upos", "pos_tags", "pos")
            ),
        ),
        synonyms={"words": ("form", "sentence", "text"), "tags": ("label", "entities", "bio")},
        rows=("words",),
        example='a text, or a tuple of words, as in ("Ada", "met", "Bob")',
        labels="tags",
        plain_metric="accuracy",
        unit="sentences",
        seen="sentences_in_training",
        loss_per="word",
    ),
    "embed": TaskSpec(
        path="zoo.tasks.embed:Embed",
        pipeline="sentence-similarity",
        needs=("data.language", *_BATCHES),
        metrics=("spearman", "pearson", "loss"),
        columns=tuple(("sentence1", "sentence2", last) for last in ("score", "similarity")),
        synonyms={
            "sentence1": _FIRST,
            "sentence2": _SECOND,
            "score": ("relatedness_score", *_LABEL),
        },
        rows=("pair",),
        unit="pairs",
        loss_per="pair",
    ),
    "answer": TaskSpec(
        path="zoo.tasks.answer:Answer",
        pipeline="question-answering",
        needs=("data.language", "data.max_length", "data.stride", *_BATCHES),
        metrics=("f1", "exact_match", "loss"),
        columns=(("question", "context", "answers"),),
        synonyms={
            "question": ("query",),
            "context": ("passage", "paragraph", "article", "document", "text"),
            "answers": ("answer", "answer_text", "target", "label"),
            "answer": ("answers", "answer_text", "target", "label"),
        },
        input="pair",
        rows=("span",),
        given="question",
        parts=("question", "context"),
        example='a question and its context, as in ("Who met Bob?", "Ada met Bob.")',
        card_example='"...", context="..."',
        line="a question and its context",
        unit="questions",
        seen="questions_in_training",
        loss_per="window",
    ),
    "choose": TaskSpec(
        path="zoo.tasks.choose:Choose",
        pipeline="multiple-choice",
        needs=("data.language", *_BATCHES),
        metrics=("accuracy", "error", "loss"),
        columns=(
            ("context", "answers", "label"),
            ("context", "choices", "label"),
            ("context", "answer_0", "answer_1", "label"),
        ),
        synonyms={
            "context": ("question", "prompt", "passage", "article", "text", "premise", "ctx"),
            "answers": ("options", "endings"),
            "label": ("answer", "correct", "gold", "target", "answer_key", "answerkey"),
        },
        input="question",
        rows=("question",),
        parts=("context", "answers"),
        example='a context and its answers, as in ("The sky is", ["blue", "green"])',
        card_example='("...", ["...", "..."])',
        line="a context and two answers or more",
        loss_per="question",
    ),
}


def spec(name: str) -> TaskSpec:
    """Return a task's row.

    Raises:
        UnknownName: there is no such task.
    """
    if name not in TASKS:
        raise UnknownName(f"there is no task '{name}'", did_you_mean(name, TASKS))
    return TASKS[name]


def task_class(name: str) -> Any:
    """Import and return a task's class, which imports Keras; for errors see `spec`."""
    return imported(spec(name).path)


def mark_entities(labels: Sequence[str]) -> bool:
    """Return whether tags mark entities (B-PER, I-PER and so on), else they are plain."""
    return any(label[:2] in ("B-", "I-") and label[2:] for label in labels)


def main_metric(name: str, labels: Sequence[str]) -> str:
    """Return the main metric of the task's recipes with these labels."""
    row = spec(name)
    if row.number_metric and not labels:
        return row.number_metric
    return row.plain_metric if row.plain_metric and not mark_entities(labels) else row.metrics[0]
