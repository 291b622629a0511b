"""What `up` and `demo` keep in their data directory when the operator did not decide it."""

import base64
import secrets
from pathlib import Path

from pydantic import SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from app.embedded.private_files import kept_secret, write_private

OPERATOR_KEY_FILE = "operator.key"
MASTER_KEYS_FILE = "master.keys"


class Given(BaseSettings):
    """The settings that have a stand-in when they are missing, as the environment and `.env` give them."""

    model_config = SettingsConfigDict(env_prefix="MLC_", env_file=".env", extra="ignore", hide_input_in_errors=True)

    database_url: SecretStr | None = None
    redis_url: SecretStr | None = None
    operator_key: SecretStr | None = None
    master_keys: SecretStr | None = None
    public_url: str | None = None
    log_format: str | None = None
    metrics_listen: str | None = None


def revealed(secret: SecretStr | None) -> str | None:
    """The text of a secret; None when it is missing or empty."""
    return (secret.get_secret_value() or None) if secret else None


def operator_key(given: Given, data_dir: Path) -> str:
    """The given key, or one kept in the data directory."""
    return revealed(given.operator_key) or kept_secret(data_dir / OPERATOR_KEY_FILE)


def master_keys(given: Given, data_dir: Path) -> str:
    """The given keyring, or one kept in the data directory. Without it nothing sealed can be opened again."""
    return revealed(given.master_keys) or kept_secret(data_dir / MASTER_KEYS_FILE, f"k1:{new_master_key()}")


def add_master_key(data_dir: Path) -> str:
    """Put a new master key before those kept in the data directory; the whole keyring."""
    path = data_dir / MASTER_KEYS_FILE
    keyring = path.read_text(encoding="utf-8").strip()
    taken = {part.partition(":")[0].strip() for part in keyring.split(",")}
    number = next(n for n in range(1, len(taken) + 2) if f"k{n}" not in taken)
    keyring = f"k{number}:{new_master_key()},{keyring}"
    write_private(path, keyring + "\n")
    return keyring


def new_master_key() -> str:
    """32 random bytes in base64."""
    return base64.b64encode(secrets.token_bytes(32)).decode("ascii")


def make_data_dir(data_dir: Path) -> Path:
    """The data directory, created so that others may pass through it but not look into it; absolute.

    What lies in it is closed itself: each secret has mode 0600, each server's folder 0700.
    """
    data_dir = data_dir.expanduser().resolve()
    for missing in reversed([place for place in (data_dir, *data_dir.parents) if not place.exists()]):
        missing.mkdir(mode=0o711, exist_ok=True)
    return data_dir
