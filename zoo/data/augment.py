"""Augmentations: functions that change or add training pairs, from English into French.

`zoo.config.choices.AUGMENTATIONS` names them and says what each does; a recipe lists them in
`data.augment`. The shares of pairs that a function changes or adds are constants in it.
"""

from __future__ import annotations

import math
import random
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from zoo.config.choices import AUGMENTATIONS, imported
from zoo.text import keyboard

Pair = tuple[str, str]

MALE = ("Tom", "John")
FEMALE = ("Mary", "Alice")
SURNAMES = ("Jackson", "Smith")
TOWNS = ("Boston", "Tokyo", "Kyoto", "Osaka", "Chicago", "Paris")
# Names that the corpus of names lists among the girls' names too.
MEN = (
    "Adam", "Alan", "Albert", "Alex", "Alexander", "Andrew", "Antoine", "Arthur", "Ben",
    "Benjamin", "Bernard", "Bill", "Bob", "Brian", "Bruno", "Carl", "Carlos", "Charles", "Chris",
    "Christian", "Christophe", "Claude", "Daniel", "David", "Denis", "Dominic", "Edward", "Eric",
    "Felix", "Frank", "Fred", "Gabriel", "George", "Guillaume", "Hans", "Harry", "Henry", "Hugo",
    "Ivan", "Jack", "Jacob", "Jacques", "James", "Jean", "Jim", "Joe", "Joseph", "Karl", "Ken",
    "Kevin", "Laurent", "Leo", "Liam", "Louis", "Lucas", "Luke", "Marc", "Marcel", "Mark",
    "Martin", "Matthew", "Max", "Michael", "Michel", "Mike", "Mohamed", "Nick", "Nicolas", "Noah",
    "Oliver", "Oscar", "Pablo", "Patrick", "Paul", "Pedro", "Peter", "Philip", "Pierre", "Ralph",
    "Richard", "Robert", "Roger", "Sam", "Samuel", "Simon", "Stephen", "Steve", "Thomas", "Tim",
    "Tony", "Victor", "Vincent", "Walter", "William", "Xavier", "Yves", "André", "Björn",
    "François", "Jérôme", "José", "Jürgen", "Noël", "René", "Stéphane",
)  # fmt: skip
# Names with an accent, which that corpus lacks.
WOMEN = (
    "Amélie", "Chloé", "Eléonore", "Élise", "Françoise", "Hélène", "Inès", "Joëlle", "Léa",
    "Noémie", "Renée", "Zoé",
)  # fmt: skip
FIRST_BOY = "peter"  # about where the boys' own names begin in the corpus of names


@dataclass(frozen=True)
class Names:
    """What the step "names" draws from; `first_names` and `with_mined` fill it."""

    male: Sequence[str]
    female: Sequence[str]
    surnames: Sequence[str] = ()
    towns: Sequence[str] = ()


Step = Callable[[list[Pair], random.Random, Names], list[Pair]]


def augment(
    pairs: Iterable[Pair], steps: Sequence[str], seed: int, corpus: str, names: Names
) -> list[Pair]:
    """Return the training pairs of a corpus after `steps`; equal arguments give equal pairs."""
    augmented = list(pairs)
    for step in steps:
        apply: Step = imported(AUGMENTATIONS[step].path)
        augmented = apply(augmented, random.Random(f"{seed} {corpus} {step}"), names)
    return augmented


# Typography


def keyboard_signs(pairs: list[Pair], *_: object) -> list[Pair]:
    whole = (pair for pair in pairs if "\ufffd" not in "".join(pair))
    return [(keyboard.plain(source), keyboard.plain(target)) for source, target in whole]


def space_french(pairs: list[Pair], *_: object) -> list[Pair]:
    return [(source, french_spacing(target)) for source, target in pairs]


def french_spacing(text: str) -> str:
    """Return a French text with a space before "?", "!", ":" and ";", and between thousands."""
    text = re.sub(r"(?<=[\w)\"'%])([?!:;]+)(?=$|[ \")])", r" \1", text)
    return re.sub(
        r"(?<![\d.,])\d{1,3}(?:\.\d{3})+(?![\d.,]\d)", lambda m: m[0].replace(".", " "), text
    )


# Answers


def add_openings(pairs: list[Pair], *_: object) -> list[Pair]:
    least, most = 5, 10  # pairs that agree; copies
    seen: dict[str, Counter[str]] = {}
    for source, target in pairs:
        left = re.match(r"([A-Z][\w']*(?: \w+)?), \w", source)
        right = re.match(r"([A-ZÀ-Ý][^,.!?]{1,25}), \w", target)
        if left and right:
            seen.setdefault(left[1], Counter())[right[1]] += 1
    added = []
    for opening, answers in seen.items():
        answer, count = min(answers.items(), key=lambda item: (-item[1], item[0]))
        if count >= least and count * 2 > sum(answers.values()):
            added += [(f"{opening}.", f"{answer}.")] * min(count, most)
    return pairs + added


def repeat_commonest(pairs: list[Pair], *_: object) -> list[Pair]:
    longest, most = 6, 8  # words; copies
    answers: dict[str, list[str]] = {}
    for source, target in pairs:
        if len(source.split()) <= longest:
            answers.setdefault(source, []).append(target)
    frequency = Counter(word for _, target in pairs for word in _words(target))
    sentences = Counter(target for _, target in pairs)
    added = []
    for source, targets in answers.items():
        if len(targets) > 1:
            best = commonest(targets, frequency, sentences)
            added += [(source, best)] * min(len(targets) - 1, most)
    return pairs + added


def commonest(
    answers: Sequence[str], frequency: Counter[str], sentences: Counter[str] | None = None
) -> str:
    """Return the answer that shares most with the others; between equals, the most familiar.

    Args:
        frequency: how often each word occurs in the corpus.
        sentences: how often each answer is one in the corpus, whatever was asked.
    """
    grams = [_grams(answer) for answer in answers]

    def agreement(i: int) -> float:
        others = [_overlap(grams[i], grams[j]) for j in range(len(answers)) if j != i]
        return sum(others) / max(len(others), 1)

    def familiar(answer: str) -> float:
        rarest = min((frequency[word] for word in _words(answer)), default=0)
        return math.log(1 + rarest) / 10 + math.log(1 + (sentences or Counter())[answer]) / 2

    scores = [agreement(i) + 0.2 * familiar(answer) for i, answer in enumerate(answers)]
    return answers[max(range(len(answers)), key=lambda i: (scores[i], -i))]


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def _grams(text: str) -> Counter[str]:
    text = " ".join(_words(text))
    return Counter(text[i : i + n] for n in (1, 2, 3, 4) for i in range(len(text) - n + 1))


def _overlap(first: Counter[str], second: Counter[str]) -> float:
    """Return the F1 of two bags of letter sequences."""
    return 2 * (first & second).total() / max(first.total() + second.total(), 1)


# Names


def replace_names(pairs: list[Pair], draw: random.Random, names: Names) -> list[Pair]:
    replaced, copies = 0.75, 1  # the share of pairs; further pairs of each short one
    result: list[Pair] = []
    for pair in pairs:
        if not _ANY_NAME.search(pair[0]):
            result.append(pair)
            continue
        result.append(_renamed(pair, draw, names) if draw.random() < replaced else pair)
        if len(pair[0].split()) <= SHORT:
            result += [_renamed(pair, draw, names) for _ in range(copies)]
    return result


SHORT = 15  # words of a sentence of which further copies are made
_ANY_NAME = re.compile(rf"\b(?:{'|'.join(MALE + FEMALE + SURNAMES + TOWNS)})\b")
_TOWN = r"(?:in|to|at|from|for|of|leave|visit|near)"
_LIEU = r"(?:à|de|d'|pour|vers|quitter|visiter|depuis)"
_ELIDED = r"\b([Dd]|[Qq]u|[Ll]orsqu|[Pp]uisqu|[Jj]usqu)e "


def _renamed(pair: Pair, draw: random.Random, names: Names) -> Pair:
    """Return a pair with other names, the same ones on both sides."""
    surname = names.surnames and draw.random() < 0.15
    for known, pool in ((MALE, names.male), (FEMALE, names.female), (SURNAMES, names.surnames)):
        for name in known:
            if pool and re.search(rf"\b{name}\b", pair[0]):
                new = _drawn(pool, draw)
                if surname and known is not SURNAMES:
                    new, surname = f"{new} {draw.choice(names.surnames)}", False
                pair = replace_name(pair, name, new)
    for town in TOWNS:
        patterns = rf"\b{_TOWN} {town}\b", rf"\b{_LIEU} ?{town}\b"
        if names.towns and all(map(re.search, patterns, pair)):
            pair = replace_name(pair, town, draw.choice(names.towns))
    return pair


def _drawn(pool: Sequence[str], draw: random.Random) -> str:
    """Return a name of a pool whose first ones are the commonest: half the time one of them."""
    return draw.choice(pool[:400] if draw.random() < 0.5 else pool)


def replace_name(pair: Pair, name: str, new: str) -> Pair:
    """Return a pair with a name replaced on both sides, "de" and "que" elided before a vowel.

    A pair that does not have it as often on both sides stays as it is, but Mary may be Marie.
    """
    source, target = pair
    french = r"Mar(?:y|ie)" if name == "Mary" else name
    if len(re.findall(rf"\b{name}\b", source)) != len(re.findall(rf"\b{french}\b", target)):
        return pair
    if new[0] in "AEIOUÉ":
        if re.search(rf"\ba {name}\b", source):
            return pair
        target = re.sub(rf"{_ELIDED}{french}\b", rf"\1'{new}", target)
    elif re.search(rf"'{french}\b", target):  # "d'Alice"
        target = re.sub(rf"\b(\w+)'{french}\b", rf"\1e {new}", target)
    return re.sub(rf"\b{name}\b", new, source), re.sub(rf"\b{french}\b", new, target)


def first_names(lines: Iterable[str]) -> Names:
    """Return first names out of the lines of the corpus of names: girls' first, then boys'."""
    every = [line.strip().capitalize() for line in lines if line.strip()]
    border = every.index(FIRST_BOY.capitalize()) if FIRST_BOY.capitalize() in every else 0
    men = {*MEN}
    return Names(
        male=[*MEN, *(name for name in every[border:] if name not in men)],
        female=[*WOMEN, *(name for name in every[: border or None] if name not in men)],
    )


def with_mined(names: Names, pairs: Iterable[Pair]) -> Names:
    """Return names with surnames and towns that are spelt alike on both sides of pairs.

    A surname stands after "Mr", "Mrs" or "Ms" and after "M." or "Mme", a town after "in" and "à".
    """
    surnames: Counter[str] = Counter()
    towns: Counter[str] = Counter()
    for source, target in pairs:
        for kept, english, french in (
            (surnames, r"\bM(?:r|rs|s)\.? ", r"\b(?:M\.|Mme|Monsieur|Madame) "),
            (towns, r"\bin ", r"\bà "),
        ):
            left, right = (
                {*re.findall(rf"{before}([A-Z][a-zà-ÿ]{{2,}})\b(?! [A-Z])", text)}
                for before, text in ((english, source), (french, target))
            )
            kept.update(left & right)
    lists = [
        sorted(name for name, count in kept.items() if count >= least)
        for kept, least in ((surnames, 2), (towns, 2))
    ]
    return Names(names.male, names.female, *lists)


# Numbers


def replace_numbers(pairs: list[Pair], draw: random.Random, _: Names) -> list[Pair]:
    replaced, copies = 0.7, 2  # the share of pairs; further pairs of each short one
    result: list[Pair] = []
    for pair in pairs:
        if not _alike(pair):
            result.append(pair)
            continue
        result.append(renumbered(pair, draw) if draw.random() < replaced else pair)
        if len(pair[0].split()) <= SHORT:
            result += [renumbered(pair, draw) for _ in range(copies)]
    return result


_ENGLISH = r"(?<![\w.,:/'-])(\d{1,3}(?:,\d{3})+|\d+)(?![\w:/'-]|[.,]\d)"
_FRENCH = r"(?<![\w.,:/'-])(\d{1,3}(?:[ .,]\d{3})+|\d+)(?![\w:/'-]|[.,]\d)"


def _digits(number: str) -> str:
    return re.sub(r"\D", "", number)


def _alike(pair: Pair) -> list[str]:
    """Return the digits of numbers that both sides have, once each, without 0 and 1."""
    left, right = (
        Counter(_digits(number) for number in re.findall(rule, text))
        for rule, text in zip((_ENGLISH, _FRENCH), pair, strict=True)
    )
    return [n for n in left if left[n] == right[n] == 1 and n not in ("0", "1")]


def renumbered(pair: Pair, draw: random.Random) -> Pair:
    """Return a pair with other numbers; years stay years, and up to 31 a number stays so."""
    new: dict[str, Pair] = {}
    for digits in _alike(pair):
        value = int(digits)
        if 1500 <= value <= 2100 and len(digits) == 4 and f",{digits[1:]}" not in pair[0]:
            new[digits] = (str(draw.randint(1500, 2050)),) * 2
        elif value <= 31:
            new[digits] = (str(draw.randint(2, 31)),) * 2
        else:
            length = draw.randint(2, 6)
            number = draw.randrange(10 ** (length - 1), 10**length)
            if length > 2 and draw.random() < 0.4:  # round, as most are
                number = min(round(number, 1 - length), 9 * 10 ** (length - 1))
            if length > 3 and draw.random() < 0.8:
                new[digits] = f"{number:,}", f"{number:,}".replace(",", " ")
            else:
                new[digits] = str(number), str(number)

    def put(side: int) -> Callable[[re.Match[str]], str]:
        return lambda match: new[d][side] if (d := _digits(match[0])) in new else match[0]

    return re.sub(_ENGLISH, put(0), pair[0]), re.sub(_FRENCH, put(1), pair[1])


# Writing


def add_cases(pairs: list[Pair], draw: random.Random, _: Names) -> list[Pair]:
    added: list[Pair] = []
    for source, target in pairs:
        number = draw.random()
        if number < 0.02:
            added.append((source.lower(), target))
        elif number < 0.04:
            added.append((bare(source).lower(), target))
        elif number < 0.06:
            added.append((source.upper(), target.upper()))
        elif number < 0.09:
            added.append((bare(source), target))
    return pairs + added


def bare(text: str) -> str:
    """Return a text without its last full stop, question or exclamation mark."""
    return re.sub(r"(?<=\w)[.?!]$", "", text)


def add_paragraphs(pairs: list[Pair], draw: random.Random, _: Names) -> list[Pair]:
    share, longest = 0.06, 25  # of the pairs begin one; words of a sentence in one
    whole = [
        pair
        for pair in pairs
        if all(text.endswith((".", "?", "!")) and len(text.split()) <= longest for text in pair)
    ]
    added = []
    for i in range(len(whole)):
        if draw.random() < share:
            count = draw.choice((2, 2, 3))
            # Half of them as they follow each other, half drawn: corpora may be sorted by length.
            following = draw.random() < 0.5
            rest = whole[i + 1 : i + count] if following else draw.choices(whole, k=count - 1)
            chosen = [whole[i], *rest]
            if len({source for source, _ in chosen}) < len(chosen):
                continue
            added.append((" ".join(s for s, _ in chosen), " ".join(t for _, t in chosen)))
    return pairs + added
