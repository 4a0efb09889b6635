"""What `./countersign` does: build the virtualenv, run the embedded stack, run commands in it.

Standard library only, because it runs before anything is installed.
"""
