"""The HTTP API below `/v1`: JSON for programs of tenants and staff, described by OpenAPI 3.1.

A request passes `gate` (token, rate, size of the body), then its route. How to add a resource:

1. A file with `routes = APIRouter(tags=["things"])`; include it in `app.py`.
2. Each route takes a call and says what the token must allow, in a module-level alias:
   `Reads = Annotated[Call, Security(reading, scopes=[Permission.SUPPRESSIONS_READ])]`, and
   `Writes = Annotated[Change, Security(changing, scopes=[...])]` for a POST that changes something;
   the latter brings the Idempotency-Key header.
3. `await call.read(work)` runs `work(connection)` in a thread. `await call.commit(work, status)`
   runs it in the writer's transaction together with the idempotency row and gives the response;
   `work` returns a pydantic model that must hold no address, because it is stored for a day. Say
   `response_model=` of it on the route.
4. `call.caller` is the token: `is_staff`, `tenant` ("" for staff), `actor` for the audit trail, and
   `capacity` (a `Lifter`). `call.check_scope(scope)` raises what an unknown or foreign scope gets:
   what is not the caller's is 404 or 422, the same as what does not exist, never 403.
5. `call.parts` has the database, keyring, configuration and `emit`; `call.now` is the time.
6. Errors: `raise Problem(NOT_FOUND, "no entry has the number 4")`, of the catalogue in `errors.py`;
   list them on the route with `responses=documented(NOT_FOUND)`. What every call can meet (token,
   rate, store) is documented by itself, and StoreUnavailable becomes 503.
7. Bodies over `gate.MAX_BODY` need an entry in `gate.BODY_LIMITS`.
8. Lists: `Page[Thing]` with cursors of `pagination.py`. Run `python -m gateway.web.api.reference`
   into docs/api.md.
"""
