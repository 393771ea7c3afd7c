"""What an action may know of the node it runs on."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Self
from uuid import UUID

from kernel import chance
from kernel.clock import Clock
from kernel.sealing import NodeKey
from kernel.urls import parse


@dataclass(frozen=True, slots=True)
class Here:
    """This node: its origin (`https://alder.example`, no slash), its key and its clock."""

    origin: str
    node_key: NodeKey
    clock: Clock
    signed_fetch: bool = False  # documents are only for servers that sign
    tended_within: int = 14  # days in which a moderator has to be seen in a group; 0: never
    decisions_fade: int = 90  # days after which what was decided about somebody counts no more
    reports_a_day: int = 30  # enough for one person; 0: nothing is ever too much
    media_origin: str | None = None  # where public pictures are shown instead of here
    protected_domains: tuple[str, ...] = ()  # nothing is decided against these
    release_delay: bool = False  # what people do goes out a little later, by chance
    veils: list[int] = field(default_factory=list, compare=False)  # last known: `members.veil`
    decider: bytes | None = field(default=None, repr=False, compare=False)  # `deciding`

    def deciding(self, secret: bytes) -> Self:
        """The same node, for a member who decides something; `secret` is of them alone.

        It is in memory for the length of a request. What it marks says nothing without it.
        """
        return replace(self, decider=secret)

    @property
    def host(self) -> str:
        """The origin without its scheme; a port stays (`alder.localhost:8001`)."""
        return self.origin.partition("://")[2]

    def now(self) -> datetime:
        """The time now, in UTC."""
        return self.clock()

    def is_local(self, uri: str) -> bool:
        """Whether `uri` names something of ours: byte for byte under our origin (SEC-S19)."""
        return uri == self.origin or uri.startswith(self.origin + "/")

    def media_uri(self, media_id: UUID) -> str:
        """Where everybody finds a picture of a public post."""
        return f"{self.media_origin or self.origin}/media/{media_id}.webp"

    def is_ours(self, url: str) -> bool:
        """Whether a web address leads back to us, however it is spelled."""
        spelled = parse(url, allow_http=True, allow_fragment=True).origin
        return spelled in (self.origin, self.media_origin)

    def new_activity_uri(self) -> str:
        """A fresh id for an activity of ours; it dereferences once the activity is published."""
        return f"{self.origin}/a/{chance.new_uuid()}"
