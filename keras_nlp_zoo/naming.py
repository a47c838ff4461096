"""Help with a name that is not there."""

import difflib
from collections.abc import Iterable
from typing import Any


def suggest(what: str, name: Any, known: Iterable[str]) -> str:
    """A sentence for an error: that there is no such name, the nearest one, and all of them.

    Example:
        suggest("model", "lstn", ["gru", "lstm"])  # "There is no model 'lstn'. Did you mean 'lstm'? Known: gru, lstm."
    """
    known = sorted(known)
    near = difflib.get_close_matches(str(name).lower(), known, n=1, cutoff=0.5)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return f"There is no {what} {name!r}.{hint} Known: {', '.join(known)}."
