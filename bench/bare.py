"""The limits: the least that could do the same work, in a process of its own.

`python -m bench.bare` reads one JSON object of `Task` on standard input. An inbox that verifies
and stores and nothing else; a publisher that signs and posts and nothing else; a page without a
query, and one with a single query.
"""

import asyncio
import base64
import hashlib
import json
import re
import sys
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass, field

import aiohttp
import asyncpg
import sqlalchemy as sa
from aiohttp import web
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key
from jinja2 import DictLoader, Environment
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from activitypub import signatures
from activitypub.claims import CONTENT_TYPE
from kernel.clock import utcnow
from kernel.schema.tables import actors, posts, threads

BODY = 1024 * 1024
_PARAMETER = re.compile(r'(\w+)="([^"]*)"')
_PAGES = Environment(
    loader=DictLoader(
        {
            "page": "<!doctype html><html><head><title>{{ title }}</title></head>"
            "<body><h1>{{ title }}</h1><ul>{% for row in rows %}<li><a href='/t/{{ row.id }}'>"
            "{{ row.title }}</a> {{ row.name }} {{ row.replies }}</li>{% endfor %}</ul></body>"
        }
    ),
    autoescape=True,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What to be. `keys` are public keys by id; `targets` are inboxes; `signer` signs for them."""

    port: int
    dsn: str = field(repr=False)  # of SQLAlchemy
    socket: str = ""
    keys: dict[str, str] = field(default_factory=dict)
    targets: list[str] = field(default_factory=list)
    signer: str = field(default="", repr=False)
    relay: bool = False

    def to_json(self) -> bytes:
        return json.dumps(asdict(self)).encode()


class Store:
    """Group commit: whatever came while the last transaction ran goes into the next."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection
        self._waiting: list[tuple[bytes, asyncio.Future[None]]] = []
        self._some = asyncio.Event()

    async def keep(self, body: bytes) -> None:
        """Returns once `body` is on disk."""
        done = asyncio.get_running_loop().create_future()
        self._waiting.append((body, done))
        self._some.set()
        await done

    async def flush(self) -> None:
        """Runs for ever."""
        while True:
            await self._some.wait()
            self._some.clear()
            batch, self._waiting = self._waiting, []
            await self._connection.execute(
                "INSERT INTO bare (body) SELECT unnest($1::bytea[])", [body for body, _ in batch]
            )
            for _, done in batch:
                if not done.done():
                    done.set_result(None)


class Sender:
    """Signs for every target and posts over kept connections, everything at once."""

    def __init__(self, task: Task, session: aiohttp.ClientSession) -> None:
        self._targets, self._session = task.targets, session
        key = load_pem_private_key(task.signer.encode(), None) if task.signer else None
        self._key = key if isinstance(key, RSAPrivateKey) else None
        self._under_way: set[asyncio.Task[None]] = set()

    async def publish(self, body: bytes) -> None:
        """Returns once every target has answered."""
        await asyncio.gather(*(self._post(target, body) for target in self._targets))

    def begin(self, body: bytes) -> None:
        """As `publish`, without waiting."""
        task = asyncio.create_task(self.publish(body))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _post(self, target: str, body: bytes) -> None:
        assert self._key is not None
        headers = signatures.sign(self._key, "http://bare/#key", "POST", target, utcnow(), body)
        headers["Content-Type"] = CONTENT_TYPE
        async with self._session.post(target, data=body, headers=headers) as response:
            await response.read()


TASK = web.AppKey("task", Task)
STORE = web.AppKey("store", Store)
SENDER = web.AppKey("sender", Sender)
ENGINE = web.AppKey("engine", AsyncEngine)
PUBLIC_KEYS = web.AppKey("public_keys", dict[str, RSAPublicKey])


def is_proven(request: web.Request, body: bytes, keys: dict[str, RSAPublicKey]) -> bool:
    """Whether digest and signature hold, and nothing more is asked."""
    digest = base64.b64encode(hashlib.sha256(body).digest()).decode()
    if request.headers["Digest"] != f"SHA-256={digest}":
        return False
    given = dict(_PARAMETER.findall(request.headers["Signature"]))
    lines = [
        f"(request-target): post {request.raw_path}"
        if name == "(request-target)"
        else f"{name}: {request.headers[name]}"
        for name in given["headers"].split()
    ]
    try:
        keys[given["keyId"]].verify(
            base64.b64decode(given["signature"]), "\n".join(lines).encode(), PKCS1v15(), SHA256()
        )
    except InvalidSignature:
        return False
    return True


async def inbox(request: web.Request) -> web.Response:
    """202 once the row is on disk."""
    body = await request.read()
    if not is_proven(request, body, request.app[PUBLIC_KEYS]):
        return web.Response(status=401)
    await request.app[STORE].keep(body)
    if request.app[TASK].relay:
        document = json.loads(body)
        announce = {"id": f"{document['id']}/announce", "type": "Announce", "object": document}
        request.app[SENDER].begin(json.dumps(announce).encode())
    return web.Response(status=202)


async def publish(request: web.Request) -> web.Response:
    """204 once every target has what was posted here."""
    await request.app[SENDER].publish(await request.read())
    return web.Response(status=204)


async def empty(_request: web.Request) -> web.Response:
    """A page with nothing in it."""
    shown = _PAGES.get_template("page").render(title="Nothing", rows=[])
    return web.Response(text=shown, content_type="text/html")


async def query(request: web.Request) -> web.Response:
    """A page of twenty joined rows from one query."""
    newest = (
        sa.select(threads.c.id, threads.c.replies, posts.c.title, actors.c.name)
        .join(posts, posts.c.id == threads.c.id)
        .join(actors, actors.c.id == posts.c.author_id)
        .order_by(threads.c.id.desc())
        .limit(20)
    )
    async with request.app[ENGINE].connect() as conn:
        rows = (await conn.execute(newest)).all()
    shown = _PAGES.get_template("page").render(title="Twenty", rows=rows)
    return web.Response(text=shown, content_type="text/html")


async def _running(app: web.Application) -> AsyncIterator[None]:
    """Connections, kept for as long as the process runs."""
    task = app[TASK]
    app[ENGINE] = create_async_engine(task.dsn)
    url = app[ENGINE].url
    connection = await asyncpg.connect(
        host=task.socket, user=url.username, password=url.password, database=url.database
    )
    await connection.execute(
        "CREATE TABLE IF NOT EXISTS bare (id bigserial PRIMARY KEY, body bytea NOT NULL)"
    )
    app[STORE] = Store(connection)
    flushing = asyncio.create_task(app[STORE].flush())
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        app[SENDER] = Sender(task, session)
        yield
    flushing.cancel()
    await connection.close()
    await app[ENGINE].dispose()


def main() -> None:
    """Serve until SIGTERM."""
    task = Task(**json.load(sys.stdin))
    app = web.Application(client_max_size=BODY)
    app[TASK] = task
    app[PUBLIC_KEYS] = {
        key_id: key
        for key_id, pem in task.keys.items()
        if isinstance(key := load_pem_public_key(pem.encode()), RSAPublicKey)
    }
    app.cleanup_ctx.append(_running)
    app.router.add_post("/inbox", inbox)
    app.router.add_post("/publish", publish)
    app.router.add_get("/empty", empty)
    app.router.add_get("/query", query)
    web.run_app(app, host="127.0.0.1", port=task.port, access_log=None, print=_tell_ready)


def _tell_ready(*_words: object) -> None:
    """Called by aiohttp once it listens."""
    print("ready", flush=True)


if __name__ == "__main__":
    main()
