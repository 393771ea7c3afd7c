"""A small server made with bovine: Di lives here. `python bovine_peer.py PORT`.

What it keeps as heard was verified by bovine; what it says is made by bovine's factories.
"""

import json
import sys

import aiohttp
from aiohttp import web
from bovine.activitystreams import Actor, factories_for_actor_object
from bovine.clients.signed_http import SignedHttpClient
from bovine.crypto import build_validate_http_signature_raw, generate_rsa_public_private_key
from bovine.crypto.types import CryptographicIdentifier
from serving import AP, Document, Peer, get

PORT = int(sys.argv[1])
DI = f"http://localhost:{PORT}/users/di"

public, private = generate_rsa_public_private_key()
ACTOR = Actor(
    id=DI,
    type="Person",
    preferred_username="di",
    name="Di",
    inbox=f"{DI}/inbox",
    outbox=f"{DI}/outbox",
    public_key=public,
    public_key_name="main-key",
).build()
activities, objects = factories_for_actor_object(ACTOR)


async def identity(key_id: str) -> CryptographicIdentifier | None:
    return CryptographicIdentifier.from_public_key((await get(key_id))["publicKey"])


validate = build_validate_http_signature_raw(identity)


async def verify(request: web.Request, body: bytes) -> bool:
    headers = {name.lower(): value for name, value in request.headers.items()}
    owner = await validate("post", str(request.url), headers, request.read)
    return owner is not None and owner == json.loads(body)["actor"]


async def read(url: str) -> Document:
    async with aiohttp.ClientSession() as session:
        client = SignedHttpClient(session, f"{DI}#main-key", private)
        answer = await client.get(url, headers={"Accept": AP})
        found: Document = json.loads(await answer.text())
        return found


async def send(inbox: str, activity: Document) -> int:
    async with aiohttp.ClientSession() as session:
        client = SignedHttpClient(session, f"{DI}#main-key", private)
        answer = await client.post(inbox, json.dumps(activity), content_type=AP)
        return int(answer.status)


def said(uri: str, order: Document) -> Document:
    if order["do"] == "follow":
        made = activities.follow(order["to"])
    elif order["do"] == "delete":
        made = activities.delete(uri).as_public()
    else:
        note = objects.note(
            id=uri, content=order["content"], in_reply_to=order.get("answers"), cc={order["to"]}
        )
        made = activities.create(note.as_public().build()).as_public()
    document: Document = {k: v for k, v in made.build().items() if k != "id" or v is not None}
    return document


Peer(PORT, ACTOR, verify, read, send, said).run()
