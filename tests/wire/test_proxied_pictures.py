"""Copies of others' pictures lead nowhere else, and never round to ourselves (SEC-R6, SEC-R7)."""

from groups.groups import Group
from moderation.standing import Speaker
from tests.media import draw
from tests.nodes import Node
from tests.peer import Peer
from tests.wire.test_pictures import arrive, copied, shown, with_picture


async def test_sec_R6_the_address_of_a_copy_takes_no_further_words(
    alder: Node, sleep: Group, good: Peer
) -> None:
    good.files["/cup.png"] = good.files["/other.png"] = draw.png()
    post = await arrive(alder, good.person("gil"), good, sleep, f"{good.origin}/cup.png")
    await copied(alder)
    (picture,) = await shown(alder, post)
    name = f"{picture.media_id}.webp"
    other = f"{good.origin}/other.png"
    good.fetched.clear()
    alder.names.asked.clear()
    for path in (
        f"/media/{name}?url={other}",
        f"/media/{name}%3Furl={other}",
        f"/media/{name}%26url={other}",
        f"/media/{name}&url={other}",
        f"/media/{name}/..%2f..%2f{other}",
        f"/media/{other}",
        f"/media/{other.replace('/', '%2F')}",
        f"/media/remote?url={other}",
        f"/media/?url={other}",
    ):
        answer = await alder.get(path)
        assert answer.status == 404, path
    assert good.fetched == []
    assert alder.names.asked == []
    assert (await alder.get(f"/media/{name}")).status == 200


async def test_sec_R7_a_copy_is_never_made_of_a_copy_of_ours(
    alder: Node, ana: Speaker, sleep: Group, good: Peer
) -> None:
    """Two posts that have each other's pictures would be read round and round."""
    ours = await with_picture(alder, ana, sleep)
    (picture,) = await shown(alder, ours)
    own = f"{alder.origin}/media/{picture.media_id}.webp"
    good.moved["/round"] = own
    urls = [own, own.replace("alder", "ALDER"), f"{own}?again=1", f"{good.origin}/round"]
    post = await arrive(alder, good.person("gil"), good, sleep, *urls)
    alder.names.asked.clear()
    for _ in range(6):
        await copied(alder)
        alder.clock.forward(hours=2)
    assert await shown(alder, post) == []
    assert good.fetched.count("/round") <= 3
    assert len(await shown(alder, ours)) == 1
