"""The Dockerfile: nothing to complain about, and what it copies is there. `.ci/image` builds and starts it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")


def test_hadolint_has_nothing_to_complain_about() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    if not hadolint.exists():
        said = "hadolint is not installed: python3 dev.py install chart"
        pytest.fail(said) if os.environ.get("CI") else pytest.skip(said)

    checked = subprocess.run(
        [hadolint, "--failure-threshold", "style", "Dockerfile"], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_what_it_copies_exists_and_is_let_through() -> None:
    copied = [
        name
        for line in DOCKERFILE.splitlines()
        if line.startswith("COPY ") and "--from" not in line
        for name in line.split()[1:-1]
    ]
    let_through = {
        line[1:] for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines() if line.startswith("!")
    }

    assert [name for name in copied if not (ROOT / name).exists()] == []
    assert set(copied) == let_through


def test_it_ends_as_an_ordinary_account_with_the_base_as_an_argument() -> None:
    lines = DOCKERFILE.splitlines()

    assert [line for line in lines if line.startswith("ARG BASE")] == ["ARG BASE_IMAGE=python:3.13-slim-bookworm"]
    assert [line for line in lines if line.startswith("FROM ")] == ["FROM ${BASE_IMAGE} AS build", "FROM ${BASE_IMAGE}"]
    assert [line for line in lines if line.startswith("USER ")] == ["USER 10001:10001"]


def test_the_image_has_what_traces_need_and_no_server() -> None:
    lock = (ROOT / "requirements.lock").read_text("utf-8")

    assert "\nopentelemetry-sdk==" in lock
    assert "\nembedded-postgres==" not in lock
    assert "\npytest==" not in lock
