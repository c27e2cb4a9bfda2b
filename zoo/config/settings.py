"""The tables of a recipe; what a key means stands right below it. Imports no Keras."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from zoo.config.choices import OPTIMIZERS, SCHEDULES, check_needs, one_of
from zoo.config.metrics import METRICS
from zoo.config.tables import Table
from zoo.config.tokenizers import LEARNED, TOKENIZERS, TokenizerSpec

Positive = Annotated[int, Field(gt=0)]
Share = Annotated[float, Field(ge=0, lt=1)]
# Trained weights as `zoo.load` takes them; "" and none are no weights.
Reference = Annotated[str, BeforeValidator(lambda value: "" if value is None else value)]


class Model(Table):
    """Which model is built, and what it begins with."""

    size: str
    """the name of a size of the paper's model, see `zoo info`"""
    arguments: dict[str, Any] = {}
    """arguments of the model that differ from that size"""
    weights: Reference = ""
    """trained weights to begin with, as `zoo.load` takes them; embeddings are taken word by word"""


class Also(Table):
    """A further corpus whose training texts a language model reads, with the keys of [data]."""

    corpus: str
    """the name of the corpus; without a validation split, that share is left out all the same"""
    limit: Positive | None = None
    """the most training texts"""
    hub: str | None = None
    """the data set on the hub"""
    hub_config: str | None = None
    """the configuration of that data set"""
    revision: str | None = None
    """the revision of that data set"""


class Data(Table):
    """Which corpus, in which languages, and how much of it."""

    corpus: str
    """the name of the corpus, see docs/data.md"""
    source: str = ""
    """the language to translate from, as in "de\""""
    target: str = ""
    """the language to translate into"""
    language: str = ""
    """the language of the texts of all other tasks"""
    labels: list[str] = []
    """classes in the order of the logits; none for similarity is a number in place of a label"""
    max_length: Positive | None = None
    """most pieces or words of a text, the end included; longer pairs are left out in training,
    other texts are cut, those that are read as one sequence together"""
    limit: Positive | None = None
    """the most training rows, drawn by the recipe's seed"""
    validation: Annotated[float, Field(gt=0, lt=1)] = 0.1
    """share of the training rows to hold out where the corpus has no validation split"""
    hub: str | None = None
    """the same corpus on the hub, for machines without a ZOO_DATA folder"""
    hub_config: str | None = None
    """the configuration of that data set"""
    revision: str | None = None
    """the revision of that data set"""
    reverse_source: bool = False
    """whether a translator reads its source from the last word to the first"""
    reverse: bool = False
    """whether texts are read from the last word to the first"""
    also: list[Also] = []
    """further corpora to train a language model on; it is measured on the first one alone"""

    @property
    def languages(self) -> list[str]:
        """The languages that the model reads and writes, each once."""
        return [each for each in (self.source, self.target, self.language) if each]


class Tokenizer(Table):
    """How text is cut."""

    kind: Annotated[str, one_of("kind of tokenizer", LEARNED)] = "sentencepiece"
    """how text is cut, see docs/data.md"""
    algorithm: Literal["unigram", "bpe"] | None = None
    """how SentencePiece learns its pieces"""
    vocabulary: Positive
    """number of pieces or words, the special ones included"""
    source_vocabulary: Positive | None = None
    """the same of the source's tokenizer, where it differs"""
    shared: bool = True
    """whether one tokenizer serves both languages"""
    normalization: str | None = None
    """SentencePiece's rule for the text before it is cut: "nmt_nfkc" unless told otherwise"""
    sample: Positive | None = None
    """number of training rows to learn from, none for all"""
    weights: Reference = ""
    """a trained model whose tokenizer is taken as it is, as `zoo.load` takes it"""

    @property
    def spec(self) -> TokenizerSpec:
        """The row of its kind."""
        return TOKENIZERS[self.kind]

    @property
    def sizes(self) -> tuple[int, int]:
        """Number of pieces of the source's tokenizer and of the target's."""
        return self.source_vocabulary or self.vocabulary, self.vocabulary

    @model_validator(mode="before")
    @classmethod
    def _fill_options(cls, data: Any) -> Any:
        kind = data.get("kind", "sentencepiece") if isinstance(data, dict) else None
        if not isinstance(kind, str) or kind not in LEARNED:
            return data
        options = LEARNED[kind].options
        return data | {key: data.get(key) or default for key, default in options.items()}

    @model_validator(mode="after")
    def _check_kind(self) -> Tokenizer:
        check_needs(self.kind, self.spec.needs, self, "tokenizer")
        for key in ("algorithm", "normalization"):
            if key not in self.spec.options and getattr(self, key) is not None:
                raise ValueError(f"'{self.kind}' has no {key}: leave it out, or set it to none")
        if self.shared and not self.spec.shareable:
            raise ValueError(f"'{self.kind}' is of one language each: set shared to false")
        if self.shared and self.source_vocabulary not in (None, self.vocabulary):
            raise ValueError("a shared tokenizer has one vocabulary: leave source_vocabulary out")
        return self


class Optimizer(Table):
    """The update rule."""

    name: Annotated[str, one_of("optimizer", OPTIMIZERS)]
    """which optimizer"""
    learning_rate: Annotated[float, Field(gt=0)] = 1.0
    """what the rate of the schedule is multiplied by"""
    beta_1: Share = 0.9
    """decay of Adam's mean of the gradients"""
    beta_2: Share = 0.999
    """decay of Adam's mean of their squares"""
    epsilon: Annotated[float, Field(gt=0)] = 1e-7
    """what Adam and Adadelta add to a root"""
    momentum: Share | None = None
    """of SGD, none for 0"""
    rho: Share | None = None
    """decay of Adadelta's means, none for 0.95"""
    clip_norm: Annotated[float, Field(gt=0)] | None = None
    """the largest norm of all gradients together"""
    weight_decay: Annotated[float, Field(gt=0)] | None = None
    """share of a weight, times the rate, that an update takes off it (decoupled)"""
    decay_vectors: bool = True
    """whether biases and gains, which are no matrices, decay too"""
    nonmonotone: Positive | None = None
    """of asgd: average once an epoch's validation loss is above the best, so many latest epochs
    left out"""
    discriminate: Annotated[float, Field(ge=1)] | None = None
    """what the rate is divided by from each group of layers to the one below"""


class Schedule(Table):
    """The learning rate by update."""

    name: Annotated[str, one_of("schedule", SCHEDULES)]
    """which schedule"""
    warmup: Annotated[int, Field(ge=0)] = 0
    """updates that the rate rises for"""
    peak: Annotated[float, Field(gt=0)] | None = None
    """the highest rate"""
    halve_after: Positive | None = None
    """updates before the first halving"""
    halve_every: Positive | None = None
    """updates between two halvings"""
    cut: Annotated[float, Field(gt=0, lt=1)] | None = None
    """share of the updates of a triangle that the rate rises for"""
    ratio: Annotated[float, Field(gt=1)] | None = None
    """the peak over the rate at both ends of a triangle"""
    cycles: Positive = 1
    """number of triangles, one after the other"""
    unfreeze_every: Positive | None = None
    """updates after which the next group of layers below is trained too, the last one first"""

    @model_validator(mode="after")
    def _check_needs(self) -> Schedule:
        check_needs(self.name, SCHEDULES[self.name].needs, self, "schedule")
        return self


class Train(Table):
    """How long, and in which batches."""

    updates: Positive
    """updates of the whole run"""
    updates_per_epoch: Positive
    """updates between two validations, each with a checkpoint"""
    batch_tokens: Positive | None = None
    """padded target positions of a batch; this or `batch_sentences` is given"""
    batch_sentences: Positive | None = None
    """rows of a batch"""
    buckets: list[Positive] = []
    """the lengths that rows are padded to, in pieces or words, rising"""
    bptt: Positive | None = None
    """words that a language model reads of its stream at a time"""
    vary_bptt: bool = False
    """whether these are about so many, another number each time (merity2017, 4.1)"""
    shuffle: bool = False
    """whether a language model reads its texts in another order in each pass"""
    loss: Literal["token", "sentence"] = "token"
    """mean over the batch's target tokens, or their sum divided by the batch's sentences"""
    label_smoothing: Share = 0.0
    """share of the probability that goes to the other pieces"""
    precision: Literal["float32", "mixed_bfloat16", "mixed_float16"] = "float32"
    """what is computed in; weights and logits are float32 in any case"""
    average: Positive = 1
    """number of last checkpoints whose mean is the final weights"""
    patience: Positive | None = None
    """epochs without a better validation loss after which a run stops"""
    jit: bool | None = None
    """whether to compile with XLA, none for Keras' own choice"""

    @model_validator(mode="after")
    def _check_batches(self) -> Train:
        if self.buckets != sorted(set(self.buckets)):
            raise ValueError("buckets must be rising numbers")
        if self.batch_tokens is None and self.batch_sentences is None:
            raise ValueError("how large a batch is must be given: batch_tokens or batch_sentences")
        if self.batch_tokens is not None and self.batch_sentences is not None:
            raise ValueError(
                "batch_tokens and batch_sentences exclude each other: set one of them to none"
            )
        if self.batch_tokens is not None and self.batch_tokens < max(self.buckets, default=0):
            raise ValueError(
                f"batch_tokens {self.batch_tokens} is less than one row of the longest bucket "
                f"{self.buckets[-1]}"
            )
        return self


class Evaluate(Table):
    """What is measured at the end of a run, and how outputs are searched for."""

    split: str = "test"
    """the split of the corpus"""
    metric: Annotated[str, one_of("metric", METRICS)] = "bleu"
    """the main metric, which the task decides"""
    limit: Positive | None = None
    """the most examples, a fixed draw"""
    beam_size: Positive = 4
    """width of the beam, 1 for greedy search"""
    length_penalty: Annotated[float, Field(ge=0)] = 0.6
    """alpha of the length penalty, 0 for none"""
    max_extra: Positive = 50
    """most pieces of an output beyond the length of its input"""
    batch_size: Positive = 32
    """rows that are decoded or scored together"""
    minimum: float | None = None
    """the value that this recipe promises to reach"""
    maximum: float | None = None
    """the same of a metric of which less is better"""
