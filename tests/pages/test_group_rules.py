"""What a group decides for itself: servers further away, what labels do (MOD-5.7, MOD-5.18)."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from groups.posts import Post
from kernel.errors import Malformed
from kernel.schema.labels import Effect, Giver
from kernel.schema.tables import audit, posts
from moderation import labelling, labels
from moderation.saying import Saying
from tests.pages.conftest import House
from tests.pages.people import Answer, Person
from tests.pages.test_labels import open_words

SERVERS, LABELS = "/g/open/desk/servers", "/g/open/desk/labels"


async def test_mod_5_7_moderators_keep_a_server_away_and_nobody_else_reads_which(
    house: House,
) -> None:
    assert "None. What this place decided holds here too." in (await house.ana.open(SERVERS)).text
    refused = await house.ana.fill(
        SERVERS, SERVERS, domain="*.oak.test", level="reject", reason="x"
    )
    assert refused.status == 400
    assert 'value="*.oak.test"' in refused.html
    fields = {"domain": "oak.test", "level": "filter", "reason": "Too loud."}
    assert (await house.ana.fill(SERVERS, SERVERS, **fields)).status == 303
    page = await house.ana.open(SERVERS)
    for words in ("oak.test", "Too loud.", "a moderator reads first what comes from there"):
        assert words in page.text
    assert 'value="oak.test"' in (await house.ana.open(f"{SERVERS}?change=oak.test")).html
    assert (
        "Servers from which a moderator reads posts first"
        in (await house.ana.open("/g/open/desk/log")).text
    )

    for who in (house.visitor, house.ben, house.cleo):
        guidelines = await who.open("/g/open/guidelines")
        assert "keeps some servers at a distance" in guidelines.text
        assert "oak.test" not in guidelines.text
    for who in (house.ben, house.cleo):
        assert (await who.open(SERVERS)).status == 404
        assert (await who.send("POST", SERVERS, fields)).status == 404
        assert (await who.send("POST", f"{SERVERS}/forget", fields)).status == 404

    assert (await house.ana.send("POST", f"{SERVERS}/forget", fields)).status == 303
    assert "oak.test" not in (await house.ana.open(SERVERS)).text
    assert "at a distance" not in (await house.visitor.open("/g/open/guidelines")).text


async def _choose(who: Person, **effects: str) -> Answer:
    named = {f"effect-{label.replace('_', '-')}": effect for label, effect in effects.items()}
    return await who.fill(LABELS, LABELS, **named)


async def _noted(house: House, post: Post, label: str) -> None:
    """As its author labelled it."""
    name = labels.BY_ID[label].name
    async with house.node.engine.begin() as conn:
        values = {"labels": label, "note": name, "sensitive": True}
        await conn.execute(sa.update(posts).where(posts.c.id == post.id).values(values))


async def test_mod_5_18_a_group_shows_or_folds_and_its_readers_choose_after_it(
    house: House,
) -> None:
    thread = f"/t/{house.thread.id}"
    await _noted(house, house.answer, "substance-use")
    today = house.node.clock().date()
    saying = Saying(
        label="outdated-helpline",
        giver=Giver.PEER,
        effect=Effect.WARN,
        starts=today,
        ends=today + timedelta(days=30),
        host="elm.test",
        signal="https://elm.test/1",
    )
    async with house.node.engine.begin() as conn:
        await labelling.give(conn, house.thread.id, saying)
    before = await house.visitor.open(thread)
    assert "Hello back." not in open_words(before)
    assert "Hello all of you." in open_words(before)

    chosen = await _choose(house.ana, substance_use="warn", outdated_helpline="fold")
    assert chosen.status == 303, chosen.text
    after = await house.visitor.open(thread)
    assert "Hello back." in open_words(after), "the group shows it, with its note"
    assert "alcohol or drugs" in after.text
    assert "Hello all of you." not in open_words(after), "and folds what others warn of"
    async with house.node.engine.connect() as conn:
        line = (await conn.execute(sa.select(audit).where(audit.c.verb == "label effects"))).one()
    assert line.after == {"substance-use": "warn", "outdated-helpline": "fold"}

    saved = await house.cleo.fill(
        "/settings", "/settings/reading", **{"cover-substance-use": "fold"}
    )
    assert saved.status == 303
    assert "Hello back." not in open_words(await house.cleo.open(thread)), "as the reader wants"

    assert (await _choose(house.ana, substance_use="", outdated_helpline="")).status == 303
    again = await house.visitor.open(thread)
    assert "Hello back." not in open_words(again)
    assert "Hello all of you." in open_words(again)


async def test_mod_5_18_no_group_shows_what_is_held_or_silences_a_label(house: House) -> None:
    held = ("method-detail", "encouragement-of-harm", "harassment", "csam", "canary")
    page = await house.ana.open(LABELS)
    for name in held:
        assert f"effect-{name}" not in page.html
        assert labels.chosen_effects({name: "warn"}) == {}
    for effect in ("none", "hold", "x"):
        with pytest.raises(Malformed):
            labels.chosen_effects({"grief": effect})
        refused = await house.ana.send("POST", LABELS, {"effect-grief": effect})
        assert refused.status == 400
    assert labels.chosen_effects({"grief": "fold"}) == {}, "what is usual is not kept"
    assert (await house.ben.open(LABELS)).status == 404
    assert (await house.ben.send("POST", LABELS, {"effect-grief": "warn"})).status == 404
