"""The story the demo tells, and proves: a thread crosses three nodes and stays one thread.

Every step does what a person would do, on the pages, and reads the outcome back from another node.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass

from aiohttp import ClientError

from node.demo import people
from node.demo.guest import Guest
from node.demo.nodes import LATER, DemoNode, three_nodes
from node.demo.people import COMMUNITIES, Community, Person
from node.demo.trust import Trust
from node.demo.visitor import Lost, Page, Visitor

MOST_POSTS = 12  # while a node is cut off: a thread's page holds fifty
SECONDS_TO_RETURN = 90.0  # a peer that did not answer rests for about a minute


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happens, in words for whoever watches."""

    name: str
    work: Callable[[], Awaitable[None]]


class Story:
    """What has happened so far; everything opened is closed with `stack`."""

    def __init__(self, stack: AsyncExitStack) -> None:
        self._stack = stack
        self.nodes: dict[str, DemoNode] = {}
        self._guests: dict[str, Guest] = {}
        self._paths: dict[str, str] = {}  # the thread's path at each node
        self._labelled = ""  # a post at alder
        self.steps: Sequence[Step] = [
            Step("Three nodes start", self.start_nodes),
            Step("People, groups and a clinic settle in", self.settle_in),
            Step("Ben at birch joins the group at alder", self.birch_joins),
            Step("Cleo at cedar joins it too", self.cedar_joins),
            Step("Ana at alder starts a thread", self.ana_starts),
            Step("It can be read at birch", self.birch_reads),
            Step("Ben answers from birch", self.ben_answers),
            Step("His answer can be read at alder", self.alder_reads),
            Step("And at cedar", self.cedar_reads),
            Step("An edit at alder reaches birch and cedar", self.edit_travels),
            Step("Words taken back at birch are gone at cedar", self.delete_travels),
            Step("birch is cut off while Ben posts, and nothing is lost", self.survive_a_crash),
            Step("alder and birch make a pact", lambda: self._trust.pact()),
            Step("alder labels a post, and at birch it shows who says so", self.label_shows),
            Step("birch lets that label fold it for Ben", self.label_folds),
            Step("alder takes the label off, and it stands open again", self.label_goes),
            Step("alder advises, and birch hears of it", lambda: self._trust.advise()),
            Step("birch sees what that would do, and lets it", lambda: self._trust.let_act()),
            Step("alder takes it back, and at birch it ends", lambda: self._trust.take_back()),
            Step("birch is worried about Ana, and alder hears it of nobody", self.ask_for_care),
            Step("thorn floods birch, nothing of it acts, and thorn is frozen", self.flood),
            Step("Every node shows its pages", self.look_around),
        ]

    @property
    def guests(self) -> Sequence[Guest]:
        """Everybody who lives here, node by node."""
        return list(self._guests.values())

    async def start_nodes(self) -> None:
        self.nodes = await self._stack.enter_async_context(three_nodes())
        for community in COMMUNITIES:
            for person in (community.keeper, *community.people):
                visitor = Visitor(self.nodes[community.node].origin)
                await self._stack.enter_async_context(visitor)
                self._guests[person.handle] = Guest(
                    person=person, node=community.node, visitor=visitor
                )

    async def settle_in(self) -> None:
        await asyncio.gather(*(self._settle(community) for community in COMMUNITIES))

    async def _settle(self, community: Community) -> None:
        keeper = self._guest(community.keeper)
        await keeper.settle(self.nodes[community.node].welcome, community)
        await keeper.take_name()
        await keeper.found_group(community)
        await keeper.start(community.group, community.thread, community.opening)
        invitation = await keeper.invite()
        for person in community.people:
            guest = self._guest(person)
            await guest.sign_up(invitation)
            await guest.take_name()
            await guest.join(community.group)
            if person is people.CLINIC:
                await guest.start(community.group, people.CLINIC_THREAD, people.CLINIC_WORDS)

    async def birch_joins(self) -> None:
        await self._join_from_away(people.BEN)

    async def cedar_joins(self) -> None:
        await self._join_from_away(people.CLEO)

    async def _join_from_away(self, person: Person) -> None:
        guest = self._guest(person)
        await guest.find_group(f"@{self._group}")
        await guest.join(self._group)
        await guest.visitor.until(
            f"/g/{self._group}/new", lambda page: any("text" in form.names for form in page.forms)
        )

    async def ana_starts(self) -> None:
        self._paths["alder"] = await self._ana.start("sleep", people.THREAD, people.WORDS)

    async def birch_reads(self) -> None:
        self._paths["birch"] = await self._ben.find_thread(self._group, people.THREAD)
        await self._ben.reads(self._paths["birch"], lambda text: people.WORDS in text)

    async def ben_answers(self) -> None:
        await self._ben.reply(self._paths["birch"], people.ANSWER)

    async def alder_reads(self) -> None:
        await self._ana.reads(self._paths["alder"], lambda text: people.ANSWER in text)

    async def cedar_reads(self) -> None:
        self._paths["cedar"] = await self._cleo.find_thread(self._group, people.THREAD)
        await self._cleo.reads(self._paths["cedar"], lambda text: people.ANSWER in text)

    async def edit_travels(self) -> None:
        post = await self._ana.reply(self._paths["alder"], people.BEFORE_EDIT)
        await asyncio.gather(
            *(
                guest.reads(self._paths[guest.node], lambda text: people.BEFORE_EDIT in text)
                for guest in (self._ben, self._cleo)
            )
        )
        await self._ana.edit(post, people.AFTER_EDIT)
        await asyncio.gather(
            *(
                guest.reads(
                    self._paths[guest.node],
                    lambda text: people.AFTER_EDIT in text and people.BEFORE_EDIT not in text,
                )
                for guest in (self._ben, self._cleo)
            )
        )

    async def delete_travels(self) -> None:
        post = await self._ben.reply(self._paths["birch"], people.TAKEN_BACK)
        await self._cleo.reads(self._paths["cedar"], lambda text: people.TAKEN_BACK in text)
        await self._ben.take_back(post)
        await asyncio.gather(
            *(
                guest.reads(self._paths[guest.node], lambda text: people.TAKEN_BACK not in text)
                for guest in (self._ana, self._cleo)
            )
        )

    async def survive_a_crash(self, victim: str = "birch") -> None:
        """What birch answered for while `victim` was killed is there afterwards, everywhere."""
        acknowledged: list[str] = []
        under_way, over = asyncio.Event(), asyncio.Event()

        async def post_on() -> None:
            for number in range(1, MOST_POSTS + 1):
                words = people.KEPT.format(number=number, victim=victim)
                await self._ben.reply(self._paths["birch"], words)
                acknowledged.append(words)
                if number == 3:
                    under_way.set()
                if over.is_set():
                    return

        posting = asyncio.create_task(post_on())
        waiting = asyncio.create_task(under_way.wait())
        await asyncio.wait([posting, waiting], return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        await self.nodes[victim].kill()
        if victim == "birch":
            with contextlib.suppress(Lost, ClientError, OSError, TimeoutError):
                await posting
        await self.nodes[victim].start()
        over.set()
        if victim != "birch":
            await posting

        def holds_all(text: str) -> bool:
            return all(words in text for words in acknowledged)

        if not acknowledged:
            raise Lost(f"birch took no post before {victim} was cut off")
        await self._ben.reads(self._paths["birch"], holds_all)
        await self._ana.reads(self._paths["alder"], holds_all, seconds=SECONDS_TO_RETURN)
        await self._cleo.reads(self._paths["cedar"], holds_all, seconds=SECONDS_TO_RETURN)

    async def label_shows(self) -> None:
        self._labelled = await self._ana.reply(self._paths["alder"], people.LOSS)
        await self._ben.reads(self._paths["birch"], lambda text: people.LOSS in text)
        await self._trust.label(self._labelled)
        await self._ben_sees(lambda page: self._trust.is_labelled(page, folded=False))

    async def label_folds(self) -> None:
        await self._trust.let_fold()
        await self._ben_sees(lambda page: self._trust.is_labelled(page, folded=True))

    async def label_goes(self) -> None:
        await self._trust.take_label_off(self._labelled)
        await self._ben_sees(self._trust.is_open)

    async def _ben_sees(self, holds: Callable[[Page], bool]) -> None:
        await self._ben.visitor.until(self._paths["birch"], holds)

    async def ask_for_care(self) -> None:
        names = [guest.person.name for guest in self.guests if guest.node == "birch"]
        await self._trust.ask_for_care(self._paths["birch"], names)

    async def flood(self) -> None:
        thorn = self.nodes[LATER]
        await thorn.start()
        visitor = await self._stack.enter_async_context(Visitor(thorn.origin))
        stranger = Guest(person=people.THORN.keeper, node=LATER, visitor=visitor)
        await self._trust.flood(thorn, stranger)

    async def look_around(self) -> None:
        for community in COMMUNITIES:
            keeper = self._guest(community.keeper)
            for path in ("/", "/groups", f"/g/{community.group}", "/help"):
                page = await keeper.visitor.open(path)
                if page.status != 200:
                    raise Lost(f"{path} at {community.node} answered {page.status}")

    def _guest(self, person: Person) -> Guest:
        return self._guests[person.handle]

    @property
    def _group(self) -> str:
        """Alder's group as the other nodes call it."""
        return f"sleep@{self.nodes['alder'].origin.partition('://')[2]}"

    @property
    def _trust(self) -> Trust:
        robin, maya = (self._guest(community.keeper) for community in COMMUNITIES[:2])
        return Trust(self.nodes, robin, maya)

    @property
    def _ana(self) -> Guest:
        return self._guest(people.ANA)

    @property
    def _ben(self) -> Guest:
        return self._guest(people.BEN)

    @property
    def _cleo(self) -> Guest:
        return self._guest(people.CLEO)
