"""The operator's commands, as they are typed."""

import re
from pathlib import Path

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from activitypub import actors as actor_store
from activitypub import refusals
from activitypub.refusals import Refusal
from activitypub.state import SETTINGS
from groups import groups as group_store
from inbox.discovery import VERSION
from kernel import tombstone_log
from kernel.schema.actors import ActorKind
from kernel.schema.tables import peers
from members import accounts, invitations
from moderation import audit, domains
from moderation.visibility import VISITOR
from node.cli import app
from tests.node.processes import CODE, Ended, free_port, hearthold
from tests.nodes import Node, NodeFactory

pytestmark = pytest.mark.slow

COMMANDS = [
    "audit verify",
    "serve",
    "worker",
    "account create",
    "group create",
    "group move",
    "invite",
    "moderator",
    "domain block",
    "domain unblock",
    "domain list",
    "alert list",
    "alert remove",
    "blocklist import",
    "blocklist diff",
    "blocklist import-config",
    "blocklist imports",
    "blocklist export",
    "blocklist subscribe",
    "blocklist list",
    "blocklist refresh",
    "blocklist agree",
    "blocklist remove",
    "blocklist preview",
    "blocklist history",
    "blocklist undo",
    "keys rotate",
    "label",
    "move-pictures",
    "peers list",
    "peers show",
    "peers pause",
    "peers resume",
    "peers try",
    "pact offer",
    "pact list",
    "pact show",
    "pact accept",
    "pact refuse",
    "pact end",
    "pact freeze",
    "pact unsafe",
    "advise",
    "advice list",
    "advice renew",
    "advice retract",
    "signals rules",
    "signals effects",
    "signals rollback",
    "seed",
    "backup",
    "restore",
    "move",
    "key export",
    "key import",
    "doctor",
    "reveil",
    "demo",
    "version",
    "close",
]


def variables(node: Node) -> dict[str, str]:
    """What makes a command work on the database of a running node."""
    return {
        "DATABASE_URL": node.engine.url.render_as_string(hide_password=False),
        "HEARTHOLD_DATA": str(node.app[SETTINGS].data_dir),
        "HEARTHOLD_ALLOW_NETWORKS": "127.0.0.0/8",
    }


def assert_refused(ended: Ended, says: str, *, code: int) -> None:
    assert ended.code == code, ended
    assert says in ended.err
    assert "Traceback" not in ended.err


async def test_an_account_made_here_logs_in_and_its_passphrase_is_not_printed(
    node: NodeFactory,
) -> None:
    alder = await node("alder.test")
    ended = hearthold(
        *("account", "create", "--administrator"),
        stdin="robin\ncorrect horse battery staple\n",
        **variables(alder),
    )

    assert ended.code == 0, ended
    assert re.search(r"^Recovery code: \S+", ended.out, re.M)
    assert "correct horse" not in ended.out + ended.err
    member = await accounts.log_in(
        alder.engine, alder.here, "robin", "correct horse battery staple"
    )
    assert member.roles == {"administrator"}

    ended = hearthold("reveil", **variables(alder))
    assert (ended.code, ended.out) == (0, "Accounts, sessions and drafts look different now.\n")
    assert member == await accounts.log_in(
        alder.engine, alder.here, "robin", "correct horse battery staple"
    )


async def test_wire_Q11_a_closing_is_looked_at_announced_and_called_off(node: NodeFactory) -> None:
    alder = await node("alder.test")
    await alder.group("sleep")

    def close(*options: str) -> Ended:
        return hearthold("close", *options, **variables(alder))

    ended = close()
    assert ended.code == 0, ended
    assert "This node is open. Nothing was changed." in ended.out
    assert "0 names, 1 groups and 0 posts are deleted" in ended.out
    assert_refused(close("--cancel"), "Nobody said that this node closes.", code=1)
    assert_refused(close("--yes", "--cancel"), "Say one thing", code=1)
    assert "Everybody here reads now" in close("--yes", "--days", "60").out
    goes = close("--group", "sleep", "--to", "https://birch.example/g/sleep")
    assert goes.out == "People read that Sleep goes to https://birch.example/g/sleep\n"
    assert "Sleep goes to https://birch.example/g/sleep" in close().out
    assert close("--cancel").out == "This node stays open.\n"


async def test_keys_are_changed_for_one_or_for_all(node: NodeFactory) -> None:
    alder = await node("alder.test")
    await alder.persona("kay")

    async def public(handle: str) -> str:
        async with alder.engine.connect() as conn:
            found = await actor_store.by_handle(conn, handle)
        assert found is not None
        return found.public_key

    first = await public("kay")
    one = hearthold("keys", "rotate", "--actor", "@kay", **variables(alder))
    assert one.code == 0, one
    assert "@kay@alder.test has new keys." in one.out
    second = await public("kay")
    desk = await public("node_desk")
    assert first != second

    everyone = hearthold("keys", "rotate", "--all", **variables(alder))
    assert everyone.code == 0, everyone
    assert "3 have new keys." in everyone.out
    assert second != await public("kay")
    assert desk != await public("node_desk")

    for options in ((), ("--actor", "kay", "--all")):
        neither = hearthold("keys", "rotate", *options, **variables(alder))
        assert_refused(neither, "--actor NAME, or --all", code=1)
    nobody = hearthold("keys", "rotate", "--actor", "lee", **variables(alder))
    assert_refused(nobody, "nobody of that name", code=1)


async def test_an_account_that_cannot_be_made_is_refused_with_what_to_do(
    node: NodeFactory,
) -> None:
    alder = await node("alder.test")

    short = hearthold("account", "create", stdin="robin\nshort\n", **variables(alder))
    assert short.code == 1
    assert len(short.err.splitlines()) == 1
    assert "Traceback" not in short.err

    nothing = hearthold("account", "create", stdin="", **variables(alder))
    assert_refused(nothing, "on standard input, a line each", code=1)


async def test_a_group_made_here_has_its_guidelines_and_its_moderator(
    node: NodeFactory, tmp_path: Path
) -> None:
    alder = await node("alder.test")
    robin = await alder.persona("robin")
    (tmp_path / "rules.md").write_text("Be kind.")
    ended = hearthold(
        *("group", "create", "sleep", "--title", "Sleeping badly", "--about", "Long nights."),
        *("--guidelines", str(tmp_path / "rules.md"), "--moderator", "@robin"),
        **variables(alder),
    )

    assert ended.code == 0, ended
    assert "@sleep@alder.test" in ended.out
    async with alder.engine.connect() as conn:
        group = await group_store.by_name(conn, "sleep", VISITOR)
        assert group.actor.name == "Sleeping badly"
        assert await group_store.guidelines_text(conn, group) == "Be kind."
        assert await group_store.is_moderator(conn, group.id, [robin.id])


async def test_a_group_that_cannot_be_made_is_refused(node: NodeFactory, tmp_path: Path) -> None:
    alder = await node("alder.test")
    create = ("group", "create", "sleep", "--title", "Sleep")

    nobody = hearthold(*create, "--moderator", "nobody", **variables(alder))
    assert_refused(nobody, "There is no persona nobody on this node", code=1)
    unread = hearthold(*create, "--guidelines", str(tmp_path / "none"), **variables(alder))
    assert_refused(unread, "cannot be read: No such file or directory", code=2)
    async with alder.engine.connect() as conn:
        assert await actor_store.by_handle(conn, "sleep", kind=ActorKind.GROUP) is None


async def test_an_invitation_can_be_used_as_often_as_it_says(node: NodeFactory) -> None:
    alder = await node("alder.test")
    ended = hearthold("invite", "--uses", "2", **variables(alder))

    assert ended.code == 0, ended
    link, _, secret = ended.out.strip().partition("=")
    assert link.startswith("http://alder.test/")
    async with alder.engine.begin() as conn:
        for _ in range(2):
            assert await invitations.redeem(conn, secret) == frozenset()
        assert await invitations.look(conn, secret) is None


async def test_domains_are_blocked_listed_and_unblocked(node: NodeFactory) -> None:
    alder = await node("alder.test")
    given = variables(alder)

    blocked = hearthold("domain", "block", "Spam.Example", "--reason", "spam \x1b[2J", **given)
    assert blocked.code == 0, blocked
    listed = hearthold("domain", "list", **given)
    assert listed.out == 'spam.example  reject  "spam \\x1b[2J"\n'
    async with alder.engine.connect() as conn:
        assert await domains.is_blocked(conn, "mail.spam.example")

    assert hearthold("domain", "unblock", "spam.example", **given).code == 0
    assert hearthold("domain", "list", **given).out == "Nothing is decided about any domain.\n"


async def test_servers_are_listed_shown_paused_and_resumed(node: NodeFactory) -> None:
    alder = await node("alder.test")
    given = variables(alder)
    assert hearthold("peers", "list", **given).out == "No other server is known yet.\n"
    async with alder.engine.begin() as conn:
        for host, failures in (("fine.example", 0), ("away.example", 3)):
            await conn.execute(
                peers.insert().values(
                    host=host,
                    failures=failures,
                    next_attempt=alder.here.now(),
                    software="\x1b[2J",
                    slowed=alder.here.now().date() if failures else None,
                )
            )
        refused = Refusal(status=403, kind="Accept", words="Not \x1b[2J you")
        await refusals.keep(conn, {"away.example": [refused]})
    assert hearthold("peers", "list", "--search", "example", **given).out.splitlines() == [
        "away.example  did not answer 3 times in a row; nothing waits",
        "fine.example  takes what we send; nothing waits",
    ]
    shown = hearthold("peers", "show", "away.example", **given)
    assert "refused: 403 Accept" in shown.out
    assert "what it brings: last slowed today" in shown.out
    assert "slowed" not in hearthold("peers", "show", "fine.example", **given).out
    assert "\x1b" not in shown.out
    assert hearthold("peers", "pause", "Away.example", "--reason", "x", **given).code == 0
    assert "paused here" in hearthold("peers", "show", "away.example", **given).out
    assert hearthold("peers", "resume", "away.example", **given).code == 0
    assert hearthold("peers", "try", "away.example", **given).code == 0
    assert "paused here" not in hearthold("peers", "show", "away.example", **given).out
    for command in ("show", "pause", "resume", "try"):
        assert_refused(
            hearthold("peers", command, "nobody.example", **given), "knows no such", code=1
        )


async def test_mod_5_12_the_log_of_decisions_is_read_through(node: NodeFactory) -> None:
    alder = await node("alder.test")
    given = variables(alder)
    async with alder.engine.begin() as conn:
        await audit.note(conn, alder.here, verb="pause server", about="away.example")
    good = hearthold("audit", "verify", **given)
    assert (good.code, good.out) == (0, "Lines read, each as it was written: 1.\n")
    tombstone_log.append(alder.app[SETTINGS].tombstones, [("head", "2", "00")])
    cut = hearthold("audit", "verify", **given)
    assert_refused(cut, "line 2 was noted: the end is cut", code=1)
    async with alder.engine.begin() as conn:
        await conn.execute(sa.text("ALTER TABLE audit DISABLE TRIGGER audit_stays"))
        await conn.execute(sa.text("UPDATE audit SET object_uri = 'other.example'"))
    assert_refused(hearthold("audit", "verify", **given), "What line 1 says was changed", code=1)


async def test_what_is_no_domain_or_our_own_is_refused(node: NodeFactory) -> None:
    alder = await node("alder.test")

    unread = hearthold("domain", "block", "not a domain", **variables(alder))
    assert_refused(unread, "hearthold: ", code=1)
    own = hearthold("domain", "block", "alder.test", **variables(alder))
    assert_refused(own, "this node's own domain", code=1)


def test_a_command_on_a_node_that_never_ran_says_so(tmp_path: Path, database_url: str) -> None:
    ended = hearthold("invite", "--data-dir", str(tmp_path), DATABASE_URL=database_url)

    assert_refused(ended, "This node has not run yet", code=2)


def test_a_command_on_a_database_that_is_down_says_so(tmp_path: Path) -> None:
    url = f"postgresql://ana:secret@127.0.0.1:{free_port()}/hearthold"
    ended = hearthold("domain", "list", "--data-dir", str(tmp_path), DATABASE_URL=url)

    assert_refused(ended, "The database does not answer", code=2)
    assert "secret" not in ended.err


def test_version_is_one_line() -> None:
    ended = hearthold("version")

    assert (ended.code, ended.out) == (0, f"{VERSION}\n")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_by_example(command: str) -> None:
    shown = CliRunner().invoke(app, [*command.split(), "--help"])

    assert shown.exit_code == 0
    assert f"hearthold {command}" in " ".join(shown.output.split())


def test_every_command_and_option_is_documented_and_the_other_way_round() -> None:
    document = (CODE / "docs" / "reference" / "cli.md").read_text("utf-8")
    sections = re.split(r"^## `hearthold ([a-z -]+)`$", document, flags=re.M)[1:]
    documented = dict(zip(sections[::2], sections[1::2], strict=True))

    assert sorted(documented) == sorted(COMMANDS)
    for command, section in documented.items():
        shown = CliRunner().invoke(app, [*command.split(), "--help"]).output
        options = set(re.findall(r"--[a-z][a-z-]+", shown)) - {"--help"}
        assert options == set(re.findall(r"^\| `(--[a-z-]+)", section, re.M)), command
