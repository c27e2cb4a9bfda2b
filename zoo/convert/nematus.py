"""Read Nematus' translators, such as Edinburgh's of WMT16, as bahdanau2015 (conditional decoder).

A checkpoint is model.npz, the weights; model.npz.json, the options; the two dictionaries that the
options name, as vocab.en.json and vocab.de.json; and optionally one file *.bpe of merges. Without
merges, words of a dictionary are read whole and all others are unknown. The truecaser that these
models were trained with is not used: a sentence's first word keeps its case.

Matrices have inputs first, as here. Nematus' u keeps the old state and our z takes the new one, so
the weights of z are negated; Nematus stores the gates as r, u. The softmax cancels the alignment's
constant (decoder_c_tt). Words take the zoo's order, with padding and start added, for which Nematus
has no rows; the decoder can never write these two.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from zoo.convert import Converted, adapted
from zoo.convert import tensors as checkpoints
from zoo.convert.facts import UNDETERMINED, read_json, read_merges
from zoo.errors import BundleError
from zoo.text import SubwordTokenizer
from zoo.text.moses import SPECIAL

RECIPE = "bahdanau2015-wmt14-en-fr"
# Arrays that record the course of training.
LEFT_OUT = {"history_errs", "uidx", "zipped_params"}
# The only values, beside none, that the zoo's model supports.
FIXED = {"encoder": "gru", "decoder": "gru_cond", "use_dropout": False, "factors": 1}
# Nematus' ids: the end, the unknown word, then the words.
END, UNKNOWN, FIRST = 0, 1, 2
# A bias that gives probability 0, also in 16 bits.
NEVER = -1e4
LANGUAGE = re.compile(r"vocab\.(\w+)\.json$")
# Shapes by name: m is the embedding's width, n the state's, s and t the vocabularies' sizes.
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
    """Read a folder's model.npz, or the named file; raise what `zoo.convert.read` does."""
    candidates = _candidates(path)
    file = next((path for path in candidates if path.name == "model.npz"), candidates[0])
    if len(candidates) > 1 and file.name != "model.npz":
        raise BundleError(
            f"{path} has {len(candidates)} models: {', '.join(path.name for path in candidates)}",
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
    source, target = (tokenizer.language for tokenizer in tokenizers)
    changes = {
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
    recipe = adapted(RECIPE, arguments, changes)
    return Converted(recipe, _weights(arrays, sizes["n"]), tokenizers)


def _candidates(path: Path) -> list[Path]:
    """Return the archives of weights with options beside them."""
    files = [path] if path.is_file() else sorted(path.glob("*.npz"))
    return [
        file
        for file in files
        if file.suffix == ".npz"
        and _options(file).is_file()
        and "dim_word" in read_json(_options(file))
    ]


def _options(file: Path) -> Path:
    return file.with_name(f"{file.name}.json")


# Weights


def _arrays(file: Path) -> tuple[dict[str, int], dict[str, np.ndarray]]:
    """Return the sizes of a model, by the letters of SHAPES, and its arrays."""
    tensors = {name: array for name, array in checkpoints.npz(file).items() if name not in LEFT_OUT}
    shapes = {name: tensors[name].shape for name in SHAPES if name in tensors}
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
    return sizes, checkpoints.take(tensors, wanted, file)


def _weights(arrays: Mapping[str, np.ndarray], width: int) -> dict[str, np.ndarray]:
    """Return the weights by our names."""

    def signed(gates: np.ndarray) -> np.ndarray:
        """Return [z, r] of [r, u], side by side."""
        return np.concatenate([-gates[..., width:], gates[..., :width]], axis=-1)

    def joined(inner: str, gates: str) -> np.ndarray:
        return np.concatenate([arrays[inner], signed(arrays[gates])], axis=-1)

    weights = {
        "source_embedding.embeddings": _in_zoo_order(arrays["Wemb"], 0.0),
        "target_embedding.embeddings": _in_zoo_order(arrays["Wemb_dec"], 0.0),
        "softmax.kernel": _in_zoo_order(arrays["ff_logit_W"].T, 0.0).T,
        "softmax.bias": _in_zoo_order(arrays["ff_logit_b"], NEVER),
        "decoder.W_s": arrays["ff_state_W"],
        "decoder.b_s": arrays["ff_state_b"],
        "decoder.U_o": arrays["ff_logit_lstm_W"],
        "decoder.V_o": arrays["ff_logit_prev_W"],
        "decoder.C_o": arrays["ff_logit_ctx_W"],
        "decoder.b_o": np.sum([arrays[f"ff_logit_{x}_b"] for x in ("lstm", "prev", "ctx")], axis=0),
        "decoder.alignment.W_a": arrays["decoder_W_comb_att"],
        "decoder.alignment.U_a": arrays["decoder_Wc_att"],
        "decoder.alignment.b_a": arrays["decoder_b_att"],
        "decoder.alignment.v_a": arrays["decoder_U_att"][:, 0],
        "decoder.context_gru.W": joined("decoder_Wcx", "decoder_Wc"),
        "decoder.context_gru.b": joined("decoder_bx_nl", "decoder_b_nl"),
        "decoder.context_gru.U": arrays["decoder_Ux_nl"],
        "decoder.context_gru.U_zr": signed(arrays["decoder_U_nl"]),
    }
    cells = {
        "encoder_forward": "encoder",
        "encoder_backward": "encoder_r",
        "decoder.gru": "decoder",
    }
    for ours, theirs in cells.items():
        weights[f"{ours}.W"] = joined(f"{theirs}_Wx", f"{theirs}_W")
        weights[f"{ours}.b"] = joined(f"{theirs}_bx", f"{theirs}_b")
        weights[f"{ours}.U"] = arrays[f"{theirs}_Ux"]
        weights[f"{ours}.U_zr"] = signed(arrays[f"{theirs}_U"])
    return weights


def _in_zoo_order(rows: np.ndarray, new: float) -> np.ndarray:
    """Order rows as the zoo does: padding, unknown, start, end, words; fill new ones with `new`."""
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
            f"{file.parent} has {' and '.join(path.name for path in codes)}",
            "leave the merges that belong to the weights",
        )
    merges = read_merges(codes[0]) if codes else []

    def tokenizer(name: str, rows: int) -> SubwordTokenizer:
        path = file.parent / re.split(r"[/\\]", name)[-1]
        language = LANGUAGE.search(path.name)
        words = [*SPECIAL, *_words(path, rows)]
        return SubwordTokenizer(words, SPECIAL, language[1] if language else UNDETERMINED, merges)

    return tokenizer(names[0], sizes["s"]), tokenizer(names[1], sizes["t"])


def _words(path: Path, rows: int) -> list[str]:
    """Return a dictionary's words for all rows but the first two.

    A row without a word gets a name that cannot occur in a text; a word without a row is left out.
    """
    words = [f"<{i}>" for i in range(FIRST, rows)]
    ids = read_json(path)
    for word, i in ids.items():
        if type(i) is int and FIRST <= i < rows:
            words[i - FIRST] = word
    if not any(type(i) is int for i in ids.values()):
        raise BundleError(f"{path} is not a dictionary of words", "copy it again")
    return words
