"""What is kept of a server's refusals, and what never is (WIRE-Q10, WIRE-N8)."""

import json

import pytest

from activitypub import refusals
from activitypub.client import Answer
from activitypub.refusals import KEPT, MAX_WORDS, Refusal
from groups.groups import Group
from kernel.schema.tables import peers
from moderation.standing import Speaker
from tests.nodes import Node, settle
from tests.wire.world import Follower

WORDS = "I have not slept since Tuesday, and nobody knows."


def _answer(status: int, said: str) -> Answer:
    return Answer(status=status, url="", headers={}, body=said.encode(), content_type="text/plain")


def _sent(kind: str, obj: object, *, wrapped: bool = False) -> bytes:
    inner = {"id": "https://alder.test/a/1", "type": kind, "actor": "https://alder.test/u/kay"}
    document = {**inner, "object": obj}
    if wrapped:
        document = {
            "id": "https://alder.test/a/2",
            "type": "Announce",
            "actor": "https://alder.test/g/sleep",
            "object": document,
        }
    return json.dumps(document).encode()


NOTE = {"id": "https://alder.test/p/1", "type": "Note", "content": WORDS}
FOLLOW = {"id": "https://b.test/1", "type": "Follow", "actor": "https://b.test/u/x"}
CODE = '{"error": "not_a_member"}'


@pytest.mark.parametrize(
    ("sent", "by_group", "status", "said", "kind", "words"),
    [
        (_sent("Create", NOTE), False, 400, CODE, "Create", "not_a_member"),
        (_sent("Create", NOTE, wrapped=True), True, 400, CODE, "Create", "not_a_member"),
        (_sent("Create", NOTE, wrapped=True), True, 400, WORDS, "Create", ""),
        (_sent("Create", NOTE), False, 400, json.dumps({"error": WORDS}), "Create", ""),
        (_sent("Create", NOTE, wrapped=True), True, 401, f"Bad: {WORDS}", "Create", ""),
        (_sent("Create", NOTE, wrapped=True), True, 401, "The date is old.", "Create",
         "The date is old."),
        (_sent("Follow", FOLLOW), False, 401, "kay is not known here", "Follow", ""),
        (_sent("Accept", FOLLOW), True, 403, "<p>Groups may not <b>write</b>.</p>", "Accept",
         "Groups may not write."),
        (_sent("Accept", FOLLOW), False, 403, "kay is not known here", "Accept", ""),
        (_sent("Delete", NOTE["id"]), True, 403, f"Cannot delete “{WORDS}”", "Delete", ""),
        (b"", True, 400, WORDS, "", ""),
    ],
)  # fmt: skip
def test_wire_Q10_of_a_refusal_only_what_can_quote_no_post_is_kept(
    sent: bytes, by_group: bool, status: int, said: str, kind: str, words: str
) -> None:
    found = refusals.read(_answer(status, said), sent, by_group=by_group)
    assert found == Refusal(status=status, kind=kind, words=words)


def test_wire_N8_no_more_than_the_beginning_is_kept() -> None:
    found = refusals.read(_answer(401, "no " * 5000), _sent("Accept", FOLLOW), by_group=True)
    assert len(found.words) == MAX_WORDS


@pytest.mark.parametrize("said", ["two words", "a" * 61, "A_B", "x y", "a_b_c_d_e_f_g_h_i", "é"])
def test_a_sentence_is_no_error_code(said: str) -> None:
    found = refusals.read(
        _answer(400, json.dumps({"error": said})), _sent("Create", NOTE), by_group=True
    )
    assert found.words == ""


async def test_wire_N8_the_last_refusals_of_a_server_are_kept_newest_first(
    alder: Node, ana: Speaker, sleep: Group, lemmy: Follower
) -> None:
    lemmy.peer.answers = [400] * 100  # it quotes what it refuses
    for number in range(KEPT):
        await alder.start(ana, sleep.actor.uri, f"Title {number}", WORDS)
    await settle(alder)
    async with alder.engine.connect() as conn:
        found = await refusals.of(conn, "lemmy.test")
    assert len(found) == KEPT
    assert {(each.status, each.words) for each in found} == {(400, "")}
    assert {each.kind for each in found} == {"Announce", "Create"}
    assert set(await alder.mentions(WORDS)) == {
        "activities.body",
        "posts.content",
        "posts.source",
    }


async def test_a_server_that_is_forgotten_leaves_no_refusal(alder: Node) -> None:
    async with alder.engine.begin() as conn:
        await conn.execute(peers.insert().values(host="gone.test", next_attempt=alder.here.now()))
        await refusals.keep(conn, {"gone.test": [Refusal(status=400, kind="Create", words="")]})
        await conn.execute(peers.delete().where(peers.c.host == "gone.test"))
        assert await refusals.of(conn, "gone.test") == []
