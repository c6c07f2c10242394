"""What is worth waking somebody for: alert rules for Prometheus, over the declared metrics.

An alert is declared once, with what it means and what to do. `python -m gateway.alerts` prints
with `rules` deploy/prometheus/consentry-alerts.yml, with `document` docs/alerts.md. The rules take
Prometheus' job to be named `consentry`, as deploy/prometheus has it.
"""

from __future__ import annotations

import sys
from io import StringIO

from ruamel.yaml import YAML

from gateway.alert import Alert, Severity, more, quantile, refused
from gateway.metrics_declared import (
    CONFIGURATIONS,
    DEFERRED_UNPROVEN,
    INDEX_MENDED,
    INDEX_PROVEN_AT,
    JOBS_LEADER,
    JOURNAL_DROPPED,
    JOURNAL_WRITABLE,
    LOOP_LAG,
    MESSAGES,
    NEXT_HOP_REFUSALS,
    NEXT_HOP_UP,
    OUTCOMES_FOLLOWED,
    POLICY_FAILURES,
    PROCESS_UP,
    RECIPIENTS,
    RELAY_SECONDS,
    REPORTS_WAITING,
    SIGN_INS,
    STARTED,
    STORE_UP,
    STORMS_HELD,
)

DOCUMENT = "docs/alerts.md"
TEMPORARY = ("TEMP", "AUTH-TEMP")
"""Tags of refusals because a store or a check did not answer."""


ALERTS = (
    Alert(
        "ConsentryDown",
        Severity.PAGE,
        'up{job="consentry"} == 0',
        "1m",
        "the web process of {{ $labels.instance }} does not answer",
        "No pages, no unsubscribes and no metrics of this node. Mail may go on: SMTP workers are "
        "processes of their own.",
        "`systemctl status consentry` and its last lines in the system's log. Status 2 is a "
        "configuration that cannot be used: `consentry check-config` names file, line and key.",
    ),
    Alert(
        "ConsentryProcessDown",
        Severity.PAGE,
        f"{PROCESS_UP.full_name} == 0",
        "1m",
        "{{ $labels.process }} of {{ $labels.instance }} does not answer",
        "A worker (`smtp`, `smtp-2`): its share of connections is not served, when it is the only "
        "one nothing is. `jobs`: deadlines, notices and the daily purge wait; mail goes on.",
        "The supervisor starts it again by itself; why it ended is in the system's log. When it "
        "runs and does not answer, keep a `py-spy dump` of it, then restart the service.",
    ),
    Alert(
        "ConsentryRestarting",
        Severity.PAGE,
        f"changes({STARTED.full_name}[30m]) > 3",
        "0m",
        "{{ $labels.process }} of {{ $labels.instance }} is started again and again",
        "Each start drops the sessions of that process; what was past its final dot and not "
        "recorded is sent again, flagged as unknown.",
        "The system's log has how it ended each time. Killed by the kernel for memory: lower "
        "`session.memory_bytes` or `workers`.",
    ),
    Alert(
        "ConsentryNoNextHop",
        Severity.PAGE,
        f"max by (instance) ({NEXT_HOP_UP.full_name}) == 0",
        "1m",
        "{{ $labels.instance }} reaches no next hop",
        "All mail gets 451 [NEXT-HOP-AWAY] and stays with customers.",
        "`consentry status` has each next hop's last words. Look after that server, its "
        "certificate, and the network between.",
    ),
    Alert(
        "ConsentryStoreDown",
        Severity.PAGE,
        f"{STORE_UP.full_name} == 0",
        "1m",
        "no worker of {{ $labels.instance }} reaches its {{ $labels.store }}",
        "`state` is Redis, `database` the records. Customers get 451 and come again; unsubscribes "
        "get 503 without the records.",
        "On all nodes: the store; on one: its network, its password. "
        "[Operations](operations.md#when-a-store-or-a-node-fails) has each case. Mail goes on "
        "within five seconds of its return.",
    ),
    Alert(
        "ConsentryNextHopDown",
        Severity.TICKET,
        f"{NEXT_HOP_UP.full_name} == 0",
        "5m",
        "next hop {{ $labels.hop }} of {{ $labels.instance }} is down",
        "Another next hop stands in, if there is one.",
        "As above. The event `next_hop.refused_us` in `consentry tail` means that it speaks but "
        "does not want this gateway.",
    ),
    Alert(
        "ConsentryNextHopRefusesUs",
        Severity.PAGE,
        more(NEXT_HOP_REFUSALS, within="15m"),
        "0m",
        "a next hop refuses the gateway of {{ $labels.instance }} itself",
        "It said no to us, not to a mail: relaying denied, our address on a block list, a login "
        "that is gone. Nobody's address is held against them for it; where it was said before the "
        "message the customer gets 451 [NEXT-HOP] and keeps the mail.",
        "The event `next_hop.refused_us` in `consentry tail` has its words. Put right at the next "
        "hop who may relay and how we sign in; for a block list, ask its owner for removal.",
    ),
    Alert(
        "ConsentryChecksUnanswered",
        Severity.PAGE,
        refused(*TEMPORARY),
        "2m",
        "{{ $labels.instance }} defers mail because a check cannot be made",
        "Customers get 451 [TEMP] and 454 [AUTH-TEMP]: Redis or the database is away, stopped, "
        "full, read-only or too slow, or a policy fails (ConsentryPolicyFailing then fires too). "
        "Nothing is lost and no suppressed recipient is mailed.",
        "`/readyz` names what does not answer. When the store is back mail goes on within five "
        "seconds, without a restart; [operations](operations.md#when-a-store-or-a-node-fails) has "
        "the steps for each store.",
    ),
    Alert(
        "ConsentryPolicyFailing",
        Severity.PAGE,
        more(POLICY_FAILURES, by="instance, policy"),
        "0m",
        "policy {{ $labels.policy }} on {{ $labels.instance }} raised or ran late",
        "The mail it was asked about was deferred, as nobody may pass unchecked.",
        "The event `policy.failed` (`consentry tail`) has the error. Together with "
        "ConsentryChecksUnanswered it is the store; alone it is a fault in the gateway: report it "
        "with the event.",
    ),
    Alert(
        "ConsentryDiskUnwritable",
        Severity.PAGE,
        f"min by (instance) ({JOURNAL_WRITABLE.full_name}) == 0 or {refused('STORAGE')}",
        "1m",
        "{{ $labels.instance }} cannot write its state folder",
        "Mail gets 452 [STORAGE], unsubscribes get 503: what cannot be recorded is not done. "
        "Suppressions stay in force.",
        "Free room on the disks of `state_dir` and `opt_out_log`, or mount them writable. It goes "
        "on by itself.",
    ),
    Alert(
        "ConsentryEventsLost",
        Severity.TICKET,
        more(JOURNAL_DROPPED, by="instance, process"),
        "0m",
        "{{ $labels.process }} of {{ $labels.instance }} lost journal events",
        "The journal could not be written for so long that its memory was full: `explain`, `tail` "
        "and the desk know less of that time. Records and ledger are not concerned.",
        "As ConsentryDiskUnwritable; note the time for whoever asks about it later.",
    ),
    Alert(
        "ConsentryUnknownCopies",
        Severity.TICKET,
        more(RECIPIENTS, 'outcome="unknown"', "15m"),
        "0m",
        "{{ $labels.instance }} does not know of copies whether the next hop took them",
        "The next hop broke off after a final dot, or a process was killed there. Customers got "
        "451 and send again: recipients may get a copy twice, flagged in the records.",
        "Some beside a restart or a failover are expected. When they go on, the next hop is slower "
        "than `timeouts.dot` or loses connections: `consentry tail` names it.",
    ),
    Alert(
        "ConsentryDeferring",
        Severity.TICKET,
        f'sum by (instance) (rate({MESSAGES.full_name}{{outcome="deferred"}}[10m])) > '
        f"0.1 * sum by (instance) (rate({MESSAGES.full_name}[10m]))",
        "15m",
        "{{ $labels.instance }} defers more than a tenth of all messages",
        "Received whole, but put off: the next hop is busy or refuses for now, or memory is full.",
        "The board's *Refusals by tag* says which: [NEXT-HOP-BUSY] wants more `max_connections` "
        "or a faster next hop, [MEMORY] more `session.memory_bytes`, [RELAY-TEMP] is the next "
        "hop's own word. Customers' queues grow meanwhile.",
    ),
    Alert(
        "ConsentryFull",
        Severity.TICKET,
        refused("CONN-LIMIT", "MEMORY"),
        "5m",
        "{{ $labels.instance }} turns customers away for want of room",
        "Connections get 421 [CONN-LIMIT] or messages 452 [MEMORY] and come back later.",
        "One client address with many connections meets `session.per_address`: its owner should "
        "send fewer at once. Otherwise add workers or nodes; [sizing](operations.md#how-much-it-"
        "takes) has the sums.",
    ),
    Alert(
        "ConsentryLoopLag",
        Severity.TICKET,
        f"{quantile(LOOP_LAG, 0.99, 'instance, process')} > 0.05",
        "10m",
        "the event loop of {{ $labels.process }} on {{ $labels.instance }} lags",
        "Everybody on that process waits 50 ms and more at each step: too little processor for its "
        "load, or one call holds the loop.",
        "`rate(consentry_process_cpu_seconds_total)` at 1: it has a whole core and needs more "
        "workers or nodes. Below: a neighbour takes the machine, or it is a fault: report it with "
        "`py-spy dump`.",
    ),
    Alert(
        "ConsentrySlowRelay",
        Severity.TICKET,
        f"{quantile(RELAY_SECONDS, 0.95, 'instance')} > 30",
        "10m",
        "customers of {{ $labels.instance }} wait long for the reply to their final dot",
        "One message in twenty takes over 30 s. Customers' software gives up after ten minutes at "
        "the latest, some after one, and sends again.",
        "Nearly all of that time is the next hop's: look at its load, its disk, and what it checks "
        "before it answers the final dot.",
    ),
    Alert(
        "ConsentryNoLeader",
        Severity.TICKET,
        f"max({JOBS_LEADER.full_name}) == 0",
        "5m",
        "no node does the jobs",
        "Deadlines of cases, notices, windows' checkpoint and the daily purge wait.",
        "A node takes the seat within seconds of reaching PostgreSQL. When none does, the seat's "
        "old connection still stands there: `pg_locks` and `pg_stat_activity` show whose.",
    ),
    Alert(
        "ConsentryIndexUnproven",
        Severity.TICKET,
        f"time() - max({INDEX_PROVEN_AT.full_name}) > 3600",
        "30m",
        "the index in Redis was not proved for an hour",
        "Mail is judged as always: what the index cannot answer the records do, more slowly.",
        "`consentry index show` has each shard, `consentry index check` proves them now, "
        "`consentry index rebuild` makes it anew beside the old one.",
    ),
    Alert(
        "ConsentryIndexMended",
        Severity.TICKET,
        more(INDEX_MENDED, within="1h"),
        "0m",
        "entries of the index in Redis differed from the records",
        "They were put right at once. Beside a failover of Redis or an eviction it is expected.",
        "Without either somebody else writes to that Redis: give the gateway an ACL name and a "
        "`prefix` of its own, then `consentry index rebuild`.",
    ),
    Alert(
        "ConsentryOutcomesBehind",
        Severity.TICKET,
        f"time() - {OUTCOMES_FOLLOWED.full_name} > 300",
        "10m",
        "{{ $labels.instance }} does not follow its journal any more",
        "Bounces of the last minutes are not known, and rates not up to date: who cannot be "
        "reached is mailed again. Mail itself goes on.",
        "`consentry tail` has `job.failed` for `outcomes followed` with the reason: mostly the "
        "records cannot be written. It goes on where it was, also after a restart; only journal "
        "files that were deleted meanwhile are lost to it.",
    ),
    Alert(
        "ConsentryStormHeld",
        Severity.TICKET,
        f"max({STORMS_HELD.full_name}) > 0",
        "0m",
        "bounces of a provider are held",
        "Many mailboxes of one provider were unknown within minutes: more likely its trouble than "
        "theirs. Nobody is suppressed for it until a person decides.",
        "`consentry feedback storms` and the desk name the provider. Ask its status page or "
        "postmaster, then release them (its trouble) or believe them (a list of dead addresses): "
        "[storms](feedback.md#storms).",
    ),
    Alert(
        "ConsentryReportsUnmatched",
        Severity.TICKET,
        f'max({REPORTS_WAITING.full_name}{{state="unmatched"}}) > 0',
        "1h",
        "reports wait that belong to no tenant yet",
        "Somebody complained about mail that the gateway could not match: redacted, about mail "
        "of long ago, or forged. Nothing has changed for anybody.",
        "The desk's abuse mailbox shows each as parsed and as it came: match it to a tenant, or "
        "dismiss it. Many at once from one sender are mostly a loop whose originals lack our "
        "header fields.",
    ),
    Alert(
        "ConsentryNoRoomForReports",
        Severity.TICKET,
        f"sum by (instance, limit) (increase({DEFERRED_UNPROVEN.full_name}[1h])) > 0",
        "0m",
        "{{ $labels.instance }} defers mail to the abuse mailbox ({{ $labels.limit }})",
        "More mail than `feedback.unproven` says came today without the signature of a listed "
        "source. Its senders try again; reports of listed sources are taken.",
        "The desk's abuse mailbox shows what was kept. `per_source`: one client sends too much; "
        "if it is a feedback loop, list it in `sanctions.feedback_sources`, if it is a relay of "
        "your own, raise the setting. `per_day`: many do; raise it when they mean it, else refuse "
        "them before they come here. `per_token`: much is about one recipient or one mailing.",
    ),
    Alert(
        "ConsentryReloadRefused",
        Severity.TICKET,
        more(CONFIGURATIONS, 'outcome="refused"', "1h"),
        "0m",
        "{{ $labels.instance }} refused a changed configuration",
        "The old one stays in force, on this node.",
        "`consentry check-config` names file, line and key. Nodes must not differ: put it right, "
        "then `consentry reload` on all.",
    ),
    Alert(
        "ConsentryGuessing",
        Severity.TICKET,
        f'sum by (instance) (rate({SIGN_INS.full_name}{{outcome="failed"}}[10m])) > 1',
        "10m",
        "passwords are guessed on {{ $labels.instance }}, or a customer's is wrong",
        "More than one failed sign-in a second. Windows for each address and name hold them back.",
        "`consentry tail` shows names and addresses of `auth.failed`. One customer's name from its "
        "own address: tell it. Many names from one network: block that network before the gateway.",
    ),
)
"""All alerts, in the order of the document: what stops mail first."""


def rules() -> str:
    """deploy/prometheus/consentry-alerts.yml."""
    group = {
        "name": "consentry",
        "rules": [
            {
                "alert": alert.name,
                "expr": alert.expression,
                **({"for": alert.lasting} if alert.lasting != "0m" else {}),
                "labels": {"severity": alert.severity.value},
                "annotations": {
                    "summary": alert.summary,
                    "documentation": f"{DOCUMENT}#{alert.name.lower()}",
                },
            }
            for alert in ALERTS
        ],
    }
    head = "# Generated by `python -m gateway.alerts rules`; change gateway/alerts.py instead.\n"
    return head + _yaml({"groups": [group]})


def document() -> str:
    """docs/alerts.md."""
    lines = [
        "# Alerts",
        "",
        "<!-- Generated by `python -m gateway.alerts document`; change that file instead. -->",
        "",
        "The rules are [consentry-alerts.yml](../deploy/prometheus/consentry-alerts.yml), over the",
        "metrics of [metrics.md](metrics.md). *page* wants a person now, *ticket* one in working",
        "hours.",
    ]
    for alert in ALERTS:
        lasting = f"for {alert.lasting}" if alert.lasting != "0m" else "at once"
        lines += [
            "",
            f"## {alert.name}",
            "",
            f"{alert.severity}, {lasting}:",
            "",
            f"    {alert.expression}",
            "",
            f"**Means.** {alert.meaning}",
            "",
            f"**Do.** {alert.advice}",
        ]
    return "\n".join(lines) + "\n"


def _yaml(value: object) -> str:
    writer = YAML()
    writer.width = 1_000
    writer.indent(mapping=2, sequence=4, offset=2)
    text = StringIO()
    writer.dump(value, text)
    return text.getvalue()


if __name__ == "__main__":
    print({"rules": rules, "document": document}[sys.argv[1]](), end="")
