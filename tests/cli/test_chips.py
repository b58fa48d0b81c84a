"""Does the command line tell what is known of chips, with its source and never more?"""

import json

import pytest

from suanlian.cli.main import REFUSED, run


def test_the_list_and_one_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["chips", "--family", "ascend"]) == 0
    told = capsys.readouterr()
    assert "Huawei Ascend 910B2" in told.out
    assert "NVIDIA" not in told.out
    assert "Epoch AI" in told.err
    assert run(["chips", "910B2"]) == 0
    one = capsys.readouterr().out
    assert "Peak at FP16, T/s       376" in one
    assert "FP64" not in one
    assert "claimed" in one
    assert run(["chips", "no such chip"]) == REFUSED
    assert "not_found" in capsys.readouterr().err


def test_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["chips", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)) == 170
    assert run(["chips", "910B2", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["peaks"] == [{"precision": "FP16", "tera_per_s": "376"}]
