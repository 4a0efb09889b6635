"""What a tenant counts as outside, as many and as sensitive."""

import django.core.validators
from django.db import migrations, models

RAISED = [("medium", "medium"), ("high", "high"), ("critical", "critical")]

ROW = "INSERT INTO governance_riskprofile (id, home_domains, bulk_from, outside, sensitive, bulk) VALUES (1, '[]', 20, 'medium', 'medium', 'high');"

WATCH = """
CREATE TRIGGER touches_rulebook AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON governance_riskprofile
  FOR EACH STATEMENT EXECUTE FUNCTION governance_touch_rulebook();
"""


class Migration(migrations.Migration):
    dependencies = [("governance", "0011_guardrails")]

    operations = [
        migrations.CreateModel(
            name="RiskProfile",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("home_domains", models.JSONField(blank=True, default=list, help_text="Domains of this organisation, such as acme.example. Without any, every address is outside.")),
                ("bulk_from", models.PositiveIntegerField(default=20, help_text="From how many things in one argument on a call counts as bulk.", validators=[django.core.validators.MinValueValidator(1)])),
                ("outside", models.CharField(choices=RAISED, default="medium", help_text="Least risk of a call that reaches outsiders.", max_length=10)),
                ("sensitive", models.CharField(choices=RAISED, default="medium", help_text="Least risk of a call whose arguments hold personal data or secrets; high if they leave.", max_length=10)),
                ("bulk", models.CharField(choices=RAISED, default="high", help_text="Least risk of a call for many at once.", max_length=10)),
            ],
        ),
        migrations.AddConstraint(
            model_name="riskprofile",
            constraint=models.CheckConstraint(condition=models.Q(("id", 1)), name="one_risk_profile"),
        ),
        migrations.RunSQL(ROW, migrations.RunSQL.noop),
        migrations.RunSQL(WATCH, "DROP TRIGGER touches_rulebook ON governance_riskprofile;"),
    ]
