"""What is behind an address that somebody pasted: an actor or a post, or a page that names one.

A page is read for one thing only, its link to the same thing as a document, and that link is
followed once (WIRE-B8). Reading it takes time in proportion to its length, whatever it holds
(SEC-R12). Every fetch is the node's own: it carries nothing of who asked (SEC-R14).
"""

import re
from collections.abc import Mapping
from html import unescape
from itertools import islice
from urllib.parse import urljoin

from activitypub.client import AP_ACCEPT, Answer, is_activity_type
from activitypub.notes import NOTE_TYPES
from activitypub.remote import Remote
from activitypub.vocab import Document, id_of, kind_of
from kernel.errors import NotFound
from kernel.schema.actors import ActorKind

MAX_LINKS = 100  # of a page that are looked at
MAX_TAG = 2048  # characters of one of them

_ACCEPT = f"{AP_ACCEPT}, text/html;q=0.5"
_ACTORS = frozenset(kind.value for kind in ActorKind)
_WRAPPERS = frozenset({"Create", "Announce"})  # an activity's address leads to what it is about
_DEEPEST = 3  # addresses that lead to one another (SEC-J11)
_LINK = re.compile(r"<link\s", re.IGNORECASE)
_ATTRIBUTE = re.compile(
    r"""(?<![a-z-])([a-z-]{1,40}+)\s{0,9}+=\s{0,9}+(?:"([^"]*)"|'([^']*)'|([^\s"'>;]++))""",
    re.IGNORECASE,
)
_LINK_HEADER = re.compile(r"<([^<>]{1,2048}+)>([^<>]{0,500}+)")


async def look_up(remote: Remote, url: str) -> Document:
    """The document of an actor or a post that an address leads to, from its own server.

    Raises Malformed: not an address, or no document that we read. Raises NotFound, Gone,
    Unreachable, TooMany: as `Remote.document`.
    """
    document = await _document(remote, url)
    for _ in range(_DEEPEST):
        if kind_of(document) not in _WRAPPERS:
            break
        inner = id_of(document.get("object"))
        if inner is None or remote.here.is_local(inner):
            raise NotFound
        document = await remote.document(inner)
    if kind_of(document) not in _ACTORS | NOTE_TYPES:
        raise NotFound
    return document


def is_actor(document: Document) -> bool:
    """Whether a document that was found is an actor's; otherwise it is a post's."""
    return kind_of(document) in _ACTORS


async def _document(remote: Remote, url: str) -> Document:
    answer = await remote.answer(url, accept=_ACCEPT)
    if answer.status == 200 and answer.content_type.partition(";")[0].strip() == "text/html":
        named = _named_in(answer)
        if named is None or remote.here.is_local(named):
            raise NotFound
        return await remote.document(named)
    return await remote.confirmed(url, answer)


def _named_in(answer: Answer) -> str | None:
    """The address of the document that a page shows, by its `Link` header or in its head."""
    for target, parameters in _LINK_HEADER.findall(answer.headers.get("Link", "")[:MAX_TAG]):
        if _is_alternate(_attributes(parameters)):
            return str(urljoin(answer.url, target))
    found = alternate_of(answer.body.decode("utf-8", "replace"))
    return urljoin(answer.url, found) if found else None


def alternate_of(page: str) -> str | None:
    """The address in a page's `<link rel="alternate" type="application/activity+json">`.

    So many links of the head are looked at, and so much of each.
    """
    head, _, _ = page.partition("<body")
    for start in islice(_LINK.finditer(head), MAX_LINKS):
        tag = head[start.end() : start.end() + MAX_TAG]
        tag, closed, _ = tag.partition(">")
        found = _attributes(tag) if closed else {}
        if _is_alternate(found):
            return found.get("href")
    return None


def _attributes(text: str) -> dict[str, str]:
    return {
        name.lower(): unescape(double or single or bare)
        for name, double, single, bare in _ATTRIBUTE.findall(text)
    }


def _is_alternate(attributes: Mapping[str, str]) -> bool:
    rels = attributes.get("rel", "").lower().split()
    return "alternate" in rels and is_activity_type(attributes.get("type", ""))
