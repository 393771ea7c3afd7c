"""A draft as the text under which it is kept until it is said."""

import json
from collections.abc import Mapping
from dataclasses import fields
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from activitypub.parts import Option, Poll
from groups.admission import Draft
from groups.pictures import Chosen
from kernel.clock import to_minute
from kernel.schema.posts import Wish

_NOT_KEPT: Final = frozenset({"changes", "help_lines"})  # of edits only, and asked anew


def dump(draft: Draft, now: datetime) -> str:
    """A draft as it is kept; how long a poll is open counts from its release."""
    kept = {
        each.name: getattr(draft, each.name) for each in fields(Draft) if each.name not in _NOT_KEPT
    }
    kept["people"] = dict(draft.people)
    kept["pictures"] = [[str(each.id), each.alt] for each in draft.pictures]
    if (poll := draft.poll) is not None:
        kept["poll"] = {
            "options": [each.name for each in poll.options],
            "several": poll.several,
            "seconds": poll.ends and (poll.ends - to_minute(now)).total_seconds(),
        }
    return json.dumps(kept, ensure_ascii=False)


def load(said: str, now: datetime) -> Draft:
    """A draft as it was kept, of now."""
    kept = json.loads(said)
    poll, wish = kept.pop("poll", None), kept.pop("wish", None)
    pictures = tuple(Chosen(UUID(media_id), alt) for media_id, alt in kept.pop("pictures", ()))
    plain: dict[str, Any] = {
        name: tuple(each) if isinstance(each, list) else each for name, each in kept.items()
    }
    return Draft(
        **plain,
        wish=Wish(wish) if wish else None,
        pictures=pictures,
        poll=_poll(poll, now) if poll else None,
    )


def _poll(kept: Mapping[str, Any], now: datetime) -> Poll:
    seconds = kept["seconds"]
    return Poll(
        options=tuple(Option(name=name) for name in kept["options"]),
        several=kept["several"],
        ends=to_minute(now) + timedelta(seconds=seconds) if seconds else None,
    )


def pictures_in(said: str) -> list[UUID]:
    """The pictures of a draft that is kept."""
    return [UUID(media_id) for media_id, _ in json.loads(said)["pictures"]]
