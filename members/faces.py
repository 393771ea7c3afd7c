"""A small picture for each persona, drawn from its own random id: siblings share nothing (SEC-U3).

The node key takes part in the drawing, so that nobody can draw it who was not shown it, and two
nodes never draw alike. On our pages it is part of the page: an address for each picture would tell
whoever logs requests which names are shown together.
"""

import hashlib
import io
import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Final
from uuid import UUID

from PIL import Image, ImageChops, ImageDraw

from kernel.sealing import NodeKey, mac

MEDIA_TYPE: Final = "image/png"
SIDE: Final = 128  # pixels of the one that other servers get

_SPACE: Final = 32  # what shapes are placed in
_FINE: Final = 4  # drawn so much larger first, so that edges are soft
_NOISE: Final = 3  # of 255: how far a pixel may be from its tone
_PETALS: Final = (3, 5, 6, 7)  # in each ring
_GROUNDS: Final = ("#dfeae0", "#f6e3cf", "#dfe6ef", "#efe0e6", "#ece6c9", "#dcebeb")
_TONES: Final = (
    "#3f6b57", "#8a4b2f", "#38597f", "#7a3f5c", "#7d6a1f", "#2f6d70", "#b2703a", "#5d5f8c",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Circle:
    """Its middle and radius in a square of 32, and its colour as `#rrggbb`."""

    x: float
    y: float
    radius: int
    tone: str


@dataclass(frozen=True, slots=True)
class Face:
    """Rings of petals on a ground."""

    ground: str
    circles: tuple[Circle, ...]
    seed: bytes

    def svg(self) -> str:
        """As part of a page; it says nothing that the name beside it does not say."""
        drawn = "".join(
            f'<circle cx="{each.x}" cy="{each.y}" r="{each.radius}" fill="{each.tone}"/>'
            for each in self.circles
        )
        return (
            f'<svg class="medal" viewBox="0 0 {_SPACE} {_SPACE}" aria-hidden="true"'
            f' focusable="false"><rect width="{_SPACE}" height="{_SPACE}" fill="{self.ground}"/>'
            f"{drawn}</svg>"
        )

    def png(self) -> bytes:
        """As other servers show it; its noise is the persona's own."""
        scale = SIDE * _FINE / _SPACE
        large = Image.new("RGB", (SIDE * _FINE, SIDE * _FINE), self.ground)
        draw = ImageDraw.Draw(large)
        for each in self.circles:
            draw.circle((each.x * scale, each.y * scale), each.radius * scale, fill=each.tone)
        small = large.resize((SIDE, SIDE), Image.Resampling.LANCZOS)
        grains = hashlib.shake_256(self.seed).digest(SIDE * SIDE)
        noise = Image.frombytes("L", (SIDE, SIDE), grains).point(lambda value: value % (_NOISE + 1))
        out = io.BytesIO()
        ImageChops.subtract(small, Image.merge("RGB", (noise, noise, noise))).save(out, "PNG")
        return out.getvalue()


def of(node_key: NodeKey, persona_id: UUID) -> Face:
    """The picture of a persona: always the same one."""
    seed = mac(node_key.derive("faces"), "face", persona_id.bytes)
    first, *rest = seed[:16]
    circles = []
    for ring, (turn, far, size, tone) in enumerate(zip(*[iter(rest[:12])] * 4, strict=True)):
        petals = _PETALS[rest[12] % len(_PETALS)]
        away, radius = 10 - 4 * ring + far % 3, 6 - ring + size % 3
        for petal in range(petals):
            angle = math.tau * (petal + turn / 256) / petals
            x, y = _SPACE / 2 + away * math.cos(angle), _SPACE / 2 + away * math.sin(angle)
            circles.append(Circle(round(x, 1), round(y, 1), radius, _TONES[tone % len(_TONES)]))
    return Face(_GROUNDS[first % len(_GROUNDS)], tuple(circles), seed[16:])


@lru_cache(maxsize=4096)
def svg_of(node_key: NodeKey, persona_id: UUID) -> str:
    """As `Face.svg`; forms show the same few again and again."""
    return of(node_key, persona_id).svg()


@lru_cache(maxsize=256)
def png_of(face: Face) -> bytes:
    """As `Face.png`; the newest are remembered."""
    return face.png()
