"""The artifact catalog as code: one row per file the platform produces.

Belongs here: where a file lies, its grain, format, schema, purpose, and who reads it. From these rows come asset keys,
groups, kinds, descriptions, partitions, paths, contract checks, column metadata and ``docs/artifact_catalog.md``.
Nothing else names a path. Does not belong here: how a file is computed.

Adding an artifact is one row here and one output of a stage.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from importlib import import_module
from typing import Any, Literal

Format = Literal["parquet", "csv", "json", "jsonl", "yaml", "md"]
Grain = Literal["snapshot", "division", "cutoff", "division_cutoff", "run"]
#: Which cutoffs an artifact exists for: all, those with a closed window behind them, those whose own window closed.
Calendar = Literal["", "all", "model", "validation"]

OUTPUTS = "gosales/outputs/"
REPORTS = "reports/"

OWNERS = {"data": "team:data-engineering", "model": "team:modelling", "sales": "team:sales-operations"}

PHASES: dict[str, str] = {
    "sources": "Raw inputs",
    "star": "Phase 0 - star schema and contracts",
    "labels": "Phase 1 - labels",
    "features": "Phase 2 - features",
    "models": "Phase 3 - models",
    "scores": "Scores",
    "whitespace": "Phase 4 - whitespace ranking",
    "validation": "Phase 5 - forward validation",
    "observability": "Phase 6 - observability",
    "leakage": "Leakage gauntlet and gates",
    "diagnostics": "Diagnostics on demand",
    "rollups": "Delivery and roll-ups",
    "reports": "Published reports",
}


@dataclass(frozen=True)
class Artifact:
    """One file of the catalog.

    Attributes
    ----------
    phase, name
        The asset key is ``[phase, name]``; ``phase`` is also the group.
    pattern
        Path under ``artifact_root``, with ``<division>``, ``<cutoff>``, ``<run_id>`` and ``<timestamp>``.
    schema
        ``module:Class`` of the pandera model (tables) or pydantic model (documents); empty for prose.
    purpose, importance
        What it is and why it matters.
    consumers
        Who reads it.
    calendar
        Which cutoffs it exists for.
    internal
        Not part of the published catalog.
    on_demand
        Made only when somebody asks for it: in no run of `gosales run`, and launched by no condition.
    picture
        What the picture beside the file shows; empty when there is none. A picture is drawn of the file, which it
        accompanies under the same name: no row of the published catalog, no asset, read by nothing.
    row
        Name in the published catalog, when it is not the file name.
    owner
        Key into `OWNERS`.
    """

    phase: str
    name: str
    pattern: str
    purpose: str
    importance: str
    schema: str = ""
    consumers: str = ""
    calendar: Calendar = ""
    internal: bool = False
    on_demand: bool = False
    picture: str = ""
    row: str = ""
    owner: str = "data"

    @property
    def key(self) -> tuple[str, str]:
        return (self.phase, self.name)

    @property
    def id(self) -> str:
        """``phase/name``, as the command line and the settings spell it."""
        return f"{self.phase}/{self.name}"

    @property
    def folder(self) -> str:
        return self.pattern.rpartition("/")[0] + "/"

    @property
    def filename(self) -> str:
        return self.pattern.rpartition("/")[2]

    @property
    def catalog_row(self) -> str:
        """The row of the published catalog this file belongs to."""
        return self.row or self.filename

    @property
    def format(self) -> Format:
        suffix = self.filename.rpartition(".")[2]
        assert suffix in ("parquet", "csv", "json", "jsonl", "yaml", "md"), suffix
        return suffix  # type: ignore[return-value]

    @cached_property
    def grain(self) -> Grain:
        """Follows from the placeholders of the pattern."""
        if "<run_id>" in self.pattern:
            return "run"
        division, cutoff = "<division>" in self.pattern, "<cutoff>" in self.pattern
        if division and cutoff:
            return "division_cutoff"
        return "division" if division else "cutoff" if cutoff else "snapshot"

    @property
    def delivered(self) -> bool:
        """Whether people open it in a spreadsheet."""
        return self.format == "csv"

    def path(self, **placeholders: str) -> str:
        """The path under ``artifact_root``.

        Raises
        ------
        ValueError
            When a placeholder is missing, or a value could leave its folder.
        """

        def fill(match: re.Match[str]) -> str:
            name = match.group(1)
            value = placeholders.get(name)
            if value is None:
                raise ValueError(f"{self.id}: path {self.pattern} needs a value for <{name}>")
            if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.\-]*", value) or ".." in value:
                raise ValueError(
                    f"{self.id}: {name}={value!r} cannot be part of a path; use letters, digits, '_', '-', '.'"
                )
            return value

        return re.sub(r"<(\w+)>", fill, self.pattern)

    @property
    def picture_pattern(self) -> str:
        """Where the picture of the file lies, as ``pattern``."""
        return self.pattern.rpartition(".")[0] + ".png"

    def picture_path(self, **placeholders: str) -> str:
        """The path of the picture of the file under ``artifact_root``; see `path`."""
        return replace(self, pattern=self.picture_pattern).path(**placeholders)

    def model(self) -> Any:
        """The schema class, imported on demand: importing pandera costs more than loading the graph should."""
        if not self.schema:
            return None
        module, _, name = self.schema.partition(":")
        return getattr(import_module(module), name)

    @property
    def is_table(self) -> bool:
        return self.format in ("parquet", "csv")

    def dtypes(self) -> Mapping[str, Any]:
        """Polars dtype by column, from the schema; empty for documents."""
        if not (self.is_table and self.schema):
            return {}
        return {
            name: column.dtype.type for name, column in self.model().to_schema().columns.items() if not column.regex
        }

    def column_descriptions(self) -> Mapping[str, str]:
        if not (self.is_table and self.schema):
            return {}
        return {name: column.description or "" for name, column in self.model().to_schema().columns.items()}

    @property
    def description(self) -> str:
        """Shown in the UI. Placeholders in braces: angle brackets would be taken for HTML."""
        where = self.pattern.replace("<", "{").replace(">", "}")
        read = f"\n\n*Read by:* {self.consumers}" if self.consumers else ""
        return f"{self.purpose}\n\n{self.importance}{read}\n\n*File:* `{where}`"


_STAR, _LABELS, _FEATURES = (
    "gosales_assets.engine.star.schema",
    "gosales_assets.engine.labels.schema",
    "gosales_assets.engine.features.schema",
)
_MODELS, _SCORES, _TABLES = (
    "gosales_assets.engine.modeling.schema",
    "gosales_assets.engine.scoring.schema",
    "gosales_assets.engine.tables",
)
_SPACE, _VALID = "gosales_assets.engine.whitespace.schema", "gosales_assets.engine.validation.schema"
_LEAK, _REPORT = "gosales_assets.engine.leakage.schema", "gosales_assets.engine.reports.schema"

_MODEL_DIR = OUTPUTS + "models/<division>/<cutoff>/"
_VALID_DIR = OUTPUTS + "validation/<division>/<cutoff>/"
_SPACE_DIR = OUTPUTS + "whitespace/"
_LEAK_DIR = OUTPUTS + "leakage/"
_CONTRACTS = OUTPUTS + "star/contracts/"
_INTERNAL = OUTPUTS + "internal/"

_RECEIVED = "gosales_assets.engine.star.received"

ARTIFACTS: tuple[Artifact, ...] = (
    # Inputs as received.
    Artifact("sources", "sales_log", _INTERNAL + "sources/sales_log.parquet",
             "The sales log exactly as received: every record of every file, as text where the file is text.",
             "What contracts are judged on before anything is cleaned.", consumers="star schema", internal=True),
    Artifact("sources", "industry_enrichment", _INTERNAL + "sources/industry_enrichment.parquet",
             "Industry by customer name or id, as received; empty when no such source is configured.",
             "Feeds the industry columns of dim_customer.", f"{_RECEIVED}:IndustryEnrichment", "dim_customer", internal=True),
    Artifact("sources", "industry_matches", _INTERNAL + "sources/industry_matches.parquet",
             "Accepted pairs of customer and industry names, as received; empty when no such source is configured.",
             "A match that was accepted once stays accepted, whatever the names around it.", f"{_RECEIVED}:IndustryMatches", "dim_customer", internal=True),
    Artifact("sources", "customer_assets", _INTERNAL + "sources/customer_assets.parquet",
             "Assets and subscriptions of customers, as received; empty when no such source is configured.",
             "Customers who own without buying belong to the roster.", f"{_RECEIVED}:CustomerAssets", "fact_assets", internal=True),
    Artifact("sources", "item_taxonomy", _INTERNAL + "sources/item_taxonomy.parquet",
             "Items with roll-up, SKU and division, as received; empty when no such source is configured.",
             "Says which product an asset is.", f"{_RECEIVED}:ItemTaxonomy", "fact_assets", internal=True),
    Artifact("sources", "crm_attributes", _INTERNAL + "sources/crm_attributes.parquet",
             "The CRM's customer master, as received; empty when no such source is configured.",
             "Knows customers before they buy, and since when.", f"{_RECEIVED}:CrmAttributes", "dim_customer", internal=True),
    Artifact("sources", "account_status", _INTERNAL + "sources/account_status.parquet",
             "Representative, contact and open deal per account, as received; empty when no such source is configured.",
             "Says whom not to call.", f"{_RECEIVED}:AccountStatus", "account_status", internal=True),
    # Phase 0
    Artifact("star", "fact_transactions", OUTPUTS + "star/fact_transactions.parquet",
             "One row per invoice line and product: who bought what, when, for how much gross profit.",
             "The only history that labels, features, ranking and validation read.",
             f"{_STAR}:FactTransactions", "labels, features, market basket, whitespace, reports"),
    Artifact("star", "dim_customer", OUTPUTS + "star/dim_customer.parquet",
             "One row per customer, with industry and the first day the customer was known.",
             "The roster as of any cutoff comes from here.", f"{_STAR}:DimCustomer", "labels, features, whitespace, delivery"),
    Artifact("star", "fact_events", OUTPUTS + "star/fact_events.parquet",
             "One row per invoice, with net quantity, net gross profit and purchase flag of every target.",
             "Audits a label down to the invoice.", f"{_STAR}:FactEvents", "audits"),
    Artifact("star", "fact_assets", _INTERNAL + "star/fact_assets.parquet",
             "One row per asset or subscription: whose, of which product and division, bought when, until when.",
             "What customers hold without a line in the log; read as of a cutoff, never as of today.", f"{_STAR}:FactAssets", "labels, features, leakage audits", internal=True),
    Artifact("star", "account_status", _INTERNAL + "star/account_status.parquet",
             "One row per account: representative, last contact, open deal.",
             "Whom a list of calls must leave out.", f"{_STAR}:AccountStatus", "whitespace", internal=True),
    Artifact("star", "schema_snapshot", _CONTRACTS + "schema_snapshot.json",
             "Columns, types and keys of the curated tables.",
             "A diff against the previous build names what was added, removed or retyped.", f"{_STAR}:SchemaSnapshot", "contracts"),
    Artifact("star", "row_counts", _CONTRACTS + "row_counts.csv",
             "Records and gross profit by stage: read, accepted, quarantined, duplicate.",
             "The balance that shows nothing was lost.", f"{_STAR}:RowCounts", "contracts, operators"),
    Artifact("star", "contract_violations", _CONTRACTS + "contract_violations.csv",
             "One line per record that breaks a rule: key, column, observed value, rule.",
             "Where to look when a contract closes; the records are quarantined, not lost.",
             f"{_STAR}:ContractViolations", "operators"),
    Artifact("star", "checksums", _CONTRACTS + "checksums.json",
             "Hashes of the content of the curated tables.",
             "Equal hashes mean equal tables, whatever the writer's version.", f"{_STAR}:Checksums", "operators"),
    # Phase 1
    Artifact("labels", "labels", OUTPUTS + "labels/labels_<division>_<cutoff>.parquet",
             "Per customer: whether the target was bought in the window after the cutoff, and who owned it before.",
             "The one definition of a positive, for training, validation and audits.",
             f"{_LABELS}:Labels", "models, validation, cutoff manifest", "all", owner="model"),
    Artifact("labels", "label_prevalence", OUTPUTS + "labels/label_prevalence_<division>_<cutoff>.csv",
             "Positives and their share, over all and by cohort.",
             "Says whether a division has enough positives to model.", f"{_LABELS}:LabelPrevalence", "modellers", "all", owner="model"),
    Artifact("labels", "cutoff_manifest", OUTPUTS + "labels/cutoff_manifest_<division>.json",
             "Window, threshold, censoring and counts of every cutoff of a division.",
             "Documents what each label meant.", f"{_LABELS}:CutoffManifest", "audits", owner="model"),
    # Phase 2
    Artifact("features", "customer_base", _INTERNAL + "features/customer_base_<cutoff>.parquet",
             "What is known of each customer at the cutoff, whatever the division.",
             "Computed once per cutoff and shared by all divisions.", f"{_FEATURES}:CustomerBase", "features", "all", internal=True, owner="model"),
    Artifact("features", "base_profile", _INTERNAL + "features/base_profile_<cutoff>.parquet",
             "Coverage, range, distinct values and digest of each column of the customer base.",
             "Worked out once per cutoff, and taken over by the catalog and statistics of every division.",
             f"{_FEATURES}:BaseProfile", "features", "all", internal=True, owner="model"),
    Artifact("features", "features", OUTPUTS + "features/features_<division>_<cutoff>.parquet",
             "The model matrix: one row per customer known at the cutoff, one column per declared feature.",
             "Primary input of training and scoring.", f"{_FEATURES}:Features", "models, scores, validation, leakage audits", "all", owner="model"),
    Artifact("features", "feature_catalog", OUTPUTS + "feature_catalog_<division>_<cutoff>.csv",
             "Every feature with family, window, lag, source, coverage and description.",
             "The data dictionary; what the date audit holds features to.", f"{_FEATURES}:FeatureCatalog", "modellers, audits", "all", owner="model"),
    Artifact("features", "feature_stats", OUTPUTS + "features/feature_stats_<division>_<cutoff>.json",
             "Caps as applied, coverage, ranges and a checksum of the matrix.",
             "Shows what winsorization did, and whether a rebuild is the same.", f"{_FEATURES}:FeatureStats", "modellers", "all", owner="model"),
    Artifact("features", "feature_list", OUTPUTS + "feature_list.json",
             "The canonical list of expected features, in order, with types.",
             "A model records the version it was trained on; scoring refuses a matrix that lacks one of them.",
             f"{_FEATURES}:FeatureList", "models", owner="model"),
    # Phase 3
    Artifact("models", "model", _INTERNAL + "models/model_<division>_<cutoff>.json",
             "The model: trees as text, calibrator as numbers, the features it reads.",
             "Everything scoring needs; nothing is unpickled.", f"{_MODELS}:ModelDocument", "scores, leakage report", "model", internal=True, owner="model"),
    Artifact("models", "metrics", _MODEL_DIR + "metrics.json",
             "AUC, average precision, lift, Brier and calibration on rows the model did not see, for everybody and for the whitespace.",
             "The evidence for accepting a model.", f"{_MODELS}:ModelMetrics", "metrics summary, operators", "model", owner="model"),
    Artifact("models", "gains", _MODEL_DIR + "gains.csv",
             "Positives and lift by decile of score.", "Shows whether the ranking sorts.", f"{_TABLES}:Gains", "modellers", "model",
             picture="The share of all positives found, down the list, with lift and base rate.", owner="model"),
    Artifact("models", "calibration", _MODEL_DIR + "calibration.csv",
             "Predicted against observed rates by bin of score.", "Shows whether a probability is one.", f"{_TABLES}:Calibration", "modellers", "model",
             picture="The reliability curve: observed against predicted rates, with the base rate.", owner="model"),
    Artifact("models", "thresholds", _MODEL_DIR + "thresholds.csv",
             "Score thresholds for the configured shares of the list.", "Turns capacity into a cut.", f"{_TABLES}:Thresholds", "sales operations", "model", owner="model"),
    Artifact("models", "model_card", _MODEL_DIR + "model_card.json",
             "What the model learned from, how it was chosen and calibrated, and which guards it passed.",
             "The paper that travels with the model.", f"{_MODELS}:ModelCard", "modellers, audits", "model", owner="model"),
    Artifact("models", "shap_summary", _MODEL_DIR + "shap_summary_<division>_<cutoff>.csv",
             "Mean contribution of every feature to the model that is scored.", "What drives the scores.", f"{_MODELS}:ShapSummary", "modellers, sales operations", "model",
             picture="The features that move the model most.", owner="model"),
    Artifact("models", "train_scores", _MODEL_DIR + "train_scores_<division>_<cutoff>.parquet",
             "Out-of-fold scores of the training rows with the folds as used.",
             "Baseline of score drift, and the record the fold audit reads.", f"{_MODELS}:TrainScores", "validation, leakage report", "model", owner="model"),
    Artifact("models", "train_feature_sample", _MODEL_DIR + "train_feature_sample_<division>_<cutoff>.parquet",
             "A sample of the training rows' features, nulls kept.", "Baseline of feature drift.", f"{_MODELS}:TrainFeatureSample", "validation", "model", owner="model"),
    # Scores
    Artifact("scores", "division_scores", _INTERNAL + "scores/division_scores_<division>_<cutoff>.parquet",
             "Calibrated probability per customer, from the model that could be trained by the cutoff.",
             "The one frame that ranking, delivery and validation read.", f"{_SCORES}:DivisionScores", "whitespace, validation, delivery", "model", internal=True, owner="model"),
    Artifact("scores", "closed_calibration", _INTERNAL + "scores/closed_calibration_<division>_<cutoff>.json",
             "Expected against observed positives of the newest validation that had closed by the cutoff.",
             "Evidence about calibration from the past only.", f"{_VALID}:ClosedCalibration", "whitespace", "model", internal=True, owner="model"),
    # Phase 4
    Artifact("whitespace", "whitespace", _SPACE_DIR + "whitespace_<cutoff>.csv",
             "Ranked opportunities: customers and the divisions they do not own.",
             "What the sales team works from.", f"{_SPACE}:Whitespace", "sales operations, delivery, reports", "model", owner="sales"),
    Artifact("whitespace", "whitespace_explanations", _SPACE_DIR + "whitespace_explanations_<cutoff>.csv",
             "Why each opportunity stands where it does: contributions and drivers.",
             "What a representative says on the phone.", f"{_SPACE}:WhitespaceExplanations", "sales operations", "model", owner="sales"),
    Artifact("whitespace", "thresholds_whitespace", _SPACE_DIR + "thresholds_whitespace_<cutoff>.csv",
             "Score thresholds of the list by capacity.", "Matches volume to capacity.", f"{_SPACE}:ThresholdsWhitespace", "sales operations", "model", owner="sales"),
    Artifact("whitespace", "whitespace_metrics", _SPACE_DIR + "whitespace_metrics_<cutoff>.json",
             "Coverage, concentration, expected capture and weights of the list.", "Health of the plan.", f"{_SPACE}:WhitespaceMetrics", "sales operations", "model", owner="sales"),
    Artifact("whitespace", "whitespace_log", _SPACE_DIR + "logs/whitespace_log_<cutoff>.jsonl",
             "One line per division: gates, coverage, weights, selection, and who was held back why.",
             "Answers why a customer is not on the list.", f"{_SPACE}:WhitespaceLogLine", "operators", "model", owner="sales"),
    Artifact("whitespace", "mb_rules", _SPACE_DIR + "mb_rules_<division>_<cutoff>.csv",
             "Market-basket rules: how much more often buyers of a SKU buy the target.",
             "Where affinity in the ranking comes from.", f"{_SPACE}:MbRules", "whitespace", "model", owner="sales"),
    Artifact("whitespace", "capacity_summary", _SPACE_DIR + "capacity_summary_<cutoff>.csv",
             "Size of the selected slice by division and segment.", "Reads the workload at a glance.", f"{_SPACE}:CapacitySummary", "sales operations", "model", owner="sales"),
    # Phase 5
    Artifact("validation", "validation_frame", _VALID_DIR + "validation_frame.parquet",
             "Scores of the cutoff beside what happened afterwards.", "The ground truth of every forward metric.", f"{_VALID}:ValidationFrame", "modellers", "validation", owner="model"),
    Artifact("validation", "gains", _VALID_DIR + "gains.csv",
             "Positives and lift by decile, forward.", "Whether the ranking sorted the future.", f"{_TABLES}:Gains", "modellers", "validation", owner="model"),
    Artifact("validation", "calibration", _VALID_DIR + "calibration.csv",
             "Predicted against observed rates, forward.", "Whether the probabilities held.", f"{_TABLES}:Calibration", "calibration history, whitespace", "validation", owner="model"),
    Artifact("validation", "topk_scenarios", _VALID_DIR + "topk_scenarios.csv",
             "Capture, precision and gross profit by capacity.", "What a capacity would have bought.", f"{_VALID}:TopkScenarios", "sales operations", "validation", row="topk_scenarios*.csv", owner="sales"),
    Artifact("validation", "topk_scenarios_sorted", _VALID_DIR + "topk_scenarios_sorted.csv",
             "The same scenarios, best first.", "The first line is the answer.", f"{_VALID}:TopkScenarios", "sales operations", "validation", row="topk_scenarios*.csv", owner="sales"),
    Artifact("validation", "segment_performance", _VALID_DIR + "segment_performance.csv",
             "Capture and precision by segment and industry.", "Who the model serves badly.", f"{_VALID}:SegmentPerformance", "modellers", "validation", owner="model"),
    Artifact("validation", "metrics", _VALID_DIR + "metrics.json",
             "Forward metrics for everybody and for the whitespace, with the number of positives behind them.",
             "The number to believe.", f"{_VALID}:ValidationMetrics", "metrics summary, operators", "validation", owner="model"),
    Artifact("validation", "drift", _VALID_DIR + "drift.json",
             "Distance of scores and features from those of training.", "Warns before performance falls.", f"{_VALID}:Drift", "operators", "validation", owner="model"),
    # Phase 6
    Artifact("observability", "config_resolved", OUTPUTS + "runs/<run_id>/config_resolved.yaml",
             "The settings in force, one file per run.", "What a number was computed with.", "", "operators"),
    Artifact("observability", "alerts", _VALID_DIR + "alerts.json",
             "What validation warns about: calibration, drift, scores.", "The short list to look at.", f"{_VALID}:Alerts", "operators", "validation", owner="model"),
    Artifact("observability", "calibration_history", OUTPUTS + "calibration_<division>.csv",
             "Calibration of a division over all cutoffs.", "Shows calibration drifting.", f"{_REPORT}:CalibrationHistory", "modellers", owner="model"),
    # Delivery
    Artifact("rollups", "icp_scores", OUTPUTS + "icp_scores.csv",
             "Probability per customer and division at the latest complete cutoff.", "The feed of the CRM.", f"{_REPORT}:IcpScores", "CRM, reports", owner="sales"),
    Artifact("rollups", "whitespace", OUTPUTS + "whitespace.csv",
             "The ranked list of the latest cutoff.", "The file a dashboard points at.", f"{_SPACE}:Whitespace", "dashboards, reports", owner="sales"),
    Artifact("rollups", "icp_scores_fallback", OUTPUTS + "icp_scores_<timestamp>.csv",
             "The scores, when the primary file was locked by another program.", "No delivery is lost to an open spreadsheet.", f"{_REPORT}:IcpScores", "CRM", owner="sales"),
    # Leakage
    Artifact("leakage", "fold_customer_overlap", _LEAK_DIR + "fold_customer_overlap_<division>_<cutoff>.csv",
             "Customers and label windows shared between the sides of each fold.", "A fold that leaks makes every metric a lie.", f"{_MODELS}:FoldCustomerOverlap", "models, leakage report", "model", owner="model"),
    Artifact("leakage", "feature_date_audit", _LEAK_DIR + "feature_date_audit_<division>_<cutoff>.csv",
             "The latest event each feature read, measured from the data.", "Finds features that look into the future.", f"{_LEAK}:FeatureDateAudit", "models, leakage report", "all", owner="model"),
    Artifact("leakage", "static_scan", _LEAK_DIR + "static_scan_<division>_<cutoff>.json",
             "Scan of the engine's source for clocks and unseeded chance.", "Stops the patterns that let leaks in.", f"{_LEAK}:StaticScan", "models, leakage report", "all", owner="model"),
    Artifact("leakage", "leakage_report", _LEAK_DIR + "leakage_report_<division>_<cutoff>.json",
             "PASS or FAIL of every audit of a model.", "The gate of every release.", f"{_LEAK}:LeakageReport", "whitespace, operators", "model", owner="model"),
    # Diagnostics: nothing that is delivered reads them.
    Artifact("diagnostics", "adjacency_ablation", _INTERNAL + "diagnostics/adjacency_ablation_<division>_<cutoff>.json",
             "A ranking with all features against one without those on the eve of the cutoff, out of time.",
             "Says which divisions belong into modeling.safe_divisions.", f"{_MODELS}:AdjacencyAblation", "modellers", "model", internal=True, on_demand=True, owner="model"),
    # Cross-run
    Artifact("rollups", "metrics_summary", OUTPUTS + "metrics_summary.csv",
             "Metrics of every division and cutoff, training and forward, for everybody and for the whitespace.", "The one table to watch.", f"{_REPORT}:MetricsSummary", "dashboards, operators", owner="model"),
    # Reports
    Artifact("reports", "cross_sell_accounts", REPORTS + "gosales_cross_sell_top100_accounts.csv",
             "The accounts of the cross-sell lists with both ranks.", "The base list for outreach.", f"{_REPORT}:CrossSellAccounts", "sales", owner="sales"),
    Artifact("reports", "cross_sell_accounts_icp", REPORTS + "gosales_cross_sell_top100_accounts_icp.csv",
             "The accounts ordered by probability of what they lack.", "Who is most likely to buy.", f"{_REPORT}:CrossSellIcp", "sales", owner="sales"),
    Artifact("reports", "cross_sell_accounts_whitespace", REPORTS + "gosales_cross_sell_top100_accounts_whitespace.csv",
             "The accounts ordered by their best whitespace opportunity.", "What to offer whom.", f"{_REPORT}:CrossSellWhitespace", "sales", owner="sales"),
    Artifact("reports", "cross_sell_summary", REPORTS + "gosales_cross_sell_top100_summary.md",
             "The cross-sell lists in prose and small tables.", "Read this first.", "", "sales leaders", owner="sales"),
)  # fmt: skip


class Catalog(Mapping[str, Artifact]):
    """The rows by ``phase/name``."""

    def __init__(self, artifacts: tuple[Artifact, ...] = ARTIFACTS) -> None:
        self._rows = {a.id: a for a in artifacts}
        if len(self._rows) != len(artifacts):
            raise ValueError("two artifacts share a key")
        if len({a.pattern for a in artifacts}) != len(artifacts):
            raise ValueError("two artifacts share a path")

    def __getitem__(self, key: str) -> Artifact:
        return self._rows[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def published(self) -> dict[str, list[Artifact]]:
        """Rows of the published catalog -> the files that make them."""
        rows: dict[str, list[Artifact]] = {}
        for artifact in self.values():
            if not artifact.internal:
                rows.setdefault(artifact.folder + artifact.catalog_row, []).append(artifact)
        return rows


CATALOG = Catalog()


def markdown(catalog: Catalog = CATALOG) -> str:
    """``docs/artifact_catalog.md``, generated."""
    lines = [
        "# Artifact catalog",
        "",
        "Generated from `gosales_assets/catalog.py` by `gosales docs`; do not edit.",
        "Paths are relative to `artifact_root`. A file marked *internal* is not part of the published catalog.",
        "A *picture* is drawn of the file above it and lies beside it: no row of the published catalog, and no asset.",
    ]
    for phase, title in PHASES.items():
        lines += [
            "",
            f"## {title}",
            "",
            "| Asset | File | Per | Purpose | Why it matters | Read by |",
            "| --- | --- | --- | --- | --- | --- |",
        ]
        for a in (a for a in catalog.values() if a.phase == phase):
            per = a.grain.replace("_", " × ") if a.grain != "snapshot" else "-"
            mark = " *(internal)*" if a.internal else ""
            lines.append(f"| `{a.id}`{mark} | `{a.pattern}` | {per} | {a.purpose} | {a.importance} | {a.consumers} |")
            if a.picture:
                what = f"| *(picture of `{a.id}`)* | `{a.picture_pattern}` | {per} | {a.picture}"
                lines.append(f"{what} | For people; also in the metadata of the asset. | people |")
    return "\n".join(lines) + "\n"
