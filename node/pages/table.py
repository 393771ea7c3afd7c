"""Every page, in one table."""

from aiohttp import web
from aiohttp.typedefs import Middleware


def routes() -> list[web.RouteDef]:
    """The addresses people use; `node.app` joins documents to those that servers ask for too."""
    return []


def middlewares() -> list[Middleware]:
    """What stands before every page, outermost first."""
    return []
