"""The page about other servers: decisions of our own, and lists that wait for somebody."""

import re
from pathlib import Path

from kernel.schema.moderation import Level
from moderation import domains, policy
from moderation.lists import reading, sources, taking
from moderation.policy import Policy
from node.pages.session import ADMINISTRATOR
from tests.node.processes import hearthold
from tests.node.test_cli import variables
from tests.nodes import Node, NodeFactory
from tests.pages.people import Answer, Person, person, settle

PAGE = "/settings/node/domains"


async def in_force(node: Node, host: str) -> Policy:
    async with node.engine.connect() as conn:
        return await policy.of_host(conn, host)


async def bring(ana: Person, body: bytes, **more: str) -> Answer:
    at = await ana.open(PAGE)
    form = at.page.form("max_level", action="import")
    return await ana.bring(
        at, form, [body] if body else [], name="A list", max_level="reject", **more
    )


async def _say_more(node: Node, list_id: str) -> None:
    async with node.engine.begin() as conn:
        source = await sources.one(conn, list_id)
        rows = "".join(f"{name}.example,suspend\n" for name in ("bad", "later"))
        listed = reading.read(f"#domain,#severity\n{rows}".encode())
        found = await taking.compare(conn, node.here, source, listed)
        await taking.take(conn, node.here, source, found, agreed=False)


async def test_mod_5_10_a_file_of_the_same_name_is_the_newer_copy(node: NodeFactory) -> None:
    """What is new waits, what is gone ends; where too much would be lifted, nothing is done."""
    alder = await node("alder.test")
    await settle(alder)
    ana = await person(alder, "ana", roles=frozenset({ADMINISTRATOR}))
    many = [f"bad{number}.example" for number in range(40)]
    answer = await bring(ana, "\n".join(many).encode())
    taken = await ana.submit(answer, answer.page.form("answer", "seen"), answer="take")
    assert taken.status == 303
    assert (await in_force(alder, "bad1.example")).blocks
    newer = await bring(ana, "\n".join(["new.example", *many[1:]]).encode())
    assert newer.status == 200
    assert not (await in_force(alder, "bad0.example")).blocks
    assert not (await in_force(alder, "new.example")).blocks
    assert "new.example" in newer.text
    async with alder.engine.connect() as conn:
        (source,) = await sources.every(conn)
        assert (await sources.count_waiting(conn)) == {source.id: 1}
    much = await bring(ana, "\n".join(many[20:]).encode())
    assert (much.status, "It had 40 rows, and has 20 now." in much.text) == (409, True)
    assert 'value="A list"' in much.html, "what was typed stays"
    assert (await in_force(alder, "bad1.example")).blocks


async def test_mod_5_17_decisions_and_lists_on_their_page(node: NodeFactory) -> None:
    alder = await node("alder.test")
    await settle(alder)
    ana = await person(alder, "ana", roles=frozenset({ADMINISTRATOR}))
    ben = await person(alder, "ben")
    for path in (PAGE, f"{PAGE}/lists/x"):
        assert (await ben.open(path)).status == 403

    sent = await ana.send(
        "POST",
        PAGE,
        [
            ("domain", "Loud.example"), ("level", "filter"), ("flags", "reject_media"),
            ("public_comment", "Loud."), ("reason", "Told us so."), ("until", "2999-01-01"),
        ],
    )  # fmt: skip
    assert sent.status == 303
    assert await in_force(alder, "a.loud.example") == Policy(Level.FILTER, reject_media=True)
    shown = await ana.open(f"{PAGE}?q=loud")
    for words in ("loud.example", "off public lists", "no pictures", "Told us so.", "2999"):
        assert words in shown.text, words
    filled = await ana.open(f"{PAGE}?change=loud.example")
    assert re.search(r'value="filter" required checked', filled.html)
    assert 'value="2999-01-01"' in filled.html
    for fields, why in (
        ({"domain": "co.uk", "level": "reject"}, "Anybody may have a name"),
        ({"domain": "x.example", "level": "gone"}, "choose how"),
        ({"domain": "x.example", "level": "reject", "until": "soon"}, "2027-01-31"),
        ({"domain": "alder.test", "level": "drop"}, "own domain"),
    ):
        refused = await ana.send("POST", PAGE, fields)
        assert refused.status in (400, 403), fields
        assert why in refused.text
        assert f'value="{fields["domain"]}"' in refused.html, "what was typed stays"

    answer = await bring(
        ana, b"domain,severity\nbad.example,suspend\nodd.example,x\nloud.example,suspend\n"
    )
    assert answer.status == 200
    for words in ("1 is new", "odd.example", "do not guess", "You decided about it yourself."):
        assert words in answer.text, words
    assert (await in_force(alder, "bad.example")).level is Level.ACCEPT
    place = re.search(rf'action="({PAGE}/lists/[^"/]+)/answer"', answer.html)
    assert place is not None
    assert (await ana.send("POST", f"{place[1]}/answer", {"answer": "take"})).status == 409
    await _say_more(alder, place[1].rpartition("/")[2])
    form = answer.page.form("answer", "seen")
    more = await ana.submit(answer, form, answer="take")
    assert more.status == 409, "another row came since it was shown"
    assert (await ana.submit(more, more.page.form("answer", "seen"), answer="take")).status == 303
    assert (await in_force(alder, "later.example")).blocks
    assert (await in_force(alder, "bad.example")).blocks
    assert "from the list “A list”" in (await ana.open(PAGE)).text
    changed = {"max_level": "filter", "excluded": "good.example"}
    assert (await ana.send("POST", place[1], changed)).status == 303
    assert "good.example" in (await ana.open(place[1])).html
    assert (await ana.send("POST", place[1], {**changed, "excluded": "*"})).status == 400
    assert (await ana.send("POST", f"{place[1]}/answer", {"answer": "x"})).status == 404
    assert (await ana.send("POST", f"{place[1]}/answer", {"answer": "remove"})).status == 303
    assert not (await in_force(alder, "bad.example")).blocks
    assert (await bring(ana, b"\xff\xfe")).status == 400
    assert (await bring(ana, b"", rows="")).status == 400
    unread = {"name": "L", "url": "https://nowhere.invalid/x", "mode": "draft", "max_level": "note"}
    sent = await ana.send("POST", f"{PAGE}/lists", unread)
    assert "This list was left aside" in (await ana.follow(sent)).text
    assert (await ana.send("POST", f"{PAGE}/lists", unread)).status == 409
    assert (await ana.send("POST", f"{PAGE}/forget", {"domain": "loud.example"})).status == 303
    assert not (await in_force(alder, "loud.example")).unlists


async def test_mod_5_17_lists_by_command(node: NodeFactory, tmp_path: Path) -> None:
    alder = await node("alder.test")
    given = variables(alder)
    file = tmp_path / "blocks.csv"
    file.write_text("#domain,#severity\nbad.example,suspend\nodd.example,x\n")
    seen = hearthold("blocklist", "import", str(file), "--dry-run", **given)
    assert seen.code == 0, seen
    assert "+ bad.example  reject" in seen.out
    assert "! row 3: odd.example" in seen.out
    async with alder.engine.connect() as conn:
        assert not await domains.is_blocked(conn, "bad.example")
    unseen = hearthold("blocklist", "import", str(file), "--yes", **given)
    assert "Nothing was changed" in unseen.out
    shown = seen.out.partition("--seen ")[2].split()[0].rstrip(".")
    taken = hearthold("blocklist", "import", str(file), "--yes", "--seen", shown, **given)
    assert taken.code == 0, taken
    async with alder.engine.connect() as conn:
        assert await domains.is_blocked(conn, "bad.example")
    dropped = hearthold("domain", "block", "sly.example", "--level", "drop", **given)
    assert "blocked" in dropped.out, dropped
    listed = hearthold("domain", "list", **given).out
    assert "sly.example" in listed
    assert "drop" in listed
    assert hearthold("domain", "unblock", "sly.example", **given).code == 0
    out = hearthold("blocklist", "export", "mastodon-csv", **given).out
    assert out.splitlines()[1] == "bad.example,suspend,false,false,,false"
    config = tmp_path / "blockhole.toml"
    config.write_text("blocklist_url_sources = [{ url = 'https://nowhere.invalid/a.csv' }]\n")
    named = hearthold("blocklist", "import-config", str(config), "--dry-run", **given)
    assert "+ https://nowhere.invalid/a.csv  at most reject" in named.out, named
    assert "nowhere" not in hearthold("blocklist", "list", **given).out
    followed = hearthold("blocklist", "import-config", str(config), "--yes", **given)
    assert "left aside" in followed.out, followed
    assert "https://nowhere.invalid/a.csv" in hearthold("blocklist", "list", **given).out
    number = hearthold("blocklist", "imports", **given).out.split()[0]
    assert hearthold("blocklist", "undo", number, **given).code == 0
    async with alder.engine.connect() as conn:
        assert not await domains.is_blocked(conn, "bad.example")
    assert hearthold("blocklist", "undo", "ix", **given).code == 1
    for level, treated in (("filter", "filter"), ("", "filter"), ("drop", "reject")):
        asked = ["blocklist", "import", str(file), *(["--max-level", level] if level else [])]
        seen = hearthold(*asked, "--dry-run", **given)
        shown = seen.out.partition("--seen ")[2].split()[0].rstrip(".")
        assert hearthold(*asked, "--yes", "--seen", shown, **given).code == 0
        assert (await in_force(alder, "bad.example")).level == treated
