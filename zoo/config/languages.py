"""Names of languages, as the columns of a table of translations are called."""

from __future__ import annotations

# Code: English name, own name, codes of three letters.
_NAMES = {
    "ar": "arabic ara",
    "bg": "bulgarian bul",
    "ca": "catalan català cat",
    "cs": "czech čeština ces cze",
    "da": "danish dansk dan",
    "de": "german deutsch deu ger",
    "el": "greek ell gre",
    "en": "english eng",
    "es": "spanish español espanol spa",
    "et": "estonian eesti est",
    "fa": "persian farsi fas",
    "fi": "finnish suomi fin",
    "fr": "french français francais fra fre",
    "ga": "irish gaeilge gle",
    "he": "hebrew heb",
    "hi": "hindi hin",
    "hr": "croatian hrvatski hrv",
    "hu": "hungarian magyar hun",
    "id": "indonesian ind",
    "is": "icelandic íslenska isl",
    "it": "italian italiano ita",
    "ja": "japanese 日本語 jpn",
    "ko": "korean 한국어 kor",
    "lt": "lithuanian lietuvių lit",
    "lv": "latvian latviešu lav",
    "mt": "maltese malti mlt",
    "nl": "dutch nederlands nld dut",
    "no": "norwegian norsk nor",
    "pl": "polish polski pol",
    "pt": "portuguese português portugues por",
    "ro": "romanian română ron rum",
    "ru": "russian русский rus",
    "sk": "slovak slovenčina slk",
    "sl": "slovenian slovenščina slv",
    "sv": "swedish svenska swe",
    "tr": "turkish türkçe tur",
    "uk": "ukrainian українська ukr",
    "vi": "vietnamese vie",
    "zh": "chinese 中文 zho chi",
}
# Languages whose words have no spaces between them, and Korean, by their codes.
CHINESE = ("zh", "zho", "chi", "cmn", "yue", "wuu", "nan", "hak", "lzh")
JAPANESE = ("ja", "jpn", "jap")
OTHERS_WITHOUT_SPACES = (
    "th", "tha", "lo", "lao", "km", "khm", "my", "mya", "bur", "bo", "bod", "tib", "dz", "dzo",
    "shn",
)  # fmt: skip
KOREAN = ("ko", "kor")
# A column of a language may say so beside its name, as in "text_en" or "fr sentence".
_BESIDE = ("text", "sentence", "source", "target")


def base_code(code: str) -> str:
    """Return the code of a language without region and script, as "zh" of "zh_Hant"."""
    return code.replace("_", "-").split("-")[0].lower()


def column_names(code: str) -> tuple[str, ...]:
    """Return the names that a column in a language may have, lower-cased, joined by "_"."""
    code = code.casefold()
    names = [code, *_NAMES.get(code, "").split()]
    return (
        *names,
        *(f"{name}_{word}" for name in names for word in _BESIDE),
        *(f"{word}_{name}" for name in names for word in _BESIDE),
    )


def is_language(name: str) -> bool:
    """Return whether a column's name, lower-cased and joined by "_", is that of a language."""
    return any(name in column_names(code) for code in _NAMES)
