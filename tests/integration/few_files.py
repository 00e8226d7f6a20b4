"""`python -m tests.integration.few_files SOFT HARD ...`: `dial-gateway` with limits of open files."""

import resource
import sys

from gateway.cli.main import main

if __name__ == "__main__":
    soft, hard, *arguments = sys.argv[1:]
    resource.setrlimit(resource.RLIMIT_NOFILE, (int(soft), int(hard)))
    sys.exit(main(arguments))
