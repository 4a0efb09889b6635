"""A vote is never changed or deleted."""

from django.db import migrations

PROTECT = """
CREATE TRIGGER append_only_rows BEFORE UPDATE OR DELETE ON hitl_vote
  FOR EACH ROW EXECUTE FUNCTION governance_append_only();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON hitl_vote
  FOR EACH STATEMENT EXECUTE FUNCTION governance_append_only();
"""

UNPROTECT = """
DROP TRIGGER append_only_rows ON hitl_vote;
DROP TRIGGER append_only_truncate ON hitl_vote;
"""


class Migration(migrations.Migration):
    dependencies = [("hitl", "0001_initial"), ("governance", "0002_append_only_audit")]

    operations = [migrations.RunSQL(PROTECT, UNPROTECT)]
