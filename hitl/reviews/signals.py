"""Nudges of reviews: sent in the changing transaction, argument `review`. The row is the truth."""

from django.dispatch import Signal

review_opened = Signal()
"""A review was opened. A receiver may decide it at once; it is then no longer pending."""

review_changed = Signal()
"""A pending review changed: a vote that did not close it, an edit, a question, another assignee."""

review_decided = Signal()
"""A review is closed: by people, by its deadline, by its run, or because another took its place."""

review_unsatisfiable = Signal()
"""Too few people are left to approve a pending review; sent when it is opened and when that becomes so."""
