"""The state of the rules: a row, and a trigger that renews it whenever a rule changes."""

import uuid

from django.db import migrations, models

FUNCTION = """
CREATE FUNCTION governance_touch_rulebook() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
  EXECUTE format('UPDATE %I.governance_rulebookstate SET revision = gen_random_uuid()', TG_TABLE_SCHEMA);
  RETURN NULL;
END
$body$;
INSERT INTO governance_rulebookstate (id, revision) VALUES (1, gen_random_uuid());
"""

WATCH = """
CREATE TRIGGER touches_rulebook AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON governance_riskthreshold
  FOR EACH STATEMENT EXECUTE FUNCTION governance_touch_rulebook();
"""


class Migration(migrations.Migration):
    dependencies = [("governance", "0005_risk_thresholds")]

    operations = [
        migrations.CreateModel(
            name="RulebookState",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("revision", models.UUIDField(default=uuid.uuid4)),
            ],
        ),
        migrations.AddConstraint(
            model_name="rulebookstate",
            constraint=models.CheckConstraint(condition=models.Q(("id", 1)), name="one_rulebook"),
        ),
        migrations.RunSQL(FUNCTION, "DROP FUNCTION governance_touch_rulebook();"),
        migrations.RunSQL(WATCH, "DROP TRIGGER touches_rulebook ON governance_riskthreshold;"),
        migrations.AddField("policydecision", "input_digest", models.CharField(default="", max_length=64)),
        migrations.AddField("policydecision", "rules_version", models.CharField(default="", max_length=80)),
        migrations.AddField("policydecision", "facts", models.JSONField(default=dict)),
        migrations.AddField("policydecision", "obligations", models.JSONField(default=list)),
    ]
