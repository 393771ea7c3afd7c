"""A small server made with apkit: Cy lives here. `python apkit_peer.py PORT`.

What it keeps as heard was verified by apkit, and every document is read into apkit's own types.
"""

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import apmodel
from aiohttp import web
from apkit.client.asyncio.client import ActivityPubClient
from apkit.config import AppConfig
from apkit.helper.inbox import InboxVerifier
from apkit.types import ActorKey
from apmodel._core._jsonjd.loader import PRELOAD_JSONLD_PATH_MAPPINGS
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from serving import AS2, PUBLIC, Document, Peer

PORT = int(sys.argv[1])
CY = f"http://localhost:{PORT}/users/cy"

# apkit brings four contexts and asks the network for any other; here it is given the one it lacks.
CID = Path(__file__).parents[3] / "activitypub" / "contexts" / "cid-v1.jsonld"
with tempfile.NamedTemporaryFile("w", suffix=".jsonld", delete=False) as file:
    json.dump({"schema": json.loads(CID.read_text())}, file)
PRELOAD_JSONLD_PATH_MAPPINGS["https://www.w3.org/ns/cid/v1"] = file.name

key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
verifier = InboxVerifier(AppConfig())

ACTOR = {
    "@context": [AS2, "https://w3id.org/security/v1"],
    "id": CY,
    "type": "Person",
    "preferredUsername": "cy",
    "inbox": f"{CY}/inbox",
    "outbox": f"{CY}/outbox",
    "publicKey": {"id": f"{CY}#main-key", "owner": CY, "publicKeyPem": pem},
}


async def verify(request: web.Request, body: bytes) -> bool:
    headers = {name.lower(): value for name, value in request.headers.items()}
    return await verifier.verify(body, str(request.url), request.method, headers)


async def read(url: str) -> Document:
    async with ActivityPubClient() as client:
        found: Any = await client.actor.fetch(url)
    return {"name": found.name, "type": type(found).__name__, "inbox": found.inbox}


async def send(inbox: str, activity: Document) -> int:
    async with ActivityPubClient() as client:
        sent = client.post(
            inbox,
            json=apmodel.load(activity),
            signatures=[ActorKey(key_id=f"{CY}#main-key", private_key=key)],
            sign_with=["draft-cavage"],
        )
        async with sent as answer:
            return int(answer.status)


def said(uri: str, order: Document) -> Document:
    common = {"@context": [AS2], "actor": CY, "to": [PUBLIC], "cc": [order["to"]]}
    if order["do"] == "follow":
        return {**common, "type": "Follow", "object": order["to"]}
    if order["do"] == "delete":
        return {**common, "type": "Delete", "object": uri}
    note = {
        "id": uri,
        "type": "Note",
        "attributedTo": CY,
        "to": [PUBLIC],
        "cc": [order["to"]],
        "content": order["content"],
        "inReplyTo": order.get("answers"),
    }
    return {**common, "type": "Create", "object": note}


Peer(PORT, ACTOR, verify, read, send, said).run()
