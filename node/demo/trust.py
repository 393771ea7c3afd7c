"""Two communities trust each other: a pact, advice that is shared, and taken back again."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from node.demo import people
from node.demo.guest import Guest
from node.demo.nodes import DemoNode
from node.demo.visitor import Lost, Page

PACTS = "/settings/node/pacts"
SIGNALS = "/settings/node/signals"
ADVICE = "/settings/node/advice"
FLOWS = ("advice", "labels", "reports", "takedowns", "care", "appeals")


class Trust:
    """Robin runs alder, Maya runs birch. Neither page says who of their members did what."""

    def __init__(self, nodes: Mapping[str, DemoNode], robin: Guest, maya: Guest) -> None:
        self._nodes = nodes
        self._robin, self._maya = robin, maya

    async def pact(self) -> None:
        """Offered at alder, agreed to at birch, once both have read each other the same words."""
        await self._robin.visitor.fill(
            PACTS, {"host": self._host("birch"), **_wishes("robin@alder.example")}, action=PACTS
        )
        asked = await self._maya.visitor.until(
            self._pact_with("alder"), lambda page: "Make this pact" in page.text
        )
        offered = await self._robin.visitor.open(self._pact_with("birch"))
        if _words(asked) != _words(offered):
            raise Lost("the two places do not read the same words to each other")
        form = asked.form("sends", "takes", action="/accept")
        await self._maya.visitor.submit(asked, form, _wishes("maya@birch.example"))
        await self._robin.visitor.until(
            self._pact_with("birch"), lambda page: "Stop listening for now" in page.text
        )

    async def advise(self) -> None:
        """What alder's moderators saw, they say; it waits at birch for a person."""
        page = await self._robin.visitor.open(ADVICE)
        form = page.form("domain", "policy", action=ADVICE)
        answers = {
            "domain": people.BAD_SERVER,
            "policy": form.choice("policy", "careful"),
            "label": "predatory-contact",
            "reason": people.ADVICE,
            "cases": "3",
            "until": f"{datetime.now(UTC).date() + timedelta(days=60)}",
        }
        await self._robin.visitor.submit(page, form, answers)
        await self._maya.visitor.until(
            SIGNALS, lambda page: people.BAD_SERVER in page.text and people.ADVICE in page.text
        )

    async def take_back(self) -> None:
        """It was a mistake: alder takes it back, and at birch it does not wait any more."""
        page = await self._robin.visitor.open(ADVICE)
        form = page.form("domain", "back", action="/renew")
        await self._robin.visitor.submit(page, form, {"back": "yes"})
        await self._maya.visitor.until(SIGNALS, lambda page: people.BAD_SERVER not in page.text)

    def _host(self, node: str) -> str:
        return self._nodes[node].origin.partition("://")[2]

    def _pact_with(self, node: str) -> str:
        return f"{PACTS}/{self._host(node)}"


def _wishes(care: str) -> dict[str, str | tuple[str, ...]]:
    return {"sends": FLOWS, "takes": FLOWS, "care": care, "retention": "for 90 days"}


def _words(page: Page) -> str:
    """The words that both read to each other, as the page shows them."""
    _, found, rest = page.html.partition('<p class="code" translate="no">')
    if not found:
        raise Lost(f"{page.url.path} has no words to compare")
    return rest.partition("<")[0]
