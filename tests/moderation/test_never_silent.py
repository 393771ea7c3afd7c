"""Nothing is done about somebody without a line in the log and a word to them (DOM-D18)."""

import ast
import re
from pathlib import Path

import pytest
import sqlalchemy as sa

from groups import desk, explaining
from groups.groups import GroupSettings
from kernel.schema.groups import Premoderation
from kernel.schema.notices import NoticeKind
from kernel.schema.posts import PostState
from kernel.schema.tables import audit, notices
from moderation import audit as log
from moderation.audit import ACTIONS, TOLD
from node.pages import decision_words
from tests.nodes import Node, NodeFactory

ROOT = Path(__file__).parent.parent.parent
BLAMING = re.compile(r"violat|punish|\bbanned\b|offen[cs]e|infring|abus", re.I)
HIDES = re.compile(r"state=PostState\.REMOVED|PostState\.REMOVED\.value")


def spoken(file: Path) -> list[str]:
    """The strings of a module, without its docstrings."""
    tree = ast.parse(file.read_text())
    about = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    return [
        node.value for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in about
    ]  # fmt: skip


def test_mod_H3_dom_D18_no_word_that_people_read_about_a_decision_blames() -> None:
    texts = {
        "pages": [*decision_words.MINE.values(), *decision_words.STAYS.values()],
        "roles": list(decision_words.ROLES.values()),
        "kinds": list(decision_words.KINDS.values()),
        "notes": [*explaining._DID.values(), explaining._BY, explaining._ASK],
    }
    for name in ("decisions/show.html", "decisions/mine.html", "notices/index.html"):
        texts[name] = [(ROOT / "templates" / name).read_text()]
    for name in ("groups/desk.py", "groups/appealing.py", "moderation/standing.py"):
        texts[name] = spoken(ROOT / name)
    found = [(name, text) for name, several in texts.items() for text in several
             if BLAMING.search(text) and " " in text]  # fmt: skip
    assert found == []
    assert BLAMING.search("You are banned")


def test_dom_D18_every_action_says_thanks_or_what_stays_and_has_words() -> None:
    with_words = ACTIONS
    assert with_words | {"hold"} == explaining._DID.keys()
    assert decision_words.STAYS.keys() == explaining._DID.keys() | {"limit for a peer"}
    assert decision_words.STAYS.keys() <= TOLD, "whom it is about can read it"
    assert with_words < decision_words.MINE.keys()
    assert with_words < decision_words.KINDS.keys()
    for says in decision_words.STAYS.values():
        assert "stay" in says or "still" in says or "go on" in says or "Nothing else" in says


def test_dom_D18_a_desk_alone_hides_a_post() -> None:
    """A group's or the node's; and a restore of a backup, which only repeats what they did."""
    hiding = {
        str(file.relative_to(ROOT))
        for package in ("groups", "inbox", "members", "moderation", "node")
        for file in (ROOT / package).rglob("*.py")
        if HIDES.search(file.read_text())
    }
    assert hiding == {"groups/desk.py", "groups/hiding.py", "node/safekeeping/replay.py"}


async def told(node: Node, decision_id: int) -> list[str]:
    async with node.engine.connect() as conn:
        found = await conn.scalars(
            sa.select(notices.c.kind).where(notices.c.decision_id == decision_id)
        )
        return list(found)


@pytest.mark.parametrize("by_name", [False, True])
async def test_dom_D18_whatever_is_done_about_somebody_has_a_line_and_they_are_told(
    node: NodeFactory, by_name: bool
) -> None:
    """By the desk, and by a moderator who is named, as those on other servers are."""
    alder = await node("alder.test")
    ana, ben = await alder.persona("ana"), await alder.persona("ben")
    group = await alder.group("sleep", ana)
    careful = await alder.group(
        "careful", ana, settings=GroupSettings(premoderation=Premoderation.ALL)
    )
    for each in (group, careful):
        await alder.join(ben, each.actor.uri)
    root = await alder.start(ana, group.actor.uri, "A title", "Hello.")
    shown = await alder.reply(ben, root.uri, "Words.")
    held = await alder.start(ben, careful.actor.uri, "Held", "Words.")
    assert held.state is PostState.HELD
    async with alder.engine.begin() as conn:
        actor = ana.actor if by_name else await desk.require(conn, group, ana)
        here, until = alder.here, alder.here.now().date()
        await desk.remove(conn, here, group, actor, shown, "a reason")
        await desk.remove(conn, here, careful, actor, held, "")
        await desk.warn(conn, here, group, actor, ben.actor, "softly")
        await desk.limit(conn, here, group, actor, ben.actor, "", until)
        await desk.ban(conn, here, group, actor, ben.actor, "", until)
    async with alder.engine.connect() as conn:
        lines = await log.of_person(conn, ben.id, limit=9)
        rows = await conn.scalar(sa.select(sa.func.count()).select_from(audit))
    assert rows == 5
    assert {(each.verb, *await told(alder, each.id)) for each in lines} == {
        ("remove", NoticeKind.REMOVED),
        ("remove", NoticeKind.UNSENT),
        ("warn", NoticeKind.WORD),
        ("limit", NoticeKind.LIMITED),
        ("ban", NoticeKind.AWAY),
    }
