"""Settings: what wins, what is refused, and what a digest depends on."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from gosales_assets.settings import NOT_IN_EFFECT, Settings, SettingsError, reference
from gosales_assets.taxonomy import Taxonomy

ROOT = Path(__file__).parents[1]


def load(tree: dict | None = None, **environ: str) -> Settings:
    """Settings of the given tree and environment, without a file."""
    return Settings.load(environ=environ, overrides=tree)


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The working directory holds no gosales.yaml, and the environment of the machine does not count."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GOSALES_CONFIG", raising=False)


def write(path: Path, tree: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(tree), encoding="utf-8")
    return path


# --- what wins


def test_each_source_of_settings_wins_over_the_one_before(tmp_path: Path) -> None:
    file = write(tmp_path / "a.yaml", {"modeling": {"seed": 1, "folds": 3}})
    environ = {"GOSALES__MODELING__SEED": "2", "GOSALES__TIMELINE__EMBARGO_DAYS": "5"}
    assert load().modeling.seed == 42
    assert Settings.load(file, environ={}).modeling.seed == 1
    merged = Settings.load(file, environ=environ)
    assert (merged.modeling.seed, merged.modeling.folds, merged.timeline.embargo_days) == (2, 3, 5)
    explicit = Settings.load(file, environ=environ, overrides={"modeling": {"seed": 3}})
    assert (explicit.modeling.seed, explicit.modeling.folds, explicit.timeline.embargo_days) == (3, 3, 5)


def test_the_file_is_the_named_one_then_the_one_of_the_environment_then_that_of_the_folder(tmp_path: Path) -> None:
    write(tmp_path / "gosales.yaml", {"modeling": {"seed": 1}})
    other = write(tmp_path / "other.yaml", {"modeling": {"seed": 2}})
    third = write(tmp_path / "third.yaml", {"modeling": {"seed": 3}})
    assert Settings.load(environ={}).modeling.seed == 1
    assert Settings.load(environ={"GOSALES_CONFIG": str(other)}).modeling.seed == 2
    assert Settings.load(third, environ={"GOSALES_CONFIG": str(other)}).modeling.seed == 3


@pytest.mark.parametrize(
    ("variable", "text", "section", "name", "value"),
    [
        ("GOSALES__FEATURES__WINDOWS_MONTHS", "[3, 12]", "features", "windows_months", (3, 12)),
        ("GOSALES__OWNERSHIP__LOOKBACK_MONTHS", "24", "ownership", "lookback_months", 24),
        ("GOSALES__OWNERSHIP__LOOKBACK_MONTHS", "null", "ownership", "lookback_months", None),
        ("GOSALES__RELEASE__ON_CLOSED_GATE", "exclude", "release", "on_closed_gate", "exclude"),
        ("GOSALES__FEATURES__USE_EB_SMOOTHING", "false", "features", "use_eb_smoothing", False),
    ],
)
def test_environment_values_are_typed(variable: str, text: str, section: str, name: str, value: object) -> None:
    assert getattr(getattr(load(**{variable: text}), section), name) == value


def test_variables_of_other_programs_do_not_count() -> None:
    assert load(GOSALES_DATABASE_URL="postgresql://u:secret@h/db", GOSALESX="1") == load()


# --- what is refused


@pytest.mark.parametrize(
    ("tree", "key", "nearest"),
    [
        ({"modelling": {}}, "modelling", "modeling"),
        ({"etl": {"min_dat": "2000-01-01"}}, "etl.min_dat", "etl.min_date"),
        ({"modeling": {"lgbm": {"leaves": 3}}}, "modeling.lgbm.leaves", "modeling.lgbm.num_leaves"),
        (
            {"sources": {"sales_log": {"columns": {"custmer_id": "x"}}}},
            "sources.sales_log.columns.custmer_id",
            "sources.sales_log.columns.customer_id",
        ),
        (
            {"whitespace": {"eligibility": {"exclude_if_owned": True}}},
            "whitespace.eligibility.exclude_if_owned",
            "whitespace.eligibility.exclude_if_owned_ever",
        ),
    ],
)
def test_an_unknown_key_at_any_depth_names_the_nearest(tree: dict, key: str, nearest: str) -> None:
    with pytest.raises(SettingsError) as error:
        load(tree)
    assert f"unknown setting {key};" in str(error.value)
    assert f"did you mean {nearest}?" in str(error.value)


def test_unknown_keys_are_found_in_the_file_and_in_the_environment_too(tmp_path: Path) -> None:
    file = write(tmp_path / "a.yaml", {"modeling": {"sede": 1}})
    with pytest.raises(SettingsError, match=r"modeling\.sede; did you mean modeling\.seed"):
        Settings.load(file, environ={})
    with pytest.raises(SettingsError, match=r"modeling\.sede; did you mean modeling\.seed"):
        load(GOSALES__MODELING__SEDE="1")


def test_every_problem_is_named_at_once() -> None:
    with pytest.raises(SettingsError) as error:
        load({"modeling": {"folds": 1}, "gates": {"flag_auc_below": "x"}, "timeline": {"embargo_days": -1}})
    lines = str(error.value).splitlines()
    assert [line.split(" = ")[0] for line in lines] == [
        "timeline.embargo_days",
        "modeling.folds",
        "gates.flag_auc_below",
    ]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        # Oracle: [2, 2, 1, 1] / 6
        ([2, 2, 1, 1], (1 / 3, 1 / 3, 1 / 6, 1 / 6)),
        ([0, 0, 0, 3], (0, 0, 0, 1)),
    ],
)
def test_weights_are_normalised(given: list[float], expected: tuple[float, ...]) -> None:
    weights = load({"whitespace": {"weights": given}}).whitespace.weights
    assert weights == pytest.approx(expected)
    assert sum(weights) == pytest.approx(1)


@pytest.mark.parametrize(
    "given", [[-1, 2, 1, 1], [float("nan"), 1, 1, 1], [float("inf"), 1, 1, 1], [0, 0, 0, 0], [1, 1, 1]]
)
def test_weights_that_are_none_are_refused(given: list[float]) -> None:
    with pytest.raises(SettingsError, match=r"whitespace\.weights"):
        load({"whitespace": {"weights": given}})


@pytest.mark.parametrize("text", [".nan", ".inf", "-.inf"])
@pytest.mark.parametrize("key", ["LABELS__GP_MIN_THRESHOLD", "GATES__FLAG_AUC_BELOW", "MODELING__LGBM__LAMBDA_L2"])
def test_no_number_may_be_nan_or_infinite(key: str, text: str) -> None:
    with pytest.raises(SettingsError, match="finite number"):
        load(**{f"GOSALES__{key}": text})


def test_a_setting_nothing_reads_yet_is_refused_unless_it_says_the_default() -> None:
    with pytest.raises(SettingsError, match=r"whitespace\.capacity_mode has no effect in this version"):
        load({"whitespace": {"capacity_mode": "hybrid"}})
    assert load({"whitespace": {"capacity_mode": "top_percent"}}) == load()
    with pytest.raises(SettingsError, match=r"leakage has no effect"):
        load({"leakage": {"purge_days": 3}})


def test_a_safe_division_is_a_target() -> None:
    with pytest.raises(SettingsError, match="trainings"):
        load({"modeling": {"safe_divisions": ["trainings"]}})


def test_the_settings_not_in_effect_exist() -> None:
    settings: object = load()
    for dotted in NOT_IN_EFFECT:
        node = settings
        for name in dotted.split("."):
            node = getattr(node, name)


@pytest.mark.parametrize(
    ("timeline", "message"),
    [
        ({"first_cutoff": "2022-06-29"}, "use 2022-06-30"),
        ({"last_cutoff": "2024-06-29"}, "use 2024-06-30"),
        ({"last_cutoff": "2024-07-31"}, "not a whole number of 6-month steps"),
        ({"first_cutoff": "2025-06-30"}, "is before"),
        ({"cadence_months": 5}, "choose 1, 2, 3, 4, 6 or 12"),
    ],
)
def test_cutoffs_must_be_month_ends_in_whole_steps(timeline: dict, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        load({"timeline": timeline})


def test_ranked_targets_that_share_a_sku_are_named(tmp_path: Path) -> None:
    taxonomy = {
        "products": [{"sku": "A", "division": "One"}, {"sku": "B", "division": "One"}],
        "targets": [{"display": "Both", "skus": ["A", "B"]}, {"display": "Only A", "skus": ["A"]}],
    }
    path = str(write(tmp_path / "products.yaml", taxonomy))
    with pytest.raises(SettingsError, match=r"'both' and 'only_a' are both ranked and share A"):
        load({"taxonomy": {"path": path}})
    taxonomy["targets"][1]["ranked"] = False
    write(tmp_path / "products.yaml", taxonomy)
    chosen = load({"taxonomy": {"path": path}, "divisions": ["Both", "only_a"]})
    assert [t.slug for t in chosen.targets] == ["both", "only_a"]


def test_the_default_targets_are_the_ranked_ones_and_share_nothing() -> None:
    targets = load().targets
    assert [t.slug for t in targets] == sorted(t.slug for t in targets)
    assert all(t.ranked and t.trainable for t in targets)
    assert load().products.overlaps(targets) == []


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        ({"divisions": ["printer"]}, "did you mean 'printers'"),
        ({"divisions": ["maintenance"]}, "'maintenance' is a predictor only"),
        ({"labels": {"per_division_window_months": {"trainin": 3}}}, "did you mean 'training'"),
    ],
)
def test_targets_that_do_not_exist_are_named(tree: dict, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        load(tree)


def test_a_missing_or_broken_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"nowhere\.yaml does not exist"):
        Settings.load("nowhere.yaml", environ={})
    (tmp_path / "bad.yaml").write_text("a: [1,", encoding="utf-8")
    with pytest.raises(SettingsError, match=r"bad\.yaml: not valid YAML"):
        Settings.load(tmp_path / "bad.yaml", environ={})
    (tmp_path / "list.yaml").write_text("- 1", encoding="utf-8")
    with pytest.raises(SettingsError, match="expected a mapping at the top"):
        Settings.load(tmp_path / "list.yaml", environ={})


def test_a_section_whose_lines_are_all_commented_out_is_the_default(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("modeling:\n  # seed: 1\n  lgbm:\nsources:\n  sales_log:\n", encoding="utf-8")
    assert Settings.load(tmp_path / "a.yaml", environ={}) == load()
    assert Settings.load(tmp_path / "a.yaml", environ={"GOSALES__MODELING__SEED": "1"}).modeling.seed == 1


def test_a_section_cannot_be_a_value(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"modeling = 5"):
        load(GOSALES__MODELING="5")
    with pytest.raises(SettingsError, match=r"modeling = 5: modeling\.seed is set too"):
        load(GOSALES__MODELING="5", GOSALES__MODELING__SEED="1")


# --- paths


def test_paths_of_the_file_are_relative_to_it(tmp_path: Path) -> None:
    absolute = str(tmp_path / "elsewhere" / "x.csv")
    file = write(
        tmp_path / "conf" / "gosales.yaml",
        {
            "artifact_root": "out",
            "taxonomy": {"path": "products.csv"},
            "sources": {
                "sales_log": {"kind": "files", "path": ["logs/*.csv", absolute]},
                "industry_enrichment": {"path": "industry.csv"},
            },
        },
    )
    (tmp_path / "conf" / "products.csv").write_text("sku,division\nA,One\n", encoding="utf-8")
    settings = Settings.load(file, environ={})
    assert settings.sources.sales_log.path == (str(tmp_path / "conf" / "logs" / "*.csv"), absolute)
    assert settings.sources.industry_enrichment.path == str(tmp_path / "conf" / "industry.csv")
    assert [t.slug for t in settings.targets] == ["one"]
    assert settings.artifact_root == "out"  # relative to the working directory, as documented


def test_one_path_may_be_written_without_a_list(tmp_path: Path) -> None:
    file = write(tmp_path / "gosales.yaml", {"sources": {"sales_log": {"kind": "files", "path": "log.csv"}}})
    assert Settings.load(file, environ={}).sources.sales_log.path == (str(tmp_path / "log.csv"),)


# --- digest


def test_the_digest_is_of_values_not_of_how_they_were_given(tmp_path: Path) -> None:
    file = write(tmp_path / "a.yaml", {"modeling": {"seed": 5}})
    assert Settings.load(file, environ={}).digest() == load(GOSALES__MODELING__SEED="5").digest()
    assert load({"modeling": {"seed": 5}}).digest() != load().digest()
    assert load({"modeling": {"seed": 5}}).digest("timeline") == load().digest("timeline")
    assert load({"artifact_root": "elsewhere"}).digest() == load().digest()


def test_naming_the_same_targets_changes_no_digest() -> None:
    slugs = [t.slug for t in Taxonomy.reference().default_targets]
    assert load({"divisions": slugs[::-1]}).digest() == load().digest()


def test_moving_a_project_changes_no_digest_and_editing_its_products_does(tmp_path: Path) -> None:
    tree = {"taxonomy": {"path": "products.csv"}, "sources": {"sales_log": {"kind": "files", "path": "log.csv"}}}
    files = [write(tmp_path / place / "gosales.yaml", tree) for place in ("here", "there")]
    for file in files:
        (file.parent / "products.csv").write_text("sku,division\nA,One\nB,Two\n", encoding="utf-8")
    here, there = (Settings.load(file, environ={}) for file in files)
    assert here.sources != there.sources
    assert here.digest() == there.digest()
    (files[1].parent / "products.csv").write_text("sku,division\nA,One\nB,One\n", encoding="utf-8")
    assert Settings.load(files[1], environ={}).digest("taxonomy") != here.digest("taxonomy")


def denying(folder: Path, text: str | None) -> Settings:
    """Settings of a file that names a denylist beside it."""
    file = write(folder / "gosales.yaml", {"labels": {"denylist_skus_csv": "deny.csv"}})
    if text is not None:
        (folder / "deny.csv").write_text(text, encoding="utf-8")
    return Settings.load(file, environ={})


def test_editing_the_denylist_makes_what_reads_targets_stale(tmp_path: Path) -> None:
    """Oracle L6: by content; where the file lies and how its lines stand changes nothing."""
    one = denying(tmp_path / "one", "sku\nSWX_Core\n")
    same = denying(tmp_path / "same", "note,sku\n,SWX_Core\n,swx_core\n")
    other = denying(tmp_path / "other", "sku\nSWX_Core\nSW_Inspection\n")
    assert one.digest() == same.digest()
    for section in ("taxonomy", "divisions"):
        assert len({s.digest(section) for s in (one, other, load())}) == 3
    assert one.products.target("solidworks").skus == other.products.target("solidworks").skus | {"SW_Inspection"}
    assert all(t.denied == {"SWX_Core"} for t in one.targets)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, r"labels\.denylist_skus_csv, .*deny\.csv: the file does not exist"),
        ("sku\nSWX_Cor\n", r"labels\.denylist_skus_csv, .*deny\.csv: 'SWX_Cor' is no SKU .* mean 'SWX_Core'"),
        ("name\nSWX_Core\n", r"labels\.denylist_skus_csv, .*deny\.csv: needs a column"),
        ("sku\nTraining\n", "every SKU of 'training' is denied"),
    ],
)
def test_a_denylist_that_cannot_hold_is_an_error_that_names_it(tmp_path: Path, text: str | None, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        denying(tmp_path, text)


def test_the_digest_is_the_same_in_every_process(tmp_path: Path) -> None:
    import os
    import subprocess
    import sys

    code = "from gosales_assets.settings import Settings; print(Settings.load(environ={}).digest())"
    made = {
        subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": seed},
        ).stdout.strip()
        for seed in ("1", "2")
    }
    assert made == {load().digest()}


# --- what is shown


def test_resolved_settings_hold_the_name_of_a_secret_and_never_its_value() -> None:
    secret = "postgresql://user:hunter2@host/db"
    settings = load(GOSALES_DATABASE_URL=secret)
    text = yaml.safe_dump(settings.resolved())
    assert "url_env: GOSALES_DATABASE_URL" in text
    assert "hunter2" not in text
    with pytest.raises(SettingsError, match=r"database\.url_env"):
        load({"sources": {"sales_log": {"database": {"url_env": secret}}}})


def test_resolved_settings_load_again_to_the_same() -> None:
    settings = load({"modeling": {"seed": 9}, "whitespace": {"weights": [2, 2, 1, 1]}})
    again = load(yaml.safe_load(yaml.safe_dump(settings.resolved())))
    assert again.digest() == settings.digest()


def test_the_shipped_configurations_load() -> None:
    for file in (ROOT / "gosales.yaml", *sorted((ROOT / "examples").glob("*/gosales.yaml"))):
        assert Settings.load(file, environ={}).targets, file


def test_the_document_of_settings_is_current() -> None:
    assert (ROOT / "docs" / "settings.md").read_text(encoding="utf-8") == reference(), "run `gosales docs`"


def test_every_setting_is_described() -> None:
    rows = [line for line in reference().splitlines() if line.startswith("| `")]
    assert len(rows) > 150
    assert [row for row in rows if row.split(" | ")[3].strip(" |") in ("", "None")] == []
