"""Does this say how to reach somebody elsewhere? (DOM-A7)

People here are safe because nobody can find them outside. The patterns look for what a stranger
could use: a number, an address, an account, a full name. They know some European languages, and
they guess: who is asked can always say that it is nothing of the kind.
"""

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from kernel.errors import Malformed
from kernel.said import joined, noted, said


class Kind(StrEnum):
    """What a line gives away, in words for the page."""

    PHONE = noted("a phone number")
    EMAIL = noted("an e-mail address")
    ACCOUNT = noted("an account somewhere else")
    PLACE = noted("where somebody lives")
    NAME = noted("a full name")
    LINK = noted("a link to another place")  # where nothing may lead away (`ways_out`)


@dataclass(frozen=True, slots=True)
class Found:
    """One place in a text that may say how to reach somebody."""

    kind: Kind
    words: str


class ContactDetails(Malformed):
    """The words may say how to reach somebody; their author is asked once (DOM-A7).

    The detail quotes what its author just typed, to nobody but them.
    `may_stay`: the author can say that they are to stay, or that it is nothing of the kind.
    """

    title = noted("Please look at this once more")

    def __init__(self, found: Sequence[Found], why: str, *, may_stay: bool) -> None:
        places = joined(
            *(said("{kind} (“{words}”)", kind=said(each.kind), words=each.words) for each in found),
            by="; ",
        )
        super().__init__(
            joined(said("Nothing is sent yet. This may give away {places}.", places=places), why)
        )
        self.may_stay = may_stay


MAX_FOUND: Final = 5  # that are named to their author


def find(text: str, known: Collection[str] = ()) -> list[Found]:
    """What `text` may give away, at most five, each once; `known` are numbers of help, digits only.

    A number of help is never one of them: it is what people should share.
    """
    found: dict[Found, None] = {}
    for kind, words in _all(text, known):
        found[Found(kind, " ".join(words.split()))] = None
        if len(found) == MAX_FOUND:
            break
    return list(found)


def has_help(line: str, known: Collection[str]) -> bool:
    """Whether one of the `known` numbers of help stands in a line."""
    return any(_is_known(match[0], known) for match in _GROUPED.finditer(line))


def ways_out(text: str) -> Iterator[tuple[Kind, str]]:
    """Every link and every `@name@server` in plain words, wherever it leads."""
    for match in _LINKED.finditer(text):
        yield Kind.LINK, match[0].rstrip(".,;:!?)")
    for match in _ADDRESSED.finditer(text):
        yield Kind.ACCOUNT, match[0].rstrip(".")


_LINKED = re.compile(
    r"\b(?:[a-z][a-z0-9+.-]{1,20}://|www\.)[^\s<>\"“”]{1,500}"
    r"|(?<![\w@.-])(?:[\w-]{1,63}\.){1,4}(?:com|org|net|info|app|chat|link|example|[a-z]{2,10}(?=/\w))"
    r"(?![\w-])(?:/[^\s<>\"“”]{0,500})?",
    re.IGNORECASE,
)
_ADDRESSED = re.compile(r"(?<![\w@])@[\w.-]{1,64}@[\w.:-]{1,100}")


def _all(text: str, known: Collection[str]) -> Iterator[tuple[Kind, str]]:
    text = re.sub(r"[ \t\u00a0]+", " ", text)
    for words in _numbers(text):
        if not _is_known(words, known):
            yield Kind.PHONE, words
    for kind, patterns in _PATTERNS.items():
        for pattern in patterns:
            for match in pattern.finditer(text):
                yield kind, match[0]


_WHOLE: Final = 9  # digits that tell a number even where a country's code stands before it


def _is_known(words: str, known: Collection[str]) -> bool:
    """Whether it is a number of help, also with its country's code before it."""
    digits = re.sub(r"\D", "", words)
    if digits in known:
        return True
    return len(digits) > _WHOLE and any(
        len(number) >= _WHOLE and digits.endswith(number[-_WHOLE:]) for number in known
    )


# ---- Numbers

_GROUPED = re.compile(
    r"(?<![\w.,:/@#=-])(?:\+\s?|00\s?)?[0-9oO]?[(]?\d[\d()]{0,20}"
    r"(?:[ \t./-]{1,3}[(]?\d[\d()]{0,20}){0,20}(?![\w%])"
)
_CUE = re.compile(
    r"\b(?:(?:call|ring|text|phone|whatsapp|sms|dial) me\b|my (?:mobile|cell|phone|number)\b(?:'s)?"
    r"|ruf(?:t)? mich an|meine (?:handy)?nummer|mi (?:n[uú]mero|tel[eé]fono|m[oó]vil)"
    r"|ll[aá]mame|mon (?:num[eé]ro|portable|t[eé]l)|appelle[- ]moi|il mio numero|chiamami"
    r"|mijn nummer|bel me|m[oó]j numer|zadzwo[nń]|liga[- ]me|meu n[uú]mero)",
    re.IGNORECASE,
)
_NO_NUMBER = re.compile(
    r"""
    \d{1,2}[./-]\d{1,2}[./-]\d{2,4}            # a day
    | (?:19|20)\d\d [./-] \d{1,2} [./-] \d{1,2}
    | (?:19|20)\d\d \s?[-/]\s? (?:19|20)\d\d   # years
    | \d{1,3}(?:\.\d{3})+                      # thousands
    | \d{1,2}[.]\d{2}-\d{1,2}[.]\d{2}          # opening hours
    | \d(?:[ ./-]{1,3}\d{1,2}){0,5}            # counting, versions
    | \d{1,3}[ ]\d{3}                          # thousands again
    """,
    re.VERBOSE,
)
_DIGITS: Final = "zero|one|two|three|four|five|six|seven|eight|nine|double|triple|oh"
_SPELT = re.compile(rf"\b(?:(?:{_DIGITS})[ ,-]+){{6,}}(?:{_DIGITS})\b", re.IGNORECASE)
_CUE_REACH: Final = 40  # characters between a cue and its number


def _numbers(text: str) -> Iterator[str]:
    """What somebody could dial."""
    cues = [match.end() for match in _CUE.finditer(text)]
    for match in _GROUPED.finditer(text):
        words = match[0].strip(" \t./-")
        digits = re.sub(r"[^\doO]", "", words)
        cued = any(0 <= match.start() - end <= _CUE_REACH for end in cues)
        if 15 >= len(digits) >= (6 if cued else 7) and _may_be_dialled(words, digits, cued=cued):
            yield words
    for match in _SPELT.finditer(text):
        yield match[0]


def _may_be_dialled(words: str, digits: str, *, cued: bool) -> bool:
    if _NO_NUMBER.fullmatch(words):
        return False
    if words[0] in "+0(oO" or cued:
        return True
    groups = re.split(r"[^\d]+", words.strip("()"))
    if len(groups) == 1:
        return len(digits) >= 9
    return len(digits) >= 9 or all(len(group) <= 2 for group in groups)


# ---- Everything else

_AT: Final = r"(?:\s?@\s?|\s?[(\[]\s?(?:at|ät)\s?[)\]]\s?|\s(?:at|ät|arroba|arobase|chiocciola)\s)"
_DOT: Final = (
    r"(?:\s?\.\s?|\s?[(\[]\s?(?:dot|punkt|point|punto)\s?[)\]]\s?|\s(?:dot|punkt|point|punto)\s)"
)
_ENDS: Final = r"(?:com|org|net|de|at|ch|uk|es|fr|it|nl|pl|pt|eu|ie|io|me|info|edu|gov|example)"
_PROVIDERS: Final = (
    r"(?:gmail|googlemail|hotmail|outlook|yahoo|icloud|proton(?:mail)?|gmx|web\.de|mail\.ru)"
)

_SERVICE: Final = (
    r"(?:insta(?:gram\w*)?|ig|snap(?:chat)?|discord|telegram|whats?\s?app|kik|tik\s?tok|signal|skype"
    r"|twitter|facebook|fb|messenger|steam|xbox|psn|wechat|threema|viber|reddit|tumblr|line|matrix)"
)
_CLEAR: Final = (  # services whose names are no common words
    r"(?:insta(?:gram\w*)?|snapchat|snap|discord|telegram|whats?\s?app|kik|tik\s?tok|skype|twitter"
    r"|facebook|fb|messenger|wechat|threema|viber)"
)
_MY: Final = r"(?:my|mein|meine|mi|mon|ma|il mio|la mia|mijn|m[oó]j|meu|minha)"
_ID: Final = r"(?:[\s-](?:name|handle|id|user(?:name)?|tag|nick(?:name)?|gamertag|nom|usuario))"
_IS: Final = r"(?:\s?[:=–]\s?|\s(?:is|ist|hei(?:ß|ss)t|es|est|c'est|è|to|jest|lautet|é)\s)"
_HANDLE: Final = r"@?[\w.\-#]*(?:[\d_.#-][\w.\-#]*|@[\w.]+)"  # with a sign that words do not have
_PLAIN: Final = (  # a single word, where it is said to be a name
    r"(?!(?:off|gone|closed|bad|good|down|full|fine|ok|okay|not|no|too|so|very|the|an?|busy|dead|locked"
    r"|private|public|empty|nicht|kein\w*|mauvais|nichts|de|pas|odd|at|loud|like|where|what|just)\b)"
    r"@?[\w.\-]{3,}"
)
_ADD: Final = (
    r"(?:(?:add|find|message|msg|dm|follow|text|hit|write|contact|reach|ping) me(?: up)?"
    r"|schreib(?:t)? mir|adde? mich|finde(?:t|st)? (?:du )?mich|folg(?:e|t)? mir"
    r"|agr[eé]game|b[uú]scame|s[ií]gueme|escr[ií]beme|ajoute[- ]moi|suis[- ]moi|[eé]cris[- ]moi"
    r"|aggiungimi|cercami|seguimi|scrivimi|voeg me toe|zoek me|volg me|dodaj mnie|napisz do mnie"
    r"|me adicion[ae]|me segue|hmu)"
)
_ON: Final = r"(?:on|at|via|over|auf|bei|über|in|en|por|sur|su|op|na|no)"
_MOVE: Final = (
    r"(?:(?:move|switch|go|talk|chat|speak|write|continue)(?: over)?(?: to| on| in| via)"
    r"|(?:auf|über|in)(?= whats?\s?app| telegram| signal| discord)"
    r"|(?:hablar|hablamos|seguir|parler|parlons|scriviamoci|praten))"
)

_CAP: Final = r"[A-ZÀ-ÖØ-ÞŁŚŻŹĆ][\w'’-]*[a-zà-öø-ÿłśżźćńęą]"
_NO_STREET: Final = r"(?!(?:Auf|Der|Die|Das|Dem|Den|Im|Am)\s)"
_STREETS: Final = (
    r"(?:Street|St|Road|Rd|Avenue|Ave|Lane|Ln|Drive|Dr|Close|Court|Ct|Crescent|Terrace|Boulevard|Blvd"
    r"|Square|Gardens|Grove|Place|Way)"
)


def _compiled(*patterns: str) -> tuple[re.Pattern[str], ...]:
    return tuple(re.compile(pattern, re.IGNORECASE) for pattern in patterns)


def _exact(*patterns: str) -> tuple[re.Pattern[str], ...]:
    return tuple(re.compile(pattern) for pattern in patterns)


_PATTERNS: Final[dict[Kind, tuple[re.Pattern[str], ...]]] = {
    Kind.EMAIL: _compiled(
        rf"(?<![@\w.+-])[\w.+-]{{1,64}}{_AT}[\w-]{{1,63}}(?:\.[\w-]{{1,63}}){{0,4}}{_DOT}{_ENDS}\b(?!\s?@)",
        rf"(?<![@\w.+-])[\w.+-]{{1,64}}{_AT}{_PROVIDERS}\b",
    ),
    Kind.ACCOUNT: (
        *_compiled(
            r"\b(?:https?://)?(?:www\.|m\.)?(?:wa\.me|t\.me|telegram\.me|discord\.gg"
            r"|discord\.com/invite|chat\.whatsapp\.com|signal\.(?:me|group)|m\.me|instagram\.com"
            r"|facebook\.com|snapchat\.com/add|tiktok\.com/@|(?:twitter|x)\.com|linktr\.ee|zoom\.us/j"
            r"|meet\.google\.com|onlyfans\.com|threema\.id|line\.me)/?[\w./@-]+",
            rf"\b{_MY}\s{_SERVICE}{_ID}?{_IS}{_HANDLE}",
            rf"\b{_MY}\s{_CLEAR}{_ID}?{_IS}{_PLAIN}",
            rf"\b(?:usuario|nick|username)\s(?:de|on|auf|en)\s{_CLEAR}{_IS}{_PLAIN}",
            rf"\b{_SERVICE}{_ID}{_IS}?\s?{_PLAIN}",
            rf"\b{_CLEAR}\s?[:=]\s?{_PLAIN}",
            rf"\big\s?[:=]\s?{_PLAIN}",
            rf"\b{_SERVICE}(?:\s(?:is|ist|es|est|è))?[\s:=]+(?:@[\w.:-]{{3,}}|\w+#\d{{4}}|[\w.]+[-_]\d+)",
            rf"\bkik me\b[\s:]+{_PLAIN}",
            rf"\b{_ADD}\s{_ON}\s(?:my\s)?{_SERVICE}\b(?!\s(?:of|de)\b)",
            rf"\b{_MOVE}\s{_CLEAR}\b",
            r"\b(?:talk|chat|speak)\son\ssignal\b",
            rf"\b{_ON}\s{_CLEAR}\s(?:schreiben|reden|chatten)\b",
            rf"(?<!\w)@?\w{{0,32}}[\d_.]\w{{0,32}}\s(?:on|auf|en|sur)\s{_CLEAR}\b",
            r"(?<![\w#])\w{2,32}#\d{4}\b",
            r"(?<![\w/])u/[\w-]{3,}",
            r"(?:look for|find|search)\s[\w\s]{3,30}\son\s(?:facebook|instagram|linkedin)\b",
        ),
    ),
    Kind.PLACE: (
        *_exact(
            rf"\b\d{{1,4}}[a-z]?\s(?:[A-Z][\w']+\s){{1,3}}{_STREETS}\b",
            rf"\b{_NO_STREET}[A-ZÄÖÜ][\wäöüß-]{{0,60}}(?:[sS]tra(?:ß|ss)e|[sS]tr\.|weg|gasse|platz|allee|damm|ufer)\s\d{{1,4}}",
            rf"\b(?:[Cc]alle|[Aa]venida|[Aa]vda\.?|[Pp]laza|[Vv]ia|[Vv]iale|[Pp]iazza|[Rr]ua|ul\.)"
            rf"\s(?:(?:del?|la|las|los|das?|dos?)\s){{0,3}}{_CAP}(?:\s{_CAP}){{0,5}},?\s\d{{1,4}}",
            r"\b\d{1,4},?\s(?:rue|avenue|boulevard|place|impasse|chemin)\s\w+",
            r"\b[A-Z][a-z]+(?:straat|laan|gracht|plein|kade)\s\d{1,4}",
            r"\b(?!(?:PO|IC))[A-Z]{1,2}\d[A-Z\d]?\s?\d[ABD-HJLNP-UW-Z]{2}\b",
            r"\b(?!19\d\d|20\d\d)[1-9]\d{3}\s[A-Z]{2}\b(?!\s?[\d.])(?<!IU)(?<!UK)(?<!US)(?<!EU)",
            r",\s[A-Z]{2}\s\d{5}\b",
        ),
        *_compiled(
            r"\b(?:zip|post)(?:\s?code)?\s(?:is\s)?\d{4,5}\b",
            r"\b(?:plz|postleitzahl|c[oó]digo postal|code postal|cap)\s"
            r"(?:ist\s|es\s|est\s|è\s)?\d{4,5}\b",
            r"\bwohn\w*\sin\s\d{4,5}\b",
            r"\bmy address is\s\d",
        ),
    ),
    Kind.NAME: (
        *_exact(
            rf"\b(?:[Mm]y (?:full |whole )?name is|[Ii]'m called|[Ii] am called|[Ii]ch hei(?:ß|ss)e"
            rf"|[Mm]ein Name ist|[Mm]e llamo|[Mm]i nombre es|[Jj]e m'appelle|[Mm]on nom est"
            rf"|[Mm]i chiamo|[Ii]k heet|[Nn]azywam się|[Mm]eu nome é|[Cc]hamo-me)"
            rf"\s{_CAP}\s{_CAP}",
            rf"\b(?:[Mm]y (?:real|full|legal) name is|[Mm]y (?:sur|last |family )name is"
            rf"|[Mm]ein (?:richtiger|voller|echter) Name ist|[Mm]i nombre (?:real|completo) es"
            rf"|[Mm]on vrai nom est|[Mm]on nom de famille est)\s{_CAP}",
        ),
    ),
}
