"""`python -m geopointseg`: the command line where its script is not on the path."""

import sys

from geopointseg.cli import main

sys.exit(main())
