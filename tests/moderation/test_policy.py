"""What counts about a domain, of all that is said about it."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.ext.asyncio import AsyncEngine

from activitypub.keys import KeyPair
from kernel import tombstone_log
from kernel.errors import Malformed, NotAllowed, Problem
from kernel.here import Here
from kernel.schema.moderation import Level, ListMode
from kernel.schema.tables import audit, domain_blocks, domain_filters, domain_lists, domain_policies
from kernel.sealing import NodeKey
from members import node as node_store
from moderation import blocklist, domains, impact, names, policy
from moderation.blocklist import Blocklist
from moderation.domains import Rule
from moderation.impact import Impact
from moderation.lists import sources
from moderation.policy import ORDINARY, Policies, Policy
from tests.nodes import block

ACCEPT, NOTE, FILTER, REJECT, DROP = (Policy(level) for level in Level)
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def here(tmp_path: Path) -> Here:
    return Here(
        "https://alder.example",
        NodeKey.load(tmp_path / "node.key"),
        lambda: NOW,
        protected_domains=("clinic.example",),
    )


@pytest.fixture
async def engine(engine: AsyncEngine, here: Here, key_pairs: list[KeyPair]) -> AsyncEngine:
    """With a node in it."""
    async with engine.begin() as conn:
        await node_store.found(conn, here, instance_keys=key_pairs[0], desk_keys=key_pairs[1])
    return engine


async def _say(engine: AsyncEngine, source: str, said: Mapping[str, Policy]) -> None:
    """A list says something, and it is agreed to."""
    async with engine.begin() as conn:
        await conn.execute(
            domain_lists.insert().values(
                id=source, name=source, mode=ListMode.AUTOMATIC, max_level=Level.DROP
            )
        )
        for domain, chosen in said.items():
            rule = Rule(domain=domain, policy=chosen, source=source, day=NOW.date())
            await conn.execute(domain_policies.insert().values(**domains.values_of(rule)))
        await policy.settle(conn)


async def _in_force(engine: AsyncEngine, *hosts: str) -> list[Policy]:
    """By SQL and by memory, which agree, and so do the tables for statements at every step."""
    async with engine.connect() as conn:
        found = [await policy.of_host(conn, host) for host in hosts]
        remembered = await policy.in_force(conn)
        blocked = [await domains.how_blocked(conn, host) for host in hosts]
    assert [remembered.of_host(host) for host in hosts] == found
    assert blocked == [each.level if each.blocks else None for each in found]
    return found


async def test_mod_3_10_the_longest_suffix_wins(engine: AsyncEngine, here: Here) -> None:
    async with engine.begin() as conn:
        for domain, chosen in {
            "bad.example": REJECT,
            "good.bad.example": ACCEPT,
            "worse.good.bad.example": DROP,
            "so.bad.example": FILTER,
            "fine.so.bad.example": NOTE,
        }.items():
            await domains.set_policy(conn, here, domain, chosen)
    assert await _in_force(
        engine,
        "bad.example:8080",
        "a.bad.example",
        "good.bad.example",
        "a.good.bad.example",
        "a.worse.good.bad.example",
        "so.bad.example",
        "fine.so.bad.example",
        "notbad.example",
        "example",
    ) == [REJECT, REJECT, ACCEPT, ACCEPT, DROP, FILTER, NOTE, ORDINARY, ORDINARY]
    async with engine.connect() as conn:
        blocks = dict(
            (await conn.execute(sa.select(domain_blocks.c.domain, domain_blocks.c.spares))).all()
        )
        filters: dict[str, list[str]] = dict((await conn.execute(sa.select(domain_filters))).all())
        lines = set(await conn.scalars(sa.select(audit.c.verb)))
    assert blocks == {
        "bad.example": ["fine.so.bad.example", "good.bad.example", "so.bad.example"],
        "worse.good.bad.example": [],
    }
    assert filters == {"so.bad.example": ["fine.so.bad.example"]}
    assert lines == {f"domain {level}" for level in Level}


async def test_mod_5_7_our_own_decision_wins_over_every_list(
    engine: AsyncEngine, here: Here
) -> None:
    said = {"kind.example": DROP, "sub.kind.example": REJECT, "other.example": FILTER}
    await _say(engine, "harsh", said)
    hosts = ("kind.example", "sub.kind.example", "other.example")
    assert await _in_force(engine, *hosts) == [DROP, REJECT, FILTER]
    async with engine.begin() as conn:
        change = await domains.set_policy(conn, here, "kind.example", ACCEPT)
    assert (change.before, change.after) == (DROP, ACCEPT)
    assert await _in_force(engine, *hosts) == [ACCEPT, ACCEPT, FILTER]
    async with engine.begin() as conn:
        change = await domains.forget(conn, here, "kind.example")
    assert change.cuts
    assert await _in_force(engine, *hosts) == [DROP, REJECT, FILTER]


async def test_mod_5_8_of_several_lists_the_mildest_counts(engine: AsyncEngine) -> None:
    await _say(
        engine, "harsh", {"a.example": DROP, "b.example": replace(FILTER, reject_media=True)}
    )
    await _say(engine, "mild", {"a.example": FILTER, "b.example": FILTER})
    assert await _in_force(engine, "a.example", "b.example") == [FILTER, FILTER]


async def test_mod_5_11_what_ends_on_a_day_ends_after_it(engine: AsyncEngine, here: Here) -> None:
    async with engine.begin() as conn:
        await domains.set_policy(conn, here, "a.example", REJECT, until=NOW.date())
        with pytest.raises(Malformed):
            await domains.set_policy(conn, here, "b.example", REJECT, until=date(2026, 2, 28))
        assert await domains.expire(conn, here) == []
    tomorrow = replace(here, clock=lambda: datetime(2026, 3, 2, tzinfo=UTC))
    async with engine.begin() as conn:
        assert await domains.expire(conn, tomorrow) == ["a.example"]
    assert await _in_force(engine, "a.example") == [ORDINARY]


@pytest.mark.parametrize(
    ("text", "domain"),
    [
        ("Example.ORG", "example.org"),
        (" example.org. ", "example.org"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("BÜCHER.example", "xn--bcher-kva.example"),
        ("a.b.c.example.co.uk", "a.b.c.example.co.uk"),
    ],
)
def test_mod_5_10_a_domain_has_one_spelling(text: str, domain: str) -> None:
    assert names.read_domain(text) == domain


@pytest.mark.parametrize(
    "text",
    ["", "org", "co.uk", "github.io", "*.example.org", "ex*mple.org", "1.2.3.4", "::1", "[::1]",
     "example.org:80", "https://example.org", "example.org..", "a@example.org", "exa mple.org",
     "-a.example", "a" * 64 + ".example", "xn--\N{SNOWMAN}.example", "a." * 130 + "example"],
)  # fmt: skip
def test_mod_5_10_what_stands_for_no_one_server_is_refused(text: str) -> None:
    with pytest.raises(Malformed):
        names.read_domain(text)


@given(st.text())
def test_mod_5_10_anything_is_a_domain_or_malformed(text: str) -> None:
    try:
        domain = names.read_domain(text)
    except Malformed:
        return
    assert names.read_domain(domain) == domain
    assert domain.isascii()


@pytest.mark.parametrize(
    "domain",
    ["alder.example", "example.", "clinic.example", "a.clinic.example"],
)
async def test_mod_5_10_our_own_and_protected_domains_are_left_alone(
    engine: AsyncEngine, here: Here, domain: str
) -> None:
    async with engine.begin() as conn:
        with pytest.raises(Problem) as refused:
            await domains.set_policy(conn, here, domain, REJECT)
        assert isinstance(refused.value, NotAllowed | Malformed)
        assert await conn.scalar(sa.select(sa.func.count()).select_from(domain_policies)) == 0


async def test_sec_S20_memory_is_read_anew_only_when_something_was_decided(
    engine: AsyncEngine, here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocklist, "FRESH", 0.0)
    read = 0

    def count(_conn: object, _cursor: object, statement: str, *_rest: object) -> None:
        nonlocal read
        read += "reject_media" in statement

    async with engine.begin() as conn:
        await domains.set_policy(conn, here, "bad.example", DROP)
    sa.event.listen(engine.sync_engine, "before_cursor_execute", count)
    memory = Blocklist(engine)
    for _ in range(3):
        assert await memory.drops("a.bad.example:80")
        assert not await memory.covers("good.example")
    assert await memory.drops_anybody()
    assert read == 1
    async with engine.begin() as conn:
        await domains.set_policy(conn, here, "bad.example", REJECT)
    read = 0
    assert await memory.covers("bad.example")
    assert not await memory.drops_anybody()
    assert read == 1


async def test_sec_S20_the_end_of_a_block_holds_at_once_for_what_is_sent(
    engine: AsyncEngine, here: Here
) -> None:
    memory = Blocklist(engine)
    async with engine.begin() as conn:
        await block(conn, here, "bad.example")
    assert await memory.covers("bad.example")
    async with engine.begin() as conn:
        await domains.forget(conn, here, "bad.example")
    assert not await memory.covers("bad.example")


def test_sec_S20_a_question_takes_a_look_for_each_label_however_long_the_list_is() -> None:
    class Counting(dict[str, Policy]):
        looks = 0

        def get(self, key: str, default: object = None) -> Policy | None:  # type: ignore[override]
            Counting.looks += 1
            return super().get(key)

    many = Counting({f"n{number}.example": REJECT for number in range(10_000)})
    policies = Policies.of(many)
    assert policies.of_host("a.b.n9999.example:80") == REJECT
    assert policies.of_host("a.b.c.example") == ORDINARY
    assert Counting.looks == 3 + 4


async def test_sec_L16_what_was_decided_is_decided_again_after_a_restore(
    engine: AsyncEngine, here: Here
) -> None:
    softer = Policy(Level.FILTER, reject_media=True)
    async with engine.begin() as conn:
        await domains.set_policy(conn, here, "old.example", REJECT, private_comment="kept")
        await domains.set_policy(conn, here, "gone.example", REJECT)
        await domains.set_policy(conn, here, "same.example", DROP)
    decided = {
        ("old.example", ""): ("filter", "m"),
        ("gone.example", ""): ("", ""),
        ("same.example", ""): ("drop", ""),
        ("new.example", "a-list"): ("reject", "o"),
        ("odd.example", ""): ("of a newer version", ""),
    }
    async with engine.begin() as conn:
        changed = await domains.redo(conn, here, decided)
    assert sorted(changed) == ["gone.example", "new.example", "old.example"]
    found = await _in_force(engine, "old.example", "gone.example", "same.example", "new.example")
    assert found == [softer, ORDINARY, DROP, REJECT]
    async with engine.connect() as conn:
        assert (await domains.own(conn, "old.example")).private_comment == "kept"
        (listed,) = [rule for rule in await domains.find(conn, search="new") if rule.source]
    assert (listed.source, listed.in_force, listed.obfuscate) == ("a-list", True, True)
    async with engine.begin() as conn:
        over = await sources.add(conn, here, name="Over", mode=ListMode.AUTOMATIC)
        rule = Rule(domain="x.example", policy=REJECT, source=over.id, day=here.now().date())
        await conn.execute(domain_policies.insert().values(domains.values_of(rule)))
        kept = await sources.add(
            conn, here, name="Kept", url="https://lists.example/x", mode=ListMode.AUTOMATIC
        )
        await conn.execute(sa.update(domain_lists).values(taken=here.now().date()))
        await sources.after_restore(conn, [over.id])
        left = {source.id: source for source in await sources.every(conn)}
        assert left.keys() == {"a-list", kept.id}
        assert (left[kept.id].mode, left[kept.id].taken) == (ListMode.DRAFT, None)
        assert not await domains.is_blocked(conn, "x.example")


async def test_sec_L16_the_log_says_what_is_hidden_and_which_list_was_ended(
    engine: AsyncEngine, here: Here, tmp_path: Path
) -> None:
    log = tmp_path / "log" / tombstone_log.FILE
    tombstone_log.keep(engine, log)
    async with engine.begin() as conn:
        await domains.set_policy(conn, here, "a.example", REJECT, obfuscate=True)
        source = await sources.add(conn, here, name="A list")
        await sources.remove(conn, here, source)
    assert tombstone_log.read(log.read_text()) == [
        ("policy", "a.example", "", "reject", "o"),
        ("list over", source.id),
    ]


def test_sec_L16_the_log_of_a_restore_says_the_level_and_no_words() -> None:
    line = '["policy", "bad.example", "", "filter", "mr"]'
    assert tombstone_log.read(line) == [("policy", "bad.example", "", "filter", "mr")]


@pytest.mark.parametrize(
    ("domain", "known"),
    [
        ("c1inic.example", "clinic.example"),
        ("\u0441linic.example", "clinic.example"),  # a letter of another script
        ("chat.cl\u00ednic.example", "clinic.example"),  # an accent
        ("alcler.example", "alder.example"),  # this node's own
        ("clinic.example", ""),
        ("chat.clinic.example", ""),
        ("clinics.example", ""),
        ("clinic.test", ""),
    ],
)
async def test_mod_5_10_who_decides_hears_that_a_name_looks_like_a_protected_one(
    engine: AsyncEngine, here: Here, domain: str, known: str
) -> None:
    name = names.read_domain(domain)
    async with engine.connect() as conn:
        would = await impact.of(conn, here, [name], Level.REJECT)
        mild = await impact.of(conn, here, [name], Level.FILTER)
    assert would.alike == (((name, known),) if known else ())
    assert [known in line for line in would.asks_for_a_look] == ([True] if known else [])
    assert not mild.asks_for_a_look
    assert Impact.of_json(json.dumps(would.as_json())) == would
