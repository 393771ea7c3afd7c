"""The journeys of members, each in four ways (DOMAIN 1.13): `docs/reference/journeys.md`.

A journey says once what somebody does; `tests.browser.playing` does it by keyboard alone, without
scripts, at 320 px and on easier pages. All of them are on one node, in one browser.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace

import pytest
import pytest_asyncio
import sqlalchemy as sa
from playwright.async_api import Browser

import activitypub.keys
import tests.nodes
from activitypub.keys import KeyPair
from groups import check_ins
from groups.groups import Group, GroupSettings, add_moderator
from kernel.postgres import Server
from kernel.schema.directed import Category, Urgency
from kernel.schema.groups import Premoderation
from kernel.schema.posts import Wish
from kernel.schema.tables import metadata
from kernel.schema.tables import node as node_table
from members import invitations
from members.vault import ADVISED
from moderation.signals.rules import Mode
from node import tidy
from node.pages.memory import MEMORY, forget_site
from node.pages.session import ADMINISTRATOR
from tests.browser.conftest import Browsers
from tests.browser.playing import Player, Way
from tests.browser.test_axe import cookies
from tests.conftest import TEMPLATE, _taking
from tests.moderation.peers import HOUR, Peers
from tests.nodes import Node, Nodes
from tests.pages import people
from tests.pages.people import PASSWORD, Person, person
from tests.wire.pacting import agree
from tests.wire.test_directed import ask

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

RULES = "Be kind.\n\nAsk before you advise."


@dataclass
class Place:
    """A settled node where Ana does all there is to do, and one that nobody has set up."""

    node: Node
    bare: Node
    birch: Node  # it has a pact with the first
    peers: Peers
    ana: Person
    browser: Browser

    async def player(self, way: Way, who: Person | None = None, *, bare: bool = False) -> Player:
        """Somebody with a browser of their own: a visitor, or a member who is logged in."""
        node = self.bare if bare else self.node
        context = await self.browser.new_context(
            java_script_enabled=way is not Way.NO_SCRIPT,
            viewport={"width": way.width, "height": 700},
            locale="en-IE",
        )
        context.set_default_timeout(10_000)
        if who is not None:
            await context.add_cookies(cookies(who))
        if way is Way.EASIER:
            await context.add_cookies([{"name": "look", "value": "easier", "url": node.origin}])
        return Player(await context.new_page(), way, node.origin)

    async def group(self, handle: str, way: Way, **settings: object) -> Group:
        """A group of Ana's for one journey."""
        made = replace(GroupSettings(), **settings)  # type: ignore[arg-type]
        name = f"{handle}_{way.value.replace('-', '_')}"
        return await self.node.group(name, self.ana.speaker, rules=RULES, settings=made)

    async def member(self, handle: str, way: Way, group: Group) -> Person:
        """Somebody in it, who can say their password."""
        made = await person(self.node, f"{handle}_{way.value.replace('-', '_')}", cost=ADVISED)
        await self.node.join(made.speaker, group.actor.uri)
        return made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def place(
    postgres: Server, key_pairs: list[KeyPair], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Place]:
    nodes, browsers = Nodes(postgres, TEMPLATE, tmp_path_factory.mktemp("journeys")), Browsers()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(activitypub.keys, "generate", _taking(key_pairs[:4]))
        patched.setattr(tests.nodes, "generate", _taking(key_pairs[4:]))
        alder, bare = await nodes.start("alder.test"), await nodes.start("bare.test")
        birch = await nodes.start("birch.test")
        await people.settle(alder)
        await agree(alder, birch)
        peers = Peers(alder.engine, alder.here, key_pairs, node=alder)
        await peers.trust("cedar.test")
        ana = await person(alder, "ana", roles=frozenset({ADMINISTRATOR}))
        yield Place(alder, bare, birch, peers, ana, await browsers.open(alder, bare))
        await browsers.close()
        await nodes.stop()


async def n1_in_distress_with_no_account(place: Place, way: Way) -> None:
    """Any page, help in two actions, lines of the right country, out at once; no row written."""
    group = await place.group("n1", way)
    thread = await place.node.start(place.ana.speaker, group.actor.uri, "A thread", "Hello.")
    before = await _rows(place.node)
    for path in (f"/t/{thread.id}", "/nowhere", "/log-in"):
        kim = await place.player(way)
        await kim.go(path)
        if way is not Way.EASIER:
            await kim.press("Easier page")
            assert await kim.page.locator('html[data-mode="easier"]').count() == 1
        await kim.press("Get help now")
        await kim.sees("Ireland", "If nobody answers", "Open")
        assert await kim.page.locator('a[href^="tel:"]').count() > 0
    await kim.press("United Kingdom")
    await kim.sees("Help in United Kingdom")
    asked: list[str] = []
    kim.page.on("request", lambda request: asked.append(request.url))
    await kim.leave()
    assert asked[0] == f"{place.node.origin}/leave"
    assert asked[-1] == "https://weather.example/"
    assert await _rows(place.node) == before


async def n2_a_newcomer(place: Place, way: Way) -> None:
    """Joins with no e-mail, sets the comfort, reads the rules, speaks, and is answered."""
    group = await place.group("a_n2", way)
    kay = await place.player(way)
    await kay.go("/")
    await kay.press("Join")
    await kay.type("Log-in name", f"only-mine-{way.value}")
    await kay.type("Password", PASSWORD)
    await kay.tick("I am 18 or older")
    await kay.tick("I have read how this place works")
    await kay.press("Join")
    await kay.sees("Please keep this code")
    await kay.misses("@")  # no e-mail was asked for
    await kay.press("I have kept the code")
    await kay.choose("Country", "Ireland")
    await kay.press("Go on")
    await kay.tick("Dark")
    await kay.press("Go on")
    await kay.sees("It is not an emergency service")
    await kay.press("Go on")
    await kay.press("Choose a name")
    await kay.type("Name", "Kay")
    await kay.type("Address", f"kay_{way.name.lower()}")
    await kay.press("Use this name")
    await kay.press(group.actor.name)
    await kay.press("Guidelines")
    await kay.sees("Ask before you advise.")
    await kay.press(group.actor.name)
    await kay.press("Join this group")
    await kay.tick("I have read these")
    await kay.press("Join")
    await kay.press("Start a thread")
    await kay.sees("Readers:")  # said before anything is written
    await kay.type("Title", "Awake again")
    await kay.type("Your words", "I only need somebody to listen.")
    await kay.choose("What would help?", "Just listen")
    await kay.press("Send")
    await kay.sees("Awake again", "I only need somebody to listen.", "Kay is hoping for")
    async with place.node.engine.connect() as conn:
        posts = metadata.tables["posts"]
        newest = sa.select(posts.c.uri).where(posts.c.group_id == group.id)
        uri = (await conn.scalars(newest)).one()
    await place.node.reply(place.ana.speaker, uri, "I am here and I read it.")
    await kay.press("Notices")
    await kay.press("ana answered you")
    await kay.sees("I am here and I read it.")


async def n3_a_careful_member(place: Place, way: Way) -> None:
    """A second name, one for a thread, a block, a copy of one name, its end with a receipt."""
    group = await place.group("n3", way)
    ben = await place.member("ben", way, group)
    rude = await place.member("rude", way, group)
    bad = await place.node.start(rude.speaker, group.actor.uri, "Loud", "Shouting at you.")
    second = f"other_{way.name.lower()}"
    who = await place.player(way, ben)
    await who.go("/")
    await who.press("Names")
    await who.press("Choose another name")
    await who.type("Name", "Second one")
    await who.type("Address", second)
    await who.press("Use this name")
    await who.sees("Second one")
    await who.press("Groups")
    await who.press(group.actor.name)
    await who.press("Start a thread")
    await who.type("Title", "Only here")
    await who.type("Your words", "Nobody needs to know that it is me.")
    await who.tick("A new name, just for this thread")
    if await who.page.get_by_label("I have read the").count():
        await who.tick("I have read the")
    await who.press("Send")
    await who.sees("Nobody needs to know that it is me.")
    read = await rude.open(who.page.url.removeprefix(who.origin))
    assert "Nobody needs to know that it is me." in read.text
    assert ben.actor.handle not in read.html
    await who.go(f"/t/{bad.id}")
    await who.press("Less of this")
    await who.tick("Hide everything that")
    await who.press("Save")
    await who.go(f"/t/{bad.id}")
    await who.sees("You chose to see nothing from whoever wrote this")
    await who.misses("Shouting at you.")
    await who.press("Names")
    await who.press("Take along, close and more: Second one")
    await who.type("Your password", PASSWORD)
    file = await who.fetch("Get the file")
    assert (await asyncio.to_thread((await file.path()).read_bytes))[:2] == b"PK"
    await who.press("Close this name")
    await who.type("Your password", PASSWORD)
    await who.press("Close this name")
    code = await who.page.locator("main .code").inner_text()
    await tidy.tidy(place.node.engine, place.node.here)
    await who.press("the page for receipts")
    await who.type("The name's address", second)
    await who.type("Code", code)
    await who.press("Show the receipt")
    await who.sees("Receipt for @" + second, "The name is closed.")


async def n4_somebody_of_another_server(place: Place, way: Way) -> None:
    """Finds a group, its rules, and the address to follow it by."""
    group = await place.group("n4", way)
    await place.node.start(
        place.ana.speaker, group.actor.uri, "At four", "Awake.", "sleep", wish=Wish.LISTEN
    )
    mia = await place.player(way)
    await mia.go(f"/g/{group.actor.handle}")
    await mia.sees("Content note: sleep", "Hoping for")
    await mia.press("Guidelines")
    await mia.sees("Ask before you advise.")
    await mia.press(group.actor.name)
    await mia.press("Follow from another server")
    await mia.sees(group.actor.uri)


async def n7_a_moderator_on_shift(place: Place, way: Way) -> None:
    """Goes on the rota, reads what waits, asks a second one, says it kindly, hands over, rests."""
    group = await place.group("n7", way, premoderation=Premoderation.ALL)
    cleo = await place.member("cleo", way, group)
    for title, note in (("Quiet", "blood"), ("Advert", "")):
        await place.node.start(cleo.speaker, group.actor.uri, title, f"{title} words.", note)
    ana = await place.player(way, place.ana)
    await ana.go("/")
    await ana.press("Run this place")
    await ana.press("The hours of trained volunteers")
    await ana.tick(place.node.clock.now.strftime("%A"))
    await ana.type("From what time?", "00:00")
    await ana.type("Until what time?", "24:00")
    await ana.type("How many are here then?", "2")
    await ana.press("Add these hours")
    await ana.press("Home")
    await ana.sees("Two trained volunteers are here until tomorrow, 00:00 (UTC time).")
    await ana.press("Groups")
    await ana.press(group.actor.name)
    await ana.press("Moderators' desk")
    await ana.misses("Quiet words.")  # folded until somebody opens it
    await ana.sees("Content note: blood")
    await ana.unfold("It waits to be read")
    await ana.sees("Quiet words.")
    await ana.press("Show it")
    await ana.misses("Quiet")
    await ana.type("Reason", "Thank you. It reads like an advert.")
    await ana.press("Remove it")
    await ana.sees("None. Everything is read.")
    told = await cleo.open("/notices")
    assert "It reads like an advert." in told.text
    assert "Your post is shown now" in told.text
    await _second_opinion(place, way, ana)
    await ana.press("Run this place")
    await ana.press("The hours of trained volunteers")
    await ana.press("Take off")
    await ana.sees("pages say nothing about it")


async def _second_opinion(place: Place, way: Way, ana: Player) -> None:
    """Ana is not sure about a report; Dot takes the post out with a kind sentence; Ana rests."""
    node, group = place.node, await place.group("a_second", way)
    eli = await place.member("eli", way, group)
    dot = await person(node, f"dot_{way.value.replace('-', '_')}")
    async with node.engine.begin() as conn:
        await add_moderator(conn, node.here, group.actor, dot.actor, group.guidelines_version)
    thread = await node.start(place.ana.speaker, group.actor.uri, "How are you?", "Hello.")
    post = await node.reply(eli.speaker, thread.uri, "Nobody cares what you say.")
    await dot.send("POST", f"/p/{post.id}/report", {"why": "unkind", "words": "That hurts"})
    await ana.press("Groups")
    await ana.press(group.actor.name)
    await ana.press("Moderators' desk")
    await ana.press("What people reported")
    await ana.press("Unkind")
    await ana.misses("That hurts")
    await ana.press("I look at this")
    await ana.sees("That hurts")
    await ana.misses("Nobody cares")  # folded until somebody opens it
    await ana.type("What are you unsure about?", "Is this about me?")
    await ana.press("Ask the others")

    second = await place.player(way, dot)
    await second.go(f"/g/{group.actor.handle}/desk/cases")
    await second.press("Unkind")
    await second.sees("Somebody would like to hear what you think.", "Is this about me?")
    await second.press("I look at this")
    await second.type("Or your own words", "Thank you for being here. Please say it without blame.")
    await second.press("Take it out")
    assert "Please say it without blame." in (await eli.open("/notices")).text

    await ana.go(f"/g/{group.actor.handle}/desk/cases")
    await ana.misses("Unkind")
    await ana.press("After a hard one")
    await ana.type("What", "It was about my own thread.")
    await ana.press("Show it to me")
    await ana.sees("kept nowhere", "It was about my own thread.")


async def n8_a_moderator_of_another_node(place: Place, way: Way) -> None:
    """Looks after somebody without a name said; hears advice, looks at it, lets it act, undoes."""
    node, shop = place.node, f"shop-{way.value}.example"
    group = await place.group("n8", way)
    fay = await place.member("fay", way, group)
    post = await node.start(fay.speaker, group.actor.uri, "Tonight", "I am not well.")
    await ask(place.birch, node.name, Category.CARE, post.uri, urgency=Urgency.NOW)
    place.birch.clock.forward(minutes=1)
    await tests.nodes.settle(node, place.birch)
    await place.peers.say("cedar.test", 1 + list(Way).index(way), shop)
    await place.peers.rule("cedar.test", mode=Mode.HOLD)

    ana = await place.player(way, place.ana)
    await ana.go("/")
    await ana.press("Who needs somebody")
    await ana.press(fay.actor.name)
    await ana.misses("I am not well.")
    await ana.press("I look after it")
    await ana.unfold("Show it")
    await ana.sees("I am not well.")
    await ana.press("Somebody was there for them")
    await ana.sees("Nobody waits")

    await ana.press("Run this place")
    await ana.press("Pacts")
    await ana.press("What others advise")
    await ana.sees(shop, "cedar.test says so.")
    await ana.press("Rules cedar.test")
    await ana.tick("Advice about servers")
    await ana.tick("Let it act")
    await ana.tick("be careful with it")
    await ana.type("How much it counts", "1")
    await ana.type("Hours until it begins", "0")
    await ana.press("Look first")
    await ana.sees("This would change", shop)
    await ana.press("Save")
    await place.peers.later()
    await place.peers.later(HOUR)
    await ana.press("What others advise")
    await ana.press("What advice does here")
    await ana.press("Acts by itself")
    await ana.press(shop)
    await ana.sees("Who says so", "cedar.test")
    await ana.press("Rules cedar.test")
    await ana.type("End what they did since this day", "2020-01-01")
    await ana.press("Look at what would end")
    await ana.sees("This would end", shop)
    await ana.press("Do it")
    assert shop not in await place.peers.later()


async def n9_a_helper(place: Place, way: Way) -> None:
    """Looks who waits for an answer, reads what they hope for, and answers."""
    group = await place.group("n9", way)
    cleo = await place.member("dan", way, group)
    helper = await place.member("helper", way, group)
    await place.node.start(
        cleo.speaker, group.actor.uri, "Nobody yet", "Is anybody there?", wish=Wish.STORIES
    )
    place.node.clock.forward(hours=7)
    who = await place.player(way, helper)
    await who.go(f"/g/{group.actor.handle}")
    await who.press("Who waits for an answer")
    await who.press("Nobody yet")
    await who.sees("is hoping for similar stories")
    await who.type("Your words", "I was there as well, last spring.")
    await who.press("Send answer")
    await who.sees("I was there as well, last spring.")
    await who.press(group.actor.name)
    await who.press("Who waits for an answer")
    await who.sees("Everybody was answered")


async def n10_a_member_over_months(place: Place, way: Way) -> None:
    """A word about the week, quiet nights, words kept for later, back again, what is new."""
    today = place.node.clock.now.weekday()
    group = await place.group("n10", way, check_in=today)
    while await check_ins.ask_one(place.node.engine, place.node.here):
        pass
    nora = await place.member("nora", way, group)
    root = await place.node.start(
        nora.speaker, group.actor.uri, "Some days", "It goes up and down."
    )
    who = await place.player(way, nora)
    await who.go("/")
    await who.press("Settings")
    await who.press("When your words go out")
    await who.tick("Hold what I post at night")
    await who.press("Save")
    await who.sees("Saved.")
    await who.press("Home")
    await who.press("How are you this week?")
    await who.tick("hard")
    await who.press("Keep my word")
    await who.sees("you said: hard")
    await who.press(group.actor.name)
    await who.press("Start a thread")
    await who.type("Title", "Later")
    await who.type("Your words", "Half a thought.")
    await who.press("Keep as a draft")
    await who.sees("Your draft is kept.")
    await place.node.reply(place.ana.speaker, root.uri, "Good that you are here.")
    place.node.clock.forward(days=7)
    await who.go("/")
    await who.press("Notices, ")
    await who.press("ana answered you")
    await who.sees("Good that you are here.")
    await who.press("Home")
    await who.press("Not sent yet, and drafts")
    await who.press("Later")
    await who.press("Go on writing")
    assert await who.typed("Your words") == "Half a thought."
    await who.type("Your words", "A whole thought.")
    await who.press("Send")
    await who.sees("A whole thought.")


async def n12_an_operator(place: Place, way: Way) -> None:
    """Sets a node up, looks at the lines of its country, writes safety down, blocks a server."""
    bare = place.bare
    async with bare.engine.begin() as conn:
        await conn.execute(sa.update(node_table).values(settled=False))
        secret = await invitations.create(conn, uses=1, grants=frozenset({ADMINISTRATOR}))
    forget_site(bare.app[MEMORY])
    olu = await place.player(way, bare=True)
    await olu.go(f"/welcome?token={secret}")
    await olu.type("Log-in name", f"runs-it-{way.value}")
    await olu.type("Password", PASSWORD)
    await olu.type("Name of this place", "Bare House")
    await olu.type("What is it for?", "To sleep.")
    await olu.type("How can people reach you?", "hello@bare.example")
    await olu.choose("Country", "Ireland")
    await olu.tick("People ask, and you answer.")
    await olu.type("What do you do when a life", "We answer with crisis lines.")
    await olu.press("Open the doors")
    await olu.press("I have kept the code")
    await olu.press("Skip all of this")
    await olu.press("Get help now")
    await olu.press("Ireland")
    await olu.sees("Help in Ireland", "116 123")
    await olu.press("First page")
    await olu.press("Run this place")
    await olu.press("Risks, complaints")
    for title in ("Risks", "How to complain", "Where to reach us"):
        await olu.press(title)
        await olu.press("Save a new version")
        await olu.sees("Version")
    await olu.press("What everybody can read")
    await olu.sees("How to complain")
    await olu.go("/settings/node")
    await olu.press("How the servers we talk with are doing")
    await olu.sees("No other servers yet")
    await olu.press("Run this place")
    await olu.press("Which servers are kept away")
    await olu.type("Domain", "bad.example")
    await olu.press("Decide")
    await olu.sees("bad.example")
    await olu.press("Take it back")
    await olu.misses("bad.example")


JOURNEYS: list[Callable[[Place, Way], Awaitable[None]]] = [
    n1_in_distress_with_no_account,
    n2_a_newcomer,
    n3_a_careful_member,
    n4_somebody_of_another_server,
    n7_a_moderator_on_shift,
    n8_a_moderator_of_another_node,
    n9_a_helper,
    n10_a_member_over_months,
    n12_an_operator,
]


@pytest.mark.parametrize("way", Way, ids=lambda way: way.value)
@pytest.mark.parametrize("journey", JOURNEYS, ids=lambda journey: journey.__name__)
async def test_journey(
    place: Place, journey: Callable[[Place, Way], Awaitable[None]], way: Way
) -> None:
    await journey(place, way)
    for context in place.browser.contexts:
        await context.close()


async def _rows(node: Node) -> dict[str, int]:
    async with node.engine.connect() as conn:
        return {
            table.name: await conn.scalar(sa.select(sa.func.count()).select_from(table)) or 0
            for table in metadata.sorted_tables
        }
