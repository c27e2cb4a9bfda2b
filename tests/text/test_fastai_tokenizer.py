"""Words with markers: each rule, text that comes back, nothing that a text can forge."""

from __future__ import annotations

import json

import pytest

from zoo.errors import BundleError, DataError, OptionError
from zoo.text import FastaiTokenizer, load_tokenizers, save_tokenizers
from zoo.text.fastai import MOST, SPECIAL


def made(*lines: str, vocabulary: int = 10_000) -> FastaiTokenizer:
    """A vocabulary of all words of some lines, or of `vocabulary`."""
    return FastaiTokenizer.train(lines, vocabulary=vocabulary)


def split(text: str) -> str:
    """The words and markers of a text, a space between them; a line break reads "|"."""
    return " ".join(FastaiTokenizer(SPECIAL).split(text)).replace("\n", "|")


def decoded(words: str) -> str:
    """The text of words and markers that are written with spaces between; "|" is a line break."""
    tokens = ["\n" if word == "|" else word for word in words.split()]
    other = [word for word in dict.fromkeys(tokens) if word not in SPECIAL]
    tokenizer = FastaiTokenizer([*SPECIAL, *other])
    return tokenizer.decode([tokenizer.words.index(word) for word in tokens])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        # entities
        ("a &amp; b &quot;c&quot;", 'a & b " c "'),
        ("it&#39;s, it&apos;s, it&#x27;s", "it 's , it 's , it 's"),
        ("1&nbsp;000 &eacute;t&eacute;", "1 000 été"),
        (
            "&amp;amp; &nothing; &#; &",
            "& amp ; & nothing ; & # ; &",
        ),  # once, and only what there is
        ("is this&that R&D?", "is this & that xxmaj r & xxmaj d ?"),
        # line breaks and other white space
        ("a<br />b<br>c<BR/>d\ne\r\nf\rg", "a | b | c | d | e | f | g"),
        (" a \n\n b ", "a | | b"),
        ("  two\u00a0 spaces\t", "two spaces"),
        ("a&lt;br /&gt;b", "a | b"),
        ("", ""),
        (" \t\u0001 ", ""),
        # words by the rules of Moses
        ("don't can't we'll it's", "don 't can 't we 'll it 's"),
        ("the dogs' tails", "the dogs ' tails"),
        ("well-made, three-year-old", "well @-@ made , three @-@ year @-@ old"),
        ("a - b -- c", "a - b -- c"),
        ("for 5,300 or 1.5 (so)!", "for 5,300 or 1.5 ( so ) !"),
        ("the end. But", "the end . xxmaj but"),
        ("the end.", "the end ."),
        ("etc. and", "etc. and"),
        ("see no. 5", "see no . 5"),
        ("see No. 5", "see xxmaj no. 5"),
        ("He said No. But", "xxmaj he said xxmaj no . xxmaj but"),
        ("Mr. Smith of the U.S. went.", "xxmaj mr. xxmaj smith of the xxup u.s. went ."),
        ("so ... what..", "so ... what .."),
        # an apostrophe is cut off wherever it is
        ("'no' he says", "' no ' he says"),
        ("he says 'no'", "he says ' no '"),
        # capitals
        ("I saw A Film", "xxmaj i saw xxmaj a xxmaj film"),
        ("THE US, BBC2 and U2", "xxup the xxup us , xxup bbc2 and xxmaj u2"),
        ("DON'T I'M O'Brien", "xxup don xxmaj 't xxmaj i xxmaj 'm xxmaj o xxmaj 'brien"),
        ("McDonald iPhone", "xxmaj mcdonald iphone"),
        ("ÉTÉ Été été 日", "xxup été xxmaj été été 日"),
        # repeated characters
        ("sooo soooo sooooo", "sooo s xxrep 4 o s xxrep 5 o"),
        ("good!!! good!!!! good!!!!!", "good ! ! ! good xxrep 4 ! good xxrep 5 !"),
        ("Soooo SOOOO", "xxmaj s xxrep 4 o xxup s xxrep 4 o"),
        ("what...... ----- $$$$", "what xxrep 6 . xxrep 5 - xxrep 4 $"),
        ("noooope zzzz", "n xxrep 4 o pe xxrep 4 z"),
        ("10000 2222", "1 xxrep 4 0 xxrep 4 2"),
        ("a<br /><br /><br /><br />b", "a xxrep 4 | b"),
        # repeated words
        ("no no no", "no no no"),
        ("no no no no", "xxwrep 4 no"),
        ("very very very very very good", "xxwrep 5 very good"),
        ("NO NO NO NO No", "xxwrep 4 xxup no xxmaj no"),
        ("oooo oooo oooo oooo", "xxwrep 4 xxrep 4 o"),
        ("a a a a 1 1 1 1", "xxwrep 4 a xxwrep 4 1"),
    ],
)
def test_rules(text, words):
    assert split(text) == words


@pytest.mark.parametrize(
    ("cut", "natural"),
    [
        ("It 's not , I think , a well @-@ made film .", "It's not, I think, a well-made film."),
        (" = = Plot = = ", "= = Plot = ="),
        ("They don 't , we 'll , I 'd !", "They don't, we'll, I'd!"),
        ("the dogs ' tails", "the dogs' tails"),
        ('He said : " No . " ', 'He said: "No."'),
        ("of 5 @,@ 300 and 1 @.@ 5 @-@ inch", "of 5,300 and 1.5-inch"),
        ("at 5 o 'clock with Mr. O 'Brien", "at 5 o'clock with Mr. O'Brien"),
        ("( c . 1900 ) in the U.S. , etc. and", "(c. 1900) in the U.S., etc. and"),
        ("so good ! ! ! ! !", "so good!!!!!"),
    ],
)
def test_text_that_is_cut_reads_like_text_that_is_not(cut, natural):
    assert split(cut) == split(natural)
    assert split(" ".join(cut.split())) == split(cut)


def test_wikitext_unknown_word():
    assert split("The <unk> of <unk> @-@ like") == "xxmaj the xxunk of xxunk @-@ like"
    assert split("<unk>, (<unk>)<unk>") == "xxunk , ( xxunk ) xxunk"
    assert split("<b> <UNK>") == "< b > < xxup unk >"
    # No number is left to read between the two.
    assert split("<unk> @,@ 000 <unk> @.@ 5") == "xxunk , 000 xxunk . 5"


@pytest.mark.parametrize(
    "text",
    [
        "I am cold.",
        "It's a well-made film, isn't it?",
        'He said: "I don\'t know, Mr. Smith." She left.',
        "They'll say 'no' to the dogs' owner.",
        "This film is sooooo good!!!!!!",
        "SOOOOO GOOD and Sooooo bad...",
        "I LOVE it, I REALLY do; an A from the BBC.",
        "No no no no no, very very very very NO NO NO NO!",
        "The U.S. (and the U.K.) won 5,300 of 10000 at 1.5%.",
        "It cost $50 in 1999.",
        'First line.\nSecond line, isn\'t it?\n\nFourth "line".',
        "a\n\n\n\n\nb",
        "Mr. O'Brien of No. 5, the Smiths' friend, can't come.",
        "What?! You don't say...",
    ],
)
def test_a_text_comes_back(text):
    tokenizer = made(text)
    ids = tokenizer.encode(text)
    assert not {0, 1, 2, 3} & set(ids)
    assert tokenizer.decode(ids) == text
    assert tokenizer.decode([2, *ids, 3, 0, 0]) == text


def test_web_text_is_repaired():
    text = "Don&#39;t  go.<br /><br />It&#39;s &quot;bad&quot;."
    tokenizer = made(text)
    assert tokenizer.decode(tokenizer.encode(text)) == "Don't go.\n\nIt's \"bad\"."


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("xxmaj it 's", "It's"),
        ("xxmaj o xxmaj 'brien xxup us", "O'Brien US"),
        ("s xxrep 5 o good xxrep 3 !", "sooooo good!!!"),
        ("1 xxrep 4 0 xxrep 4 z", "10000 zzzz"),
        ("xxup s xxrep 4 o xxmaj xxrep 4 a", "SOOOO Aaaa"),
        ("xxwrep 4 xxup no xxwrep 2 s xxrep 4 o", "NO NO NO NO soooo soooo"),
        ("a xxrep 2 | b | c", "a\n\nb\nc"),
        ("xxunk xxmaj xxunk xxup xxunk xxrep 4 o", "xxunk xxunk xxunk oooo"),
        ("a @-@ b @-@", "a-b-"),
        ("| @-@ a |", "\n-a\n"),
        # markers that lack what they need
        ("a xxmaj", "a"),
        ("a xxup | b", "a\nb"),
        ("a xxrep", "a"),
        ("a xxrep 5", "a"),
        ("a xxwrep", "a"),
        ("a xxwrep 5", "a"),
        ("xxrep o a", "o a"),
        ("xxrep 0 o a", "0 o a"),
        ("xxrep 5 word a", "word a"),
        ("xxrep xxrep 4 !", "!!!!"),
        ("xxrep 5 xxmaj a", "A"),
        ("xxwrep xxunk a", "xxunk a"),
        ("xxwrep ² a", "² a"),
        ("xxwrep 3 | a", "\n\n\na"),
        ("xxup xxrep 2 | a", "\n\na"),
        ("xxmaj xxup xxmaj a", "A"),
        ("xxrep 5 xxbos !", "!!!!!"),
        ("xxpad xxbos xxeos", ""),
    ],
)
def test_markers_are_undone(words, text):
    assert decoded(words) == text


def test_no_number_makes_a_text_endless():
    for marker in ("xxrep", "xxwrep"):
        assert decoded(f"{marker} 99999999999999999999 a").count("a") == MOST
    assert decoded("xxrep 00012 !") == "!" * 12


@pytest.mark.parametrize(
    "text",
    [
        "xxpad xxunk xxbos xxeos xxmaj xxup xxrep xxwrep",
        "XXBOS Xxbos xxBOS (xxeos) xxeos. 'xxeos' xxbos-xxeos xxpad!!!!",
        "xx&#98;os &lt;xxbos&gt; xxb\u0001os",
        "xxbosoooo xxboooosxxbos",
        "xxbos xxbos xxbos xxbos",
        "xxrep 5 o xxwrep 4 no",
        "<unk> <pad> <eos> </s>",
    ],
)
def test_a_text_cannot_forge_special_words(text):
    tokenizer = made("xxbos xxeos some words " + text)
    assert tokenizer.words.count("xxbos") == 1
    ids = tokenizer.encode(text)
    assert not {tokenizer.pad_id, tokenizer.start_id, tokenizer.end_id} & set(ids)
    assert len(tokenizer.split(text)) == len(ids)
    # What was spelled like a marker is unknown, and no marker stands where the text has none.
    assert tokenizer.unk_id in ids
    assert "oooo" not in tokenizer.decode(tokenizer.encode("xxrep 4 o"))
    assert "xxmaj" not in split("xxmaj xxup xxmaj")


def test_special_ids():
    tokenizer = made("b b a")
    assert (tokenizer.pad_id, tokenizer.unk_id) == (0, 1)
    assert (tokenizer.start_id, tokenizer.end_id) == (2, 3)
    assert tokenizer.pieces(range(tokenizer.size)) == [*SPECIAL, "b", "a"]
    assert tokenizer.encode("b c\na") == [9, 1, 8, 10]
    assert tokenizer.decode(tokenizer.encode("b c a")) == "b xxunk a"


def test_the_most_frequent_words_are_kept_and_ties_are_in_order():
    lines = ["b b b\n", "A a c", "d e", "e d c"]  # 3 b, 2 each of a, c, d, e
    assert made(*lines, vocabulary=12).words[9:] == ["b", "a", "c"]
    assert made(*lines[::-1], vocabulary=12).words == made(*lines, vocabulary=12).words
    # Fewer different words than asked for: all of them.
    assert made(*lines, vocabulary=1000).words[9:] == ["b", "a", "c", "d", "e"]


def test_no_words_or_no_room_for_them():
    for lines in ((), ("", " \n<br />"), ("xxbos <unk>",)):
        with pytest.raises(DataError, match="the text has no words"):
            made(*lines)
    with pytest.raises(OptionError, match="a vocabulary of 9 has no room") as caught:
        made("a", vocabulary=9)
    assert "tokenizer.vocabulary" in caught.value.hint


def test_what_is_saved_is_plain_and_read_back(tmp_path):
    tokenizer = made("Été, it's a line.\nAnother")
    save_tokenizers(tmp_path, tokenizer, tokenizer)
    path = tmp_path / "tokenizer.fastai.json"
    assert json.loads(path.read_text("utf-8")) == {"words": tokenizer.words}
    assert "été" in path.read_text("utf-8")
    again, target = load_tokenizers(tmp_path)
    assert again is target
    assert isinstance(again, FastaiTokenizer)
    assert again.words == tokenizer.words
    assert again.encode("It's\nété") == tokenizer.encode("It's\nété")
    again.save(tmp_path / "again.fastai.json")
    assert (tmp_path / "again.fastai.json").read_bytes() == path.read_bytes()


@pytest.mark.parametrize("content", ["not JSON", "[]", "{}", '{"words": 3}', '{"words": [4]}'])
def test_what_is_no_vocabulary_is_refused(tmp_path, content):
    (tmp_path / "tokenizer.fastai.json").write_text(content, "utf-8")
    with pytest.raises(BundleError, match="is no vocabulary"):
        FastaiTokenizer.load(tmp_path / "tokenizer.fastai.json")


@pytest.mark.parametrize("words", [["a", "b"], SPECIAL[::-1], SPECIAL[:8], [*SPECIAL, "a", "a"]])
def test_other_special_words_and_words_twice_are_refused(words):
    with pytest.raises(BundleError, match="begins with xxpad, xxunk, xxbos, xxeos"):
        FastaiTokenizer(words)


def test_markers_of_capitals_that_a_model_never_read(tmp_path):
    words = FastaiTokenizer.train(["The FILM was good"], vocabulary=50).words
    tokenizer = FastaiTokenizer(words, absent=["xxmaj"])
    assert tokenizer.split("The FILM") == ["the", "xxup", "film"]
    tokenizer.save(tmp_path / "x.fastai.json")
    again = FastaiTokenizer.load(tmp_path / "x.fastai.json")
    assert again.absent == ["xxmaj"]
    assert again.encode("The FILM") == tokenizer.encode("The FILM")
    assert "absent" not in written(FastaiTokenizer(words), tmp_path)


def written(tokenizer: FastaiTokenizer, folder) -> dict:
    tokenizer.save(folder / "y.fastai.json")
    return json.loads((folder / "y.fastai.json").read_text(encoding="utf-8"))
