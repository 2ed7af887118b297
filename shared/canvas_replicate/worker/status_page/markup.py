"""HTML put together so that nothing gets into it unescaped."""

from __future__ import annotations

from html import escape


class Html(str):
    """Text that is HTML already. Whatever else goes into an element is escaped on its way."""

    __slots__ = ()


def html(*content: str) -> Html:
    return Html("".join(part if isinstance(part, Html) else escape(part) for part in content))


def element(tag: str, *content: str, **attributes: str) -> Html:
    """``class_`` stands for class, and ``_`` for - elsewhere: ``data_label`` is data-label."""
    written = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{escape(value)}"' for name, value in attributes.items() if value
    )
    return Html(f"<{tag}{written}>{html(*content)}</{tag}>")
