"""deploy/prometheus and deploy/grafana: made of the declared metrics, and right by promtool.

The rules are run over made-up series: each alert fires for what it is about, and a gateway that is
well sets off none.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from gateway import alerts, boards
from gateway.metrics_declared import (
    DECLARED,
    DEFERRED_UNPROVEN,
    INDEX_MENDED,
    JOURNAL_DROPPED,
    NEXT_HOP_REFUSALS,
    OUTCOMES_FOLLOWED,
    POLICY_FAILURES,
    REPORTS_WAITING,
    STORMS_HELD,
    Kind,
)
from gateway.replies import BY_TAG
from tests.e2e.deployed import DEPLOY

RULES = DEPLOY / "prometheus/consentry-alerts.yml"
DOCUMENT = DEPLOY.parent / "docs/alerts.md"
NODE = 'instance="gateway1:8080"'
STEADY = "1x60"
"""A value that stays so for an hour, in promtool's notation; `0+6x60` grows by 6 a minute."""
NEW = "_x20 1x40"
"""A counter that begins with its first event after 20 minutes."""
NEVER = (
    DEFERRED_UNPROVEN,
    INDEX_MENDED,
    JOURNAL_DROPPED,
    NEXT_HOP_REFUSALS,
    POLICY_FAILURES,
)
"""Counters that stand still while all is well."""
OTHERWISE = {STORMS_HELD: "0x60", REPORTS_WAITING: "0x60", OUTCOMES_FOLLOWED: "0+60x60"}
"""Gauges that are not 1 while all is well: nothing waits, and what is followed goes on."""
LAG = 'consentry_loop_lag_seconds_bucket{instance="gateway1:8080",process="smtp",le="%s"}'
RELAY = 'consentry_relay_seconds_bucket{instance="gateway1:8080",le="%s"}'

TROUBLE: dict[str, tuple[dict[str, str], str]] = {
    "ConsentryDown": ({'up{job="consentry",instance="gateway1:8080"}': "0x60"}, "2m"),
    "ConsentryProcessDown": ({f'consentry_process_up{{{NODE},process="smtp"}}': "0x60"}, "2m"),
    "ConsentryRestarting": (
        {f'consentry_process_start_time_seconds{{{NODE},process="smtp"}}': "100+60x60"},
        "10m",
    ),
    "ConsentryNoNextHop": (
        {f'consentry_next_hop_up{{{NODE},hop="{hop}"}}': "0x60" for hop in ("main", "other")},
        "2m",
    ),
    "ConsentryStoreDown": ({f'consentry_store_up{{{NODE},store="state"}}': "0x60"}, "2m"),
    "ConsentryNoLeader": ({f"consentry_jobs_leader{{{NODE}}}": "0x60"}, "6m"),
    "ConsentryIndexUnproven": (
        {f"consentry_index_proven_timestamp_seconds{{{NODE}}}": "0x100"},
        "91m",
    ),
    "ConsentryIndexMended": ({f"consentry_index_mended_total{{{NODE}}}": "0x20 3x40"}, "21m"),
    "ConsentryNextHopDown": (
        {
            f'consentry_next_hop_up{{{NODE},hop="main"}}': "0x60",
            f'consentry_next_hop_up{{{NODE},hop="other"}}': STEADY,
        },
        "6m",
    ),
    "ConsentryChecksUnanswered": (
        {
            f'consentry_refusals_total{{{NODE},stage="{stage}",outcome="deferred",tag="{tag}"}}': (
                "0+4x60"
            )
            for stage, tag in (("rcpt", "TEMP"), ("auth", "AUTH-TEMP"))
        },
        "10m",
    ),
    "ConsentryPolicyFailing": (
        {f'consentry_policy_failures_total{{{NODE},policy="batch"}}': NEW},
        "21m",
    ),
    "ConsentryDiskUnwritable": (
        {
            f'consentry_journal_writable{{{NODE},process="web"}}': STEADY,
            f'consentry_journal_writable{{{NODE},process="smtp"}}': "0x60",
        },
        "2m",
    ),
    "ConsentryEventsLost": (
        {f'consentry_journal_dropped_events_total{{{NODE},process="smtp"}}': "0x20 7x40"},
        "21m",
    ),
    "ConsentryUnknownCopies": (
        {f'consentry_recipients_total{{{NODE},outcome="unknown"}}': NEW},
        "21m",
    ),
    "ConsentryDeferring": (
        {
            f'consentry_messages_total{{{NODE},outcome="relayed"}}': "0+80x60",
            f'consentry_messages_total{{{NODE},outcome="deferred"}}': "0+20x60",
        },
        "30m",
    ),
    "ConsentryFull": (
        {
            f'consentry_refusals_total{{{NODE},stage="session",outcome="deferred",'
            'tag="CONN-LIMIT"}': "0+60x60"
        },
        "12m",
    ),
    "ConsentryLoopLag": (
        {LAG % "0.025": "0x60", LAG % "0.1": "0+60x60", LAG % "+Inf": "0+60x60"},
        "20m",
    ),
    "ConsentrySlowRelay": (
        {RELAY % "30": "0+9x60", RELAY % "120": "0+60x60", RELAY % "+Inf": "0+60x60"},
        "20m",
    ),
    "ConsentryReloadRefused": (
        {f'consentry_reloads_total{{{NODE},outcome="refused"}}': NEW},
        "21m",
    ),
    "ConsentryNextHopRefusesUs": (
        {f"consentry_next_hop_refusals_total{{{NODE}}}": "0x20 1x40"},
        "21m",
    ),
    "ConsentryOutcomesBehind": (
        {f"consentry_outcomes_followed_timestamp_seconds{{{NODE}}}": "60x60"},
        "18m",
    ),
    "ConsentryStormHeld": ({f"consentry_storms_held{{{NODE}}}": "0x5 1x55"}, "6m"),
    "ConsentryReportsUnmatched": (
        {f'consentry_reports_waiting{{{NODE},state="unmatched"}}': "0x5 1x80"},
        "70m",
    ),
    "ConsentryNoRoomForReports": (
        {f'consentry_unproven_mails_deferred_total{{{NODE},limit="per_day"}}': "0x20 3x40"},
        "21m",
    ),
    "ConsentryGuessing": (
        {f'consentry_sign_ins_total{{{NODE},outcome="failed"}}': "0+120x60"},
        "30m",
    ),
}
"""Series that set an alert off, and when it must fire."""


def healthy() -> dict[str, str]:
    """Every metric as it is when all is well: 1 stays 1, and what counts goes on evenly."""
    series = {f'up{{job="consentry",{NODE}}}': STEADY}
    for metric in DECLARED:
        labels = ",".join([NODE, *(f'{label}="some"' for label in metric.labels)])
        counts = "3x60" if metric in NEVER else "100+60x60"
        match metric.kind:
            case Kind.COUNTER:
                series[f"{metric.full_name}{{{labels}}}"] = counts
            case Kind.GAUGE:
                series[f"{metric.full_name}{{{labels}}}"] = OTHERWISE.get(metric, STEADY)
            case Kind.HISTOGRAM:
                for bucket in (*metric.buckets, "+Inf"):
                    name = f'{metric.full_name}_bucket{{{labels},le="{bucket}"}}'
                    series[name] = counts
    return series


def group(series: dict[str, str], at: str, alert: str | None) -> dict[str, object]:
    """One group of promtool's: series by minute, and that this alert, or none, fires then."""
    this = f'alertname="{alert}",' if alert else ""
    return {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": [
            {
                "expr": f'count by (alertname) (ALERTS{{{this}alertstate="firing"}})',
                "eval_time": at,
                "exp_samples": [{"labels": f'{{alertname="{alert}"}}', "value": 1}]
                if alert
                else [],
            }
        ],
    }


def promtool(*words: str | Path) -> str:
    """What promtool says; fails when it is not content."""
    done = subprocess.run(["promtool", *words], check=False, text=True, capture_output=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("file", "generated"),
    [
        (RULES, alerts.rules),
        (DOCUMENT, alerts.document),
        (DEPLOY / "grafana/consentry.json", lambda: json.dumps(boards.board(), indent=1) + "\n"),
    ],
    ids=["rules", "document", "board"],
)
def test_the_file_is_current(file, generated):
    """Rules, their document and the board are what gateway.alerts and gateway.boards print."""
    assert file.read_text() == generated()


def test_promtool_takes_configuration_and_rules():
    """`check config` reads both files, and nothing in them is wrong."""
    assert "SUCCESS" in promtool("check", "config", DEPLOY / "prometheus/prometheus.yml")


def test_rules_name_what_there_is():
    """Metrics in the rules are declared ones, and tags those of the reply table."""
    names = set(re.findall(r"\bconsentry_\w+", RULES.read_text()))
    declared = {metric.full_name for metric in DECLARED}
    assert {name.removesuffix("_bucket") for name in names} <= declared
    tags = re.findall(r'tag=~"([^"]+)"', RULES.read_text())
    assert tags
    assert {tag for these in tags for tag in these.split("|")} <= BY_TAG.keys()


def test_each_alert_fires_for_its_trouble_and_none_without(tmp_path):
    """Every alert has made-up trouble here that sets it off; all metrics as usual set off none."""
    assert sorted(TROUBLE) == sorted(alert.name for alert in alerts.ALERTS)
    groups = [group(healthy(), "40m", None)]
    groups += [group(series, at, name) for name, (series, at) in TROUBLE.items()]
    shutil.copy(RULES, tmp_path)
    file = tmp_path / "tests.yml"  # JSON is YAML
    file.write_text(json.dumps({"rule_files": [RULES.name], "tests": groups}))
    promtool("test", "rules", file)
