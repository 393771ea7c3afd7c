"""What an author elsewhere lets whom do with a post, and the word that they allowed it (WIRE 8.7).

As in `activitypub.vocab`: no HTTP, no database. GoToSocial made both; since its 0.20 it spells them
anew and reads requests, and both ways are in use.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Self

from activitypub.jsontext import Json
from activitypub.vocab import PUBLIC, Document, id_of, kind_of, single, text_of, uri_of
from kernel.errors import Malformed

MAX_NAMED: Final = 100  # actors and collections kept of each list
_PUBLIC: Final = frozenset({PUBLIC, "as:Public", "Public"})
_REQUESTS: Final = "requests"


class Act(StrEnum):
    """What somebody may have to ask for: the name of the rule, of the request, of the word."""

    LIKE = "Like"
    REPLY = "Reply"

    @property
    def request(self) -> str:
        """The type of the activity that asks."""
        return f"{self}Request"


_REQUESTED: Final = frozenset(act.request for act in Act)


def request_uri(uri: str, act: Act) -> str:
    """The id under which an answer or a Like of ours is asked for: GoToSocial makes up the same."""
    return f"{uri}#{act.request}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Permission:
    """Who may do something at once, who may ask for it; URIs of actors and of collections.

    `requests`: the post's server reads activities that ask (GoToSocial 0.20 and later).
    """

    at_once: tuple[str, ...]
    on_request: tuple[str, ...]
    requests: bool

    @classmethod
    def parse(cls, document: Document, act: Act) -> Self | None:
        """None: everybody may, which is so where nothing is said (WIRE-M20)."""
        policy = document.get("interactionPolicy")
        rule = policy.get(f"can{act}") if isinstance(policy, dict) else None
        if not isinstance(rule, dict) or not rule:
            return None
        found = cls(
            at_once=_named(rule.get("automaticApproval", rule.get("always"))),
            on_request=_named(rule.get("manualApproval", rule.get("approvalRequired"))),
            requests="automaticApproval" in rule or "manualApproval" in rule,
        )
        if PUBLIC in found.at_once and not set(found.on_request) - {PUBLIC}:
            return None
        return found

    def excludes_all_but(self, author: str) -> bool:
        """Whether nobody else may do it, nor ask."""
        return not {*self.at_once, *self.on_request} - {author}

    @property
    def line(self) -> str:
        """As it is kept beside the post; `of` reads it."""
        lists = (" ".join(each) for each in (self.at_once, self.on_request))
        return "\n".join((_REQUESTS if self.requests else "", *lists))

    @classmethod
    def of(cls, line: str) -> Self | None:
        """From a line; None where it is empty, and so everybody may."""
        if not line:
            return None
        first, at_once, on_request = line.split("\n")
        return cls(
            at_once=tuple(at_once.split()),
            on_request=tuple(on_request.split()),
            requests=first == _REQUESTS,
        )


def _named(value: Json) -> tuple[str, ...]:
    """The ids in a list or a string, each once; those with blanks inside are nobody's."""
    values: Iterable[Json] = value if isinstance(value, list) else [value]
    found: dict[str, None] = {}
    for each in values:
        uri = id_of(each)
        if uri is not None and len(uri.split()) == 1 and len(found) < MAX_NAMED:
            found[PUBLIC if uri in _PUBLIC else uri.strip()] = None
    return tuple(found)


_APPROVALS: Final = {  # type: (what it is about, who gave it, what is allowed, under what)
    **{
        f"{act}Authorization": (act, "attributedTo", "interactingObject", "interactionTarget")
        for act in Act
    },
    **{f"{act}Approval": (act, "attributedTo", "object", "target") for act in Act},
    "Accept": (None, "actor", "object", "target"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """An author's word that something may stand under a post of theirs, as their server shows it.

    `act` is None for an Accept, which before GoToSocial 0.19, and at times in 0.20, is all there
    is; so may `target` be.
    """

    id: str
    act: Act | None
    author: str
    item: str
    target: str | None

    @classmethod
    def parse(cls, document: Document) -> Self:
        """Raises Malformed: it is another kind of document, or a part is missing (SEC-S22)."""
        if (kind := kind_of(document)) not in _APPROVALS:
            raise Malformed("That is no approval.")
        act, author, item, target = _APPROVALS[kind]
        return cls(
            id=uri_of(document.get("id"), "id"),
            act=act,
            author=uri_of(single(document.get(author)), "author"),
            item=uri_of(_asked(document.get(item)), "item"),
            target=id_of(single(document.get(target))),
        )


def meant(document: Document) -> str | None:
    """The answer or Like that an Accept or a Reject is about, named itself or by its request."""
    found = _asked(document.get("object"))
    if found is not None:
        for act in Act:
            found = found.removesuffix(f"#{act.request}")
    return found


def _asked(value: Json) -> str | None:
    """What is named; of an embedded request, what it asks for."""
    named = single(value)
    if isinstance(named, dict) and text_of(named.get("type"), 20) in _REQUESTED:
        return id_of(single(named.get("instrument"))) or id_of(named)
    return id_of(named)
