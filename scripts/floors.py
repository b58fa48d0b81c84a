"""Which room may import what? Contract types for import-linter; the table itself stands in pyproject.toml.

The contracts that come with import-linter say what is forbidden. A room's row says what is allowed, and everything
else, an external package too, is an error: so a new dependency is a line in the table and a decision, no accident.
"""

import sys
from collections.abc import Iterable, Iterator

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output
from importlinter.api import read_configuration

ROOT = "suanlian"


def is_inside(module: str, packages: Iterable[str]) -> bool:
    """Say whether `module` is one of `packages` or lies below one."""
    return any(module == package or module.startswith(f"{package}.") for package in packages)


def is_free(module: str) -> bool:
    """Say whether every room may import `module`: the standard library, and the root for its version."""
    return module == ROOT or module.partition(".")[0] in sys.stdlib_module_names


class RoomContract(Contract):
    """One row of the table: what the modules of a room may import directly.

    Options: `room`; `may_import`, packages with all below them; `also`, single imports as "importer -> imported";
    `except_rooms`, folders inside the room that have a row of their own. A room that does not exist keeps its contract.
    """

    type_name = "room"

    room = fields.StringField()
    may_import = fields.SetField(subfield=fields.StringField())
    also = fields.SetField(subfield=fields.StringField(), required=False)
    except_rooms = fields.SetField(subfield=fields.StringField(), required=False)

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:  # noqa: ARG002, FBT001 - import-linter's form
        """List every direct import out of the room that its row does not have."""
        broken = sorted(f"{importer} -> {imported}" for importer, imported in self._strangers(graph))
        return ContractCheck(kept=not broken, metadata={"broken": broken})

    def _strangers(self, graph: ImportGraph) -> Iterator[tuple[str, str]]:
        room, also = str(self.room), _names(self.also)
        allowed = {room, *_names(self.may_import)}
        for importer in graph.modules:
            if not is_inside(importer, [room]) or is_inside(importer, _names(self.except_rooms)):
                continue
            for imported in graph.find_modules_directly_imported_by(importer):
                known = is_free(imported) or is_inside(imported, allowed) or f"{importer} -> {imported}" in also
                if not known:
                    yield importer, imported

    def render_broken_contract(self, check: ContractCheck) -> None:
        """Print the imports and what to do about them."""
        for line in check.metadata["broken"]:
            output.print_error(line)
        output.print_error(
            f"{self.room} may import only {', '.join(sorted(_names(self.may_import)))}: move the shared thing down a "
            "floor, or change the row in pyproject.toml and ARCHITECTURE.md and say why in a decision."
        )


class EveryRoomContract(Contract):
    """Every folder or module right under the package has a row. Option: `without_row`, those judged elsewhere."""

    type_name = "every_room"

    without_row = fields.SetField(subfield=fields.StringField(), required=False)

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:  # noqa: ARG002, FBT001 - import-linter's form
        """List the rooms for which no contract of type `room` is written."""
        contracts = read_configuration()["contracts_options"]
        rows = {contract.get("room") for contract in contracts if contract["type"] == RoomContract.type_name}
        excused = {f"{ROOT}.{name}" for name in _names(self.without_row)}
        missing = sorted(graph.find_children(ROOT) - rows - excused)
        return ContractCheck(kept=not missing, metadata={"missing": missing})

    def render_broken_contract(self, check: ContractCheck) -> None:
        """Print the rooms that have no row."""
        for room in check.metadata["missing"]:
            output.print_error(f"{room} has no row: add a contract of type 'room' for it to pyproject.toml")


def _names(field: object) -> set[str]:
    """Return the strings of an optional set field, which import-linter types as the field itself."""
    return {str(name) for name in field} if isinstance(field, Iterable) else set()
