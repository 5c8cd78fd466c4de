"""The images that others make, by the digest that ``images.lock.yaml`` holds, and the file ``.env`` for Compose."""

from __future__ import annotations

import datetime
import re
import secrets
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import yaml

HERE = Path(__file__).parent
LOCK = HERE / "images.lock.yaml"
ENVIRONMENT = HERE / ".env"
SECRETS = HERE / ".secrets"
SECRET_NAMES = ("superuser", "replication", "rewind", "patroni", "abacus", "cache")
"""Each is a file there, made once and kept. Compose cannot give what stands in variables to a read-only container."""
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_ASK_WITHIN_S = 60


class ImagesError(Exception):
    """An image cannot be named by its digest; the message says which, where, and what to do."""


@dataclass(frozen=True)
class Image:
    """An image of a registry."""

    name: str
    tag: str
    digest: str = ""
    """``sha256:`` and 64 hexadecimal digits; empty: never resolved."""
    resolved: str = ""
    """The day on which the registry was asked, ISO 8601."""

    @property
    def by_tag(self) -> str:
        """Name and tag, which may mean another image tomorrow."""
        return f"{self.name}:{self.tag}"


def locked(file: Path = LOCK) -> dict[str, Image]:
    """The images by the variable that Dockerfiles and Compose know them by. Raises ImagesError."""
    given = yaml.safe_load(file.read_text())
    found = {}
    for variable, entry in given.items():
        digest = entry.get("digest") or ""
        if digest and not _DIGEST.fullmatch(digest):
            raise ImagesError(
                f"{file.name}: {variable}.digest is {digest!r}; expected sha256: and 64 hexadecimal digits; "
                "run python -m stack.docker resolve"
            )
        found[variable] = Image(entry["name"], entry["tag"], digest, str(entry.get("resolved") or ""))
    return found


def references(images: Mapping[str, Image], *, by_tag: bool = False) -> dict[str, str]:
    """By variable, ``name:tag@digest``; ``by_tag``: the tag alone. Raises ImagesError where a digest is missing."""
    lacking = sorted(variable for variable, image in images.items() if not image.digest)
    if lacking and not by_tag:
        raise ImagesError(
            f"{LOCK.name}: digest is missing for {', '.join(lacking)}; expected the digest that a registry answers; "
            "run python -m stack.docker resolve and commit the change, or try the tags of today with --by-tag"
        )
    return {
        variable: image.by_tag if by_tag else f"{image.by_tag}@{image.digest}" for variable, image in images.items()
    }


def write_environment(given: Mapping[str, str], file: Path = ENVIRONMENT) -> None:
    """Write the variables that Compose asks for."""
    file.write_text("".join(f"{name}={value}\n" for name, value in given.items()))


def write_secrets(directory: Path = SECRETS) -> None:
    """Make the secrets that are not there yet.

    A container's user must read its files, whoever that is; that nobody else here does is the directory's doing.
    """
    directory.mkdir(mode=0o700, exist_ok=True)
    for name in SECRET_NAMES:
        if not (file := directory / name).exists():
            file.write_text(secrets.token_urlsafe(24))
            file.chmod(0o444)


def resolve(file: Path = LOCK) -> dict[str, Image]:
    """Ask the registries, through Docker, which digest each tag has now, and write the file. Raises ImagesError."""
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    images = {name: replace(image, digest=_ask(image), resolved=today) for name, image in locked(file).items()}
    comments = [line for line in file.read_text().splitlines() if line.startswith("#")]
    rows = [
        f"{variable}: {{name: {image.name}, tag: {image.tag}, digest: {image.digest}, resolved: {image.resolved}}}"
        for variable, image in images.items()
    ]
    file.write_text("\n".join([*comments, *rows]) + "\n")
    return images


def _ask(image: Image) -> str:
    command = ["docker", "buildx", "imagetools", "inspect", image.by_tag, "--format", "{{.Manifest.Digest}}"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_ASK_WITHIN_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ImagesError(
            f"{image.by_tag} was not resolved: {error}; docker with buildx must reach the registry"
        ) from None
    if not _DIGEST.fullmatch(digest := done.stdout.strip()):
        why = (done.stderr.strip() or digest or "no answer").splitlines()[-1]
        raise ImagesError(f"{image.by_tag} was not resolved: {why}; correct its name or tag in {LOCK.name}, or log in")
    return digest
