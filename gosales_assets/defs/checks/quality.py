"""Quality of models, forward: what an operator should look at. Warnings; they never block.

Belongs here: reading published metrics against thresholds of the settings. Does not belong here: computing metrics.
"""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from gosales_assets.catalog import CATALOG
from gosales_assets.defs.stage import Platform, asset_key

_DESCRIPTIONS = {
    "quality_evidence": "Enough distinct positives stand behind the forward metrics, and the label window has closed.",
    "quality_ranking": "Forward AUC and lift of the evaluated population are not weak.",
    "quality_calibration": "Expected and observed positives agree, forward.",
}


def build(platform: Platform) -> list[dg.AssetChecksDefinition]:
    settings = platform.settings
    artifact = CATALOG["validation/metrics"]
    specs = [
        dg.AssetCheckSpec(
            name, asset=asset_key(artifact), description=text, partitions_def=platform.partitions.of(artifact)
        )
        for name, text in _DESCRIPTIONS.items()
    ]

    @dg.multi_asset_check(specs=specs, name="validation_quality", ins={"metrics": dg.AssetIn(asset_key(artifact))})
    def validation_quality(context: dg.AssetCheckExecutionContext, metrics: dict) -> Iterator[dg.AssetCheckResult]:
        population = settings.population.evaluate_on
        found: dict[str, Any] = metrics["final"][population]
        positives = found.get("positives") or 0
        enough = metrics["status"] == "ok" and positives >= settings.validation.min_positives_gate

        def verdict(name: str, passed: bool, reason: str, **values: Any) -> dg.AssetCheckResult:
            return dg.AssetCheckResult(
                asset_key=asset_key(artifact),
                check_name=name,
                passed=passed,
                severity=dg.AssetCheckSeverity.WARN,
                description=None if passed else reason,
                metadata={"population": population, **{k: v for k, v in values.items() if v is not None}},
            )

        yield verdict(
            "quality_evidence",
            enough,
            f"status {metrics['status']}, {positives} distinct positives in {population}; "
            f"{settings.validation.min_positives_gate} are needed to judge",
            positives=positives,
            status=metrics["status"],
        )
        auc, lift = found.get("auc"), found.get("lift@10")
        weak = [
            f"{name} {value:.3f} is below {limit}"
            for name, value, limit in (
                ("AUC", auc, settings.gates.flag_auc_below),
                ("lift at 10 %", lift, settings.gates.flag_lift_below),
            )
            if value is not None and value < limit
        ]
        unknown = auc is None or lift is None
        yield verdict(
            "quality_ranking",
            not weak and not unknown,
            "; ".join(weak) or "not known: too few positives",
            auc=auc,
            lift_at_10=lift,
        )
        ratio = found.get("ratio")
        low, high = settings.gates.flag_ratio_outside
        off = ratio is None or not low <= ratio <= high
        yield verdict(
            "quality_calibration",
            not off,
            f"expected/observed {ratio:.2f} is outside [{low}, {high}]"
            if ratio is not None
            else "not known: too few positives",
            expected_to_observed=ratio,
        )

    return [validation_quality]
