"""A mail server on loopback that takes everything and keeps it."""

import asyncio
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any


@dataclass
class Mailbox:
    """What came, and by what name whoever brought it introduced itself."""

    letters: list[EmailMessage] = field(default_factory=list)
    greeted_by: list[str] = field(default_factory=list)
    passwords: list[str] = field(default_factory=list)
    port: int = 0
    _server: asyncio.Server | None = None

    @property
    def settings(self) -> dict[str, Any]:
        """Those of a node that sends its mail here."""
        return {
            "smtp_host": "localhost",
            "smtp_port": self.port,
            "smtp_from": "desk@alder.example",
            "smtp_tls": "none",
        }

    async def start(self) -> "Mailbox":
        self._server = await asyncio.start_server(self._talk, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 ready\r\n")
        while line := await reader.readline():
            word, _, rest = line.decode().strip().partition(" ")
            answer = b"250 fine\r\n"
            match word.upper():
                case "EHLO":
                    self.greeted_by.append(rest)
                    answer = b"250-hello\r\n250 AUTH PLAIN\r\n"
                case "AUTH":
                    self.passwords.append(rest)
                    answer = b"235 come in\r\n"
                case "DATA":
                    writer.write(b"354 go on\r\n")
                    body = await reader.readuntil(b"\r\n.\r\n")
                    letter = message_from_bytes(body[:-5] + b"\r\n", policy=policy.SMTP)
                    assert isinstance(letter, EmailMessage)
                    self.letters.append(letter)
                case "QUIT":
                    answer = b"221 bye\r\n"
            writer.write(answer)
            if word.upper() == "QUIT":
                break
        writer.close()
