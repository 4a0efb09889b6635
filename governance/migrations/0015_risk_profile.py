"""What a tenant counts as outside, as many and as sensitive."""

import django.core.validators
from django.db import migrations, models

RAISED = [("medium", "medium"), ("high", "high"), ("critical", "critical")]

ROW = "INSERT INTO governance_riskprofile (id, home_domains, bulk_from, outside, sensitive, bulk) VALUES (1, '[]', 20, 'medium', 'medium', 'high');"

# Found for the risk assessor: numbers that identify somebody, borne out by check digits or the words around them.
LABELS = (
    '["CREDIT_CARD", "IBAN_CODE", "US_SSN", "US_ITIN", "UK_NHS", "UK_NINO", "ES_NIF", "ES_NIE", "IT_FISCAL_CODE",'
    ' "PL_PESEL", "SE_PERSONNUMMER", "FI_PERSONAL_IDENTITY_CODE", "DE_TAX_ID", "IN_AADHAAR", "KR_RRN", "SG_NRIC_FIN",'
    ' "TH_TNIN", "TR_NATIONAL_ID", "AU_TFN", "CA_SIN", "ZA_ID_NUMBER", "CRYPTO", "DATE_OF_BIRTH"]'
)
PII = f"""
INSERT INTO governance_guardrailbinding
 (id, name, stage, check_name, action, threshold, tool, agent, config, restore_for_tools, marks_untrusted, enabled)
VALUES (gen_random_uuid(), 'Telling personal data in arguments', 'arguments', 'pii', 'log', 0.8, '*', '*',
 '{{"labels": {LABELS}}}', false, false, true);
"""

WATCH = """
CREATE TRIGGER touches_rulebook AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON governance_riskprofile
  FOR EACH STATEMENT EXECUTE FUNCTION governance_touch_rulebook();
"""


class Migration(migrations.Migration):
    dependencies = [("governance", "0013_metering")]

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
        migrations.RunSQL(PII, migrations.RunSQL.noop),
        migrations.RunSQL(WATCH, "DROP TRIGGER touches_rulebook ON governance_riskprofile;"),
        migrations.RunSQL(
            WATCH.replace("governance_riskprofile", "governance_policyversion"),
            "DROP TRIGGER touches_rulebook ON governance_policyversion;",
        ),
        # Budgets of teams know them by name.
        migrations.RunSQL(
            WATCH.replace("governance_riskprofile", "auth_group"), "DROP TRIGGER touches_rulebook ON auth_group;"
        ),
    ]
