"""A browser is told that something waits, sealed for it alone (RFC 8291, RFC 8292, DOM-D13)."""

import base64
import json
import os

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from node import web_push
from tests.pages.people import Answer
from tests.pages.test_alerts import GROUP, Duty, duty
from tests.peer import Posted

__all__ = ["duty"]


def text(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def plain(value: str) -> bytes:
    return base64.urlsafe_b64decode(value + "=" * (-len(value) % 4))


class Phone:
    """A browser that asked to be told, at a push service on loopback."""

    def __init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.secret = os.urandom(16)

    @property
    def point(self) -> bytes:
        public = self.key.public_key()
        return public.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)

    async def subscribe(self, duty: Duty, **other: str) -> Answer:
        """As `push.js` sends the form of the page."""
        fields = {
            "way": "push", "label": "phone", "pace": "15",
            "target": f"{duty.chat.origin}/push/abc", "point": text(self.point),
            "secret": text(self.secret), **other,
        }  # fmt: skip
        return await duty.ana.send("POST", GROUP, fields)

    def read(self, posted: Posted) -> dict[str, str]:
        found: dict[str, str] = json.loads(web_push.unseal(self.key, self.secret, posted.body))
        return found


async def test_dom_D13_a_browser_is_told_that_something_waits_and_nobody_else_can_read_it(
    duty: Duty,
) -> None:
    phone, duty.chat.answers = Phone(), [201, 201, 201]
    added = await phone.subscribe(duty)
    assert "A test is on its way" in added.text
    assert text(phone.secret) not in added.html
    (test,) = await duty.alerts()
    assert phone.read(test)["body"] == "This is a test from Alder House."
    await duty.report("one")
    (told,) = await duty.alerts()
    assert phone.read(told)["title"] == "Alder House"
    assert phone.read(told)["body"] == "Something is waiting at Alder House."
    link = phone.read(told)["link"]
    assert (await duty.ana.open(link)).location == "/g/open/desk"
    assert (await duty.ben.open(link)).status == 404
    assert len(test.body) == len(told.body)
    sent = dict(told.headers)
    assert (sent["Content-Encoding"], sent["TTL"]) == ("aes128gcm", str(web_push.LASTS))
    assert b"waiting" not in told.body
    plainly = {name: value for name, value in told.headers if name != "Authorization"}
    for name in ("ben", "open", "thread", "night", "report", "waiting"):  # the proof is random text
        assert name not in str(plainly).lower()
    with pytest.raises(ValueError, match="somebody else"):
        web_push.unseal(Phone().key, phone.secret, told.body)

    # the proof of RFC 8292: for this service, not for long, by the key that the page names
    scheme, token, key = sent["Authorization"].replace("t=", "").replace("k=", "").split(" ")
    head, said, mark = token.rstrip(",").split(".")
    claims = json.loads(plain(said))
    assert (scheme, json.loads(plain(head))["alg"]) == ("vapid", "ES256")
    assert claims["aud"] == duty.chat.origin
    now = duty.node.here.now().timestamp()
    assert now < claims["exp"] <= now + 24 * 60 * 60
    page = await duty.ana.open(GROUP)
    assert f'data-push="{key}"' in page.html
    public = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), plain(key))
    signature = plain(mark)
    numbers = (int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big"))
    public.verify(encode_dss_signature(*numbers), f"{head}.{said}".encode(), ec.ECDSA(SHA256()))
    with pytest.raises(InvalidSignature):
        public.verify(encode_dss_signature(*numbers), f"{head}.x".encode(), ec.ECDSA(SHA256()))


async def test_a_browser_that_listens_no_more_is_taken_off_and_bad_keys_are_refused(
    duty: Duty,
) -> None:
    phone, duty.chat.answers = Phone(), [201, 410]
    for wrong in ({"point": "AAAA"}, {"secret": "AAAA"}, {"point": "&&"}, {"point": "B" * 87}):
        refused = await phone.subscribe(duty, **wrong)
        assert (refused.status, "Your browser gave us nothing" in refused.text) == (400, True)
    assert (await phone.subscribe(duty)).status == 200
    page = await duty.ana.open(GROUP)
    assert "In a browser" in page.text
    await duty.alerts()
    await duty.report("one")
    assert len(await duty.alerts()) == 1
    assert "None so far." in (await duty.ana.open(GROUP)).text


async def test_the_script_that_shows_alerts_stays_at_one_address(duty: Duty) -> None:
    found = await duty.ben.open("/on-duty/worker.js")
    assert found.status == 200
    assert found.headers["Content-Type"].startswith("text/javascript")
    assert found.headers["Cache-Control"] == "no-cache"
    assert b"showNotification" in found.body
    assert b"fetch(" not in found.body


def test_rfc8291_what_a_browser_gave_is_read_strictly() -> None:
    phone = Phone()
    read = web_push.Browser.read(text(phone.point), text(phone.secret))
    assert web_push.Browser.stored(read.store()) == read
    with pytest.raises(ValueError, match="key"):
        web_push.Browser.read(text(phone.point[:33]), text(phone.secret))
    # the example of RFC 8291, section 5
    key = ec.derive_private_key(
        int.from_bytes(plain("q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94"), "big"), ec.SECP256R1()
    )
    body = plain(
        "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIg"
        "Dll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXL"
        "WyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
    )
    found = web_push.unseal(key, plain("BTBZMqHH6r4Tts7J_aSIgg"), body)
    assert found == b"When I grow up, I want to be a watermelon"
