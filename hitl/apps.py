"""Asks people."""

from django.apps import AppConfig


class HitlConfig(AppConfig):
    """Say which roles see and decide reviews."""

    name = "hitl"
    verbose_name = "Human review"

    def ready(self) -> None:
        """Fill the role registry."""
        from governance.access import roles

        roles.grant(
            admin=["hitl.view_review", "hitl.decide_review", "hitl.view_vote"],
            reviewer=["hitl.view_review", "hitl.decide_review", "hitl.view_vote"],
            operator=["hitl.view_review"],
            viewer=["hitl.view_review"],
            auditor=["hitl.view_review", "hitl.view_vote"],
        )
