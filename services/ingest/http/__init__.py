"""The HTTP border: routes, handlers, and what callers read."""
