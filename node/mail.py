"""Mail of the node's own: plain words to one address, over TLS unless it stays on this computer."""

import asyncio
from email.message import EmailMessage
from email.policy import SMTP as LINES
from email.utils import format_datetime
from typing import Final

import aiosmtplib

from activitypub.client import Unreachable
from kernel import chance
from kernel.here import Here
from kernel.settings import Smtp

SECONDS: Final = 20.0  # for the whole of it


def letter(here: Here, *, sender: str, to: str, subject: str, words: str) -> EmailMessage:
    """A message that names our origin's host, and not the computer that it was made on.

    Raises ValueError: an address or the subject would end its line (SEC-X2).
    """
    message = EmailMessage(policy=LINES)
    message["From"], message["To"], message["Subject"] = sender, to, subject
    message["Date"] = format_datetime(here.now())
    message["Message-ID"] = f"<{chance.new_uuid()}@{_name(here)}>"
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: nobody's holiday note answers it
    message.set_content(words + "\n")
    return message


def _name(here: Here) -> str:
    return here.host.partition(":")[0]


async def send(smtp: Smtp, here: Here, *, to: str, subject: str, words: str) -> None:
    """Hand one message to our mail server. Raises Unreachable: it did not take it."""
    message = letter(here, sender=smtp.sender, to=to, subject=subject, words=words)
    try:
        async with asyncio.timeout(SECONDS):
            await aiosmtplib.send(
                message,
                hostname=smtp.host,
                port=smtp.port,
                username=smtp.user,
                password=smtp.password,
                local_hostname=_name(here),
                timeout=SECONDS,
                use_tls=smtp.tls == "tls",
                start_tls=smtp.tls == "starttls",
            )
    except TimeoutError as error:
        raise Unreachable("mail server too slow") from error
    except (aiosmtplib.SMTPException, OSError) as error:
        raise Unreachable("mail server did not take it") from error
