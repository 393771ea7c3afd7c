"""People on duty hear that something waits, and nothing of what it is (DOM-D13, MOD-H2)."""

import base64
import hmac
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import sqlalchemy as sa

from activitypub.state import SETTINGS
from groups.groups import Group, GroupSettings
from groups.posts import Post
from kernel import tombstone_log
from kernel.clock import COARSE
from kernel.errors import NotFound
from kernel.schema.cases import Subject
from kernel.schema.groups import Premoderation
from kernel.schema.messages import Why
from kernel.schema.posts import PostState
from kernel.schema.tables import alert_calls, alert_channels, cases
from kernel.tombstone_log import Act
from moderation import alerting, reports
from moderation.cases import About
from node import alert_commands, worker
from node.doctor import _alerts as look_at_alerts
from node.opening import Opened
from node.pages.session import ADMINISTRATOR, MODERATOR
from node.safekeeping.replay import replay
from tests.mailbox import Mailbox
from tests.moderation.harm_lines import HARMFUL
from tests.nodes import Node, NodeFactory
from tests.pages.people import Answer, Browser, Person, person
from tests.pages.people import settle as describe
from tests.peer import Peer, PeerFactory, Posted

SECRET_WORDS = "They write to me at night."
NODE = "/settings/node/alerts"
GROUP = "/g/open/desk/alerts"


@dataclass
class Duty:
    """Ana runs the node and looks after `open` and `careful`; Ben is a member of both."""

    node: Node
    ana: Person
    ben: Person
    open: Group
    careful: Group
    thread: Post
    box: Mailbox
    chat: Peer

    async def add(self, path: str, way: str, target: str, pace: str = "15") -> Answer:
        return await self.ana.fill(
            path, target=target, label="evening phone", way=way, pace=pace, action=path
        )

    async def hook(self, path: str = GROUP, pace: str = "15") -> str:
        """A webhook of a desk; its secret."""
        answer = await self.add(path, "webhook", f"{self.chat.origin}/hook", pace)
        assert "A test is on its way" in answer.text
        return answer.html.partition('translate="no">')[2].partition("<")[0]

    async def report(self, about: str, words: str = SECRET_WORDS) -> None:
        async with self.node.engine.begin() as conn:
            await reports.make(
                conn,
                self.node.here,
                root=self.ben.prepared.member.root,
                about=About(
                    subject=Subject.POST,
                    uri=about,
                    actor_id=self.ben.speaker.id,
                    name="",
                    address="",
                    post_id=self.thread.id,
                ),
                why=Why.PRESSURE,
                said=reports.Said(words=words),
                group_id=self.open.id,
            )

    async def alerts(self) -> list[Posted]:
        """What the chat program heard since it was asked last."""
        await worker.settle(self.node.app)
        heard, self.chat.posted[:] = list(self.chat.posted), []
        return heard


@pytest.fixture
async def duty(node: NodeFactory, peer: PeerFactory) -> AsyncIterator[Duty]:
    box = await Mailbox().start()
    alder = await node("alder.test", smtp=box.settings)
    await describe(alder)
    ana = await person(alder, "ana", roles=frozenset({ADMINISTRATOR}))
    ben = await person(alder, "ben")
    settings = GroupSettings(premoderation=Premoderation.ALL)
    opened = await alder.group("open", ana.speaker)
    careful = await alder.group("careful", ana.speaker, settings=settings)
    for group in (opened, careful):
        await alder.join(ben.speaker, group.actor.uri)
    thread = await alder.start(ana.speaker, opened.actor.uri, "A first thread", "Hello.")
    chat = await peer("chat.test", alder)
    await worker.settle(alder.app)
    yield Duty(alder, ana, ben, opened, careful, thread, box, chat)
    await box.stop()


async def test_dom_D13_an_alert_says_that_something_waits_and_nothing_of_what(duty: Duty) -> None:
    secret = await duty.hook()
    (test,) = await duty.alerts()
    assert json.loads(test.body)["text"].startswith("This is a test from Alder House.")
    await duty.report("one")
    (first,) = await duty.alerts()
    duty.node.clock.forward(hours=1)
    await duty.report("another", "Something else altogether, and much longer than that. " * 9)
    (second,) = await duty.alerts()
    assert first.body == second.body
    text = json.loads(first.body)["text"]
    link = f"http://alder.test/on-duty/{text.rpartition('/')[2]}"
    assert text == f"Something is waiting at Alder House. {link}"
    sizes = [[(name, len(value)) for name, value in each.headers] for each in (first, second)]
    assert sizes[0] == sizes[1]
    for name in ("ben", "open", "thread", "night", "report"):
        assert name not in str((first.headers, first.body)).lower()
    sent = dict(first.headers)
    signed = f"{sent['webhook-id']}.{sent['webhook-timestamp']}.".encode() + first.body
    mark = hmac.digest(base64.b64decode(secret), signed, "sha256")
    assert sent["webhook-signature"] == f"v1,{base64.b64encode(mark).decode()}"
    assert sent["Content-Type"] == "application/json"

    path = link.removeprefix("http://alder.test")
    assert (await duty.ana.open(path)).location == "/g/open/desk"
    unknown = await duty.ben.open("/on-duty/00000000-0000-4000-8000-000000000000")
    found = await duty.ben.open(path)
    assert (found.status, found.body) == (404, unknown.body)
    assert (await Browser(duty.node).open(path)).location.startswith("/log-in")


async def test_a_post_that_is_held_calls_its_own_desk_and_no_other(duty: Duty) -> None:
    for path in (NODE, GROUP, "/g/careful/desk/alerts"):
        await duty.hook(path, pace="60")
    await duty.alerts()
    await duty.node.start(duty.ben.speaker, duty.open.actor.uri, "Shown", "At once.")
    assert await duty.alerts() == []
    shown = await duty.node.reply(duty.ben.speaker, duty.thread.uri, "I am here.")
    changed = await duty.node.edit(duty.ben.speaker, shown.uri, "", HARMFUL[1])
    assert changed.state is PostState.HELD
    (alert,) = await duty.alerts()
    path = "/on-duty/" + json.loads(alert.body)["text"].rpartition("/")[2]
    assert (await duty.ana.open(path)).location == "/g/open/desk"
    await duty.node.start(duty.ben.speaker, duty.careful.actor.uri, "Held", "Read me first.")
    assert len(await duty.alerts()) == 1
    async with duty.node.engine.begin() as conn:
        await alerting.call(conn, None)
    assert len(await duty.alerts()) == 1
    async with duty.node.engine.begin() as conn:
        await alerting.call(conn, None, urgent=True)
    (urgent,) = await duty.alerts()  # at once: the last one was not urgent
    assert b"Alder House. Please look now. " in urgent.body
    async with duty.node.engine.begin() as conn:
        await alerting.call(conn, None, urgent=True)
    assert await duty.alerts() == []
    duty.node.clock.forward(minutes=21)  # not the hour that this place wants to be left in peace
    (urgent,) = await duty.alerts()
    assert b"Alder House. Please look now. " in urgent.body
    path = "/on-duty/" + json.loads(urgent.body)["text"].rpartition("/")[2]
    assert (await duty.ana.open(path)).location == "/moderation"
    eve = await person(duty.node, "eve", roles=frozenset({MODERATOR}))
    assert (await eve.open(path)).location == "/moderation"
    assert (await duty.ben.open(path)).status == 404
    async with duty.node.engine.connect() as conn:
        await alerting.call(conn, None)
        await conn.rollback()
    assert await duty.alerts() == []  # it commits with its cause, or not at all


async def test_alerts_are_paced_and_end_when_somebody_looked(duty: Duty) -> None:
    await duty.hook()
    await duty.alerts()
    heard = []
    for number in range(3):
        await duty.report(f"report {number}")
        heard += await duty.alerts()
        duty.node.clock.forward(minutes=4)
    assert len(heard) == 1
    duty.node.clock.forward(minutes=12)
    assert len(await duty.alerts()) == 1  # for both that came meanwhile
    duty.node.clock.forward(hours=2)
    assert await duty.alerts() == []
    async with duty.node.engine.connect() as conn:  # nothing says when the last one came
        kept = sa.select(alert_channels.c.next_attempt, alert_channels.c.told_urgent)
        assert tuple((await conn.execute(kept)).one()) == (None, False)

    await duty.report("one more")
    assert len(await duty.alerts()) == 1
    await duty.report("and one")
    assert await duty.alerts() == []
    async with duty.node.engine.connect() as conn:
        due = await conn.scalar(sa.select(alert_channels.c.next_attempt))
        assert due is not None
        assert due.timestamp() % COARSE.total_seconds() == 0
        case_id = await conn.scalar(sa.select(cases.c.id).limit(1))
    claimed = await duty.ana.send("POST", f"/g/open/desk/cases/{case_id}/claim", {})
    assert claimed.status == 303
    duty.node.clock.forward(hours=1)
    assert await duty.alerts() == []
    await duty.report("the last")
    await duty.ana.send("POST", "/g/open/desk/stay", {})  # before a worker took it in
    assert await duty.alerts() == []
    async with duty.node.engine.connect() as conn:
        assert await conn.scalar(sa.select(sa.func.count()).select_from(alert_calls)) == 0


async def test_what_did_not_arrive_is_tried_again_after_a_restart_and_for_a_day(
    duty: Duty, node: NodeFactory
) -> None:
    await duty.hook()
    await duty.alerts()
    duty.chat.answers[:] = [500, 302]
    await duty.report("one")
    assert len(await duty.alerts()) == 1
    assert await duty.alerts() == []
    assert "Nothing has arrived there since" in (await duty.ana.open(GROUP)).text
    url = duty.node.engine.url.render_as_string(hide_password=False)
    await duty.node.stop()
    duty.node = await node("alder.test", database_url=url, smtp=duty.box.settings)
    duty.ana.node = duty.node
    duty.node.clock.forward(minutes=10)
    assert len(await duty.alerts()) == 1  # answered with a redirect, which is not followed
    duty.node.clock.forward(minutes=20)
    assert len(await duty.alerts()) == 1
    assert "Nothing has arrived" not in (await duty.ana.open(GROUP)).text
    duty.node.clock.forward(days=1)
    assert await duty.alerts() == []

    duty.chat.answers[:] = [500] * 100
    await duty.report("another")
    tried = 0
    for _ in range(30):
        tried += len(await duty.alerts())
        if tried > len(alerting.RETRIES):
            break
        duty.node.clock.forward(hours=1)
    assert tried == len(alerting.RETRIES) + 1
    duty.node.clock.forward(minutes=21)
    assert await duty.alerts() == []
    async with duty.node.engine.connect() as conn:
        found = [each async for each in look_at_alerts(conn, duty.node.clock().date())]
    assert [each.check for each in found] == ["alerts"]
    duty.chat.answers.clear()
    await duty.report("a third")  # something new is a reason to try again
    assert len(await duty.alerts()) == 1
    async with duty.node.engine.connect() as conn:
        assert await alerting.failing(conn, duty.node.clock().date()) == 0


async def test_mail_goes_to_who_said_yes_and_its_address_is_sealed(duty: Duty) -> None:
    answer = await duty.add(GROUP, "mail", "robin.long.name@mail.example")
    assert "type the code below" in answer.text
    (letter,) = duty.box.letters
    code = letter.get_content().partition("on the page: ")[2][:8]
    assert code.isdecimal()
    await duty.report("one")
    await duty.alerts()
    assert len(duty.box.letters) == 1  # nobody said yes
    wrong = await duty.ana.fill(GROUP, code="00000000", action=GROUP + "/confirm")
    assert "not the code" in wrong.text
    assert (await duty.ana.fill(GROUP, code=code, action=GROUP + "/confirm")).status == 303
    await duty.report("two")
    await duty.alerts()
    letter = duty.box.letters[-1]
    assert letter["Subject"] == "Message from Alder House"
    assert letter["To"] == "robin.long.name@mail.example"
    assert " ".join(letter.get_content().split()).startswith(
        "Something is waiting at Alder House. http://alder.test/on-duty/"
    )
    assert SECRET_WORDS not in letter.as_string()
    await duty.hook()
    for hidden in ("robin.long.name", "mail.example", "evening phone", "chat.test/hook"):
        assert await duty.node.mentions(hidden) == []
    async with duty.node.engine.connect() as conn:
        sizes = await conn.scalars(sa.select(sa.func.length(alert_channels.c.sealed)))
        assert len(set(sizes)) == 1
    page = await duty.ana.open(GROUP)
    assert "…mple" in page.text
    assert "robin" not in page.html.replace("robin@example.org", "")
    assert "evening phone" in page.text


async def test_sec_R4_a_private_address_is_not_asked_and_nothing_else_is_added(duty: Duty) -> None:
    answer = await duty.add(GROUP, "webhook", "http://10.1.2.3/hook")
    assert "It did not go out" in answer.text
    for way, target in (
        ("mail", "robin@example.org\r\nBcc: all@example.org"),
        ("mail", "robin@example.org, kay@example.org"),
        ("webhook", "ftp://chat.test/hook"),
        ("webhook", "http://kay:secret@chat.test/hook"),
        ("webhook", "http://chat.test/" + "x" * 500),
        ("pigeon", "robin@example.org"),
    ):
        fields = {"way": way, "target": target, "label": "phone", "pace": "15"}
        refused = await duty.ana.send("POST", GROUP, fields)
        assert refused.status == 400, target
        assert 'value="phone"' in refused.html
    for change in ({"pace": "1"}, {"label": " "}, {"label": "x" * 41}):
        fields = {"way": "mail", "target": "r@b.example", "label": "a", "pace": "15", **change}
        assert (await duty.ana.send("POST", GROUP, fields)).status == 400
    async with duty.node.engine.connect() as conn:
        assert await conn.scalar(sa.select(sa.func.count()).select_from(alert_channels)) == 1
    assert duty.box.letters == []


async def test_sec_L8_only_those_of_a_desk_see_and_change_its_places(duty: Duty) -> None:
    await duty.hook()
    async with duty.node.engine.connect() as conn:
        row = (await conn.execute(sa.select(alert_channels.c.id))).one()
    for path, who in ((GROUP, duty.ben), (NODE, duty.ben)):
        assert (await who.open(path)).status in {403, 404}
        for end in ("", "/test", "/remove", "/confirm"):
            fields = {"channel": str(row.id), "way": "mail", "code": "1"}
            assert (await who.send("POST", path + end, fields)).status in {403, 404}, end
    for end in ("/test", "/remove", "/confirm"):  # another desk's
        sent = await duty.ana.send("POST", NODE + end, {"channel": str(row.id), "code": "1"})
        assert sent.status == 404
    await duty.alerts()
    assert (await duty.ana.fill(GROUP, channel=str(row.id), action=GROUP + "/test")).status == 200
    assert len(await duty.alerts()) == 1
    await duty.ana.fill(GROUP, channel=str(row.id), action=GROUP + "/remove")
    await duty.hook(NODE)  # the same by the operator's commands
    await duty.hook()
    assert len(await duty.alerts()) == 2
    opened = Opened(duty.node.engine, duty.node.here)
    lines = await alert_commands.list_places(opened)
    assert sorted(line.split(None, 1)[1] for line in lines) == [
        f'{desk}  webhook  "evening phone"  …hook' for desk in ("node", "open")
    ]
    for line in lines:
        await alert_commands.remove_place(opened, place=line.split()[0])
    assert await alert_commands.list_places(opened) == ["Nobody is told when something waits."]
    log = tombstone_log.read(duty.node.app[SETTINGS].tombstones.read_text())
    assert {str(row.id), *(line.split()[0] for line in lines)} == {ids[1] for ids in log}
    await duty.hook()  # as if a backup had brought it back
    async with duty.node.engine.begin() as conn:
        again = str(await conn.scalar(sa.select(alert_channels.c.id)))
        await replay(conn, duty.node.here, [*log, (Act.UNTOLD, again)])
    assert await alert_commands.list_places(opened) == ["Nobody is told when something waits."]
    await duty.alerts()
    for odd in (lines[0].split()[0], "x"):
        with pytest.raises(NotFound):
            await alert_commands.remove_place(opened, place=odd)
    await duty.report("one")
    assert await duty.alerts() == []
    for _ in range(25):
        last = await duty.ana.send("POST", GROUP + "/test", {"channel": str(row.id)})
    assert last.status == 429


async def test_mod_H1_a_worry_is_told_at_once_with_no_peer_and_no_internet(duty: Duty) -> None:
    """Whoever it is about lives on a server that does not answer, and nothing else is reached."""
    await duty.hook()
    await duty.alerts()
    async with duty.node.engine.begin() as conn:
        await reports.make(
            conn,
            duty.node.here,
            root=duty.ben.prepared.member.root,
            about=About(
                subject=Subject.POST, uri="https://gone.test/p/1", actor_id=duty.ben.speaker.id,
                name="Somebody", address="@somebody@gone.test", post_id=duty.thread.id,
            ),
            why=Why.WORRIED,
            said=reports.Said(words=SECRET_WORDS),
            group_id=duty.open.id,
            soon=True,
        )  # fmt: skip
        await alerting.seen(conn, duty.open.id)  # somebody does something else there
    (alert,) = await duty.alerts()
    assert b"Please look now. " in alert.body
    duty.node.clock.forward(minutes=26)  # nobody looked, and the shortest pace is over
    (again,) = await duty.alerts()
    assert again.body == alert.body  # the same words, whatever it is
