"""The predicted pages whose labels would help most: those with the least margin between the two likeliest classes.

Margin sampling (Scheffer, Decomain and Wrobel, IDA 2001).
"""

import csv
import heapq
import io
from pathlib import PurePath
from typing import Any

from reprise.core.text import for_csv

COLUMNS = ("ID", "target", "path", "class_name", "probability", "runner_up", "runner_up_probability")


class LeastSure:
    """Keeps the records with the least margins, of any number of predictions.

    Args:
        count: of records that are kept.
    """

    def __init__(self, count: int) -> None:
        self.count, self._seen = count, 0
        self._kept: list[tuple[float, int, dict[str, Any]]] = []  # a heap; the widest margin, then the last, goes first

    def add(self, record: dict[str, Any]) -> None:
        """Consider a record of `reprise.documents.predict`; one with an error is left out."""
        if "error" in record:
            return
        self._seen += 1
        best, second = heapq.nlargest(2, record["probabilities"].values())
        heapq.heappush(self._kept, (second - best, -self._seen, record))
        if len(self._kept) > self.count:
            heapq.heappop(self._kept)

    def csv_text(self) -> str:
        """The table, least sure first; `target` is empty, for a person to fill in."""
        file = io.StringIO()
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for _, _, record in sorted(self._kept, reverse=True):
            ranked = heapq.nlargest(2, record["probabilities"].items(), key=lambda pair: pair[1])
            likely = [cell for name, probability in ranked for cell in (for_csv(name), f"{probability:.4f}")]
            writer.writerow([for_csv(PurePath(record["path"]).name), "", for_csv(record["path"]), *likely])
        return file.getvalue()
