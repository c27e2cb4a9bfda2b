"""What a training run is: typed, strict, overridable. Numbers and names only; imports no Keras."""

from __future__ import annotations

import copy
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from zoo import catalog
from zoo.errors import RecipeError, UnknownName, did_you_mean
from zoo.tables import Table, parse, read_toml

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


class Data(Table):
    """Which corpus, from which language into which, or in which.

    `max_length` counts pieces, or words, with the end token: longer pairs are left out of training,
    longer texts are cut. `limit` keeps that many training rows, drawn by the recipe's seed where
    the rows are single texts. `labels` are the classes of a classifier in the order of its
    logits; `reverse` reads texts from the last word to the first. `validation` is the share of
    the training rows that is held out where a corpus has no validation split. `hub`, `hub_config`
    and `revision` name the same corpus on the hub, for machines without a ZOO_DATA folder.
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

    @property
    def languages(self) -> list[str]:
        """The languages that the model reads and writes, each once."""
        return [each for each in (self.source, self.target, self.language) if each]


class Tokenizer(Table):
    """How text is cut; `sample` is how many training pairs the tokenizer learns from.

    "sentencepiece" learns pieces by `algorithm`, of text after `normalization`; "words" are the
    most frequent ones of each side, cut by the rules of Moses for its language; "marked" are words
    with fastai's markers, "spaces" whatever stands between spaces. `vocabulary` counts pieces or
    words, special ones included; `source_vocabulary` is the source's, where it differs. `weights`
    names a trained model whose tokenizer is taken as it is.
    """

    kind: Literal["sentencepiece", "words", "marked", "spaces"] = "sentencepiece"
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
    group of layers by that factor as often as there are groups above it.
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
    nonmonotone: Positive | None = None
    discriminate: Annotated[float, Field(ge=1)] | None = None


class Schedule(Table):
    """The learning rate by update: a function of zoo/training/schedules.py and its numbers.

    All but the rate `peak`, the share `cut` of the updates that the rate rises for, and `ratio`, of
    the peak to the rate at both ends, are counted in updates. `unfreeze_every` begins with the
    last group of layers alone and adds the next one below after so many updates.
    """

    name: str
    warmup: Annotated[int, Field(ge=0)] = 0
    peak: Annotated[float, Field(gt=0)] | None = None
    halve_after: Positive | None = None
    halve_every: Positive | None = None
    cut: Annotated[float, Field(gt=0, lt=1)] | None = None
    ratio: Annotated[float, Field(gt=1)] | None = None
    unfreeze_every: Positive | None = None


class Train(Table):
    """How long and in which batches.

    `batch_tokens` is the padded target positions of one batch, or `batch_sentences` its rows: one
    of the two is given. `buckets` are the padded lengths; a language model reads a stream instead,
    `bptt` words at a time, with `vary_bptt` about so many (merity2017, 4.1), with `shuffle` in
    another order of its texts in each pass. `loss` is the mean over the batch's target tokens, or
    the sum over them divided by its sentences; `activation` and `temporal` are alpha of AR and beta
    of TAR (4.6). `average` is how many of the last checkpoints make the final weights; `patience` is how many epochs may pass without a better
    validation loss; `jit` None leaves compiling to Keras.
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
    metric: Literal["bleu", "perplexity", "accuracy"] = "bleu"
    limit: Positive | None = None
    beam_size: Positive = 4
    length_penalty: Annotated[float, Field(ge=0)] = 0.6
    max_extra: Positive = 50
    batch_size: Positive = 32
    minimum: float | None = None
    maximum: float | None = None


TASKS = ("translate", "generate", "classify")
METRICS = {"translate": "bleu", "generate": "perplexity", "classify": "accuracy"}
# Keys that the data of a task cannot do without.
_NEEDED = {
    "translate": ("data.source", "data.target", "data.max_length", "train.buckets"),
    "generate": ("data.language", "train.bptt", "train.batch_sentences"),
    "classify": ("data.language", "data.labels", "train.buckets", "train.batch_sentences"),
}


class Recipe(Table):
    """One training run. [smoke] holds the changes that make a seconds-long version of it."""

    name: str
    paper: str
    task: Literal["translate", "generate", "classify"]
    seed: Annotated[int, Field(ge=0)] = 0
    model: Model
    data: Data
    tokenizer: Tokenizer
    optimizer: Optimizer
    schedule: Schedule
    train: Train
    evaluate: Evaluate
    smoke_changes: dict[str, dict[str, Any]] = Field(default={}, alias="smoke")

    @model_validator(mode="after")
    def _check_task(self) -> Recipe:
        for key in _NEEDED[self.task]:
            table, name = key.split(".")
            if not getattr(getattr(self, table), name):
                raise ValueError(f"the task '{self.task}' needs {key}")
        if self.evaluate.metric != METRICS[self.task]:
            raise ValueError(f"the task '{self.task}' has evaluate.metric '{METRICS[self.task]}'")
        repeated = {each for each in self.data.labels if self.data.labels.count(each) > 1}
        if repeated:
            raise ValueError(f"data.labels has '{min(repeated)}' twice")
        if self.task == "classify" and len(self.data.labels) < 2:
            raise ValueError("data.labels has one class: a classifier needs two or more")
        return self

    def tables(self) -> dict[str, Any]:
        """Return the recipe as nested dicts, keyed as in TOML."""
        return self.model_dump(by_alias=True)

    def changed(self, changes: Mapping[str, Any]) -> Recipe:
        """Return a copy with dotted keys set, as in {"optimizer.learning_rate": 1e-3}.

        Raises:
            RecipeError: a key does not exist or a value has the wrong type.
        """
        tables = self.tables()
        for key, value in changes.items():
            _set(tables, key, value)
        return parse(Recipe, tables, f"recipe {self.name}", RecipeError)

    def smoke(self) -> Recipe:
        """Return the seconds-long version of this run: the same with its [smoke] table applied."""
        changes: dict[str, Any] = {}
        for table, values in self.smoke_changes.items():
            for key, value in values.items():
                if table == "model" and key == "arguments":
                    changes |= {f"model.arguments.{name}": each for name, each in value.items()}
                else:
                    changes[f"{table}.{key}"] = value
        # Where the run's batches were changed to the other kind, the smoke version's still hold.
        for one, other in (
            ("batch_tokens", "batch_sentences"),
            ("batch_sentences", "batch_tokens"),
        ):
            if f"train.{one}" in changes:
                changes.setdefault(f"train.{other}", None)
        return self.changed(changes)

    def resolved(self) -> Recipe:
        """Return the recipe with every argument of the builder spelled out and [smoke] dropped.

        The size's arguments come first, then the tokenizers' vocabularies, then the recipe's own.
        """
        entry = catalog.entry(self.paper)
        arguments = dict(catalog.size(entry, self.model.size).arguments)
        source, target = self.tokenizer.sizes
        sizes = {"vocabulary": target, "source_vocabulary": source, "target_vocabulary": target}
        sizes["classes"] = len(self.data.labels)
        arguments |= {name: size for name, size in sizes.items() if name in arguments}
        tables = self.tables()
        tables["model"]["arguments"] = arguments | self.model.arguments
        del tables["smoke"]
        return parse(Recipe, tables, f"recipe {self.name}", RecipeError)


def folder() -> Path:
    """Return the folder of the recipes that come with the package."""
    return catalog.data_root() / "recipes"


def names() -> list[str]:
    """Return the names of the recipes that come with the package."""
    return sorted(path.stem for path in folder().glob("*.toml"))


def load(name: str | Path) -> Recipe:
    """Return the recipe of that name, or the one in that file.

    Raises:
        UnknownName: there is no recipe of that name.
        RecipeError: the file cannot be read, or a key or value in it is wrong.
    """
    path = Path(name)
    if isinstance(name, str) and path.suffix != ".toml" and path.name == name:
        path = folder() / f"{name}.toml"
        if not path.is_file():
            raise UnknownName(f"there is no recipe '{name}'", did_you_mean(name, names()))
    elif path.is_dir():
        path = path / "recipe.toml"
    data = read_toml(path, RecipeError)
    data.setdefault("name", path.stem)
    return loads(data, where=f"recipe {path.stem if path.parent == folder() else path}")


def loads(data: Mapping[str, Any] | str, where: str = "recipe") -> Recipe:
    """Return the recipe in a TOML text or in nested tables; [smoke] is checked as well."""
    if isinstance(data, str):
        try:
            data = tomllib.loads(data)
        except tomllib.TOMLDecodeError as failure:
            raise RecipeError(f"{where} is not valid TOML: {failure}") from None
    recipe = parse(Recipe, dict(data), where, RecipeError)
    try:
        recipe.smoke()
    except RecipeError as failure:
        raise RecipeError(f"{where} [smoke]: {failure.message}", failure.hint) from None
    return recipe


def dumps(recipe: Recipe) -> str:
    """Return the recipe as TOML text, which `loads` reads back to an equal recipe."""
    import tomli_w

    return tomli_w.dumps(_without_none(recipe.tables()))


def assignment(text: str) -> tuple[str, Any]:
    """Return key and value of a shell's `optimizer.learning_rate=1e-3`.

    The value is read as TOML; `none` unsets a key; anything else is text.
    """
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise RecipeError(
            f"'{text}' is no change to a recipe", "write KEY=VALUE, as in train.updates=2000"
        )
    key, value = key.strip(), value.strip()
    if value.lower() == "none":
        return key, None
    try:
        parsed = tomllib.loads(f"value = {value}")
    except tomllib.TOMLDecodeError:
        return key, value
    return key, parsed["value"] if set(parsed) == {"value"} else value


def _set(tables: dict[str, Any], key: str, value: Any) -> None:
    """Set one dotted key in place; only [model.arguments] takes names that are not there yet."""
    *path, last = key.split(".")
    here: Any = tables
    for depth, part in enumerate(path):
        if not isinstance(here, dict) or part not in here or not isinstance(here[part], dict):
            raise _unknown_key(tables, key, ".".join(path[:depth]))
        here = here[part]
    if path != ["model", "arguments"]:
        if last not in here or key == "smoke" or path[:1] == ["smoke"]:
            raise _unknown_key(tables, key, ".".join(path))
        if isinstance(here[last], dict) and key != "model.arguments":
            valid = ", ".join(f"{key}.{name}" for name in here[last])
            raise RecipeError(f"'{key}' is a table, not a value", f"set one of its keys: {valid}")
    here[last] = copy.deepcopy(value)


def _unknown_key(tables: dict[str, Any], key: str, holder: str) -> RecipeError:
    def dotted(table: dict[str, Any], prefix: str) -> list[str]:
        found: list[str] = []
        for name, value in table.items():
            if isinstance(value, dict) and (prefix + name) != "model.arguments":
                found += dotted(value, f"{prefix}{name}.")
            else:
                found.append(prefix + name)
        return found

    tables = {name: value for name, value in tables.items() if name != "smoke"}
    valid = dotted(tables, "")
    same_table = [name for name in valid if holder and name.startswith(f"{holder}.")]
    return RecipeError(f"a recipe has no key '{key}'", did_you_mean(key, same_table or valid))


def _without_none(table: dict[str, Any]) -> dict[str, Any]:
    """Return a copy without the keys that are None, which TOML cannot hold; no default is lost."""
    return {
        key: _without_none(value) if isinstance(value, dict) else value
        for key, value in table.items()
        if value is not None and not (key == "smoke" and not value)
    }
