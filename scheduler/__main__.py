"""``python3 -m scheduler``: see to an environment, then run the command line.

Until the version is checked this must parse and run on Python 3.6, so that the answer is no syntax error.
"""

import sys

OLDEST = (3, 11)


def refuse_old_python() -> None:
    """Exit with 78 (wrong configuration) and one line on an interpreter that the service does not run on."""
    if sys.version_info < OLDEST:
        needed, this = "{}.{}".format(*OLDEST), "{}.{}".format(*sys.version_info)
        command = " ".join(sys.argv[1:]) or "up"
        sys.stderr.write(
            f"scheduler: needs Python {needed} or later; this is {this}: "
            f"install python{needed} and run python{needed} -m scheduler {command}\n"
        )
        sys.exit(78)


if __name__ == "__main__":
    refuse_old_python()
    if sys.argv[1:2] in (["install"], ["uninstall"]):  # they need no environment, and leave none in the checkout
        from scheduler import installation

        sys.exit(installation.main(sys.argv[1:]))
    from scheduler.checkout import environment

    environment.enter(sys.argv[1:])
    from scheduler.cli import main

    sys.exit(main())
