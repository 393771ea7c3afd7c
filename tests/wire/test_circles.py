"""A group that only members see, shared by two nodes that trust each other (MOD-5.6)."""

import re
from dataclasses import replace
from tempfile import TemporaryFile

import pytest
import sqlalchemy as sa
from aiohttp import hdrs

from activitypub import actors as actor_store
from activitypub import documents, outbox
from activitypub.client import Unreachable
from activitypub.state import REMOTE
from activitypub.vocab import PUBLIC
from groups import browsing, desk, membership, parts, picture_access, polls, threads
from groups import groups as group_store
from groups import posts as post_store
from groups.admission import Draft
from groups.groups import Group, GroupSettings
from groups.pictures import Chosen, pictures_of
from groups.posts import Post
from kernel.errors import Malformed, NotFound, Problem
from kernel.schema.actors import FollowState
from kernel.schema.groups import Sees
from kernel.schema.notices import NoticeKind
from kernel.schema.pacts import Afterwards
from kernel.schema.posts import PostState
from kernel.schema.tables import actors, attachments, follows, notices, poll_votes, reactions
from kernel.schema.tables import pacts as table_of_pacts
from media import pictures as media_store
from moderation import circles, forwarding, pact_making, pacts
from moderation.standing import Speaker
from moderation.visibility import VISITOR, Viewer
from node import pictures as node_pictures
from node import worker
from node.pages.session import ADMINISTRATOR
from tests.media import draw
from tests.nodes import Node, NodeFactory, settle, words
from tests.pages.people import Browser, person
from tests.pages.people import settle as described
from tests.peer import PeerFactory
from tests.wire.test_pacts import agree, offer, runs, say_yes

pytestmark = pytest.mark.usefixtures("described")

SECRET = "words for this circle alone"


async def group_of(node: Node, uri: str) -> Group:
    async with node.engine.connect() as conn:
        actor = await actor_store.by_uri(conn, uri)
        assert actor is not None
        return await group_store.get(conn, actor.id)


async def share(node: Node, group: Group, host: str, sees: Sees = Sees.MEMBERS) -> Group:
    settings = replace(group.settings or GroupSettings(), circle=host, sees=sees)
    async with node.engine.begin() as conn:
        return await group_store.update(
            conn, node.here, group, name="Quiet", about="A circle.", settings=settings
        )


async def admit(node: Node, group: Group, uri: str) -> None:
    async with node.engine.begin() as conn:
        who = await actor_store.by_uri(conn, uri)
        assert who is not None
        await membership.admit(conn, node.here, group, who)


async def states(node: Node, group_uri: str) -> dict[str, str]:
    async with node.engine.connect() as conn:
        group = await actor_store.by_uri(conn, group_uri)
        assert group is not None
        rows = await conn.execute(
            sa.select(follows.c.follower_id, follows.c.state).where(
                follows.c.followed_id == group.id
            )
        )
        return {(await actor_store.get(conn, row[0])).handle: row[1] for row in rows.all()}


@pytest.fixture
async def ana(alder: Node) -> Speaker:
    return await alder.persona("anya")


@pytest.fixture
async def quiet(alder: Node, birch: Node, ana: Speaker) -> Group:
    """A members-only group of alder, with a pact between the two nodes and shared with birch."""
    await agree(alder, birch)
    group = await alder.group("quiet", ana, settings=GroupSettings(sees=Sees.MEMBERS))
    return await share(alder, group, "birch.test")


@pytest.fixture
async def ben(alder: Node, birch: Node, quiet: Group) -> Speaker:
    """Of birch, and in the circle."""
    who = await birch.persona("benno")
    await birch.join(who, quiet.actor.uri)
    await settle(alder, birch)
    assert (await states(alder, quiet.actor.uri))["benno"] == FollowState.PENDING
    await admit(alder, quiet, who.actor.uri)
    await settle(alder, birch)
    assert (await states(birch, quiet.actor.uri)) == {"benno": FollowState.ACCEPTED}
    return who


async def test_mod_5_6_a_circle_spans_two_trusted_nodes_and_nobody_else_sees_it(
    alder: Node, birch: Node, ana: Speaker, ben: Speaker, quiet: Group
) -> None:
    post = await alder.start(ana, quiet.actor.uri, "Tonight", SECRET)
    await settle(alder, birch)
    there = await birch.thread(post.uri, ben.id)
    assert SECRET in words(there)[0]
    answer = await birch.reply(ben, post.uri, "an answer from birch")
    await settle(alder, birch)
    assert "an answer from birch" in words(await alder.thread(post.uri, ana.id))[1]
    edited = await alder.edit(ana, post.uri, "Tonight", "other words")
    await settle(alder, birch)
    assert "other words" in words(await birch.thread(edited.uri, ben.id))[0]

    other = await birch.persona("carla")  # has an account, and is not in it
    with pytest.raises(NotFound):
        await birch.thread(post.uri, other.id)
    await alder.delete(ana, post.uri)
    await birch.delete(ben, answer.uri)
    await settle(alder, birch)
    for node in (alder, birch):
        for uri in (post.uri, answer.uri):
            kept = await node.post(uri)
            assert kept is not None
            assert kept.state is PostState.DELETED
        for said in (SECRET, "other words", "an answer from birch"):
            assert await node.mentions(said) == [], (node.name, said)


async def test_mod_5_6_a_poll_of_a_circle_is_answered_and_counted_in_it_alone(
    alder: Node, birch: Node, ana: Speaker, ben: Speaker, quiet: Group, peer: PeerFactory
) -> None:
    """Of either server, by members of the other."""
    root = await alder.start(ana, quiet.actor.uri, "Tonight", SECRET)
    await settle(alder, birch)
    asked = polls.draft(alder.here, ["Monday", "Tuesday"], several=False, days=1)
    asks = {
        await alder.reply(ana, root.uri, "Which evening?", poll=asked): (birch, ben),
        await birch.reply(ben, root.uri, "And which of these?", poll=asked): (alder, ana),
    }
    await settle(alder, birch)
    for each, (node, voter) in asks.items():
        there = await node.post(each.uri)
        assert there is not None
        async with node.engine.begin() as conn:
            await polls.vote(conn, node.here, voter, there, [1])
    await settle(alder, birch)
    post = next(iter(asks))
    cedar = await peer("cedar.test", alder)
    stranger = await alder.meet(cedar.person("stella").uri)
    async with alder.engine.begin() as conn:
        with pytest.raises(NotFound):  # neither from a server that does not share it
            await polls.receive(conn, alder.here, post, stranger.uri, stranger, "Monday")
        await conn.execute(  # as if the group had been for everybody
            poll_votes.insert().values(post_id=post.id, actor_uri=stranger.uri, position=0)
        )
    for node in (alder, birch):
        node.clock.forward(minutes=21)
        assert await polls.sweep(node.engine, node.here), node.name
    await settle(alder, birch)
    for node in (alder, birch):
        for each in asks:
            kept = await node.post(each.uri)
            assert kept is not None
            async with node.engine.connect() as conn:
                poll = (await parts.polls_of(conn, [kept.id]))[kept.id]
            assert [option.votes for option in poll.options] == [0, 1], node.name
    assert cedar.inbox == []


async def test_mod_5_6_what_moderators_of_a_circle_decide_reaches_the_peer(
    alder: Node, birch: Node, ana: Speaker, ben: Speaker, quiet: Group
) -> None:
    post = await birch.start(ben, quiet.actor.uri, "From birch", SECRET)
    await settle(alder, birch)
    assert SECRET in words(await alder.thread(post.uri, ana.id))[0]
    async with birch.engine.connect() as conn:
        assert await circles.stands(conn, "alder.test")
    answer = await alder.reply(ana, post.uri, "an answer that goes")
    await settle(alder, birch)
    async with alder.engine.begin() as conn:
        group = await group_store.get(conn, quiet.id)
        assert group.desk_id is not None
        looks_after = await actor_store.get(conn, group.desk_id)
        for uri in (post.uri, answer.uri):
            found = await post_store.by_uri(conn, uri)
            assert found is not None
            await desk.remove(conn, alder.here, group, looks_after, found, "not here")
    await settle(alder, birch)
    for uri in (post.uri, answer.uri):
        kept = await birch.post(uri)
        assert kept is not None
        assert kept.state is PostState.REMOVED, uri
    async with alder.engine.begin() as conn:
        them = await actor_store.by_uri(conn, ben.actor.uri)
        assert them is not None
        await desk.ban(conn, alder.here, group, looks_after, them, "for a while")
    await settle(alder, birch)
    assert "benno" not in await states(alder, quiet.actor.uri)
    assert await states(birch, quiet.actor.uri) == {}
    with pytest.raises(NotFound):
        await birch.thread(post.uri, ben.id)
    later = await birch.start(ben, quiet.actor.uri, "Again", "after the ban")
    await settle(alder, birch)
    assert await alder.post(later.uri) is None


async def signed(node: Node, url: str) -> str:
    """What a node is shown that asks in its own name; what it is refused is nothing."""
    try:
        return str(await node.app[REMOTE].document(url))
    except (Problem, Unreachable):
        return ""


def doors(node: Node, group: Group, post_id: int) -> list[str]:
    """Every address of the router that can be asked, about the circle."""
    found = {"/.well-known/webfinger?resource=acct:quiet@alder.test", f"/search?q={SECRET}"}
    for route in node.app.router.routes():
        if route.method != hdrs.METH_GET or route.resource is None:
            continue
        path = route.resource.canonical
        path = path.replace("{name}", group.actor.handle).replace("{id}", str(post_id))
        found.add(re.sub(r"\{[^}]*\}", "1", path))
    return sorted(each for each in found if not each.startswith(("/static", "/leave", "/live")))


async def test_sec_L11_a_server_without_a_pact_gets_nothing_by_any_door(
    node: NodeFactory, alder: Node, birch: Node, ana: Speaker, ben: Speaker, quiet: Group
) -> None:
    cedar = await node("cedar.test")
    stranger = await cedar.persona("stella")
    await cedar.app[REMOTE].actor(ana.actor.uri)  # they know each other, and no more
    post = await alder.start(ana, quiet.actor.uri, "Tonight", f"{SECRET} @stella@cedar.test")
    await settle(alder, birch, cedar)
    assert SECRET in words(await birch.thread(post.uri, ben.id))[0]
    assert await cedar.mentions(SECRET) == []

    carla = await person(birch, "carla")  # an account where it is shared, and not in it
    there = await birch.post(post.uri)
    assert there is not None
    for path in doors(birch, quiet, there.id):
        path = path.replace("/g/quiet", "/g/quiet@alder.test")
        assert SECRET not in (await carla.open(path)).text, path
    async with birch.engine.connect() as conn:
        everybody = Viewer((carla.actor.id,), signed_in=True)
        assert await browsing.latest(conn, everybody) == []
    ask = await carla.open(f"/search?q={quiet.actor.uri}")
    assert ask.location == "/g/quiet@alder.test/join"  # she may ask, and reads nothing before
    assert "kept there as well" in (await carla.open(ask.location)).text

    paths = doors(alder, quiet, post.id)
    assert len(paths) > 80
    for path in paths:
        for accept in ("application/activity+json", "text/html"):
            answer = await alder.get(path, accept=accept)
            text = await answer.text(errors="replace")
            assert SECRET not in text, path
            assert "A circle." not in text, path
            assert "/g/quiet/" not in text, path
        if not path.startswith("/.well-known") and path.count("/") < 4:
            told = await signed(cedar, f"{alder.origin}{path}")
            assert SECRET not in told, path
            assert "quiet" not in told, path
    assert SECRET in await signed(birch, post.uri)
    assert "A circle." in await signed(birch, quiet.actor.uri)

    with pytest.raises((Problem, Unreachable)):
        await cedar.join(stranger, quiet.actor.uri)
    follow = documents.activity(  # somebody knows the address, and asks all the same
        cedar.here.new_activity_uri(),
        "Follow",
        stranger.actor.uri,
        quiet.actor.uri,
        to=[quiet.actor.uri],
    )
    async with cedar.engine.begin() as conn:
        await outbox.publish(conn, cedar.here, follow, signer=stranger.actor, to=[ana.actor.uri])
    await settle(alder, cedar)
    assert set(await states(alder, quiet.actor.uri)) == {"anya", "benno"}


async def test_mod_5_6_a_peer_that_leaks_shows_nothing_wider_here(
    alder: Node, birch: Node, ana: Speaker, ben: Speaker, quiet: Group
) -> None:
    post = await alder.start(ana, quiet.actor.uri, "Tonight", SECRET)
    await settle(alder, birch)
    async with birch.engine.begin() as conn:  # birch forgets that it is a circle
        await conn.execute(
            sa.update(actors).where(actors.c.members_only).values(members_only=False)
        )
    answer = await birch.reply(ben, post.uri, "said to everybody")
    boost = documents.activity(
        birch.here.new_activity_uri(), "Announce", ben.actor.uri, post.uri, to=[PUBLIC]
    )
    async with birch.engine.begin() as conn:
        await outbox.publish(conn, birch.here, boost, signer=ben.actor, to=[ana.actor.uri])
    await settle(alder, birch)
    assert await alder.post(answer.uri) is None
    assert len(words(await alder.thread(post.uri, ana.id))) == 1
    async with alder.engine.connect() as conn:
        assert await conn.scalar(sa.select(sa.func.count()).select_from(reactions)) == 0
    visitor = Browser(alder)
    assert (await visitor.open(f"/t/{post.thread_id}")).status == 404
    assert (await alder.get(f"/p/{post.id}")).status == 404


@pytest.mark.parametrize("how", ["ended here", "ended there", "frozen here"])
async def test_mod_5_6_the_end_of_trust_ends_a_circle_at_once(
    how: str, alder: Node, birch: Node, ana: Speaker, ben: Speaker, quiet: Group
) -> None:
    post = await alder.start(ana, quiet.actor.uri, "Tonight", SECRET)
    await settle(alder, birch)
    waiting = await alder.start(ana, quiet.actor.uri, "Later", "words that are on their way")
    if how == "ended there":
        async with birch.engine.begin() as conn:
            await pact_making.end(conn, birch.here, "alder.test", Afterwards.KEEP)
        await settle(birch)
        while await worker.process(alder.app):
            pass
    else:
        async with alder.engine.begin() as conn:
            if how == "ended here":
                await pact_making.end(conn, alder.here, "birch.test", Afterwards.KEEP)
            else:
                await pacts.freeze(conn, alder.here, "birch.test", frozen=True)
    assert await signed(birch, post.uri) == ""
    assert await signed(birch, quiet.actor.uri) == ""
    await settle(alder, birch)
    assert await birch.mentions("words that are on their way") == []
    assert waiting.uri != post.uri
    await alder.start(ana, quiet.actor.uri, "After", "words of afterwards")
    await settle(alder, birch)
    assert await birch.mentions("words of afterwards") == []
    assert await states(alder, quiet.actor.uri) == {"anya": FollowState.ACCEPTED}
    assert await states(birch, quiet.actor.uri) == {}
    with pytest.raises(NotFound):
        await birch.thread(post.uri, ben.id)
    async with birch.engine.connect() as conn:
        heard = await conn.scalars(sa.select(notices.c.kind).where(notices.c.persona_id == ben.id))
        assert NoticeKind.ENDED in set(heard)
    async with alder.engine.connect() as conn:
        log = await desk.log(conn, await group_of(alder, quiet.actor.uri), limit=5)
    assert next(line.verb for line in log) == "part circle"


async def test_mod_5_6_deletes_that_wait_outlive_a_circle(
    alder: Node, birch: Node, ana: Speaker, ben: Speaker, quiet: Group
) -> None:
    """The peer has the words, and hears that they are gone; whatever else waits goes."""
    post = await alder.start(ana, quiet.actor.uri, "Tonight", SECRET)
    await settle(alder, birch)
    await alder.start(ana, quiet.actor.uri, "Later", "words that are on their way")
    await alder.delete(ana, post.uri)
    async with alder.engine.begin() as conn:
        await pact_making.end(conn, alder.here, "birch.test", Afterwards.KEEP)
    await settle(alder, birch)
    for said in (SECRET, "words that are on their way"):
        assert await birch.mentions(said) == [], said
    kept = await birch.post(post.uri)
    assert kept is not None
    assert kept.state is PostState.DELETED


async def test_mod_5_6_few_members_here_of_a_circle_elsewhere_could_be_guessed(
    alder: Node, birch: Node, ben: Speaker, quiet: Group
) -> None:
    """A report that points at a post shows that one of them made it (MOD-5.13)."""
    for number in range(forwarding.CROWD):
        await birch.persona(f"more{number}")
    there = await group_of(birch, quiet.actor.uri)
    async with birch.engine.connect() as conn:
        assert not await forwarding.is_small(conn, None)
        assert await forwarding.is_small(conn, there.id)


async def test_mod_5_6_what_cannot_be_a_circle_is_refused_and_strangers_are_let_go(
    alder: Node, birch: Node
) -> None:
    ana = await person(alder, "olga")
    group = await alder.group("open", ana.speaker)
    with pytest.raises(Malformed, match="no pact"):
        await share(alder, group, "birch.test")
    await agree(alder, birch)
    with pytest.raises(Malformed, match="its members alone"):
        await share(alder, group, "birch.test", Sees.EVERYONE)
    reader = await birch.persona("rita")
    await birch.join(reader, group.actor.uri)
    await settle(alder, birch)
    async with alder.engine.begin() as conn:  # as if they had come from a third server
        await conn.execute(
            sa.update(actors).where(actors.c.uri == reader.actor.uri).values(host="cedar.test")
        )
    shared = await share(alder, group, "birch.test")
    assert set(await states(alder, group.actor.uri)) == {"olga"}
    mine = await ana.open("/g/open/settings")
    assert "Share this group with people of another place?" in mine.text
    assert 'value="birch.test" selected' in mine.html
    assert "People of birch.test may be members" in (await ana.open("/g/open")).text

    async with alder.engine.begin() as conn:  # a restore knows of no end of the pact
        await conn.execute(sa.update(table_of_pacts).values(frozen=True))
        await circles.sweep(conn, alder.here)
    found = await group_of(alder, shared.actor.uri)
    assert found.settings is not None
    assert found.settings.circle == ""


async def picture_of(node: Node, reader: Speaker, post_uri: str) -> str:
    """The address on the reader's own node of the one picture in a post; empty: none lies there."""
    post = await node.post(post_uri)
    assert post is not None
    async with node.engine.connect() as conn:
        (shown,) = (await pictures_of(conn, [post.id])).get(post.id) or (None,)
        if shown is None:
            return ""
        viewer = Viewer((reader.id,), signed_in=True)
        assert not (await picture_access.find(conn, shown.media_id, viewer)).public
        for nobody in (VISITOR, Viewer((), signed_in=True)):
            with pytest.raises(NotFound):
                await picture_access.find(conn, shown.media_id, nobody)
    return f"/media/{shown.media_id}.webp"


async def copied(*nodes: Node) -> None:
    """The pictures that came are read, within a minute."""
    for node in nodes:
        node.clock.forward(minutes=2)
        while await node_pictures.work(node.app):
            pass


async def with_picture(node: Node, who: Speaker, group: Group) -> Post:
    """A thread with a picture that can be drawn anew."""
    with TemporaryFile() as file:
        file.write(draw.png())
        picture = await node.app[node_pictures.STUDIO].draw(file)
    kept = await media_store.keep(node.engine, node.here, node.app[node_pictures.STORE], picture)
    draft = Draft(title="Tea", source=SECRET, pictures=(Chosen(kept.id, "A cup"),), guidelines=99)
    async with node.engine.begin() as conn:
        return await threads.start(conn, node.here, who, group, draft)


async def test_mod_5_6_pictures_of_a_circle_reach_its_members_and_nobody_else(
    alder: Node, birch: Node, ana: Speaker, ben: Speaker, quiet: Group, node: NodeFactory
) -> None:
    """Each node fetches them signed, from the node where they were posted."""
    there = await group_of(birch, quiet.actor.uri)
    for author_at, who, group, reader_at, reader in (
        (alder, ana, quiet, birch, ben),
        (birch, ben, there, alder, ana),
    ):
        post = await with_picture(author_at, who, group)
        await settle(alder, birch)
        await copied(reader_at)
        home = await picture_of(author_at, who, post.uri)
        assert await picture_of(reader_at, reader, post.uri), author_at.name
        assert (await author_at.get(home)).status == 404  # unsigned
    cedar = await node("cedar.test")
    post = await with_picture(alder, ana, quiet)
    await settle(alder, birch)
    home = alder.origin + await picture_of(alder, ana, post.uri)
    answers = [
        (await each.app[REMOTE].answer(home, accept="image/webp")).status for each in (birch, cedar)
    ]
    assert answers == [200, 404]
    async with alder.engine.begin() as conn:
        await pacts.freeze(conn, alder.here, "birch.test", frozen=True)
    await settle(alder)
    assert (await birch.app[REMOTE].answer(home, accept="image/webp")).status == 404


async def test_mod_5_6_a_picture_in_a_circle_is_asked_for_at_no_third_server(
    alder: Node, birch: Node, ana: Speaker, ben: Speaker, quiet: Group, peer: PeerFactory
) -> None:
    cedar = await peer("cedar.test", birch)
    post = await with_picture(alder, ana, quiet)
    await settle(alder, birch)
    async with birch.engine.begin() as conn:  # as if alder had named a picture elsewhere
        await conn.execute(
            sa.update(attachments)
            .where(attachments.c.remote_url.is_not(None))
            .values(remote_url=f"{cedar.origin}/cup.webp")
        )
    asked = len(cedar.asked)
    await copied(birch)
    assert await picture_of(birch, ben, post.uri) == ""
    assert len(cedar.asked) == asked


async def test_mod_5_6_what_was_said_before_a_circle_was_shared_is_made_whole_for_its_members(
    alder: Node, birch: Node, ana: Speaker
) -> None:
    await agree(alder, birch)
    group = await alder.group("quiet", ana, settings=GroupSettings(sees=Sees.MEMBERS))
    earlier = await alder.start(ana, group.actor.uri, "Earlier", SECRET)
    answer = await alder.reply(ana, earlier.uri, "an earlier answer")
    gone = await alder.start(ana, group.actor.uri, "Gone", "taken back")
    await alder.delete(ana, gone.uri)
    quiet = await share(alder, group, "birch.test")
    ben = await birch.persona("benno")
    await birch.join(ben, quiet.actor.uri)
    await settle(alder, birch)
    assert await birch.post(earlier.uri) is None  # she only asked
    paths = (f"/t/{earlier.thread_id}", "/g/quiet/outbox")
    for path in paths:
        with pytest.raises((NotFound, Unreachable)):
            await birch.app[REMOTE].document(alder.origin + path)
    await admit(alder, quiet, ben.actor.uri)
    await settle(alder, birch)
    there = await birch.thread(earlier.uri, ben.id)
    assert [each.uri for each in there.posts] == [earlier.uri, answer.uri]
    assert await birch.post(gone.uri) is None
    with pytest.raises(NotFound):
        await birch.thread(earlier.uri, (await birch.persona("carla")).id)
    for path in paths:
        assert (await alder.get(path, headers={"Accept": documents.ACTIVITY_JSON})).status == 404
    back = await birch.reply(ben, answer.uri, "an answer from birch")
    await settle(alder, birch)
    assert (await alder.thread(earlier.uri, ana.id)).posts[-1].uri == back.uri


async def test_mod_5_6_a_new_peer_of_a_circle_learns_nothing_of_people_of_the_one_before(
    node: NodeFactory, alder: Node, birch: Node, ana: Speaker, ben: Speaker, quiet: Group
) -> None:
    mine = await alder.start(ana, quiet.actor.uri, "Tonight", "words of alder")
    theirs = await birch.start(ben, quiet.actor.uri, "Of birch", "words of birch")
    await settle(alder, birch)
    answer = await birch.reply(ben, mine.uri, "an answer of birch")
    await alder.reply(ana, theirs.uri, "an answer of alder")
    await settle(alder, birch)
    kept = await alder.post(theirs.uri)
    assert kept is not None
    assert [each.uri for each in (await alder.thread(mine.uri, ana.id)).posts][1:] == [answer.uri]
    outbox_path, thread = f"{alder.origin}/g/quiet/outbox", f"{alder.origin}/t/{mine.thread_id}"
    assert theirs.uri in await signed(birch, outbox_path)
    assert answer.uri in await signed(birch, thread)

    cedar = await node("cedar.test")
    await described(cedar, name="Cedar")
    await offer(await person(alder, "olga", roles=frozenset({ADMINISTRATOR})), "cedar.test")
    await settle(alder, cedar)
    await say_yes(await runs(cedar))
    await settle(alder, cedar)
    await share(alder, quiet, "cedar.test")
    carl = await cedar.persona("carl")
    await cedar.join(carl, quiet.actor.uri)
    await settle(alder, birch, cedar)
    await admit(alder, quiet, carl.actor.uri)
    await settle(alder, birch, cedar)
    shown = await cedar.app[REMOTE].document(thread)
    assert (shown["totalItems"], shown["orderedItems"]) == (1, [mine.uri])
    assert mine.uri in await signed(cedar, outbox_path)
    for path in (outbox_path, thread, f"{thread}?after=0"):
        assert "birch.test" not in await signed(cedar, path), path
    assert await signed(cedar, f"{alder.origin}/t/{kept.thread_id}") == ""
    assert words(await cedar.thread(mine.uri, carl.id)) == ["<p>words of alder</p>"]
    assert await cedar.mentions("birch.test") == []
