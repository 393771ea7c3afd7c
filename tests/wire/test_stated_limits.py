"""The limits that `FEDERATION.md` states are the code's, and have the consequence it says."""

import json
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from activitypub import client, jsontext, notes, parts, remote, signatures, vocab
from groups import admission, pictures
from inbox import gather, intake, routes, unwrap
from kernel import hashtags, settings, text
from media import studio
from node import tidy
from tests.nodes import Node
from tests.peer import AS2, Peer, Person
from tests.test_limits_doc import read

PAGE = (Path(__file__).parent.parent.parent / "FEDERATION.md").read_text()
ROWS = {
    what: (size, then)
    for what, size, then in re.findall(
        r"^\| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", PAGE.split("\n## Limits\n")[1], re.M
    )
    if what not in ("what", "---")
}
CODE: dict[str, float | timedelta] = {
    "an activity": routes.MAX_BODY,
    "levels of lists and objects in it": jsontext.MAX_DEPTH,
    "keys in it": jsontext.MAX_KEYS,
    "one text in it": jsontext.MAX_STRING,
    "digits of a whole number in it": jsontext.MAX_DIGITS,
    "addresses in `to`, `cc` or `audience`": vocab.MAX_RECIPIENTS,
    "an id": vocab.MAX_URI,
    "a request's clock, off either way": signatures.WINDOW,
    "tags of a post": parts.MAX_TAGS,
    "answers of a poll": parts.MAX_OPTIONS,
    "answers of a poll that are kept": parts.MAX_OPTIONS_SHOWN,
    "hashtags that are kept": hashtags.MAX_TAGS,
    "attachments that are kept": parts.MAX_ATTACHMENTS,
    "mentions in a post of ours": text.MAX_MENTIONS,
    "hashtags in a post of ours": hashtags.MAX_TAGS,
    "answers of a poll of ours": parts.MAX_OPTIONS_SHOWN,
    "a title": notes.MAX_TITLE,
    "an actor's name": vocab.MAX_NAME,
    "an actor's handle": vocab.MAX_HANDLE,
    "a summary": vocab.MAX_SUMMARY,
    "a post's HTML": notes.MAX_HTML,
    "votes in one Announce": unwrap.MAX_BATCH,
    "ancestors of a reply": gather.MAX_CLIMB,
    "what one activity makes us fetch": client.FETCHES_PER_ACTIVITY,
    "what we fetch from one server in an hour": client.FETCHES_PER_ORIGIN,
    "a fetched document, unpacked": client.MAX_DOCUMENT,
    "redirects of a fetch": client.MAX_HOPS,
    "a fetch": client.TOTAL_SECONDS,
    "reading an unknown key": remote.KEY_SECONDS,
    "activities of one server that wait to be stored": intake.MAX_WAITING,
    "new things in an hour from a server that nobody here has to do with": settings.NEW_PER_HOUR,
    "actors in an hour that such a server introduces": settings.ACTORS_PER_HOUR,
    "characters of a post of ours": admission.MAX_POST,
    "pictures in a post of ours": pictures.MAX_PICTURES,
    "a picture of another server": studio.MAX_FILE,
    "what waits for a server that is away": tidy.DELIVERIES,
}


def test_every_limit_that_is_stated_is_the_one_in_the_code() -> None:
    assert set(ROWS) == set(CODE)
    for what, (size, _) in ROWS.items():
        found = CODE[what]
        held = found.total_seconds() if isinstance(found, timedelta) else float(found)
        assert read(size.removesuffix(" characters")) == held, what


Body = Callable[[int, Person], bytes]


def _like(ann: Person, **more: object) -> dict[str, object]:
    return {
        "@context": AS2,
        "id": "http://good.test/likes/1",
        "type": "Like",
        "actor": ann.uri,
        "object": "http://alder.test/p/1",
        **more,
    }


def _long(number: int, ann: Person) -> bytes:
    body = json.dumps(_like(ann)).encode()
    return body + b" " * (number - len(body))


def _deep(number: int, ann: Person) -> bytes:
    nested: dict[str, object] = {}
    for _ in range(number - 2):  # the activity is one level, the innermost another
        nested = {"x": nested}
    return json.dumps(_like(ann, x=nested)).encode()


def _wide(number: int, ann: Person) -> bytes:
    keys = number - len(_like(ann)) - 1
    return json.dumps(_like(ann, x={str(n): n for n in range(keys)})).encode()


def _wordy(number: int, ann: Person) -> bytes:
    return json.dumps(_like(ann, x="a" * number)).encode()


def _precise(number: int, ann: Person) -> bytes:
    return json.dumps(_like(ann, x=int("1" * number))).encode()


def _crowded(number: int, ann: Person) -> bytes:
    return json.dumps(_like(ann, to=[f"http://x.test/{n}" for n in range(number)])).encode()


def _named(number: int, ann: Person) -> bytes:
    return json.dumps(_like(ann, id="http://good.test/".ljust(number, "x"))).encode()


BODIES: dict[str, Body] = {
    "an activity": _long,
    "levels of lists and objects in it": _deep,
    "keys in it": _wide,
    "one text in it": _wordy,
    "digits of a whole number in it": _precise,
    "addresses in `to`, `cc` or `audience`": _crowded,
    "an id": _named,
}


@pytest.mark.parametrize("what", BODIES)
async def test_beyond_a_limit_an_inbox_answers_what_is_stated(
    alder: Node, good: Peer, what: str
) -> None:
    ann = good.person("ann")
    limit, stated = CODE[what], re.match(r"\d{3}", ROWS[what][1])
    assert isinstance(limit, int)
    assert stated is not None
    make = BODIES[what]
    assert await good.send(alder, make(limit, ann), ann) == 202
    for number in (limit + 1, 10 * limit):
        body = make(number, ann)
        expected = 413 if len(body) > routes.MAX_BODY else int(stated[0])
        assert await good.send(alder, body, ann) == expected, number


async def test_the_clock_of_a_request_may_be_off_as_far_as_is_stated(
    alder: Node, good: Peer
) -> None:
    ann = good.person("ann")
    body = json.dumps(_like(ann)).encode()
    for minutes, status in ((-59, 202), (59, 202), (-61, 401), (61, 401)):
        date = alder.clock() + timedelta(minutes=minutes)
        assert await good.send(alder, body, ann, date=date) == status, minutes
