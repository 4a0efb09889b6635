"""Prices, budgets and usage. Prices and usage are only added; a change of any rule renews the rulebook."""

from datetime import UTC, datetime

import django.core.validators
import django.db.models.deletion
import governance.metering.types
import tenants.kernel.models
from django.db import migrations, models

APPEND_ONLY = ("governance_price", "governance_usagerecord")
RULES = ("governance_price", "governance_budget", "governance_ratelimit", "governance_user_groups")

PROTECT = """
CREATE TRIGGER append_only_rows BEFORE UPDATE OR DELETE ON {table}
  FOR EACH ROW EXECUTE FUNCTION governance_append_only();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON {table}
  FOR EACH STATEMENT EXECUTE FUNCTION governance_append_only();
"""
UNPROTECT = "DROP TRIGGER append_only_rows ON {table}; DROP TRIGGER append_only_truncate ON {table};"
WATCH = """
CREATE TRIGGER metering_touches_rulebook AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON {table}
  FOR EACH STATEMENT EXECUTE FUNCTION governance_touch_rulebook();
"""
UNWATCH = "DROP TRIGGER metering_touches_rulebook ON {table};"

SINCE = datetime(2025, 4, 14, tzinfo=UTC)
SOURCE = "OpenAI, list price of the standard tier, platform.openai.com/docs/pricing, as of 2026-04-02"
PRICES = (
    # pattern, micro-dollars per 1,000,000 tokens: input, cached input, output
    ("gpt-4.1*", 2_000_000, 500_000, 8_000_000),
    ("gpt-4.1-mini*", 400_000, 100_000, 1_600_000),
    ("gpt-4.1-nano*", 100_000, 25_000, 400_000),
    ("gpt-4o*", 2_500_000, 1_250_000, 10_000_000),
    ("gpt-4o-mini*", 150_000, 75_000, 600_000),
)


def add_list_prices(apps, schema_editor):
    price = apps.get_model("governance", "Price")
    price.objects.bulk_create(
        price(pattern=pattern, kind=kind, micros=micros, valid_from=SINCE, source=SOURCE)
        for pattern, *amounts in PRICES
        for kind, micros in zip(("input", "cached", "output"), amounts, strict=True)
    )


class Migration(migrations.Migration):

    dependencies = [
        ("governance", "0012_flow"),
    ]

    operations = [
        migrations.CreateModel(
            name='Budget',
            fields=[
                ('id', models.UUIDField(default=tenants.kernel.models.uuid7, editable=False, primary_key=True, serialize=False)),
                ('name', models.CharField(max_length=80, unique=True)),
                ('scope', models.CharField(choices=[('request', 'request'), ('run', 'run'), ('user', 'user'), ('agent', 'agent'), ('team', 'team'), ('tenant', 'tenant'), ('platform', 'platform')], help_text='Whose calls it counts. “request” limits each call.', max_length=10)),
                ('subject', models.CharField(blank=True, help_text='The name of one user, agent or team (a role or group). Empty: each of them has this budget of its own.', max_length=150)),
                ('window', models.CharField(choices=[('request', 'request'), ('run', 'run'), ('hour', 'hour'), ('day', 'day'), ('month', 'month')], help_text='When it starts anew; hours, days and months in UTC.', max_length=10)),
                ('unit', models.CharField(choices=[('micros', 'micros'), ('tokens', 'tokens')], default=governance.metering.types.Unit['MICROS'], max_length=10)),
                ('limit', models.BigIntegerField(help_text='In micro-dollars (1,000,000 are one dollar) or in tokens.', validators=[django.core.validators.MinValueValidator(0)])),
                ('enabled', models.BooleanField(default=True)),
                ('source', models.CharField(choices=[('manual', 'Manual'), ('tier', 'Tier')], default='manual', editable=False, max_length=10)),
            ],
            options={
                'ordering': ['name'],
                'constraints': [models.CheckConstraint(condition=models.Q(('limit__gte', 0)), name='budget_not_negative')],
            },
        ),
        migrations.CreateModel(
            name='Price',
            fields=[
                ('id', models.UUIDField(default=tenants.kernel.models.uuid7, editable=False, primary_key=True, serialize=False)),
                ('pattern', models.CharField(help_text='A model or a tool, or a pattern such as gpt-4.1-mini*.', max_length=120)),
                ('kind', models.CharField(choices=[('input', 'input'), ('cached', 'cached'), ('output', 'output'), ('tool_call', 'tool call')], max_length=10)),
                ('micros', models.BigIntegerField(help_text='Per 1,000,000 tokens, or per call of a tool; 1,000,000 are one dollar. 0 for what is free.', validators=[django.core.validators.MinValueValidator(0)], verbose_name='micro-dollars')),
                ('valid_from', models.DateTimeField()),
                ('source', models.CharField(help_text='Where the price is published, or who agreed on it.', max_length=200)),
            ],
            options={
                'ordering': ['pattern', 'kind', '-valid_from', '-id'],
                'constraints': [models.CheckConstraint(condition=models.Q(('micros__gte', 0)), name='price_not_negative')],
            },
        ),
        migrations.CreateModel(
            name='RateLimit',
            fields=[
                ('id', models.UUIDField(default=tenants.kernel.models.uuid7, editable=False, primary_key=True, serialize=False)),
                ('scope', models.CharField(choices=[('user', 'User'), ('agent', 'Agent'), ('tenant', 'Tenant')], max_length=10)),
                ('subject', models.CharField(blank=True, help_text='The id of one user or agent. Empty: each has this limit of its own.', max_length=150)),
                ('unit', models.CharField(choices=[('requests', 'requests to models'), ('tool_calls', 'calls of tools'), ('tokens', 'Tokens')], max_length=10)),
                ('per_minute', models.PositiveIntegerField(validators=[django.core.validators.MinValueValidator(1)])),
                ('enabled', models.BooleanField(default=True)),
            ],
            options={
                'ordering': ['scope', 'subject', 'unit'],
                'constraints': [models.UniqueConstraint(fields=('scope', 'subject', 'unit'), name='one_rate_per_subject'), models.CheckConstraint(condition=models.Q(('per_minute__gte', 1)), name='rate_above_zero')],
            },
        ),
        migrations.CreateModel(
            name='Reservation',
            fields=[
                ('id', models.UUIDField(default=tenants.kernel.models.uuid7, editable=False, primary_key=True, serialize=False)),
                ('status', models.CharField(choices=[('open', 'Open'), ('settled', 'Settled'), ('released', 'Released'), ('unknown', 'Settled at the estimate'), ('reconciled', 'Reconciled')], default='open', max_length=10)),
                ('key', models.CharField(max_length=80, unique=True)),
                ('kind', models.CharField(choices=[('model', 'model'), ('tool', 'tool')], max_length=5)),
                ('name', models.CharField(max_length=120)),
                ('step_id', models.UUIDField()),
                ('run_id', models.UUIDField()),
                ('user_id', models.BigIntegerField()),
                ('user_name', models.CharField(max_length=150)),
                ('agent_id', models.CharField(max_length=40)),
                ('agent_name', models.CharField(max_length=150)),
                ('estimate', models.JSONField(help_text='What it may cost at most: micros and tokens.')),
                ('actual', models.JSONField(help_text='What it cost.', null=True)),
                ('holds', models.JSONField(help_text='What it holds in which window of which budget.')),
                ('created_at', models.DateTimeField()),
                ('expires_at', models.DateTimeField()),
                ('settled_at', models.DateTimeField(null=True)),
            ],
            options={
                'ordering': ['-id'],
                'permissions': [('reconcile_reservation', 'Can say what a call with an unknown cost has cost')],
                'indexes': [models.Index(condition=models.Q(('status', 'open')), fields=['expires_at'], name='reservation_open')],
            },
        ),
        migrations.CreateModel(
            name='UsageRecord',
            fields=[
                ('id', models.UUIDField(default=tenants.kernel.models.uuid7, editable=False, primary_key=True, serialize=False)),
                ('at', models.DateTimeField()),
                ('kind', models.CharField(choices=[('model', 'model'), ('tool', 'tool')], max_length=5)),
                ('name', models.CharField(max_length=120)),
                ('agent_id', models.CharField(max_length=40)),
                ('agent_name', models.CharField(max_length=150)),
                ('user_id', models.BigIntegerField()),
                ('user_name', models.CharField(max_length=150)),
                ('run_id', models.UUIDField()),
                ('step_id', models.UUIDField()),
                ('key', models.CharField(max_length=80)),
                ('input_tokens', models.BigIntegerField(default=0)),
                ('cached_tokens', models.BigIntegerField(default=0)),
                ('output_tokens', models.BigIntegerField(default=0)),
                ('cost_micros', models.BigIntegerField(null=True)),
                ('prices', models.JSONField(default=list)),
                ('estimated', models.BooleanField(default=False)),
                ('correction', models.BooleanField(default=False)),
            ],
            options={
                'ordering': ['-id'],
                'indexes': [models.Index(fields=['at'], name='usage_at')],
            },
        ),
        migrations.CreateModel(
            name='BudgetWindow',
            fields=[
                ('id', models.UUIDField(default=tenants.kernel.models.uuid7, editable=False, primary_key=True, serialize=False)),
                ('subject', models.CharField(blank=True, max_length=200)),
                ('started_at', models.DateTimeField()),
                ('ends_at', models.DateTimeField(null=True)),
                ('spent', models.BigIntegerField(default=0)),
                ('reserved', models.BigIntegerField(default=0)),
                ('warned', models.PositiveSmallIntegerField(default=0, help_text='The highest percentage that people were told of.')),
                ('budget', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='governance.budget')),
            ],
            options={
                'ordering': ['-started_at', '-id'],
                'constraints': [models.UniqueConstraint(fields=('budget', 'subject', 'started_at'), name='one_window_per_subject'), models.CheckConstraint(condition=models.Q(('reserved__gte', 0)), name='window_reserved_not_negative')],
            },
        ),
        *(migrations.RunSQL(PROTECT.format(table=t), UNPROTECT.format(table=t)) for t in APPEND_ONLY),
        *(migrations.RunSQL(WATCH.format(table=t), UNWATCH.format(table=t)) for t in RULES),
        migrations.RunPython(add_list_prices, migrations.RunPython.noop),
    ]
