"""What operators set, and what they are told when it cannot be read."""

import re
from ipaddress import ip_network
from pathlib import Path

import pytest

from kernel.errors import Misconfigured
from kernel.settings import FILE, LOOPBACK, NAMES, Settings, default_directory

DOCUMENT = Path(__file__).parents[2] / "docs" / "reference" / "settings.md"


def write(directory: Path, text: str) -> None:
    (directory / FILE).write_text(text, encoding="utf-8")


def test_no_file_and_no_variables_give_the_defaults(tmp_path: Path) -> None:
    settings = Settings.load(tmp_path, {})

    assert settings == Settings(data_dir=tmp_path)
    assert settings.release_delay
    assert (settings.listen_host, settings.listen_port) == ("127.0.0.1", 8080)


def test_the_environment_wins_over_the_file_and_options_over_both(tmp_path: Path) -> None:
    write(tmp_path, 'listen_port = 1111\nlog_level = "debug"\norigin = "https://file.example"\n')
    environ = {"HEARTHOLD_LISTEN_PORT": "2222", "HEARTHOLD_ORIGIN": "https://env.example"}

    assert Settings.load(tmp_path, environ).listen_port == 2222
    settings = Settings.load(tmp_path, environ, {"listen": "0.0.0.0:3333", "origin": None})

    assert (settings.listen_host, settings.listen_port) == ("0.0.0.0", 3333)
    assert (settings.origin, settings.log_level) == ("https://env.example", "debug")


def test_networks_are_lists_in_the_file_and_commas_in_the_environment(tmp_path: Path) -> None:
    write(tmp_path, "allow_networks = ['127.0.0.0/8']\n")
    settings = Settings.load(tmp_path, {"HEARTHOLD_TRUSTED_PROXIES": "10.0.0.0/8, ::1/128"})

    assert settings.allow_networks == (ip_network("127.0.0.0/8"),)
    assert settings.trusted_proxies == (ip_network("10.0.0.0/8"), ip_network("::1/128"))


@pytest.mark.parametrize(
    ("given", "read"),
    [("true", True), ("Yes", True), ("1", True), ("false", False), ("no", False), ("0", False)],
)
def test_yes_and_no_may_be_said_in_several_ways(tmp_path: Path, given: str, read: bool) -> None:
    assert Settings.load(tmp_path, {"HEARTHOLD_SIGNED_FETCH": given}).signed_fetch is read
    write(tmp_path, f"signed_fetch = {str(read).lower()}\n")
    assert Settings.load(tmp_path, {}).signed_fetch is read


@pytest.mark.parametrize("name", ["new_per_hour", "actors_per_hour"])
def test_what_strangers_may_bring_is_a_number(tmp_path: Path, name: str) -> None:
    for given in (0, 1, 1_000_000):
        write(tmp_path, f"{name} = {given}\n")
        assert getattr(Settings.load(tmp_path, {}), name) == given
    for odd in ("true", "-1", "1000001", '"many"', "1.5"):
        write(tmp_path, f"{name} = {odd}\n")
        with pytest.raises(Misconfigured, match=f"{name}: write a number"):
            Settings.load(tmp_path, {})


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ('log_level = "info"\n\norign = "x"\n', 3, "Did you mean origin?"),
        ('# origin\norigin = "alder"\n', 2, "https://alder.example"),
        ("listen_port = true\n", 1, "a port is a number"),
        ("listen_port = 70000\n", 1, "a port is a number"),
        ('log_level = "info"\nlisten_host = "alder.example"\n', 2, "an address of this computer"),
        ("[origin]\nx = 1\n", 1, "some text in quotation marks"),
        ("\n[mail]\nhost = 'x'\n", 2, "no setting of that name"),
        ('log_level = "loud"\n', 1, "debug, info, warning, error"),
        ("allow_networks = ['127.0.0.1/8']\n", 1, "not an address range"),
        ("allow_networks = ['0.0.0.0/0']\n", 1, "every address there is"),
        ("trusted_proxies = 4\n", 1, "a list of address ranges"),
        ('leave_url = "http://weather.example/"\n', 1, "begins with https://"),
        ('signed_fetch = "perhaps"\n', 1, "write true or false"),
        ("signed_fetch = 2\n", 1, "write true or false"),
        ('database_url = "mysql://root:secret@db/x"\n', 1, "address of a PostgreSQL"),
        ('log_level = "info"\norigin =\n', 2, "not TOML"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, text: str, line: int, says: str) -> None:
    write(tmp_path, text)

    with pytest.raises(Misconfigured) as caught:
        Settings.load(tmp_path, {})

    assert f"{FILE}, line {line}" in str(caught.value)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        ("HEARTHOLD_ORGIN", "https://alder.example", "Did you mean HEARTHOLD_ORIGIN?"),
        ("HEARTHOLD_LISTEN_PORT", "http", "a port is a number"),
        ("DATABASE_URL", "sqlite:///secret.db", "address of a PostgreSQL"),
    ],
)
def test_a_wrong_variable_is_named(tmp_path: Path, variable: str, value: str, says: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        Settings.load(tmp_path, {variable: value})

    assert str(caught.value).startswith(f"{variable}: ")
    assert says in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("https://Alder.Example/", "https://alder.example"),
        ("https://alder.example:443", "https://alder.example"),
        ("https://alder.example:8443", "https://alder.example:8443"),
        ("http://localhost:8080", "http://localhost:8080"),
    ],
)
def test_an_origin_has_one_spelling(tmp_path: Path, given: str, kept: str) -> None:
    assert Settings.load(tmp_path, {"HEARTHOLD_ORIGIN": given}).origin == kept


@pytest.mark.parametrize(
    "origin",
    [
        "alder.example",
        "ftp://alder.example",
        "https://",
        "https://alder.example/path",
        "https://alder.example?x",
        "https://alder.example#x",
        "https://ana@alder.example",
        "https://alder example",
        "https://álder.example",
        "https://alder.example:port",
        "https://-alder.example",
        "https://[alder]",
        "http://alder.example",
        "http://192.168.1.1",
    ],
)
def test_an_address_that_cannot_be_an_origin_is_refused(tmp_path: Path, origin: str) -> None:
    with pytest.raises(Misconfigured, match="--origin"):
        Settings.load(tmp_path, {}, {"origin": origin})


def test_plain_http_needs_an_address_range_to_be_named(tmp_path: Path) -> None:
    given = {"origin": "http://alder.localhost:8001"}

    with pytest.raises(Misconfigured, match="allow_networks"):
        Settings.load(tmp_path, {}, given)
    settings = Settings.load(tmp_path, {"HEARTHOLD_ALLOW_NETWORKS": "127.0.0.0/8"}, given)

    assert settings.origin == "http://alder.localhost:8001"
    assert settings.allow_networks == (ip_network("127.0.0.0/8"),)


def test_a_node_at_localhost_may_reach_this_computer_and_no_other_private_one(
    tmp_path: Path,
) -> None:
    local = Settings.load(tmp_path, {}, {"origin": "http://localhost:8080"})
    public = Settings.load(tmp_path, {}, {"origin": "https://alder.example"})

    assert local.allow_networks == LOOPBACK
    assert public.allow_networks == ()


def test_the_database_password_does_not_show(tmp_path: Path) -> None:
    settings = Settings.load(tmp_path, {"DATABASE_URL": "postgresql://ana:secret@db/hearthold"})

    assert "secret" not in repr(settings)


BUCKET = {
    "HEARTHOLD_S3_BUCKET": "alder-pictures",
    "HEARTHOLD_S3_ENDPOINT": "https://s3.example:9000/",
    "HEARTHOLD_S3_KEY_ID": "alder",
    "HEARTHOLD_S3_SECRET": "a secret",
}


def test_a_bucket_is_named_whole_or_not_at_all(tmp_path: Path) -> None:
    assert Settings.load(tmp_path, {}).s3 is None
    settings = Settings.load(tmp_path, BUCKET)
    assert settings.s3 is not None
    assert settings.s3.endpoint == "https://s3.example:9000"
    assert settings.s3.region == "us-east-1"
    assert settings.s3.secret == "a secret"
    for shown in (repr(settings), repr(settings.s3), str(settings)):
        assert "a secret" not in shown
    for name in BUCKET:
        with pytest.raises(Misconfigured) as caught:
            Settings.load(tmp_path, {key: value for key, value in BUCKET.items() if key != name})
        assert f"set {name.removeprefix('HEARTHOLD_').lower()} too" in str(caught.value)
        assert "a secret" not in str(caught.value)


@pytest.mark.parametrize(
    "value",
    ["s3.example", "ftp://s3.example", "https://s3.example/bucket", "https://a:b@s3.example", "x:"],
)
def test_the_address_of_a_store_has_nothing_behind_it(tmp_path: Path, value: str) -> None:
    with pytest.raises(Misconfigured, match="with no path"):
        Settings.load(tmp_path, {**BUCKET, "HEARTHOLD_S3_ENDPOINT": value})
    with pytest.raises(Misconfigured, match="name of a bucket"):
        Settings.load(tmp_path, {**BUCKET, "HEARTHOLD_S3_BUCKET": "Not/One"})


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"\xff\xfe")
    with pytest.raises(Misconfigured, match=f"{FILE} cannot be read: it is not UTF-8"):
        Settings.load(tmp_path, {})

    (tmp_path / FILE).unlink()
    (tmp_path / FILE).mkdir()
    with pytest.raises(Misconfigured, match=f"{FILE} cannot be read: Is a directory"):
        Settings.load(tmp_path, {})


def test_the_data_directory_follows_the_environment() -> None:
    home = Path.home()

    assert default_directory({"HEARTHOLD_DATA": "/srv/alder"}) == Path("/srv/alder")
    assert default_directory({"XDG_DATA_HOME": "/xdg"}) == Path("/xdg/hearthold")
    assert default_directory({}) == home / ".local" / "share" / "hearthold"


def test_every_setting_is_documented_and_every_documented_setting_exists() -> None:
    rows = re.findall(r"^\| `([a-z0-9_]+)` \| `([A-Z0-9_]+)` \|", DOCUMENT.read_text("utf-8"), re.M)

    assert sorted(name for name, _ in rows) == sorted(NAMES)
    for name, variable in rows:
        expected = "DATABASE_URL" if name == "database_url" else f"HEARTHOLD_{name.upper()}"
        assert variable == expected
