"""Does this tell others how harm is done, or that they should do it? (DOM-A11)

What matches is held for a person and nothing else: it is never removed or refused, and it counts
against nobody. To say how bad things are is never one of these: somebody who wants to die may say
so here. The patterns look at the shape of a sentence (so much of something that is called enough,
a place that is called good for it, somebody told to go on) and name no means, so that this file
teaches none. They are English; words in other languages match nothing.

They were last read through on `REVIEWED`; `node/tools.py` says what they were measured on.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Final

REVIEWED: Final = date(2026, 11, 26)
LONGEST: Final = 20_000  # letters that are looked at; more than that a person looks at


class Family(StrEnum):
    """What a text may do to whoever reads it."""

    METHOD = "method detail"  # how, where, with how much
    ENCOURAGEMENT = "encouragement"  # even gentle


@dataclass(frozen=True, slots=True)
class Pattern:
    """One shape, why it is on the list, and which kind of harm it would do."""

    family: Family
    why: str
    shape: re.Pattern[str]


def describes_harm(*words: str) -> bool:
    """Whether one of the texts, as people read it, should be read by a person first.

    So should what is longer than a member here can write: nothing in it is looked for. It takes
    time that grows with the words and no faster, and a part of a second at most (SEC-D11).
    """
    return next(_found(words), None) is not None


def adds_harm(before: Sequence[str], after: Sequence[str]) -> bool:
    """Whether a change brings in a passage that was not there before."""
    new = set(_found(after))
    return bool(new) and not new.issubset(_found(before))


def _found(words: Sequence[str]) -> Iterator[str]:
    """Each passage that should be read first, folded."""
    whole = "\n\n".join(words)
    if len(whole) > LONGEST:
        yield whole
        return
    plain = fold(whole)
    if _WORTH_A_LOOK.search(plain) is None:
        return
    for sentence in _SENTENCE.split(plain):
        line = " ".join(sentence.split())
        for start in range(0, len(line), _STEP):
            passage = line[start : start + _STEP + _REACH]
            if _matches(passage):
                yield passage


def _matches(sentence: str) -> bool:
    if _WORTH_A_LOOK.search(sentence) is None:
        return False
    for pattern in PATTERNS:
        for match in pattern.shape.finditer(sentence):
            begun = match.start()
            if _TAKEN_BACK.search(sentence[max(0, begun - 30) : begun + 1]):
                continue
            if pattern.family is Family.ENCOURAGEMENT and _RETOLD.search(sentence):
                break
            return True
    return False


_STEP: Final = 400  # letters of a sentence that are looked at together,
_REACH: Final = 200  # and how far one look reaches into the next
_SENTENCE: Final = re.compile(r"[.!?;]+(?=\s|$)|\n\s*\n")


# ---- As people read it

_INVISIBLE: Final = re.compile(
    r"[\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f"
    r"\ufe00-\ufe0f\ufeff]"
)
_QUOTES: Final = str.maketrans("’‘`´“”", "''''\"\"")
_SPACED: Final = re.compile(r"(?<![a-z0-9'])(?:[a-z][ ._*-]){3,30}[a-z](?![a-z0-9'])")
_MIXED: Final = re.compile(r"(?<![a-z0-9])(?:0(?=[a-z]{2})|[a-z])[a-z0-9@$]{0,40}(?![a-z0-9])")
_HAS_MIXED: Final = re.compile(r"[a-z][0-9@$]|0[a-z]")
_GAP: Final = re.compile(r"[ ._*-]")
_DIGITS: Final = str.maketrans("013457@$", "oieastas")


def fold(text: str) -> str:
    """Small letters without accents, gaps between single letters, or signs that stand for them."""
    plain = text if text.isascii() else _without_accents(text)
    plain = _SPACED.sub(lambda match: _GAP.sub("", match[0]), plain.casefold())
    if _HAS_MIXED.search(plain) is not None:
        plain = _MIXED.sub(lambda match: match[0].translate(_DIGITS), plain)
    return plain


def _without_accents(text: str) -> str:
    parts = unicodedata.normalize("NFKD", _INVISIBLE.sub("", text))
    plain = "".join(each for each in parts if not unicodedata.combining(each))
    return plain.translate(_QUOTES)


# ---- Words that stand in several patterns

_NEAR: Final = r"[^\n]{0,60}?"
_NO_WISH: Final = r"(?:(?!\b(?:want|wish|going|feel))[^\n]){0,60}?"
_DIE: Final = (
    r"(?:die|end it(?: all)?|end (?:your|ur|my|a|one's) life|kill (?:your|ur|my|one)self|be dead"
    r"|be gone for good|never wake up|not wake up)"
)
_YOURSELF: Final = (
    r"(?:kill (?:your|ur) ?self|end (?:your|ur) life|end it(?: all)?(?! with| early| there| here)"
    r"|die)"
)
_NUMBER: Final = (
    r"(?:\d{1,5}(?:[.,]\d{1,2})?|two|three|four|five|six|seven|eight|nine|ten|twelve|fifteen|twenty"
    r"|thirty|forty|fifty|sixty|eighty|a hundred|one hundred|\[amount\]|a (?:whole|full)|the whole)"
)
_UNIT: Final = (
    r"(?:mg|milligrams?|g|grams?|ml|litres?|liters?|pills?|tablets?|tabs|capsules?|doses?|packs?"
    r"|packets?|boxes|box|bottles?|units|drops|spoons?)"
)
_AMOUNT: Final = rf"(?<!\w){_NUMBER} ?(?:of )?(?:x )?(?:\w{{1,20}} ){{0,2}}?{_UNIT}\b"
_PLACE: Final = (
    r"(?:bridge|cliffs?|roof|tower|tracks|platform|station|car park|parking garage|balcony|spot"
    r"|place|viaduct|crossing)"
)
_TELLS: Final = (
    r"(?:here is|here's|this is|i(?:'ll| will| can) (?:tell|show|explain to|teach) (?:you|u)"
    r"|let me (?:tell|show) you|dm me for|ask me(?: for)?|(?:my|a|the|step by step|full) guide "
    r"(?:to|on|for)"
    r"|instructions (?:for|on|to)|steps (?:to|for)|tutorial (?:on|for))"
)
_SURE: Final = (
    r"(?:easiest|quickest|fastest|surest|safest|best|painless|most painless|least painful"
    r"|most peaceful|peaceful|reliable|most reliable|cleanest|simplest|only sure)"
)
_OKAY: Final = r"(?:ok|okay|alright|all right|fine|allowed|not wrong|nothing wrong)"
_TO_YOU: Final = (
    r"(?:just|please|so just|then|then just|go ahead and|(?:you|u) should(?: just)?"
    r"|you may as well|you might as well|you could just|why don't you(?: just)?|why not just"
    r"|better)"
)

# A cheap look first: one of these stands in all that match.
_WORTH_A_LOOK: Final = re.compile(
    r"\b(?:die|dies|dying|dead|death|kill|kills|kys|end|ends|ending|enough|lethal|fatal|wake|over"
    r"|jump"
    r"|gone|better off|peace|free|choice|decision|stop you|save you|find you|in time|do it|did it"
    r"|go"
    r"|other side|let go|without you|miss you|suicide|painless\w*|harm|hurt|cut|cutting)\b"
    r"|killyourself"
)
_TAKEN_BACK: Final = re.compile(
    r"\b(?:not|don't|dont|never|can't|won't|isn't|wasn't|nobody should|no one should|instead of"
    r"|rather than|does not mean|afraid that|scared that|wish)\b[^,.]{0,20}$"
)
_RETOLD: Final = re.compile(  # what others said to the one who writes
    r"(?<!\bi )\b(?:told|tells|telling|said|says|saying|wrote|texted|messaged|commented|shouted"
    r"|yelled|screamed|whispers?|whispered|tell)\b.{0,30}\b(?:me|i|my|us)\b"
    r"|\b(?:my|the|these|those) (?:\w+ ){0,2}(?:voices?|thoughts?|brain|head|mind|illness"
    r"|depression)\b"
    r"|\b(?:he|she|they|someone|somebody|people|voices|mum|mom|dad|bullies|kids) "
    r"(?:said|says|say|wrote|keeps? saying|kept saying)\b"
)


def _method(why: str, *shapes: str) -> Sequence[Pattern]:
    return [Pattern(Family.METHOD, why, re.compile(shape)) for shape in shapes]


def _encouragement(why: str, *shapes: str) -> Sequence[Pattern]:
    return [Pattern(Family.ENCOURAGEMENT, why, re.compile(shape)) for shape in shapes]


PATTERNS: Final[Sequence[Pattern]] = (
    *_method(
        "An amount that is called enough can be read as a measure.",
        rf"{_AMOUNT}{_NEAR}\b(?:is|are|was|were|would be|will be|should be|'s) (?:\w+ )?(?:enough"
        r"|lethal|fatal|deadly)\b",
        rf"{_AMOUNT}{_NEAR}\b(?:will|would|can|is going to|does|should) (?:\w+ )?(?:kill|do it"
        r"|finish|end it|work for sure)\b",
        rf"{_AMOUNT}{_NEAR}\b(?:and|then|so) (?:you|u|it)(?:'ll| will| won't| are|'re|'s| is)? "
        r"(?:never |not )?"
        r"(?:wake|die|drift off|be gone|gone|feel nothing)\b",
        rf"(?<!want )(?<!wanted )\b(?:takes?|took|need|needs|enough is) (?:about |only |just "
        rf"|around )?{_AMOUNT}{_NO_WISH}\bto {_DIE}",
        rf"\b(?:lethal|fatal|deadly) (?:dose|amount|limit)\b{_NEAR}\b(?:is|are|starts? at|about|of"
        rf"|:) ?{_NEAR}{_NUMBER}",
    ),
    *_method(
        "Steps that are told to others are instructions, whatever they are for.",
        rf"\b{_TELLS}\b{_NEAR}\b(?:how (?:to|you|i|he|she|they)|ways? to|method (?:to|for|of)|to) "
        rf"(?:can )?{_NEAR}\b{_DIE}",
        rf"\b{_TELLS}\b{_NEAR}\b(?:hurt|harm|cut)(?:ing)? (?:your|ur)self",
        rf"\b{_SURE} (?:way|method|option)s?\b(?: (?:to|of) \w+(?: \w+){{0,3}})? (?:is|would be"
        rf"|was|are) (?:to |with |by )?(?!there|what|it)\w+{_NEAR}"
        rf"(?:\b{_DIE}|\bpainless|\bsure\b|\bwake)",
        rf"\b{_SURE} (?:way|method)s? (?:to|for) {_DIE} (?:is|are|would be) (?!what|there"
        r"|something|not|a myth)",
        rf"\b(?:you|u) (?:just |only |simply )?(?:need to |have to |can |should )?(?:take|use|mix"
        r"|swallow|drink|breathe|tie|buy|order|crush|inject)"
        rf"\b{_NEAR}\b(?:and|to|so|until|then) (?:you |u |it |that )?(?:'ll |will |won't |can |are "
        r")?(?:just |all |never )?"
        r"(?:die|stop breathing|wake|end it|kill(?:s| you)|be gone for good|be gone by|slip "
        r"away)\b(?! (?:up|down))",
        rf"\b(?:mix|combine|crush|swallow|order|buy) (?:the |some |it |them "
        rf")?{_NEAR}\bwith\b{_NEAR}\b(?:you|u|it)(?:'ll| will| won't) "
        r"(?:\w+ )?(?:die|wake|kill|be gone|end it)\b(?! up)",
    ),
    *_method(
        "A place that is called good for it draws others to it.",
        rf"\b(?:good|best|easy|perfect|quiet|high enough|great|popular) {_PLACE}\b{_NEAR}\b(?:to"
        r"|for) (?:jump|die|end it|do it|kill yourself|jumping|dying)\b",
        rf"\b{_PLACE}\b{_NEAR}\b(?:is|are) (?:\w+ )?(?:high|deep|fast|busy|quiet|easy|empty) "
        r"enough (?:to (?:die|be (?:sure|certain)|jump|do it)|that (?:you|nobody|no one))\b",
        rf"\b{_PLACE}\b{_NEAR}\b(?:no (?:fence|barrier|cameras?|guards?|net)|nobody (?:checks"
        rf"|patrols|watches))\b{_NEAR}\b(?:jump|die|do it|end it|climb)",
    ),
    *_method(
        "How not to be found takes away the help that comes.",
        r"\b(?:make sure|so that|so|where|when)\b (?:nobody|no one|noone|they|anyone) (?:can |will "
        r"|could |ever )?(?:can't |cannot |won't )?"
        r"(?:find|stop|save|reach|revive)s? (?:you|u)\b",
        r"\b(?:nobody|no one) (?:can|will|could) (?:find|stop|save|reach|revive) (?:you|u)\b (?:in "
        r"time|before|there|until)",
    ),
    *_encouragement(
        "To be told to die can be the last push.",
        r"\bkys\b|killyourself",
        rf"(?:^|[,:\"] ?|\b(?:so|and|you|u|well|ok|okay|then) ){_TO_YOU} (?:already |just |finally "
        rf")?{_YOURSELF}\b(?! (?:by|of|on|inside|laughing|soon enough from))",
        r"^(?:go |go and |go ahead,? )?kill (?:your|ur) ?self\b",
        r"\b(?:just |go |then |so |so just )?do it (?:already|and be done|and get it over|then "
        r"you'll be free|tonight and it)",
        r"\b(?:stop talking|quit talking|enough talk|less talk)\b.{0,30}\bdo it\b",
        r"\bgo (?:ahead|on|through) (?:and|with)\b.{0,20}\b(?:it,? (?:nobody|no one|you'll|they)"
        r"|die|dying|kill|end(?:ing)? it(?! with)|your plan)",
        r"\byou deserve to die\b|\b(?:you|u)(?:'d| would|'re| are) (?:be )?better off dead\b",
        r"\b(?:world|they|everyone|everybody|family|kids|children|people|parents|we|all)\b.{0,20}"
        r"\b(?:would|will|'d|'ll|are|is) (?:\w+ )?(?:be )?(?:better|better off|happier|relieved"
        r"|lighter) (?:off )?(?:without (?:you|u)\b|when you(?:'re| are) gone)",
        r"\b(?:nobody|no one) (?:would|will|'d) (?:even )?miss (?:you|u)\b(?! (?:out|a|at|the))",
    ),
    *_encouragement(
        "A gentle yes to dying is still a yes.",
        r"\bi (?:\w+ ){0,2}?(?:respect|support|accept|honou?r|understand) (?:your|ur|that) (?:\w+ "
        r")?(?:choice|decision|wish|plan)\b"
        r"(?=.{0,60}\b(?:to (?:die|go|end|leave this|leave us|not be here)|either way|if you (?:do"
        r"|go|have to)|whatever you decide|your life to (?:end|take)|stop you))",
        r"^(?:\w+,? ){0,3}i (?:\w+ ){0,2}?respect (?:your|ur) (?:choice|decision)(?: either "
        r"way)?,?$",
        rf"\b(?:it's|its|it is|it would be|there's|there is|you're|you are) (?:\w+ )?{_OKAY} (?:if "
        r"you (?:want )?)?(?:to |with |in |for you to )?"
        r"(?:die|dying|end it|ending it|go now|leave this world|let go now|stop fighting and go"
        r"|kill yourself)\b",
        r"\b(?:you|u) (?:have|got) (?:every|the|a) right to (?:die|end (?:it|your life)|go)\b",
        r"\b(?:death|dying|suicide) (?:is|would be|can be) (?:\w+ )?(?:the (?:answer|only way"
        r"|right|best|kindest)|your (?:right|choice|way out)|peaceful|freedom|a gift|beautiful|a "
        r"release)\b(?!.{0,20}\?)",
        r"\b(?:you|u)(?:'ll| will) (?:finally )?(?:be|find|have|feel) (?:free|peace|at peace|no "
        r"pain|nothing)\b.{0,30}\b(?:dead|gone|over|once you|when you do|after)\b",
        r"\bif (?:you|u)(?:'re| are| feel)? (?:really |truly )?(?:sure|ready|done"
        r"|certain)\b.{0,40}\b(?:do it|go(?: now| in peace)?$|i won't stop|end it)",
        r"\b(?:die|dying|end it|your plan|through with it|your life)\b.{0,60}\bi (?:won't|will not"
        r"|wouldn't) (?:try to )?(?:stop|talk) (?:you|u)\b",
        r"\bi (?:won't|will not|wouldn't) (?:try to )?(?:stop|talk) (?:you|u)\b.{0,60}\b(?:die"
        r"|dying|end it|your plan|through with it|your life)\b",
        r"\b(?:see|meet) (?:you|u) on the other side\b",
        r"\b(?:let's|lets|we could|we can|we should) (?:all |just )?(?:die|end it|go|do it) "
        r"together\b",
    ),
)
"""Each with its reason. A new one comes with lines in `tests/moderation/harm_lines.py`."""
