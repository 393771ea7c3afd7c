"""A signed-in member, and the sealed blob that the account keeps for them (DESIGN)."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Self
from uuid import UUID

from kernel.errors import Malformed
from kernel.here import Here
from kernel.sealing import derive, seal, unseal

BLOB_BYTES: Final = 16 * 1024
MAX_LABEL: Final = 30

_VERSION = 1
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8}){0,4}")
_MAX_LANGUAGES = 30


class Theme(StrEnum):
    AUTO = "auto"
    LIGHT = "light"
    DARK = "dark"


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """Who is signed in: in memory only, for the length of a request. `roles`: "administrator"."""

    account_id: UUID
    root: bytes = field(repr=False)
    roles: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Preferences:
    """What a member likes; applied when a page is drawn, told to nobody.

    `languages` are BCP 47 tags in order of liking; none means all. `labels` are what they call
    their personas for themselves.
    """

    theme: Theme = Theme.AUTO
    languages: tuple[str, ...] = ()
    labels: Mapping[UUID, str] = field(default_factory=dict)

    def check(self) -> None:
        """Raises Malformed: a language tag that is none, or too many."""
        if len(self.languages) > _MAX_LANGUAGES:
            raise Malformed(f"Please choose up to {_MAX_LANGUAGES} languages.")
        for tag in self.languages:
            if not _LANGUAGE.fullmatch(tag):
                raise Malformed("Please choose languages from the list.")
        for words in self.labels.values():
            if len(words) > MAX_LABEL or not words.isprintable():
                raise Malformed(f"A label can have up to {MAX_LABEL} letters.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Blob:
    """Everything an account keeps, as one sealed piece of one size."""

    roles: frozenset[str] = frozenset()
    preferences: Preferences = field(default_factory=Preferences)

    def seal(self, here: Here, account_id: UUID, root: bytes) -> bytes:
        """Sealed by the root key, then by the node key: always the same number of bytes."""
        plain = {
            "roles": sorted(self.roles),
            "theme": self.preferences.theme,
            "languages": list(self.preferences.languages),
            "labels": {
                persona_id.hex: words for persona_id, words in self.preferences.labels.items()
            },
        }
        inner = seal(
            derive(root, "blob"),
            json.dumps(plain).encode(),
            _context(account_id),
            padded_to=BLOB_BYTES,
        )
        return seal(here.node_key.derive("blobs"), inner, _context(account_id))

    @classmethod
    def open(cls, here: Here, account_id: UUID, root: bytes, sealed: bytes) -> Self:
        """Raises Unsealable: another member's, another node's, or altered."""
        inner = unseal(here.node_key.derive("blobs"), sealed, _context(account_id))
        plain = json.loads(unseal(derive(root, "blob"), inner, _context(account_id)))
        return cls(
            roles=frozenset(plain["roles"]),
            preferences=Preferences(
                theme=Theme(plain["theme"]),
                languages=tuple(plain["languages"]),
                labels={UUID(hex=each): words for each, words in plain.get("labels", {}).items()},
            ),
        )


def _context(account_id: UUID) -> str:
    return f"account {account_id} blob {_VERSION}"
