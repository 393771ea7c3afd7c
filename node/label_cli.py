"""`hearthold label`: a word on a post, or on a link, by the people who look after the node."""

from collections.abc import Sequence
from typing import Annotated

import typer

from groups import groups as group_store
from groups import labelling as labels_of_groups
from groups import posts as post_store
from kernel.schema.labels import Effect, Giver
from moderation import audit
from moderation.labels import LONGEST
from moderation.saying import Saying
from moderation.signals import labelled
from node.console import DataDir, on_node
from node.opening import Opened

LABEL_EXAMPLE = (
    "Example: hearthold label https://alder.example/p/12 --label outdated-helpline "
    "--why 'The number has changed'"
)


def add_to(app: typer.Typer) -> None:
    """Make the command part of `hearthold`."""
    app.command("label", epilog=LABEL_EXAMPLE)(label)


def label(
    about: Annotated[
        str, typer.Argument(metavar="POST", help="The address of a post that is here, or a link.")
    ],
    name: Annotated[str, typer.Option("--label", help="A label of the list of this node.")],
    why: Annotated[str, typer.Option(help="Why, for its author and for readers.")] = "",
    source: Annotated[
        list[str] | None,
        typer.Option(help="Where that can be read; repeat it.", show_default=False),
    ] = None,
    effect: Annotated[
        Effect | None,
        typer.Option(help="What it does; without, as usual for it.", show_default=False),
    ] = None,
    days: Annotated[
        int | None,
        typer.Option(min=1, max=LONGEST, help="How long it holds.", show_default=False),
    ] = None,
    off: Annotated[bool, typer.Option("--off", help="The other way round: take it off.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Give a post a label, or take one off; its author is told.

    Peers that take labels hear of those of public posts. An address of no post here is a link:
    they hear what you say of it.
    """

    async def work(node: Opened) -> Sequence[str]:
        if off:
            return await take_off(node, about=about, name=name)
        return await give(
            node, about=about, name=name, why=why, sources=source or (), effect=effect, days=days
        )

    on_node(data_dir, work)


async def give(
    node: Opened,
    *,
    about: str,
    name: str,
    why: str = "",
    sources: Sequence[str] = (),
    effect: Effect | None = None,
    days: int | None = None,
) -> Sequence[str]:
    """Give a post or a link a label. Raises Malformed, NotFound, Conflict: as `labelling`."""
    here, today = node.here, node.here.now().date()
    saying = Saying.here(
        name, Giver.NODE, today=today, effect=effect or "", why=why, sources=sources, days=days
    )
    async with node.engine.begin() as conn:
        post = await post_store.by_uri(conn, about)
        if post is None:
            await labelled.tell_link(conn, here, about, saying)
            await audit.note(conn, here, verb="label link", about=about, reason=why)
            return [f"Peers hear that {about} is labelled {name}, until {saying.ends}."]
        group = await group_store.get(conn, post.group_id)
        await labels_of_groups.give(conn, here, group, post, saying)
    return [f"The post is labelled {name}, until {saying.ends}."]


async def take_off(node: Opened, *, about: str, name: str) -> Sequence[str]:
    """Take a label off a post or a link. Raises NotFound: it has none from here."""
    here = node.here
    async with node.engine.begin() as conn:
        post = await post_store.by_uri(conn, about)
        if post is None:
            await labelled.take_back_link(conn, here, about)
            await audit.note(conn, here, verb="take link label off", about=about)
            return [f"Peers hear that {about} is not labelled any more."]
        group = await group_store.get(conn, post.group_id)
        await labels_of_groups.take_off(conn, here, group, post, name, Giver.NODE)
    return ["The label is gone."]
