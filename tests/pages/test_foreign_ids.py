"""Every address with ids of somebody else in it, asked by everybody who is not meant (SEC-L8).

The addresses come from the router of the running app: one that is new, and that does not answer
all members alike or is below a desk, has to be written down here with who is let in.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest

from activitypub.keys import KeyPair
from tests.pages import belongings
from tests.pages.belongings import World
from tests.pages.conftest import House
from tests.pages.people import Answer
from tests.pages.test_forms import snapshot
from tests.pages.test_hidden import DOCUMENT, Face, face

AUTHOR = ("in the group",)
INSIDE = ("in the group", "moderates it")
DESK = ("moderates it",)
RUNNERS = ("administrator",)
KEEPERS = ("node moderator", *RUNNERS)
DESK_AND_KEEPERS = (*DESK, *KEEPERS)
ANY_DESK = ("moderates another", *DESK_AND_KEEPERS)
MEMBERS = ("member", "in the group", *ANY_DESK)
NOT_AUTHOR = tuple(role for role in MEMBERS if role not in AUTHOR)
OF_DESKS = (
    "/g/{name}/desk", "/g/{name}/settings", "/g/{name}/picture", "/g/{name}/guidelines/edit",
    "/moderation", "/settings/node", "/admin/", "/api/mod/", "/desk/decisions/", "/on-duty/{",
)  # fmt: skip
WHO: Mapping[tuple[str, ...], str] = {
    AUTHOR: """
        GET /decisions/{decision}
        POST /decisions/{decision}/appeal
        POST /decisions/{decision}/withdraw
        GET /drafts/{number}
        GET /media/drafts/{token}
        GET /messages/{name}
        POST /messages/{name}/switch
        GET/POST /messages/{name}/{conversation}
        GET/POST /messages/{name}/{conversation}/{message}/report
        GET/POST /p/{id}/edit
        GET /p/{id}/signs
        POST /personas/{name}/archive
        GET/POST /personas/{name}/close
        GET /personas/{name}/decisions
        GET/POST /personas/{name}/open
        POST /personas/{name}/read-sooner
        GET /personas/{name}/settings
        POST /personas/{name}/withdraw
        GET /waiting/{waiting}
        GET/POST /waiting/{waiting}/edit
        POST /messages/{name}/{conversation}/stop
        POST /messages/{name}/answer
        POST /messages/{name}/{conversation}/{message}/delete
        GET/POST /p/{id}/delete
        POST /waiting/{waiting}/delete
    """,
    NOT_AUTHOR: """
        GET/POST /p/{id}/report
        GET/POST /u/{name}/report
    """,
    INSIDE: """
        GET /g/{name}/unanswered
    """,
    DESK: """
        GET /g/{name}/desk
        GET/POST /g/{name}/desk/alerts
        POST /g/{name}/desk/alerts/confirm
        POST /g/{name}/desk/alerts/test
        GET/POST /g/{name}/desk/appeals
        POST /g/{name}/desk/ask
        GET/POST /g/{name}/desk/cases
        GET /g/{name}/desk/cases/{case}
        POST /g/{name}/desk/cases/{case}/ask
        POST /g/{name}/desk/cases/{case}/{task}
        POST /g/{name}/desk/follow
        POST /g/{name}/desk/invite
        GET/POST /g/{name}/desk/labels
        GET /g/{name}/desk/log
        GET/POST /g/{name}/desk/move
        GET/POST /g/{name}/desk/person
        GET/POST /g/{name}/desk/servers
        POST /g/{name}/desk/servers/forget
        GET/POST /g/{name}/desk/write
        POST /g/{name}/desk/{task}
        POST /g/{name}/guidelines
        GET /g/{name}/guidelines/edit
        GET/POST /g/{name}/picture
        GET/POST /g/{name}/settings
        GET /moderation/care/{case}
        POST /moderation/care/{case}/{task}
        GET /on-duty/{channel}
        GET /p/{id}/earlier
        GET/POST /p/{id}/remove
        POST /p/{id}/restore
        GET/POST /p/{id}/split
        GET/POST /t/{id}/after
        POST /t/{id}/lock
        GET/POST /t/{id}/memorial
        GET/POST /t/{id}/merge
        GET/POST /t/{id}/move
        POST /t/{id}/pin
        POST /t/{id}/unlock
        POST /t/{id}/unpin
        POST /g/{name}/desk/alerts/remove
    """,
    DESK_AND_KEEPERS: """
        GET/POST /p/{id}/care
        GET/POST /p/{id}/labels
        POST /p/{id}/labels/off
    """,
    ANY_DESK: """
        GET/POST /moderation/care
        GET /moderation/care/list
        POST /moderation/care/looked
    """,
    KEEPERS: """
        GET /api/mod/decisions/{number}/why
        GET /desk/decisions/{number}/why
        GET/POST /moderation
        GET /moderation/asked
        GET/POST /moderation/asked/advice/{signal}
        POST /moderation/asked/{ask}
        GET /moderation/people
        POST /moderation/people/{person}
        GET /moderation/{case}
        GET/POST /moderation/{case}/advise
        POST /moderation/{case}/ask
        POST /moderation/{case}/{task}
        GET/POST /settings/node/appeals
        GET/POST /settings/node/stopped
        POST /moderation/leave
    """,
    RUNNERS: """
        GET /admin/peers
        GET /admin/peers/{host}
        POST /admin/peers/{host}/pause
        POST /admin/peers/{host}/resume
        POST /admin/peers/{host}/try
        GET /api/mod/lists/export.{ending}
        POST /api/mod/lists/import
        POST /api/mod/peers/{host}/freeze
        POST /api/mod/peers/{host}/rollback
        POST /api/mod/signals/preview
        GET/POST /settings/node
        GET/POST /settings/node/advice
        POST /settings/node/advice/renew
        POST /settings/node/advice/tier
        GET/POST /settings/node/alerts
        POST /settings/node/alerts/confirm
        POST /settings/node/alerts/test
        GET /settings/node/changes
        GET /settings/node/changes/{number}
        POST /settings/node/changes/{number}/dismiss
        POST /settings/node/changes/{number}/undo
        GET/POST /settings/node/domains
        POST /settings/node/domains/forget
        POST /settings/node/domains/import
        GET/POST /settings/node/domains/imports/{number}
        POST /settings/node/domains/lists
        GET/POST /settings/node/domains/lists/{list}
        POST /settings/node/domains/lists/{list}/answer
        GET/POST /settings/node/duty
        POST /settings/node/duty/remove
        POST /settings/node/duty/zone
        GET /settings/node/effects
        GET /settings/node/effects/{number}
        POST /settings/node/effects/{number}/agree
        POST /settings/node/effects/{number}/answer
        GET/POST /settings/node/impact
        POST /settings/node/invitations
        GET /settings/node/log
        GET/POST /settings/node/pacts
        GET /settings/node/pacts/{host}
        POST /settings/node/pacts/{host}/accept
        POST /settings/node/pacts/{host}/end
        POST /settings/node/pacts/{host}/freeze
        POST /settings/node/pacts/{host}/groups
        POST /settings/node/pacts/{host}/refuse
        POST /settings/node/pacts/{host}/remove
        GET /settings/node/people
        POST /settings/node/people/{person}
        GET /settings/node/safety
        GET/POST /settings/node/safety/{record}
        GET /settings/node/safety/{record}/{version}
        GET/POST /settings/node/signals
        POST /settings/node/signals/lists
        POST /settings/node/signals/lists/drop
        GET/POST /settings/node/signals/rules/{host}
        POST /settings/node/signals/rules/{host}/back
        POST /settings/node/signals/rules/{host}/forget
        POST /settings/node/waiting
        POST /settings/node/alerts/remove
        POST /settings/node/pacts/freeze
    """,
    MEMBERS: """
        GET/POST /moderation/debrief
        POST /moderation/heard
    """,
    (): """
        GET/POST /moderation/join
    """,
}
"""Who is let in, by route; nobody else is, and whatever has no line is alike for all members."""

ENDS = {  # whoever asks is signed out, or the answer does not end
    "/leave", "/live", "/log-in", "/log-out", "/recover", "/settings/close", "/settings/password",
}  # fmt: skip
LATE = (
    "", "/withdraw", "/stop", "/delete", "/answer", "/remove", "/restore", "/end", "/freeze",
    "/leave",
)  # fmt: skip
SECRET = {"email", "ip", "token", "note", "account", "account_id", "login", "password", "session"}

TYPED: Mapping[str, Mapping[str, str]] = {
    "/g/{name}/desk/alerts/confirm": {"channel": "/on-duty/{channel}"},
    "/g/{name}/desk/alerts/remove": {"channel": "/on-duty/{channel}"},
    "/g/{name}/desk/alerts/test": {"channel": "/on-duty/{channel}"},
    "/g/{name}/desk/appeals": {"decision": "/decisions/{decision}", "outcome": "keep"},
    "/g/{name}/desk/cases": {"case": "/g/{name}/desk/cases/{case}", "task": "claim"},
    "/g/{name}/desk/move": {"step": "plan", "move_to": "nowhere"},
    "/g/{name}/desk/person": {"person": "its author", "act": "warn", "reason": "Please."},
    "/g/{name}/desk/servers": {"domain": "far.example", "level": "note"},
    "/g/{name}/desk/servers/forget": {"domain": "far.example"},
    "/g/{name}/desk/write": {"person": "its author", "text": "Hello."},
    "/g/{name}/desk/{task}": {"post": "/p/{id}"},
    "/messages/{name}/answer": {"person": "who writes", "answer": "never"},
    "/p/{id}/labels": {"label": "grief"},
    "/p/{id}/labels/off": {"label": "grief"},
}  # fmt: skip
"""What has to be typed, so that an answer tells who is let in; ids by what stands for them."""

SEEN: Mapping[str, tuple[str, ...]] = {
    "/g/{name}/desk/cases/{case}": DESK,
    "/moderation/{case}": KEEPERS,
    "/moderation/care/{case}": DESK,
    "/messages/{name}/{conversation}": AUTHOR,
    "/messages/{name}/{conversation}/{message}": AUTHOR,
    "/waiting/{waiting}": AUTHOR,
    "words of a message": AUTHOR,
    "words of a draft": AUTHOR,
    "words that wait": AUTHOR,
    "words of an appeal": INSIDE,
    "why it was taken out": INSIDE,
}
"""By whom something is read at all, by whatever address."""


@pytest.fixture
async def world(house: House, key_pairs: list[KeyPair]) -> World:
    return await belongings.furnished(house, key_pairs)


def _rows() -> dict[tuple[str, str], tuple[str, ...]]:
    """Who is let in, by method and route."""
    found = {}
    for roles, lines in WHO.items():
        for line in lines.split("\n"):
            methods, _, route = line.strip().partition(" ")
            for method in methods.split("/") if route else ():
                assert (method, route) not in found, line
                found[method, route] = roles
    return found


def _routes(world: World) -> list[tuple[str, str]]:
    found = {
        (route.method, route.resource.canonical)
        for route in world.house.node.app.router.routes()
        if route.resource is not None and route.method != "HEAD"
    }
    return sorted(each for each in found if each[1] not in ENDS)


async def _ask(
    world: World, role: str, method: str, route: str, *, known: bool = True, group: str = "open"
) -> Answer:
    """What that one gets; their session stays as it was."""
    who = world.people[role]
    who = replace(who, cookies=dict(who.cookies))
    fields = {name: world.value(value, known=known) for name, value in TYPED.get(route, {}).items()}
    path = world.filled(route, known=known, group=group)
    if method != "GET":
        return await who.send(method, path, fields)
    return await who.open(f"{path}?person={fields['person']}" if "person" in fields else path)


def _refused(answer: Answer) -> bool:
    return answer.status in (401, 403, 404) or "/log-in" in answer.location


def _told(answer: Answer) -> tuple[int, str]:
    """The answer without what is around every page."""
    main = re.search(r"<main.*?</main>", answer.html, re.DOTALL)
    return answer.status, main[0] if main else answer.html


def _face(
    world: World, answer: Answer, route: str, *, known: bool = True, group: str = "open"
) -> Face:
    """All of an answer, but for the address and the ids that were sent."""
    path = world.filled(route, known=known, group=group)
    fields = TYPED.get(route, {}).values()
    ids = [world.value(each, known=known) for each in fields if each in world.things]
    return face(answer, path, *ids)


def _in_order(asked: tuple[str, str, str]) -> tuple[object, ...]:
    """First what is only looked at, last what takes something away from those who come later."""
    role, method, route = asked
    late = max(place for place, ending in enumerate(LATE) if route.endswith(ending))
    return method != "GET", late, list(WHO).index(_rows()[method, route]), role


async def test_sec_L8_only_those_who_are_meant_are_let_in_and_others_learn_nothing(
    world: World,
) -> None:
    rows, routes = _rows(), _routes(world)
    assert set(rows) <= set(routes)
    below_desks = {each for each in routes if each[1].startswith(OF_DESKS)}
    assert below_desks - set(rows) == set(), "say who is let in"
    seen: dict[str, set[str]] = {mark: set() for mark in SEEN}

    def look(role: str, route: str, answer: Answer) -> None:
        assert answer.status < 500, (role, route)
        for mark, roles in seen.items():
            if not _refused(answer) and world.value(mark, known=True) in answer.html:
                roles.add(role)

    before = await snapshot(world.house.node)
    outside: dict[tuple[str, str], Answer] = {}
    for (method, route), roles in rows.items():
        for role in world.people:
            if role in roles:
                continue
            answer = await _ask(world, role, method, route)
            assert _refused(answer), (role, method, route, answer.status)
            unknown = await _ask(world, role, method, route, known=False)
            assert _face(world, answer, route) == _face(world, unknown, route, known=False), (
                role, method, route,
            )  # fmt: skip
            if role in ("visitor", "member"):
                outside[method, route] = answer
    assert await snapshot(world.house.node) == before

    shut = []
    for role, method, route in sorted(
        ((role, *each) for each, roles in rows.items() for role in roles), key=_in_order
    ):
        answer = await _ask(world, role, method, route)
        look(role, route, answer)
        if _told(answer) == _told(outside[method, route]):
            shut.append((role, method, route))
    assert shut == [], "they are meant"
    for method, route in routes:
        if (method, route) in rows:
            continue
        answers = {role: await _ask(world, role, method, route) for role in world.people}
        for role, answer in answers.items():
            look(role, route, answer)
        visitor = answers.pop("visitor")
        alike = {answer.status for answer in answers.values()}
        if len(alike) > 1 or not (visitor.status in alike or alike == {303} or _refused(visitor)):
            shut.append((str(alike), method, route))
    assert shut == [], "say who is let in"
    assert {mark: tuple(role for role in world.people if role in found)
            for mark, found in seen.items()} == dict(SEEN)  # fmt: skip


async def test_sec_L2_what_belongs_to_somebody_else_is_as_what_is_not_there(world: World) -> None:
    """The routes at which nobody is refused, such as where an old tab asks for what is gone.

    Posts that anybody reads are there; `test_hidden` asks for others.
    """
    before, asked, rows = await snapshot(world.house.node), 0, _rows()
    for method, route in _routes(world):
        same = world.filled(route, known=True) == world.filled(route, known=False)
        if same or (method, route) in rows or route.startswith(("/p/{id}", "/t/{id}")):
            continue
        for role in ("visitor", "member", "moderates another", "administrator"):
            answers = [await _ask(world, role, method, route, known=it) for it in (True, False)]
            known, unknown = (
                _face(world, answer, route, known=it)
                for answer, it in zip(answers, (True, False), strict=True)
            )
            assert known == unknown, (role, method, route)
        asked += 1
    assert asked > 8
    assert await snapshot(world.house.node) == before


async def test_sec_L8_who_looks_after_one_group_learns_nothing_of_the_cases_of_another(
    world: World,
) -> None:
    """At the desk of their own group, with ids of another one in the address or typed."""
    before, asked = await snapshot(world.house.node), 0
    for method, route in _routes(world):
        typed = any(value in world.things for value in TYPED.get(route, {}).values())
        if not route.startswith("/g/{name}/") or not (typed or "{case}" in route):
            continue
        answers = [
            await _ask(world, "moderates another", method, route, known=known, group="other")
            for known in (True, False)
        ]
        known, unknown = (
            _face(world, answer, route, known=it, group="other")
            for answer, it in zip(answers, (True, False), strict=True)
        )
        assert known == unknown, (method, route)
        asked += 1
    assert asked > 10
    assert await snapshot(world.house.node) == before


async def test_sec_L8_no_answer_has_a_key_that_tells_of_an_account(world: World) -> None:
    seen = 0
    for method, route in _routes(world):
        for who in world.people.values() if method == "GET" else ():
            answer = await who.open(world.filled(route, known=True), Accept=DOCUMENT)
            if answer.html.startswith(("{", "[")):
                assert not SECRET & set(_keys(json.loads(answer.body))), route
                seen += 1
    assert seen > 100


def _keys(told: Any) -> Iterator[str]:
    """Every key of a document, however deep."""
    if isinstance(told, dict):
        yield from map(str, told)
    for each in told.values() if isinstance(told, dict) else told if isinstance(told, list) else ():
        yield from _keys(each)


async def test_a_route_that_is_new_has_to_say_who_is_let_in(world: World) -> None:
    with pytest.raises(AssertionError, match="say in belongings"):
        world.filled("/moderation/new/{thing}", known=True)
