"""What a client may ask: bodies and queries checked and made into plain data. All raise ``RefusedError``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from uuid import UUID

from starlette.requests import Request

from .ledger import RefusedError, Transfer

_BODY_BYTES_MAX = 64 * 1024
_BIGINT_MAX = 2**63 - 1
_COUNT_MAX = 10_000
_BALANCE_MAX = 10**14
"""Ten thousand accounts of this size can all be paid into one without an overflow."""


async def body(request: Request) -> dict[str, object]:
    """The JSON object that was sent."""
    data = bytearray()
    async for chunk in request.stream():
        data += chunk
        if len(data) > _BODY_BYTES_MAX:
            raise RefusedError(413, f"the body is larger than {_BODY_BYTES_MAX} bytes")
    try:
        content = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise RefusedError(422, f"the body is not JSON: {error}") from None
    if not isinstance(content, dict):
        raise RefusedError(422, "the body is not a JSON object")
    return content


def transfer(content: Mapping[str, object]) -> Transfer:
    """The body of ``POST /api/transfers``."""
    try:
        identity = UUID(str(content.get("id")))
    except ValueError:
        raise RefusedError(422, f"id is {content.get('id')!r}; expected a UUID") from None
    order = Transfer(
        identity,
        _whole("source", content.get("source"), 0),
        _whole("target", content.get("target"), 0),
        _whole("amount", content.get("amount"), 1),
    )
    if order.source == order.target:
        raise RefusedError(422, "source and target are the same account")
    return order


def opening(content: Mapping[str, object]) -> tuple[int, int, int]:
    """The body of ``POST /api/accounts``: first, count, opening balance."""
    return (
        *_range(content.get("first"), content.get("count")),
        _whole("opening_balance", content.get("opening_balance"), 0, _BALANCE_MAX),
    )


def account(text: str) -> int:
    """The last part of ``/api/accounts/{id}``. What cannot be an id is an account that does not exist."""
    if not (text.isascii() and text.isdecimal() and len(text) < 20 and int(text) <= _BIGINT_MAX):
        raise RefusedError(404, f"there is no account {text[:40]}")
    return int(text)


def account_range(query: Mapping[str, str]) -> tuple[int, int]:
    """The query of ``GET /api/accounts``: first, count."""
    return _range(_number(query, "first"), _number(query, "count"))


def page(query: Mapping[str, str]) -> tuple[int, int, int]:
    """The query of ``GET /api/transfers``: run, after, limit."""
    return (
        _whole("run", _number(query, "run"), 0),
        _whole("after", _number(query, "after", "-1"), -1, _BIGINT_MAX - 1),
        _whole("limit", _number(query, "limit", str(_COUNT_MAX)), 1, _COUNT_MAX),
    )


def _range(first: object, count: object) -> tuple[int, int]:
    return _whole("first", first, 0, _BIGINT_MAX - _COUNT_MAX), _whole("count", count, 1, _COUNT_MAX)


def _number(query: Mapping[str, str], name: str, default: str | None = None) -> object:
    text = query.get(name, default)
    try:
        return int(text) if text is not None and len(text) < 30 else text
    except ValueError:
        return text


def _whole(name: str, value: object, least: int, most: int = _BIGINT_MAX) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise RefusedError(422, f"{name} is {value!r}; expected a whole number from {least} to {most}")
    return value
