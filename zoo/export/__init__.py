"""Export a TensorFlow SavedModel with texts in, which needs neither Keras nor this package.

One graph holds everything: the tokenizer, the model, and the search or the labels. TensorFlow
suffices to run it, with tensorflow_text for tokenizers of SentencePiece:

    import tensorflow, tensorflow_text

    loaded = tensorflow.saved_model.load("DIR")
    loaded.translate(["I am going to work today."])

| task | function | inputs | outputs |
|---|---|---|---|
| translation | translate | texts | the translations |
| generation | generate | texts | each text with its continuation |
| classification | classify | texts | outputs: labels; probabilities |
| entailment, similarity | classify | the two texts | outputs: labels, or numbers; probabilities |
| multiple choice | choose | contexts, answers [batch, answers] | outputs: answers; probabilities |

The signature "serving_default" has the same inputs and outputs by name.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import keras

from zoo.config.tokenizers import TOKENIZERS
from zoo.errors import BundleError, NotSupported, OptionError, check_path
from zoo.export import arpa
from zoo.files import replacing_folder
from zoo.tasks.generate import Generate
from zoo.text import SentencePieceTokenizer
from zoo.text.bpe import BpeTokenizer

if TYPE_CHECKING:
    from zoo.pretrained import Pretrained

# Beside TensorFlow's files; describes the export, and permits `export` to replace the folder.
ABOUT = "paperzoo.json"


def export(pretrained: Pretrained, folder: str | os.PathLike[str]) -> Path:
    """Write a SavedModel that takes texts, and return its folder; or an ARPA file.

    Its functions are listed above, string or float32 [batch] each, "probabilities" float32 [batch,
    labels]; the labels are in paperzoo.json. An output equals that of `predict`, for a translator
    with `beam_size=1, split_sentences=False`. A graph cannot refuse a text: where `predict` would,
    the output is empty, or not a number; a long text is cut where `predict` cuts it. A batch may be
    empty. The folder is written aside and renamed, so it is whole or absent.

    Args:
        folder: a new or empty folder, or an earlier export, which is replaced. A name that ends in
            .arpa or .arpa.gz is a file, see `zoo.export.arpa.write`.

    Raises:
        NotSupported: the model reads texts in a way that TensorFlow cannot; Keras does not run on
            TensorFlow; tensorflow_text is missing.
        OptionError: the folder holds something else.
        BundleError: the disk refuses.
    """
    check_path("folder", folder)
    if arpa.names_arpa(folder):
        return arpa.write(pretrained, folder)
    _check_model(pretrained)
    _check_backend()
    folder = Path(folder).expanduser().resolve()
    _check_folder(folder)
    import tensorflow

    from zoo.export import modules

    module = modules.module(pretrained)
    try:
        with replacing_folder(folder) as aside:
            tensorflow.saved_model.save(module, str(aside), signatures=module.signature())
            (aside / ABOUT).write_text(_about(pretrained, module.function), encoding="utf-8")
    except (OSError, tensorflow.errors.OpError) as failure:
        raise BundleError(
            f"cannot write {folder}: {failure}", "free some space or choose another folder"
        ) from failure
    return folder


def _check_model(pretrained: Pretrained) -> None:
    """Raise NotSupported unless a TensorFlow graph can hold the tokenizers and the task."""
    name = pretrained.recipe.name
    for tokenizer in (pretrained.source_tokenizer, pretrained.target_tokenizer):
        if not isinstance(tokenizer, (SentencePieceTokenizer, BpeTokenizer)):
            words = tokenizer.unknown == "words"
            read = "words cut by the rules of Moses" if words else "pieces of another library"
            if TOKENIZERS[tokenizer.kind].unit == "character":
                read = "single characters"
            counted = "`zoo export NAME FILE.arpa` writes its table of n-grams; "
            raise NotSupported(
                f"{name} reads {read}, which no SavedModel can hold",
                f"{counted * arpa.has_table(pretrained.model)}use `zoo predict`, or "
                "`model.model.export` with ids in, logits out; models with "
                "tokenizer.kind 'sentencepiece' or 'bpe' can be exported",
            )
    if isinstance(pretrained.task, Generate) and pretrained.recipe.data.reverse:
        raise NotSupported(
            f"{name} reads a text from its last word to its first and cannot continue it",
            "export the model of the other direction",
        )


def _check_backend() -> None:
    if keras.backend.backend() != "tensorflow":
        raise NotSupported(
            f"a SavedModel is TensorFlow's, and Keras runs on {keras.backend.backend()} here",
            "set KERAS_BACKEND=tensorflow for this command; the bundle is the same",
        )


def _check_folder(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise OptionError(f"{folder} is a file", "name a folder")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / ABOUT).is_file():
        raise OptionError(
            f"{folder} is not empty and holds no export: {ABOUT} is missing",
            "name a new folder, or remove this one",
        )


def _about(pretrained: Pretrained, function: str) -> str:
    """Return the text of paperzoo.json: which model this is, and the versions that made it."""
    import tensorflow

    from zoo.version import __version__

    recipe = pretrained.recipe
    facts = {
        "paper": recipe.paper,
        "recipe": recipe.name,
        "task": recipe.task,
        "function": function,
        "languages": list(recipe.data.languages),
        "labels": pretrained.labels,
        "decoding": "greedy",
        "paperzoo": __version__,
        "tensorflow": tensorflow.__version__,
    }
    return json.dumps(facts, indent=1, ensure_ascii=False) + "\n"
