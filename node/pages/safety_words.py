"""What safety records begin with: an outline to be filled in by the people who run a node."""

from collections.abc import Mapping
from typing import Final

from kernel.said import noted
from kernel.schema.node import Record

TITLES: Final[Mapping[Record, str]] = {
    Record.RISKS: noted("Risks"),
    Record.COMPLAINTS: noted("How to complain"),
    Record.CONTACT: noted("Where to reach us"),
}

STARTERS: Final[Mapping[Record, str]] = {
    Record.RISKS: """\
Who looked at this, and when:

Who comes here, how many, and how old they are:

For each kind of harm below: how likely is it here, how bad would it be, what do we do about it, \
and how do we notice that this is not enough?

- Words that push somebody towards hurting themselves, or say how:
- Somebody who wants to get close to people in distress to use them, children above all:
- Hate, threats, stalking, or private things about others:
- False advice about illness and medicine:
- Selling drugs, or fraud:
- Pictures of abuse:
- Harm that comes in from other servers:

What makes it smaller here: groups have moderators, first posts can be held, names and contact \
details are asked about, nobody can be written to in private, whole servers can be blocked.

What we change because of this, by when, and who does it:

When we look again (within a year, and before every larger change):
""",
    Record.COMPLAINTS: """\
You can complain when a post was taken out or left standing, when you were asked to stay away, or \
about how we run this place.

1. Write to us. Say what happened, where, and what you would like. You do not have to say who \
you are.
2. Somebody who did not make the decision reads it. We tell you that it came within three days.
3. We answer within two weeks, with our reasons. If we were wrong, we put it right.
4. If you disagree, you can turn to (name the body in your country).

Complaining has no bad consequences for you here.
""",
    Record.CONTACT: """\
For members and visitors:

For the authorities, in (languages):

For other servers:

Who runs this place, and in which country:
""",
}
