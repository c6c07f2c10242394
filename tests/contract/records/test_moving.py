"""Records in PostgreSQL as an operator handles them: moved there and back, backed up, restored."""

import json
import shutil
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from sqlalchemy import delete, func, select
from typer.testing import CliRunner

from gateway.cli import app
from gateway.config.load import load
from gateway.config.model import GatewayConfig
from gateway.errors import StoreUnavailable
from gateway.records import chains, index, postgresql
from gateway.records.database import Database, open_database
from gateway.records.opt_out_file import LogBroken
from gateway.records.opt_out_log import owing, positions
from gateway.records.tables import audit, metadata, suppressions
from tests.contract.records.places import OwnDatabase, remember_rows
from tests.servers.postgres import PostgresServer
from tests.servers.redis import RedisServer

RUNNER = CliRunner()
ADD = ("--reason", "protected", "--scope", "*")


@dataclass
class House:
    """A configuration whose records can be in either place."""

    folder: Path
    section: dict[str, object]
    redis: dict[str, object]

    @property
    def file(self) -> Path:
        return self.folder / "consentry.yaml"

    @property
    def config(self) -> GatewayConfig:
        return load(self.file).config

    def use(self, *, is_server: bool, node: str = "first") -> None:
        """Rewrite the configuration, as an operator would."""
        content = yaml.safe_load(self.file.read_text())
        content |= {"node": node, "redis": self.redis}
        content["opt_out_log"] = f"opt-outs/{node}.log"
        content.pop("postgresql", None)
        if is_server:
            content["postgresql"] = self.section
        self.file.write_text(yaml.safe_dump(content))

    def run(self, *arguments: str, status: int = 0) -> str:
        """One command."""
        result = RUNNER.invoke(app, [*arguments, "--config", str(self.file)])
        assert result.exit_code == status, (result.output, result.exception)
        return result.stdout + (str(result.exception) if result.exception else "")

    def knows(self, address: str) -> bool:
        """Whether there is an entry for an address."""
        found = RUNNER.invoke(app, ["suppress", "find", address, "--config", str(self.file)])
        return found.exit_code == 0

    def open(self) -> Database:
        """The records, as a service opens them."""
        config = self.config
        return open_database(
            config.database, config.opt_out_log, node=config.node, is_thorough=True, is_service=True
        )

    def backup(self) -> str:
        """A backup's folder."""
        (row,) = json.loads(self.run("backup", str(self.folder / "backups"), "--json"))
        return str(row["backup"])


@pytest.fixture
def house(
    initialised: Path, tmp_path: Path, own_database: OwnDatabase, redis_server: RedisServer
) -> House:
    """In SQLite, with one protected address."""
    shutil.copytree(initialised, tmp_path / "etc")
    made = House(
        tmp_path / "etc", own_database.emptied().model_dump(mode="json"), redis_server.settings()
    )
    made.use(is_server=False)
    made.run("suppress", "add", "before@x.example", *ADD)
    return made


def _counts(database: Database) -> dict[str, int]:
    with database.reading() as connection:
        return {
            table.name: connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in metadata.sorted_tables
            if table.name not in ("meta", "audit")
        }


def test_records_move_there_and_back(house: House) -> None:
    """Every count is the same, every chain holds, and the gateway goes on where it was."""
    with closing(house.open()) as database, database.reading() as connection:
        before = connection.execute(select(suppressions)).all()
        was = _counts(database)
    house.use(is_server=True)
    said = house.run("migrate", "--from", "sqlite", "--to", "postgresql")
    assert "every count is the same" in said
    assert house.knows("before@x.example")
    house.run("suppress", "add", "during@x.example", *ADD)
    database = house.open()
    with database.reading() as connection:
        assert set(connection.execute(select(suppressions)).all()) > set(before)
        found = list(chains.verify(connection, database.opt_outs))
        assert [chain.bad for chain in found] == [None] * len(found)
        assert set(positions(connection)) == {"first"}
    database.close()
    house.run("migrate", "--from", "postgresql", "--to", "sqlite")
    with pytest.raises(StoreUnavailable, match="not the database"):
        house.open()
    house.use(is_server=False)
    database = house.open()
    now = _counts(database)
    with database.reading() as connection:
        moves = select(func.count()).where(audit.c.action == "records.moved")
        assert connection.execute(moves).scalar_one() == 2
        assert set(positions(connection)) == {""}
    database.close()
    assert database.opt_outs.replayed == 0
    assert {name for name in was if was[name] != now[name]} <= {
        *("suppressions", "standing_index", "subjects", "subject_secrets"),
    }
    assert house.knows("during@x.example")


def test_only_an_empty_target_is_moved_into(house: House) -> None:
    """Rows that are there are not mixed with others, and the old records stay where they are."""
    house.use(is_server=True, node="second")
    house.run("suppress", "add", "there@x.example", *ADD)
    house.use(is_server=True)
    said = house.run("migrate", "--from", "sqlite", "--to", "postgresql", status=1)
    assert "must be empty" in said
    house.use(is_server=False)
    assert house.knows("before@x.example")
    house.run("migrate", "--from", "sqlite", "--to", "sqlite", status=2)
    house.run("migrate", "--from", "sqlite", "--to", "postgresql", status=2)


def test_a_count_that_differs_moves_nothing(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """A row that did not arrive is found, and nothing has changed anywhere."""
    house.use(is_server=True)
    real = postgresql.copy_rows

    def lose(connection: object, table: str, names: object, rows: list[object]) -> None:
        real(connection, table, names, rows[: -1 if table == "suppressions" else None])  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(postgresql, "copy_rows", lose)
        said = house.run("migrate", "--from", "sqlite", "--to", "postgresql", status=1)
    assert "suppressions: of 1 rows 0 arrived" in said
    house.run("migrate", "--from", "sqlite", "--to", "postgresql")
    assert house.knows("before@x.example")


def test_later_opt_outs_come_back_over_a_restore(house: House) -> None:
    """A backup of PostgreSQL restored into it: who opted out since is out again."""
    house.use(is_server=True)
    house.run("suppress", "add", "early@x.example", *ADD)
    made = house.backup()
    house.run("suppress", "add", "after@x.example", *ADD)
    house.run("restore", made)
    assert house.knows("early@x.example")
    assert house.knows("after@x.example")
    with closing(house.open()) as database, database.reading() as connection:
        assert index.is_complete(connection)


def test_one_archive_restores_into_either(house: House) -> None:
    """What was backed up from SQLite becomes PostgreSQL's records, and the other way round."""
    old = house.backup()
    log = house.config.opt_out_log
    house.use(is_server=True)
    assert house.config.opt_out_log == log
    house.run("restore", old)
    assert house.knows("before@x.example")
    house.run("suppress", "add", "server@x.example", *ADD)
    made = house.backup()
    house.run("suppress", "add", "after@x.example", *ADD)
    house.use(is_server=False)
    house.run("restore", made)
    assert all(house.knows(f"{name}@x.example") for name in ("before", "server", "after"))


def test_no_mail_passes_a_restore_before_every_nodes_log(house: House) -> None:
    """An opt-out that only another node's log has holds everything up until it is replayed."""
    house.use(is_server=True)
    house.run("suppress", "add", "first@x.example", *ADD)
    house.use(is_server=True, node="second")
    house.run("suppress", "add", "second@x.example", *ADD)
    house.use(is_server=True, node="first")
    made = house.backup()
    house.use(is_server=True, node="second")
    house.run("suppress", "add", "late@x.example", *ADD)
    house.use(is_server=True, node="first")
    (row,) = json.loads(house.run("restore", made, "--json"))
    assert row["waits_for_nodes"] == ["second"]
    database = house.open()
    with database.reading() as connection:
        assert owing(connection) == ["second"]
        assert not index.is_complete(connection)
    database.close()
    house.use(is_server=True, node="second")
    database = house.open()
    with database.reading() as connection:
        assert owing(connection) == []
        assert index.is_complete(connection)
    database.close()
    assert house.knows("late@x.example")


def test_a_node_that_is_lost_with_its_log_can_be_given_up(house: House) -> None:
    """With a reason, which is audited; then mail passes again."""
    house.use(is_server=True, node="second")
    house.run("suppress", "add", "second@x.example", *ADD)
    house.use(is_server=True, node="first")
    house.run("restore", house.backup())
    house.run("opt-outs", "accept", "--node", "third", "--why", "x", status=2)
    house.run("opt-outs", "accept", "--node", "second", "--why", "burnt down")
    database = house.open()
    with database.reading() as connection:
        assert index.is_complete(connection)
        assert connection.execute(
            select(audit.c.detail).where(audit.c.action == "opt-outs.given-up")
        ).scalars().all() == ['{"node":"second","why":"burnt down"}']
    database.close()
    assert house.knows("second@x.example")


def test_lost_records_are_not_begun_anew(house: House, postgres_server: PostgresServer) -> None:
    """A node whose database is empty, gone or another refuses, and says what to do."""
    house.use(is_server=True)
    house.run("suppress", "add", "first@x.example", *ADD)
    made = house.backup()
    kept = house.section["database"]
    house.section["database"] = postgres_server.fresh()
    house.use(is_server=True)
    with pytest.raises(StoreUnavailable, match="is empty, but this node's records were there"):
        house.open()
    house.section["database"] = "nowhere"
    house.use(is_server=True)
    with pytest.raises(StoreUnavailable, match="does not exist"):
        house.open()
    house.section["database"] = postgres_server.fresh()
    house.use(is_server=True)
    house.run("restore", made)
    assert house.knows("first@x.example")
    house.section["database"] = kept
    house.use(is_server=True)
    assert house.knows("first@x.example")


def test_a_running_process_never_takes_another_database_for_its_own(
    house: House, postgres_server: PostgresServer
) -> None:
    """When the rows vanish under it and others begin anew, what it reads next is refused."""
    house.use(is_server=True)
    database = house.open()
    postgres_server.terminate(str(house.section["database"]))
    with pytest.raises(StoreUnavailable), database.reading() as connection:
        connection.execute(select(suppressions.c.id)).all()
    settings = house.config.postgresql
    assert settings is not None
    other = postgresql.open_as_it_is(settings)
    with other.engine.begin() as connection:
        kept = connection.exec_driver_sql(
            "SELECT value FROM meta WHERE name='database:id'"
        ).scalar()
        connection.exec_driver_sql("UPDATE meta SET value='other' WHERE name='database:id'")
    with pytest.raises(StoreUnavailable, match="is not the database"), database.reading():
        pass
    with other.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE meta SET value=%s WHERE name='database:id'", (kept,))
    other.engine.dispose()
    with database.reading() as connection:
        connection.execute(select(suppressions.c.id)).all()
    database.close()


def test_a_new_node_joins_without_repeating_everything(house: House) -> None:
    """Its log begins empty: what was before is in the logs of those that were there."""
    house.use(is_server=True)
    house.run("suppress", "add", "first@x.example", *ADD)
    house.use(is_server=True, node="second")
    database = house.open()
    assert len(list(database.opt_outs.file.records())) == 1
    with database.transaction() as connection:
        connection.execute(delete(suppressions))
    database.close()
    house.config.opt_out_log.unlink()
    with pytest.raises(LogBroken):
        house.open()


def test_a_standby_that_missed_an_opt_out_is_told_of_it(house: House) -> None:
    """After a failover that lost a commit, the next change of the node brings it back first."""
    house.use(is_server=True)
    database = house.open()
    fail_over = remember_rows(database)
    house.run("suppress", "add", "lost@x.example", *ADD)
    with database.transaction():
        pass  # this process, too, has seen it on record
    before = database.opt_outs.replayed
    fail_over()
    with database.transaction():
        pass
    assert database.opt_outs.replayed == before + 1
    database.close()
    assert house.knows("lost@x.example")
