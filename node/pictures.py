"""What a node needs for pictures, by name."""

from aiohttp import web

from activitypub.state import CLIENT, ENGINE, HERE, REMOTE, SETTINGS
from media import copies, pictures
from media.copies import Copier
from media.store import Store
from media.studio import Studio

STORE = web.AppKey("media store", Store)
STUDIO = web.AppKey("media studio", Studio)
COPIER = web.AppKey("media copier", Copier)
SWEEPER = web.AppKey("media sweeper", pictures.Sweeper)


def prepare(app: web.Application) -> None:
    """Give a node's application its media directory and those who work on it."""
    engine, here = app[ENGINE], app[HERE]
    app[STORE], app[STUDIO] = Store(app[SETTINGS].media), Studio()
    app[SWEEPER] = pictures.Sweeper(engine, here, app[STORE])
    app[COPIER] = Copier(
        engine=engine,
        here=here,
        client=app[CLIENT],
        budget=app[REMOTE].budget,
        store=app[STORE],
        studio=app[STUDIO],
    )


async def work(app: web.Application) -> bool:
    """Remove what nobody holds, or copy a picture that is due. False: there is nothing to do."""
    if await pictures.remove_gone(app[ENGINE], app[HERE], app[STORE]):
        return True
    return await app[COPIER].copy_one()


async def sweep(app: web.Application) -> None:
    """One round of what is left behind."""
    await app[SWEEPER].sweep()
    await copies.make_room(app[ENGINE])
