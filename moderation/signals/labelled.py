"""What this node tells peers of the labels of public posts: changes of its dataset (MOD-5.3).

One change says all labels that a post has by moderators here; the newest counts. What other
servers say is not said again, and of posts that not everybody may read nothing is.
"""

from collections.abc import Sequence
from datetime import date, datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from activitypub.vocab import Document
from kernel.clock import iso
from kernel.errors import Malformed, NotFound
from kernel.here import Here
from kernel.schema.pacts import Tier
from moderation.labels import BY_ID, CSAM
from moderation.pact_terms import midnight
from moderation.saying import Given, Saying, check_link
from moderation.signals import datasets, published
from moderation.signals.published import OWN_CASES, Entry
from moderation.signals.vocabulary import MAX_SUMMARY, OBJECT, RESOURCE, SAYS, Change


async def tell(
    conn: AsyncConnection, here: Here, uri: str, given: Sequence[Given], updated: datetime
) -> None:
    """Peers hear which labels a post has now, in its words of `updated`; of none that it has none.

    Nothing is said again that stands already, nor anything while nobody may read it.
    """
    own = [each for each in given if not each.by_peer and not each.older and each.label != CSAM]
    last = await published.newest_about(conn, uri, OBJECT)
    stands = last is not None and last.kind in SAYS
    if not own:
        if last is not None and stands:
            await _retract(conn, here, last)
        return
    dataset = await datasets.ours(conn, here)
    if dataset.tier is Tier.NOBODY:
        return
    ends = min(each.ends for each in own)
    says = _says(here, uri, own, updated, ends)
    if last is None or not stands or any(last.body.get(name) != says[name] for name in says):
        await published.add(conn, here, Change.ADVISORY, uri, says, ends=ends)


def _says(here: Here, uri: str, own: Sequence[Given], updated: datetime, ends: date) -> Document:
    sources = list(dict.fromkeys(link for each in own for link in each.sources))
    why = " ".join(dict.fromkeys(each.why for each in own if each.why))[:MAX_SUMMARY]
    return {
        "entityKind": OBJECT,
        "entityKey": uri,
        "updated": iso(updated),
        "labels": [f"{here.origin}/labels/{label}" for label in sorted({e.label for e in own})],
        "endTime": iso(midnight(ends)),
        "basis": OWN_CASES,
        "derivedFrom": [],
        "approvals": 1,
        **({"summary": why} if why else {}),
        **({"sources": [*sources]} if sources else {}),
        "appealTo": f"{here.origin}/desk/node",
    }


async def tell_link(conn: AsyncConnection, here: Here, link: str, saying: Saying) -> None:
    """Peers hear what we say of a page of help, such as that its line is old (MOD-5.2).

    Raises Malformed: it is no address of a page, or that says nothing of a page.
    """
    check_link(link)
    if BY_ID[saying.label].blames:
        raise Malformed("That label is for what somebody wrote, not for a page.")
    says: Document = {
        "entityKind": RESOURCE,
        "entityKey": link,
        "labels": [f"{here.origin}/labels/{saying.label}"],
        "endTime": iso(midnight(saying.ends)),
        "basis": OWN_CASES,
        "derivedFrom": [],
        "approvals": 1,
        **({"summary": saying.why} if saying.why else {}),
        **({"sources": [*saying.sources]} if saying.sources else {}),
        "appealTo": f"{here.origin}/desk/node",
    }
    await published.add(conn, here, Change.ADVISORY, link, says, ends=saying.ends)


async def take_back_link(conn: AsyncConnection, here: Here, link: str) -> None:
    """Nothing is said of a page of help any more. Raises NotFound: nothing was."""
    last = await published.newest_about(conn, link, RESOURCE)
    if last is None or last.kind not in SAYS:
        raise NotFound
    await _retract(conn, here, last)


async def _retract(conn: AsyncConnection, here: Here, last: Entry) -> None:
    dataset = await datasets.ours(conn, here)
    says: Document = {
        "entityKind": last.entity_kind,
        "entityKey": last.entity_key,
        "labels": [],
        "retracts": published.change_url(dataset, last.id),
    }
    await published.add(conn, here, Change.RETRACTION, last.entity_key, says, ends=None)
