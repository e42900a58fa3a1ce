"""`python -m purebpf` is the `purebpf` command."""

import sys

from purebpf.cli.main import main

sys.exit(main())
