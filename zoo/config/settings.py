"""The tables of a recipe, from whose comments docs/training.md is made. Imports no Keras."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from zoo.config import catalog
from zoo.config.choices import AUGMENTATIONS, OPTIMIZERS, SCHEDULES, check_needs, one_of
from zoo.config.metrics import METRICS
from zoo.config.tables import Table
from zoo.config.tokenizers import LEARNED, OWN_KEYS, TOKENIZERS, TokenizerSpec

Positive = Annotated[int, Field(gt=0)]
Count = Annotated[int, Field(ge=0)]
Above = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(ge=0, lt=1)]
Inside = Annotated[float, Field(gt=0, lt=1)]
# Trained weights as `zoo.load` takes them; "" and none mean no weights.
Reference = Annotated[str, BeforeValidator(lambda value: "" if value is None else value)]
Stored = Literal["float16", "bfloat16", "float32", "int8"]
Precision = Literal["float32", "mixed_bfloat16", "mixed_float16"]


class Model(Table):
    """The model and its first weights."""

    size: str  # name of a size of the paper's model, see `zoo info`
    arguments: dict[str, Any] = {}  # arguments of the model that differ from that size
    weights: Reference = ""  # trained weights to begin with, as `zoo.load` takes them

    @field_validator("arguments")
    @classmethod
    def _check_signs(cls, arguments: dict[str, Any]) -> dict[str, Any]:
        for name, value in arguments.items():
            if isinstance(value, (int, float)) and value < 0:
                raise ValueError(f"{name} is {value}, and is at least 0")
        return arguments


# Endings of files of examples; a name with one, or with a separator, is a user's own corpus.
EXAMPLES = (".tsv", ".csv", ".jsonl", ".json", ".ndjson", ".txt")


class Also(Table):
    """A further corpus to train on, of a language model or a translator.

    Without a validation split, the share `data.validation` of its texts is left out all the same.
    """

    corpus: str  # name of the corpus, see docs/data.md; or the path of your own
    # of a translator: share of the updates that read it, at the first update and at the last
    share: Annotated[list[Annotated[float, Field(ge=0, le=1)]], Field(max_length=2)] = []
    limit: Positive | None = None  # most training rows, drawn by the recipe's seed
    hub: str | None = None  # the same corpus on the hub, for machines without a ZOO_DATA folder
    hub_config: str | None = None  # configuration of that data set
    revision: str | None = None  # revision of that data set

    @property
    def path(self) -> Path | None:
        """The path of a user's own corpus; None for a corpus that the zoo knows by name."""
        ending = Path(self.corpus.lower().removesuffix(".gz")).suffix
        own = catalog.is_path(self.corpus) or ending in EXAMPLES
        return Path(self.corpus).expanduser() if own else None

    @property
    def shown(self) -> str:
        """The name of the corpus, for cards and metrics: of a path its last part."""
        return self.corpus if self.path is None else self.path.name


class Data(Also):
    """The corpus, its languages, and how much of it to read."""

    source: str = ""  # language to translate from, as in "de"
    target: str = ""  # language to translate into
    language: str = ""  # language of the texts of all other tasks
    labels: list[str] = []  # classes in the order of the logits; without, similarity is a number
    # most pieces or words of a row, its end included; training drops longer pairs and cuts other
    # texts, together if they form one sequence
    max_length: Positive | None = None
    # of a model of questions: pieces from the start of a window of the context to that of the next
    stride: Positive | None = None
    validation: Inside = 0.1  # share of training rows held out if there is no validation split
    reverse_source: bool = False  # whether a translator reads its source from the last word on
    reverse: bool = False  # whether texts are read from the last word to the first
    # further corpora, each with corpus, share, limit and the hub's keys
    also: list[Also] = []
    # steps that change or add training pairs of a translator from English into French, in order
    augment: list[Annotated[str, one_of("augmentation", AUGMENTATIONS)]] = []
    exclude: list[str] = []  # corpora whose test sources a translator's training leaves out

    @property
    def languages(self) -> list[str]:
        """The languages that the model reads and writes."""
        languages = (self.source, self.target, self.language)
        return [language for language in languages if language]

    @property
    def mixed(self) -> bool:
        """Whether further corpora have a share of the updates."""
        return any(also.share for also in self.also)


class Tokenizer(Table):
    """The tokenizer."""

    kind: Annotated[str, one_of("kind of tokenizer", LEARNED)] = "sentencepiece"  # see docs/data.md
    algorithm: Literal["unigram", "bpe"] | None = None  # how SentencePiece learns its pieces
    vocabulary: Positive  # number of pieces or words, the special ones included
    source_vocabulary: Positive | None = None  # the same for the source, if it differs
    shared: bool = True  # whether one tokenizer serves both languages
    normalization: str | None = None  # of text for SentencePiece, none for "nmt_nfkc"
    byte_fallback: bool = False  # whether SentencePiece writes a character without a piece in bytes
    split_digits: bool = False  # whether each digit is a piece of its own in SentencePiece
    lowercase: bool = False  # whether WordPiece and ALBERT read capitals as small letters
    keep_accents: bool = False  # whether ALBERT's pieces have accents
    end: bool = False  # whether a text of characters has an end; else a line break ends it
    sample: Positive | None = None  # number of training rows to learn from, none for all
    weights: Reference = ""  # trained model with the tokenizer to take, as for `zoo.load`

    @property
    def spec(self) -> TokenizerSpec:
        """The row of its kind."""
        return TOKENIZERS[self.kind]

    @property
    def sizes(self) -> tuple[int, int]:
        """The numbers of pieces of the source's and the target's tokenizer."""
        return self.source_vocabulary or self.vocabulary, self.vocabulary

    @model_validator(mode="before")
    @classmethod
    def _fill_options(cls, data: Any) -> Any:
        kind = data.get("kind", "sentencepiece") if isinstance(data, dict) else None
        if not isinstance(kind, str) or kind not in LEARNED:
            return data
        options = LEARNED[kind].options
        given = {key: data.get(key) for key in options}
        return data | {
            key: options[key] if value in (None, "") else value for key, value in given.items()
        }

    @model_validator(mode="after")
    def _check_kind(self) -> Tokenizer:
        check_needs(self.kind, self.spec.needs, self, "tokenizer")
        for key in OWN_KEYS:
            if key not in self.spec.options and getattr(self, key):
                raise ValueError(f"'{self.kind}' has no {key}: leave it out, or set it to none")
        if self.shared and not self.spec.shareable:
            raise ValueError(f"'{self.kind}' is of one language each: set shared to false")
        if self.shared and self.source_vocabulary not in (None, self.vocabulary):
            raise ValueError("a shared tokenizer has one vocabulary: leave source_vocabulary out")
        return self


class Optimizer(Table):
    """The update rule."""

    name: Annotated[str, one_of("optimizer", OPTIMIZERS)]  # which optimizer
    learning_rate: Above = 1.0  # factor of the schedule's rate
    beta_1: Share = 0.9  # decay of Adam's mean of the gradients
    beta_2: Share = 0.999  # decay of Adam's mean of their squares
    epsilon: Above = 1e-7  # constant that Adam and Adadelta add to a root
    momentum: Share | None = None  # of SGD, none for 0
    rho: Share | None = None  # decay of Adadelta's means, none for 0.95
    clip_norm: Above | None = None  # largest norm of all gradients together
    weight_decay: Above | None = None  # share of a weight, times the rate, that an update subtracts
    decay_vectors: bool = True  # whether biases and gains decay too
    # for asgd: average once the validation loss exceeds the best of all but this many last epochs
    nonmonotone: Positive | None = None
    # divisor of the rate from each group of layers to the one below
    discriminate: Annotated[float, Field(ge=1)] | None = None


class Schedule(Table):
    """The learning rate by update."""

    name: Annotated[str, one_of("schedule", SCHEDULES)]  # which schedule
    warmup: Count = 0  # updates that the rate rises for
    peak: Above | None = None  # highest rate
    halve_after: Positive | None = None  # updates before the first halving
    halve_every: Positive | None = None  # updates between two halvings
    # least ratio of an epoch's validation loss to the next one's that counts as better
    improvement: Annotated[float, Field(ge=1)] | None = None
    decay: Above | None = None  # how much 1 / rate grows with an update, in units of 1 / peak
    cut: Inside | None = None  # share of a triangle's updates that the rate rises for
    ratio: Annotated[float, Field(gt=1)] | None = None  # peak over the rate at a triangle's ends
    cycles: Positive = 1  # number of triangles, one after the other
    unfreeze_every: Positive | None = None  # updates until the next group of layers below thaws

    @model_validator(mode="after")
    def _check_needs(self) -> Schedule:
        check_needs(self.name, SCHEDULES[self.name].needs, self, "schedule")
        if SCHEDULES[self.name].by_validation and self.warmup:
            raise ValueError(f"'{self.name}' begins with its peak: set warmup to 0")
        return self


class Train(Table):
    """The length of the training and its batches."""

    updates: Positive  # updates of the whole run
    updates_per_epoch: Positive  # updates between two validations, each with a checkpoint
    batch_tokens: Positive | None = None  # padded target positions of a batch; or batch_sentences
    batch_sentences: Positive | None = None  # rows of a batch
    buckets: list[Positive] = []  # lengths that rows are padded to, in pieces or words, rising
    bptt: Positive | None = None  # words that a language model reads of its stream at a time
    vary_bptt: bool = False  # whether that number varies at random (merity2017, 4.1)
    # whether a language model reads each text from its first state, as names, not one after another
    separate: bool = False
    shuffle: bool = False  # whether each pass reads a language model's texts in another order
    # of hidden pieces: whether all of a word are hidden together
    whole_words: bool = False
    # of hidden pieces: the most words, or pieces, hidden in a row; n of them with P ~ 1 / n
    ngrams: Positive = 1
    # of hidden pieces: what is learned beside them, whether one text follows another ("next"), or
    # whether two texts are in their order ("order"); the losses are added
    second_task: Literal["none", "next", "order"] = "none"
    # mean over a batch's target tokens, or their sum divided by the batch's sentences
    loss: Literal["token", "sentence"] = "token"
    label_smoothing: Share = 0.0  # share of the probability that goes to the other pieces
    precision: Precision = "float32"  # of the computation; weights and logits are float32
    # type of the weights in the bundle, which are those measured: 16 or 32 bits, or matrices in 8
    stored: Stored = "float16"
    average: Positive = 1  # number of last checkpoints to average into the final weights
    patience: Positive | None = None  # epochs without a better validation loss that end a run
    jit: bool | None = None  # whether to compile with XLA, none for Keras' own choice
    # of fine-tuning: rank of LoRA's matrices, which alone train; none trains every weight
    lora_rank: Positive | None = None

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
        if self.separate and (self.vary_bptt or self.shuffle):
            raise ValueError(
                "separate texts are shuffled and whole: leave vary_bptt and shuffle out"
            )
        if self.batch_tokens is not None and self.batch_tokens < max(self.buckets, default=0):
            raise ValueError(
                f"batch_tokens {self.batch_tokens} is less than one row of the longest bucket "
                f"{self.buckets[-1]}"
            )
        return self


class Evaluate(Table):
    """The measurement at the end of a run, and its search for outputs."""

    split: str = "test"  # split of the corpus
    metric: Annotated[str, one_of("metric", METRICS)] = "bleu"  # main metric, the task's own
    limit: Positive | None = None  # most examples, a fixed draw
    also: list[str] = []  # further corpora whose test split is measured at the end of a run
    beam_size: Positive = 4  # width of the beam, 1 for greedy search
    length_penalty: Annotated[float, Field(ge=0)] = 0.6  # alpha, 0 for none
    max_extra: Positive = 50  # most pieces of an output beyond the length of its input
    batch_size: Positive = 32  # rows to decode or score together
    skip_unknown: bool = False  # whether unknown words are left out of a perplexity
    minimum: float | None = None  # value that this recipe promises to reach
    maximum: float | None = None  # the same for a metric that should be low
