"""`stageline check`: every document is judged once, by the reader that it is for."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from services.main import app


def check(folder: Path, text: str, *options: str) -> Result:
    (folder / "f.yaml").write_text(text)
    return CliRunner().invoke(app, ["check", str(folder / "f.yaml"), *options])


@pytest.mark.parametrize(
    "text",
    [
        "lifecyle: shop\nmetrics: {n: {count: A}}\nstages: [{stage: a, when: n > 1}]\n",
        "Lifecycle: shop\nstages: [{stage: a}]\n",
        "segmant: x\nwhen: true\n",
        "campagn: x\non: {lifecycle: a, stage: b, change: moved}\nsend: [{channel: console}]\n",
        "subscripton: x\nsend: [{channel: kafka}]\n",
        "stages: [{stage: a}]\n",
        "lifecycle: x\ncampaign: y\n",
        "hello\n",
        "3\n",
        "- lifecycle: shop\n",
    ],
)
def test_a_document_of_no_clear_kind_is_one_fault(text: str, tmp_path: Path) -> None:
    result = check(tmp_path, text)

    assert result.exit_code == 1
    assert result.stderr.count(": error: ") == 1
