"""Mail of the node's own: one address, no line of somebody else's, TLS or this computer."""

import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from activitypub.client import Unreachable
from kernel.errors import Misconfigured
from kernel.here import Here
from kernel.mail_address import is_address
from kernel.settings import Settings, Smtp
from node import mail
from tests.mailbox import Mailbox


@pytest.fixture
async def box() -> AsyncIterator[Mailbox]:
    made = await Mailbox().start()
    yield made
    await made.stop()


@pytest.mark.parametrize(
    "address",
    [
        "robin@example.org\r\nBcc: all@example.org",
        "robin@example.org\n",
        "robin@example.org, kay@example.org",
        "Robin <robin@example.org>",
        '"robin"@example.org',
        "robin@example.org kay",
        "robin@",
        "@example.org",
        "robin@exämple.org",
        "-@-.example",
        "a" * 65 + "@example.org",
        "a@" + "b" * 63 + ("." + "b" * 63) * 3,
        "robin\0@example.org",
        "robin@[127.0.0.1]",
    ],
)
def test_sec_A13_what_is_not_one_plain_address_is_none(address: str) -> None:
    assert not is_address(address)


def test_usual_addresses_are_addresses() -> None:
    for address in ("robin@example.org", "r.o-b_in+duty@mail.example.org", "desk@localhost"):
        assert is_address(address)


def test_sec_X2_nothing_ends_a_line_of_a_header(here: Here) -> None:
    good = {"sender": "desk@alder.example", "to": "r@b.example", "subject": "Hello", "words": "x"}
    mail.letter(here, **good)
    for name in ("sender", "to", "subject"):
        for end in ("\r\n", "\n", "\r"):
            with pytest.raises(ValueError, match=r"linefeed|carriage"):
                mail.letter(here, **{**good, name: f"{good[name]}{end}Bcc: all@example.org"})
    said = mail.letter(here, **{**good, "words": "Hello\r\n.\r\nBcc: all@example.org"})
    assert "Bcc" not in said


async def test_a_letter_names_our_host_and_not_this_computer(here: Here, box: Mailbox) -> None:
    smtp = Smtp(
        host="localhost", port=box.port, sender="desk@alder.example", tls="none",
        user="desk", password="long and secret",
    )  # fmt: skip
    await mail.send(smtp, here, to="r@b.example", subject="Grüße", words="Something waits — ja.")
    (letter,) = box.letters
    assert letter["To"] == "r@b.example"
    assert letter["Subject"] == "Grüße"
    assert letter.get_content().strip() == "Something waits — ja."
    assert letter["Message-ID"].endswith("@alder.test>")
    assert set(box.greeted_by) == {"alder.test"}
    assert len(box.passwords) == 1
    assert socket.gethostname() not in letter.as_string() or socket.gethostname() in "alder.test"
    assert "long and secret" not in repr(smtp)


@pytest.mark.parametrize("tls", ["starttls", "tls"])
async def test_without_tls_where_it_is_wanted_nothing_is_said(
    here: Here, box: Mailbox, tls: str
) -> None:
    smtp = Smtp(
        host="localhost", port=box.port, sender="d@alder.example", tls=tls,
        user="desk", password="long and secret",
    )  # fmt: skip
    if tls == "tls":  # the box does not understand a word of that
        await box.stop()
    with pytest.raises(Unreachable) as refused:
        await mail.send(smtp, here, to="r@b.example", subject="Hello", words="Something waits.")
    assert box.letters == []
    assert box.passwords == []
    assert "example" not in refused.value.reason
    if tls == "tls":
        await box.start()


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ("smtp_host = 'mail.alder.example'", "smtp_from"),
        ("smtp_from = 'desk@alder.example'", "smtp_host"),
        ("smtp_host = 'm.example'\nsmtp_from = 'd@m.example'\nsmtp_tls = 'none'", "without TLS"),
        ("smtp_host = 'm.example'\nsmtp_from = 'd@m.example'\nsmtp_user = 'd'", "smtp_password"),
        ("smtp_host = 'm.example'\nsmtp_from = 'Desk <d@m.example>'", "one e-mail address"),
        ("smtp_host = 'm.example:25'\nsmtp_from = 'd@m.example'", "name of your mail server"),
        ("smtp_tls = 'ssl'", "starttls"),
    ],
)
def test_a_mail_server_is_set_whole_and_safe(tmp_path: Path, lines: str, says: str) -> None:
    (tmp_path / "hearthold.toml").write_text(lines)
    with pytest.raises(Misconfigured, match=says):
        Settings.load(tmp_path, {})


def test_mail_to_this_computer_may_go_without_tls(tmp_path: Path) -> None:
    (tmp_path / "hearthold.toml").write_text(
        "smtp_host = 'localhost'\nsmtp_from = 'd@alder.example'\nsmtp_tls = 'none'\nsmtp_port = 25"
    )
    smtp = Settings.load(tmp_path, {}).smtp
    assert smtp is not None
    assert (smtp.host, smtp.port, smtp.tls, smtp.user) == ("localhost", 25, "none", None)
    assert Settings(data_dir=tmp_path).smtp is None
