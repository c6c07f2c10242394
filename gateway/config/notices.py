"""What `consentry.yaml` may say under `notices` and `feedback`: mail to tenants, and their replies.

Values with defaults and meanings, and `problems`, which judges them together and with the
files that they name.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from gateway.config.dkim import DkimKey
from gateway.config.document import Keys
from gateway.config.problem import GATEWAY, Problem, warning
from gateway.config.values import DisplayName, Domain, Listen, Sender, Settings, Size
from gateway.errors import ConfigurationError
from gateway.message.dkim_keys import check_name, load_key

if TYPE_CHECKING:
    from gateway.config.model import GatewayConfig

REPLY_OCTETS = 10_000_000


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


class FeedbackSettings(Settings):
    """An SMTP listener for mail to the gateway itself: replies to notices, and nothing else."""

    listen: Listen = Field(description="Address and port, such as 0.0.0.0:25.")
    max_bytes: Annotated[Size, Field(ge=65_536)] = Field(
        default=REPLY_OCTETS, description="Octets that one mail may have."
    )
    max_connections: Annotated[int, Field(ge=1)] = Field(
        default=20, description="Connections at a time."
    )


def problems(config: GatewayConfig) -> Iterator[Problem]:
    """Everything wrong or unsafe about both."""
    notices, feedback = config.notices, config.feedback
    if notices.domain is not None and feedback is None:
        text = "replies would have nowhere to go; write `feedback`, or remove it"
        yield Problem(GATEWAY, ("notices", "domain"), text)
    if feedback is not None:
        if notices.domain is None:
            text = "nothing would be taken there; write `notices.domain`"
            yield Problem(GATEWAY, ("feedback",), text)
        taken = [config.web.listen, *(listener.listen for listener in config.listeners)]
        if feedback.listen.port and feedback.listen in taken:
            text = f"{feedback.listen} is taken already; choose another port"
            yield Problem(GATEWAY, ("feedback", "listen"), text)
    sender_domain = notices.sender_of(config.hostname).rpartition("@")[2]
    for index, key in enumerate(notices.dkim):
        yield from _key(("notices", "dkim", index), key, sender_domain)


def _key(at: Keys, key: DkimKey, domain: str) -> Iterator[Problem]:
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
