"""The operator's live page, mounted into the FastAPI app of the process that serves it."""

from web.page.mounting import mount

__all__ = ["mount"]
