"""Communities trust each other: a pact, a label, advice, care; and one is not to be trusted."""

import re
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from node.demo import people
from node.demo.guest import Guest
from node.demo.nodes import DemoNode
from node.demo.visitor import Lost, Page

PACTS = "/settings/node/pacts"
SIGNALS = "/settings/node/signals"
ADVICE = "/settings/node/advice"
EFFECTS = "/settings/node/effects"
ASKS, ACTS, OVER = (f"{EFFECTS}?show={each}" for each in ("asks", "acts", "over"))
LOG = "/settings/node/log"
CARE = "/moderation/care"
ASKED = "/moderation/asked"
MINUTE = 75.0  # seconds: what acts is looked at every minute, and when something comes
FLOOD = 12  # pieces of advice at once: more than ten ask a person
FLOWS = ("advice", "labels", "reports", "takedowns", "care", "appeals")


_CASE = re.compile(rf'href="({CARE}/[0-9a-f-]{{36}})"')


class Trust:
    """Robin runs alder, Maya runs birch. Neither page says who of their members did what."""

    def __init__(self, nodes: Mapping[str, DemoNode], robin: Guest, maya: Guest) -> None:
        self._nodes = nodes
        self._robin, self._maya = robin, maya

    async def pact(self) -> None:
        """Offered at alder, agreed to at birch, once both have read each other the same words."""
        await self._agree(self._robin, "alder", self._maya, "birch")

    async def _agree(self, one: Guest, here: str, other: Guest, there: str) -> None:
        wishes = _wishes(f"{one.login}@{here}.example")
        await one.visitor.fill(PACTS, {"host": self._host(there), **wishes}, action=PACTS)
        asked = await other.visitor.until(
            self._pact_with(here), lambda page: "Make this pact" in page.text
        )
        offered = await one.visitor.open(self._pact_with(there))
        if _words(asked) != _words(offered):
            raise Lost("the two places do not read the same words to each other")
        form = asked.form("sends", "takes", action="/accept")
        await other.visitor.submit(asked, form, _wishes(f"{other.login}@{there}.example"))
        await one.visitor.until(
            self._pact_with(there), lambda page: "Stop listening for now" in page.text
        )

    async def label(self, post: str) -> None:
        """Robin, who looks after the group, says what a post is about, and why."""
        page = await self._robin.visitor.open(f"{post}/labels")
        form = page.form("label", "reason", action="/labels")
        answers = {"label": form.choice("label", people.TOPIC.capitalize()), "reason": people.WHY}
        await self._robin.visitor.submit(page, form, answers)

    async def let_fold(self) -> None:
        """Maya looks what that would change, and lets alder's label do here what it does there."""
        page = await self._maya.visitor.open(self._rules("alder"))
        form = page.form("kind", "mode", "label")
        answers = {
            "kind": form.choice("kind", "Labels on posts"),
            "mode": form.choice("mode", "Let it act"),
            "label": people.TOPIC,
        }
        preview = await self._maya.visitor.submit(page, form, {**answers, "look": "yes"})
        if "1 post here is shown in another way" not in preview.text:
            raise Lost("a rule does not say beforehand what it would change")
        await self._maya.visitor.submit(page, form, answers)

    async def take_label_off(self, post: str) -> None:
        """Robin does not say so any more."""
        page = await self._robin.visitor.open(f"{post}/labels")
        await self._robin.visitor.submit(page, page.form("label", action="/labels/off"), {})

    def is_labelled(self, page: Page, *, folded: bool) -> bool:
        """Whether a reader sees what alder says of the post, and why; and its words at once."""
        says = f"{self._host('alder')} says: {people.TOPIC}. {people.WHY}"
        return says in page.text and folded == _is_folded(page) and people.LOSS in page.text

    def is_open(self, page: Page) -> bool:
        """Whether a reader sees the post as its author wrote it."""
        says = f"{self._host('alder')} says"
        return people.LOSS in page.text and not _is_folded(page) and says not in page.text

    async def advise(self) -> None:
        """What alder's moderators saw, they say; it waits at birch for a person."""
        await _advise(self._robin, people.BAD_SERVER, people.ADVICE)
        await self._maya.visitor.until(
            SIGNALS, lambda page: people.BAD_SERVER in page.text and people.ADVICE in page.text
        )

    async def let_act(self) -> None:
        """Maya looks what a rule would change, and then lets alder's word count."""
        preview = await self._let_advice_act("alder", look=True)
        would = preview.text.partition("This would change")[2].partition("As it is now")[0]
        if people.BAD_SERVER not in would:
            raise Lost("a rule does not say beforehand what it would change")
        await self._let_advice_act("alder")
        acts = await self._maya.visitor.until(
            ACTS, lambda page: people.BAD_SERVER in page.text, seconds=MINUTE
        )
        effect = await self._maya.visitor.open(acts.link(people.BAD_SERVER))
        if "What was seen before" not in effect.text:
            raise Lost("what acts does not show what was looked at before it did")

    async def _let_advice_act(self, node: str, *, look: bool = False) -> Page:
        page = await self._maya.visitor.open(self._rules(node))
        form = page.form("kind", "mode", "weight")
        answers = {
            "kind": form.choice("kind", "Advice about servers"),
            "mode": form.choice("mode", "Let it act"),
            "max_policy": form.choice("max_policy", "careful"),
            "weight": "1",
            "delay": "0",
            **({"look": "yes"} if look else {}),
        }
        return await self._maya.visitor.submit(page, form, answers)

    async def take_back(self) -> None:
        """It was a mistake: alder takes it back, and at birch nothing of it is left."""
        page = await self._robin.visitor.open(ADVICE)
        form = page.form("domain", "back", action="/renew")
        await self._robin.visitor.submit(page, form, {"back": "yes"})
        await self._maya.visitor.until(ACTS, lambda page: people.BAD_SERVER not in page.text)
        await self._maya.visitor.until(
            OVER, lambda page: people.BAD_SERVER in page.text, seconds=MINUTE
        )

    async def ask_for_care(self, thread: str, names: Collection[str]) -> None:
        """Maya reads something that worries her; those on duty where it was written hear of it.

        `names` are those that alder must not hear: nobody of birch is in what it gets.
        """
        post = thread.replace("/t/", "/p/")
        page = await self._maya.visitor.open(f"{post}/care")
        form = page.form("level", action="/care")
        answers = {"level": form.choice("level", ""), "note": people.WORRY}
        await self._maya.visitor.submit(page, form, answers)
        queue = await self._maya.visitor.open(CARE)
        case = await self._maya.visitor.open(_case_in(queue))
        mine = await self._maya.visitor.submit(case, case.form(action="/claim"), {})
        await self._maya.visitor.submit(mine, mine.form(action="/ask-home"), {})
        waits = await self._robin.visitor.until(CARE, lambda page: bool(_CASE.search(page.html)))
        there = await self._robin.visitor.open(_case_in(waits))
        if told := [each for each in (*names, people.WORRY) if each in there.text]:
            raise Lost(f"alder reads at its care desk what birch keeps: {len(told)} words of it")
        await self._robin.visitor.submit(there, there.form(action="/claim"), {})
        await self._maya.visitor.until(ASKED, lambda page: "they look at it" in page.text)

    async def flood(self, thorn: DemoNode, stranger: Guest) -> None:
        """A fourth place, whose advice may act, says very much at once, and then harms birch.

        The flood waits for Maya, whatever the rule says. What thorn says against birch ends all:
        it is not heard, and what its advice did before is over.
        """
        self._nodes = {**self._nodes, "thorn": thorn}
        await stranger.settle(thorn.welcome, people.THORN)
        await self._agree(stranger, "thorn", self._maya, "birch")
        await self._let_advice_act("thorn")
        await _advise(stranger, people.NOISY_AT_FIRST, people.NOISE)
        await self._maya.visitor.until(
            ACTS, lambda page: people.NOISY_AT_FIRST in page.text, seconds=MINUTE
        )
        flood = [f"shop{number:02}.example" for number in range(FLOOD)]
        await _advise_at_once(stranger, flood)
        asks = await self._maya.visitor.until(
            ASKS, lambda page: all(shop in page.text for shop in flood), seconds=MINUTE
        )
        if asks.text.count("They said very much at once.") != FLOOD:
            raise Lost("birch does not say why a flood waits")
        await self._nothing_acts(flood)
        await self._freeze_itself(stranger, flood)

    async def _freeze_itself(self, stranger: Guest, flood: Sequence[str]) -> None:
        birch = self._host("birch").partition(":")[0]
        await _advise(stranger, birch, people.NOISE)
        await self._maya.visitor.until(
            self._pact_with("thorn"), lambda page: "We stopped listening to them." in page.text
        )
        told = await self._maya.visitor.open(LOG)
        why = f"and are not heard {self._host('thorn')} “{birch}”"
        if why not in told.text:
            raise Lost("those who run birch are not told why thorn is not heard")
        await self._maya.visitor.until(
            OVER, lambda page: people.NOISY_AT_FIRST in page.text, seconds=MINUTE
        )
        await self._nothing_acts([*flood, people.NOISY_AT_FIRST])
        asks = await self._maya.visitor.open(ASKS)
        if any(shop in asks.text for shop in flood):
            raise Lost("birch is still asked about what thorn says")

    async def _nothing_acts(self, domains: Collection[str]) -> None:
        acts = await self._maya.visitor.open(ACTS)
        if any(domain in acts.text for domain in domains):
            raise Lost("what thorn says acts at birch")

    def _host(self, node: str) -> str:
        return self._nodes[node].origin.partition("://")[2]

    def _rules(self, node: str) -> str:
        return f"{SIGNALS}/rules/{self._host(node)}"

    def _pact_with(self, node: str) -> str:
        return f"{PACTS}/{self._host(node)}"


async def _advise(keeper: Guest, domain: str, why: str) -> None:
    page = await keeper.visitor.open(ADVICE)
    form = page.form("domain", "policy", action=ADVICE)
    answers = {
        "domain": domain,
        "policy": form.choice("policy", "careful"),
        "label": "predatory-contact",
        "reason": why,
        "cases": "3",
        "until": f"{datetime.now(UTC).date() + timedelta(days=60)}",
    }
    await keeper.visitor.submit(page, form, answers)


async def _advise_at_once(keeper: Guest, domains: Collection[str]) -> None:
    """Say much while nobody may read it, and then let it be read: it comes as one."""
    *most, last = domains
    await _let_read(keeper, "Nobody")
    for domain in most:
        await _advise(keeper, domain, people.NOISE)
    await _let_read(keeper, "Nodes that we have a pact with")
    await _advise(keeper, last, people.NOISE)


async def _let_read(keeper: Guest, who: str) -> None:
    page = await keeper.visitor.open(ADVICE)
    form = page.form("tier")
    await keeper.visitor.submit(page, form, {"tier": form.choice("tier", who)})


def _is_folded(page: Page) -> bool:
    return any(people.LOSS in words for words in page.covers)


def _wishes(care: str) -> dict[str, str | tuple[str, ...]]:
    return {"sends": FLOWS, "takes": FLOWS, "care": care, "retention": "for 90 days"}


def _case_in(queue: Page) -> str:
    """The address of the first case of a care desk's page."""
    if found := _CASE.search(queue.html):
        return found[1]
    raise Lost(f"{queue.url.path} has no case")


def _words(page: Page) -> str:
    """The words that both read to each other, as the page shows them."""
    _, found, rest = page.html.partition('<p class="code" translate="no">')
    if not found:
        raise Lost(f"{page.url.path} has no words to compare")
    return rest.partition("<")[0]
