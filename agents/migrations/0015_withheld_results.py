"""A tool may hand the model a handle instead of its result."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("agents", "0013_metering")]

    operations = [
        migrations.AddField(
            model_name="tool",
            name="withholds_results",
            field=models.BooleanField(
                default=False,
                help_text="The model is given a handle instead of the result, so whoever wrote into it cannot speak to it.",
            ),
        )
    ]
