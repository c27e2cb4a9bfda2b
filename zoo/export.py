"""Export a TensorFlow SavedModel from text to text, which needs neither Keras nor this package.

One graph holds everything: tensorflow_text's SentencePiece tokenizer with the bundle's own model,
greedy decoding, and detokenizing. TensorFlow and tensorflow_text suffice to run it:

    import tensorflow, tensorflow_text

    loaded = tensorflow.saved_model.load("DIR")
    loaded.translate(["I am going to work today."])
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from zoo.decoding import search
from zoo.errors import BundleError, NotSupported, OptionError, check_path
from zoo.files import replacing_folder
from zoo.tasks.translate import Translate
from zoo.text import SentencePieceTokenizer

if TYPE_CHECKING:
    from zoo.pretrained import Pretrained

# Beside TensorFlow's files; describes the export, and permits `export` to replace the folder.
ABOUT = "paperzoo.json"


def export(pretrained: Pretrained, folder: str | os.PathLike[str]) -> Path:
    """Write a SavedModel that takes texts and gives texts, and return its folder.

    It has the function `translate`, and the signature "serving_default" with the input "texts" and
    the output "outputs": string [batch] each. An output equals that of `predict(...,
    beam_size=1, split_sentences=False)`: a graph cannot cut a text into sentences. Nor can it
    refuse one: where `predict` would, the output is empty; a long text is cut where `predict` cuts
    it. The folder is written aside and renamed, so it is whole or absent.

    Args:
        folder: a new or empty folder, or an earlier export, which is replaced.

    Raises:
        NotSupported: the model is not a translator, or reads words, for which TensorFlow lacks a
            tokenizer; Keras does not run on TensorFlow; tensorflow_text is not installed.
        OptionError: the folder holds something else.
        BundleError: the disk refuses.
    """
    check_path("folder", folder)
    tokenizers = _in_sentencepiece(pretrained)
    _check_backend()
    folder = Path(folder).expanduser().resolve()
    _check_folder(folder)
    import tensorflow

    module = _module(pretrained, *tokenizers)
    try:
        with replacing_folder(folder) as aside:
            signature = module.translate.get_concrete_function()
            tensorflow.saved_model.save(module, str(aside), signatures=_named(signature))
            (aside / ABOUT).write_text(_about(pretrained), encoding="utf-8")
    except (OSError, tensorflow.errors.OpError) as failure:
        raise BundleError(
            f"cannot write {folder}: {failure}", "free some space or choose another folder"
        ) from failure
    return folder


def _in_sentencepiece(
    pretrained: Pretrained,
) -> tuple[SentencePieceTokenizer, SentencePieceTokenizer]:
    """Return both tokenizers; raise NotSupported unless a TensorFlow graph can hold them."""
    name, task = pretrained.recipe.name, pretrained.recipe.task
    if not isinstance(pretrained.task, Translate):
        raise NotSupported(
            f"{name} is there to {task}, and only a translator can be exported", "use `zoo predict`"
        )
    source, target = pretrained.source_tokenizer, pretrained.target_tokenizer
    if isinstance(source, SentencePieceTokenizer) and isinstance(target, SentencePieceTokenizer):
        return source, target
    words = source.unknown == "words"
    read = "words cut by the rules of Moses" if words else "pieces of another library"
    raise NotSupported(
        f"{name} reads {read}, which no SavedModel can hold",
        "use `zoo predict`, or train a model with tokenizer.kind = 'sentencepiece'",
    )


def _check_backend() -> None:
    if keras.backend.backend() != "tensorflow":
        raise NotSupported(
            f"a SavedModel is TensorFlow's, and Keras runs on {keras.backend.backend()} here",
            "set KERAS_BACKEND=tensorflow for this command; the bundle is the same",
        )
    try:
        import tensorflow_text  # noqa: F401
    except ImportError as failure:
        raise NotSupported(
            f"tensorflow_text cannot be imported: {failure}",
            "pip install tensorflow-text of TensorFlow's own version; Windows has none",
        ) from failure


def _check_folder(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise OptionError(f"{folder} is a file", "name a folder")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / ABOUT).is_file():
        raise OptionError(
            f"{folder} is not empty and holds no export: {ABOUT} is missing",
            "name a new folder, or remove this one",
        )


def _module(
    pretrained: Pretrained, source: SentencePieceTokenizer, target: SentencePieceTokenizer
) -> Any:
    """Return a tensorflow.Module with the function `translate`, string [batch] to the same."""
    import tensorflow as tf
    import tensorflow_text

    model, recipe = pretrained.model, pretrained.recipe
    longest = model.max_length

    def in_graph(tokenizer: SentencePieceTokenizer, name: str) -> Any:
        # After loading, tokenizers of the same name would be one.
        return tensorflow_text.SentencepieceTokenizer(tokenizer.model, tf.int32, name=name)

    class Translator(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            self.reader = in_graph(source, "source")
            self.writer = self.reader if source is target else in_graph(target, "target")
            self.known, self.words = map(tf.constant, _known(source))
            # TensorFlow's own variables: a Keras model would bring Keras into the file.
            self.weights = [weight.value for weight in model.weights]

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "texts")], autograph=False)
        def translate(self, texts: Any) -> Any:
            for signs, replacement in _replacements(source):
                texts = tf.strings.regex_replace(texts, signs, replacement)
            ids = self.reader.tokenize(texts)  # ragged [batch, pieces]
            # Known signs make no text that is otherwise unknown readable.
            has_word, has_sign, has_unknown = (
                tf.reduce_any(found, axis=1)
                for found in (
                    tf.gather(self.words, ids),
                    tf.gather(self.known, ids),
                    ids == source.unk_id,
                )
            )
            readable = has_word | (has_sign & ~has_unknown)
            if longest is not None:
                ids = ids[:, : longest - 1]
            if recipe.data.reverse_source:
                ids = tf.reverse(ids, axis=[1])
            ids = tf.concat([ids, tf.fill([tf.shape(texts)[0], 1], source.end_id)], axis=1)
            limits = tf.cast(ids.row_lengths(), tf.int32) + recipe.evaluate.max_extra
            if longest is not None:
                limits = tf.minimum(limits, longest)
            ids = search.greedy(
                model,
                ids.to_tensor(source.pad_id),
                start_id=target.start_id,
                end_id=target.end_id,
                pad_id=target.pad_id,
                # An unreadable text stops after one step.
                limits=tf.where(readable, limits, 1),
                forbidden_ids=target.forbidden_ids,
            )
            special = (target.pad_id, target.start_id, target.end_id)
            text = tf.reduce_all([ids != token for token in special], axis=0)
            outputs = self.writer.detokenize(tf.ragged.boolean_mask(ids, text))
            return tf.where(readable, outputs, "")

    return Translator()


def _named(function: Any) -> Any:
    """Return the function as a signature with a named output."""
    import tensorflow as tf

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "texts")], autograph=False)
    def serve(texts: Any) -> dict[str, Any]:
        return {"outputs": function(texts)}

    return serve


def _replacements(tokenizer: SentencePieceTokenizer) -> list[tuple[str, str]]:
    """Return what `Tokenizer.plain` does as regular expressions and their replacements."""
    signs: dict[str, str] = {}
    for code, plain in tokenizer.replacements.items():
        signs[plain] = signs.get(plain, "") + f"\\x{{{code:x}}}"
    return [(f"[{codes}]", plain) for plain, codes in signs.items()]


def _known(tokenizer: SentencePieceTokenizer) -> tuple[np.ndarray, np.ndarray]:
    """Return which pieces are known, and which of these have a letter or digit: bool [vocabulary].

    Unknown, special and whitespace pieces are not.
    """
    pieces = tokenizer.pieces(range(tokenizer.size))
    known = np.array([piece.strip("\u2581") != "" for piece in pieces])
    known[[tokenizer.pad_id, tokenizer.unk_id, tokenizer.start_id, tokenizer.end_id]] = False
    return known, known & [any(map(str.isalnum, piece)) for piece in pieces]


def _about(pretrained: Pretrained) -> str:
    """Return the text of paperzoo.json: which model this is, and the versions that made it."""
    import tensorflow

    from zoo.version import __version__

    recipe = pretrained.recipe
    facts = {
        "paper": recipe.paper,
        "recipe": recipe.name,
        "task": recipe.task,
        "languages": [recipe.data.source, recipe.data.target],
        "decoding": "greedy",
        "paperzoo": __version__,
        "tensorflow": tensorflow.__version__,
    }
    return json.dumps(facts, indent=1, ensure_ascii=False) + "\n"
