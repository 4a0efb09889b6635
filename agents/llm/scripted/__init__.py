"""Answer like a model, from scripts: a small deterministic server that speaks the OpenAI chat API."""
