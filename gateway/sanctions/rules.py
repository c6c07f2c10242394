"""The sanction rules that a configuration comes down to.

`rules_of` gives `gateway.records.case_rules.Rules`: the preset of each tenant (its own, or the
house's), its domains and contacts, and the calendar. `remember` has the records keep the wording of
each preset that is in force, and since when for whom. Raises ConfigurationError for a preset that
is none.
"""

from __future__ import annotations

from gateway.config.load import Loaded
from gateway.records.case_rules import Rules
from suppression.keys import Keyring


def rules_of(loaded: Loaded, keyring: Keyring) -> Rules:
    """The rules of this configuration."""
    raise NotImplementedError
