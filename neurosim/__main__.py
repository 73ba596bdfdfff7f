"""`python -m neurosim`: the command line, where the script is not on the path."""

import sys

from neurosim.app.cli import main

sys.exit(main())
