"""Makes datasets of what jobs left, and lets them come where they are wanted. Level-triggered: owed by a job's end."""

from collections.abc import Callable
from functools import partial
from typing import ClassVar, Final

from suanlian.model.data import Purpose, Saved, VersionState
from suanlian.model.errors import SuanlianError
from suanlian.model.event import EventType
from suanlian.model.levels import LevelRules
from suanlian.services import datasets, registering, saving, transfers
from suanlian.services.ports import Node
from suanlian.services.registering import Left
from suanlian.services.saving import Ended
from suanlian.services.transfers import Wanted
from suanlian.store.unit import Row, Unit
from suanlian.store.writer import Writer
from suanlian.workers.loop import Tools, Worker

_AT_ONCE: Final = 200


class Saves(Worker):
    """See the module."""

    name: ClassVar[str] = "saves"
    follows: ClassVar[frozenset[EventType]] = frozenset({EventType.JOB_ENDED, EventType.VERSION_SEALED})
    every_s: ClassVar[float] = 5.0

    def __init__(self, tools: Tools, writer: Writer, node_now: Callable[[], Node], levels: LevelRules) -> None:
        """``levels``: which data may lie where."""
        super().__init__(tools, writer)
        self._node_now, self._levels = node_now, levels

    def step(self) -> bool:
        """Look at each job that is owed something; nothing of it is left to do at once."""
        with self.tools.reading() as unit:
            owed = saving.due(unit, _AT_ONCE)
        return self.each(owed, self._job)

    def _job(self, job_id: str) -> bool:
        with self.tools.reading() as unit:
            found = saving.ended(unit, job_id)
        saves = () if found is None else found.spec.save
        done = [self._one(found, one) for one in saves if found is not None]
        self.writer.run(self.apply(partial(saving.settle, job_id=job_id, done=all(done))))
        return False

    def _one(self, found: Ended, one: Saved) -> bool:
        """Whether nothing is left to do for one of them."""
        try:
            return self.writer.run(self.apply(partial(self._further, found=found, one=one)))
        except SuanlianError as error:
            why = str(error.wrong)
        return self.writer.run(self.apply(partial(self._failed, found=found, one=one, why=why)))

    def _further(self, unit: Unit, found: Ended, one: Saved) -> bool:
        version = saving.version_of(unit, found, one)
        if version is None:
            version = self._begun(unit, found, one)
            place = saving.place_for(unit, found, version, self._levels)
            if isinstance(place, str):
                saving.tell(unit, version, f"it was not kept: {place}")
                return True
            registering.keep(unit, version, Left(found.attempt["id"], one.path, place.id))
            return False
        if version["state"] in (VersionState.SEALED, VersionState.LOST):
            if one.to is not None:
                wanted = Wanted(Purpose.PERSON, found.owner.principal_id)
                transfers.ask_by_name(unit, version["id"], one.to, wanted, self._levels)
            return True
        return saving.is_settled(unit, version)

    def _begun(self, unit: Unit, found: Ended, one: Saved) -> Row:
        dataset = saving.dataset_of(unit, found, one)
        if dataset is None:
            new = saving.wanted_dataset(found, one)
            dataset_id = datasets.make(unit, self._node_now(), found.owner, new).id
        else:
            dataset_id = dataset["id"]
        return datasets.add_version(unit, self._node_now(), dataset_id, found.origin(one))

    def _failed(self, unit: Unit, found: Ended, one: Saved, why: str) -> bool:
        version = saving.version_of(unit, found, one)
        if version is None:
            try:
                version = self._begun(unit, found, one)
            except SuanlianError:  # the account may have no more of them: there is nowhere to say so
                return True
            saving.tell(unit, version, f"it was not kept: {why}")
        elif version["state"] != VersionState.DELETED:
            saving.tell(unit, version, f"it was not brought to {one.to}: {why}")
        return True
