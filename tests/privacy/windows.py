"""Which eight bytes in a row two people's values share, also as hexadecimal digits or base 64."""

import base64
import binascii
import re
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from tests.privacy.dump import Value
from tests.privacy.odds import Floats, Places
from tests.privacy.traces import WINDOW

Windows = npt.NDArray[np.uint64]

MANY = 300_000  # windows of one column; of more, a part is looked at, the same for everybody
_CODED = re.compile(r"[\w+/-]{16,}")
_MIX = np.uint64(0x9E3779B97F4A7C15)


def windows(value: Value) -> Windows:
    """Every eight bytes in a row; what is shorter counts whole."""
    if isinstance(value, bytes):
        return _slices(value)
    if isinstance(value, str):
        data = value.encode()
        return np.concatenate(
            [_slices(data), *(_slices(_decode(t)) for t in _CODED.findall(value))]
        )
    return np.empty(0, np.uint64)


def _slices(data: bytes) -> Windows:
    if not data:
        return np.empty(0, np.uint64)
    raw = np.frombuffer(data.ljust(WINDOW, b"\0"), np.uint8)
    view = np.lib.stride_tricks.sliding_window_view(raw, WINDOW)
    return np.unique(np.ascontiguousarray(view).view(np.uint64).ravel())


def _decode(text: str) -> bytes:
    try:
        return bytes.fromhex(text.replace("-", ""))
    except ValueError:
        pass
    try:
        return base64.urlsafe_b64decode(text.replace("+", "-").replace("/", "_") + "===")
    except binascii.Error:
        return b""


def all_windows(values: Iterable[Value]) -> Windows:
    """Those of many values, each once and sorted."""
    found = [windows(value) for value in values]
    return np.unique(np.concatenate(found)) if found else np.empty(0, np.uint64)


def _of_people(held: Sequence[tuple[int, Value]]) -> tuple[Windows, Places]:
    """(window, who), each pair once, sorted by window."""
    parts = [(windows(value), who) for who, value in held]
    keys = np.concatenate([np.empty(0, np.uint64), *(part for part, _ in parts)])
    who = np.repeat([who for _, who in parts], [len(part) for part, _ in parts]).astype(np.int64)
    if len(keys) > MANY:
        kept = ((keys * _MIX) >> np.uint64(32)) % np.uint64(len(keys) // MANY + 1) == 0
        keys, who = keys[kept], who[kept]
    order = np.lexsort((who, keys))
    keys, who = keys[order], who[order]
    new = np.ones(len(keys), bool)
    new[1:] = (keys[1:] != keys[:-1]) | (who[1:] != who[:-1])
    return keys[new], who[new]


def in_common(held: Sequence[tuple[int, Value]], count: int) -> Floats:
    """For each two of `count`: the windows they share, each weighing more the fewer have it."""
    keys, who = _of_people(held)
    score = np.zeros((count, count))
    starts = np.flatnonzero(np.append(True, keys[1:] != keys[:-1])) if len(keys) else keys
    sizes = np.diff(np.append(starts, len(keys)))
    for size in range(2, max(12, min(40, count // 5)) + 1):
        begins = starts[sizes == size].astype(np.int64)
        if len(begins):
            groups = who[begins[:, None] + np.arange(size)]
            first, second = np.triu_indices(size, 1)
            np.add.at(score, (groups[:, first], groups[:, second]), 1 / (size - 1))
    return score + score.T


def shared(
    known: Windows,
    accounts: Sequence[tuple[int, Value]],
    held: Sequence[tuple[int, Value]],
    shape: tuple[int, int],
) -> Floats:
    """How many windows each account's values share with what each persona's column holds.

    `known` are all those of the accounts, sorted.
    """
    score = np.zeros(shape)
    wanted: dict[int, set[int]] = {}
    for persona, value in held:
        for window in _among(windows(value), known):
            wanted.setdefault(window, set()).add(persona)
    if wanted:
        keys = np.array(sorted(wanted), np.uint64)
        for member, value in accounts:
            for window in _among(np.unique(windows(value)), keys):
                for persona in wanted[window]:
                    score[member, persona] += 1
    return score


def _among(found: Windows, known: Windows) -> list[int]:
    """Those of `found` that stand in `known`, which is sorted and not empty."""
    at = np.searchsorted(known, found)
    there = found[known[np.minimum(at, len(known) - 1)] == found]
    return [int(each) for each in there]
