"""Nematus' translators, such as Edinburgh's of WMT16, as bahdanau2015 with its conditional decoder.

model.npz, the weights; model.npz.json, the options; the two dictionaries that the options name, as
vocab.en.json and vocab.de.json; and, if it is there, one file *.bpe of merges. Without merges words
that are in a dictionary are read as they are, and all others are unknown. The truecaser that these
models were trained with is not used: a sentence's first word stays as it is written.

Matrices have inputs first, as here. In Nematus u keeps the old state, here z takes the new one, so
that its weights change their sign; its gates lie side by side as r, u. Of the alignment's constant
(decoder_c_tt) nothing is left after the softmax. Words come in the zoo's order, with padding and
start put in, which Nematus has no rows for; nothing can make the decoder write these two.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from zoo.config import recipe as recipes
from zoo.convert import Converted
from zoo.convert import tensors as checkpoints
from zoo.convert.facts import read_json, read_merges
from zoo.errors import BundleError
from zoo.text import SubwordTokenizer
from zoo.text.moses import SPECIAL

RECIPE = "bahdanau2015-wmt14-en-fr"
# What is saved beside the weights: the course of training.
LEFT_OUT = {"history_errs", "uidx", "zipped_params"}
# Options with the one value, beside none, that the zoo's model has.
FIXED = {"encoder": "gru", "decoder": "gru_cond", "use_dropout": False, "factors": 1}
# Ids of Nematus: the end, the unknown word, then the others.
END, UNKNOWN, FIRST = 0, 1, 2
# A bias that leaves no probability, also in 16 bits.
NEVER = -1e4
LANGUAGE = re.compile(r"vocab\.(\w+)\.json$")
# The code for a language that is not known.
UNDETERMINED = "und"
# Names with their shapes: m the embedding's width, n the state's, and so on.
GRU = {"W": "m 2n", "b": "2n", "U": "n 2n", "Wx": "m n", "bx": "n", "Ux": "n n"}
SHAPES = {
    "Wemb": "s m", "Wemb_dec": "t m",
    **{f"{gru}_{name}": shape for gru in ("encoder", "encoder_r", "decoder")
       for name, shape in GRU.items()},
    "decoder_U_nl": "n 2n", "decoder_b_nl": "2n", "decoder_Ux_nl": "n n", "decoder_bx_nl": "n",
    "decoder_Wc": "2n 2n", "decoder_Wcx": "2n n",
    "decoder_W_comb_att": "n 2n", "decoder_Wc_att": "2n 2n", "decoder_b_att": "2n",
    "decoder_U_att": "2n 1", "decoder_c_tt": "1",
    "ff_state_W": "2n n", "ff_state_b": "n",
    "ff_logit_lstm_W": "n m", "ff_logit_lstm_b": "m",
    "ff_logit_prev_W": "m m", "ff_logit_prev_b": "m",
    "ff_logit_ctx_W": "2n m", "ff_logit_ctx_b": "m",
    "ff_logit_W": "m t", "ff_logit_b": "t",
}  # fmt: skip


def recognises(path: Path) -> bool:
    """Return whether a folder holds one of these checkpoints, or a file is one."""
    return bool(_candidates(path))


def read(path: Path) -> Converted:
    """Read a checkpoint: model.npz of a folder, or the file that is named.

    Raises:
        BundleError: a file or array is missing, surplus, of another shape or unsafe to read; or the
            model is not the zoo's.
    """
    candidates = _candidates(path)
    file = next((each for each in candidates if each.name == "model.npz"), candidates[0])
    if len(candidates) > 1 and file.name != "model.npz":
        raise BundleError(
            f"{path} has {len(candidates)} models: {', '.join(each.name for each in candidates)}",
            "name the file of one of them",
        )
    options = read_json(_options(file))
    for key, value in FIXED.items():
        if options.get(key) not in (None, value):
            raise BundleError(
                f"{_options(file)}: {key} is {options[key]!r}, bahdanau2015 has {value!r}",
                "only models of one conditional GRU, trained without dropout, can be read",
            )
    sizes, arrays = _arrays(file)
    tokenizers = _tokenizers(file, options, sizes)
    arguments = {
        "source_vocabulary": tokenizers[0].size, "target_vocabulary": tokenizers[1].size,
        "embedding": sizes["m"], "width": sizes["n"], "alignment": sizes["2n"],
        "maxout": sizes["m"], "dropout": 0.0, "decoder": "conditional", "padding_id": 0,
    }  # fmt: skip
    source, target = (each.language for each in tokenizers)
    changes: dict[str, Any] = {
        "name": f"bahdanau2015-nematus-{source}-{target}",
        "converted": "Nematus",
        "data.corpus": "wmt16",
        "data.source": source,
        "data.target": target,
        "data.limit": None,
        "data.hub": None,
        "data.hub_config": None,
        "tokenizer.source_vocabulary": tokenizers[0].size,
        "tokenizer.vocabulary": tokenizers[1].size,
        # Nematus divides by |Y|, GNMT by ((5 + |Y|) / 6)^alpha.
        "evaluate.length_penalty": 1.0,
    }
    changes |= {f"model.arguments.{name}": value for name, value in arguments.items()}
    made = recipes.load(RECIPE).changed(changes).resolved()
    return Converted(made, _weights(arrays, sizes["n"]), tokenizers)


def _candidates(path: Path) -> list[Path]:
    """Return the archives of weights with options beside them."""
    found = [path] if path.is_file() else sorted(path.glob("*.npz"))
    return [
        each
        for each in found
        if each.suffix == ".npz"
        and _options(each).is_file()
        and "dim_word" in read_json(_options(each))
    ]


def _options(file: Path) -> Path:
    return file.with_name(f"{file.name}.json")


# Weights


def _arrays(file: Path) -> tuple[dict[str, int], dict[str, np.ndarray]]:
    """Return the sizes of a model, by the letters of SHAPES, and its arrays."""
    found = {name: each for name, each in checkpoints.npz(file).items() if name not in LEFT_OUT}
    shapes = {name: found[name].shape for name in SHAPES if name in found}
    firsts = [shapes.get(name, ()) for name in ("Wemb", "Wemb_dec", "encoder_U")]
    if not all(len(shape) == 2 for shape in firsts):
        raise BundleError(f"{file} has no Wemb, Wemb_dec or encoder_U", "copy it again")
    (source, embedding), (target, _), (width, _) = firsts
    sizes = {
        "s": source, "t": target, "m": embedding, "n": width, "2n": 2 * width, "1": 1,
    }  # fmt: skip
    if min(source, target) <= FIRST:
        raise BundleError(f"{file} has no rows for words", "copy it again")
    wanted = {
        name: (name, tuple(sizes[side] for side in shape.split())) for name, shape in SHAPES.items()
    }
    return sizes, checkpoints.take(found, wanted, file)


def _weights(given: Mapping[str, np.ndarray], width: int) -> dict[str, np.ndarray]:
    """Return the weights by our names."""

    def signed(gates: np.ndarray) -> np.ndarray:
        """Return [z, r] of [r, u], side by side."""
        return np.concatenate([-gates[..., width:], gates[..., :width]], axis=-1)

    def joined(inner: str, gates: str) -> np.ndarray:
        return np.concatenate([given[inner], signed(given[gates])], axis=-1)

    made = {
        "source_embedding.embeddings": _house(given["Wemb"], 0.0),
        "target_embedding.embeddings": _house(given["Wemb_dec"], 0.0),
        "softmax.kernel": _house(given["ff_logit_W"].T, 0.0).T,
        "softmax.bias": _house(given["ff_logit_b"], NEVER),
        "decoder.W_s": given["ff_state_W"],
        "decoder.b_s": given["ff_state_b"],
        "decoder.U_o": given["ff_logit_lstm_W"],
        "decoder.V_o": given["ff_logit_prev_W"],
        "decoder.C_o": given["ff_logit_ctx_W"],
        "decoder.b_o": given["ff_logit_lstm_b"]
        + given["ff_logit_prev_b"]
        + given["ff_logit_ctx_b"],
        "decoder.alignment.W_a": given["decoder_W_comb_att"],
        "decoder.alignment.U_a": given["decoder_Wc_att"],
        "decoder.alignment.b_a": given["decoder_b_att"],
        "decoder.alignment.v_a": given["decoder_U_att"][:, 0],
        "decoder.context_gru.W": joined("decoder_Wcx", "decoder_Wc"),
        "decoder.context_gru.b": joined("decoder_bx_nl", "decoder_b_nl"),
        "decoder.context_gru.U": given["decoder_Ux_nl"],
        "decoder.context_gru.U_zr": signed(given["decoder_U_nl"]),
    }
    names = {
        "encoder_forward": "encoder",
        "encoder_backward": "encoder_r",
        "decoder.gru": "decoder",
    }
    for ours, theirs in names.items():
        made[f"{ours}.W"] = joined(f"{theirs}_Wx", f"{theirs}_W")
        made[f"{ours}.b"] = joined(f"{theirs}_bx", f"{theirs}_b")
        made[f"{ours}.U"] = given[f"{theirs}_Ux"]
        made[f"{ours}.U_zr"] = signed(given[f"{theirs}_U"])
    return made


def _house(rows: np.ndarray, new: float) -> np.ndarray:
    """Return rows in the zoo's order: padding, unknown, start, end, words; `new` is in new ones."""
    fresh = np.full_like(rows[:1], new)
    unknown, end = rows[UNKNOWN : UNKNOWN + 1], rows[END : END + 1]
    return np.concatenate([fresh, unknown, fresh, end, rows[FIRST:]])


# Tokenizers


def _tokenizers(
    file: Path, options: Mapping[str, Any], sizes: Mapping[str, int]
) -> tuple[SubwordTokenizer, SubwordTokenizer]:
    names = options.get("dictionaries")
    if not isinstance(names, list) or len(names) != 2 or not all(isinstance(x, str) for x in names):
        raise BundleError(
            f"{_options(file)} does not name two dictionaries", "copy the whole checkpoint"
        )
    codes = sorted(file.parent.glob("*.bpe"))
    if len(codes) > 1:
        raise BundleError(
            f"{file.parent} has {' and '.join(each.name for each in codes)}",
            "leave the merges that belong to the weights",
        )
    merges = read_merges(codes[0]) if codes else []
    made = []
    for name, side in zip(names, "st", strict=True):
        path = file.parent / re.split(r"[/\\]", name)[-1]
        language = LANGUAGE.search(path.name)
        words = [*SPECIAL, *_words(path, sizes[side])]
        made.append(
            SubwordTokenizer(words, SPECIAL, language[1] if language else UNDETERMINED, merges)
        )
    return made[0], made[1]


def _words(path: Path, rows: int) -> list[str]:
    """Return the words of a dictionary for all rows but the first two, as they are in the file.

    A row without a word gets a name that no text has; a word without a row is left out.
    """
    words = [f"<{i}>" for i in range(FIRST, rows)]
    given = read_json(path)
    for word, i in given.items():
        if type(i) is int and FIRST <= i < rows:
            words[i - FIRST] = word
    if not any(type(i) is int for i in given.values()):
        raise BundleError(f"{path} is no dictionary of words", "copy it again")
    return words
