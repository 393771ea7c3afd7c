"""HTML whose tags stand in each other in a way that nobody writes: parsing it could take for ever.

A parser of HTML opens what was left open again in every paragraph that follows. So a few hundred
`<b>` before a few hundred `<p>` are as many times as many, and what is nested thousands deep is
searched through at each tag (SEC-D11, SEC-R13). What is found here is an upper bound of both.
"""

import re
from typing import Final

FEW: Final = 100  # tags that can do no harm however they stand
DEEP: Final = 32  # a list in a quotation in a list: a dozen
USUAL: Final = 8  # tags around a tag, on average

_IMPLIED: Final = frozenset({
    "p", "li", "dt", "dd", "tr", "td", "th", "thead", "tbody", "tfoot", "br", "hr", "img", "wbr",
    "source",
})  # fmt: skip
_KNOWN: Final = _IMPLIED | frozenset({
    "a", "abbr", "article", "aside", "audio", "b", "big", "blockquote", "center", "cite", "code",
    "del", "details", "div", "dl", "em", "figcaption", "figure", "font", "footer", "h1", "h2",
    "h3", "h4", "h5", "h6", "header", "i", "ins", "kbd", "mark", "ol", "picture", "pre", "q",
    "rp", "rt", "ruby", "s", "samp", "section", "small", "span", "strike", "strong", "sub",
    "summary", "sup", "table", "time", "tt", "u", "ul", "var", "video",
})  # fmt: skip
_VALUE = r"""(?:"[^"<>]*+"|'[^'<>]*+'|[^\s"'<>=`]++)"""
_TAG = re.compile(
    rf"<(/?)([a-zA-Z][a-zA-Z0-9]*+)((?:\s++[^\s\"'<>/=]++(?:\s*+=\s*+{_VALUE})?+)*+)\s*+/?>"
)


def is_tangled(html: str) -> bool:
    """Whether many tags are open at once, or something in it is no plain tag of an ordinary kind.

    A tag is taken as closed only where the last one that is open has its name: a parser may close
    fewer than that and never more. Takes as long as the text is, and no longer.
    """
    tags = html.count("<")
    if tags <= FEW:
        return False
    if ">" not in html[html.rfind("<") :]:  # it was cut there, and no parser reads that on
        tags -= 1
    still_open: list[str] = []
    seen = around = 0
    for match in _TAG.finditer(html):
        seen += 1
        name = match[2].lower()
        if name not in _KNOWN:
            return True
        if name in _IMPLIED:
            pass
        elif not match[1]:
            still_open.append(name)
        elif still_open and still_open[-1] == name:
            still_open.pop()
        around += len(still_open)
        if len(still_open) > DEEP:
            return True
    return seen != tags or around > USUAL * tags
