"""Sockets that the node listens on."""

import errno
import socket

from kernel.errors import Misconfigured


def bind(host: str, port: int) -> socket.socket:
    """A socket that listens already: whoever comes while the node starts is answered after.

    Raises Misconfigured: the port is taken, or not for us.
    """
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise Misconfigured(_why_not(error, host, port)) from error
    return listener


def _why_not(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"Port {port} is in use: another program listens there, perhaps this node already. "
            f"Stop that one, or choose another port: --listen {host}:{port + 1}."
        )
    if error.errno == errno.EACCES:
        return f"Port {port} is not for this account. Choose one above 1023: --listen {host}:8080."
    if error.errno == errno.EADDRNOTAVAIL:
        return f"This computer does not have the address {host}. Choose another with --listen."
    return f"The node cannot listen on {host}, port {port}: {error.strerror}."
