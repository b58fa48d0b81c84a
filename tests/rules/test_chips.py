"""Does the table of chips say only what its source says, is a name one chip or none, and are its traps out?"""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suanlian.cli.chips import NOTES
from suanlian.data.chips import chips
from suanlian.model.chips import ChipModel, Peak
from suanlian.model.performance import Grade, Precision
from suanlian.model.platform import Chip
from suanlian.rules.chips import find, index, plain, table_figures, unknown_family
from suanlian.rules.stacks import FAMILIES
from tests.rules.worlds import flavor, resources

KNOWN = index(chips())


def peak(name: str, precision: Precision) -> Decimal | None:
    chip = find(KNOWN, name)
    assert chip is not None
    found = chip.peak(precision)
    return None if found is None else found.tera_per_s


@pytest.mark.parametrize(
    ("name", "fp16"),
    [
        ("NVIDIA A100 SXM4 80 GB", "312"),  # its fp16_flops, 77.97, is not of the matrix units
        ("NVIDIA H100 SXM5 80GB", "989.4"),
        ("NVIDIA H100 NVL", "835.5"),  # NVIDIA, and yet in the other column
        ("Huawei Ascend 910B2", "376"),
        ("Huawei Ascend 910C", "800"),
        ("Intel Habana Gaudi3", "1678"),
        ("MTT S4000", "100"),
        ("NVIDIA Tesla T4", "65.13"),
    ],
)
def test_fp16_is_the_dense_rate_whichever_column_it_stands_in(name: str, fp16: str) -> None:
    assert peak(name, Precision.FP16) == Decimal(fp16)


@pytest.mark.parametrize("name", ["NVIDIA GeForce RTX 3090", "NVIDIA RTX 6000 Ada Generation", "NVIDIA Titan V"])
def test_a_vector_rate_is_not_passed_off_as_that_of_matrix_units(name: str) -> None:
    assert peak(name, Precision.FP16) is None
    assert peak(name, Precision.FP32) is not None


def test_no_figure_is_of_sparse_matrices() -> None:
    """Half the width gives twice the rate; a larger step would be one with zeros left out, if no vendor had such."""
    steep = {
        chip.name
        for chip in chips()
        for narrow in (chip.peak(Precision.FP8), chip.peak(Precision.INT8))
        if (wide := chip.peak(Precision.FP16)) and narrow and narrow.tera_per_s > Decimal("2.2") * wide.tera_per_s
    }
    made_so = {
        "Amazon Trainium1",
        "Amazon Trainium3",
        "GroqChip LPU v1",
        "NVIDIA Tesla P4",
        "Tianshu Zhixin Zhikai 100",
    }
    made_so |= {"Baidu Kunlun I", "Baidu Kunlun K200"} | {
        name for name in steep if name.startswith("Cambricon MLU370-")
    }
    assert steep == made_so
    assert peak("NVIDIA H100 SXM5 80GB", Precision.INT8) == 1979
    assert peak("NVIDIA GeForce RTX 4090", Precision.INT8) == Decimal("660.6")


def test_slips_of_the_source_are_put_right_or_left_out_and_said() -> None:
    by_name = {chip.name: chip for chip in chips()}
    assert by_name["MetaX MXC500 (OAM)"].memory_gb_per_s == 1800
    assert by_name["Huawei Ascend 910B"].memory_gb is None
    assert by_name["Huawei Ascend 910B2"].memory_gb == 64
    assert by_name["AMD Radeon Instinct MI308X"].memory_gb_per_s is None
    assert {note for chip in chips() if chip.note for note in chip.note.split("; ")} == set(NOTES)
    assert len(by_name) == len(chips()) == 170


def test_families_of_the_table_that_have_a_stack_are_those_of_the_rules() -> None:
    assert set(FAMILIES) <= {chip.family for chip in chips()}


@given(st.sampled_from(chips()), st.randoms())
def test_a_name_is_found_however_it_is_written_and_means_what_it_says(chip: ChipModel, chance: object) -> None:
    written = "".join(getattr(chance, "choice")([char.upper(), char.lower()]) for char in chip.name)  # noqa: B009
    found = find(KNOWN, written.replace(" ", "-"))
    assert found is not None
    assert plain(found.name) == plain(chip.name)


@given(st.text(max_size=30))
def test_an_unknown_name_is_never_guessed(name: str) -> None:
    found = find(KNOWN, name)
    if found is not None:
        keys = {plain(known) for known in (found.name, *found.aliases)}
        assert any(key.endswith(plain(name)) for key in keys)
    assert find(KNOWN, "Huawei Ascend 910Z") is None
    assert find(KNOWN, "NVIDIA A10") is None


def test_a_name_that_would_mean_two_chips_means_none() -> None:
    twins = (ChipModel(name="Acme X 1", vendor="Acme"), ChipModel(name="Acme X-1", vendor="Acme"))
    assert index(twins) == {}


def test_the_figures_of_a_flavor_are_claims_of_all_its_cards_and_simulated_where_the_chip_is() -> None:
    chip = Chip(family="ascend", model="Ascend 910B2", grade=Grade.CLAIMED)
    node = resources(cpu=64_000, memory=1 << 20, accelerator=8)
    real = flavor().model_copy(update={"chip": chip, "node": node})
    (figure,) = table_figures(real, KNOWN, "the table")
    assert (figure.precision, figure.tera_per_s, figure.grade) == (Precision.FP16, Decimal(8 * 376), Grade.CLAIMED)
    assert "8 x Huawei Ascend 910B2" in figure.source
    absent = real.model_copy(update={"chip": chip.model_copy(update={"grade": Grade.SIMULATED})})
    assert {one.grade for one in table_figures(absent, KNOWN, "the table")} == {Grade.SIMULATED}
    assert table_figures(flavor(), KNOWN, "") == ()
    unknown = real.model_copy(update={"chip": chip.model_copy(update={"model": "a chip of our own"})})
    assert table_figures(unknown, KNOWN, "") == ()


def test_a_chip_says_nothing_of_a_precision_that_nobody_states() -> None:
    chip = ChipModel(name="x", peaks=(Peak(precision=Precision.FP32, tera_per_s=Decimal(1)),))
    assert chip.peak(Precision.BF16) is None


@pytest.mark.parametrize("family", sorted({chip.family for chip in chips() if chip.family} | {"dongfeng"}))
def test_a_family_of_the_table_or_of_a_platform_is_known(family: str) -> None:
    assert unknown_family(family, chips(), {"dongfeng"}) is None


@pytest.mark.parametrize(
    ("name", "meant"),
    [("nvida", "nvidia"), ("ascent", "ascend"), ("a100", "nvidia"), ("ascend-910b", "ascend"), ("dongfen", "dongfeng")],
)
def test_what_may_be_meant_is_said_of_an_unknown_family(name: str, meant: str) -> None:
    found = unknown_family(name, chips(), {"dongfeng"})
    assert found is not None
    assert f"Did you mean {meant}?" in found.todo
    assert ("name of models" in found.wrong) == (name in {"a100", "ascend-910b"})


def test_a_name_like_no_other_gets_no_suggestion() -> None:
    found = unknown_family("qqqq", chips(), ())
    assert found is not None
    assert "Did you mean" not in found.todo


def test_every_family_with_a_stack_is_in_the_table() -> None:
    assert all(unknown_family(family, chips(), ()) is None for family in FAMILIES)
