"""What is exported of each kind of task: a tensorflow.Module with one function of texts.

Each function gives what the task's `predict` gives, in one graph.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

import tensorflow as tf

from zoo.data import sequences
from zoo.data.sequences import Specials
from zoo.decoding import search
from zoo.export.reading import cut, framed, has_letters, known, left_padded, reader, right_padded
from zoo.models.contracts import SequenceClassifier
from zoo.tasks.base import Task
from zoo.tasks.choose import Choose
from zoo.tasks.classify import Classify
from zoo.tasks.generate import NO_END, Generate
from zoo.tasks.translate import Translate

if TYPE_CHECKING:
    from zoo.pretrained import Pretrained

TEXTS = tf.TensorSpec([None], tf.string)


def module(pretrained: Pretrained) -> Exported:
    """Return the module of a model's task."""
    kinds: dict[type[Task], Callable[[Pretrained], Exported]] = {
        Translate: Translator, Generate: Writer, Choose: Chooser, Classify: Classifier,
    }  # fmt: skip
    chosen = next(kind for task, kind in kinds.items() if isinstance(pretrained.task, task))
    return chosen(pretrained)


class Exported(tf.Module):
    """A model and its tokenizer; `function` names its one function.

    Attributes:
        inputs: names and specifications of the function's arguments.
    """

    function: ClassVar[str]

    def __init__(self, pretrained: Pretrained, inputs: dict[str, tf.TensorSpec]) -> None:
        super().__init__()
        # Python's objects are kept apart from TensorFlow's, which alone go into the file.
        self._parts = _Parts(pretrained)
        self.inputs = inputs
        self.reader = reader(pretrained.source_tokenizer, "source")
        self.known, self.words = map(tf.constant, known(pretrained.source_tokenizer))
        # TensorFlow's own variables: a Keras model would bring Keras into the file.
        self.weights = [weight.value for weight in pretrained.model.weights]
        specs = [tf.TensorSpec(s.shape, s.dtype, name) for name, s in inputs.items()]
        compiled = tf.function(self._run, input_signature=specs, autograph=False)
        setattr(self, self.function, compiled)

    def _run(self, *texts: Any) -> Any:
        raise NotImplementedError

    def _readable(self, ids: Any, texts: Any) -> Any:
        """Return whether something is known of each text: bool [batch]."""
        has_word, has_sign = (
            tf.reduce_any(tf.gather(found, ids), axis=1) for found in (self.words, self.known)
        )
        # Known signs do not make a text readable whose letters are all unknown.
        return has_word | (has_sign & ~has_letters(texts))

    def signature(self) -> Any:
        """Return the function with named outputs, for "serving_default"."""
        function = getattr(self, self.function).get_concrete_function()
        specs = [tf.TensorSpec(s.shape, s.dtype, name) for name, s in self.inputs.items()]

        def serve(*texts: Any) -> dict[str, Any]:
            found = function(*texts)
            return dict(found) if isinstance(found, dict) else {"outputs": found}

        return tf.function(serve, input_signature=specs, autograph=False).get_concrete_function()


class _Parts:
    """The parts of a trained model that a graph is made of."""

    def __init__(self, pretrained: Pretrained) -> None:
        self.model, self.recipe, self.task = pretrained.model, pretrained.recipe, pretrained.task
        self.source, self.target = pretrained.source_tokenizer, pretrained.target_tokenizer


class Translator(Exported):
    """Texts in one language, string [batch], to texts in another."""

    function = Translate.name

    def __init__(self, pretrained: Pretrained) -> None:
        source, target = pretrained.source_tokenizer, pretrained.target_tokenizer
        super().__init__(pretrained, {"texts": TEXTS})
        self.writer = self.reader if source is target else reader(target, "target")

    def _run(self, texts: Any) -> Any:
        model, recipe = self._parts.model, self._parts.recipe
        source, target, longest = self._parts.source, self._parts.target, model.max_length
        ids = self.reader.encode(texts)
        readable = self._readable(ids, texts)
        if longest is not None:
            ids = ids[:, : longest - 1]
        if recipe.data.reverse_source:
            ids = tf.reverse(ids, axis=[1])
        ids = framed(ids, source.end_id)
        limits = tf.cast(ids.row_lengths(), tf.int32) + recipe.evaluate.max_extra
        if longest is not None:
            limits = tf.minimum(limits, longest)
        found = search.greedy(
            model,
            {"source": right_padded(ids, source.pad_id)},
            start_id=target.start_id,
            end_id=target.end_id,
            pad_id=target.pad_id,
            # An unreadable text stops after one step.
            limits=tf.where(readable, limits, 1),
            forbidden_ids=target.forbidden_ids,
        )
        outputs = self.writer.decode(tf.RaggedTensor.from_tensor(found))
        return tf.where(readable, outputs, "")


class Writer(Exported):
    """Texts, string [batch], to the same with their most probable continuations."""

    function = Generate.name

    def __init__(self, pretrained: Pretrained) -> None:
        super().__init__(pretrained, {"texts": TEXTS})

    def _run(self, texts: Any) -> Any:
        model, tokenizer = self._parts.model, self._parts.source
        context, extra = model.context, self._parts.recipe.evaluate.max_extra
        words = self.reader.encode(texts)
        counts = tf.cast(words.row_lengths(), tf.int32)
        readable, limits = self._readable(words, texts), tf.fill(tf.shape(counts), extra)
        if context is not None:
            readable &= counts < context
            limits = tf.minimum(limits, context - counts)
            words = cut(words, context - 1)
        limits = tf.where(readable, limits, 1)
        prompts = words if tokenizer.open_ended else framed(tokenizer.start_id, words)
        tokens = left_padded(prompts, tokenizer.pad_id, least=2)
        inputs = {"tokens": tokens}
        if context is None:
            inputs["lengths"] = tf.cast(prompts.row_lengths(), tf.int32)
        end_id = NO_END if tokenizer.open_ended else tokenizer.end_id
        found = search.greedy(
            model, inputs, start_id=tokens[:, -1], end_id=end_id, pad_id=tokenizer.pad_id,
            limits=limits, complete=False, forbidden_ids=(tokenizer.unk_id,),
        )  # fmt: skip
        new = tf.range(tf.shape(found)[1])[None] < limits[:, None]
        new &= tf.cumsum(tf.cast(found == end_id, tf.int32), axis=1) == 0
        outputs = self.reader.decode(tf.concat([words, tf.ragged.boolean_mask(found, new)], 1))
        # A prompt with unknown characters comes back as it was given.
        unknown = tf.reduce_any(words == tokenizer.unk_id, axis=1)
        length = tf.minimum(
            tf.strings.length(self.reader.decode(words)), tf.strings.length(outputs)
        )
        prompts = tf.strings.regex_replace(texts, r"\s+$", "")
        after = tf.strings.substr(outputs, length, tf.strings.length(outputs) - length)
        outputs = tf.where(unknown, prompts + after, outputs)
        return tf.where(readable, outputs, "")


class Classifier(Exported):
    """Texts, or two for each input, string [batch] each, to labels with their probabilities.

    The function returns "outputs", the most probable labels, string [batch], and "probabilities",
    float32 [batch, labels] in the order of paperzoo.json; a model of numbers only these, float32.
    """

    function = Classify.name
    second: ClassVar[tf.TensorSpec] = TEXTS  # of an input of two parts

    def __init__(self, pretrained: Pretrained) -> None:
        names = pretrained.task.spec().parts or ("texts",)
        specs = zip(names, (TEXTS, self.second), strict=False)
        super().__init__(pretrained, {name.replace(" ", "_"): spec for name, spec in specs})
        self.labels = tf.constant(pretrained.labels, tf.string)

    def _run(self, *texts: Any) -> Any:
        ids = [self.reader.encode(each) for each in texts]
        readable = tf.reduce_all(list(map(self._readable, ids, texts)), axis=0)
        logits = tf.cast(self._parts.model(self._read(ids), training=False), tf.float32)
        if not self._parts.task.labels:
            return {"outputs": tf.where(readable, logits[:, 0], float("nan"))}
        outputs = tf.gather(self.labels, tf.argmax(logits, axis=1))
        probabilities = tf.where(readable[:, None], tf.nn.softmax(logits), float("nan"))
        return {"outputs": tf.where(readable, outputs, ""), "probabilities": probabilities}

    def _read(self, ids: list[Any]) -> Any:
        """Return what the model reads of the ids of the texts, int32."""
        model, tokenizer = self._parts.model, self._parts.source
        if not isinstance(model, SequenceClassifier):
            (words,) = ids
            first = [] if tokenizer.start_id == tokenizer.end_id else [tokenizer.start_id]
            if self._parts.recipe.data.reverse:
                words = tf.reverse(words, axis=[1])
            return left_padded(framed(*first, words, tokenizer.end_id), tokenizer.pad_id, least=1)
        form, specials, room = _form(self._parts)
        if len(ids) == 1:
            rows = [framed(specials.start, self._part(ids[0], room), specials.extract)]
        else:
            kept = _shared_room(ids[0].row_lengths(), ids[1].row_lengths(), room)
            first, second = map(self._part, ids, kept)
            pairs = [(first, second), (second, first)][: 2 if form is sequences.BOTH_ORDERS else 1]
            rows = [
                framed(specials.start, a, specials.delimiter, b, specials.extract) for a, b in pairs
            ]
        padded = [left_padded(row, tokenizer.pad_id, form.least) for row in rows]
        return padded[0] if len(padded) == 1 else tf.stack(padded, axis=1)

    def _part(self, ids: Any, most: Any) -> Any:
        """Return a text's ids as its sequence has them."""
        kept = cut(ids, most)
        return tf.reverse(kept, axis=[1]) if self._parts.recipe.data.reverse else kept


class Chooser(Classifier):
    """Contexts, string [batch], and answers, [batch, answers], to the most probable answers.

    The function returns "outputs", string [batch], and "probabilities", float32 [batch, answers].
    """

    function = Choose.name
    second = tf.TensorSpec([None, None], tf.string)

    def _run(self, context: Any, answers: Any) -> Any:
        tokenizer = self._parts.source
        form, specials, room = _form(self._parts)
        batch, count = tf.shape(answers)[0], tf.shape(answers)[1]
        given = self.reader.encode(context)
        flat = tf.reshape(answers, [-1])
        answer_ids = self.reader.encode(flat)
        known_answers = tf.reshape(self._readable(answer_ids, flat), [batch, count])
        readable = self._readable(given, context) & tf.reduce_all(known_answers, axis=1)
        kept = tf.minimum(answer_ids.row_lengths(), room)
        beside = room - tf.reduce_max(tf.reshape(kept, [batch, count]), axis=1)
        place = tf.repeat(tf.range(batch), count)
        rows = framed(
            specials.start, tf.gather(self._part(given, beside), place),
            specials.delimiter, self._part(answer_ids, kept), specials.extract,
        )  # fmt: skip
        rows = left_padded(rows, tokenizer.pad_id, form.least)
        rows = tf.reshape(rows, [batch, count, tf.shape(rows)[1]])
        logits = tf.cast(self._parts.model(rows, training=False), tf.float32)
        outputs = tf.gather(answers, tf.argmax(logits, axis=1), batch_dims=1)
        probabilities = tf.where(readable[:, None], tf.nn.softmax(logits), float("nan"))
        return {"outputs": tf.where(readable, outputs, ""), "probabilities": probabilities}


def _form(parts: _Parts) -> tuple[sequences.Form, Specials, int]:
    """Return a task's form, the special ids, and the room for ids of texts in a sequence."""
    form, model = parts.task.form, parts.model
    longest = sequences.longest_of_model(model.context, parts.recipe.data)
    return form, Specials(*model.specials), longest - form.specials


def _shared_room(first: Any, second: Any, room: int) -> tuple[Any, Any]:
    """Return `zoo.data.sequences.shared_room` of lengths [batch] each."""
    half = room // 2
    fits, short, shorter = first + second <= room, second <= half, first <= room - half
    of_first = tf.where(short, room - second, tf.where(shorter, first, room - half))
    of_second = tf.where(short, second, tf.where(shorter, room - first, half))
    return tf.where(fits, first, of_first), tf.where(fits, second, of_second)
