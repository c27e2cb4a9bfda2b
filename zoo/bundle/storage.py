"""A trained model on disk: a folder of plain files, written whole or not at all.

    recipe.toml         the resolved recipe
    model.safetensors   weights, keyed by attribute path; over 16 MB shards in its place,
                        model-00001-of-00002.safetensors and so on, and
                        model.safetensors.index.json
    tokenizer.model     or source.model and target.model
    metrics.json        measurements
    golden.json         a few inputs with their outputs
    history.csv         the training curve
    README.md, LICENSE  the model card and the licence of the weights, which may be edited by hand
    bundle.json         format number, size and sha256 of every file but the last two

The folder is flat, and holds neither pickles nor code.
"""

from __future__ import annotations

import contextlib
import csv
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo import files, seeds
from zoo.bundle import manifest, model_card
from zoo.bundle.manifest import EDITABLE, MANIFEST, REQUIRED, WEIGHTS, read_json, to_json
from zoo.bundle.tensors import Tensors
from zoo.bundle.weights import arrays, filled, save_weights
from zoo.config import catalog, shards
from zoo.config import recipe as recipes
from zoo.errors import BundleError, OptionError, did_you_mean
from zoo.files import recover

if TYPE_CHECKING:
    import keras

    from zoo.text import Tokenizer

# The key of metrics.json that names the weights which were measured.
MEASURED = "weights_sha256"
POLICIES = ("float32", "float16", "bfloat16", "mixed_float16", "mixed_bfloat16")


@dataclass(frozen=True)
class Bundle:
    """A verified bundle: its folder, the content of its text files, the hash of its weights.

    `metrics` are empty if metrics.json names other weights. `weights` is model.safetensors, or the
    index of its shards.
    """

    folder: Path
    recipe: recipes.Recipe
    metrics: dict[str, Any]
    golden: dict[str, Any]
    history: list[dict[str, str]]
    sha256: str
    weights: Path


# Folders


def write(
    folder: str | os.PathLike[str],
    *,
    model: keras.Model | Mapping[str, np.ndarray],
    recipe: recipes.Recipe,
    tokenizers: tuple[Tokenizer, Tokenizer],
    metrics: Mapping[str, Any] | None = None,
    golden: Mapping[str, Any] | Callable[[keras.Model], Mapping[str, Any] | None] | None = None,
    history: Sequence[Mapping[str, Any]] | None = None,
    card: str | None = None,
    license: str | None = None,
    dtype: str = "float16",
) -> Path:
    """Write a bundle and return its folder.

    A sibling folder is written first and then renamed, so an existing bundle stays whole if the
    disk fills up, the process is killed or the model cannot be built again from what was written.
    Files added to it by hand are kept.

    Args:
        folder: a new or empty folder, or an existing bundle, which is replaced.
        model: a built model, or its weights as arrays keyed by `variables`.
        recipe: written resolved, with every argument of the builder.
        tokenizers: the source's and the target's, the same object twice if they are shared.
        metrics: of exactly these weights; metrics.json names them by their hash.
        golden: golden outputs, or a function that records them from the model as it was stored.
        history: one row per epoch.
        card, license: README.md and LICENSE; None generates both from recipe, metrics, registry.
        dtype: how weights are stored; see `save_weights`.

    Raises:
        BundleError: the folder holds something else, the disk refuses, or the weights are not
            those of the recipe's model.
    """
    from zoo.text import save_tokenizers

    resolved = recipe.resolved()
    _check_vocabularies(resolved.model.arguments, tokenizers)
    weights = model if isinstance(model, Mapping) else arrays(model)
    with _replacing(Path(folder)) as staged:
        written = save_weights(staged / WEIGHTS, weights, dtype)
        save_tokenizers(staged, *tokenizers)
        recorded = None if callable(golden) else golden
        if callable(golden) or not isinstance(model, Mapping):
            built = _read_back(written, resolved)
            recorded = golden(built) if callable(golden) else golden
        names = shards.of(path.name for path in staged.iterdir())
        sha256 = shards.hash_of({name: files.sha256(staged / name) for name in names}) or ""
        if card is None:
            known = "" if _is_registry(Path(folder)) else sha256
            parameters = sum(map(np.size, weights.values()))
            quantized = Tensors(written).quantized
            card = model_card.text(
                resolved, metrics or {}, parameters, sha256=known, quantized=quantized
            )
        texts = {
            "recipe.toml": recipes.dumps(resolved),
            "metrics.json": None if metrics is None else to_json(_measured(metrics, sha256)),
            "golden.json": to_json(recorded) if recorded else None,
            "README.md": card,
            "LICENSE": model_card.license_text(resolved) if license is None else license,
        }
        for name, content in texts.items():
            if content is not None:
                (staged / name).write_text(content, encoding="utf-8", newline="\n")
        if history:
            files.write_csv(staged / "history.csv", history)
        manifest.write(staged)
    return Path(folder)


def _read_back(path: Path, recipe: recipes.Recipe) -> keras.Model:
    """Return the recipe's model with the weights that were just written."""
    try:
        return model_with(path, recipe)
    except BundleError as error:
        what = error.message.removeprefix(f"{path} does not fit ")
        raise BundleError(
            f"the model is no longer that of its recipe: {what}",
            "remove what was added to it, or keep all of it with `model.model.save`",
        ) from error


def _measured(metrics: Mapping[str, Any], sha256: str) -> dict[str, Any]:
    """Return the content of metrics.json: metrics, and the hash of the weights they are of."""
    return {**metrics, MEASURED: sha256} if metrics else {}


def _is_registry(folder: Path) -> bool:
    """Return whether a bundle is written into the registry, where its name will load it."""
    return folder.expanduser().resolve().parent == catalog.bundles().resolve()


def _check_vocabularies(
    arguments: Mapping[str, Any], tokenizers: tuple[Tokenizer, Tokenizer]
) -> None:
    for side, tokenizer in zip(("source", "target"), tokenizers, strict=True):
        rows = arguments.get("vocabulary", arguments.get(f"{side}_vocabulary"))
        if rows is not None and tokenizer.size > rows:
            raise BundleError(
                f"the {side}'s tokenizer has {tokenizer.size:,} pieces, the model only {rows:,}",
                "write the tokenizer that the model was trained with",
            )


def rewrite(folder: str | os.PathLike[str], changes: Mapping[str, str | Mapping[str, Any]]) -> Path:
    """Replace some text files of a bundle, as atomically as `write`; a mapping becomes JSON.

    `rewrite(folder, {"metrics.json": {...}, "README.md": "..."})`; metrics are of its weights.
    """
    previous = read(folder)
    folder = previous.folder
    with _replacing(folder) as staged:
        for name in [*manifest.names(folder), *EDITABLE]:
            if name not in changes and (folder / name).exists():
                shutil.copyfile(folder / name, staged / name)
        for name, content in changes.items():
            if name == "metrics.json" and not isinstance(content, str):
                content = _measured(content, previous.sha256)
            text = content if isinstance(content, str) else to_json(content)
            (staged / manifest.plain(name, folder)).write_text(text, encoding="utf-8", newline="\n")
        manifest.write(staged)
    return folder


def read(folder: str | os.PathLike[str]) -> Bundle:
    """Verify a bundle and return it; raise as `verify` does, and RecipeError for a newer recipe."""
    with reading(folder) as bundle:
        return bundle


@contextlib.contextmanager
def reading(folder: str | os.PathLike[str]) -> Iterator[Bundle]:
    """Yield what `read` returns while another thread still verifies the weights.

    They are known to be whole only after the block. Raises what `read` raises, at its end too.
    """
    folder = Path(folder).expanduser()
    recover(folder)
    with manifest.verifying(folder) as hashes:
        sha256 = shards.hash_of(hashes)
        assert sha256 is not None  # `verifying` found all files of weights
        text = (folder / "recipe.toml").read_text(encoding="utf-8")
        metrics = read_json(folder / "metrics.json")
        if metrics.pop(MEASURED, sha256) != sha256:  # bundles of earlier versions name none
            metrics = {}
        yield Bundle(
            folder,
            recipes.loads(text, where=f"{folder / 'recipe.toml'}", warn=False),
            metrics,
            read_json(folder / "golden.json"),
            _read_csv(folder / "history.csv"),
            sha256,
            folder / shards.entry(hashes),
        )


def is_bundle(folder: Path) -> bool:
    """Return whether a folder is a bundle, complete or not."""
    return any((folder / name).exists() for name in (MANIFEST, *REQUIRED[:1]))


def check_writable(folder: str | os.PathLike[str]) -> None:
    """Check that `write` could put a bundle here, before hours of training.

    Raises BundleError if the folder is a file or holds something other than a bundle.
    """
    folder = Path(folder).expanduser()
    if folder.exists() and not folder.is_dir():
        raise BundleError(f"{folder} is a file", "name a folder")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / MANIFEST).is_file():
        raise BundleError(
            f"{folder} exists and is no bundle: {MANIFEST} is missing",
            "name a new folder, or remove this one",
        )


@contextlib.contextmanager
def _replacing(folder: Path) -> Iterator[Path]:
    """Yield an empty folder that takes the place of `folder` when the block succeeds."""
    folder = folder.expanduser().resolve()
    try:
        recover(folder)
        check_writable(folder)
        with files.replacing_folder(folder, _adopt) as staged:
            yield staged
    except OSError as error:
        raise BundleError(
            f"cannot write {folder}: {error.strerror or error}",
            "free some space or choose another folder; what was there before is untouched",
        ) from error


def _adopt(previous: Path, folder: Path) -> None:
    """Move the files that were added to the replaced bundle into the new one."""
    belongs = {MANIFEST, *EDITABLE, *read_json(previous / MANIFEST).get("files", {})}
    for path in previous.iterdir():
        if path.name not in belongs and not (folder / path.name).exists():
            path.rename(folder / path.name)


def _read_csv(path: Path) -> list[dict[str, str]]:
    """Return the rows of a CSV file, [] if it is missing."""
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


# Models


def build_model(bundle: Bundle, dtype: str | None = None) -> keras.Model:
    """Return the bundle's model, which computes in a Keras dtype policy; None is float32."""
    return model_with(bundle.weights, bundle.recipe, dtype)


def model_with(
    weights: Path | Mapping[str, np.ndarray], recipe: recipes.Recipe, dtype: str | None = None
) -> keras.Model:
    """Return the model of a recipe with weights from files or arrays; see `filled`.

    The caller's random state stays as it is.
    """
    dtype = dtype or "float32"
    check_dtype(dtype)
    entry = catalog.entry(recipe.paper)
    arguments = catalog.arguments(entry, recipe.model.size, dict(recipe.model.arguments))

    def build() -> keras.Model:
        model = catalog.builder(entry, recipe.model.size)(**arguments, dtype=dtype)
        model.build()
        return model

    with seeds.building():
        return filled(build, weights)


def check_dtype(dtype: str) -> None:
    """Raise OptionError unless `dtype` names a Keras dtype policy of the zoo's models."""
    if dtype not in POLICIES:
        raise OptionError(f"there is no dtype '{dtype}'", did_you_mean(dtype, POLICIES))
