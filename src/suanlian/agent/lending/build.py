"""How is lending put together? From what the owner wrote, where the engine can lend."""

from suanlian.agent.config import AgentConfig
from suanlian.agent.desk import Desk, log
from suanlian.agent.lending.fetching import Shelf
from suanlian.agent.lending.loans import Doors, Loans
from suanlian.drivers.contract import Driver, DriverError
from suanlian.drivers.lending import Lender, Lends


def loans_of(desk: Desk) -> Loans | None:
    """What is lent of this platform; None where its owner lends nothing, or its engine cannot."""
    terms = desk.config.lending
    if terms is None:
        return None
    try:
        home = lender_of(desk.config, desk.driver)
    except DriverError as error:
        log.error("nothing is lent: %s", error)
        return None
    return Loans(terms, Doors(home, desk.hub, Shelf(desk.home.shelf)), desk.ledger, desk.clock)


def lender_of(config: AgentConfig, driver: Driver) -> Lender:
    """The engine's side of lending. Raises DriverError where nothing is lent here, or the engine cannot."""
    if config.lending is None:
        raise DriverError("agent.toml has no [lending]: nothing is lent from here")
    if not isinstance(driver, Lends):
        raise DriverError(f"the driver {config.driver.name!r} cannot lend jobs of the platform's own users")
    return driver.lender(config.lending.for_driver())
