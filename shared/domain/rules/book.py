"""The book of rules: for every rule id what it does, why, what sets it and how it ends.

One table for everybody who has to explain: the sentence under a veto, `tsq rules explain`, the
dashboard. A rule id is a code of `VetoRule`, in capitals, or the key of a latch of the governor, in
small letters; `tests/test_rules_book.py` demands a row for each. Settings are named by path, facts
of the firm by their field in the rule pack, so that value, source and date can be shown with them;
a rule of ours alone names no fact. What the governor does by itself without a latch has rows of its
own (`book_actions.py`), in small letters too.
"""

from __future__ import annotations

from typing import Final

from shared.domain.rules.book_actions import ACTIONS
from shared.domain.rules.book_entry import Entry
from shared.domain.rules.book_latches import LATCHES
from shared.domain.rules.book_pretrade import PRETRADE
from shared.domain.rules.book_vetoes import VETOES

BOOK: Final[dict[str, Entry]] = {
    entry.rule: entry for entry in (*VETOES, *PRETRADE, *LATCHES, *ACTIONS)
}
"""Rule id -> its row."""
