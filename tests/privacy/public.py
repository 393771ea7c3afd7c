"""What anybody can read: every public document of the node, fetched and laid out as tables."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from activitypub.jsontext import Json
from activitypub.vocab import PUBLIC
from tests.privacy.dump import Table, Value
from tests.privacy.stage import Stage

# Everybody's differ and are random; the test's actors share keys, which is slow to make.
_LEFT_OUT = {"publicKey", "assertionMethod", "@context"}


async def crawl(stage: Stage, handles: Sequence[str], posts: Sequence[str]) -> dict[str, Table]:
    """`public_actors`, and the `public_posts` among these addresses that a server may read."""
    origin = stage.here.origin
    actors, notes = [], []
    for handle in sorted(handles):
        uri = f"{origin}/u/{handle}"
        status, document = await stage.document(uri)
        _, outbox = await stage.document(f"{uri}/outbox")
        count = outbox["totalItems"] if isinstance(outbox, dict) and outbox else None
        if isinstance(document, dict):
            actors.append({**document, "id": uri, "status": status, "posts": count})
    for uri in posts:
        status, document = await stage.document(uri)
        if status == 200 and isinstance(document, dict):
            audience = document.get("to")
            assert isinstance(audience, list)
            assert PUBLIC in audience
            notes.append(document)
    return {"public_actors": _table(actors), "public_posts": _table(notes)}


def _table(documents: Sequence[Mapping[str, Json]]) -> Table:
    names = sorted({name for each in documents for name in each} - _LEFT_OUT) or ["id"]
    return Table(
        tuple(names), [tuple(_value(each.get(name)) for name in names) for each in documents]
    )


def _value(found: Json) -> Value:
    if isinstance(found, bool | int | float):
        return float(found) if isinstance(found, float) else int(found)
    if found is None:
        return None
    if isinstance(found, str):
        try:
            return datetime.fromisoformat(found).timestamp()
        except ValueError:
            return found
    return str(found)
