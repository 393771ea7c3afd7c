"""Values that the node key alone opens, padded so that their size tells little."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from kernel.here import Here
from kernel.sealing import seal, unseal

_SIZES: Final = tuple(4096 * 4**step for step in range(4))  # a sealed value has one of these


def put(
    here: Here,
    label: str,
    context: str,
    value: Mapping[str, Any],
    *,
    sizes: Sequence[int] = _SIZES,
) -> bytes:
    """`value`, sealed under a key of its own `label`, for one row: see `get`.

    It is padded to the least of `sizes` that holds it.
    """
    plain = json.dumps(dict(value), ensure_ascii=False, separators=(",", ":")).encode()
    size = next(each for each in sizes if len(plain) + 4 <= each)
    return seal(here.node_key.derive(label), plain, context, padded_to=size)


def get(here: Here, label: str, context: str, sealed: bytes) -> dict[str, Any]:
    """What `put` was given."""
    found: dict[str, Any] = json.loads(unseal(here.node_key.derive(label), sealed, context))
    return found
