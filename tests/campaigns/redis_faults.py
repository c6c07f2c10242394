"""Every fault of Redis and of PostgreSQL at every moment of a transaction, and what is true then.

    python -m tests.campaigns.redis_faults          (make redis-faults)

A real `consentry serve` with two workers on a Redis and a PostgreSQL of its own. Fourteen faults of
Redis and eight of PostgreSQL (`tests/faults/store_faults.py`), brought about by their own means
before MAIL, before RCPT, before the end of data, during relay and after it, once for a second and
once for longer than a lease. Promised for each (`tests/faults/moments.py`): every answer is 4xx or
the one that the records give, nobody protected is mailed, nothing is lost, no double goes without
a flag, an opt-out that was answered 200 is in force, and within 5 s of the fault's end all is well.
Prints a row for each fault; exits 1 when a promise is broken. Takes about twenty minutes.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from tests.campaigns.broken import FAULTS, in_use
from tests.campaigns.vitals import say
from tests.e2e.certificates import Certificates, make_certificates
from tests.faults.moments import RECOVERY, Met, Moment, meet
from tests.faults.store_faults import FAILOVER, FULL, POSTGRES, REDIS, Fault, small_disk
from tests.faults.stores import Stores

SECONDS = (1.0, 4.0)
"""How long each lasts: a short one, and one that leases do not outlive."""


def main() -> None:
    """Run and print; exit status 1 when a promise is broken."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    every = [*REDIS, *FAILOVER, *POSTGRES, *FULL]
    parser.add_argument("--fault", choices=every, action="append", help="only these (all)")
    parser.add_argument("--moment", choices=list(Moment), action="append", help="only these (all)")
    parser.add_argument("--seconds", type=float, nargs="+", default=SECONDS, help="each (1 4)")
    parser.add_argument("--workers", type=int, default=2, help="of the gateway (2)")
    parser.add_argument("--json", action="store_true", help="print the rows as JSON")
    parser.add_argument("--broken", choices=FAULTS, default="", help="take this safety out first")
    options = parser.parse_args()
    faults = options.fault or every
    moments = [Moment(one) for one in options.moment or Moment]
    found: list[Met] = []
    with tempfile.TemporaryDirectory(prefix="consentry-stores-") as name, in_use(options.broken):
        folder = Path(name)
        certificates = make_certificates(folder / "certificates")
        for stores, wanted in stages(folder, certificates, faults, options.workers):
            for fault, moment, seconds in (
                (fault, moment, seconds)
                for fault in wanted
                for moment in moments
                for seconds in options.seconds
            ):
                met = meet(stores, fault, wanted[fault], moment, seconds)
                say(f"{fault}, {moment}, {seconds:g} s: {met.told}, well after {met.seconds:.1f} s")
                for text in met.broken:
                    say(f"    BROKEN: {text}")
                found.append(met)
    show(found, options.json)
    if any(met.broken for met in found):
        sys.exit("broken")


def stages(
    folder: Path, certificates: Certificates, faults: Sequence[str], workers: int
) -> Iterator[tuple[Stores, Mapping[str, Fault]]]:
    """A gateway for each kind of fault that is asked for, one after the other."""
    kinds: list[tuple[Mapping[str, Fault], dict[str, bool]]] = [
        (REDIS, {}),
        (FAILOVER, {"sentinels": True}),
        (POSTGRES, {}),
        (FULL, {}),
    ]
    for number, (kind, more) in enumerate(kinds):
        wanted = {name: fault for name, fault in kind.items() if name in faults}
        if not wanted:
            continue
        with ExitStack() as stage:
            try:
                disk = stage.enter_context(small_disk()) if kind is FULL else None
            except PermissionError as error:
                say(f"NOT RUN: {', '.join(wanted)}: {error}")
                continue
            own = folder / f"gateway{number}"
            yield (
                stage.enter_context(Stores(own, certificates, workers=workers, disk=disk, **more)),
                wanted,
            )


def show(found: Sequence[Met], as_json: bool) -> None:
    """A row for each fault: how often, what the first tries were told, the slowest recovery."""
    rows = []
    for fault in dict.fromkeys(met.fault for met in found):
        mets = [met for met in found if met.fault == fault]
        told = Counter(met.told for met in mets)
        rows.append(
            {
                "fault": fault,
                "times": len(mets),
                "told": {str(code): count for code, count in sorted(told.items())},
                "longest until well, seconds": round(max(met.seconds for met in mets), 1),
                "BROKEN": sum(map(bool, (met.broken for met in mets))),
            }
        )
    if as_json:
        print(json.dumps(rows, indent=2))
        return
    print(f"{'fault':<22}{'times':>6}{'well after':>12}{'BROKEN':>8}   told")
    for row in rows:
        told = ", ".join(f"{code}: {count}" for code, count in row["told"].items())
        well = row["longest until well, seconds"]
        print(f"{row['fault']:<22}{row['times']:>6}{well:>10} s{row['BROKEN']:>8}   {told}")
    print(f"Promised: BROKEN 0; well after {RECOVERY:g} s at most.")


if __name__ == "__main__":
    main()
