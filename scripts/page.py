"""The parts of a document that a command writes: what stands between two marks, nothing else.

`docs/reliability.md` is written by people, its counts by those who counted. A mark is a comment of
Markdown (`<!-- worlds -->` to `<!-- /worlds -->`), so that nobody who reads the page sees it.
"""

from __future__ import annotations

from pathlib import Path


def put(document: Path, mark: str, told: str) -> None:
    """Put `told` between the marks. Raises ValueError where the document has none."""
    begins, ends = f"<!-- {mark} -->", f"<!-- /{mark} -->"
    before, begin, rest = document.read_text().partition(begins)
    _, end, after = rest.partition(ends)
    if not (begin and end):
        raise ValueError(f"{document} has no {begins} and {ends}")
    document.write_text(f"{before}{begin}\n{told}\n{end}{after}")
