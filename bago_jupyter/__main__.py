"""``python -m bago_jupyter``."""

import sys

from .cli import main

sys.exit(main())
