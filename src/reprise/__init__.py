"""Three research systems as pipelines that anyone can re-run, change and compare."""
