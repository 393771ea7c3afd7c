"""Mastodon as far as it meets a group: what it shows, what it drops (WIRE 3.4; T9)."""

import json
import re
from dataclasses import dataclass, field
from typing import Any, cast

from aiohttp import web
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from activitypub import keys, proofs
from kernel.errors import Malformed
from tests.linked_data import check
from tests.peer import AP, Document, Peer

_KEY_ID = re.compile(r'keyId="([^"#]+)')


@dataclass
class Mastodon(Peer):
    """Shows boosts and relayed posts; believes of others what they signed themselves.

    Before 4.7 that is a linked-data signature, from then on a proof does as well.
    """

    reads_proofs: bool = False
    boosts: dict[str, str] = field(default_factory=dict)  # the Announce, what it shows
    statuses: dict[str, Document] = field(default_factory=dict)
    dropped: list[Document] = field(default_factory=list)
    relayed_by: set[str] = field(default_factory=set)

    async def _take(self, request: web.Request) -> web.Response:
        answer = await super()._take(request)
        found = _KEY_ID.search(request.headers["Signature"])
        assert found is not None
        await self._deal_with(self.inbox[-1], found[1])
        return answer

    async def _deal_with(self, activity: Document, signer: str) -> None:
        actor, obj = activity["actor"], activity["object"]
        if actor != signer:
            if not await self._is_its_actors(activity):
                self.dropped.append(activity)
                return
            self.relayed_by.add(signer)
        uri = obj if isinstance(obj, str) else obj["id"]
        match activity["type"]:
            case "Announce" if isinstance(obj, str):
                self.boosts.setdefault(activity["id"], obj)
            case "Create" | "Update" if obj["attributedTo"] == actor:
                self.statuses[uri] = obj
            case "Delete" if uri in self.statuses:
                assert self.statuses[uri]["attributedTo"] == actor
                del self.statuses[uri]
            case "Undo" if obj["type"] == "Announce":
                self.boosts.pop(uri, None)

    async def _is_its_actors(self, activity: Document) -> bool:
        author = await self._fetch(activity["actor"])
        if self.reads_proofs and "proof" in activity:
            return self._is_proven(activity, author)
        if "signature" not in activity:
            return False
        key = keys.load_public_key(author["publicKey"]["publicKeyPem"])
        try:
            check(activity, cast(RSAPublicKey, key))
        except InvalidSignature:
            return False
        return bool(activity["signature"]["creator"] == author["publicKey"]["id"])

    def _is_proven(self, activity: Document, author: Document) -> bool:
        try:
            proof = proofs.read(activity)
        except Malformed:
            return False
        methods = {each["id"]: each["publicKeyMultibase"] for each in author["assertionMethod"]}
        return proof.method in methods and proof.holds(keys.load_multibase(methods[proof.method]))

    async def _fetch(self, uri: str) -> Document:
        _, _, rest = uri.partition("://")
        host, _, path = rest.partition("/")
        assert self._session is not None
        async with self._session.get(
            f"http://127.0.0.1:{self.names.ports[host]}/{path}",
            headers={"Host": host, "Accept": AP},
        ) as response:
            found: Any = json.loads(await response.read())
        return cast(Document, found)
