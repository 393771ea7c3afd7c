"""What an operator decides before the node runs; `docs/reference/settings.md` lists it all.

`hearthold.toml` in the data directory holds settings, `HEARTHOLD_*` variables win over it, and
options of the command line win over both. Whatever is wrong is named with the place it stands in.
"""

import difflib
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import urlsplit

from kernel.errors import Misconfigured
from kernel.mail_address import is_address

Network = IPv4Network | IPv6Network

FILE: Final = "hearthold.toml"
LOOPBACK: Final[tuple[Network, ...]] = (ip_network("127.0.0.0/8"), ip_network("::1/128"))

NEW_PER_HOUR: Final = 300  # from one server that nobody here has to do with,
ACTORS_PER_HOUR: Final = 100  # and of its actors, or of those that it names

_HOST = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)(\.(?!-)[a-z0-9-]{1,63}(?<!-))*")
_BUCKET: Final = frozenset({"s3_bucket", "s3_endpoint", "s3_key_id", "s3_secret"})
_SMTP_TLS = ("starttls", "tls", "none")
READERSHIPS: Final = ("nobody", "members", "everybody")
_LEVELS = ("debug", "info", "warning", "error")


def default_directory(environ: Mapping[str, str]) -> Path:
    """Where a node keeps its data unless told otherwise: `$HEARTHOLD_DATA`, or the XDG place."""
    if chosen := environ.get("HEARTHOLD_DATA"):
        return Path(chosen).expanduser()
    return Path(environ.get("XDG_DATA_HOME") or "~/.local/share").expanduser() / "hearthold"


@dataclass(frozen=True, slots=True, kw_only=True)
class S3:
    """A bucket of an S3-compatible store, and the key that opens it."""

    bucket: str
    endpoint: str
    region: str
    key_id: str
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Smtp:
    """The server that takes our mail; `tls` is one of `starttls`, `tls` and `none`."""

    host: str
    port: int
    sender: str
    tls: str
    user: str | None
    password: str | None = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """A node's settings, checked. `origin` has no slash at its end; None: the node knows it."""

    data_dir: Path
    origin: str | None = None
    listen_host: str = "127.0.0.1"
    listen_port: int = 8080
    database_url: str | None = field(default=None, repr=False)
    allow_networks: tuple[Network, ...] = ()
    trusted_proxies: tuple[Network, ...] = ()
    metrics_listen: tuple[str, int] | None = None
    signed_fetch: bool = False
    media_origin: str | None = None
    s3_bucket: str | None = None
    s3_endpoint: str | None = None
    s3_region: str = "us-east-1"
    s3_key_id: str | None = None
    s3_secret: str | None = field(default=None, repr=False)
    smtp_host: str | None = None
    smtp_port: int = 587
    smtp_user: str | None = None
    smtp_password: str | None = field(default=None, repr=False)
    smtp_from: str | None = None
    smtp_tls: str = "starttls"
    new_per_hour: int = NEW_PER_HOUR
    actors_per_hour: int = ACTORS_PER_HOUR
    release_delay: bool = True
    tended_within: int = 14
    decisions_fade: int = 90
    reports_a_day: int = 30
    protected_domains: tuple[str, ...] = ()
    show_domain_blocks: str = "nobody"
    leave_url: str = "https://www.wikipedia.org/"
    log_level: str = "info"

    @property
    def since(self) -> Path:
        """The folder that says what happened since any backup; a restore wants a copy of it."""
        return self.data_dir / "since"

    @property
    def media(self) -> Path:
        """The folder with pictures: see `media.store`."""
        return self.data_dir / "media"

    @property
    def s3(self) -> S3 | None:
        """The bucket that holds pictures; None: the folder does."""
        if not (self.s3_bucket and self.s3_endpoint and self.s3_key_id and self.s3_secret):
            return None
        return S3(
            bucket=self.s3_bucket,
            endpoint=self.s3_endpoint,
            region=self.s3_region,
            key_id=self.s3_key_id,
            secret=self.s3_secret,
        )

    @property
    def smtp(self) -> Smtp | None:
        """The server that takes our mail; None: this node sends none."""
        if not (self.smtp_host and self.smtp_from):
            return None
        return Smtp(
            host=self.smtp_host,
            port=self.smtp_port,
            sender=self.smtp_from,
            tls=self.smtp_tls,
            user=self.smtp_user,
            password=self.smtp_password,
        )

    @property
    def tombstones(self) -> Path:
        """The log of what must stay gone."""
        return self.since / "tombstones.log"

    @classmethod
    def load(
        cls,
        data_dir: Path,
        environ: Mapping[str, str],
        options: Mapping[str, str | None] | None = None,
    ) -> Self:
        """Settings from the file, the environment and `options` (`origin`, `listen`: as typed).

        Raises Misconfigured: a setting is unknown or cannot be read, and where it stands.
        """
        found: dict[str, Any] = {}
        for place, name, value in (
            *_from_file(data_dir / FILE),
            *_from_environment(environ),
            *_from_options(options or {}),
        ):
            try:
                found[name] = _READERS[name](value)
            except ValueError as error:
                raise Misconfigured(f"{place}: {error}") from error
        if (named := _BUCKET & found.keys()) and (lacking := sorted(_BUCKET - named)):
            raise Misconfigured(
                f"Pictures cannot go into a bucket: set {', '.join(lacking)} too, or leave out "
                f"{', '.join(sorted(named))}."
            )
        _check_smtp(found)
        settings = cls(data_dir=data_dir, **found)
        return settings if settings.origin is None else settings.with_origin(settings.origin)

    def with_origin(self, origin: str) -> Self:
        """These settings for a node at `origin`; `http://localhost` may reach this computer.

        Raises Misconfigured: plain http where no address range allows it (DESIGN decision 7).
        """
        parts = urlsplit(origin)
        allowed = self.allow_networks
        if parts.scheme == "http" and not allowed:
            if not is_loopback(parts.hostname or ""):
                raise Misconfigured(
                    f"{origin} is plain http, which is for trying things out: set allow_networks "
                    "to the addresses such nodes may use, for example ['127.0.0.0/8']."
                )
            allowed = LOOPBACK
        return replace(self, origin=origin, allow_networks=allowed)


def is_loopback(host: str) -> bool:
    """Whether `host` is this computer and nothing else: `localhost` or a loopback address."""
    if host == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _from_file(path: Path) -> Iterator[tuple[str, str, object]]:
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise Misconfigured(f"{path} cannot be read: {reason}.") from error
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        line = re.search(r"line (\d+)", str(error))
        place = f"{path}, line {line[1] if line else text.count(chr(10)) + 1}"
        raise Misconfigured(f"{place}: this line is not TOML.") from error
    for name, value in values.items():
        place = f"{path}, line {_line_of(name, text)}"
        if name not in _READERS:
            raise Misconfigured(f"{place}: {_unknown(name, _READERS)}")
        yield f"{place}, {name}", name, value


def _line_of(name: str, text: str) -> int:
    """Where a top-level name is set, counted from 1."""
    here = re.compile(rf"""\s*\[*\s*["']?{re.escape(name)}["']?\s*[=.\]]""")
    return next((n for n, line in enumerate(text.splitlines(), 1) if here.match(line)), 1)


def _from_environment(environ: Mapping[str, str]) -> Iterator[tuple[str, str, object]]:
    known = {f"HEARTHOLD_{name.upper()}": name for name in _READERS if name != "database_url"}
    known["DATABASE_URL"] = "database_url"
    for variable, value in environ.items():
        if variable in known:
            if value:
                yield variable, known[variable], value
        elif variable.startswith("HEARTHOLD_") and variable != "HEARTHOLD_DATA":
            raise Misconfigured(f"{variable}: {_unknown(variable, known)}")


def _from_options(options: Mapping[str, str | None]) -> Iterator[tuple[str, str, object]]:
    for option, value in options.items():
        if value is None:
            continue
        if option == "listen":
            host, separator, port = value.rpartition(":")
            if not separator:
                raise Misconfigured("--listen: write HOST:PORT, for example 127.0.0.1:8080.")
            yield "--listen", "listen_host", host
            yield "--listen", "listen_port", port
        else:
            yield f"--{option}", option, value


def _check_smtp(found: Mapping[str, Any]) -> None:
    """Mail goes out over TLS, or does not leave this computer. Raises Misconfigured."""
    if ("smtp_host" in found) != ("smtp_from" in found):
        raise Misconfigured("Mail needs both smtp_host and smtp_from: set the other one too.")
    if ("smtp_user" in found) != ("smtp_password" in found):
        raise Misconfigured("Set both smtp_user and smtp_password, or neither.")
    if found.get("smtp_tls") == "none" and not is_loopback(found.get("smtp_host", "localhost")):
        raise Misconfigured(
            "smtp_tls: only mail to this computer itself may go without TLS. Write starttls or tls."
        )


def _unknown(name: str, known: Mapping[str, object]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    hint = f" Did you mean {near[0]}?" if near else ""
    return f"there is no setting of that name.{hint}"


def _word(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError("write some text in quotation marks.")
    return value.strip()


def read_origin(value: object) -> str:
    """An origin in its one spelling. Raises ValueError: what to write instead."""
    text = _word(value).removesuffix("/")
    try:
        parts = urlsplit(text.lower())
        host, port = parts.hostname or "", parts.port
    except ValueError:
        parts, host, port = urlsplit(""), "", None
    bare = host if ":" not in host else ""
    if parts.scheme not in ("https", "http") or not (
        _HOST.fullmatch(bare) or (":" in host and is_loopback(host))
    ):
        raise ValueError(
            "write the address people will type, for example https://alder.example "
            "(names with other letters in their xn-- form)."
        )
    if parts.path or parts.query or parts.fragment or parts.username is not None:
        raise ValueError("only https:// and the name, with nothing after it.")
    if parts.scheme == "http" and not (is_loopback(host) or host.endswith((".localhost", ".test"))):
        raise ValueError("the address must begin with https://.")
    shown = f"[{host}]" if ":" in host else host
    default = 443 if parts.scheme == "https" else 80
    return f"{parts.scheme}://{shown}" + (f":{port}" if port and port != default else "")


def _smtp_host(value: object) -> str:
    host = _word(value).lower()
    if not _HOST.fullmatch(host):
        raise ValueError("write the name of your mail server, for example mail.alder.example.")
    return host


def _mail_address(value: object) -> str:
    address = _word(value)
    if not is_address(address):
        raise ValueError("write one e-mail address and no more, such as desk@alder.example.")
    return address


def _smtp_tls(value: object) -> str:
    if (way := _word(value).lower()) not in _SMTP_TLS:
        raise ValueError(f"write one of {', '.join(_SMTP_TLS)}.")
    return way


def _bucket(value: object) -> str:
    name = _word(value)
    if not re.fullmatch(r"[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]", name):
        raise ValueError("write the name of a bucket: 3 to 63 small letters, digits, dots, dashes.")
    return name


def _endpoint(value: object) -> str:
    """The store's address without a path: buckets are named behind it."""
    text = _word(value).removesuffix("/")
    try:
        parts = urlsplit(text)
        whole = parts.scheme in ("https", "http") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        whole = False
    if not whole or text != f"{parts.scheme}://{parts.netloc}" or "@" in parts.netloc:
        raise ValueError("write the store's address, for example https://s3.example, with no path.")
    return text


def _listen_host(value: object) -> str:
    host = _word(value).strip("[]")
    try:
        return str(ip_address(host))
    except ValueError:
        if host == "localhost":
            return "127.0.0.1"
        raise ValueError(
            "write an address of this computer, for example 127.0.0.1, or 0.0.0.0 for all of them."
        ) from None


def _port(value: object) -> int:
    text = str(value).strip()
    if isinstance(value, bool) or not re.fullmatch(r"[0-9]{1,5}", text) or int(text) > 65_535:
        raise ValueError("a port is a number from 0 to 65535 (0: any free one).")
    return int(text)


def _an_hour(value: object) -> int:
    text = str(value).strip()
    if isinstance(value, bool) or not re.fullmatch(r"[0-9]{1,7}", text) or int(text) > 1_000_000:
        raise ValueError("write a number of times an hour, up to 1000000 (0: as many as come).")
    return int(text)


def _days(value: object) -> int:
    text = str(value).strip()
    if isinstance(value, bool) or not re.fullmatch(r"[0-9]{1,3}", text) or int(text) > 365:
        raise ValueError("write a number of days, up to 365 (0: for as long as it may take).")
    return int(text)


def _a_day(value: object) -> int:
    text = str(value).strip()
    if isinstance(value, bool) or not re.fullmatch(r"[0-9]{1,4}", text):
        raise ValueError("write how many a day (0: as many as there are).")
    return int(text)


def _host_and_port(value: object) -> tuple[str, int]:
    host, separator, port = _word(value).rpartition(":")
    if not separator:
        raise ValueError("write HOST:PORT, for example 127.0.0.1:9464.")
    return _listen_host(host), _port(port)


def _database_url(value: object) -> str:
    url = _word(value)
    if not url.startswith(("postgresql://", "postgres://", "postgresql+asyncpg://")):
        raise ValueError("write the address of a PostgreSQL: postgresql://user:password@host/name")
    return url


def _networks(value: object) -> tuple[Network, ...]:
    parts = value.split(",") if isinstance(value, str) else value
    if not isinstance(parts, list) or not all(isinstance(part, str) for part in parts):
        raise ValueError("write a list of address ranges, for example ['10.0.0.0/8'].")
    ranges = []
    for part in filter(None, map(str.strip, parts)):
        try:
            network = ip_network(part)
        except ValueError:
            raise ValueError(f"{part!r} is not an address range such as 10.0.0.0/8.") from None
        if not network.prefixlen:
            raise ValueError("that is every address there is: name the ranges that are yours.")
        ranges.append(network)
    return tuple(ranges)


def _yes_or_no(value: object) -> bool:
    if isinstance(value, bool):
        return value
    answers = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    if (word := str(value).strip().lower()) not in answers:
        raise ValueError("write true or false.")
    return answers[word]


def _leave_url(value: object) -> str:
    url = _word(value)
    try:
        parts = urlsplit(url)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme != "https" or not parts.hostname or not url.isprintable() or " " in url:
        raise ValueError("write a whole address that begins with https://.")
    return url


def _domains(value: object) -> tuple[str, ...]:
    parts = value.split(",") if isinstance(value, str) else value
    if not isinstance(parts, list) or not all(isinstance(part, str) for part in parts):
        raise ValueError("write a list of domains, for example ['clinic.example'].")
    found = tuple(part.strip().lower() for part in parts if part.strip())
    for name in found:
        if "." not in name or not _HOST.fullmatch(name):
            raise ValueError(f"{name!r} is not a domain (other letters in their xn-- form).")
    return found


def _readership(value: object) -> str:
    if (word := _word(value).lower()) not in READERSHIPS:
        raise ValueError(f"write one of {', '.join(READERSHIPS)}.")
    return word


def _level(value: object) -> str:
    if (level := _word(value).lower()) not in _LEVELS:
        raise ValueError(f"write one of {', '.join(_LEVELS)}.")
    return level


_READERS: Final[Mapping[str, Callable[[object], object]]] = {
    "origin": read_origin,
    "listen_host": _listen_host,
    "listen_port": _port,
    "database_url": _database_url,
    "allow_networks": _networks,
    "trusted_proxies": _networks,
    "metrics_listen": _host_and_port,
    "signed_fetch": _yes_or_no,
    "media_origin": read_origin,
    "s3_bucket": _bucket,
    "s3_endpoint": _endpoint,
    "s3_region": _word,
    "s3_key_id": _word,
    "s3_secret": _word,
    "smtp_host": _smtp_host,
    "smtp_port": _port,
    "smtp_user": _word,
    "smtp_password": _word,
    "smtp_from": _mail_address,
    "smtp_tls": _smtp_tls,
    "new_per_hour": _an_hour,
    "actors_per_hour": _an_hour,
    "release_delay": _yes_or_no,
    "tended_within": _days,
    "decisions_fade": _days,
    "reports_a_day": _a_day,
    "leave_url": _leave_url,
    "protected_domains": _domains,
    "show_domain_blocks": _readership,
    "log_level": _level,
}

NAMES: Final = tuple(_READERS)
SECRETS: Final = ("database_url", "s3_secret", "smtp_password")
"""Those that no backup keeps, and nobody but the node's own account may read."""
