"""Lists of domains at addresses, as they are read again; and what programs get of ours."""

import hashlib
import json
from base64 import b64encode
from collections.abc import Awaitable, Callable
from datetime import timedelta
from email.utils import format_datetime
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa

from activitypub.client import Answer, Client
from activitypub.state import CLIENT, SETTINGS
from groups.groups import Group
from kernel.errors import NotFound
from kernel.schema.moderation import Level, ListMode
from kernel.schema.tables import (
    alert_calls,
    alert_channels,
    domain_blocks,
    domain_lists,
    domain_policies,
)
from members.severing import Words
from moderation.lists import reading, sources, taking
from moderation.lists.sources import Source
from moderation.policy import Policy
from node import keeping_away, list_reader
from node.pages.session import ADMINISTRATOR
from tests.nodes import Node, settle
from tests.pages.people import Browser, person
from tests.pages.people import settle as describe
from tests.peer import Peer

pytestmark = pytest.mark.slow
LIST = "#domain,#severity\n"


async def blocked(node: Node) -> set[str]:
    async with node.engine.connect() as conn:
        return set(await conn.scalars(sa.select(domain_blocks.c.domain)))


async def read(node: Node) -> list[Source]:
    """Whatever is due is read."""
    while await list_reader.refresh_one(node.engine, node.here, node.app[CLIENT]):
        pass
    async with node.engine.connect() as conn:
        return list(await sources.every(conn))


async def test_mod_3_3_a_list_is_read_each_day_and_only_when_it_changed(
    alder: Node, sleep: Group, good: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = "/blocks.csv"
    rows = [f"n{number}.example,suspend\n" for number in range(20)]
    good.files[path], good.types[path] = (LIST + "".join(rows)).encode(), "text/csv"
    good.digests[path], good.file_headers[path] = "one", {"ETag": '"one"'}
    async with alder.engine.begin() as conn:
        url = f"{good.origin}{path}"
        await sources.add(
            conn, alder.here, name="L", url=url, mode=ListMode.AUTOMATIC, allow_http=True
        )
    (source,) = await read(alder)
    assert (source.rows, source.etag, source.trouble, await blocked(alder)) == (
        20,
        '"one"',
        "",
        set(),
    )
    async with alder.engine.begin() as conn:
        assert len(await taking.agree(conn, alder.here, source)) == 20
    assert len(await blocked(alder)) == 20
    (again,) = await read(alder)
    assert good.fetched.count(path) == 1, "not before a day is over"
    alder.clock.forward(hours=27)
    (again,) = await read(alder)
    assert good.heard[-1]["If-None-Match"] == '"one"'
    assert again.trouble == ""

    async def changed(text: str, **headers: str) -> Source:
        good.files[path], good.file_headers[path] = text.encode(), headers
        good.digests.pop(path, None)
        alder.clock.forward(hours=27)
        (found,) = await read(alder)
        return found

    more = "late.example,suspend\nap.invalid,suspend\n"
    taken = await changed(LIST + "".join(rows[:-1]) + more)
    assert (taken.rows, taken.canaries, taken.trouble) == (20, 1, "")
    assert {"late.example"} == await blocked(alder) - {f"n{number}.example" for number in range(19)}
    kept = await blocked(alder)
    for bad, why in (
        (LIST, "no row"),
        ("", "empty"),
        ("<html>", "no row"),
        (LIST + "".join(rows[:10]), "had 20 rows"),
        (LIST + "".join(f"m{number}.example,suspend\n" for number in range(99)), "had 20 rows"),
    ):
        aside = await changed(bad)
        assert why in aside.trouble, bad
        assert await blocked(alder) == kept
    hijacked = LIST + "".join(f"m{number}.example,suspend\n" for number in range(20))
    for bad in (hijacked, LIST + "".join(rows).replace("suspend", "noop")):
        aside = await changed(bad)
        assert "of its 20 rows" in aside.trouble
        assert await blocked(alder) == kept
    never = "Mon, 01 Jan 2024 00:00:00 +9999999999999999"
    same = LIST + "".join(rows[:-1]) + more
    assert (await changed(same, **{"Last-Modified": never})).trouble == ""
    with monkeypatch.context() as broken:
        broken.setattr(reading, "read", lambda body: 1 / 0)
        aside = await changed(same)
    assert aside.trouble == "It cannot be read."
    assert aside.due is not None
    assert aside.due > alder.here.now() + timedelta(hours=23)
    ahead = format_datetime(alder.here.now() + timedelta(days=9), usegmt=True)
    aside = await changed(LIST + "".join(rows), **{"Last-Modified": ahead})
    assert "still to come" in aside.trouble
    good.files.pop(path)
    alder.clock.forward(hours=27)
    (aside,) = await read(alder)
    assert "404" in aside.trouble
    assert await blocked(alder) == kept
    good.files[path], good.file_headers[path] = (LIST + "".join(rows[:10])).encode(), {}
    assert not await list_reader.refresh(
        alder.engine, alder.here, alder.app[CLIENT], source.id, whatever=True
    )
    assert await blocked(alder) == {f"n{number}.example" for number in range(10)}


class Meanwhile:
    """A client during whose request something else happens."""

    def __init__(self, client: Client, happens: Callable[[], Awaitable[None]]) -> None:
        self.client, self.happens = client, happens

    async def get(self, url: str, **how: Any) -> Answer:
        """An answer, once that has happened."""
        answer = await self.client.get(url, **how)
        await self.happens()
        return answer


async def test_mod_5_10_a_list_that_is_ended_or_changed_while_it_is_read(
    alder: Node, sleep: Group, good: Peer
) -> None:
    path = "/blocks.csv"
    good.files[path], good.types[path] = f"{LIST}a.example,suspend\n".encode(), "text/csv"
    url = f"{good.origin}{path}"
    async with alder.engine.begin() as conn:
        source = await sources.add(
            conn, alder.here, name="L", url=url, mode=ListMode.AUTOMATIC, allow_http=True
        )
    await read(alder)
    async with alder.engine.begin() as conn:
        await taking.agree(conn, alder.here, source)
    good.files[path] += b"b.example,suspend\nc.example,suspend\n"

    async def becomes_a_draft() -> None:
        async with alder.engine.begin() as conn:
            await sources.change(
                conn,
                alder.here,
                await sources.one(conn, source.id),
                mode=ListMode.DRAFT,
                max_level=Level.REJECT,
                excluded=("c.example",),
            )

    async def ends() -> None:
        async with alder.engine.begin() as conn:
            await sources.remove(conn, alder.here, await sources.one(conn, source.id))

    client = Meanwhile(alder.app[CLIENT], becomes_a_draft)
    await list_reader.refresh(alder.engine, alder.here, client, source.id)  # type: ignore[arg-type]
    assert await blocked(alder) == {"a.example"}
    async with alder.engine.connect() as conn:
        assert [rule.domain for rule in await sources.waiting(conn, source)] == ["b.example"]
    client.happens = ends
    with pytest.raises(NotFound):
        await list_reader.refresh(alder.engine, alder.here, client, source.id)  # type: ignore[arg-type]
    assert await blocked(alder) == set()
    async with alder.engine.connect() as conn:
        assert await conn.scalar(sa.select(sa.func.count()).select_from(domain_policies)) == 0


async def test_mod_5_10_an_automatic_list_cuts_no_tie_by_itself(
    alder: Node, sleep: Group, good: Peer
) -> None:
    ann = good.person("ann")
    await good.follow(alder, ann, sleep.actor.uri)
    path = "/blocks.txt"
    good.files[path], good.types[path] = b"seen.example\n", "text/plain"
    async with alder.engine.begin() as conn:
        source = await sources.add(
            conn,
            alder.here,
            name="L",
            url=f"{good.origin}{path}",
            mode=ListMode.AUTOMATIC,
            allow_http=True,
        )
    await read(alder)
    async with alder.engine.begin() as conn:
        await taking.agree(conn, alder.here, source)
    await settle(alder)
    good.files[path] = b"seen.example\ngood.test\nfar.example\n"
    alder.clock.forward(hours=27)
    await read(alder)
    assert await blocked(alder) == {"seen.example", "far.example"}
    async with alder.engine.connect() as conn:
        (held,) = await sources.waiting(conn, source)
    assert held.domain == "good.test"


async def test_mod_h2_who_decides_is_told_once_that_a_list_waits_or_was_left_aside(
    alder: Node, good: Peer
) -> None:
    path = "/blocks.txt"
    good.types[path] = "text/plain"
    async with alder.engine.begin() as conn:
        await conn.execute(
            alert_channels.insert().values(
                id=uuid4(), group_id=None, way="mail", sealed=b"", pace=15, confirmed=True
            )
        )
        url = f"{good.origin}{path}"
        mode = ListMode.AUTOMATIC
        await sources.add(conn, alder.here, name="L", url=url, mode=mode, allow_http=True)

    async def calls(names: int) -> list[tuple[object, bool]]:
        """Which desks are called once the list was read with so many names, or is away."""
        good.files[path] = "".join(f"n{number}.example\n" for number in range(names)).encode()
        alder.clock.forward(hours=27)
        await read(alder)
        async with alder.engine.begin() as conn:
            rows = await conn.execute(sa.delete(alert_calls).returning(alert_calls))
            return [(each.group_id, each.urgent) for each in rows]

    once = [(None, False)]
    assert [await calls(names) for names in (20, 20, 19, 21)] == [once, [], [], once]
    assert [await calls(names) for names in (0, 0, 99, 20)] == [once, [], [], []]
    assert await calls(0) == once, "it was right meanwhile"


async def test_mod_5_17_programs_bring_lists_and_fetch_ours(alder: Node) -> None:
    await describe(alder)
    ana = await person(alder, "ana", roles=frozenset({ADMINISTRATOR}))
    ben = await person(alder, "ben")
    body = (LIST + "bad.example,suspend\nmeh.example,silence\nodd.example,x\n").encode()
    path = "/api/mod/lists/import"
    kind = {"Content-Type": "text/csv"}
    assert (await ben.send("POST", path, data=body, headers=kind)).status == 403
    dry = json.loads((await ana.send("POST", f"{path}?dry_run=1", data=body, headers=kind)).body)
    assert [each["domain"] for each in dry["new"]] == ["bad.example", "meh.example"]
    assert [(each["line"], each["text"]) for each in dry["refused"]] == [(4, "odd.example")]
    assert await blocked(alder) == set()
    async with alder.engine.connect() as conn:
        assert await conn.scalar(sa.select(sa.func.count()).select_from(domain_lists)) == 0
    unseen = await ana.send("POST", f"{path}?name=Mine", data=body, headers=kind)
    assert unseen.status == 409
    mine = f"{path}?name=Mine&seen={dry['impact']['digest']}"
    other = body.replace(b"bad", b"worse")
    assert (await ana.send("POST", mine, data=other, headers=kind)).status == 409
    assert await blocked(alder) == set()
    real = json.loads((await ana.send("POST", mine, data=body, headers=kind)).body)
    assert {**real, "dry_run": True} == {**dry, "list": real["list"]}
    assert await blocked(alder) == {"bad.example"}
    less = (LIST + "meh.example,silence\n").encode()
    mine = f"{path}?list={real['list']}"
    dry = json.loads((await ana.send("POST", f"{mine}&dry_run=1", data=less, headers=kind)).body)
    mine += f"&seen={dry['impact']['digest']}"
    again = await ana.send("POST", mine, data=less, headers=kind)
    assert [each["domain"] for each in json.loads(again.body)["gone"]] == ["bad.example"]
    await keeping_away.decide(
        alder.engine, alder.here, "dropped.example", Policy(Level.DROP),
        words=Words(obfuscate=True, public_comment="why"),
    )  # fmt: skip

    for ending in ("csv", "json", "txt"):
        answer = await ana.open(f"/api/mod/lists/export.{ending}")
        digest = b64encode(hashlib.sha256(answer.body).digest()).decode()
        assert answer.headers["Digest"] == f"SHA-256={digest}"
        assert "Last-Modified" in answer.headers
        assert "dropped" not in answer.text
        tag = answer.headers["ETag"]
        unchanged = await ana.open(f"/api/mod/lists/export.{ending}", If_None_Match=tag)
        assert (unchanged.status, unchanged.body) == (304, b"")
        assert (await ben.open(f"/api/mod/lists/export.{ending}")).status == 403
    for no in ("0", "false", ""):
        shared = await ana.open(f"/api/mod/lists/export.csv?format=csv&private={no}")
        assert "dropped.example" not in shared.text
    assert (await ana.open("/api/mod/lists/export.csv?private=perhaps")).status == 400
    private = await ana.open("/api/mod/lists/export.csv?format=csv&private=1")
    assert "dropped.example,suspend," in private.body.decode()
    for wrong in ("export.xml", "export.csv?format=text", "export.csv?format=fires"):
        assert (await ana.open(f"/api/mod/lists/{wrong}")).status == 404

    public = "/api/v1/instance/domain_blocks"
    assert (await ana.open(public)).status == 404
    settings = alder.app[SETTINGS]
    object.__setattr__(settings, "show_domain_blocks", "members")
    for_members = await ben.open(public)
    assert for_members.status == 200
    assert for_members.headers["Cache-Control"] == "private, max-age=600"
    object.__setattr__(settings, "show_domain_blocks", "everybody")
    answer = await Browser(alder).open(public)
    assert answer.headers["Cache-Control"] == "public, max-age=600"
    blocks = json.loads(answer.body)
    assert (await Browser(alder).open(public)).body == answer.body
    digest = hashlib.sha256(b"dropped.example").hexdigest()
    assert blocks == [
        {"domain": "drop***.****ple", "digest": digest, "severity": "suspend", "comment": "why"},
        {
            "domain": "meh.example",
            "digest": hashlib.sha256(b"meh.example").hexdigest(),
            "severity": "silence",
            "comment": "",
        },
    ]
