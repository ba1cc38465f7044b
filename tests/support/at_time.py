"""The command `stepiq` in a process whose clock begins at another time.

Usage: python -m tests.support.at_time TIME ARGUMENTS…
"""

import sys

from stepiq.cli.main import main
from stepiq.core import clock

if __name__ == "__main__":
    clock.jump(clock.parse(sys.argv.pop(1)) - clock.now())
    main()
