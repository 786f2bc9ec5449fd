"""The report of a verification: one row for each check of each file."""

from __future__ import annotations

from typing import Any

import numpy as np


def make_row(
    file: str, check: str, value: float, limit: float | None = None, note: str = ""
) -> dict[str, Any]:
    """Returns the result of one check, which JSON can hold.

    Args:
        file: the file that was checked.
        check: what was measured.
        value: the measurement. The check passes if it is at most `limit`; NaN fails.
        limit: with None the value is only reported.
        note: what a reader needs besides.
    """
    passed = limit is None or bool(value <= limit)  # NaN fails
    return {
        "file": file,
        "check": check,
        "value": float(value) if np.isfinite(value) else None,  # JSON has no infinity
        "limit": limit,
        "passed": passed,
        "note": note,
    }


def table(report: dict[str, Any]) -> list[dict[str, str]]:
    """Returns the rows of a report as text, for printing."""
    return [
        {
            "file": row["file"],
            "check": row["check"],
            "value": "infinite" if row["value"] is None else f"{row['value']:.3g}",
            "limit": "" if row["limit"] is None else f"{row['limit']:.3g}",
            "result": "pass" if row["passed"] else "FAIL",
            "note": row["note"],
        }
        for row in report["rows"]
    ]
