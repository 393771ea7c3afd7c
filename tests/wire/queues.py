"""A long queue for one server, as it is after days in which it did not answer."""

import json

import sqlalchemy as sa

from activitypub.actors import Actor
from tests.nodes import Node

_ACTIVITIES = """
    INSERT INTO activities (uri, actor_uri, kind, object_uri, body, public, month)
    SELECT :origin || '/a/fill' || n, :actor, 'Update', '', :body, true, :day
    FROM generate_series(1, CAST(:number AS int)) AS n
"""
_DELIVERIES = """
    INSERT INTO deliveries (host, inbox, lane, activity_uri, signer_id, day)
    SELECT CAST(:host AS text), 'http://' || CAST(:host AS text) || '/inbox',
           CAST(n % 50 AS text), :origin || '/a/fill' || n, :signer, :day
    FROM generate_series(1, CAST(:number AS int)) AS n
"""


async def fill(node: Node, host: str, signer: Actor, number: int) -> None:
    """Let so many ordinary rows wait for `host`."""
    body = json.dumps({"id": f"{node.origin}/a/fill", "type": "Update", "actor": signer.uri})
    values = {
        "origin": node.origin,
        "actor": signer.uri,
        "body": body,
        "day": node.clock().date(),
        "number": number,
        "host": host,
        "signer": signer.id,
    }
    async with node.engine.begin() as conn:
        for statement in (_ACTIVITIES, _DELIVERIES):
            await conn.execute(sa.text(statement), values)
