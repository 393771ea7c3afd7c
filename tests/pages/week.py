"""A place whose moderators had a full week: something of everything that their pages can show.

For whoever looks at these pages: the pictures of the documentation, and axe.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from random import Random
from typing import Final

import sqlalchemy as sa

from groups.groups import Group, GroupSettings, add_moderator
from groups.posts import Post
from kernel.schema.cases import Subject
from kernel.schema.directed import Category
from kernel.schema.groups import Joining
from kernel.schema.tables import (
    actors,
    appeals,
    audit,
    care_cases,
    cases,
    follows,
    month_numbers,
    signal_effects,
    signals,
)
from moderation import directed, reports
from moderation.cases import About
from moderation.signals import published
from moderation.signals.published import Advice
from moderation.signals.vocabulary import Policy
from node.pages import table
from node.pages.group_words import STARTER
from node.pages.session import ADMINISTRATOR
from tests.moderation import communities
from tests.moderation.harm_lines import HARMFUL
from tests.nodes import Node, NodeFactory
from tests.nodes import settle as settle_all
from tests.pages.people import Answer, Person, person, settle
from tests.wire.pacting import agree

DESK: Final = "/g/sleep/desk"
CASES: Final = f"{DESK}/cases"
NODE: Final = "/settings/node"
LOUD: Final = "loud.example"
COLD: Final = "cold.example"
WORDS: Final = {
    "root": ("ben", "Awake at four again", "Third week now. At four my head starts."),
    "harsh": ("dora", "", "Honestly, other people work with less sleep. Pull yourself together."),
    "advert": ("eve", "", "Sleep in five minutes: my course, half price until Sunday."),
    "advert too": ("eve", "", "Last places in the course. Message me."),
    "low": ("cleo", "", "I am so tired of all of this. I do not know what for."),
    "named": ("ben", "", "Dr Hallbeck at the Mill Lane practice told me to try harder."),
}
_LIST: Final = (
    "#domain,#severity,#public_comment\nspam.example,suspend,Adverts\nnoise.example,silence,Spam\n"
)
_NEW: Final = f"{_LIST}mean.example,suspend,Unkind to people who are ill\n{LOUD},suspend,Unkind\n"


@dataclass
class Week:
    """Ana runs the node, Dan looks after the group with her; the others belong to it."""

    node: Node
    birch: Node
    people: Mapping[str, Person]
    group: Group
    posts: dict[str, Post] = field(default_factory=dict)
    found: dict[str, str] = field(default_factory=dict)  # addresses that only this week has
    readers: dict[str, Person] = field(default_factory=dict)  # where it is not Ana

    @property
    def ana(self) -> Person:
        return self.people["ana"]

    @property
    def dan(self) -> Person:
        return self.people["dan"]


def _bare(address: str) -> str:
    return address.partition("?")[0]


def _fits(path: str, address: str) -> bool:
    one, other = path.split("/"), _bare(address).split("/")
    return len(one) == len(other) and all(
        a == b or a.startswith("{") for a, b in zip(one, other, strict=True)
    )


_OF_MODERATORS: Final = (
    "/moderation", "/g/{name}/desk", "/g/{name}/moderation", NODE, "/admin", "/desk", "/decisions",
    "/p/{id}/labels", "/p/{id}/care", "/p/{id}/report", "/t/{id}/after", "/u/{name}/report",
    "/about/moderation", "/about/numbers",
)  # fmt: skip
_ASKED_FOR: Final = ("/moderation/join", f"{DESK}/write", f"{DESK}/person", f"{NODE}/impact")
_ELSEWHERE: Final = ("/api/", f"{NODE}/safety")  # no pages, and records of another kind


def pages(week: Week) -> Iterator[tuple[str, Person]]:
    """Every page of moderation in the table with something on it, and who reads it."""
    for name, path in week.found.items():
        yield path, week.readers.get(name, week.ana)
    for route in table.routes():
        path = route.path.replace("/g/{name}", "/g/sleep")
        mine = route.path.startswith(_OF_MODERATORS) and not path.startswith(_ELSEWHERE)
        if not mine or (path in map(_bare, week.found.values()) and path in _ASKED_FOR):
            continue
        if route.method == "GET" and "{" not in path:
            yield path, week.ana
        elif route.method == "GET":
            said = any(_fits(path, each) for each in week.found.values())
            assert said, f"say in week.py what stands at {route.path}"


async def week(start: NodeFactory) -> Week:
    """Two places and what happened there; a quarter of a minute."""
    alder, birch = await start("alder.test"), await start("birch.test")
    await settle(alder)
    await settle(birch, name="Birch")
    names = ("dan", "ben", "cleo", "dora", "eve")
    people = {name: await person(alder, name) for name in names}
    people["ana"] = await person(alder, "ana", roles=frozenset({ADMINISTRATOR}))
    ana = people["ana"]
    careful = GroupSettings(joining=Joining.APPROVAL)
    group = await alder.group("sleep", ana.speaker, rules=STARTER, settings=careful)
    async with alder.engine.begin() as conn:
        dan, version = people["dan"].actor, group.guidelines_version
        await add_moderator(conn, alder.here, group.actor, dan, version)
    for name in ("ben", "dora", "eve"):
        await alder.join(people[name].speaker, group.actor.uri)
        await ana.send("POST", f"{DESK}/admit", {"person": str(people[name].actor.id)})
    made = Week(node=alder, birch=birch, people=people, group=group)
    await _words(made)
    await _reports(made)
    await _decisions(made)
    await _care(made)
    await _servers(made)
    await _advice(made)
    await _asked(made)
    await _of_node(made)
    await _done(made.ana, f"{made.found['care case']}/claim")
    return made


async def _words(week: Week) -> None:
    alder = week.node
    cleo = week.people["cleo"]
    await alder.join(cleo.speaker, week.group.actor.uri)
    await week.ana.send("POST", f"{DESK}/admit", {"person": str(cleo.actor.id)})
    for name, (who, title, words) in WORDS.items():
        speaker = week.people[who].speaker
        if title:
            made = await alder.start(speaker, week.group.actor.uri, title, words, "sleep")
        else:
            made = await alder.reply(speaker, week.posts["root"].uri, words)
        week.posts[name] = made
        alder.clock.forward(minutes=25)
    await alder.reply(week.people["dora"].speaker, week.posts["root"].uri, HARMFUL[0])
    newcomer = await person(alder, "finn")
    await alder.join(newcomer.speaker, week.group.actor.uri)


async def _reported(week: Week, who: str, post: str, why: str, words: str = "") -> None:
    at = f"/p/{week.posts[post].id}/report"
    sent = await week.people[who].fill(at, at, why=why, words=words)
    assert sent.status == 200, sent.text


async def _case(week: Week, post: str) -> str:
    async with week.node.engine.connect() as conn:
        asked = sa.select(cases.c.id).where(cases.c.post_id == week.posts[post].id)
        return f"{CASES}/{await conn.scalar(asked)}"


async def _done(who: Person, path: str, **fields: str) -> Answer:
    sent = await who.send("POST", path, fields)
    assert sent.status in (200, 303), (path, sent.status, sent.text)
    return sent


async def _reports(week: Week) -> None:
    ana, dan = week.ana, week.dan
    await _reported(week, "ben", "harsh", "unkind", "It hurt, on a night like this.")
    await _reported(week, "cleo", "harsh", "unkind")
    for post in ("advert", "advert too"):
        await _reported(week, "ben", post, "pressure")
    await _reported(week, "dora", "root", "else", "Is this the right group for it?")
    await _done(ana, f"{await _case(week, 'harsh')}/claim")
    week.found["case"] = await _case(week, "harsh")
    week.found["case that waits"] = await _case(week, "advert")
    second = await _case(week, "root")
    await _done(dan, f"{second}/claim")
    await _done(dan, f"{second}/second", note="Would it be kinder in the group for parents?")
    sent = await week.people["ben"].fill(
        "/u/eve/report", "/u/eve/report", why="pressure", words="She writes to me every night."
    )
    assert sent.status == 200, sent.text
    async with week.node.engine.connect() as conn:
        person_case = await conn.scalar(sa.select(cases.c.id).where(cases.c.subject == "person"))
    at = f"/moderation/{person_case}"
    await _done(ana, f"{at}/claim")
    week.found["case about a person"] = at
    week.found["cases that are over"] = f"{CASES}?state=closed"
    someone = week.people["dora"].actor.id
    week.found["person"] = f"{DESK}/person?person={someone}"
    week.found["letter"] = f"{DESK}/write?person={someone}"
    week.found["report of a person"] = "/u/dora/report"
    week.found["report"] = f"/p/{week.posts['root'].id}/report"


async def _newest(week: Week, verb: str) -> int:
    async with week.node.engine.connect() as conn:
        found = await conn.scalar(sa.select(sa.func.max(audit.c.id)).where(audit.c.verb == verb))
    assert found is not None, verb
    return int(found)


async def _decisions(week: Week) -> None:
    ben, dan = week.people["ben"], week.dan
    post = week.posts["named"]
    reason = "Thank you for writing it. It names a doctor, so it cannot stay as it is."
    await _done(dan, f"/p/{post.id}/remove", reason=reason, rule="No names of clinics")
    decision = await _newest(week, "remove")
    await _done(
        ben, f"/decisions/{decision}/appeal", words="I can leave the name out. May it stay?"
    )
    week.found["decision"] = f"/decisions/{decision}"
    week.found["decisions of a name"] = "/personas/ben/decisions"
    week.readers |= {"decision": ben, "decisions of a name": ben}
    async with week.node.engine.connect() as conn:
        assert await conn.scalar(sa.select(sa.func.count()).select_from(appeals)) == 1
    case = await _case(week, "advert too")
    await _done(dan, f"{case}/claim")
    await _done(dan, f"{case}/ban", start="rest")
    label = f"/p/{week.posts['root'].id}/labels"
    assert (await week.ana.fill(label, label, label="grief")).status == 303
    week.found["labels"] = label
    after = f"/t/{week.posts['root'].id}/after"
    await _done(week.ana, after, act="begin", owner="now", step="")
    week.found["aftercare"] = after
    at = week.found["case about a person"]
    await _done(week.ana, f"{at}/stop", start="pause", days="30")
    await _done(week.people["dora"], "/u/finn/report", why="contact", words="Asks for my number.")
    async with week.node.engine.connect() as conn:
        asked = sa.select(cases.c.id).where(cases.c.subject == "person", cases.c.state == "open")
        week.found["case about a person"] = f"/moderation/{await conn.scalar(asked)}"
    await _done(week.ana, f"{week.found['case about a person']}/claim")


async def _care(week: Week) -> None:
    await _reported(week, "ben", "low", "worried", "She is not like herself this week.")
    async with week.node.engine.connect() as conn:
        case = f"/moderation/care/{await conn.scalar(sa.select(care_cases.c.id))}"
    await _done(week.ana, f"{case}/claim")
    await _done(week.ana, f"{case}/note", note="I wrote to her. She has a friend there tonight.")
    week.found["care case"] = case
    week.found["care of a post"] = f"/p/{week.posts['low'].id}/care"


async def _servers(week: Week) -> None:
    alder, ana = week.node, week.ana
    await agree(alder, week.birch)
    dice = Random(4)
    strangers = [
        communities.actor(dice, host, "Person") | {"handle": name, "name": name.title()}
        for host in (LOUD, COLD)
        for name in ("ash", "bay", "elm", "fir", "ivy", "oak", "yew")
    ]
    async with alder.engine.begin() as conn:
        await conn.execute(actors.insert(), strangers)
        rows = [
            {"follower_id": each["id"], "followed_id": week.people["ben"].actor.id,
             "state": "accepted", "uri": f"{each['uri']}/follow", "guidelines": 0,
             "approved": True, "turn": None, "due": None}
            for each in strangers
        ]  # fmt: skip
        await conn.execute(follows.insert(), rows)
        await communities.arrivals(conn, {"other.test": 400, LOUD: 40})
    domains = f"{NODE}/domains"
    first = await ana.fill(domains, "import", name="A list we know", rows=_LIST)
    taken = await ana.submit(first, first.page.form("answer", "seen"), answer="take")
    assert taken.status == 303, taken.text
    shown = await ana.open(taken.location.partition("#")[0])
    week.found["import"] = shown.page.link(f"{domains}/imports/")
    second = await ana.fill(domains, "import", name="Another list", rows=_NEW)
    week.found["list"] = second.page.form("answer", "seen").action.removesuffix("/answer")
    await _done(
        ana, domains, domain="odd.example", level="filter", reason="Told us so.",
        public_comment="Loud", flags="reject_media", until="2999-01-01",
    )  # fmt: skip
    decided = await ana.fill(domains, domain=COLD, level="reject", reason="They mock who is ill.")
    done = await ana.submit(decided, decided.page.form("seen", "looked"), looked="yes")
    assert done.status == 303, done.text
    changes = await ana.open(f"{NODE}/changes")
    week.found["change"] = changes.page.link(f"{NODE}/changes/")
    week.found["out of reach"] = "/out-of-reach"
    week.readers["out of reach"] = week.people["ben"]
    week.found["impact"] = f"{NODE}/impact?domain={LOUD}&level=reject"
    week.found["pact"] = f"{NODE}/pacts/birch.test"
    week.found["rules"] = f"{NODE}/signals/rules/birch.test"
    week.found["peer"] = "/admin/peers/birch.test"


async def _advice(week: Week) -> None:
    alder, birch = week.node, week.birch
    rule = {"kind": "advice.domain", "mode": "apply", "max_policy": "reject", "weight": "1",
            "delay": "0"}  # fmt: skip
    await _done(week.ana, week.found["rules"], **rule)
    until = birch.here.now().date() + timedelta(days=90)
    said = (
        ("pushy.example", Policy.FILTER, "Writes to people who did not ask"),
        (LOUD, Policy.REJECT, "Unkind to people who are ill"),
    )
    async with birch.engine.begin() as conn:
        for domain, policy, summary in said:
            advice = Advice(
                domain=domain, policy=policy, until=until, labels=("harassment",), summary=summary
            )
            await published.advise(conn, birch.here, advice)
    for _ in range(3):
        await settle_all(alder, birch)
        alder.clock.forward(hours=1)
    await settle_all(alder, birch)
    async with alder.engine.connect() as conn:
        number = await conn.scalar(sa.select(signals.c.id).limit(1))
        it = signal_effects.c
        rows = (await conn.execute(sa.select(it.id, it.domain, it.decision))).all()
    week.found["advice again"] = f"/moderation/asked/advice/{number}"
    week.found["what acts"] = f"{NODE}/effects?show=acts"
    for row in rows:
        week.found[f"effect on {row.domain}"] = f"{NODE}/effects/{row.id}"
        if row.decision:
            week.found["why"] = f"/desk/decisions/{row.decision}/why"


async def _asked(week: Week) -> None:
    """What Alder's desk asked Birch's, and the other way."""
    alder, birch, ana = week.node, week.birch, week.ana
    owl = await birch.persona("owl")
    await birch.join(owl, week.group.actor.uri)
    await settle_all(alder, birch)
    async with alder.engine.connect() as conn:
        known = await conn.scalar(sa.select(actors.c.id).where(actors.c.uri == owl.actor.uri))
    await _done(ana, f"{DESK}/admit", person=str(known))
    await settle_all(alder, birch)
    said = await birch.start(owl, week.group.actor.uri, "Early risers", "You are just lazy.")
    await settle_all(alder, birch)
    post = await alder.post(said.uri)
    assert post is not None
    week.posts["away"] = post
    await _reported(week, "ben", "away", "unkind", "This is the third time.")
    case = await _case(week, "away")
    await _done(week.dan, f"{case}/claim")
    await _done(
        week.dan, f"{case}/tell", letter="Unkind to people who sleep badly, three times.",
        with_post="yes", sure="yes", category="takedown", action="remove", urgency="today",
        rule="Be kind",
    )  # fmt: skip
    week.found["case with a request"] = case
    week.readers["case with a request"] = week.dan
    elsewhere = await alder.meet(owl.actor.uri)
    about = About(
        subject=Subject.PERSON, uri=elsewhere.uri, actor_id=elsewhere.id, name=elsewhere.name,
        address=elsewhere.address,
    )  # fmt: skip
    async with alder.engine.begin() as conn:
        case_id = await reports.take_in(
            conn, alder.here, flag="http://dogwood.test/flags/1", about=about, words="Look, please."
        )
    await _done(ana, f"/moderation/{case_id}/claim")
    week.found["advice about somebody"] = f"/moderation/{case_id}/advise"
    async with birch.engine.begin() as conn:
        await directed.send(
            conn, birch.here, alder.name, category=Category.REPORT,
            object_uri=week.posts["advert"].uri, words="Somebody of ours got this by message, too.",
        )  # fmt: skip
    alder.clock.forward(minutes=61)
    await settle_all(alder, birch)
    week.found["asked of us"] = "/moderation/asked?way=in"


async def _of_node(week: Week) -> None:
    ana = week.ana
    await _done(ana, f"{NODE}/duty/zone", zone="europe/london")
    await _done(ana, f"{NODE}/duty", day="2", start="18:00", end="23:00", people="2")
    for desk in (f"{NODE}/alerts", f"{DESK}/alerts"):
        await _done(
            ana,
            desk,
            way="webhook",
            target="http://birch.test/hook",
            label="evening chat",
            pace="15",
        )
    months = [
        {"month": date(2026, 9 + at, 1), "name": name, "number": number}
        for at in range(2)
        for name, number in (("posts", 85), ("answered", 90), ("hours", 1))
    ]
    async with week.node.engine.begin() as conn:
        await conn.execute(month_numbers.insert(), months)
    invited = await ana.fill(NODE, f"{NODE}/invitations", uses="1", moderator="yes")
    week.found["join"] = (
        f"/moderation/join?invite={invited.html.partition('?invite=')[2].partition('<')[0]}"
    )
    week.readers["join"] = week.dan
