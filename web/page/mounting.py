"""Mounts the page into an app."""

from typing import Final

from fastapi import FastAPI
from nicegui import ui

from web.model import Model
from web.page.elements import load_charts
from web.page.layout import lay_out
from web.page.since import Since

TITLE: Final = "Tapeline"
ICON: Final = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">'
    '<rect width="32" height="32" rx="7" fill="#1c2735"/>'
    '<path d="M5 20h5l3-9 5 13 4-10h5" fill="none" stroke="#5aa2f5" stroke-width="2.6"'
    ' stroke-linejoin="round"/></svg>'
)
RECONNECT_SECONDS: Final = 10.0
"""So long a page whose line is cut keeps its place on the server; after that it loads anew by itself."""
HISTORY_MESSAGES: Final = 60
"""What a page that comes back is sent again; more would be minutes of ticks that it draws anew anyway."""


def mount(app: FastAPI, model: Model) -> None:
    """Serve the page at `/` of an app; what the app routes by then comes first.

    Once a process: the page's framework knows one app only. It wants the app's lifespan to run.
    """
    load_charts()
    since = Since()

    @ui.page("/", title=TITLE, favicon=ICON, dark=None)
    def page() -> None:
        lay_out(model, since)

    ui.run_with(
        app,
        title=TITLE,
        favicon=ICON,
        dark=None,
        language="en-US",
        tailwind=False,
        reconnect_timeout=RECONNECT_SECONDS,
        message_history_length=HISTORY_MESSAGES,
        binding_refresh_interval=None,
        show_welcome_message=False,
    )
