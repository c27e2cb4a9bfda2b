"""Mixtures of language models: the weighted mean of their probabilities of each next word.

bengio2003 mixes its network with a trigram, mikolov2010 networks with each other and with a
back-off model. The weights are learned by expectation maximisation on validation texts.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Unpack

import keras
import numpy as np
from keras import ops

from zoo.config.recipe import Recipe
from zoo.config.tasks import task_class
from zoo.errors import NotSupported, OptionError
from zoo.tasks import perplexity
from zoo.tasks.generate import Generate
from zoo.training import measuring

if TYPE_CHECKING:
    from zoo.data.columns import TableArguments
    from zoo.pretrained import Pretrained

# EM stops when no weight changes by more, or after so many rounds.
CHANGE, ROUNDS = 1e-7, 1000


def learn_weights(log_p: np.ndarray) -> np.ndarray:
    """Return the weights, float64 [models], under which tokens are most probable, by EM.

    The likelihood has one maximum, so where EM begins does not matter.

    Args:
        log_p: log P of each token by each model, [models, tokens]; a token may be impossible for
            some of them, not for all.
    """
    with np.errstate(divide="ignore"):
        weights = np.full(len(log_p), 1.0 / len(log_p))
        for _ in range(ROUNDS):
            parts = np.log(weights)[:, None] + log_p
            shares = np.exp(parts - np.logaddexp.reduce(parts, axis=0))  # the expectation
            before, weights = weights, shares.mean(axis=1)  # the maximisation
            if np.abs(weights - before).max() < CHANGE:
                break
    return weights


def check_recipe(recipe: Recipe) -> None:
    """Raise NotSupported unless the models of a recipe can be part of a mixture."""
    if not issubclass(task_class(recipe.task), Generate) or recipe.data.reverse:
        raise NotSupported(
            f"{recipe.name} does not say how probable each next word of a text is",
            "a mixture takes language models that read forwards",
        )


class InterpolatedModel(keras.Model):
    """p(w | before) = sum_k weight_k p_k(w | before), as a language model.

    Args:
        members: language models that carry their state through a text, with one vocabulary.
        weights: their shares, which sum to one.
    """

    context = None

    def __init__(self, members: Sequence[Any], weights: np.ndarray) -> None:
        super().__init__(name="interpolated")
        self.members = list(members)
        self.shares = [float(weight) for weight in weights]
        self.built = True

    def initial_state(self, batch):
        """Return the states of all members, by number and name."""
        return _joined([member.initial_state(batch) for member in self.members])

    def read(self, tokens, state, training=False):
        """Return log P as float32 logits [batch, time, vocabulary], and the state."""
        read = [
            member.read(tokens, own, training)
            for member, own in zip(self.members, _parted(state, self.members), strict=True)
        ]
        return self._mixed([logits for logits, _ in read]), _joined([own for _, own in read])

    def call(self, inputs, training=False):
        return self.read(inputs, self.initial_state(ops.shape(inputs)[0]), training)[0]

    def start(self, inputs, max_length: int):
        given = _parted(inputs.get("state") or {}, self.members)
        read = [
            member.start({**inputs, "state": own}, max_length)[1]
            for member, own in zip(self.members, given, strict=True)
        ]
        return {}, _joined(read)

    def step(self, token, position, memory, state):
        steps = [
            member.step(token, position, {}, own)
            for member, own in zip(self.members, _parted(state, self.members), strict=True)
        ]
        return self._mixed([logits for logits, _ in steps]), _joined([own for _, own in steps])

    def _mixed(self, logits):
        """Return log of the weighted mean of probabilities, given each member's logits."""
        parts = [
            each - ops.logsumexp(each, axis=-1, keepdims=True) + float(np.log(share))
            for each, share in zip(logits, self.shares, strict=True)
            if share > 0.0
        ]
        return ops.logsumexp(ops.stack(parts), axis=0)


def _joined(states: Sequence[dict]) -> dict:
    return {f"{i}.{name}": leaf for i, state in enumerate(states) for name, leaf in state.items()}


def _parted(state: dict, members: Sequence[Any]) -> list[dict]:
    parts: list[dict] = [{} for _ in members]
    for name, leaf in state.items():
        number, _, own = name.partition(".")
        parts[int(number)][own] = leaf
    return parts


class Mixture:
    """Language models of one vocabulary, interpolated.

    Args:
        models: at least two.
        data: texts to learn the weights on, as `Pretrained.evaluate` takes them; None takes the
            validation split of the first model's corpus.
        weights: the shares of the models, which sum to one, in place of learning them.
        table: text_column and the others, see `Pretrained.finetune`.

    Attributes:
        weights: float64 [models].

    Raises:
        NotSupported: a model is no language model, or reads backwards.
        OptionError: there are fewer than two models, their vocabularies differ, or the weights are
            no shares of them.
    """

    def __init__(
        self,
        models: Sequence[Pretrained],
        data: Any = None,
        *,
        weights: Sequence[float] | None = None,
        **table: Unpack[TableArguments],
    ) -> None:
        self.models = list(models)
        self._check_models()
        if weights is not None:
            if data is not None:
                raise OptionError(
                    "a mixture has data to learn its weights on, and weights", "give one of the two"
                )
            self.weights = self._checked(weights)
        else:
            split = None if data is not None else "valid"
            self.weights = learn_weights(self._examples(data, split, table)[-1])

    def __repr__(self) -> str:
        parts = (
            f"{weight:.3f} {model.recipe.name}"
            for weight, model in zip(self.weights, self.models, strict=True)
        )
        return f"Mixture({' + '.join(parts)})"

    def _check_models(self) -> None:
        if len(self.models) < 2:
            raise OptionError(
                f"a mixture of {len(self.models)}", "give two models or more, as in [one, other]"
            )
        first = self.models[0]
        for model in self.models:
            name = model.recipe.name
            check_recipe(model.recipe)
            own, its = first.tokenizer, model.tokenizer
            if own.kind != its.kind or own.pieces(range(own.size)) != its.pieces(range(its.size)):
                raise OptionError(
                    f"{name} has another vocabulary than {first.recipe.name}: {its.size} symbols "
                    f"of kind '{its.kind}', the first model {own.size} of '{own.kind}'",
                    "give models that were trained with one tokenizer: tokenizer.weights = "
                    f'"{first.recipe.name}" in a recipe takes that of another model',
                )

    def _checked(self, weights: Sequence[float]) -> np.ndarray:
        try:
            shares = np.asarray(list(weights), dtype=np.float64)
        except (TypeError, ValueError):
            raise OptionError(
                f"weights are {weights!r}", "give a list of numbers, one share for each model"
            ) from None
        if len(shares) != len(self.models) or not (
            (shares >= 0).all() and abs(shares.sum() - 1.0) < 1e-6
        ):
            raise OptionError(
                f"weights {list(weights)} of {len(self.models)} models",
                "give one share for each model, none below 0, that sum to 1",
            )
        return shares

    def _examples(
        self, data: Any, split: str | None, table: Any, batch_size: int | None = None
    ) -> tuple[dict[str, Any], list[str], list[np.ndarray], np.ndarray]:
        """Return facts of the data, its texts, their ids, and log P of these by each model."""
        about, examples = self.models[0].examples(data, None, split=split, **table)
        # A corpus may be one text, as for `Pretrained.evaluate`.
        corpus = self.models[0].task.corpus_options(about["data"]) if "split" in about else {}
        texts = [text for text, _ in examples]
        for model in self.models:
            tokenizers = model.source_tokenizer, model.target_tokenizer
            measuring.check_own(model.recipe, tokenizers, about, examples)
        sequences = self._tasks[0].sequences(texts)
        log_p = self._log_p(sequences, batch_size=batch_size, **corpus)
        return about, texts, sequences, log_p

    def _log_p(self, sequences: Sequence[np.ndarray], **options: Any) -> np.ndarray:
        """Return log P of the tokens by each model, float64 [models, tokens]."""
        return np.stack([task.log_probabilities(sequences, **options) for task in self._tasks])

    def _mean(self, log_p: np.ndarray) -> np.ndarray:
        """Return the log of the weighted mean of probabilities, given their logs."""
        with np.errstate(divide="ignore"):
            mixed: np.ndarray = np.logaddexp.reduce(np.log(self.weights)[:, None] + log_p, axis=0)
        return mixed

    def evaluate(
        self,
        data: Any = None,
        *,
        split: str | None = None,
        batch_size: int | None = None,
        **table: Unpack[TableArguments],
    ) -> dict[str, Any]:
        """Measure the mixture as `Pretrained.evaluate` measures a model.

        Args:
            data: texts, or None for the corpus of the first model's recipe and `split`.
        """
        about, texts, sequences, log_p = self._examples(data, split, table, batch_size)
        first = self.models[0]
        measured = perplexity.measure(first.tokenizer, texts, sequences, self._mean(log_p))
        metric = first.recipe.evaluate.metric
        return {"metric": metric, "value": measured[metric], **about, **measured}

    def score(self, texts: str | Iterable[str]) -> Any:
        """Return log P of a text, or of each text, as `Pretrained.score` does."""
        one, (listed,) = self._tasks[0].scored(texts, None)
        for model in self.models:
            model.encode_sources(listed)  # tells of texts that it cannot read
        sequences = self._tasks[0].sequences(listed)
        log_p = self._mean(self._log_p(sequences))
        ends = np.cumsum([len(ids) - 1 for ids in sequences])
        sums = np.array([part.sum() for part in np.split(log_p, ends[:-1])])
        return float(sums[0]) if one else sums

    def predict(self, texts: str | Iterable[str], **options: Any) -> Any:
        """Continue texts, with the options of `Pretrained.predict`.

        Raises:
            NotSupported: a model has a context in place of a state.
        """
        return self._pretrained.predict(texts, **options)

    @functools.cached_property
    def _pretrained(self) -> Pretrained:
        """The mixture as one model, with the recipe and tokenizer of the first one."""
        from zoo.pretrained import Pretrained

        for model in self.models:
            if model.model.context is not None:
                raise NotSupported(
                    f"{model.recipe.name} reads at most {model.model.context} tokens at a time, "
                    "and a mixture writes with models that carry a state",
                    "score and evaluate take such a mixture",
                )
        first = self.models[0]
        mixed = InterpolatedModel([model.model for model in self.models], self.weights)
        return Pretrained(mixed, first.recipe, (first.source_tokenizer, first.target_tokenizer))

    @property
    def _tasks(self) -> list[Generate]:
        return [model.task for model in self.models if isinstance(model.task, Generate)]  # all are
