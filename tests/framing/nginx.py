"""nginx in front of a node, with the configuration that the pages give."""

import asyncio
import os
import re
import shutil
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.certificates import self_signed
from tests.framing.raw import Way
from tests.node.processes import free_port

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "tls-and-proxy.md"
_AROUND = """
daemon off; master_process off; worker_processes 1; {user}
pid {at}/pid; error_log {at}/error.log;
events {{ worker_connections 512; }}
http {{
  client_body_temp_path {at}/body; proxy_temp_path {at}/proxy; fastcgi_temp_path {at}/fastcgi;
  uwsgi_temp_path {at}/uwsgi; scgi_temp_path {at}/scgi;
  {servers}
}}
"""


def program() -> str:
    """Where nginx is. Where there is none the test is skipped, but not on the checks' machine."""
    found = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
    if found is None and os.environ.get("CI") == "true":
        pytest.fail("nginx is not installed: the checks need it (apt-get install nginx-light)")
    if found is None:
        pytest.skip("nginx is not installed (apt-get install nginx-light)")
    return found


def shipped() -> str:
    """The page's nginx configuration, as it stands there."""
    found = re.search(r"^```nginx\n(.*?)^```", PAGE.read_text(), re.M | re.S)
    assert found is not None
    return found[1]


@asynccontextmanager
async def before(port: int, at: Path) -> AsyncIterator[Way]:
    """A proxy in front of the node on `port`; only places and ports differ from the page."""
    tls, plain, certificate = free_port(), free_port(), self_signed(at / "alder.pem", "alder.test")
    servers = shipped()
    for there, here in (
        ("listen 443", f"listen 127.0.0.1:{tls}"),
        ("listen [::]:443", f"listen [::1]:{tls}"),
        ("listen 80", f"listen 127.0.0.1:{plain}"),
        ("listen [::]:80", f"listen [::1]:{plain}"),
        ("/etc/letsencrypt/live/alder.example/fullchain.pem", str(certificate)),
        ("/etc/letsencrypt/live/alder.example/privkey.pem", str(certificate)),
        ("/var/log/nginx/alder.error.log", str(at / "alder.error.log")),
        ("http://127.0.0.1:8080", f"http://127.0.0.1:{port}"),
        ("alder.example", "alder.test"),
    ):
        assert there in servers
        servers = servers.replace(there, here)
    if not socket.has_dualstack_ipv6():
        servers = re.sub(r"^ *listen \[::1\].*\n", "", servers, flags=re.M)
    user = "user root;" if os.geteuid() == 0 else ""
    settings = at / "nginx.conf"
    settings.write_text(_AROUND.format(at=at, user=user, servers=servers))
    process = await asyncio.create_subprocess_exec(
        program(), "-p", str(at), "-c", str(settings), "-e", str(at / "error.log")
    )
    try:
        way = Way(tls, ssl.create_default_context(cafile=str(certificate)))
        await _listening(way, process, at)
        yield way
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def _listening(way: Way, process: asyncio.subprocess.Process, at: Path) -> None:
    async with asyncio.timeout(20):
        while True:
            assert process.returncode is None, (at / "error.log").read_text()
            try:
                _, writer = await way.open()
            except OSError:
                await asyncio.sleep(0.02)
            else:
                writer.close()
                return
