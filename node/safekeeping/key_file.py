"""The node key on its way to a safe place, apart from every backup, and back from there."""

import base64
import binascii
import os
import re
from pathlib import Path
from typing import Final

from kernel.errors import Conflict, Malformed, Misconfigured
from kernel.sealing import KEY_BYTES, NodeKey, digest

_FORM: Final = re.compile(r"^hearthold-node-key-1 ([A-Z2-7]+)$", re.M)
_SUM: Final = 3  # bytes that tell a slip of the pen
_WORDS: Final = """\
# The key of a Hearthold node. Whoever has it together with a copy of the database can read and do
# more than with either alone, so keep it apart from the backups, where nobody else comes.
"""


def existing(path: Path) -> NodeKey:
    """The node key at `path`. Raises Misconfigured: it is not there, or cannot be used."""
    if not path.exists():
        raise Misconfigured(
            f"There is no node key at {path}. Put yours there with `hearthold key import FILE`, "
            "or start a new node with `hearthold serve`."
        )
    return NodeKey.load(path)


def mark(key: NodeKey) -> str:
    """A few letters that only this key makes, and that say nothing about it."""
    return key.derive("mark")[:8].hex()


def export(key: NodeKey, path: Path) -> None:
    """Write `key` to `path` as a line that can be printed, for our eyes only.

    Raises Conflict: a file is there. Raises Misconfigured: it cannot be written.
    """
    text = base64.b32encode(key.secret + digest(key.secret)[:_SUM]).decode().rstrip("=")
    _write(path, f"{_WORDS}hearthold-node-key-1 {text}\n".encode())


def read(path: Path) -> NodeKey:
    """An exported key. Raises Malformed: it is none. Raises Misconfigured: it cannot be read."""
    try:
        text = path.read_text(errors="replace")
    except OSError as error:
        raise Misconfigured(f"The key file {path} cannot be read: {error.strerror}.") from error
    found = _FORM.search(text)
    try:
        line = found[1] if found else ""
        plain = base64.b32decode(line + "=" * (-len(line) % 8))
    except binascii.Error:
        plain = b""
    secret, written = plain[:KEY_BYTES], plain[KEY_BYTES:]
    if len(secret) != KEY_BYTES or digest(secret)[:_SUM] != written:
        raise Malformed(f"{path} holds no node key, or a letter of it is not as it was.")
    return NodeKey(secret)


def put_in_place(key: NodeKey, path: Path) -> None:
    """Make `key` the node's own. Raises Conflict: the node has another one."""
    if path.exists():
        if NodeKey.load(path) == key:
            return
        raise Conflict(f"The node has another key already: move {path} away first, if it may go.")
    _write(path, key.secret)


def _write(path: Path, data: bytes) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise Conflict(f"There is a file at {path} already: choose another name.") from error
    except OSError as error:
        raise Misconfigured(f"{path} cannot be written: {error.strerror}.") from error
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(descriptor)
    except BaseException:
        path.unlink()
        raise
