"""Schemas of the leakage artifacts.

Belongs here: the columns and keys the audits publish. Does not belong here: how a verdict is reached. The table of the
date audit is defined beside the audit and named here too, so that every leakage schema is found in one place.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from gosales_assets.engine.leakage.date_audit import FeatureDateAudit

__all__ = ["AllowedFinding", "CheckResult", "FeatureDateAudit", "LeakageReport", "ScanFinding", "StaticScan"]

Status = Literal["PASS", "FAIL", "ERROR", "INSUFFICIENT_DATA", "WARN"]


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class ScanFinding(_Document):
    """One use of something banned."""

    file: str = Field(description="File, relative to the package.")
    line: int = Field(ge=1, description="Line, 1-based.")
    code: str = Field(description="That line, trimmed.")
    call: str = Field(description="What was used, by its full name whatever the alias.")
    rule: Literal["clock", "sql_clock", "random", "unpickling", "opaque"] = Field(description="Why it is banned.")


class AllowedFinding(ScanFinding):
    """A use of something banned that is harmless."""

    reason: str = Field(min_length=1, description="Why it cannot move a number.")


class StaticScan(_Document):
    """Scan of the engine's source for clocks, unseeded chance and unpickling."""

    status: Literal["PASS", "FAIL"] = Field(description="PASS: files were scanned and nothing banned was found.")
    reason: str = Field(description="One sentence: what was found, what to do.")
    findings: list[ScanFinding] = Field(description="Banned uses, by file and line.")
    allowed: list[AllowedFinding] = Field(description="Uses excused by the allow-list, with the reason.")
    scanned_files: list[str] = Field(description="Files scanned, sorted.")
    scanned_count: int = Field(ge=0, description="Number of files scanned; none fails.")
    missing_scope: list[str] = Field(description="Parts of the wanted scope of which no file was handed over.")

    @model_validator(mode="after")
    def _consistent(self) -> StaticScan:
        if self.scanned_count != len(self.scanned_files):
            raise ValueError(f"scanned_count is {self.scanned_count}, scanned_files holds {len(self.scanned_files)}")
        clean = self.scanned_count > 0 and not self.findings and not self.missing_scope
        if (self.status == "PASS") != clean:
            raise ValueError(f"status {self.status} contradicts findings, scope and count")
        return self


class CheckResult(_Document):
    """Verdict of one check."""

    status: Status = Field(description="ERROR: the check itself broke, which closes the gate like FAIL.")
    value: float | None = Field(description="The measured value; null when there is none.")
    threshold: float | None = Field(description="The limit it was held to; null when there is none.")
    reason: str = Field(min_length=1, description="What was measured, where, and what to do when it is bad.")


class LeakageReport(_Document):
    """PASS or FAIL of every audit of a model."""

    division: str = Field(description="Slug of the target.")
    division_name: str = Field(description="Display name of the target.")
    cutoff: str = Field(description="Cutoff of the model, ISO date.")
    overall: Literal["PASS", "FAIL"] = Field(description="PASS only when every required check ran and passed.")
    required: list[str] = Field(min_length=1, description="Checks that decide, by name.")
    checks: dict[str, CheckResult] = Field(description="Verdicts by check name; those not required inform.")
    flags: list[str] = Field(description="Checks that did not pass without deciding: warnings and too little data.")
    not_run: dict[str, str] = Field(description="Audits that did not run, with the reason: their silence is no PASS.")

    @model_validator(mode="after")
    def _consistent(self) -> LeakageReport:
        passed = all(name in self.checks and self.checks[name].status == "PASS" for name in self.required)
        if (self.overall == "PASS") != passed:
            raise ValueError(f"overall is {self.overall}, which contradicts the required checks")
        if both := sorted(set(self.checks) & set(self.not_run)):
            raise ValueError(f"listed as run and as not run: {', '.join(both)}")
        return self
