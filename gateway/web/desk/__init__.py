"""The abuse desk, `/desk`: pages for staff.

How to add a screen: write `gateway/web/desk/<screen>.py` with

- `routes = APIRouter()`, whose paths begin with the screen's own, such as `/blocks`;
- routes that take `request: Request`, `parts: Parts`, who asks as one of `Anyone`, `Worker`,
  `Lead`, `Operator`, and, when they change something, `form: Posted` (all from `gate`);
- `TEXTS = {"en": {...}, "pl": {...}}`, what it says (every name in both languages);
- `return page(request, "<template>", TEXTS, ...)` from `pages`, over
  `gateway/web/templates/desk/<template>.html`, which extends `desk/base.html`.

Then name it in `screens.SCREENS`. Session, CSRF, security headers and size of body are the gate's,
around every screen; GET changes nothing, POST may, and never for an auditor. A form is
`<form method="post">` with `{{ csrf }}` in it and answers with `pages.back_to(request, "blocks")`.
Links are `{{ home }}blocks`, instants `{{ when(seconds) }}`. What takes mail away or gives it back
goes through `dangerous`.
"""
