"""A stage: one computation that yields several catalogued files, judged before it publishes.

Belongs here: how a function of the engine becomes assets with specs from the catalog, contract checks inside its own
step, and versions. Does not belong here: what any stage computes.

The order of a stage's step: first the evidence (what explains a failure), then the results of its checks, then, when
none of them blocks, the rest. A failed contract leaves what was published before as it was.
"""

from __future__ import annotations

import functools
import hashlib
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Literal, get_type_hints

import dagster as dg

from gosales_assets.catalog import CATALOG, OWNERS, PHASES, Artifact
from gosales_assets.defs import formats
from gosales_assets.defs.checks.contracts import judge_schema
from gosales_assets.defs.partitions import Partitions, placeholders
from gosales_assets.defs.pictures import Picture
from gosales_assets.defs.storage import Pictured, data_version, recorded_version
from gosales_assets.defs.versions import source_hash
from gosales_assets.engine.findings import Finding, Severity, blocking
from gosales_assets.settings import Settings
from gosales_assets.taxonomy import Target

#: Check every tabular or documented output has.
CONTRACT_SCHEMA = "contract_schema"

#: What every stage depends on besides its own engine package.
_SHARED_CODE = (
    "timeline.py",
    "taxonomy.py",
    "catalog.py",
    "defs/formats.py",
    "engine/findings.py",
    "engine/parallel.py",
)


@dataclass(frozen=True)
class Platform:
    """What the asset modules build from: settings and the partition sets they imply."""

    settings: Settings
    partitions: Partitions = field(init=False)

    def __post_init__(self) -> None:
        slugs = tuple(t.slug for t in self.settings.targets)
        object.__setattr__(self, "partitions", Partitions(self.settings.calendar, slugs))

    def target(self, context: dg.AssetExecutionContext) -> Target:
        """The target of the partition being materialized."""
        return self.settings.products.target(_dimension(context, "division"))

    def cutoff(self, context: dg.AssetExecutionContext) -> date:
        """The cutoff of the partition being materialized."""
        return date.fromisoformat(_dimension(context, "cutoff"))

    def code_version(self, code: Sequence[str], sections: Sequence[str]) -> str:
        """Hash of the source and the settings a stage depends on.

        Parameters
        ----------
        code
            Files and folders, relative to the package; what they import of the engine and the sources counts too.
        sections
            Sections of the settings.
        """
        return hashlib.sha256(
            (source_hash((*_SHARED_CODE, *code)) + self.settings.digest(*sections)).encode()
        ).hexdigest()[:20]


def _dimension(context: dg.AssetExecutionContext, name: str) -> str:
    key = context.partition_key
    if isinstance(key, dg.MultiPartitionKey):
        return key.keys_by_dimension[name]
    return key


def asset_key(artifact: Artifact) -> dg.AssetKey:
    return dg.AssetKey(artifact.key)


def read(
    artifact_id: str,
    mapping: dg.PartitionMapping | None = None,
    *,
    existing: bool = False,
    on_closed: Literal["fail", "exclude"] = "fail",
) -> dg.AssetIn:
    """An input: which artifact, and which of its partitions.

    Parameters
    ----------
    artifact_id
        ``phase/name``.
    mapping
        Needed on every edge between two partition sets.
    existing
        Load the partitions that are materialized, perhaps none; without it every one of them is required.
    on_closed
        What a closed gate does: fail the step, or leave its partition out of the fan-in, which the stage must report.
    """
    metadata = {"existing": existing, "on_closed": on_closed}
    return dg.AssetIn(
        key=asset_key(CATALOG[artifact_id]),
        partition_mapping=mapping,
        metadata={k: v for k, v in metadata.items() if v not in (False, "fail")} or None,
    )


def spec_of(artifact: Artifact, code_version: str | None = None) -> dg.AssetSpec:
    """The asset of a catalog row."""
    return dg.AssetSpec(
        asset_key(artifact),
        group_name=artifact.phase,
        description=artifact.description,
        kinds={artifact.format},
        owners=[OWNERS[artifact.owner]],
        code_version=code_version,
        tags={"gosales/internal": "true"} if artifact.internal else {},
        metadata={"catalog/path": artifact.pattern, "catalog/phase": PHASES[artifact.phase]},
    )


@dataclass(frozen=True)
class Result:
    """What a stage's function returns.

    Attributes
    ----------
    outputs
        Objects by artifact name.
    findings
        What its contracts found.
    metadata
        What is recorded beside a file, by artifact name: pictures, counts. No part of its data version.
    pictures
        The picture of each output whose catalog row has one: lies beside its file, and is recorded like metadata.
    """

    outputs: Mapping[str, Any]
    findings: Sequence[Finding] = ()
    metadata: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    pictures: Mapping[str, Picture] = field(default_factory=dict)


Body = Callable[..., "Result | Mapping[str, Any]"]


def stage(
    platform: Platform,
    *outputs: str,
    ins: Mapping[str, dg.AssetIn],
    code: Sequence[str],
    sections: Sequence[str],
    checks: Mapping[str, Mapping[str, Severity]] | None = None,
    descriptions: Mapping[str, str] | None = None,
    evidence: Sequence[str] = (),
    deps: Sequence[dg.AssetKey] = (),
) -> Callable[[Body], dg.AssetsDefinition]:
    """Make a function the computation of catalogued files.

    Parameters
    ----------
    outputs
        ``phase/name`` of every file the function yields; all of one partition set.
    ins
        Inputs by parameter name.
    code, sections
        What the code version hashes: source below the package, sections of the settings.
    checks
        Contracts the function judges itself: artifact name -> check name -> severity. It returns one `Finding` each.
    descriptions
        What a check says, by its name.
    evidence
        Names of outputs that are published even when a contract blocks the others.
    deps
        External inputs, which have no file of ours. Our own assets are always read through ``ins``, where the gate
        guard stands.
    """
    artifacts = [CATALOG[o] for o in outputs]
    partitions = {platform.partitions.of(a) for a in artifacts}
    assert len(partitions) == 1, f"{outputs}: one stage, one partition set"
    (partitions_def,) = partitions
    version = platform.code_version(code, sections)
    by_name = {a.name: a for a in artifacts}
    said = {**_CHECK_DESCRIPTIONS, **(descriptions or {})}
    declared = {(a.name, CONTRACT_SCHEMA): "ERROR" for a in artifacts if a.schema}
    declared |= {(name, check): severity for name, mine in (checks or {}).items() for check, severity in mine.items()}

    def decorate(body: Body) -> dg.AssetsDefinition:
        @functools.wraps(body)
        def step(context: dg.AssetExecutionContext, **inputs: Any) -> Iterator[Any]:
            result = body(context, **inputs)
            result = result if isinstance(result, Result) else Result(result)
            yield from _publish(context, artifacts, result, declared, evidence)

        # Dagster reads types off the function and does not evaluate postponed annotations itself. What the body
        # returns is not what the step yields.
        step.__signature__ = inspect.signature(body, eval_str=True).replace(return_annotation=inspect.Signature.empty)  # type: ignore[attr-defined]
        step.__annotations__ = {k: v for k, v in get_type_hints(body).items() if k != "return"}

        return dg.multi_asset(
            name=f"{body.__name__}_stage",
            outs={a.name: dg.AssetOut.from_spec(spec_of(a, version), is_required=False) for a in artifacts},
            ins=dict(ins),
            deps=list(deps),
            partitions_def=partitions_def,
            check_specs=[
                dg.AssetCheckSpec(
                    check,
                    asset=asset_key(by_name[name]),
                    blocking=severity == "ERROR",
                    partitions_def=partitions_def,
                    description=said.get(check, "Contract judged before the file is published."),
                )
                for (name, check), severity in declared.items()
            ],
            can_subset=True,
            op_tags={"gosales/stage": body.__name__},
        )(step)

    return decorate


_CHECK_DESCRIPTIONS = {
    CONTRACT_SCHEMA: "Columns, types, keys and ranges of the catalog's schema, judged before the file is published."
}


def _publish(
    context: dg.AssetExecutionContext,
    artifacts: Sequence[Artifact],
    result: Result,
    declared: Mapping[tuple[str, str], str],
    evidence: Sequence[str],
) -> Iterator[Any]:
    """Evidence, then verdicts, then the rest; a blocking verdict ends the step before the rest."""
    names = [a.name for a in artifacts]
    if absent := [n for n in names if n not in result.outputs]:
        raise dg.DagsterInvariantViolationError(f"stage returned no {', '.join(absent)}")
    if wrong := sorted({a.name for a in artifacts if a.picture} ^ set(result.pictures)):
        raise dg.DagsterInvariantViolationError(
            f"stage must draw what the catalog says has a picture, and nothing else; see {', '.join(wrong)}"
        )
    partition = context.partition_key if context.has_partition_key else None
    findings = [judge_schema(a, result.outputs[a.name]) for a in artifacts if a.schema] + list(result.findings)
    judged = {(f.table, f.check) for f in findings}
    if judged != set(declared):
        raise dg.DagsterInvariantViolationError(
            f"stage declares the checks {sorted(declared)} and judged {sorted(judged)}; the two must be the same"
        )
    chosen = [a for a in artifacts if asset_key(a) in context.selected_asset_keys]
    _refuse_verdicts_on_other_bytes(context, artifacts, result, partition)
    # A finding against evidence itself must not keep it back: it is what explains the failure.
    first = [a for a in chosen if a.name in evidence]
    for artifact in first:
        yield _output(context, artifact, result, partition)
    stopped = blocking(findings)
    for finding in findings:
        key = dg.AssetCheckKey(asset_key(CATALOG[_id(artifacts, finding.table)]), finding.check)
        if key in context.selected_asset_check_keys:
            yield _verdict(key, finding)
    if stopped:
        raise dg.Failure(
            description="contract broken: "
            + "; ".join(
                f"{_id(artifacts, f.table)}:{f.check}{f' {partition}' if partition else ''}: {f.reason}"
                for f in stopped
            )
            + ". Nothing else was published; what was published before is untouched.",
            allow_retries=False,
        )
    for artifact in chosen:
        if artifact not in first:
            yield _output(context, artifact, result, partition)


def _refuse_verdicts_on_other_bytes(
    context: dg.AssetExecutionContext, artifacts: Sequence[Artifact], result: Result, partition: str | None
) -> None:
    """A check executed without its asset judges what the stage makes now; that counts only for equal stored bytes.

    Otherwise a pass of today's code would open the gate of a file of yesterday's.
    """
    unpublished = {k.asset_key for k in context.selected_asset_check_keys} - set(context.selected_asset_keys)
    for artifact in artifacts:
        if asset_key(artifact) in unpublished:
            now = data_version(formats.encode(artifact, result.outputs[artifact.name]))
            if now != recorded_version(context.instance, asset_key(artifact), partition):
                raise dg.Failure(
                    description=f"{artifact.id} as stored is not what its code and inputs make now, so that this check "
                    "cannot judge it alone; materialize the asset, which judges it first.",
                    allow_retries=False,
                )


def _id(artifacts: Sequence[Artifact], name: str) -> str:
    return next(a.id for a in artifacts if a.name == name)


def _output(context: dg.AssetExecutionContext, artifact: Artifact, result: Result, partition: str | None) -> dg.Output:
    about = {**placeholders(artifact, partition), **result.metadata.get(artifact.name, {})}
    value = result.outputs[artifact.name]
    if picture := result.pictures.get(artifact.name):
        value, about = Pictured(value, picture.png), {**about, "picture": picture.markdown}
    # Not with the output: a picture would be stored with its event too.
    context.add_asset_metadata(about, asset_key=asset_key(artifact))
    return dg.Output(value, output_name=artifact.name)


def _verdict(key: dg.AssetCheckKey, finding: Finding) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        asset_key=key.asset_key,
        check_name=key.name,
        passed=finding.passed,
        severity=dg.AssetCheckSeverity[finding.severity],
        description=finding.reason or None,
        metadata=finding_metadata(finding),
    )


def finding_metadata(finding: Finding) -> dict[str, Any]:
    """Metadata of a check result: a list of flat records becomes a table, everything else JSON or a number."""

    def value(item: Any) -> Any:
        if isinstance(item, list) and item and all(isinstance(r, Mapping) for r in item):
            records = [dg.TableRecord({k: _cell(v) for k, v in r.items()}) for r in item]
            return dg.MetadataValue.table(records)
        if isinstance(item, dict | list):
            return dg.MetadataValue.json(item)
        return item

    return {k: value(v) for k, v in finding.metadata.items() if v is not None}


def _cell(value: Any) -> Any:
    return value if isinstance(value, str | int | float | bool) or value is None else str(value)
