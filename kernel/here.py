"""What an action may know of the node it runs on."""

from dataclasses import dataclass
from datetime import datetime

from kernel import chance
from kernel.clock import Clock
from kernel.sealing import NodeKey


@dataclass(frozen=True, slots=True)
class Here:
    """This node: its origin (`https://alder.example`, no slash), its key and its clock."""

    origin: str
    node_key: NodeKey
    clock: Clock
    signed_fetch: bool = False  # documents are only for servers that sign

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

    def new_activity_uri(self) -> str:
        """A fresh id for an activity of ours; it dereferences once the activity is published."""
        return f"{self.origin}/a/{chance.new_uuid()}"
