"""What runs and calls of tools cost."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("agents", "0011_tool_audience"),
    ]

    operations = [
        migrations.AddField(
            model_name='run',
            name='cost_micros',
            field=models.BigIntegerField(help_text='What its calls have cost, in micro-dollars; empty while no price is known.', null=True),
        ),
        migrations.AddField(
            model_name='tool',
            name='cost_micros',
            field=models.PositiveBigIntegerField(blank=True, default=0, help_text='In micro-dollars (1,000,000 are one dollar), counted in budgets. 0: as the list of prices says.', verbose_name='cost of a call'),
        ),
    ]
