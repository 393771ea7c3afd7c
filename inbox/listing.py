"""Collections of other servers, read page by page within a number of pages (SEC-D6)."""

from dataclasses import dataclass

from activitypub.remote import Remote
from activitypub.vocab import Document, id_of
from kernel.urls import same_origin

MAX_PAGES = 20  # in one reading of a thread
MAX_LISTED = 2_000  # ids of one collection


@dataclass(slots=True)
class Lister:
    """Reads collections; all of them together have `pages` left."""

    remote: Remote
    pages: int = MAX_PAGES
    cut: bool = False  # a collection was not read to its end

    async def members(self, document: Document) -> dict[str, None]:
        """The ids in a collection and the pages behind it, in order, each once.

        Raises: as `Remote.document`, where a page cannot be read.
        """
        found: dict[str, None] = {}
        home, seen = str(document.get("id")), set[str]()
        page: Document | None = document
        while page is not None:
            for name in ("orderedItems", "items"):
                items = page.get(name)
                ids = map(id_of, items if isinstance(items, list) else [items])
                found.update(dict.fromkeys(uri for uri in ids if uri))
            if len(found) > MAX_LISTED:
                self.cut = True
                return dict.fromkeys(list(found)[:MAX_LISTED])
            page = await self._behind(page, home, seen)
        return found

    async def _behind(self, page: Document, home: str, seen: set[str]) -> Document | None:
        """The next page: embedded, or read from the same server and not twice."""
        following = page.get("first") or page.get("next")
        if isinstance(following, dict) and ("items" in following or "orderedItems" in following):
            return following
        uri = id_of(following)
        if uri is None or uri in seen or not same_origin(uri, home):
            return None
        if self.pages <= 0 or self.remote.budget.spent:
            self.cut = True
            return None
        seen.add(uri)
        self.pages -= 1
        return await self.remote.document(uri)
