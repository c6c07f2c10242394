"""Taking an import back within its minute: every entry of its own source is lifted again.

Only for imports of at most `MOST` entries, of a reason that the operator lifts and of a source of
their own; a larger one is too long a change to be made at once. Raises nothing of its own.
"""

from __future__ import annotations

from collections.abc import Sequence

from gateway.events import Event
from gateway.records.bulk import Tally
from gateway.records.database import Connection
from gateway.records.listing import State, Wanted, list_entries
from gateway.records.subjects import find_source
from gateway.records.suppressions import Draft, lift
from gateway.web.desk.dangerous import Act, offer, undoes
from gateway.web.desk.gate import Staff
from gateway.web.desk.parts import DeskParts
from suppression.precedence import Lifter, may_lift

MOST = 2_000


async def offer_undo(parts: DeskParts, staff: Staff, draft: Draft, tally: Tally) -> None:
    """Let `staff` undo the import that `tally` counts, where that can be done."""
    is_liftable = may_lift(draft.reason, Lifter.OPERATOR, draft.setter)
    if not is_liftable or not 0 < tally.added <= MOST:
        return
    now = parts.clock()

    def work(connection: Connection) -> None:
        source = find_source(connection, draft.setter, draft.source)
        if source is not None:
            offer(connection, staff, "import", {"source": source, "added": tally.added}, now)

    await parts.database.write(work)


@undoes("import", en="Imported {added} entries", pl="Zaimportowano wpisy: {added}")
def _lift_all(connection: Connection, act: Act) -> Sequence[Event]:
    wanted = Wanted(source=int(str(act.detail["source"])), state=State.IN_FORCE)
    part = list_entries(connection, wanted, 0, MOST, act.now, is_newest_first=True)
    for number in part.numbers:
        lift(connection, number, Lifter.OPERATOR, act.staff.name, "import undone", act.now)
    return ()
