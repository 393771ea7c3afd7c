"""Threads and posts in a list, as their reader wants them."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final, TypeVar
from uuid import UUID

from aiohttp import web

from activitypub.notes import MAX_HTML
from groups.browsing import ThreadLine
from groups.groups import Group
from groups.lines import PostLine
from groups.stories import Story
from groups.unanswered import Waiting
from kernel import text
from kernel.said import said
from members.quiet import Sieve
from node.pages import session

FILTERED: Final = said("A thread with a word that you filter")
UNWANTED: Final = said("A thread by somebody you see less of")
_A_WORD: Final = said(
    "a word that you filter"
)  # stands as a content note, so that the words are folded

Titled = TypeVar("Titled", Story, Waiting)


def is_wanted(
    sieve: Sieve, author_id: UUID, author_host: str, group_host: str, thread_id: int
) -> bool:
    """Whether the member neither mutes nor blocks what it is, whose it is or where it is from."""
    return sieve.author(author_id, author_host) is None and not (
        sieve.server(group_host) or sieve.thread(thread_id)
    )


def kept(request: web.Request, found: Sequence[ThreadLine]) -> list[ThreadLine]:
    """Without those that they mute or block; of filtered ones only that they are there."""
    sieve = session.sieve(request)
    if sieve.empty:
        return list(found)
    shown = []
    for line in found:
        host = line.author_address.rpartition("@")[2]
        group_host = line.group_address.partition("@")[2]
        if is_wanted(sieve, line.author_id, host, group_host, line.id):
            folded = sieve.words(line.title, line.note) is not None
            shown.append(replace(line, title=FILTERED, note="") if folded else line)
    return shown


def kept_titles(request: web.Request, group: Group, found: Sequence[Titled]) -> list[Titled]:
    """As `kept`, of threads of one group that stand in a list of their own."""
    sieve, host = session.sieve(request), group.actor.host
    return [
        replace(line, title=FILTERED, note="") if sieve.words(line.title, line.note) else line
        for line in found
        if is_wanted(sieve, line.author_id, line.author_host, host, line.thread_id)
    ]


def kept_posts(request: web.Request, found: Sequence[PostLine]) -> list[PostLine]:
    """As `kept`, of posts that were looked for."""
    sieve = session.sieve(request)
    if sieve.empty:
        return list(found)
    shown = []
    for line in found:
        group_host = line.group_address.partition("@")[2]
        if is_wanted(sieve, line.author_id, line.author_host, group_host, line.thread_id):
            if sieve.author(line.beginner_id, line.beginner_host) is not None:
                line = replace(line, title="")
            said = text.plain(line.content, MAX_HTML) if sieve.has_words else ""
            folded = sieve.words(line.title, line.note, said) is not None
            shown.append(replace(line, title=FILTERED, note=_A_WORD) if folded else line)
    return shown
