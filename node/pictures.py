"""What a node needs for pictures, by name."""

from aiohttp import web

from activitypub.state import CLIENT, ENGINE, HERE, REMOTE, SETTINGS
from kernel.settings import Settings
from media import copies, pictures
from media.bucket import Bucket
from media.copies import Copier
from media.folder import Folder
from media.store import Store
from media.studio import Studio

STORE: web.AppKey[Store] = web.AppKey("media store")
STUDIO = web.AppKey("media studio", Studio)
COPIER = web.AppKey("media copier", Copier)
SWEEPER = web.AppKey("media sweeper", pictures.Sweeper)


def store_of(settings: Settings) -> Store:
    """Where a node with these settings keeps its pictures."""
    return Folder(settings.media) if settings.s3 is None else Bucket.of(settings.s3)


def prepare(app: web.Application) -> None:
    """Give a node's application its pictures and those who work on it."""
    engine, here = app[ENGINE], app[HERE]
    app[STORE], app[STUDIO] = store_of(app[SETTINGS]), Studio()
    app[SWEEPER] = pictures.Sweeper(engine, here, app[STORE])
    app[COPIER] = Copier(
        engine=engine,
        here=here,
        client=app[CLIENT],
        remote=app[REMOTE],
        store=app[STORE],
        studio=app[STUDIO],
        scratch=app[SETTINGS].data_dir,
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
