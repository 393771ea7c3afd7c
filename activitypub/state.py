"""What one running node owns, by name: every door finds it in its application.

Nothing lives at module level, so two nodes fit in one process.
"""

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncEngine

from activitypub.client import Client
from activitypub.deliver import Deliverer
from activitypub.keys import Pool
from activitypub.remote import Remote
from kernel.here import Here
from kernel.settings import Settings

SETTINGS = web.AppKey("settings", Settings)
ENGINE = web.AppKey("engine", AsyncEngine)
READING = web.AppKey("reading", AsyncEngine)  # the same connections, a statement at a time
HERE = web.AppKey("here", Here)
CLIENT = web.AppKey("client", Client)
REMOTE = web.AppKey("remote", Remote)
DELIVERER = web.AppKey("deliverer", Deliverer)
KEYS = web.AppKey("keys", Pool)
