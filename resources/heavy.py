"""Whether somebody's own words sound as if they may not be safe (DOM-D10, DOM 5.5, appendix F).

It decides one thing alone: whether the one who wrote sees crisis lines after posting. It stores
nothing, tells nobody, and changes nothing about the post. Phrases are our own, in families; how
somebody might hurt themselves is in none of them. Looking back, other people, songs and films
count for less.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Final

LONGEST: Final = 10_000  # letters that are read
LANGUAGES: Final = ("", "en")  # others have no list that somebody reviewed: nothing is said
ENOUGH: Final = 2

_NOT: Final = r"(?:don't|do not|dont|can't|cannot|cant|can not|won't)"
_MORE: Final = r"(?:any ?more|any longer)"

# One strong phrase is enough, of the others it takes two. Gaps are short and bounded: linear.
_STRONG: Final[Mapping[str, Sequence[str]]] = {
    "wish not to live": (
        r"(?<!not )(?<!n't )(?<!nt )\b(?:want|wanting|going|wish|ready) to (?:just )?die\b",
        r"(?<!not )(?<!n't )(?<!nt )\bwanna (?:just )?die\b",
        r"\bwish i (?:was|were) (?:dead|never born|not here)",
        rf"{_NOT} want to (?:live|be alive|exist|wake up|be here {_MORE}|be in this world)",
        r"\b(?:end|ending|take|taking) my (?:own )?life\b",
        r"\b(?:kill|killing) myself\b",
        r"\bend it all\b",
        r"\bi(?:'m| am) (?:feeling |so )?suicidal|\bsuicidal (?:again|tonight|now)",
        r"\b(?:rather|better off) (?:be )?dead\b",
        r"\bhope i (?:never|don't|do not) wake up",
    ),
    "no point": (
        r"\b(?:nothing|no reason) (?:left )?(?:for me )?to live\b",
        r"\bnothing (?:left )?to live for",
        r"\bno (?:point|sense) (?:in )?(?:living|being alive|going on)",
    ),
    "a burden": (r"\b(?:better off|happier|easier) (?:if .{0,12})?without me\b",),
    "goodbyes": (
        r"\b(?:this is|these are) my (?:last|final) (?:post|words|message|letter)",
        r"\bgoodbye,? (?:everyone|everybody|all of you|world)",
        r"\b(?:wrote|written|writing) (?:my |the )?goodbye",
        r"\bgiv(?:e|ing|en) away (?:all )?(?:my|the) (?:things|stuff) .{0,20}\b(?:need|gone|end)",
    ),
    "not safe": (
        rf"{_NOT} (?:keep|trust) myself (?:safe|tonight|alone)",
        r"\b(?:not|unsafe|isn't) (?:safe )?with myself\b",
        r"\bi(?:'m| am) not safe (?:tonight|now|here)",
    ),
    "urge to hurt": (
        r"\b(?:want|need|urge|going|about|wanting) to (?:just )?(?:hurt|harm|injure) myself",
        r"\burges? to self.?harm",
    ),
    "voices": (
        r"\bvoices? .{0,12}\b(?:tell|tells|telling|say|says|saying) .{0,8}\b(?:die|end|hurt)",
    ),
}
_WEAK: Final[Mapping[str, Sequence[str]]] = {
    "trapped": (
        r"\bno way out\b|\bi(?:'m| am| feel) (?:so )?trapped",
        rf"{_NOT} (?:go on|do this|take (?:it|this)) (?:like this|{_MORE})",
    ),
    "no hope": (
        r"\b(?:no|lost all|without any|out of) hope\b|\bhopeless\b",
        r"\bwhat(?:'s| is) the point of (?:it|anything|me)",
    ),
    "a burden": (r"\b(?:i(?:'m| am)|being) .{0,8}\b(?:a )?burden\b|\beverybody's burden",),
    "nobody": (
        r"\b(?:nobody|no one|no-one) (?:would|will) (?:even )?(?:notice|miss me|care if)",
        r"\bi(?:'m| am) (?:all|completely|so) alone",
    ),
}
_LESS: Final = (
    r"\bused to\b|\byears? ago\b|\bback then\b|\bno longer\b|\bnot any ?more\b|\bhaven't felt\b",
    r"\bwhen i was (?:a |\d|young|at school)",
    r"\b(?:lyrics?|song|film|movie|novel|poem|episode|character|book)\b",
    r"\bmy (?:\w+ ){0,2}(?:brother|sister|friend|mother|father|mum|mom|dad|son|daughter|cousin"
    r"|neighbour|colleague|uncle|aunt|partner|husband|wife)(?:'s)?\b"
    r".{0,30}\b(?:want|wanted|said|says|told|wrote|is|was|felt|feels)\b",
    r"\b(?:he|she|they) (?:said|says|told|wanted|wants|wrote|felt)\b",
    r"\bi(?:'m| am) (?:so )?glad (?:that )?you\b",
    r"\byou (?:are|were|can|might|may)\b|\bif you (?:feel|ever|want)\b",
    r"\bof (?:laughter|laughing|embarrassment|boredom|shame)\b|\b(?:laughing|embarrassed)\b",
    r"\b(?:diet|exam|deadline|phone|battery|game|level|recipe|inbox|hot|heat|tickets?)\b",
)
_SENTENCE: Final = re.compile(r"[.!?\n]+")
_QUOTED: Final = re.compile(r"(?m)^\s*>.*$|“[^”\n]{0,300}”|\"[^\"\n]{0,300}\"")
_STRONG_OF: Final = tuple(re.compile("|".join(each)) for each in _STRONG.values())
_WEAK_OF: Final = tuple(re.compile("|".join(each)) for each in _WEAK.values())
_LESS_OF: Final = re.compile("|".join(_LESS))


def sounds_heavy(words: str, language: str = "") -> bool:
    """Whether the one who wrote `words` may be glad of crisis lines now.

    Only English is read; in any other language nothing is found.
    """
    if language.partition("-")[0] not in LANGUAGES:
        return False
    plain = _QUOTED.sub(" ", words[:LONGEST].lower().replace("’", "'"))
    return sum(map(_weight, _SENTENCE.split(plain))) >= ENOUGH


def _weight(sentence: str) -> int:
    """2 for a strong phrase, 1 for another; half of it where somebody looks back or at others."""
    if any(each.search(sentence) for each in _STRONG_OF):
        return 1 if _LESS_OF.search(sentence) else ENOUGH
    weak = sum(each.search(sentence) is not None for each in _WEAK_OF)
    return 0 if _LESS_OF.search(sentence) else weak
