"""Trained models, with the same verbs for every paper."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np

from zoo import keeping, tasks
from zoo.config import cards
from zoo.config.recipe import Recipe
from zoo.data.columns import TableArguments, TableOptions
from zoo.data.examples import Example
from zoo.errors import InputError, check_count, check_path, check_text
from zoo.tasks.comparing import Comparing
from zoo.text import Tokenizer
from zoo.training import measuring

if TYPE_CHECKING:
    import keras

    from zoo.hub.publish import Published
    from zoo.tasks.translate import Alignment


class Pretrained(Comparing):
    """A trained model, its tokenizers and its recipe.

    Attributes:
        model: the keras.Model.
        recipe: the resolved recipe.
        source_tokenizer, target_tokenizer: the same object if the two sides share one.
        metrics, golden, history: what was measured of the weights as they were loaded or tuned,
            their outputs, and the training curve, a row per epoch; each may be empty. Of weights
            that have changed since, `save`, `push` and `card` leave them out.
        task: the verbs on examples in memory, see `zoo.tasks.base.Task`.
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
        origin: keeping.Origin | None = None,
    ) -> None:
        self.model = model
        self.recipe = recipe
        self.source_tokenizer, self.target_tokenizer = tokenizers
        self.metrics = dict(metrics or {})
        self.golden = dict(golden or {})
        self.history = list(history)
        self._golden_texts = list(self.golden.get("inputs", []))
        measured = metrics or golden or history
        self._origin = origin or (keeping.Origin.of(model) if measured else None)
        self._saved: keeping.Origin | None = None
        self.task = tasks.of(recipe, model, tokenizers)

    def __repr__(self) -> str:
        languages, size = " to ".join(self.recipe.data.languages), self.model.count_params()
        return f"Pretrained({self.recipe.name}: {self.recipe.task} {languages}, {size:,} weights)"

    @property
    def tokenizer(self) -> Tokenizer:
        """The source's tokenizer."""
        return self.source_tokenizer

    @property
    def labels(self) -> list[str]:
        """The classes of a classifier, in the order of its logits; [] for other models."""
        return list(self.recipe.data.labels)

    @property
    def card(self) -> cards.Card:
        """The facts of the paper, and of these weights as they are now."""
        return keeping.card(self)

    # Using it

    def predict(
        self,
        texts: Any,
        *,
        context: str | Sequence[str] | None = None,
        max_length: int | None = None, batch_size: int | None = None,
        beam_size: int | None = None, length_penalty: float | None = None,
        num_return: int | None = None, temperature: float | None = None,
        top_k: int | None = None, top_p: float | None = None, seed: int | None = None,
        scores: bool = False, no_answer: bool | float | None = None,
        split_sentences: bool | None = None, progress: bool = True,
    ) -> Any:  # fmt: skip
        """Translate, continue, classify or compare texts or answer questions, by the model's task.

        Args:
            texts: one text or a list of texts. A model for `entail` or `similarity` takes a tuple
                of two texts, one for `answer` of question and context, one for `choose` a context
                with its answers, as in ("The sky is", ["blue", "green"]), or a list of these.
            context: of the questions `texts`, of any length: one for all, or one for each.
            max_length: most pieces of an output, end token included, for a language model with the
                prompt; None allows the input's length plus the recipe's `evaluate.max_extra`, and
                an answer to a question 30.
            batch_size: texts that go through the model together.
            beam_size: hypotheses kept at each step, 1 is greedy; None takes the recipe's.
            length_penalty: GNMT's alpha; None takes the recipe's.
            num_return: number of best answers, of hypotheses at most beam_size; None is 1.
            temperature, top_k, top_p: sample a language model's words: a lower temperature sharpens
                the probabilities; sample among the top_k most probable words, or among the most
                probable words with the total probability top_p. Greedy if all are None.
            seed: seed of the samples; None takes another one each time.
            scores: return all labels, or answers, with their probabilities.
            no_answer: whether a context may not answer a question; a number is the threshold.
            split_sentences: translate a text sentence by sentence and keep its line breaks; None
                does so unless num_return is more than 1. Then max_length is that of a sentence.
            progress: show a bar on a terminal while there is more than one batch.

        Returns:
            One result for a text, a list for a list: a translation; the text with its continuation;
            a label, number, answer or vector (float32, of a list one array [texts, width]); a dict
            {"text", "start", "end", "score"}, a part of a question's context; with `scores` a dict
            of labels or answers and probabilities, the most probable first. With num_return over 1
            each result is a list, the best first.

        Raises:
            InputError: an empty text, a text of which the model knows no word or character, or an
                input of the wrong kind, with its number.
            OptionError: an invalid option, or one of another task.
            PredictionError: the model's output is NaN or infinite; so in all verbs.
        """
        one, inputs = self.task.listed(self.task.with_context(texts, context))
        options = {
            "max_length": max_length, "batch_size": batch_size, "beam_size": beam_size,
            "length_penalty": length_penalty, "num_return": num_return,
            "temperature": temperature, "top_k": top_k, "top_p": top_p, "seed": seed,
            "scores": scores or None, "split_sentences": split_sentences, "no_answer": no_answer,
            "progress": progress,
        }  # fmt: skip
        results = self.task.predict(inputs, **tasks.options(self.task, "predict", options))
        return results[0] if one else results

    def probabilities(self, texts: Any, batch_size: int | None = None) -> np.ndarray:
        """Return a classifier's probability of each of `labels`: float64 [texts, labels].

        A model for `choose` returns those of answers, 0 where a question has fewer answers.

        Raises:
            NotSupported: the model is no classifier.
        """
        return self.task.probabilities(self.task.listed(texts)[1], batch_size=batch_size)

    def score(
        self, text: str | Iterable[str], target: str | Iterable[str] | None = None
    ) -> float | np.ndarray:
        """Return the natural log-probability of a text, end token included.

        A translator scores a target given its source; a language model scores a text. One text (and
        target) gives a number, lists of texts a float64 array [texts].

        Raises:
            NotSupported: the model is a classifier; use `predict(..., scores=True)`.
        """
        one, arguments = self.task.scored(text, target)
        log_p = self.task.score(*arguments)
        return float(log_p[0]) if one else log_p

    def align(self, text: str, target: str | None = None) -> Alignment:
        """Return the attention to each source piece at each target piece.

        Args:
            text: the source.
            target: the text to align with; None takes the model's own translation.

        Raises:
            NotSupported: the model is no translator, or one without attention, as sutskever2014.
        """
        for value in (text,) if target is None else (text, target):
            if not isinstance(value, str):
                raise InputError(f"{type(value).__name__} is no text", "align takes one text")
            check_text("the text" if value is text else "the target", value)
        return self.task.align(text, target)

    def encode_sources(self, texts: Sequence[Any]) -> list[Any]:
        """Return the ids that the model reads for each text: the end id last, no padding.

        A model for `similarity` or `choose` reads several lists of ids for each input.

        Raises:
            InputError: an invalid text.
        """
        return self.task.encode_sources(self.task.listed(texts)[1])

    def evaluate(
        self,
        data: Any = None,
        targets: Iterable[Any] | None = None,
        *,
        split: str | None = None, limit: int | None = None,
        beam_size: int | None = None, length_penalty: float | None = None,
        batch_size: int | None = None, progress: bool = True,
        likelihood: bool = False, stream: bool | None = None, split_sentences: bool = False,
        dynamic: bool = False, dynamic_rate: float | None = None, dynamic_chunk: int | None = None,
        **table: Unpack[TableArguments],
    ) -> dict[str, Any]:  # fmt: skip
        """Measure the model on examples; pairs with one source are its several references.

        Args:
            data, table: see `finetune`. data may be a folder, of the recipe's corpus, as in
                ZOO_DATA/multi30k, or of `zoo prepare`; None finds the recipe's corpus.
            split: split of a corpus; None takes the recipe's `evaluate.split`.
            limit: measure only the first `limit` examples.
            beam_size, length_penalty: of translators, see `predict`.
            likelihood: of translators, also measure the first reference of each source: "loss",
                nats per target piece with the end token, and "perplexity".
            stream: of language models, read the texts as one, each after those before it; None does
                so for corpora that are one text, such as WikiText-2.
            split_sentences: of translators, translate sentence by sentence, as `predict` does;
                published numbers are those of whole lines.
            dynamic: of recurrent language models, let a copy learn from each `dynamic_chunk` of
                tokens once it is predicted, see `zoo.tasks.dynamic.Dynamic`.

        Returns:
            "metric", "value", "data", "split" and the task's metrics: for translators "bleu", its
            sacreBLEU "signature" and "chrf"; for language models "perplexity" per word and per
            token and "bits_per_character"; for labels "accuracy", "macro_f1" and "confusion"; for
            numbers "pearson" and "spearman"; for answers "accuracy".
        """
        from zoo.tasks import dynamic as learning

        if limit is not None:
            check_count("limit", limit)
        reading = TableOptions.of(**table)
        about, examples = measuring.find(self.recipe, data, targets, split, reading, tell=progress)
        options = {
            "batch_size": batch_size, "beam_size": beam_size, "length_penalty": length_penalty,
            "likelihood": likelihood or None, "progress": progress, "stream": stream,
            "split_sentences": split_sentences or None,
            "dynamic": learning.chosen(self.model, dynamic, dynamic_rate, dynamic_chunk),
        }  # fmt: skip
        options = tasks.options(self.task, "evaluate", options)
        if "split" in about:  # a corpus
            options = {**self.task.corpus_options(about["data"]), **options}
        tokenizers = self.source_tokenizer, self.target_tokenizer
        measuring.check_own(self.recipe, tokenizers, about, examples[:limit])
        measured = self.task.evaluate(examples[:limit], **options)
        metric = self.recipe.evaluate.metric
        return {"metric": metric, "value": measured[metric], **about, **measured}

    def examples(
        self, data: Any = None, targets: Iterable[Any] | None = None, *, split: str | None = None,
        **table: Unpack[TableArguments],
    ) -> tuple[dict[str, str], list[Example]]:  # fmt: skip
        """Return the examples that `evaluate` measures on, and their names "data" and "split".

        An example is a source with its references, a text with its label, or what the task's `read`
        in `zoo.tasks` describes.
        """
        return measuring.find(self.recipe, data, targets, split, TableOptions.of(**table))

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
        epochs: int | None = None, learning_rate: float | None = None,
        batch_size: int | None = None, seed: int | None = None,
        callbacks: Sequence[keras.callbacks.Callback] | None = None,
        changes: Mapping[str, Any] | None = None,
        resume: bool = False,
        lora_rank: int | None = None,
        **table: Unpack[TableArguments],
    ) -> Pretrained:  # fmt: skip
        """Train a copy of this model further on examples and return it.

        A language model becomes a classifier with labels and `task="classify"`; ulmfit2018 first
        trains it on the texts as a language model, then on the labels.

        Args:
            data: a path (.tsv, .csv, .jsonl), lists, a pandas frame or a datasets.Dataset, see
                docs/data.md. A language model takes only texts: a list, one column, a .txt file.
            targets: a target or label for each item, if data is a list of texts, of pairs, or of
                contexts with answers. For `similarity`, fractions stay numbers.
            task: the task to train for; None keeps the model's.
            validation: the share of examples, or other examples, that choose the best epoch.
            adapt: whether a language model trains on the texts before it learns the labels, or
                texts without labels for it; None follows the paper.
            out: the folder of the new bundle; None keeps the result in memory. The run is in the
                folder `out` + ".run" until the bundle is written.
            epochs: passes over the examples; None chooses by their number.
            learning_rate: the highest rate of the schedule.
            batch_size: examples of a batch; of a language model rows of `train.bptt` tokens.
            seed: of new weights, dropout, order and held-out examples; None is the recipe's.
            callbacks: Keras callbacks, whose logs also have the task's metric, as in val_accuracy.
            changes: dotted keys, as in {"schedule.peak": 1e-5}; of the last stage, as all but the
                seed are.
            resume: go on with the run in `out` + ".run", in the stage where it stopped.
            lora_rank: train two matrices of this rank beside each linear layer and embedding, and a
                classifier's head, in place of all weights (LoRA); they are merged at the end.
            table: text_column, columns and others, see `zoo.data.columns.TableArguments`.

        Raises:
            NotSupported: `lora_rank` for a model that has no such layers.
            DataError, RecipeError, OptionError: the examples, a change or an option is wrong.
            InputError: a text of a row is empty, or the model knows nothing of it.
            CheckpointError: a run without `resume`, none with it, or another one, see `zoo.train`.
            TrainingError: the loss is no longer a number.
        """
        from zoo.training import again, stages

        asked = {"task": task, "validation": validation, "adapt": adapt, **table}
        asked["seed"] = int(seed) if isinstance(seed, float) and seed.is_integer() else seed
        asked["callbacks"] = callbacks or None  # no command can have them
        changes, folder = again.with_rank(changes, lora_rank), stages.run_folder(out)
        tokenizers = self.source_tokenizer, self.target_tokenizer
        result = stages.run(
            self.model, self.recipe, tokenizers, data, targets, task=task, validation=validation,
            adapt=adapt, changes=changes, folder=folder, resume=resume, callbacks=callbacks,
            options=stages.Options(epochs, learning_rate, batch_size, seed),
            table=TableOptions.of(**table),
        )  # fmt: skip
        recipe = keeping.finetuned(self, result.recipe, data, targets, asked)
        tuned = Pretrained(
            result.model, recipe, tokenizers, metrics=result.metrics, history=result.history
        )
        if tuned.recipe.task == self.recipe.task:
            tuned._golden_texts = list(self._golden_texts)
        if out is not None and folder:
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
        **table: Unpack[TableArguments],
    ) -> Iterator[tuple[Any, np.ndarray]]:
        """Yield the training batches of `finetune`, for your own training loop.

        Translators: ({"source", "target"}, labels), int32 [rows, time]; the target is the decoder's
        input, padding is 0 and counts for nothing in the labels. Language models: ({"tokens",
        "carry"}, labels), see `zoo.data.stream.Stream`. Classifiers: (tokens, labels), padded on
        the left, with tokens [rows, sequences, time] for several sequences.

        Args:
            data, targets, validation, changes, table: as for `finetune`.
            passes: number of passes over the data, each in another order.
        """
        from zoo.training import finetune as tuning

        check_count("passes", passes)
        tokenizers = self.source_tokenizer, self.target_tokenizer
        planned = tuning.plan(
            self.recipe, tokenizers, data, targets, validation=validation, changes=changes,
            table=TableOptions.of(**table), tell=True,
        )  # fmt: skip
        batches = planned.batches(self.target_tokenizer)
        return (batches.batch(step) for step in range(passes * batches.per_pass))

    # Keeping it

    def save(self, folder: str | os.PathLike[str], dtype: str | None = None) -> Path:
        """Write this model as a bundle for `zoo.load` and return its folder.

        LoRA is merged, with a warning. Metrics go only with exactly the weights that were measured.

        Args:
            folder: a new or empty folder, or a bundle to replace.
            dtype: of the stored weights: "float16", "bfloat16", "float32" or, for matrices, "int8"
                with a scale for each row; None is the recipe's `train.stored`, float16.

        Raises:
            BundleError: the folder holds something else, the disk refuses, a weight is not finite
                or not of the paper's model; an existing bundle is untouched.
        """
        check_path("folder", folder)
        self._saved = keeping.save(self, folder, self._golden_texts, dtype)
        return Path(folder)

    def push(
        self, repo: str, *, private: bool = False, dry_run: bool = False, overwrite: bool = False
    ) -> Published:
        """Publish this model on the hub as "user/repo"; see `zoo.hub.publish.push`."""
        from zoo.hub import publish

        with tempfile.TemporaryDirectory() as aside:
            folder = Path(aside) / self.recipe.name
            keeping.save(self, folder, self._golden_texts, keeping.smallest_type(self))
            return publish.push(folder, repo, private=private, dry_run=dry_run, overwrite=overwrite)
