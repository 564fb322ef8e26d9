"""Which encoding a text has that is no Unicode and does not say so.

Letters above ASCII stand alone between others in texts of Latin script, and in rows in all others. Latin ones are told
apart by the alphabets of languages, the others by charset-normalizer, which knows how their letters follow each other.
"""

from __future__ import annotations

import re

_SAMPLE_BYTES = 65_536
_FALLBACK = "cp1252"
_HIGH = re.compile(rb"[\x80-\xff]+")
_LONGEST_LATIN_ROW = 1.7
"""Bytes above ASCII in a row, on average: at most about 1.3 in Latin script, over 3 in others."""

# fmt: off
_FOREIGN = [
    "cp932", "euc_jp", "cp949", "gb18030", "big5", "cp1251", "koi8_r", "koi8_u", "cp866", "iso8859_5", "cp1253",
    "iso8859_7", "cp1255", "cp1256", "iso8859_6",
]
_CENTRAL = ("ąćęłńóśźż", "áčďéěíňóřšťúůýž", "áäčďéíĺľňóôŕšťúýž", "áéíóöőúüű", "čćđšž", "ăâîşţ")
# Encodings with the alphabets they are used for; the first that fits best wins. `ö` and `ü` are the same in most.
_LATIN = (
    ("cp1252", (
        "äöüß", "àâçéèêëîïôùûüÿœæ", "áéíóúüñ¿¡ºª", "àèéìíîòóùú", "áâãàçéêíóôõúüºª", "åäöé", "æøåéüö", "áæðéíóúýþö",
        "éëïóöü",
    )),
    ("cp1250", _CENTRAL),
    ("cp1254", ("çğıöşüâîûİ",)),
    ("cp1257", ("ąčęėįšųūž", "āčēģīķļņšūž", "äõöüšž")),
    ("iso8859_2", _CENTRAL),
    ("iso8859_15", ("äöüß€", "àâçéèêëîïôùûüÿœæ€")),
)
# fmt: on
_PUNCTUATION = frozenset("„“”‚‘’«»‹›–—…•·°§€£©®™±²³×\u00a0\u00ad")
_THAI = re.compile("[\u0e01-\u0e5b]")
# A vowel or tone mark that no consonant stands before, or a leading vowel that none follows.
_NO_THAI = re.compile(
    "(?<![\u0e01-\u0e2e\u0e31\u0e34-\u0e3a\u0e47-\u0e4e])[\u0e31\u0e34-\u0e3a\u0e47-\u0e4e]|[\u0e40-\u0e44](?![\u0e01-\u0e2e])"
)


def guess(data: bytes) -> str:
    """Python's name for the encoding that the bytes are most likely in; `cp1252`, which reads all, when in doubt."""
    sample = _sample(data)
    rows = _HIGH.findall(sample)
    if not rows or sum(map(len, rows)) / len(rows) < _LONGEST_LATIN_ROW:
        return _latin(b"".join(rows))
    return _foreign(sample) or ("cp874" if _is_thai(sample) else _FALLBACK)


def _sample(data: bytes) -> bytes:
    """The start up to a place where no character is cut in two."""
    if len(data) <= _SAMPLE_BYTES:
        return data
    end = max(data.rfind(blank, 0, _SAMPLE_BYTES) for blank in (b"\n", b" "))
    return data[: end if end > 0 else _SAMPLE_BYTES]


def _latin(high: bytes) -> str:
    """By the share of the characters above ASCII that belong to one language's alphabet, or to no language's."""

    def fit(encoding: str, alphabet: str) -> float:
        text = high.decode(encoding, "replace")
        return sum(c in _PUNCTUATION or c.lower() in alphabet or c in alphabet for c in text) / (len(text) or 1)

    best, best_fit = _FALLBACK, 0.0
    for encoding, alphabets in _LATIN:
        for alphabet in alphabets:
            if (found := fit(encoding, alphabet)) > best_fit + 0.01:
                best, best_fit = encoding, found
    return best if best_fit >= 0.7 else _FALLBACK


def _is_thai(sample: bytes) -> bool:
    text = sample.decode("cp874", "replace")
    letters = len(_THAI.findall(text))
    above = sum(character > "\x7f" for character in text)
    return letters > above * 0.9 and len(_NO_THAI.findall(text)) < letters * 0.03


def _foreign(sample: bytes) -> str | None:
    from charset_normalizer import from_bytes

    found = from_bytes(sample, cp_isolation=_FOREIGN).best()
    return None if found is None else found.encoding
