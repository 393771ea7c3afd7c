"""Threads and posts in a list, as their reader wants them."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from aiohttp import web

from activitypub.notes import MAX_HTML
from groups.browsing import ThreadLine
from groups.lines import PostLine
from kernel import text
from kernel.said import said
from node.pages import session

FILTERED: Final = said("A thread with a word that you filter")
_A_WORD: Final = said(
    "a word that you filter"
)  # stands as a content note, so that the words are folded


def kept(request: web.Request, found: Sequence[ThreadLine]) -> list[ThreadLine]:
    """Without those that they mute or block; of filtered ones only that they are there."""
    sieve = session.sieve(request)
    if sieve.empty:
        return list(found)
    shown = []
    for line in found:
        host = line.author_address.rpartition("@")[2]
        group_host = line.group_address.partition("@")[2]
        if sieve.author(line.author_id, host) is None and not (
            sieve.server(group_host) or sieve.thread(line.id)
        ):
            folded = sieve.words(line.title, line.note) is not None
            shown.append(replace(line, title=FILTERED, note="") if folded else line)
    return shown


def kept_posts(request: web.Request, found: Sequence[PostLine]) -> list[PostLine]:
    """As `kept`, of posts that were looked for."""
    sieve = session.sieve(request)
    if sieve.empty:
        return list(found)
    shown = []
    for line in found:
        group_host = line.group_address.partition("@")[2]
        if sieve.author(line.author_id, line.author_host) is None and not (
            sieve.server(group_host) or sieve.thread(line.thread_id)
        ):
            said = text.plain(line.content, MAX_HTML) if sieve.has_words else ""
            folded = sieve.words(line.title, line.note, said) is not None
            shown.append(replace(line, title=FILTERED, note=_A_WORD) if folded else line)
    return shown
