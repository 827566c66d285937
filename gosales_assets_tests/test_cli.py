"""The command line: exit codes and messages of what cannot be used; the graph behind it is tested end to end."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from gosales_assets.catalog import markdown
from gosales_assets.cli import CLOSED, UNUSABLE, app
from gosales_assets.engine.features.reference import reference as features
from gosales_assets.settings import FeatureSettings, reference


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
