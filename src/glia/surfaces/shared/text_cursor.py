"""Turns what a run's followers see, twice and sometimes again from the start, into text that only ever grows."""

from __future__ import annotations

from glia.runs.events import ModelResponded, TextDelta, ThinkingDelta

_BETWEEN = "\n\n"


class TextCursor:
    """Knows what a reader has been shown of a run's text, and gives what is new.

    Each piece comes as a preview and again as a stored event; pieces that a slow reader missed come only stored. A
    step that is tried again begins its text anew: as long as it repeats what was shown, nothing is shown; where it
    departs from it, the new text is shown from its beginning, after a blank line. Texts of different steps are set
    apart by a blank line too.
    """

    def __init__(self) -> None:
        self._step = 0
        self._attempt = 0
        self._text = ""
        self._shown = ""
        """What was shown of the step by earlier attempts and is not yet overtaken by this one."""
        self._has_shown = False
        self._owes_gap = False

    def take(self, delta: TextDelta | ThinkingDelta) -> str:
        """What the piece adds; empty when it was known."""
        return self._add(delta.step, delta.attempt, delta.offset, delta.text)

    def settle(self, response: ModelResponded, attempt: int | None) -> str:
        """What is missing at the end of a step."""
        return self._add(response.step, self._attempt if attempt is None else attempt, 0, response.text)

    def _add(self, step: int, attempt: int, offset: int, text: str) -> str:
        if (step, attempt) < (self._step, self._attempt if step == self._step else 0):
            return ""
        if step > self._step:
            self._begin_step(step, attempt)
        elif attempt > self._attempt:
            self._begin_attempt(attempt)
        known = len(self._text)
        if offset > known or offset + len(text) <= known:
            return ""  # a gap that a stored event will fill, or nothing new
        added = text[known - offset :]
        self._text += added
        return self._shown_part(added)

    def _begin_step(self, step: int, attempt: int) -> None:
        self._step, self._attempt = step, attempt
        self._text = self._shown = ""
        self._owes_gap = self._has_shown

    def _begin_attempt(self, attempt: int) -> None:
        self._attempt = attempt
        if len(self._text) >= len(self._shown):
            self._shown = self._text
        self._text = ""

    def _shown_part(self, added: str) -> str:
        if self._shown:
            if self._shown.startswith(self._text):
                return ""
            if self._text.startswith(self._shown):
                added = self._text[len(self._shown) :]
            else:
                added = self._text
                self._owes_gap = True
            self._shown = ""
        if not added:
            return ""
        gap = _BETWEEN if self._owes_gap else ""
        self._owes_gap = False
        self._has_shown = True
        return gap + added
