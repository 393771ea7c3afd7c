"""Something behind every variable part of an address, and whose it is (SEC-L2, SEC-L8).

A route with a part that is new has to say here what stands for it; `filled` fails until it does.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from uuid import uuid4

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from activitypub.keys import KeyPair
from groups import desk
from groups import posts as post_store
from groups.groups import add_moderator
from kernel.clock import to_month
from kernel.here import Here
from kernel.schema.alerts import Way
from kernel.schema.directed import AskState, Category
from kernel.schema.moderation import Level, ListMode
from kernel.schema.pacts import Tier
from kernel.schema.severed import ChangeState
from kernel.schema.tables import (
    activities,
    asks_in,
    audit,
    care_cases,
    cases,
    domain_changes,
    domain_lists,
    list_takings,
    people_effects,
    signal_effects,
    signals,
)
from moderation import alert_channels, impact
from moderation.directed import answering
from moderation.directed.terms import Request
from moderation.signals import datasets, published
from moderation.signals.published import Advice
from moderation.signals.vocabulary import Policy
from node.pages.session import ADMINISTRATOR, MODERATOR
from tests.media import draw
from tests.moderation.peers import HOUR, Peers
from tests.pages.conftest import House
from tests.pages.people import Browser, person
from tests.pages.test_messages import befriend, mine, old, turn_on, writes
from tests.pages.test_pictures import compose

UNKNOWN = "00000000-0000-4000-8000-000000000000"
NUMBER = "987654321"
PEER = "birch.example"
WHY = "It names a place."
SAID = {
    "words of a message": "For Ana alone.",
    "words of a draft": "Later perhaps.",
    "words that wait": "In a while.",
    "words of an appeal": "It named no place.",
    "why it was taken out": WHY,
}

FOR_ALL: Mapping[str, str] = {
    "/u/{name}": "ben", "/desk/{name}": "node", "/labels/{id}": "grief",
    "{country}": "ie", "{ending}": "csv", "{hash}": "0" * 16, "{record}": "risks",
    "{tag}": "sleep", "{version}": "1", "/static/{hash}/{name}": "site.css",
    "/g/{name}/desk/{task}": "stay", "{task}": "note",
}  # fmt: skip
"""Parts that name nothing which belongs to anybody."""


@dataclass(frozen=True)
class Thing:
    """What stands for a part, and what would if there were no such thing."""

    known: str
    unknown: str


@dataclass(frozen=True)
class World:
    """A house in which everybody has something, by the route up to the part that names it."""

    house: House
    people: Mapping[str, Browser]
    things: Mapping[str, Thing]

    def filled(self, route: str, *, known: bool, group: str = "open") -> str:
        """The address of what exists, or of what does not."""
        path = route
        for part, place in self._parts(route):
            value = group if place == "/g/{name}" else FOR_ALL.get(place, FOR_ALL.get(part))
            if value is None:
                alone = f"{place} of {route}"
                found = alone if alone in self.things else place
                assert found in self.things, f"say in belongings what stands for {place}"
                value = self.value(found, known=known)
            path = path.replace(part, value)
        return path

    def value(self, written: str, *, known: bool) -> str:
        """What stands for that, or the word itself where nothing does."""
        thing = self.things.get(written)
        if thing is None:
            return written
        return thing.known if known else thing.unknown

    @staticmethod
    def _parts(route: str) -> list[tuple[str, str]]:
        """The variable parts, each with the route up to its end."""
        return [(each[0], route[: each.end()]) for each in re.finditer(r"\{[^}]+\}", route)]


async def furnished(house: House, key_pairs: list[KeyPair]) -> World:
    """Ben's words, messages and drafts; what was reported of him; what administrators weigh.

    Mia looks after the open group, Eve after another one, Max and Ada after the node.
    """
    node, ben, cleo = house.node, house.ben, house.cleo
    mia, eve = await person(node, "mia"), await person(node, "eve")
    keeper = await person(node, "max", roles=frozenset({MODERATOR}))
    runner = await person(node, "ada", roles=frozenset({ADMINISTRATOR}))
    await node.group("other", eve.speaker)
    async with node.engine.begin() as conn:
        version = house.open.guidelines_version
        await add_moderator(conn, node.here, house.open.actor, mia.actor, version)
    async with node.engine.begin() as conn:  # numbers that are in no page by chance
        for each in (audit, domain_changes, list_takings, signal_effects, signals):
            sequence = sa.func.pg_get_serial_sequence(each.name, "id")
            await conn.execute(sa.select(sa.func.setval(sequence, 123_456_000)))
    own = await _own(house)
    below = await node.reply(ben.speaker, house.thread.uri, "More of it.")
    reported = await node.start(ben.speaker, house.open.actor.uri, "Nights", "Something else.")
    for about, why in (
        (f"/p/{reported.id}/report", "unkind"),
        ("/u/ben/report", "pressure"),
        (f"/p/{reported.id}/report", "worried"),
    ):
        sent = await cleo.fill(about, about, why=why, words="Look")
        assert sent.status == 200, sent.text
    peers = Peers(node.engine, node.here, key_pairs, node=node)
    await peers.trust(PEER)
    await peers.say(PEER, 1, "bad.example")
    await peers.later()
    await peers.later(HOUR)
    effect = await peers.effect("bad.example")
    async with node.engine.begin() as conn:
        acting = await desk.require(conn, house.open, house.ana.speaker)
        answer = await post_store.get(conn, house.answer.id)
        await desk.remove(conn, node.here, house.open, acting, answer, WHY)
        found = {
            **await _of_desks(conn, house),
            **await _of_administrators(conn, node.here, house),
            "/desk/decisions/{number}": effect.decision,
            "/api/mod/decisions/{number}": effect.decision,
            "/settings/node/effects/{number}": effect.id,
        }
    appeal = f"/decisions/{found['/decisions/{decision}']}/appeal"
    sent = await ben.send("POST", appeal, {"words": SAID["words of an appeal"]})
    assert sent.status == 303, sent.text
    numbers = {place: Thing(str(value), NUMBER) for place, value in found.items()
               if isinstance(value, int)}  # fmt: skip
    ids = {place: Thing(str(value), UNKNOWN) for place, value in found.items()
           if not isinstance(value, int)}  # fmt: skip
    hosts = {
        place: Thing(PEER, "nowhere.example")
        for place in (
            "/admin/peers/{host}", "/api/mod/peers/{host}", "/settings/node/pacts/{host}",
            "/settings/node/signals/rules/{host}",
        )
    }  # fmt: skip
    return World(
        house=house,
        people={
            "visitor": house.visitor, "member": cleo, "in the group": ben,
            "moderates another": eve, "moderates it": mia, "node moderator": keeper,
            "administrator": runner,
        },
        things={
            **numbers, **ids, **hosts, **own,
            "/p/{id}": Thing(str(reported.id), NUMBER),
            "/t/{id}": Thing(str(reported.id), NUMBER),
            "/p/{id} of /p/{id}/split": Thing(str(below.id), NUMBER),
            "its author": Thing(str(ben.actor.id), UNKNOWN),
            "who writes": Thing(str(house.ana.actor.id), UNKNOWN),
            **{name: Thing(words, words) for name, words in SAID.items()},
        },
    )  # fmt: skip


async def _own(house: House) -> dict[str, Thing]:
    """What is Ben's alone, or his and Ana's."""
    node, ben = house.node, house.ben
    await old(node, house.ana, ben)
    for who in (house.ana, ben):
        await turn_on(who)
    path = mine(await befriend(house), "ben")
    await writes(ben, path, SAID["words of a message"])
    delete = next(
        form.action for form in (await ben.open(path)).page.forms if form.action.endswith("/delete")
    )
    *_, conversation, message, _ = delete.split("/")
    asked = await compose(ben, house.thread.id, [draw.png()])
    draft = re.search(r"/media/drafts/([^\"]+)", asked.html)
    assert draft is not None
    at = f"/p/{house.thread.id}/reply"
    await ben.fill(at, "/reply", text=SAID["words of a draft"], keep="draft")
    await ben.fill("/settings/timing", undo="10")
    waits = (await ben.fill(at, "/reply", text=SAID["words that wait"])).location.partition("?")[0]
    await ben.fill("/settings/timing", undo="0")
    told = str(uuid4())
    async with node.engine.begin() as conn:
        await conn.execute(
            activities.insert().values(
                uri=f"{node.origin}/a/{told}", actor_uri=ben.actor.uri, kind="Create",
                object_uri=f"{node.origin}/m/{message}", body="{}", public=False,
                month=to_month(node.here.now()),
            )
        )  # fmt: skip
    return {
        "/personas/{name}": Thing("ben", "nobody"),
        "/messages/{name}": Thing("ben", "nobody"),
        "/messages/{name}/{conversation}": Thing(conversation, UNKNOWN),
        "/messages/{name}/{conversation}/{message}": Thing(message, UNKNOWN),
        "/m/{id}": Thing(message, UNKNOWN),
        "/a/{id}": Thing(told, UNKNOWN),
        "/media/drafts/{token}": Thing(draft[1], UNKNOWN),
        "/media/{name}": Thing(f"{UNKNOWN}.webp", f"{uuid4()}.webp"),
        "/drafts/{number}": Thing("1", "2"),
        "/waiting/{waiting}": Thing(waits.rpartition("/")[2], UNKNOWN),
    }  # fmt: skip


async def _of_desks(conn: AsyncConnection, house: House) -> dict[str, object]:
    """A case of the group, one of the node, somebody worried, and a decision about Ben."""
    here = house.node.here
    channel = await alert_channels.add(
        conn, here, house.open.id, way=Way.MAIL, label="Evening", target="mia@mail.example", pace=15
    )
    ask, asked = uuid4(), Request(category=Category.REPORT, objects=("http://alder.test/u/ben",))
    await conn.execute(
        asks_in.insert().values(
            id=ask, host=PEER, category=asked.category, urgency=asked.urgency,
            state=AskState.HELD, day=here.now().date(), uri=f"https://{PEER}/a/1",
            answer_id=uuid4(), sealed=answering.seal(here, ask, asked),
        )
    )  # fmt: skip
    of_group = sa.select(cases.c.id).where(cases.c.group_id == house.open.id)
    of_node = sa.select(cases.c.id).where(cases.c.group_id.is_(None))
    return {
        "/g/{name}/desk/cases/{case}": await conn.scalar(of_group),
        "/moderation/{case}": await conn.scalar(of_node),
        "/moderation/care/{case}": await conn.scalar(sa.select(care_cases.c.id)),
        "/moderation/asked/advice/{signal}": await conn.scalar(sa.select(signals.c.id)),
        "/moderation/asked/{ask}": ask,
        "/on-duty/{channel}": channel.id,
        "/decisions/{decision}": await conn.scalar(
            sa.select(audit.c.id).where(audit.c.person_id == house.ben.actor.id)
        ),
    }


async def _of_administrators(conn: AsyncConnection, here: Here, house: House) -> dict[str, object]:
    """A list that was taken, a change that waits, advice about somebody, and our own advice."""
    today = here.now().date()
    await conn.execute(
        domain_lists.insert().values(
            id="a-list", name="A list", mode=ListMode.DRAFT, max_level=Level.REJECT
        )
    )
    taking = list_takings.insert().values(list_id="a-list", day=today)
    would = await impact.of(conn, here, ["c.example"], Level.REJECT)
    change = domain_changes.insert().values(
        domain="c.example", before="", after=Level.REJECT, by_person=False,
        state=ChangeState.HELD, day=today, impact=json.dumps(would.as_json()),
    )  # fmt: skip
    await conn.execute(
        people_effects.insert().values(
            actor_id=house.cleo.actor.id, state="held", basis=[], hosts=[PEER], score=1.0,
            issuers=1, began=today, day=today,
        )
    )  # fmt: skip
    ours = await datasets.ours(conn, here)
    await datasets.set_tier(conn, here, Tier.PACTS)
    said = Advice(
        domain="bad.example", policy=Policy.FILTER, until=today + timedelta(days=90),
        confidence=1.0,
    )  # fmt: skip
    entry = await published.advise(conn, here, said)
    return {
        "/settings/node/domains/lists/{list}": "a-list",
        "/settings/node/domains/imports/{number}": await conn.scalar(
            taking.returning(list_takings.c.id)
        ),
        "/settings/node/changes/{number}": await conn.scalar(change.returning(domain_changes.c.id)),
        "/settings/node/people/{person}": house.cleo.actor.id,
        "/moderation/people/{person}": house.cleo.actor.id,
        "/datasets/{id}": ours.id,
        "/datasets/{id}/changes/{change}": entry.id,
    }
