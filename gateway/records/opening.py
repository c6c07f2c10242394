"""Opening the records that a configuration names, with an index to follow them if there is one.

Every process and command opens them here, so that what any of them commits reaches the index
(`gateway.records.look_ups.attach`). Raises ConfigurationError and StoreUnavailable.
"""

from __future__ import annotations

from gateway.config.model import GatewayConfig
from gateway.records.database import Database, open_database
from gateway.records.look_ups import attach


def open_records(config: GatewayConfig, *, is_service: bool = False) -> Database:
    """The records, created or migrated; closing them ends what publishes, too.

    A service has the whole opt-out log checked, and waits long for no statement.
    """
    database = open_database(
        config.database,
        config.opt_out_log,
        node=config.node,
        is_thorough=is_service,
        is_service=is_service,
    )
    try:
        attach(database, config)
    except BaseException:
        database.close()
        raise
    return database
