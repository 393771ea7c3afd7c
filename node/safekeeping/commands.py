"""What `hearthold backup`, `restore`, `move` and `key` do, and the lines they print."""

from collections.abc import Sequence
from pathlib import Path

from rich.filesize import decimal

from kernel.settings import Settings
from members.vault import check_password
from node.console import note, say, watched
from node.logs import escaped
from node.opening import KEY, prepare_directory
from node.safekeeping import key_file
from node.safekeeping.backup import backup
from node.safekeeping.move import move
from node.safekeeping.move_pictures import move_pictures
from node.safekeeping.restore import Restored, check, restore


async def back_up(settings: Settings, path: Path, passphrase: str | None, *, tell: bool) -> None:
    """A new backup; with `tell` its passphrase is printed first. Raises: as `backup`."""
    if passphrase is not None:
        check_password(passphrase)
        if tell:
            say(f"The key of this backup: {passphrase}")
            say("It is shown this once. Without it nobody can read the file, you neither.")
    async with watched() as show:
        size = await backup(settings, path, passphrase, say=note, show=show)
    if passphrase is None:
        note("Nothing in this file is sealed: whoever has it can read every closed group.")
    say(f"The node is in {path}, {decimal(size)}.")
    say("The node key is not in it. `hearthold key export FILE` keeps that, in another safe place.")
    say(
        f"Copy {settings.since} to another computer, every few minutes: a restore needs it to "
        "know what was deleted and sent since."
    )


async def bring_back(
    settings: Settings, path: Path, passphrase: str | None, *, since: Path | None, check_only: bool
) -> None:
    """The node out of a backup, or only whether that is whole. Raises: as `restore`."""
    restored: Restored | None = None
    async with watched() as show:
        if check_only:
            about = await check(path, passphrase, show)
        else:
            restored = await restore(settings, path, passphrase, since=since, say=note, show=show)
            about = restored.about
    name = f"{escaped(about.origin)} as of {escaped(about.day)}"
    if restored is None:
        say(f"The backup is whole: {name}.")
        return
    done = restored.replayed
    say(f"{name} is back. Everybody has to log in again.")
    say(
        f"Applied again: {done.posts} deleted or removed posts, {done.actors} closed or paused "
        f"names, {done.accounts} closed accounts, {done.bans} bans, {done.domains} domains."
    )
    if restored.sent is None:
        say(
            "Nothing said what was sent since, so what waited then is sent once more, spread over "
            "an hour. Other servers know it by its ids."
        )
    else:
        say(f"Not sent again, since it was sent already: {restored.sent} deliveries.")
    if done.kept_open:
        say(
            "When this backup was made, everybody read that the node closes. That may have been "
            "taken back since, so it stays open. If it shall close: `hearthold close --yes`, and "
            "say once more where groups go."
        )
    say("Start it with `hearthold serve`.")


async def carry_over(settings: Settings, target: str) -> None:
    """The node on another server. Raises: as `move`."""
    async with watched() as show:
        rows = await move(settings, target, say=note, show=show)
    say(f"The node is there: {rows} rows, each table counted on both sides.")
    say(
        "From now on start it with DATABASE_URL set to the new server. The old database was only "
        "read: remove it once all is well, and never start a node on it."
    )


async def carry_pictures(settings: Settings) -> None:
    """The pictures in the bucket. Raises: as `move_pictures`."""
    async with watched() as show:
        count = await move_pictures(settings, say=note, show=show)
    say(f"{count} pictures went into the bucket, and {settings.media} holds none any more.")


def export_key(settings: Settings, path: Path) -> Sequence[str]:
    """The node key in a file of its own. Raises: as `key_file`."""
    key_file.export(key_file.existing(settings.data_dir / KEY), path)
    return [
        f"The node key is in {path}.",
        "Keep it apart from the backups: whoever has both can try passwords and sign as everybody "
        "here. Without it no backup is of use.",
    ]


def import_key(settings: Settings, path: Path) -> Sequence[str]:
    """An exported key becomes the node's own. Raises: as `key_file`."""
    key = key_file.read(path)
    prepare_directory(settings.data_dir, note)
    key_file.put_in_place(key, settings.data_dir / KEY)
    return [f"The key is in {settings.data_dir / KEY}."]
