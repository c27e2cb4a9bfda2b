"""What a user holds: a trained model with the verbs that every paper has."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo import bundle, catalog, golden, model_card, tasks
from zoo.data import corpora, prepare
from zoo.data.readers import COLUMNS, Pair, read_pairs
from zoo.errors import (
    DataError,
    InputError,
    OptionError,
    UnknownName,
    check_count,
    check_path,
    counted,
)
from zoo.recipe import Recipe
from zoo.text import Tokenizer, load_tokenizers

if TYPE_CHECKING:
    import keras

    from zoo.data.arrays import Arrays
    from zoo.data.batches import Batch
    from zoo.tasks.translate import Alignment


def load(reference: str | os.PathLike[str], dtype: str | None = None) -> Pretrained:
    """Return a trained model by name ("vaswani2017", "vaswani2017.tatoeba-en-fr") or folder.

    Args:
        reference: what `catalog.find_bundle` takes.
        dtype: a Keras dtype policy for the computation; None is float32.

    Raises:
        UnknownName: there is no such model or weights.
        OptionError: there is no such dtype.
        BundleError: the folder is no bundle, incomplete or damaged.
    """
    if not isinstance(reference, (str, os.PathLike)):
        raise UnknownName(
            f"{reference!r} is neither a model's name nor a folder",
            "zoo.models() gives the names",
        )
    if dtype is not None:
        bundle.check_dtype(dtype)
    bundle.recover(Path(reference).expanduser())
    read = bundle.read(catalog.find_bundle(reference))
    return Pretrained(
        bundle.build_model(read, dtype),
        read.recipe,
        load_tokenizers(read.folder),
        metrics=read.metrics,
        golden=read.golden,
        history=read.history,
    )


class Pretrained:
    """A trained model, its tokenizers and the recipe that made it.

    Attributes:
        model: the keras.Model, for everything that Keras can do.
        recipe: the resolved recipe.
        source_tokenizer, target_tokenizer: the same object if the two sides share one.
        metrics: what was measured when it was trained, {} if nothing was.
        golden: what it answered when its bundle was written, {} if nothing was recorded.
        history: the training curve, one row per epoch.
    """

    def __init__(
        self,
        model: keras.Model,
        recipe: Recipe,
        tokenizers: tuple[Tokenizer, Tokenizer],
        *,
        metrics: Mapping[str, Any] | None = None,
        golden: Mapping[str, Any] | None = None,
        history: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        self.model = model
        self.recipe = recipe
        self.source_tokenizer, self.target_tokenizer = tokenizers
        self.metrics = dict(metrics or {})
        self.golden = dict(golden or {})
        self.history = list(history)
        self._golden_texts = list(self.golden.get("inputs", []))
        self._task = tasks.task(recipe.task)(
            model, *tokenizers, options=recipe.evaluate, data=recipe.data
        )

    def __repr__(self) -> str:
        data, size = self.recipe.data, self.model.count_params()
        return f"Pretrained({self.recipe.name}: {data.source} to {data.target}, {size:,} weights)"

    @property
    def tokenizer(self) -> Tokenizer:
        """The source's tokenizer."""
        return self.source_tokenizer

    @property
    def card(self) -> catalog.Card:
        """The facts of the paper and, if they are registered, of these weights."""
        entry = catalog.entry(self.recipe.paper)
        tag, _ = model_card.registered(self.recipe)
        metrics = {each: catalog.metrics(entry, each) for each in entry.weights}
        return catalog.Card(entry, tag, metrics | ({tag: self.metrics} if tag else {}))

    # Using it

    def predict(
        self,
        texts: str | Iterable[str],
        *,
        beam_size: int | None = None,
        length_penalty: float | None = None,
        max_length: int | None = None,
        batch_size: int | None = None,
        num_return: int = 1,
        progress: bool = True,
    ) -> Any:
        """Translate a text, or many in one go.

        Args:
            texts: one text, or a list of them.
            beam_size: hypotheses kept at each step, 1 is greedy; None takes the recipe's, as do
                the next two.
            length_penalty: GNMT's alpha.
            max_length: most pieces of an output, end included; None allows the input's length
                plus the recipe's `evaluate.max_extra`.
            batch_size: texts decoded together.
            num_return: best hypotheses to return, at most beam_size.
            progress: show a bar on a terminal while there is more than one batch.

        Returns:
            A text for a text, a list for a list, in its order; with num_return over 1 a list of
            texts, the best first, in place of each text.

        Raises:
            InputError: an empty text, or one of unknown characters only; says which.
            OptionError: an option without sense.
        """
        one, listed = _listed(texts)
        found = self._task.predict(
            listed,
            beam_size=beam_size,
            length_penalty=length_penalty,
            max_length=max_length,
            batch_size=batch_size,
            num_return=num_return,
            progress=progress,
        )
        return found[0] if one else found

    def score(self, source: str | Iterable[str], target: str | Iterable[str]) -> float | np.ndarray:
        """Return the natural log-probability of a target given its source, end included.

        Two texts give a number, two lists of texts a float64 array [texts].
        """
        one, sources = _listed(source)
        one_target, targets = _listed(target)
        if one != one_target or len(sources) != len(targets):
            raise InputError(
                f"{counted(len(sources), 'source')}, but {counted(len(targets), 'target')}",
                "give two texts, or two lists of equal length",
            )
        found = self._task.score(sources, targets)
        return float(found[0]) if one else found

    def align(self, text: str, target: str | None = None) -> Alignment:
        """Return which source pieces the model looked at for each target piece.

        Args:
            text: the source.
            target: what to align it with; None is the model's own output.

        Raises:
            NotSupported: the model has no attention.
        """
        for each in (text,) if target is None else (text, target):
            if not isinstance(each, str):
                raise InputError(f"{type(each).__name__} is no text", "align takes one text")
        return self._task.align(text, target)

    def encode_sources(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the ids that the model reads for each source: the end id last, no padding.

        Raises:
            InputError: a text that the model cannot take.
        """
        return self._task.encode_sources(texts)

    def evaluate(
        self,
        data: Any = None,
        targets: Iterable[str] | None = None,
        *,
        split: str | None = None,
        limit: int | None = None,
        beam_size: int | None = None,
        length_penalty: float | None = None,
        batch_size: int | None = None,
        progress: bool = True,
        likelihood: bool = False,
    ) -> dict[str, Any]:
        """Measure the model on examples; those with one source count as its several references.

        Args:
            data: whatever `finetune` takes; or the folder of the recipe's corpus, as in
                ZOO_DATA/multi30k; or a folder that `zoo prepare` wrote; None finds the recipe's
                corpus by itself.
            split: of a corpus, the recipe's `evaluate.split` if None.
            limit: measure only so many sources, the first.
            likelihood: also measure the first reference of each source: "loss", nats per target
                piece with the end, and "perplexity".

        Returns:
            The task's metrics (for translation "bleu", its sacreBLEU "signature", "chrf"), with
            "metric", "value", "data" and "split".
        """
        if limit is not None:
            check_count("limit", limit)
        about, examples = self.examples(data, targets, split=split)
        found = self._task.evaluate(
            examples[:limit],
            beam_size=beam_size,
            length_penalty=length_penalty,
            batch_size=batch_size,
            progress=progress,
            likelihood=likelihood,
        )
        metric = self.recipe.evaluate.metric
        return {"metric": metric, "value": found[metric], **about, **found}

    def examples(
        self, data: Any = None, targets: Iterable[str] | None = None, *, split: str | None = None
    ) -> tuple[dict[str, str], list[tuple[str, list[str]]]]:
        """Return what the examples are, and each source with its references.

        The arguments are those of `evaluate`, which measures on what this returns.
        """
        wanted, split = self.recipe.data, split or self.recipe.evaluate.split
        named = {"data": wanted.corpus, "split": split}
        path = Path(data).expanduser() if isinstance(data, (str, os.PathLike)) else None
        if data is None:
            if wanted.corpus not in corpora.CORPORA:
                raise InputError(
                    f"{self.recipe.name} was trained on '{wanted.corpus}', which is no corpus",
                    "give the examples to measure it on",
                )
            return named, corpora.references(corpora.load(wanted, split))
        if path is not None and path.is_dir():
            if (path / "prepared.json").exists():
                held = prepare.Prepared.read(path)
                languages = [(each.source, each.target) for each in (held.recipe.data, wanted)]
                if languages[0] != languages[1]:
                    found, needed = (" to ".join(each) for each in languages)
                    raise DataError(
                        f"{path} was prepared for {found}, {self.recipe.name} is {needed}",
                        "give a folder or a file in the model's languages",
                    )
                return named, held.test
            inner = path / wanted.corpus
            folder = inner if inner.is_dir() else path
            return named, corpora.references(corpora.load(wanted, split, folder))
        name = path.name if path is not None else "examples"
        return {"data": name}, corpora.references(self._read(data, targets))

    def _read(self, data: Any, targets: Iterable[Any] | None = None) -> list[Pair]:
        """Read pairs; columns may also have the names of the recipe's two languages."""
        languages = (self.recipe.data.source, self.recipe.data.target)
        return read_pairs(data, targets, columns=[*COLUMNS, languages])

    # Training it further

    def finetune(
        self,
        data: Any,
        targets: Iterable[str] | None = None,
        *,
        task: str | None = None,
        validation: float | Any = 0.1,
        out: str | os.PathLike[str] | None = None,
        changes: Mapping[str, Any] | None = None,
    ) -> Pretrained:
        """Return a model trained further on examples; this one stays as it is.

        Args:
            data: a path (.tsv, .csv, .jsonl), lists, a pandas frame or a datasets.Dataset; columns
                are found by name (source and target, or text and label), else exactly two.
            targets: one for each source, when data is a list of sources.
            task: what to train for; None is what the model does already.
            validation: the share of examples, or other examples, to choose the best epoch by.
            out: the folder of the new bundle; None keeps the result in memory only.
            changes: dotted keys of the recipe, as in {"schedule.peak": 1e-5}.

        Raises:
            DataError, RecipeError: the examples or a change cannot be read.
            TrainingError: the loss stopped being a number.
        """
        from zoo.training import finetune as tuning

        if out is not None:
            check_path("out", out)
            bundle.check_writable(out)
        made, train, valid = self._training_data(data, targets, validation, task, changes)
        model, metrics, history = tuning.run(
            self.model, made, train, valid, self.target_tokenizer, out
        )
        tokenizers = self.source_tokenizer, self.target_tokenizer
        tuned = Pretrained(model, made, tokenizers, metrics=metrics, history=history)
        tuned._golden_texts = list(self._golden_texts)
        if out is not None:
            tuned.save(out)
        return tuned

    def preprocess(
        self,
        data: Any,
        targets: Iterable[str] | None = None,
        *,
        validation: float | Any = 0.1,
        changes: Mapping[str, Any] | None = None,
        passes: int = 1,
    ) -> Iterator[Batch]:
        """Yield the training batches that `finetune` with the same arguments would fit on.

        For people who write their own training loop: each is ({"source", "target"}, labels), int32
        [rows, time]; the target is the decoder's input, padding is 0 and labels of padding count
        for nothing.

        Args:
            data, targets, validation, changes: as for `finetune`.
            passes: how often to go through the data, in another order each time.
        """
        from zoo.training.fit import batches

        check_count("passes", passes)
        made, train, _ = self._training_data(data, targets, validation, None, changes)
        made_batches = batches(train, made, self.target_tokenizer)
        return (made_batches.batch(step) for step in range(passes * made_batches.per_pass))

    def _training_data(
        self,
        data: Any,
        targets: Iterable[str] | None,
        validation: float | Any,
        task: str | None,
        changes: Mapping[str, Any] | None,
    ) -> tuple[Recipe, Arrays, Arrays]:
        """Return the recipe of a fine-tuning run, its training and its validation arrays."""
        from zoo.training import finetune as tuning

        if changes is not None and not isinstance(changes, Mapping):
            raise OptionError(
                f"changes is {changes!r}", 'give keys and values, as in {"schedule.peak": 1e-5}'
            )
        name = Path(data).name if isinstance(data, (str, os.PathLike)) else "examples"
        made = tuning.recipe(self.recipe, name, task, changes)
        pairs = self._read(data, targets)
        if isinstance(validation, (int, float)):
            train, valid = tuning.split(pairs, validation, made.seed)
        else:
            train, valid = pairs, self._read(validation)
        tokenizers = self.source_tokenizer, self.target_tokenizer
        arrays = [tuning.encoded(each, tokenizers, made) for each in (train, valid)]
        return tuning.sized(made, arrays[0], tokenizers[1], changes), arrays[0], arrays[1]

    # Keeping it

    def save(self, folder: str | os.PathLike[str], dtype: str = "float16") -> Path:
        """Write this model as a bundle and return its folder; `zoo.load` reads it.

        Args:
            folder: a new or empty folder, or a bundle to replace.
            dtype: how weights are stored: "float16", "bfloat16" or "float32".

        Raises:
            BundleError: the folder holds something else, or the disk refuses; a bundle that was
                there is untouched.
        """
        check_path("folder", folder)
        written = bundle.write(
            folder,
            model=self.model,
            recipe=self.recipe,
            tokenizers=(self.source_tokenizer, self.target_tokenizer),
            metrics=self.metrics,
            history=self.history,
            dtype=dtype,
        )
        if self._golden_texts:
            golden.attach(written, self._golden_texts)
        return written


def _listed(texts: Any) -> tuple[bool, list[str]]:
    """Return whether it is one text, and a list of texts."""
    if isinstance(texts, str):
        return True, [texts]
    if isinstance(texts, (bytes, Mapping)) or not isinstance(texts, Iterable):
        raise InputError(f"{type(texts).__name__} is no text", "give a text or a list of texts")
    listed = list(texts)
    for number, text in enumerate(listed, start=1):
        if not isinstance(text, str):
            raise InputError(f"text {number} is {type(text).__name__}, not text", "convert it")
    return False, listed
