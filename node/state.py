"""What one running node owns; see `activitypub.state`."""

from activitypub.state import CLIENT, DELIVERER, ENGINE, HERE, KEYS, REMOTE, SETTINGS

__all__ = ["CLIENT", "DELIVERER", "ENGINE", "HERE", "KEYS", "REMOTE", "SETTINGS"]
