"""Members for tests: cheap to make, and otherwise as real as any."""

from functools import lru_cache

from sqlalchemy.ext.asyncio import AsyncEngine

from activitypub.actors import Actor
from activitypub.keys import KeyPair, generate
from kernel.here import Here
from kernel.schema.accounts import AccountState
from members import accounts, personas
from members.accounts import Prepared
from members.member import Member
from members.vault import Cost

CHEAP = Cost(memory=8, passes=1)
PASSWORD = "seven small grey stones"


@lru_cache
def keys() -> KeyPair:
    """One pair for all: whose key it is does not matter here."""
    return generate()


async def sign_up(
    engine: AsyncEngine,
    here: Here,
    login: str = "ana-at-night",
    *,
    password: str = PASSWORD,
    roles: frozenset[str] = frozenset(),
    state: AccountState = AccountState.ACTIVE,
    request: str = "",
) -> Prepared:
    """An account as a sign-up makes it."""
    prepared = await accounts.prepare(here, login=login, password=password, roles=roles, cost=CHEAP)
    async with engine.begin() as conn:
        await accounts.insert(conn, here, prepared, state=state, request=request)
    return prepared


async def log_in(
    engine: AsyncEngine, here: Here, login: str = "ana-at-night", password: str = PASSWORD
) -> Member:
    """Raises NotAllowed: as `accounts.log_in`."""
    return await accounts.log_in(engine, here, login, password, cost=CHEAP)


async def persona(engine: AsyncEngine, here: Here, member: Member, handle: str) -> Actor:
    """A persona, in a transaction of its own."""
    async with engine.begin() as conn:
        return await personas.create(conn, here, member, handle=handle, name="", keys=keys())
