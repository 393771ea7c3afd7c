"""What anybody else can see of two names of one member: two people (DESIGN-V2, SECURITY 10)."""

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass

import pytest
import sqlalchemy as sa

from activitypub import actors as actor_store
from activitypub.actors import Actor
from activitypub.keys import generate
from groups.groups import Group
from kernel.schema.actors import ActorKind
from kernel.schema.base import Side
from kernel.schema.tables import blocks, invitations, metadata, node
from kernel.throttle import Throttle
from members import blocks as block_store
from members import follows, personas
from members.vault import ADVISED
from node.pages import table
from node.pages.memory import MEMORY
from node.pages.session import ADMINISTRATOR
from tests.nodes import Node, NodeFactory
from tests.pages.people import PASSWORD, Browser, Person, person, settle
from tests.privacy.world import meet


@dataclass(frozen=True)
class Town:
    """Ana has two names of which one speaks; Mia moderates the group and runs the node."""

    node: Node
    ana: Person
    other: Actor
    mia: Person
    group: Group

    def others(self) -> Sequence[Browser]:
        return Browser(self.node), self.mia


@pytest.fixture
async def town(node: NodeFactory) -> Town:
    alder = await node("alder.test")
    await settle(alder)
    ana = await person(alder, "ana")
    mia = await person(alder, "mia", roles=frozenset({ADMINISTRATOR}))
    async with alder.engine.begin() as conn:
        other = await personas.create(
            conn, alder.here, ana.prepared.member, handle="willow", name="", keys=generate()
        )
    group = await alder.group("open", mia.speaker)
    await alder.join(ana.speaker, group.actor.uri)
    await alder.start(ana.speaker, group.actor.uri, "Hello", "Words of one name.")
    return Town(alder, ana, other, mia, group)


async def _document(town: Town, actor: Actor) -> dict[str, object]:
    answer = await town.node.get(f"/u/{actor.handle}")
    found: dict[str, object] = json.loads(await answer.read())
    return found


async def test_sec_U1_names_of_one_member_share_no_key(town: Town) -> None:
    found = []
    for handle in ("aspen", "hazel"):
        made = await town.ana.send("POST", "/personas/new", {"handle": handle, "name": ""})
        assert made.status == 303
        document = json.loads(await (await town.node.get(f"/u/{handle}")).read())
        (assertion,) = document["assertionMethod"]
        key = document["publicKey"]
        found.append({*key.values(), assertion["id"], assertion["publicKeyMultibase"]})
    one, two = found
    assert len(one) == len(two) == 5
    assert not one & two


async def test_sec_U2_ids_are_random_and_times_are_months(town: Town) -> None:
    for actor in (town.ana.actor, town.other):
        assert actor.id.version == 4
        assert str((await _document(town, actor))["published"]).endswith("-01T00:00:00Z")
    account = town.ana.prepared.member.account_id
    for browser in (*town.others(), town.ana):
        for path in ("/", "/u/ana", "/g/open", "/personas", "/settings"):
            page = await browser.open(path)
            told = page.html + str(page.headers)
            assert account.hex not in told.replace("-", ""), path
            if browser is not town.ana:
                assert town.other.id.hex not in told.replace("-", "")


async def test_sec_U4_nothing_that_others_read_of_one_name_names_the_other(town: Town) -> None:
    one = await _document(town, town.ana.actor)
    assert one["alsoKnownAs"] == []
    for text in (
        json.dumps(one),
        await (await town.node.get("/.well-known/webfinger?resource=acct:ana@alder.test")).text(),
        *[
            (await browser.open(path)).html
            for browser in town.others()
            for path in ("/u/ana", "/g/open", "/", "/groups")
        ],
    ):
        assert "willow" not in text


async def test_sec_U5_who_belongs_where_is_a_rounded_number(town: Town) -> None:
    async with town.node.engine.begin() as conn:
        for number in range(12):
            uri = f"https://birch.example/u/fan-{number}"
            fan = await meet(conn, town.node.here, uri, ActorKind.PERSON, generate())
            for followed in (town.ana.actor, town.group.actor):
                uri = f"{fan.uri}/follows/{followed.handle}"
                await follows.receive(conn, town.node.here, fan, followed, uri)
    for path, told in (("/u/ana/followers", 0), ("/g/open/followers", 10)):
        document = json.loads(await (await town.node.get(path)).read())
        assert document["items"] == []
        assert document["totalItems"] == told, path


async def test_sec_U7_the_limit_of_one_name_shows_at_the_other_to_nobody_else(
    town: Town,
) -> None:
    """The limit is on what the member sends, under whatever name."""
    memory, paths = town.node.app[MEMORY], ("/u/willow", "/u/ana", "/g/open", "/groups")

    async def seen() -> list[tuple[int, str]]:
        answers = [await browser.open(path) for browser in town.others() for path in paths]
        return [(answer.status, answer.text) for answer in answers]

    memory.posts = Throttle(1, 3600, town.node.clock)
    sent = await town.ana.fill("/g/open/new", "/new", title="First", text="It goes through.")
    assert sent.status == 303
    before = await seen()
    at = await town.ana.open("/g/open/new")
    form = at.page.form("as", action="/new")
    refused = await town.ana.submit(at, form, title="More", text="Too much at once.")
    assert refused.status == 429
    assert "Too much at once." in refused.html
    assert await seen() == before
    assert "Too much" not in str(await _everything(town.node))


async def test_sec_U8_a_block_of_one_name_says_nothing_of_the_other(town: Town) -> None:
    alder = town.node
    async with alder.engine.begin() as conn:
        uri = "https://birch.example/u/zoe"
        zoe = await meet(conn, alder.here, uri, ActorKind.PERSON, generate())
        await conn.execute(blocks.insert().values(blocker_id=zoe.id, persona_id=town.ana.actor.id))
        assert await block_store.who_block(conn, town.ana.actor.id, [uri]) == {uri}
        assert await block_store.who_block(conn, town.other.id, [uri]) == frozenset()
        await follows.request(conn, alder.here, await actor_store.get(conn, town.other.id), zoe)
    assert "willow" in (await town.ana.open("/personas")).text


async def test_sec_U11_what_a_browser_is_goes_nowhere(
    town: Town, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    headers = {"User-Agent": "OddBrowser/7.1 (cy)", "Accept-Language": "cy-GB,tlh-Piqd;q=0.5"}
    at = await town.ana.open("/g/open/new")
    form = at.page.form("title", "text", action="/new")
    fields = form.filled({"title": "Another", "text": "Words."})
    sent = await town.ana.send("POST", "/g/open/new", fields, headers=headers)
    assert sent.status == 303, sent.text
    for trace in ("OddBrowser", "cy-GB", "tlh-Piqd"):
        assert await town.node.mentions(trace) == []
        assert not [line for line in caplog.records if trace in str(vars(line))]
    assert caplog.records


async def _everything(alder: Node) -> dict[str, list[str]]:
    found = {}
    async with alder.engine.connect() as conn:
        for each in metadata.sorted_tables:
            columns = [column for column in each.columns if column is not node.c.awake]
            rows = await conn.execute(sa.select(*columns))
            found[each.name] = sorted(map(repr, rows))
    return found


async def test_sec_U13_no_name_is_found_by_way_of_the_other(town: Town) -> None:
    for browser in (town.mia, town.ana):
        for words in ("ana", "willow", "words of one name"):
            found = await browser.send("POST", "/find", {"words": words})
            assert found.status == 200
            assert "@willow" not in found.html
    for path in ("/notices", "/g/open/new", "/u/ana"):
        assert "willow" not in (await town.mia.open(path)).html, path


async def test_sec_U14_reading_leaves_no_trace(town: Town) -> None:
    before = await _everything(town.node)
    for route in table.routes():
        if route.method == "GET" and "{" not in route.path and route.path != "/leave":
            await town.ana.open(route.path)
    for path in ("/g/open", "/u/mia", "/personas/ana/settings", "/personas/willow/settings"):
        assert (await town.ana.open(path)).status == 200
    assert await _everything(town.node) == before


async def test_sec_U15_no_address_is_kept_or_logged(
    town: Town, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    address = "203.0.113.77"
    headers = {"X-Forwarded-For": address, "Forwarded": f"for={address}"}
    await town.ana.send("GET", "/g/open", headers=headers)
    await Browser(town.node).send("POST", "/log-in", {"login": "x"}, headers=headers)
    assert await town.node.mentions(address) == []
    assert len(caplog.records) >= 2
    for line in caplog.records:  # with everything that a formatter could print of it
        assert address not in str(vars(line))
        assert not line.name.startswith("node") or "127.0.0.1" not in str(vars(line))


async def test_sec_U17_moderators_and_administrators_see_a_name_and_nothing_behind_it(
    town: Town,
) -> None:
    for path in ("/g/open/desk", "/settings/node", "/admin/peers", "/g/open/settings"):
        page = await town.mia.open(path)
        assert page.status == 200, path
        assert "willow" not in page.html
        assert str(town.ana.prepared.member.account_id) not in page.html


async def test_sec_U20_nobody_logs_in_with_the_name_they_speak_under(town: Town) -> None:
    known = await person(town.node, "kit", cost=ADVISED)
    visitor = Browser(town.node)
    faces = set()
    for login in ("kit", "@kit@alder.test", "nobody_at_all"):
        answer = await visitor.send("POST", "/log-in", {"login": login, "password": PASSWORD})
        faces.add((answer.status, answer.text))
    assert len(faces) == 1
    assert known.actor.handle == "kit"
    right = {"login": "kit-logs-in", "password": PASSWORD}
    assert (await visitor.send("POST", "/log-in", right)).status == 303


def test_sec_U23_an_invitation_does_not_say_who_made_it_or_who_came_with_it() -> None:
    assert set(invitations.columns.keys()) == {"id", "uses_left", "grants"}
    assert invitations.info["side"] is Side.NEITHER
    assert not invitations.foreign_keys
