"""Gates: what must hold before anything downstream may read.

Belongs here: checks that read one published asset and open or shut it. A gate reads only the asset it judges, because
further inputs of a check ignore partition mappings. Does not belong here: the audits themselves (`engine.leakage`).
"""

from typing import Any

import dagster as dg
import polars as pl

from gosales_assets.catalog import CATALOG
from gosales_assets.defs.stage import Platform, asset_key
from gosales_assets.engine.findings import refuse_unknown
from gosales_assets.engine.modeling import guardrails


def _severity(platform: Platform, name: str) -> dg.AssetCheckSeverity:
    return dg.AssetCheckSeverity[platform.settings.gates.severity.get(name, "ERROR")]


def build(platform: Platform) -> list[dg.AssetChecksDefinition]:
    def gate(artifact_id: str, name: str, description: str) -> Any:
        """A check of one artifact; blocking exactly when its severity is ERROR."""
        artifact = CATALOG[artifact_id]
        return dg.asset_check(
            asset=asset_key(artifact),
            name=name,
            description=description,
            blocking=_severity(platform, name) == dg.AssetCheckSeverity.ERROR,
            partitions_def=platform.partitions.of(artifact),
        )

    @gate("leakage/leakage_report", "gate_leakage", "Every required audit of the gauntlet ran and passed.")
    def gate_leakage(context: dg.AssetCheckExecutionContext, leakage_report: dict) -> dg.AssetCheckResult:
        checks = leakage_report["checks"]
        shut = {n: checks.get(n) for n in leakage_report["required"] if (checks.get(n) or {}).get("status") != "PASS"}
        passed = leakage_report["overall"] == "PASS" and not shut
        reasons = [
            f"{n} {(c or {}).get('status', 'MISSING')}: {(c or {}).get('reason') or 'no reason given'}"
            for n, c in shut.items()
        ]
        return dg.AssetCheckResult(
            passed=passed,
            severity=_severity(platform, "gate_leakage"),
            description=None if passed else "; ".join(reasons) or "overall is not PASS",
            metadata={
                "division": leakage_report["division"],
                "cutoff": leakage_report["cutoff"],
                "checks": dg.MetadataValue.json({n: c["status"] for n, c in checks.items()}),
            },
        )

    @gate("leakage/feature_date_audit", "gate_feature_dates", "No feature reads an event after what it declares.")
    def gate_feature_dates(
        context: dg.AssetCheckExecutionContext, feature_date_audit: pl.DataFrame
    ) -> dg.AssetCheckResult:
        bad = feature_date_audit.filter(pl.col("status") != "OK")
        passed = feature_date_audit.height > 0 and bad.is_empty()
        first = bad.row(0, named=True) if bad.height else None
        reason = (
            f"{bad.height} of {feature_date_audit.height} features; "
            f"first {first['feature']} {first['status']}: {first['reason']}"
            if first
            else "no feature was audited"
        )
        return dg.AssetCheckResult(
            passed=passed,
            severity=_severity(platform, "gate_feature_dates"),
            description=None if passed else reason,
            metadata={
                "features": feature_date_audit.height,
                "not_ok": bad.height,
                "examples": dg.MetadataValue.json(bad.head(10)["feature"].to_list()),
            },
        )

    @gate("leakage/static_scan", "gate_static_scan", "The engine's source holds no clock and no unseeded chance.")
    def gate_static_scan(context: dg.AssetCheckExecutionContext, static_scan: dict) -> dg.AssetCheckResult:
        passed = static_scan["status"] == "PASS" and static_scan["scanned_count"] > 0
        first = static_scan["findings"][0] if static_scan["findings"] else None
        reason = f"{first['file']}:{first['line']} {first['code']}" if first else "nothing was scanned"
        return dg.AssetCheckResult(
            passed=passed,
            severity=_severity(platform, "gate_static_scan"),
            description=None if passed else reason,
            metadata={"scanned_files": static_scan["scanned_count"], "findings": len(static_scan["findings"])},
        )

    @gate(
        "leakage/fold_customer_overlap", "gate_folds", "No customer, and no label window, is on both sides of a fold."
    )
    def gate_folds(context: dg.AssetCheckExecutionContext, fold_customer_overlap: pl.DataFrame) -> dg.AssetCheckResult:
        bad = fold_customer_overlap.filter(pl.col("status") == "FAIL")
        first = bad.row(0, named=True) if bad.height else None
        return dg.AssetCheckResult(
            passed=fold_customer_overlap.height > 0 and bad.is_empty(),
            severity=_severity(platform, "gate_folds"),
            description=f"{first['fold_kind']} fold {first['fold']}: {first['reason']}"
            if first
            else None
            if fold_customer_overlap.height
            else "no fold was audited",
            metadata={"folds": fold_customer_overlap.height, "failed": bad.height},
        )

    gates = [gate_leakage, gate_feature_dates, gate_static_scan, gate_folds]
    own = {key.name for gate in gates for key in gate.check_keys}
    refuse_unknown("gates.severity", platform.settings.gates.severity, own | guardrails.severities({}).keys(), "check")
    return gates
