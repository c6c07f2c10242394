"""The commented YAML that `consentry init` and `consentry tenant add` write.

Pure text; names and domains must have been checked, because they are put in as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gateway.words import StreamKind
from policies.registry import REGISTRY


@dataclass(frozen=True, slots=True)
class TenantDraft:
    """What a new tenant's file says. `dkim` maps each domain to its key file."""

    name: str
    state: str
    streams: Mapping[str, StreamKind]
    dkim: Mapping[str, str]
    selector: str
    login: str
    password_hash: str


def gateway_yaml(hostname: str) -> str:
    """`consentry.yaml` for a first try: loopback only, the next hop on this machine."""
    policies = "".join(f"  - {name}: enforce\n" for name in REGISTRY)
    return GATEWAY.format(hostname=hostname, policies=policies)


def tenant_yaml(draft: TenantDraft) -> str:
    """`tenants/<name>.yaml`; the first stream is the default."""
    domains = "".join(
        f"  {domain}:\n    dkim:\n      - selector: {draft.selector}\n        key_file: {key}\n"
        for domain, key in draft.dkim.items()
    )
    several = len(draft.streams) > 1
    streams = "".join(
        f"  {name}:\n    kind: {kind}\n"
        + ("    default: true\n" if several and index == 0 else "")
        + NOTES[kind]
        for index, (name, kind) in enumerate(draft.streams.items())
    )
    return TENANT.format(
        name=draft.name,
        state=draft.state,
        domains=domains,
        login=draft.login,
        password_hash=draft.password_hash,
        streams=streams,
    )


GATEWAY = """\
# Consentry: the gateway. Every key is explained in docs/configuration.md.
# After a change: `consentry check-config`, then `consentry reload`.
# Relative paths start at the folder of this file.

hostname: {hostname}          # our name in the banner, EHLO and Received

state_dir: state              # database, journal, ledger, control socket
tenants_dir: tenants          # one file per customer
keyring: keys/keyring.json    # secrets behind address keys and unsubscribe links: back it up
                              # apart from the state folder, and never lose it
opt_out_log: opt-outs/opt-outs.log  # every opt-out once more: put it on another disk

tls:                          # self-signed, for a first try; replace it by a real certificate
  certificate: keys/gateway.crt
  key: keys/gateway.key

# Where customers' software connects. 127.0.0.1 and high ports for a first try; in production
# 0.0.0.0:587 and 0.0.0.0:465.
listeners:
  - name: submission
    listen: 127.0.0.1:2587
    tls: starttls
  - name: submissions
    listen: 127.0.0.1:2465
    tls: implicit
  # Known client addresses may send without a login:
  # - name: trusted
  #   listen: 127.0.0.1:2525
  #   tls: none
  #   auth: false
  #   trusted:
  #     - networks: [192.0.2.0/28]
  #       tenant: example
  #       stream: orders

# Mail servers that get what may pass, in order; the second is asked when the first is away.
# TLS is `verify` unless the host is on loopback.
next_hops:
  - name: postfix
    host: 127.0.0.1
    port: 25

# Unsubscribe pages, explanations of replies, /metrics. Put a TLS proxy in front, and write the
# address people see as base_url (https).
web:
  listen: 127.0.0.1:8080
  base_url: http://127.0.0.1:8080

# The rules, in the order they are asked. `observe` only reports what it would have refused.
policies:
{policies}
# What a tenant may do when its own file does not say otherwise.
limits:
  recipients_per_message: 100
  batches: 1                  # open transactions at a time; a further one waits in line
  bytes_per_day: 10GB
  message_bytes: 25MiB
  # rates:
  #   - {{unit: messages, count: 10000, per: 1h}}
  #   - {{unit: recipients, count: 100000, per: 1d}}
"""

TENANT = """\
# One customer. Change logins with `consentry tenant passwd {name}`.

state: {state}                # closed, starter (slowly), open, disabled;
                              # `consentry tenant open {name} --confirmation "..."` opens it

# contact:                    # where notices go
#   email: postmaster@customer.example
#   language: en

domains:                      # sender domains; `consentry dkim dns` prints a DNS record
{domains}
logins:                       # the software signs in as `{login}`, or `{login}/stream`
  - name: {login}
    password_hash: {password_hash}

# Each flow of mail with its own rules: list (people who agreed), inquiry (unasked offers),
# transactional (orders, passwords).
streams:
{streams}
# limits:                     # what differs from the gateway's limits
#   bytes_per_day: 20GB

# announcements:              # more than the daily limit, announced a day ahead (UTC)
#   - announced: 2030-01-01T09:00:00
#     from: 2030-01-03T00:00:00
#     to: 2030-01-05T00:00:00
#     bytes_per_day: 50GB
"""

NOTES = {
    StreamKind.LIST: "    # consent_level: 1        # attested by the customer; 3: double opt-in\n",
    StreamKind.INQUIRY: "    # open: true              # read `check-config` first\n",
    StreamKind.TRANSACTIONAL: "    # verified: true          # you saw it is contractual mail\n",
}
