"""An admin may say that the text of a tool's results is JSON or YAML."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("agents", "0015_withheld_results")]

    operations = [
        migrations.AddField(
            model_name="tool",
            name="result_format",
            field=models.CharField(
                choices=[("text", "text"), ("json", "json"), ("yaml", "yaml")],
                default="text",
                help_text="What the text of its results is; json and yaml only where a program encodes them.",
                max_length=10,
            ),
        )
    ]
