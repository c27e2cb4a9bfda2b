"""The tables of a recipe: what each holds, and what its keys mean. Imports no Keras."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from zoo.config.tables import Table

Positive = Annotated[int, Field(gt=0)]
Share = Annotated[float, Field(ge=0, lt=1)]
# Trained weights as `zoo.load` takes them; "" and none are no weights.
Reference = Annotated[str, BeforeValidator(lambda value: "" if value is None else value)]


class Model(Table):
    """Which size of the paper's model, and the builder's arguments that differ from that size.

    `weights` names the trained weights that a run starts from, as `zoo.load` takes them: whatever
    both models have is taken over, embeddings word by word.
    """

    size: str
    arguments: dict[str, Any] = {}
    weights: Reference = ""


class Also(Table):
    """A further corpus whose training texts a language model reads; the keys are those of `Data`.

    Where it has no validation split, that share of its texts is left out all the same.
    """

    corpus: str
    limit: Positive | None = None
    hub: str | None = None
    hub_config: str | None = None
    revision: str | None = None


class Data(Table):
    """Which corpus, from which language into which, or in which.

    `max_length` counts pieces, or words, with the end token: longer pairs are left out of training,
    longer texts are cut, those that are read in one sequence to so many together. `limit` keeps
    that many training rows, of texts drawn by the recipe's seed. `labels` are the classes of a
    classifier in the order of its logits; the similarity of two texts is a number where there are
    none. `reverse` reads texts from the last word to the first. `validation` is the share of the
    training rows that is held out where a corpus has no validation split. `hub`, `hub_config` and
    `revision` name the same corpus on the hub, for machines without a ZOO_DATA folder. `also` are
    further corpora that a language model is trained on; it is measured on the first one alone.
    """

    corpus: str
    source: str = ""
    target: str = ""
    language: str = ""
    labels: list[str] = []
    max_length: Positive | None = None
    limit: Positive | None = None
    validation: Annotated[float, Field(gt=0, lt=1)] = 0.1
    hub: str | None = None
    hub_config: str | None = None
    revision: str | None = None
    reverse_source: bool = False
    reverse: bool = False
    also: list[Also] = []

    @property
    def languages(self) -> list[str]:
        """The languages that the model reads and writes, each once."""
        return [each for each in (self.source, self.target, self.language) if each]


class Tokenizer(Table):
    """How text is cut; `sample` is how many training pairs the tokenizer learns from.

    "sentencepiece" learns pieces by `algorithm`, of text after `normalization`; "words" are the
    most frequent ones of each side, cut by the rules of Moses for its language; "marked" are words
    with fastai's markers, "spaces" whatever stands between spaces, "bpe" are GPT's byte pairs with
    `</w>` at the end of a word. `vocabulary` counts pieces or
    words, special ones included; `source_vocabulary` is the source's, where it differs. `weights`
    names a trained model whose tokenizer is taken as it is.
    """

    kind: Literal["sentencepiece", "words", "marked", "spaces", "bpe"] = "sentencepiece"
    algorithm: Literal["unigram", "bpe"] | None = None
    vocabulary: Positive
    source_vocabulary: Positive | None = None
    shared: bool = True
    normalization: str | None = None
    sample: Positive | None = None
    weights: Reference = ""

    @property
    def sizes(self) -> tuple[int, int]:
        """Number of pieces of the source's tokenizer and of the target's."""
        return self.source_vocabulary or self.vocabulary, self.vocabulary

    @model_validator(mode="before")
    @classmethod
    def _fill_normalization(cls, data: Any) -> Any:
        if isinstance(data, dict) and data.get("kind", "sentencepiece") == "sentencepiece":
            return data | {"normalization": data.get("normalization") or "nmt_nfkc"}
        return data

    @model_validator(mode="after")
    def _check_kind(self) -> Tokenizer:
        if self.kind == "sentencepiece" and self.algorithm is None:
            raise ValueError("sentencepiece needs an algorithm: 'unigram' or 'bpe'")
        if self.kind != "sentencepiece":
            for key in ("algorithm", "normalization"):
                if getattr(self, key) is not None:
                    what = "words have" if self.kind == "words" else f"'{self.kind}' has"
                    raise ValueError(f"{what} no {key}: leave it out, or set it to none")
        if self.kind == "words" and self.shared:
            raise ValueError("words are of one language each: set shared to false")
        return self

    @model_validator(mode="after")
    def _check_shared(self) -> Tokenizer:
        if self.shared and self.source_vocabulary not in (None, self.vocabulary):
            raise ValueError("a shared tokenizer has one vocabulary: leave source_vocabulary out")
        return self


class Optimizer(Table):
    """The update rule; `learning_rate` scales the schedule, `clip_norm` is the global norm.

    "asgd" is SGD that averages its weights once the validation loss has not fallen below the best
    of all but the last `nonmonotone` epochs (NT-ASGD); `discriminate` divides the rate of each
    group of layers by that factor as often as there are groups above it. `weight_decay` is
    decoupled; with `decay_vectors` false biases and gains, which are no matrices, do not decay.
    """

    name: Literal["adam", "sgd", "adadelta", "asgd"]
    learning_rate: Annotated[float, Field(gt=0)] = 1.0
    beta_1: Share = 0.9
    beta_2: Share = 0.999
    epsilon: Annotated[float, Field(gt=0)] = 1e-7
    momentum: Share | None = None
    rho: Share | None = None
    clip_norm: Annotated[float, Field(gt=0)] | None = None
    weight_decay: Annotated[float, Field(gt=0)] | None = None
    decay_vectors: bool = True
    nonmonotone: Positive | None = None
    discriminate: Annotated[float, Field(ge=1)] | None = None


class Schedule(Table):
    """The learning rate by update: a function of zoo/optim/schedules.py and its numbers.

    All but the rate `peak`, the share `cut` of the updates that the rate rises for, and `ratio`, of
    the peak to the rate at both ends, are counted in updates. `cycles` is how often a slanted
    triangle is run through. `unfreeze_every` begins with the
    last group of layers alone and adds the next one below after so many updates.
    """

    name: str
    warmup: Annotated[int, Field(ge=0)] = 0
    peak: Annotated[float, Field(gt=0)] | None = None
    halve_after: Positive | None = None
    halve_every: Positive | None = None
    cut: Annotated[float, Field(gt=0, lt=1)] | None = None
    ratio: Annotated[float, Field(gt=1)] | None = None
    cycles: Positive = 1
    unfreeze_every: Positive | None = None


class Train(Table):
    """How long and in which batches.

    `batch_tokens` is the padded target positions of one batch, or `batch_sentences` its rows: one
    of the two is given. `buckets` are the padded lengths; a language model reads a stream instead,
    `bptt` words at a time, with `vary_bptt` about so many (merity2017, 4.1), with `shuffle` in
    another order of its texts in each pass. `loss` is the mean over the batch's target tokens, or
    the sum over them divided by its sentences; `activation` and `temporal` are alpha of AR and beta
    of TAR (4.6). `average` is how many of the last checkpoints make the final weights; `patience`
    is how many epochs may pass without a better validation loss; `jit` None leaves compiling to
    Keras.
    """

    updates: Positive
    updates_per_epoch: Positive
    batch_tokens: Positive | None = None
    batch_sentences: Positive | None = None
    buckets: list[Positive] = []
    bptt: Positive | None = None
    vary_bptt: bool = False
    shuffle: bool = False
    activation: Annotated[float, Field(ge=0)] = 0.0
    temporal: Annotated[float, Field(ge=0)] = 0.0
    loss: Literal["token", "sentence"] = "token"
    label_smoothing: Share = 0.0
    precision: Literal["float32", "mixed_bfloat16", "mixed_float16"] = "float32"
    average: Positive = 1
    patience: Positive | None = None
    jit: bool | None = None

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
    """What is measured, and how it is decoded.

    The longest output is the input's length plus `max_extra`; `limit` measures on so many examples
    of the split, drawn with a fixed seed; `minimum` is the value of the metric that this recipe
    promises, or `maximum` where less is better.
    """

    split: str = "test"
    metric: Literal["bleu", "perplexity", "accuracy", "pearson"] = "bleu"
    limit: Positive | None = None
    beam_size: Positive = 4
    length_penalty: Annotated[float, Field(ge=0)] = 0.6
    max_extra: Positive = 50
    batch_size: Positive = 32
    minimum: float | None = None
    maximum: float | None = None
