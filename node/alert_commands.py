"""What `hearthold alert` does: an operator sees where alerts go, and ends what nobody reads."""

from collections.abc import Sequence
from uuid import UUID

from kernel.errors import NotFound
from moderation import alert_channels
from moderation.alert_channels import Channel
from node.logs import escaped
from node.opening import Opened


async def list_places(node: Opened) -> Sequence[str]:
    """A line for each place of every desk; of its address the last four letters."""
    lines: list[str] = []
    after = UUID(int=0)
    async with node.engine.connect() as conn:
        while page := await alert_channels.everywhere(conn, node.here, after=after):
            lines += [_line(desk, channel) for desk, channel in page]
            after = page[-1][1].id
    return lines or ["Nobody is told when something waits."]


def _line(desk: str, channel: Channel) -> str:
    state = "" if channel.confirmed else "  not confirmed"
    state += f"  nothing arrived since {channel.failing}" if channel.failing else ""
    name = escaped(channel.label)
    return f"{channel.id}  {desk or 'node'}  {channel.way}  {name}  …{channel.ending}{state}"


async def remove_place(node: Opened, *, place: str) -> Sequence[str]:
    """Nothing is sent there any more. Raises NotFound: there is no such place."""
    try:
        channel_id = UUID(place)
    except ValueError as error:
        raise NotFound("Name it by its id, as `hearthold alert list` prints it.") from error
    async with node.engine.begin() as conn:
        if not await alert_channels.end(conn, channel_id):
            raise NotFound("There is no such place.")
    return ["It is gone."]
