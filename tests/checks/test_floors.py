"""Does a room's row see an import that it does not have?"""

import grimp
import pytest

from scripts.floors import RoomContract


def graph(importer: str, imported: str) -> grimp.ImportGraph:
    built = grimp.ImportGraph()
    built.add_import(importer=importer, imported=imported)
    return built


def strangers(importer: str, imported: str) -> list[str]:
    """Hold one import against a row of the room `suanlian.api`."""
    row = RoomContract(
        name="room: api",
        session_options={"root_packages": ["suanlian"]},
        contract_options={
            "room": "suanlian.api",
            "may_import": ["suanlian.model", "fastapi"],
            "also": ["suanlian.api.deps -> suanlian.store.unit"],
            "except_rooms": ["suanlian.api.island"],
        },
    )
    check = row.check(graph(importer, imported), verbose=False)
    assert check.kept is not bool(check.metadata["broken"])
    return list(check.metadata["broken"])


@pytest.mark.parametrize("imported", ["suanlian.store.unit", "suanlian.modelling", "sqlalchemy", "fastapi_extras"])
def test_what_the_row_does_not_have_is_found(imported: str) -> None:
    assert strangers("suanlian.api.jobs", imported) == [f"suanlian.api.jobs -> {imported}"]


@pytest.mark.parametrize("imported", ["suanlian", "suanlian.api.deps", "suanlian.model.job", "fastapi", "json", "os"])
def test_what_the_row_has_and_the_standard_library_pass(imported: str) -> None:
    assert strangers("suanlian.api.jobs", imported) == []


def test_a_single_import_is_allowed_to_its_module_alone() -> None:
    assert strangers("suanlian.api.deps", "suanlian.store.unit") == []
    assert strangers("suanlian.api.deps", "suanlian.store.engine") != []


@pytest.mark.parametrize("importer", ["suanlian.apis.jobs", "suanlian.api.island.jobs"])
def test_another_room_is_not_judged(importer: str) -> None:
    assert strangers(importer, "sqlalchemy") == []
