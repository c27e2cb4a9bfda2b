"""What a user holds: a trained model with the verbs that every paper has."""

from __future__ import annotations

import importlib
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo import bundle, convert, golden, tasks
from zoo.bundle import model_card
from zoo.config import cards, catalog
from zoo.config.recipe import Recipe
from zoo.data.examples import Example
from zoo.errors import InputError, UnknownName, check_count, check_path
from zoo.hub import resolve
from zoo.text import Tokenizer, load_tokenizers
from zoo.training import measuring

if TYPE_CHECKING:
    import keras

    from zoo.hub.publish import Published
    from zoo.tasks.translate import Alignment


def load(reference: str | os.PathLike[str], dtype: str | None = None) -> Pretrained:
    """Return a trained model by name ("vaswani2017", "vaswani2017.tatoeba-en-fr") or folder.

    Args:
        reference: what `zoo.hub.find` takes; a folder or repository may also be a checkpoint of
            another library that zoo.convert knows.
        dtype: a Keras dtype policy for the computation; None is float32.

    Raises:
        UnknownName: there is no such model or weights.
        OptionError: there is no such dtype.
        BundleError: the folder is no bundle, incomplete or damaged.
        HubError: it is on the hub and cannot be fetched, or is not what it should be.
    """
    if not isinstance(reference, (str, os.PathLike)):
        raise UnknownName(
            f"{reference!r} is neither a model's name nor a folder", "zoo.models() gives the names"
        )
    if dtype is not None:
        bundle.check_dtype(dtype)
    bundle.recover(Path(reference).expanduser())
    folder = resolve.folder(reference)
    if not bundle.is_bundle(folder):  # a user's own checkpoint, of which nothing is kept
        found = convert.read(folder)
        model = bundle.model_with(found.weights, found.recipe, dtype)
        return Pretrained(model, found.recipe, found.tokenizers)
    with bundle.reading(folder) as read:  # its weights are hashed while Keras is imported
        tokenizers = load_tokenizers(read.folder)
        importlib.import_module("keras")
    return Pretrained(
        bundle.build_model(read, dtype), read.recipe, tokenizers,
        metrics=read.metrics, golden=read.golden, history=read.history,
    )  # fmt: skip


class Pretrained:
    """A trained model, its tokenizers and the recipe that made it.

    Attributes:
        model: the keras.Model, for everything that Keras can do.
        recipe: the resolved recipe.
        source_tokenizer, target_tokenizer: the same object if the two sides share one.
        metrics: what was measured when it was trained, {} if nothing was.
        golden: what it answered when its bundle was written, {} if nothing was recorded.
        task: text in, arrays, model, arrays, text out: the verbs without the reading of data.
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
        self.task = tasks.task(recipe.task)(
            model, *tokenizers, options=recipe.evaluate, data=recipe.data
        )

    def __repr__(self) -> str:
        languages, size = " to ".join(self.recipe.data.languages), self.model.count_params()
        return f"Pretrained({self.recipe.name}: {self.recipe.task} {languages}, {size:,} weights)"

    @property
    def tokenizer(self) -> Tokenizer:
        """The source's tokenizer."""
        return self.source_tokenizer

    @property
    def labels(self) -> list[str]:
        """The classes of a classifier, in the order of its logits; else none."""
        return list(self.recipe.data.labels)

    @property
    def card(self) -> cards.Card:
        """The facts of the paper and, if they are registered, of these weights."""
        entry = catalog.entry(self.recipe.paper)
        tag, _ = model_card.registered(self.recipe)
        metrics = {each: catalog.metrics(entry, each) for each in entry.weights}
        return cards.Card(entry, tag, metrics | ({tag: self.metrics} if tag else {}))

    # Using it

    def predict(
        self,
        texts: Any,
        *,
        max_length: int | None = None,
        batch_size: int | None = None,
        beam_size: int | None = None,
        length_penalty: float | None = None,
        num_return: int | None = None,
        temperature: float | None = None,
        top_k: int | None = None,
        top_p: float | None = None,
        seed: int | None = None,
        scores: bool = False,
        progress: bool = True,
    ) -> Any:
        """Translate, continue, classify or compare texts, one or many, as the model's task is.

        Args:
            texts: one text, or a list of them. A model for `entail` or `similarity` takes a tuple
                of two texts, one for `choose` a context with its answers, as in ("The sky is",
                ["blue", "green"]), or a list of these.
            max_length: most pieces of an output, end included, a writer's given words too; None
                allows the input's length plus the recipe's `evaluate.max_extra`.
            batch_size: texts that go through the model together.
            beam_size: hypotheses kept at each step, 1 is greedy; None takes the recipe's, as does
                length_penalty, GNMT's alpha.
            num_return: best hypotheses to return, at most beam_size; 1 if None.
            temperature, top_k, top_p: let a writer draw its words: from probabilities that are
                sharper the lower the temperature is, among the top_k most probable words, among the
                most probable ones that have top_p of the probability together. Greedy if all None.
            seed: of such draws, another one each time if None.
            scores: all labels, or answers, with their probabilities.
            progress: show a bar on a terminal while there is more than one batch.

        Returns:
            For a text one result, for a list a list in its order. A translation; the text with what
            follows it; a label, number or answer, or with `scores` a dict of labels or answers and
            probabilities, the most probable first. With num_return over 1 a list of texts for each,
            the best first.

        Raises:
            InputError: an empty text, one of unknown characters only, or what is no input of the
                task; says which.
            OptionError: an option without sense, or one that the task does not have.
        """
        one, given_texts = self.task.listed(texts)
        given = {
            "max_length": max_length, "batch_size": batch_size, "beam_size": beam_size,
            "length_penalty": length_penalty, "num_return": num_return,
            "temperature": temperature, "top_k": top_k, "top_p": top_p, "seed": seed,
            "scores": scores or None, "progress": progress,
        }  # fmt: skip
        found = self.task.predict(given_texts, **tasks.options(self.task, "predict", given))
        return found[0] if one else found

    def probabilities(self, texts: Any, batch_size: int | None = None) -> np.ndarray:
        """Return a classifier's probability of each of `labels`: float64 [texts, labels].

        A model for `choose` gives those of answers, 0 where a question has fewer than another.

        Raises:
            NotSupported: the model is no classifier.
        """
        return self.task.probabilities(self.task.listed(texts)[1], batch_size=batch_size)

    def score(
        self, text: str | Iterable[str], target: str | Iterable[str] | None = None
    ) -> float | np.ndarray:
        """Return the natural log-probability of a text, end included.

        A translator gives that of a target given its source; a language model that of the text.
        One text (and target) gives a number, lists of texts a float64 array [texts].

        Raises:
            NotSupported: a classifier has none; `predict(..., scores=True)` gives probabilities.
        """
        one, given = self.task.scored(text, target)
        found = self.task.score(*given)
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
        return self.task.align(text, target)

    def encode_sources(self, texts: Sequence[Any]) -> list[Any]:
        """Return the ids that the model reads for each text: the end id last, no padding.

        A model for `similarity` or `choose` reads several lists of ids for each.

        Raises:
            InputError: a text that the model cannot take.
        """
        return self.task.encode_sources(texts)

    def evaluate(
        self,
        data: Any = None,
        targets: Iterable[Any] | None = None,
        *,
        split: str | None = None,
        limit: int | None = None,
        beam_size: int | None = None,
        length_penalty: float | None = None,
        batch_size: int | None = None,
        progress: bool = True,
        likelihood: bool = False,
    ) -> dict[str, Any]:
        """Measure the model on examples; pairs of one source count as its several references.

        Args:
            data: whatever `finetune` takes; or the folder of the recipe's corpus, as in
                ZOO_DATA/multi30k; or a folder that `zoo prepare` wrote; None finds the recipe's
                corpus by itself.
            split: of a corpus, the recipe's `evaluate.split` if None.
            limit: measure only so many examples, the first.
            beam_size, length_penalty: of a translator, see `predict`.
            likelihood: of a translator, also measure the first reference of each source: "loss",
                nats per target piece with the end, and "perplexity".

        Returns:
            The task's metrics, with "metric", "value", "data" and "split": of a translator "bleu",
            its sacreBLEU "signature", "chrf"; of a language model "perplexity" per word, per token,
            "bits_per_character"; of labels "accuracy", "macro_f1", "confusion"; of numbers
            "pearson", "spearman"; of answers "accuracy".
        """
        if limit is not None:
            check_count("limit", limit)
        about, examples = self.examples(data, targets, split=split)
        given = {
            "batch_size": batch_size, "beam_size": beam_size, "length_penalty": length_penalty,
            "likelihood": likelihood or None, "progress": progress,
        }  # fmt: skip
        found = self.task.evaluate(examples[:limit], **tasks.options(self.task, "evaluate", given))
        metric = self.recipe.evaluate.metric
        return {"metric": metric, "value": found[metric], **about, **found}

    def examples(
        self, data: Any = None, targets: Iterable[Any] | None = None, *, split: str | None = None
    ) -> tuple[dict[str, str], list[Example]]:
        """Return what the examples are, and each source with its references or text with its label.

        The arguments are those of `evaluate`, which measures on what this returns; what each task
        has in place of a text and a label is told where it is read: `zoo.tasks`.
        """
        return measuring.find(self.recipe, data, targets, split)

    # Training it further

    def finetune(
        self,
        data: Any,
        targets: Iterable[Any] | None = None,
        *,
        task: str | None = None,
        validation: float | Any = 0.1,
        adapt: bool | Any | None = None,
        out: str | os.PathLike[str] | None = None,
        changes: Mapping[str, Any] | None = None,
        resume: bool = False,
    ) -> Pretrained:
        """Return a model trained further on examples; this one stays as it is.

        A language model with labels and `task="classify"` becomes a classifier, of ulmfit2018 in
        two stages: it goes on as a language model on the texts, then learns the labels.

        Args:
            data: a path (.tsv, .csv, .jsonl), lists, a pandas frame or a datasets.Dataset; columns
                are found by name, else exactly as many: source, target; text, label; premise,
                hypothesis, label; sentence1, sentence2, label; context, answers (or answer_0,
                answer_1, ...), label, the place of the right answer from 0 or its text. A language
                model takes texts alone: a list, one column, or a .txt file.
            targets: a target or label for each item, when data is a list of texts, of pairs, or of
                contexts with answers. For `similarity` numbers that are not whole stay numbers.
            task: what to train for; None is what the model does already.
            validation: the share of examples, or other examples, to choose the best epoch by.
            adapt: whether a language model goes on with the texts before it learns the labels, or
                the texts to do so with, which need no labels; None does as its paper does.
            out: the folder of the new bundle; None keeps the result in memory only. The run is in
                the folder `out` + ".run" until the bundle is written.
            changes: dotted keys of the recipe, as in {"schedule.peak": 1e-5}; of the last stage.
            resume: go on with the run in `out` + ".run", in the stage where it stopped.

        Raises:
            DataError, RecipeError: the examples or a change cannot be read.
            CheckpointError: there is a run and `resume` is not set, or the other way round.
            TrainingError: the loss stopped being a number.
        """
        from zoo.training import stages

        folder = None
        if out is not None:
            check_path("out", out)
            bundle.check_writable(out)
            folder = Path(f"{Path(out).expanduser().resolve()}.run")
        tokenizers = self.source_tokenizer, self.target_tokenizer
        found = stages.run(
            self.model, self.recipe, tokenizers, data, targets, task=task, validation=validation,
            adapt=adapt, changes=changes, folder=folder, resume=resume,
        )  # fmt: skip
        tuned = Pretrained(
            found.model, found.recipe, tokenizers, metrics=found.metrics, history=found.history
        )
        if tuned.recipe.task == self.recipe.task:
            tuned._golden_texts = list(self._golden_texts)
        if out is not None and folder is not None:
            tuned.save(out)
            shutil.rmtree(folder)
        return tuned

    def preprocess(
        self,
        data: Any,
        targets: Iterable[Any] | None = None,
        *,
        validation: float | Any = 0.1,
        changes: Mapping[str, Any] | None = None,
        passes: int = 1,
    ) -> Iterator[tuple[Any, np.ndarray]]:
        """Yield the training batches that `finetune` with the same arguments would fit on.

        For people who write their own training loop. A translator's are ({"source", "target"},
        labels), int32 [rows, time]; the target is the decoder's input, padding is 0 and labels of
        padding count for nothing. A language model's are ({"tokens", "carry"}, labels), see
        `zoo.data.stream.Stream`; a classifier's (tokens, labels), padded on the left, tokens
        [rows, sequences, time] where several are read for each example.

        Args:
            data, targets, validation, changes: as for `finetune`.
            passes: how often to go through the data, in another order each time.
        """
        from zoo.training import finetune as tuning

        check_count("passes", passes)
        tokenizers = self.source_tokenizer, self.target_tokenizer
        planned = tuning.plan(
            self.recipe, tokenizers, data, targets, validation=validation, changes=changes
        )
        made = planned.batches(self.target_tokenizer)
        return (made.batch(step) for step in range(passes * made.per_pass))

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
            folder, model=self.model, recipe=self.recipe, metrics=self.metrics, dtype=dtype,
            tokenizers=(self.source_tokenizer, self.target_tokenizer), history=self.history,
        )  # fmt: skip
        if self._golden_texts:
            golden.attach(written, self._golden_texts)
        return written

    def push(
        self, repo: str, *, private: bool = False, dry_run: bool = False, overwrite: bool = False
    ) -> Published:
        """Publish this model on the hub as "user/repo"; see `zoo.hub.publish.push`."""
        from zoo.hub import publish

        with tempfile.TemporaryDirectory() as aside:
            folder = self.save(Path(aside) / self.recipe.name)
            return publish.push(folder, repo, private=private, dry_run=dry_run, overwrite=overwrite)
