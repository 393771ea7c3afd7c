"""What alerts say, and how they leave: always the same words, by mail or to a webhook (DOM-D13).

No count, title, name, reason or group: the link leads whoever may look to the right desk.
"""

import base64
import hmac
import json
import logging
from collections.abc import Mapping
from enum import Enum
from typing import Final

from aiohttp import web

from activitypub.client import Unreachable
from activitypub.state import CLIENT, ENGINE, HERE, SETTINGS
from kernel import chance
from kernel.errors import Problem
from kernel.schema.alerts import Way
from members import node as node_store
from moderation import alert_channels, alerting
from moderation.alert_channels import Channel
from node import mail, web_push

log = logging.getLogger(__name__)

PATH: Final = "/on-duty/"  # and the id of the place


_GONE: Final = (404, 410)  # of a push service: nobody listens there any more (RFC 8030 §7.3)


class Ended(Unreachable):
    """The browser does not listen any more, and the place is taken off."""


class Words(Enum):
    """Everything that is ever said. `{name}` is the node's, `{link}` leads to the desk."""

    WAITS = "Something is waiting at {name}. {link}"
    URGENT = "Something is waiting at {name}. Please look now. {link}"
    TEST = "This is a test from {name}. {link}"
    CODE = (
        "Somebody would like {name} to write to this address when something is waiting there. "
        "If that is you, type this code on the page: {code}. If not, you need do nothing: "
        "nothing else comes. {link}"
    )


async def send_one(app: web.Application) -> bool:
    """Tell one place that something waits. False: nobody is to be told now."""
    engine, here = app[ENGINE], app[HERE]
    async with engine.begin() as conn:
        await alerting.take_in(conn, here)
        turn = await alerting.claim(conn, here)
        if turn is None:
            await alerting.forget_times(conn, here)
            return False
    try:
        await send(app, turn.channel, Words.URGENT if turn.urgent else Words.WAITS)
    except Unreachable as error:
        log.warning("alerts: one did not arrive (%s)", error.reason)
        async with engine.begin() as conn:
            await alerting.failed(conn, here, turn)
    else:
        async with engine.begin() as conn:
            await alerting.went_out(conn, here, turn)
    return True


async def send(app: web.Application, channel: Channel, words: Words) -> None:
    """Say something at one place; no transaction may be open. Raises Unreachable."""
    here = app[HERE]
    async with app[ENGINE].connect() as conn:
        name = " ".join((await node_store.read(conn)).name.split())
    code = alert_channels.code(here, channel.id) if words is Words.CODE else ""
    text = words.value.format(name=name, link=f"{here.origin}{PATH}{channel.id}", code=code)
    if channel.way is Way.WEBHOOK:
        await _post(app, channel, text)
        return
    if channel.way is Way.PUSH:
        await _push(app, channel, name, words)
        return
    if (smtp := app[SETTINGS].smtp) is None:
        raise Unreachable("no mail server is set")
    await mail.send(smtp, here, to=channel.target, subject=f"Message from {name}", words=text)


async def _post(app: web.Application, channel: Channel, text: str) -> None:
    """POST it through the guarded client: no private address, no redirect (SEC-R4)."""
    body = json.dumps({"text": text}).encode()
    headers = {"Content-Type": "application/json", **signed(app, channel.secret, body)}
    try:
        answer = await app[CLIENT].post(channel.target, body, signer=None, also=headers)
    except Problem as error:
        raise Unreachable("address not allowed") from error
    if not 200 <= answer.status < 300:
        raise Unreachable(f"status {answer.status}", status=answer.status)


async def _push(app: web.Application, channel: Channel, name: str, words: Words) -> None:
    """To a browser, through the guarded client. Raises Ended: it does not want any more."""
    here = app[HERE]
    text = words.value.format(name=name, link="", code="").strip()
    shown = {"title": name, "body": text, "link": f"{PATH}{channel.id}"}
    body = web_push.seal(web_push.Browser.stored(channel.secret), shown)
    also = web_push.headers(here, channel.target, urgent=words is Words.URGENT)
    try:
        answer = await app[CLIENT].post(channel.target, body, signer=None, also=also)
    except Problem as error:
        raise Unreachable("address not allowed") from error
    if answer.status in _GONE:
        async with app[ENGINE].begin() as conn:
            await alert_channels.end(conn, channel.id)
        raise Ended("the browser ended it", status=answer.status)
    if not 200 <= answer.status < 300:
        raise Unreachable(f"status {answer.status}", status=answer.status)


def signed(app: web.Application, secret: str, body: bytes) -> Mapping[str, str]:
    """Headers that prove that it is from us, and from now: as Standard Webhooks has them."""
    number, at = f"msg_{chance.new_uuid()}", str(int(app[HERE].now().timestamp()))
    content = b".".join([number.encode(), at.encode(), body])
    mark = base64.b64encode(hmac.digest(base64.b64decode(secret), content, "sha256")).decode()
    return {"webhook-id": number, "webhook-timestamp": at, "webhook-signature": f"v1,{mark}"}
