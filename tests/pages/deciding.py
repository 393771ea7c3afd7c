"""A decision is made, holds behind every door of another process, and is undone (MOD-H12)."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from groups.groups import Group
from groups.posts import Post
from tests.pages.conftest import House
from tests.pages.every_door import MARK, Door, Scene, named

PAGES = ("/t/{id}", "/p/{id}/reply", "/g/{name}", "/", "/find", "/tags/{tag}")
LISTS = ("/find", "/tags/{tag}", "/search")
ALL = ("visitor", "cleo")
EVERYBODY = ("visitor", "cleo", "ben", "ana")
TOLD_ANEW = {"/a/{id}"}
"""What is shown again goes out as a change, under an id of its own."""

OF_AUTHOR = ("/notices", "/decisions/", "/personas/{name}/decisions")
OF_DESKS = ("/g/{name}/desk", "/moderation", "/settings/node", "/desk/decisions/")
"""Where the name it is about, and the desk, read what was decided; nobody else does."""

Act = Callable[[Scene], Awaitable[None]]


@dataclass(frozen=True)
class Decision:
    """What is decided and undone, who must not find it then, and who still does."""

    make: Act
    undo: Act
    loses: tuple[str, ...]
    keeps: tuple[str, ...]
    mark: str = MARK
    covered: bool = False  # the words are still there, to be opened by whoever wants to
    pages: tuple[str, ...] = ()  # only there it is hidden; none: everywhere


def seen_by_all(house: House, port: int, group: Group, posts: Sequence[Post]) -> Scene:
    """What was said, and everybody who reads it through the process at that port."""
    readers = {"visitor": house.visitor, "cleo": house.cleo, "ben": house.ben, "ana": house.ana}
    return Scene(house=house, port=port, group=group, posts=posts, author="ben", readers=readers)


def _may(scene: Scene, door: Door) -> bool:
    """Whether this is where whoever it is about, or who decided it, is told of it."""
    return door.route.startswith(OF_AUTHOR if door.reader == scene.author else
                                 OF_DESKS if door.reader == "ana" else ())  # fmt: skip


async def check(
    scene: Scene, decisions: Mapping[str, Decision], *, shows: Mapping[str, set[str]]
) -> None:
    """Each is decided here, and holds there; then it is undone, and all is as it was."""
    doors = await scene.read(await scene.doors())
    for reader, routes in shows.items():
        assert named({door for door, told in doors.items() if MARK in told}, reader) >= routes
    for name, decision in decisions.items():
        await _check(scene, doors, name, decision)


async def _check(
    scene: Scene, open_doors: Mapping[Door, str], name: str, decision: Decision
) -> None:
    loop = asyncio.get_running_loop()
    before = {
        door
        for door, told in open_doors.items()
        if decision.mark in told and (not decision.pages or door.route in decision.pages)
    }
    assert any(door.reader in decision.loses for door in before), name
    await decision.make(scene)
    since = loop.time()
    asked = [
        door for door in await scene.doors() if not decision.pages or door.route in decision.pages
    ]
    lost = [door for door in asked if door in before and door.reader in decision.loses]
    left = await scene.still_shown(lost, since, decision.mark, covered=decision.covered)
    assert left == set(), (name, [str(door) for door in sorted(left)])
    others = [door for door in asked if door not in before and not _may(scene, door)]
    new = await scene.showing(others, decision.mark, covered=decision.covered)
    new = await scene.still_shown(sorted(new), since, decision.mark, covered=decision.covered)
    assert new == set(), (name, "opened by it", [str(door) for door in sorted(new)])
    for reader in decision.keeps:
        own = [door for door in before if door.reader == reader]
        assert await scene.showing(own, decision.mark), (name, f"{reader} has it still")
    await decision.undo(scene)
    back = await scene.showing(before, decision.mark)
    for reader in (*decision.loses, *decision.keeps):
        missing = named(before, reader) - named(back, reader) - TOLD_ANEW
        assert not missing, (name, reader, missing)
