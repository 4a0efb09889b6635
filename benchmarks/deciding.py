"""One of the processes that record decisions at once: `python -m benchmarks.deciding RUN REPEAT START`."""

import sys

import django

if __name__ == "__main__":
    django.setup()
    from benchmarks.decisions import decide_many

    decide_many(*sys.argv[1:])
