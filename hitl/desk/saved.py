"""Keep and drop saved views. Their changes reach the audit log as changes of configuration."""

from typing import Any
from uuid import UUID

from django.db import transaction

from hitl.desk.filters import Filters
from hitl.desk.models import SavedView
from tenants.kernel.errors import InvalidInput, NotFound, PermissionMissing

ADD, DELETE, SHARE = "hitl.add_savedview", "hitl.delete_savedview", "hitl.share_savedview"
MAX_NAME, MAX_VIEWS = 60, 30


@transaction.atomic
def save_view(*, owner: Any, name: str, filters: Filters, shared: bool) -> SavedView:
    """Keep the filters under a name; the owner's view of that name is replaced.

    Raises PermissionMissing, and InvalidInput for an empty or long name or more than 30 views.
    """
    if not owner.has_perm(ADD) or (shared and not owner.has_perm(SHARE)):
        raise PermissionMissing("You may not share views." if owner.has_perm(ADD) else "")
    name = " ".join(name.split())
    if not 1 <= len(name) <= MAX_NAME or not name.isprintable():
        raise InvalidInput(f"Give the view a name of 1 to {MAX_NAME} printable characters.")
    kept = SavedView.objects.select_for_update().filter(owner=owner)
    if kept.exclude(name=name).count() >= MAX_VIEWS:
        raise InvalidInput(f"You have {MAX_VIEWS} views; delete one first.")
    view = kept.filter(name=name).first() or SavedView(owner=owner, name=name)
    view.shared, view.filters = shared, dict(filters.chosen)
    view.save()
    return view


@transaction.atomic
def delete_view(*, view_id: UUID, by: Any) -> str:
    """Drop a view; return its name. Its owner may, and who may share views where it is shared.

    Raises NotFound if it does not exist or is another person's own, PermissionMissing.
    """
    view = SavedView.objects.select_for_update(of=("self",)).visible_to(by).filter(pk=view_id).first()
    if view is None:
        raise NotFound("There is no such view.")
    if not by.has_perm(DELETE) or (view.owner_id != by.pk and not by.has_perm(SHARE)):
        raise PermissionMissing("Only its owner deletes a shared view, or somebody who may share views.")
    name = view.name
    view.delete()
    return name
