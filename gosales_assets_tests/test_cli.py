"""The command line: exit codes and messages of what cannot be used; the graph behind it is tested end to end."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from gosales_assets.catalog import markdown
from gosales_assets.cli import CLOSED, UNUSABLE, app
from gosales_assets.engine.features.reference import reference as features
from gosales_assets.settings import FeatureSettings, reference
from gosales_assets_tests.e2e.conftest import SMALL


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("GOSALES_CONFIG", "")


def test_settings_that_cannot_be_used_are_named_as_they_stand(tmp_path: Path) -> None:
    """Text in brackets is what the user wrote, not markup of the terminal."""
    (tmp_path / "bad.yaml").write_text("divisions: ['[/red] x']\nmodeling: {sede: 1}\n", encoding="utf-8")
    result = CliRunner().invoke(app, ["run", "--config", "bad.yaml"])
    assert result.exit_code == UNUSABLE
    assert "unknown setting modeling.sede; did you mean modeling.seed?" in result.output
    (tmp_path / "bad.yaml").write_text("divisions: ['[/red] x']\n", encoding="utf-8")
    result = CliRunner().invoke(app, ["status", "--config", "bad.yaml"])
    assert result.exit_code == UNUSABLE
    assert "[/red] x" in result.output


def test_an_unknown_partition_is_named_before_anything_runs(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["run", "--division", "printer[s]"])
    assert result.exit_code == UNUSABLE
    assert "division 'printer[s]' is not among the partitions" in result.output
    assert not (tmp_path / "gosales").exists()


def test_documents_are_written_and_checked(tmp_path: Path) -> None:
    run = CliRunner().invoke
    assert run(app, ["docs", "--check", "--out", "d"]).exit_code == CLOSED
    assert run(app, ["docs", "--out", "d"]).exit_code == 0
    assert (tmp_path / "d" / "artifact_catalog.md").read_text(encoding="utf-8") == markdown()
    assert (tmp_path / "d" / "settings.md").read_text(encoding="utf-8") == reference()
    usual = FeatureSettings()
    assert (tmp_path / "d" / "features.md").read_text(encoding="utf-8") == features(usual, usual.everything())
    assert run(app, ["docs", "--check", "--out", "d"]).exit_code == 0
    (tmp_path / "d" / "settings.md").write_text("old", encoding="utf-8")
    stale = run(app, ["docs", "--check", "--out", "d"])
    assert stale.exit_code == CLOSED
    assert "settings.md is not what the code says" in stale.output.replace("\n", "")


def test_an_interrupt_ends_the_runs_it_meets_and_the_next_command_goes_on(tmp_path: Path) -> None:
    """As a terminal does it: the signal reaches every process of the command."""
    (tmp_path / "gosales.yaml").write_text(yaml.safe_dump(SMALL), encoding="utf-8")
    command = [sys.executable, "-m", "gosales_assets.cli", "run", "--top", "0", "--workers", "2", "-d", "training"]
    with (tmp_path / "said").open("wb") as said:
        running = subprocess.Popen(command, start_new_session=True, stdout=said, stderr=said)
        until = time.monotonic() + 120
        while sum(state == "SUCCESS" for state in states(tmp_path)) < 3:
            assert running.poll() is None, (tmp_path / "said").read_text(encoding="utf-8")
            assert time.monotonic() < until, "nothing ran"
            time.sleep(0.1)
        os.killpg(running.pid, signal.SIGINT)
        assert running.wait(60) != 0
    # One that was about to end may have ended well; none seems to go on.
    assert set(states(tmp_path)) <= {"SUCCESS", "FAILURE"}
    again = subprocess.run(command, check=True, capture_output=True, text=True)
    launched = re.search(r"(\d+) runs launched", again.stdout)
    assert launched, again.stdout
    assert int(launched[1]) < len(states(tmp_path))
    assert "0 runs launched" in subprocess.run(command, check=True, capture_output=True, text=True).stdout


def states(folder: Path) -> list[str]:
    """Of all runs recorded so far."""
    runs = folder / "home" / "runs.db"
    if not runs.exists():
        return []
    with contextlib.closing(sqlite3.connect(runs)) as connection, contextlib.suppress(sqlite3.OperationalError):
        return [state for (state,) in connection.execute("SELECT status FROM runs")]
    return []
