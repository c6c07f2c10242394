"""An OpenID provider: where it is, what it says about who signed in, and whether to believe it.

`Provider` reads the discovery document (OpenID Connect Discovery 1.0 section 4), makes the address
that a browser is sent to (code flow, PKCE with S256, state, nonce) and exchanges the code for an ID
token whose signature, issuer, audience, times and nonce it checks (OpenID Connect Core 1.0 section
3.1.3.7). Signatures are asymmetric only. Raises `ProviderError` with a reason for the journal.
"""

from __future__ import annotations

import time
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote_plus, urlencode

import httpx
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from gateway.config.desk import OidcSettings
from gateway.errors import ConsentryError

ALGORITHMS = ["RS256", "PS256", "ES256", "EdDSA", "RS384", "RS512", "ES384", "ES512"]
KEPT = 3600.0
"""Seconds that a discovery document and keys are used without asking again."""
KEYS_AGAIN = 60.0
"""Seconds before keys are fetched again for a signature by an unknown one."""
LEEWAY = 60
TIMEOUT = httpx.Timeout(10.0)
NEEDED = ("authorization_endpoint", "token_endpoint", "jwks_uri")


class ProviderError(ConsentryError):
    """The provider cannot be had, or what it says is not to be believed."""


@dataclass(frozen=True, slots=True)
class Flow:
    """One sign-in under way, and where it goes on afterwards; `at` is monotonic seconds."""

    state: str
    nonce: str
    verifier: str
    after: str
    at: float


class Provider:
    """One provider, as the configuration names it."""

    def __init__(self, settings: OidcSettings, redirect: str) -> None:
        self.settings = settings
        self._redirect = redirect
        self._known: dict[str, Any] = {}
        self._known_at = 0.0
        self._keys: KeySet | None = None
        self._keys_at = 0.0

    async def address(self, flow: Flow) -> str:
        """Where to send the browser."""
        known = await self._discover()
        asked = {
            "response_type": "code",
            "client_id": self.settings.client_id,
            "redirect_uri": self._redirect,
            "scope": " ".join(self.settings.scopes),
            "state": flow.state,
            "nonce": flow.nonce,
            "code_challenge": create_s256_code_challenge(flow.verifier),
            "code_challenge_method": "S256",
        }
        mark = "&" if "?" in known["authorization_endpoint"] else "?"
        return f"{known['authorization_endpoint']}{mark}{urlencode(asked)}"

    async def claims(self, flow: Flow, code: str, issuer: str | None) -> dict[str, Any]:
        """What the ID token says; `issuer` is the answer's own word for it (RFC 9207), if any."""
        if issuer is not None and issuer != self.settings.issuer:
            raise ProviderError("the answer names another issuer")
        answer = await self._exchange(flow, code)
        token = answer.get("id_token")
        if not isinstance(token, str):
            raise ProviderError("the provider gave no ID token")
        read = await self._read(token)
        checked = CodeIDToken(
            read.claims,
            read.header,
            options={
                "iss": {"essential": True, "value": self.settings.issuer},
                "aud": {"essential": True, "value": self.settings.client_id},
                "sub": {"essential": True},
                "nonce": {"essential": True, "value": flow.nonce},
            },
            params={
                "nonce": flow.nonce,
                "client_id": self.settings.client_id,
                "access_token": answer.get("access_token"),
            },
        )
        try:
            checked.validate(leeway=LEEWAY)
        except JoseError as error:
            raise ProviderError(f"the ID token: {error}") from error
        return dict(read.claims)

    async def _read(self, token: str) -> jwt.Token:
        for is_last in (False, True):
            keys = await self._key_set(is_again=is_last)
            try:
                return jwt.decode(token, keys, algorithms=ALGORITHMS)
            except (JoseError, ValueError) as error:
                if is_last or time.monotonic() - self._keys_at < KEYS_AGAIN:
                    raise ProviderError(f"the ID token: {error}") from error
        raise ProviderError("the ID token cannot be read")

    async def _exchange(self, flow: Flow, code: str) -> dict[str, Any]:
        known = await self._discover()
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._redirect,
            "code_verifier": flow.verifier,
            "client_id": self.settings.client_id,
        }
        headers = {"Accept": "application/json"}
        if (secret := self._secret()) is not None:
            methods = known.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
            if "client_secret_basic" in methods:
                # Both parts are form-encoded first (RFC 6749 section 2.3.1).
                pair = f"{quote_plus(self.settings.client_id)}:{quote_plus(secret)}"
                headers["Authorization"] = f"Basic {b64encode(pair.encode()).decode()}"
            else:
                form["client_secret"] = secret
        return await _asked("POST", known["token_endpoint"], form, headers)

    def _secret(self) -> str | None:
        path = self.settings.client_secret_file
        if path is None:
            return None
        try:
            return path.read_text().partition("\n")[0].strip()
        except OSError as error:
            raise ProviderError(f"{path}: {error.strerror}") from error

    async def _discover(self) -> dict[str, Any]:
        if not self._known or time.monotonic() - self._known_at > KEPT:
            address = f"{self.settings.issuer.rstrip('/')}/.well-known/openid-configuration"
            known = await _asked("GET", address)
            if known.get("issuer") != self.settings.issuer:
                raise ProviderError(f"{address} is of another issuer: {known.get('issuer')!a}")
            if lacking := [name for name in NEEDED if not isinstance(known.get(name), str)]:
                raise ProviderError(f"{address} lacks {', '.join(lacking)}")
            self._known, self._known_at = known, time.monotonic()
        return self._known

    async def _key_set(self, *, is_again: bool) -> KeySet:
        if self._keys is None or is_again or time.monotonic() - self._keys_at > KEPT:
            known = await self._discover()
            try:
                found: Any = await _asked("GET", known["jwks_uri"])
                self._keys = KeySet.import_key_set(found)
            except (JoseError, ValueError, KeyError) as error:
                raise ProviderError(f"its keys: {error}") from error
            self._keys_at = time.monotonic()
        return self._keys


async def _asked(
    method: str,
    address: str,
    form: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """The JSON object that an address of the provider's answers with."""
    try:
        async with httpx.AsyncClient(timeout=TIMEOUT, trust_env=False) as client:
            answer = await client.request(method, address, data=form, headers=headers)
        found = answer.json()
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        raise ProviderError(f"{address}: {error!r}") from error
    if answer.status_code != 200 or not isinstance(found, dict):
        said = found.get("error", "") if isinstance(found, dict) else ""
        raise ProviderError(f"{address}: {answer.status_code} {said}")
    return found
