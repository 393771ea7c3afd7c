"""Where somebody goes after they sent something: to the post, or to where it waits."""

from typing import Final
from urllib.parse import quote
from uuid import UUID

from aiohttp import web

from groups.posts import Post
from kernel.release import AT_ONCE, Timing
from kernel.said import noted
from node.pages.render import see_other
from node.pages.session import PREFERENCES

STAYS: Final = {
    "0": noted("Until I delete it"),
    "1": noted("One day"),
    "7": noted("A week"),
    "30": noted("30 days"),
    "90": noted("Three months"),
    "182": noted("Half a year"),
    "365": noted("A year"),
}
"""How long a post can be there, by days."""


def timing(request: web.Request) -> Timing:
    """When what this member posts goes out."""
    preferences = request.get(PREFERENCES)
    return preferences.timing if preferences is not None else AT_ONCE


def answer(sent: Post | UUID, back: str) -> web.Response:
    """To the post; from where it waits the way leads `back` once it is out."""
    if isinstance(sent, UUID):
        return see_other(f"/waiting/{sent}?then={quote(back, safe='/')}")
    return see_other(f"/t/{sent.thread_id}" if sent.is_root else f"/p/{sent.id}")
