"""What text is indexed by: its language, its words in scripts without spaces, and what a passage stands under."""

from __future__ import annotations

import re
from collections.abc import Sequence

AUTO = "auto"
_SAMPLE_CHARACTERS = 20_000
_WORD = re.compile(r"[^\W\d_]+")

# Scripts that write words without spaces between them: Thai, Lao, Khmer, Burmese, kana and Han.
_UNSEGMENTED = (
    "\u0e00-\u0e7f\u0e80-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff"
)
# Hebrew points, Arabic vowel signs and the stroke that only stretches a word: most texts leave them away.
_POINTS = re.compile("[\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a\u0640\u064b-\u065f\u0670]")
_RUN = re.compile(f"[{_UNSEGMENTED}]+")
# fmt: off
# The commonest short words: enough of them in a text, and far fewer of any other language's, tell the language.
_STOP_WORDS = {
    "english": "the of and to in is that for it was with as on be at by this are from or have not",
    "german": "der die das und in zu den von ist mit des für auf nicht ein eine dem sich als auch",
    "french": "le la les de des et en un une du est que dans pour qui sur pas plus par au avec",
    "spanish": "el la los las de y en que un una por con para es del se no al lo como más",
    "italian": "il la di e che in un una per è del non con sono della le i dei al da nel si",
    "portuguese": "o a os as de e que em um uma para com não do da é por no na se dos ao",
    "dutch": "de het een en van in is dat op te voor met niet zijn aan er om die door ook",
    "swedish": "och att det som en på är av för med den till inte har de ett om var vi",
    "norwegian": "og det som en på er av for med den til ikke har de et om var vi å",
    "danish": "og det som en på er af for med den til ikke har de et om var vi at",
    "finnish": "ja on ei että se oli hän joka ovat mutta kun niin myös tai sen ollut",
    "hungarian": "a az és hogy nem is egy ez de meg volt azt csak mint már még van",
    "romanian": "și de în la a cu pe care nu este din un o că mai pentru sunt au",
    "turkish": "ve bir bu da de için ile olarak çok daha olan gibi kadar ise o ne",
    "russian": "и в не на что с по это как к но из за для от он она его так или",
}
# fmt: on
_SCRIPTS = (
    (re.compile("[\u0600-\u06ff]"), "arabic"),
    (re.compile("[\u0370-\u03ff]"), "greek"),
    (re.compile("[\u0900-\u097f]"), "hindi"),
    (re.compile("[\u0530-\u058f]"), "armenian"),
    (re.compile("[\u0b80-\u0bff]"), "tamil"),
)
_FEWEST_WORDS, _SMALLEST_SHARE, _LEAD = 20, 0.08, 1.25
_DULL_NAMES = (
    "document doc docs untitled scan image img file files copy page pages export new final draft download upload"
)


def detected_config(texts: Sequence[str]) -> str:
    """PostgreSQL's configuration for the language these texts are in; `simple` when that cannot be told."""
    sample = " ".join(texts[:40])[:_SAMPLE_CHARACTERS]
    letters = sum(character.isalpha() for character in sample) or 1
    for script, config in _SCRIPTS:
        if len(script.findall(sample)) * 2 > letters:
            return config
    words = [word.lower() for word in _WORD.findall(sample)]
    if len(words) < _FEWEST_WORDS:
        return "simple"
    counted = sorted(
        ((_share(words, stops.split()), config) for config, stops in _STOP_WORDS.items()),
        reverse=True,
    )
    (share, config), (second, _) = counted[0], counted[1]
    if share < _SMALLEST_SHARE:
        return "simple"
    # Norwegian and Danish differ too little for this; either stems the other well enough.
    is_near = {config, counted[1][1]} <= {"norwegian", "danish"}
    return config if is_near or share >= second * _LEAD else "simple"


def _share(words: Sequence[str], stops: Sequence[str]) -> float:
    known = frozenset(stops)
    return sum(word in known for word in words) / len(words)


def segmented(text: str) -> str:
    """The text with runs of scripts without spaces as overlapping pairs: a word search then finds parts of them.

    Vowel points of Hebrew and Arabic are left away.
    """
    return text if text.isascii() else _RUN.sub(_pairs, _POINTS.sub("", text))


def _pairs(run: re.Match[str]) -> str:
    letters = run[0]
    if len(letters) == 1:
        return f" {letters} "
    return " " + " ".join(letters[index : index + 2] for index in range(len(letters) - 1)) + " "


def header(title: str, heading: str) -> str:
    """What a passage stands under, from the outside in: the document's title, then its headings."""
    if not title or heading.lower().startswith(title.lower()):
        return heading
    return f"{title} > {heading}" if heading else title


def embedded_text(title: str, heading: str, text: str) -> str:
    """What a passage's vector is made of: a passage seldom says itself what it is about."""
    above = header(title, heading)
    return f"{above}\n{text}" if above else text


def telling_name(stem: str) -> str:
    """The words of a file name when they say something, as in `travel-policy`; blank for `scan_0012`."""
    words = [word for word in _WORD.findall(stem) if len(word) > 2 and word.lower() not in _DULL_NAMES.split()]
    return " ".join(_WORD.findall(stem)) if len(words) > 1 else ""
