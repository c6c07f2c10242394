// An OpenID provider for tests: node-oidc-provider on loopback, with its own pages to sign in.
// Usage: node provider.mjs PORT REDIRECT_URI CLIENT_ID SECRET PEOPLE (JSON: sub to claims).
import { Provider } from "oidc-provider";

const [port, redirect, clientId, secret, people] = process.argv.slice(2);
const known = JSON.parse(people);
const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [{ client_id: clientId, client_secret: secret, redirect_uris: [redirect] }],
  pkce: { required: () => true },
  claims: { openid: ["sub"], email: ["email", "email_verified"], profile: ["preferred_username", "groups"] },
  conformIdTokenClaims: false,
  features: { devInteractions: { enabled: true } },
  findAccount: (_context, id) => ({ accountId: id, claims: () => ({ sub: id, ...known[id] }) }),
  cookies: { keys: ["for tests only"] },
});
provider.listen(Number(port), "127.0.0.1", () => console.log("listening"));
