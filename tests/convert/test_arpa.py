"""ARPA files: written for kenlm, read as kenlm reads them, and refused where they are damaged."""

from __future__ import annotations

import gzip
import itertools
import os
import re
import warnings
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tiny
from plain_ngrams import joined

import zoo
from zoo import convert, export
from zoo.cli import main
from zoo.errors import BundleError, NotSupported, ZooWarning
from zoo.ngrams import layout
from zoo.tasks import likelihood

PTB = Path(os.environ.get("ZOO_DATA", "")) / "ptb"
# In SRILM's style: -99 for the start, which follows nothing, and a line before all.
SRILM = r"""
this was made by hand

\data\
ngram 1=5
ngram 2=4
ngram 3=1

\1-grams:
-0.6020600	</s>
-99	<s>	-0.3979400
-0.6020600	<unk>
-0.6020600	a	-0.0969100
-0.6020600	b	-0.1760913

\2-grams:
-0.2218487	<s> a	-0.4771213
-0.6989700	<s> b
-0.3979400	a b
-0.3010300	b </s>

\3-grams:
-0.0969100	<s> a b

\end\
"""


def changed(old: str, new: str) -> str:
    assert SRILM.count(old) == 1, old
    return SRILM.replace(old, new)


def without_preamble(text: str) -> str:
    """Return a file as kenlm wants it."""
    return text[text.index("\\data\\") :]


def file(folder: Path, text: str, name: str = "given.arpa") -> Path:
    path = folder / name
    path.write_text(text, "utf-8")
    return path


def converted(path: Path, name: str = "bundle"):
    """Return a file as a loaded bundle; a warning is an error."""
    return zoo.load(convert.write(path, "bigram", path.parent / name))


def scores(pretrained, sentences: list[str]) -> list[np.ndarray]:
    """Return log10 of the probability of each word and of the end, by the model."""
    sequences = pretrained.task.sequences(sentences)
    found = likelihood.token_log_probabilities(pretrained.model, sequences)
    return [each / np.log(10) for each in found]


def kenlms(path: Path, sentences: list[str]) -> list[np.ndarray]:
    kenlm = pytest.importorskip("kenlm")
    options = kenlm.Config()
    options.show_progress = False
    model = kenlm.Model(str(path), options)
    return [np.array([p for p, _, _ in model.full_scores(each)]) for each in sentences]


def agree(found: list[np.ndarray], expected: list[np.ndarray]) -> None:
    assert list(map(len, found)) == list(map(len, expected))
    np.testing.assert_allclose(np.concatenate(found), np.concatenate(expected), atol=1e-5)


# Equal to kenlm


@pytest.fixture(scope="module")
def sentences() -> list[str]:
    """A thousand lines of PTB, with words that no model knows, and the start and end as words."""
    if not PTB.is_dir():
        pytest.skip("needs ZOO_DATA")
    with gzip.open(PTB / "test.txt.gz", "rt", encoding="utf-8") as lines:
        found = [next(lines).strip() for _ in range(1000)]
    random = np.random.default_rng(0)
    for row in random.integers(0, 1000, 100):
        words = found[row].split()
        words[random.integers(len(words))] = "paperzoo"
        found[row] = " ".join(words)
    return found


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A trigram of 2,000 words, with <unk> in all places of PTB where the others are."""
    if not PTB.is_dir():
        pytest.skip("needs ZOO_DATA")
    folder = tmp_path_factory.mktemp("ptb")
    with gzip.open(PTB / "train.txt.gz", "rt", encoding="utf-8") as lines:
        pairs = [(next(lines).strip(), "") for _ in range(6000)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tiny, "WORDS", 2000)
        return zoo.load(tiny.write_bundle("bigram-ptb-trigram", folder / "trained", pairs))


def test_a_model_that_was_trained_is_kenlms(trained, sentences, tmp_path):
    path = export.export(trained, tmp_path / "trained.arpa")
    expected = kenlms(path, sentences)
    agree(scores(trained, sentences), expected)
    agree(scores(converted(path), sentences), expected)


def test_a_model_without_the_unknown_word_is_kenlms(trained, sentences, tmp_path):
    """kenlm gives an unknown word log10 of -100, and no history goes on over it."""
    text = export.export(trained, tmp_path / "trained.arpa").read_text("utf-8")
    lines = [line for line in text.splitlines() if "<unk>" not in line.split("\t", 1)[-1].split()]
    for order in (1, 2, 3):
        section = lines.index(f"\\{order}-grams:")
        count = next(i for i, line in enumerate(lines[section:]) if not line) - 1
        place = next(i for i, line in enumerate(lines) if line.startswith(f"ngram {order}="))
        lines[place] = f"ngram {order}={count}"
    path = file(tmp_path, "\n".join(lines) + "\n", "closed.arpa")
    with pytest.warns(ZooWarning, match="do not sum to one"):  # what the unknown words had is gone
        ours = convert.read(path)
    kenlm = pytest.importorskip("kenlm")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert kenlm.Model(str(path)).score("paperzoo", bos=False, eos=False) == -100
    # A model's scores are normalised, so the table that was read is compared.
    tokenizer = ours.tokenizers[0]
    rows = [[tokenizer.start_id, *tokenizer.encode(each), tokenizer.end_id] for each in sentences]
    table = layout.read(ours.recipe.model.arguments, ours.weights)
    log_p = table.log_probabilities(*joined(rows))
    found = [each[1:] for each in np.split(log_p, np.cumsum(list(map(len, rows))))[:-1]]
    expected = kenlms(path, sentences)
    assert (np.concatenate(expected) < -90).sum() > 1000
    agree(found, expected)


# All 1,364 sentences of one word to five, with the literal <unk> and an unknown word.
LINES = [
    " ".join(words)
    for length in range(1, 6)
    for words in itertools.product(["a", "b", "<unk>", "c"], repeat=length)
]


@pytest.mark.parametrize("style", ["plain", "windows", "blanks", "gzip"])
def test_a_file_in_srilms_style_is_kenlms(tmp_path, style):
    plain = file(tmp_path, without_preamble(SRILM), "plain.arpa")
    path = {
        "plain": lambda: file(tmp_path, SRILM),
        "windows": lambda: file(tmp_path, SRILM.replace("\n", "\r\n"), "windows.arpa"),
        "blanks": lambda: file(tmp_path, SRILM.replace("\t", "  "), "blanks.arpa"),
        "gzip": lambda: tmp_path / "packed.arpa.gz",
    }[style]()
    if style == "gzip":
        path.write_bytes(gzip.compress(SRILM.encode()))
    ours = converted(path)
    agree(scores(ours, LINES), kenlms(plain, LINES))
    # By hand: a after the start, b after both; then b after a b is b after b.
    found = scores(ours, ["a b b"])[0]
    np.testing.assert_allclose(
        found, [-0.2218487, -0.0969100, -0.1760913 - 0.6020600, -0.3010300], atol=1e-6
    )


def test_a_whole_model_without_the_unknown_word_is_kenlms(tmp_path):
    """Its probabilities sum to one, so nothing is told, and nothing is left for other words."""
    text = changed("-0.6020600	<unk>\n", "").replace("-0.6020600", "-0.4771213")
    text = text.replace("ngram 1=5", "ngram 1=4").replace("<s>	-0.3979400", "<s>	-0.2218487")
    text = text.replace("a	-0.0969100", "a	-0.0457575").replace(
        "b	-0.1760913", "b	-0.1249387"
    )
    path = file(tmp_path, without_preamble(text))
    expected = kenlms(path, LINES)
    assert min(each.min() for each in expected) < -99.9
    agree(scores(converted(path), LINES), expected)


def test_order_one_and_empty_highest_orders_are_read(tmp_path):
    """kenlm refuses a highest order of one; the zoo reads it."""
    text = changed("ngram 2=4\nngram 3=1\n", "").replace("\t-0.3979400", "")
    text = re.sub(r"\\2-grams:.*\\end", r"\\end", text, flags=re.DOTALL)
    text = re.sub(r"(\s[ab])\t.*", r"\1", text)
    ours = converted(file(tmp_path, text))
    np.testing.assert_allclose(scores(ours, ["a c"])[0], [-0.60206] * 3, atol=1e-6)
    text = changed("ngram 3=1", "ngram 3=0").replace("-0.0969100	<s> a b\n", "")
    text = text.replace("-0.4771213", "0")
    ours = converted(file(tmp_path, text))
    agree(scores(ours, ["a b"]), [np.array([-0.2218487, -0.39794, -0.30103])])


# What is written


@pytest.mark.parametrize("recipe", ["bigram-names", "bigram-shakespeare", "bigram-ptb"])
def test_what_is_written_is_read_again(loaded, recipe, tmp_path):
    ours = loaded(recipe)
    path = export.export(ours, tmp_path / "written.arpa")
    text = path.read_text("utf-8")
    assert text.startswith("\\data\\\nngram 1=")
    assert text.endswith("\n\n\\end\\\n")
    packed = export.export(ours, tmp_path / "written.arpa.gz")
    assert gzip.decompress(packed.read_bytes()).decode() == text
    again = converted(packed)
    orders = ours.model.arguments.order
    for order in range(1, orders + 1):
        section = text.split(f"\\{order}-grams:\n")[1].split("\n\n")[0].splitlines()
        assert f"\nngram {order}={len(section)}\n" in text
        assert {line.count("\t") for line in section} == {1 if order == orders else 2}
    # Characters are words of the file; the blank and line ends are spelled out.
    pieces = ours.tokenizer.pieces(range(2, 9))
    words = " ".join(export.arpa.NAMED.get(piece, piece) for piece in pieces)
    agree(scores(again, [words]), kenlms(path, [words]))
    ids = again.tokenizer.encode(words)
    assert again.tokenizer.unk_id not in ids
    before = 0 if ours.tokenizer.open_ended else 1  # the start, of which open texts know nothing
    start = [ours.tokenizer.start_id] * before
    expected = likelihood.token_log_probabilities(ours.model, [np.array([*start, *range(2, 9)])])
    found = likelihood.token_log_probabilities(again.model, [np.array([0, *ids])])
    agree([found[0][-6 - before :]], expected)


@pytest.mark.parametrize("word", ["a\x0bb", "<newline>", "</s>"])
def test_words_that_no_file_can_hold(loaded, word, tmp_path):
    """A line end within a word, and a word that is what another one is written as."""
    ours = loaded("bigram-shakespeare")
    words = list(ours.tokenizer.words)
    words[-1] = word
    tokenizer = SimpleNamespace(pieces=lambda ids: words, size=len(words), unk_id=-1,
                                start_id=0, end_id=0, open_ended=True)  # fmt: skip
    named = SimpleNamespace(model=ours.model, recipe=ours.recipe, target_tokenizer=tokenizer)
    with pytest.raises(NotSupported, match="an ARPA file cannot hold the word"):
        export.arpa.write(named, tmp_path / "x.arpa")
    assert not list(tmp_path.iterdir())


def test_only_counts_are_written(tiny_pretrained, tmp_path):
    with pytest.raises(NotSupported, match=r"no model of n-grams.*\n.*if its tokenizer.kind is"):
        export.export(tiny_pretrained, tmp_path / "x.arpa")
    assert not list(tmp_path.iterdir())


def test_from_a_shell(bundles, tmp_path, capsys):
    path, out = tmp_path / "model.arpa.gz", tmp_path / "again"
    for arguments in (
        ("export", bundles("bigram-ptb"), path),
        ("convert", path, "--as", "bigram", "--out", out),
    ):
        with pytest.raises(SystemExit) as done:
            main.main([str(each) for each in arguments])
        assert not done.value.code
    assert capsys.readouterr().out == f"{path}\n{out}\n"
    text = "The cat sleeps ."
    expected = zoo.load(bundles("bigram-ptb")).score(text)
    assert zoo.load(out).score(text) == pytest.approx(expected, abs=1e-4)
    assert zoo.load(out).predict("The") == zoo.load(bundles("bigram-ptb")).predict("The")


# What is refused

SECTIONS = SRILM.split("\n\n")  # \data\ is the third
UNSORTED = "\n\n".join([*SECTIONS[:2], SECTIONS[3], SECTIONS[2], *SECTIONS[4:]])
TWO = changed("ngram 3=1\n", "").replace("\t-0.4771213", "")


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        (changed("ngram 1=5", "ngram 1=4"), 14, "says 4 n-grams of order 1, and here is one more"),
        (changed("ngram 1=5", f"ngram 1={10**15}"), 16, f"{10**15} n-grams of order 1, and there"),
        (UNSORTED, 9, "\\1-grams: should stand here, not '\\\\2-grams:'"),
        (changed("ngram 2=4", "ngram 2=7"), 22, "says 7 n-grams of order 2, and there are 4"),
        (TWO, 21, "order 2 alone, and '\\\\3-grams:' follows"),
        (changed("ngram 2=4\n", ""), 6, "the count of order 2 should stand here, not 'ngram 3=1'"),
        (changed("\\2-grams:\n", ""), 16, "one more, or \\2-grams: is missing"),
        (SRILM[: SRILM.index("\\3-grams")], 21, "ends where an n-gram or \\end\\ should follow"),
        (SRILM[: SRILM.index("\\end")], 24, "ends where an n-gram or \\end\\ should follow"),
        (SRILM[: SRILM.index("\\1-grams")], 8, "ends where the count of an order should follow"),
        (changed("\\data\\", ""), 25, "ends where \\data\\ should follow"),
        (changed("\\end\\", "\\4-grams:"), 25, "order 3 alone, and '\\\\4-grams:' follows"),
        (changed("\\2-grams", "\\3-gram"), 16, "\\2-grams: should stand here, not '\\\\3-gram:'"),
        (changed("<s> a b", "<s> a b	-0.1"), 23, "highest order, 3, has a back-off"),
        (changed("a b\n-0.3010300", "a c\n-0.3010300"), 19, "word 'c' is not among the 1-grams"),
        (changed("-0.3979400	a", "x	a"), 19, "'x' is not a number"),
        (changed("-0.3979400	a", "nan	a"), 19, "'nan' is not a number"),
        (changed("-0.3979400	a", "0_1	a"), 19, "'0_1' is not a number"),
        (changed("-0.3979400	a", "0.5	a"), 19, "log10 of a probability is 0.5, more than 0"),
        (changed("-0.3979400	a b", "-0.3979400 a b c d"), 19, "is not a number, 2 words and"),
        (changed("<s> b\n", "<s> a\n"), 18, "'<s> a' stands twice"),
        (changed("<unk>", "a"), 13, "the word 'a' stands twice"),
        (changed("	a	", "	<UNK>	"), 13, "the word '<unk>' stands twice"),
    ],
)  # fmt: skip
def test_a_damaged_file_is_told_with_its_line(tmp_path, text, line, problem):
    path = file(tmp_path, text)
    with pytest.raises(BundleError) as raised:
        convert.read(path)
    assert str(raised.value).startswith(f"{path}, line {line}: ")
    assert problem in str(raised.value)


def test_a_gzipped_file_that_was_cut(tmp_path):
    path = tmp_path / "cut.arpa.gz"
    path.write_bytes(gzip.compress(SRILM.encode())[:-40])
    with pytest.raises(BundleError, match=r"line \d+: the gzipped file is damaged"):
        convert.read(path)


def test_files_without_what_a_text_needs(tmp_path):
    with pytest.raises(BundleError, match="has no <s> among its 1-grams"):
        convert.read(file(tmp_path, SRILM.replace("<s>", "start")))
    with pytest.raises(BundleError, match="has a word <eos>"):
        convert.read(file(tmp_path, re.sub(r"(?<=\s)a(?=\s)", "<eos>", SRILM)))
    path = tmp_path / "latin.arpa"
    path.write_bytes(changed("<unk>", "caf\xe9").encode("latin-1"))
    with pytest.raises(BundleError, match="not UTF-8"):
        convert.read(path)
    (tmp_path / "two").mkdir()
    for name in ("a.arpa", "b.arpa"):
        file(tmp_path / "two", SRILM, name)
    with pytest.raises(BundleError, match=r"has 2 models: a\.arpa, b\.arpa"):
        convert.read(tmp_path / "two")


def test_probabilities_that_do_not_sum_to_one_are_told(tmp_path):
    """As those of arpabo, whose sum is 1.5: here that after "<s> a" is 1.4."""
    path = file(tmp_path, changed("-0.4771213", "0"))
    with pytest.warns(ZooWarning) as told:
        ours = convert.read(path)
    assert len(told) == 1
    message = str(told[0].message)
    assert message.startswith(f"{path}: the probabilities after 1 of ")
    assert "after '<s> a' they sum to" in message
    assert ours.recipe.paper == "bigram"
