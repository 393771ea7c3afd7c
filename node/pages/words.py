"""Small words for pages: times, numbers, names of languages."""

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Final

LANGUAGES: Final[Mapping[str, str]] = {
    "en": "English", "am": "Amharic", "ar": "Arabic", "as": "Assamese", "bal": "Balochi",
    "bn": "Bengali", "bg": "Bulgarian", "ca": "Catalan", "zh": "Chinese", "hr": "Croatian",
    "cs": "Czech", "da": "Danish", "nl": "Dutch", "et": "Estonian", "fil": "Filipino",
    "fi": "Finnish", "fr": "French", "de": "German", "el": "Greek", "gu": "Gujarati",
    "he": "Hebrew", "hi": "Hindi", "hu": "Hungarian", "is": "Icelandic", "id": "Indonesian",
    "ga": "Irish", "it": "Italian", "ja": "Japanese", "kn": "Kannada", "ko": "Korean",
    "lv": "Latvian", "lt": "Lithuanian", "ml": "Malayalam", "mr": "Marathi", "ne": "Nepali",
    "no": "Norwegian", "fa": "Persian", "pl": "Polish", "pt": "Portuguese", "pa": "Punjabi",
    "ro": "Romanian", "ru": "Russian", "sd": "Sindhi", "si": "Sinhala", "sk": "Slovak",
    "sl": "Slovene", "es": "Spanish", "sw": "Swahili", "sv": "Swedish", "ta": "Tamil",
    "te": "Telugu", "th": "Thai", "tr": "Turkish", "uk": "Ukrainian", "ur": "Urdu",
    "vi": "Vietnamese", "cy": "Welsh",
}  # fmt: skip

_TONES: Final = 6


def language(tag: str) -> str:
    """The name of a BCP 47 language; the tag itself where we know none."""
    return LANGUAGES.get(tag.partition("-")[0].lower(), tag)


def moment(then: datetime, now: datetime) -> str:
    """How long ago, in the coarse words people use."""
    minutes = int((now - then).total_seconds() // 60)
    if minutes < 2:
        return "just now"
    if minutes < 60:
        return f"{minutes} minutes ago"
    hours = minutes // 60
    if hours < 24:
        return "an hour ago" if hours == 1 else f"{hours} hours ago"
    days = hours // 24
    if days < 7:
        return "yesterday" if days == 1 else f"{days} days ago"
    return f"{then.day} {then:%B %Y}"


def stamp(then: datetime) -> str:
    """The whole time, for those who want to know."""
    return f"{then.day} {then:%B %Y, %H:%M} UTC"


def tone(address: str) -> int:
    """One of six quiet colours; the same name has the same one everywhere."""
    return hashlib.sha256(address.encode()).digest()[0] % _TONES


def initial(name: str) -> str:
    """The letter in a name's round mark."""
    return next((letter.upper() for letter in name if letter.isalnum()), "·")


def count(number: int, one: str, many: str) -> str:
    """`1 answer`, `3 answers`."""
    return f"{number} {one if number == 1 else many}"
