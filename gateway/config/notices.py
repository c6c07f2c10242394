"""What `consentry.yaml` may say under `notices`: mail to tenants about their cases.

Values with defaults and meanings, `problems`, which judges them together with what else is
configured, and `key_problems` for the keys of any sender of ours.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pydantic import Field

from gateway.config.dkim import DkimKey
from gateway.config.document import Keys
from gateway.config.problem import GATEWAY, Problem, warning
from gateway.config.values import DisplayName, Domain, Sender, Settings
from gateway.errors import ConfigurationError
from gateway.message.dkim_keys import check_name, load_key

if TYPE_CHECKING:
    from gateway.config.model import GatewayConfig


class NoticeSettings(Settings):
    """Mail to tenants about their cases; see [notices.md](notices.md)."""

    sender: Sender | None = Field(
        default=None, description="From address. Default: `abuse@` and the gateway's `hostname`."
    )
    name: DisplayName = Field(
        default="Abuse desk", description="Whom tenants see as the sender, and who signs."
    )
    domain: Domain | None = Field(
        default=None,
        description="Replies go to `case+<token>@` this domain, whose MX leads to `feedback`; "
        "without it they go to `sender`, and a person attaches them.",
    )
    dkim: tuple[DkimKey, ...] = Field(
        default=(),
        description="Keys of the domain of `sender`; without any, notices go out unsigned.",
    )

    def sender_of(self, hostname: str) -> str:
        """The From address in force."""
        return self.sender or f"abuse@{hostname}"


def problems(config: GatewayConfig) -> Iterator[Problem]:
    """Everything wrong or unsafe about it."""
    notices = config.notices
    if notices.domain is not None and config.feedback is None:
        text = "replies would have nowhere to go; write `feedback`, or remove it"
        yield Problem(GATEWAY, ("notices", "domain"), text)
    sender_domain = notices.sender_of(config.hostname).rpartition("@")[2]
    for index, key in enumerate(notices.dkim):
        yield from key_problems(("notices", "dkim", index), key, sender_domain)


def key_problems(at: Keys, key: DkimKey, domain: str) -> Iterator[Problem]:
    """Everything wrong or unsafe about a signing key of `domain`, written at `at`."""
    try:
        check_name(domain, "domain")
        check_name(key.selector, "selector")
    except ConfigurationError as error:
        yield Problem(GATEWAY, at, str(error))
    file = (*at, "key_file")
    try:
        load_key(key.key_file.read_bytes())
        if key.key_file.stat().st_mode & 0o007:
            text = f"everyone on this machine can read it; run `chmod 600 {key.key_file}`"
            yield warning(GATEWAY, file, text)
    except FileNotFoundError:
        text = f"{key.key_file} is missing; make one with `consentry dkim new`"
        yield Problem(GATEWAY, file, text)
    except (ConfigurationError, OSError) as error:
        yield Problem(GATEWAY, file, f"{key.key_file}: {error}")
