"""The OpenAPI document."""

from typing import Any


def document() -> dict[str, Any]:
    """OpenAPI 3.1 of everything under /api/v1."""
    return {"openapi": "3.1.0", "info": {"title": "Leadglow board", "version": "1"}, "paths": {}}
