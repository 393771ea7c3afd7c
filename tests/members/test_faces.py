"""Each persona's small picture."""

import io
from dataclasses import replace
from pathlib import Path

from PIL import Image

from kernel.here import Here
from kernel.ids import random_uuid
from kernel.sealing import NodeKey
from members import faces


def test_sec_U3_a_picture_is_the_personas_own_and_the_nodes(here: Here, tmp_path: Path) -> None:
    one, two = random_uuid(), random_uuid()
    other = NodeKey.load(tmp_path / "other.key")
    drawn = [faces.of(here.node_key, one), faces.of(here.node_key, two), faces.of(other, one)]
    assert len({face.png() for face in drawn}) == 3
    assert len({face.svg() for face in drawn}) == 3
    assert faces.of(here.node_key, one).png() == drawn[0].png()
    picture = Image.open(io.BytesIO(drawn[0].png()))
    assert picture.size == (faces.SIDE, faces.SIDE)
    assert not picture.info  # no time, no program


def test_sec_U3_two_pictures_that_look_alike_differ_in_their_bytes(here: Here) -> None:
    face = faces.of(here.node_key, random_uuid())
    twin = replace(face, seed=b"another persona")
    assert twin.svg() == face.svg()
    assert twin.png() != face.png()
