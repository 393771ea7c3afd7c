"""What people write: Markdown in, an allow-list of HTML out, in bounded time (SEC-X1, SEC-D11)."""

import html
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final
from urllib.parse import quote, urlsplit

import nh3
from markdown_it import MarkdownIt
from markdown_it.rules_core import StateCore
from markdown_it.token import Token
from markupsafe import Markup

from kernel.hashtags import LETTERS, MAX_TAG, MAX_TAGS, fold
from kernel.tangles import is_tangled

MAX_MENTIONS: Final = 20
MAX_MARKDOWN: Final = 20 * 1024
MAX_HTML: Final = 100 * 1024
_MAX_PLAIN: Final = 20 * 1024
_MAX_MARKUP: Final = 1000  # signs that may begin markup; the parser's worst cases stay short

TAGS: Final = frozenset({
    "p", "br", "a", "span", "strong", "em", "b", "i", "u", "del", "s", "code", "pre",
    "blockquote", "ul", "ol", "li", "ruby", "rt", "rp",
})  # fmt: skip
_CLASSES: Final = frozenset(
    {"mention", "hashtag", "u-url", "h-card", "ellipsis", "invisible", "quote-inline"}
)
_REL: Final = "nofollow noopener noreferrer ugc"

_NAMED = re.compile(
    r"""(?P<url>https?://[^\s<>"'\\^`{|}]{1,2000})"""
    rf"""|(?<![{LETTERS}/#&@])\#(?P<tag>[{LETTERS}]{{1,{MAX_TAG}}}+)(?![{LETTERS}])"""
    r"""|(?<![\w/@.])@(?P<person>[a-z0-9_](?:[a-z0-9_.-]{0,126}[a-z0-9_])?"""
    r"""(?:@[a-z0-9][a-z0-9.-]{0,251}[a-z0-9](?::[1-9][0-9]{0,4})?)?)(?![\w@])""",
    re.IGNORECASE,
)
_ANCHOR = re.compile(  # as nh3 writes it; what is in quotes may look like a part of it
    r'<a ((?:[\w-]+="[^"]*" )*?)href="([^"]*)"([^>]*)>(.*?)</a>', re.DOTALL
)
_HEADING = re.compile(r"<(/?)h[1-6]\b[^<>]*>", re.IGNORECASE)
_TAG = re.compile(r"<[^>]*>")
_ANY_TAG = re.compile(r"<[^<>]*+>?+")  # also one that never ends
_LINE_END = re.compile(r"<br>|</(?:p|li|pre|blockquote|ul|ol)>")
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_SIGNS = re.compile(r"[:\[\]*_`<>&\\!\n#@]")
_PROSE = re.compile(
    r"(?:<p>(?:[^<>&\x00-\x09\x0b-\x1f\x7f-\xa0\ud800-\udfff]++|<br>|&(?:amp|lt|gt);)*+</p>\n?)*+"
)  # no attribute, no tag left open, no letter that a browser reads as another

_allowed: Final[Callable[..., str]] = partial(
    nh3.clean,
    tags=set(TAGS),
    attributes={
        "*": {"lang"},
        "a": {"href"},
        "ol": {"start", "reversed"},
        "li": {"value"},
    },
    allowed_classes={tag: set(_CLASSES) for tag in ("a", "span", "p")},
    url_schemes={"http", "https"},
    url_relative="deny",
)
_TRANSLATE: Final = {"translate": {"no", "yes"}}
_allow: Final[Callable[[str], str]] = partial(
    _allowed,
    tag_attribute_values={"a": _TRANSLATE, "span": _TRANSLATE},
    link_rel=_REL,
)
_allow_ours: Final[Callable[[str], str]] = partial(  # a link to a hashtag says that it is one
    _allowed,
    tag_attribute_values={"a": {**_TRANSLATE, "rel": {_REL, "tag"}}, "span": _TRANSLATE},
    link_rel=None,
)


@dataclass(slots=True)
class Marks:
    """Where `#tags` and `@names` of a text lead, and, once it is rendered, what it names.

    `people` are actors' addresses by what is written behind the first `@`, in small letters.
    """

    tags_at: str  # the address that hashtags are below
    people: Mapping[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)  # as folded: as written
    mentioned: dict[str, str] = field(default_factory=dict)  # actor: as written
    asked: dict[str, None] = field(default_factory=dict)  # every name, known or not

    def address_of_tag(self, tag: str) -> str:
        """Of the page of a folded tag."""
        return self.tags_at + quote(tag, safe="")


def clean(untrusted: str) -> Markup:
    """HTML that is safe to show: the tags of WIRE-P1 and nothing that runs, loads or hides.

    A link whose words do not name the server it leads to says so in brackets (SEC-X3).
    """
    return Markup(_ANCHOR.sub(_name_host, _sanitise(untrusted[:MAX_HTML])))  # noqa: S704


def render(markdown: str, marks: Marks | None = None) -> str:
    """The HTML of a member's Markdown (CommonMark), clean by WIRE-P1.

    Headings become bold paragraphs; images become links; HTML is shown as it was typed. Where
    there is more markup than prose needs, the words come out as plain paragraphs. With `marks`
    hashtags and known names become links (WIRE-P7, WIRE-P8), outside of code.
    """
    source = markdown[:MAX_MARKDOWN].replace("\r\n", "\n")
    signs = sum(1 for _ in _SIGNS.finditer(source))
    plain_enough = signs <= _MAX_MARKUP
    made = _PARSER.render(source, {"marks": marks}) if plain_enough else _paragraphs(source)
    return (made if is_prose(made) else _allow_ours(_HEADING.sub(_embolden, made))).strip()


def plain(untrusted: str, limit: int, *, first_line: bool = False) -> str:
    """The words of some HTML on one line, at most `limit` characters: text, so escape to show."""
    safe = _sanitise(untrusted[:_MAX_PLAIN])
    lines = [" ".join(line.split()) for line in words_of(safe).splitlines()]
    lines = [line for line in lines if line]
    words = (lines[0] if lines else "") if first_line else " ".join(lines)
    return words if len(words) <= limit else words[: limit - 1].rstrip() + "…"


def words_of(clean_html: str) -> str:
    """All the words of clean HTML, each of its lines on a line; text, so escape to show."""
    return html.unescape(_TAG.sub("", _LINE_END.sub("\n", clean_html)))


def links_of(clean_html: str) -> Iterator[tuple[str, str]]:
    """Where every link of clean HTML leads, and its words."""
    for match in _ANCHOR.finditer(clean_html):
        yield html.unescape(match[2]), words_of(match[4])


def without_controls(words: str) -> str:
    """The words without the characters that no one sees and JSON writes at six times the length."""
    return _CONTROLS.sub("", words)


def paragraph(words: str) -> str:
    """One line of plain text as an HTML paragraph."""
    return f"<p>{html.escape(words)}</p>"


def is_prose(html: str) -> bool:
    """Whether it is plain paragraphs and nothing else, so that there is nothing to clean."""
    return _PROSE.fullmatch(html) is not None


def _sanitise(untrusted: str) -> str:
    """The allow-list; headings survive as bold paragraphs.

    Most posts are prose, and of prose every character is known here; then the parser, which takes
    twenty times as long, is not asked. Of a tangle of tags the words are left.
    """
    if is_prose(untrusted):
        return untrusted
    if is_tangled(untrusted):
        return _paragraphs(html.unescape(_ANY_TAG.sub(" ", untrusted)))
    return _allow(_HEADING.sub(_embolden, untrusted))


def _embolden(match: re.Match[str]) -> str:
    return "</strong></p>" if match[1] else "<p><strong>"


def _name_host(match: re.Match[str]) -> str:
    before, href, after, words = match.groups()
    host = host_shown(html.unescape(href))
    shown = html.unescape(_TAG.sub("", words)).strip()
    addressed = shown[:1] in "@#" and "." not in shown and "mention" in before + after
    if addressed or not host or host in shown.lower():
        return match.group()
    return f'<a {before}href="{href}"{after}>{words} ({html.escape(host)})</a>'


def host_shown(url: str) -> str:
    """The host as the resolver sees it: look-alike letters show as `xn--`."""
    try:
        host = (urlsplit(url).hostname or "")[:253]
        return host if host.isascii() else host.encode("idna").decode()
    except (ValueError, UnicodeError):
        return "an address that cannot be read"


def _paragraphs(source: str) -> str:
    parts = (part for part in re.split(r"\n\s*\n", source) if part.strip())
    return "".join(f"<p>{html.escape(part).replace(chr(10), '<br>')}</p>" for part in parts)


def _link_what_is_named(state: StateCore) -> None:
    marks = state.env.get("marks")
    for block in state.tokens:
        if block.type == "inline" and block.children:
            block.children = list(_linked(block.children, marks))


def _linked(tokens: Sequence[Token], marks: Marks | None) -> Iterator[Token]:
    inside = 0
    for token in tokens:
        inside += {"link_open": 1, "link_close": -1}.get(token.type, 0)
        if token.type == "text" and not inside:
            yield from _split(token.content, marks)
        else:
            if token.type == "link_open":
                token.attrSet("rel", _REL)
            yield token


def _split(words: str, marks: Marks | None) -> Iterator[Token]:
    end = 0
    for match in _NAMED.finditer(words):
        if match["url"]:
            found, length = _address(match["url"])
        elif marks is None:
            continue
        elif match["tag"]:
            found, length = _tag(match["tag"], marks), len(match[0])
        else:
            found, length = _person(match["person"], marks), len(match[0])
        if found:
            yield _text(words[end : match.start()])
            end = match.start() + length
            yield from found
    yield _text(words[end:])


def _address(written: str) -> tuple[Sequence[Token], int]:
    """A link to a bare address, and how much of what was found is part of it."""
    url = written.rstrip(".,;:!?*_~")
    if url.endswith(")") and "(" not in url:
        url = url.rstrip(")")
    return (_link(url, _text(url)) if host_shown(url) else ()), len(url)


def _tag(written: str, marks: Marks) -> Sequence[Token]:
    tag = fold(written)
    if not tag or (tag not in marks.tags and len(marks.tags) >= MAX_TAGS):
        return ()
    marks.tags.setdefault(tag, written)
    return _link(
        marks.address_of_tag(tag), *_named("#", written), **{"class": "mention hashtag"}, rel="tag"
    )


def _person(written: str, marks: Marks) -> Sequence[Token]:
    if len(marks.asked) < MAX_MENTIONS:
        marks.asked.setdefault(written.lower())
    uri = marks.people.get(written.lower())
    if uri is None:
        return ()
    marks.mentioned.setdefault(uri, written)
    return _link(uri, *_named("@", written), **{"class": "u-url mention"})


def _named(sign: str, words: str) -> Sequence[Token]:
    return _text(sign), Token("span_open", "span", 1), _text(words), Token("span_close", "span", -1)


def _link(url: str, *shown: Token, rel: str = _REL, **more: str) -> Sequence[Token]:
    opened = Token("link_open", "a", 1, attrs={"href": url, **more, "rel": rel})
    return opened, *shown, Token("link_close", "a", -1)


def _text(words: str) -> Token:
    return Token("text", "", 0, content=words)


def _parser() -> MarkdownIt:
    made = MarkdownIt("commonmark", {"html": False, "breaks": True, "maxNesting": 20})
    made.disable(["image", "hr", "html_block", "html_inline"])
    # markdown-it asks a method of the parser, and this is how one chooses another.
    made.validateLink = lambda url: url.lower().startswith(("http://", "https://"))  # type: ignore[method-assign]
    made.core.ruler.push("link_what_is_named", _link_what_is_named)
    return made


_PARSER: Final = _parser()
