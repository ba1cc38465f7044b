"""Runs commands at the same time, and prints the output of each when it has ended.

Usage: python scripts/run_together.py 'COMMAND' 'COMMAND' ...

Each command is a line for the shell. Standard error is not collected, so that messages about progress appear at once.
Exits with 1 if a command fails. The others then run to their end, so that one call reports all problems.
"""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor, as_completed


def main(commands: list[str]) -> None:
    """Run the commands. Exits if one of them fails."""
    with ThreadPoolExecutor(max(1, len(commands))) as pool:
        running = [pool.submit(_run, command) for command in commands]
        failed: list[str] = []
        for each in as_completed(running):
            done = each.result()
            if done.stdout or done.returncode != 0:
                print(f"{done.args}\n{done.stdout}", end="", flush=True)
            if done.returncode != 0:
                failed.append(str(done.args))
    if failed:
        sys.exit(f"Failed: {'; '.join(failed)}")


def _run(command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S602 - the Makefile gives the commands
        command,
        shell=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )


if __name__ == "__main__":
    main(sys.argv[1:])
