"""The verbs of `nginy` and how each of them ends: 0 fine, 1 failed at run time, 2 usage or configuration."""

import gc
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NoReturn

import click

from nginy.cli.report import print_config_problems, print_error
from nginy.errors import ConfigError, NginyError

EXIT_FAILED = 1
EXIT_INTERRUPTED = 130
OBJECTS_OF_A_START = 50_000
"""All of them stay, and looking through them for what can go, after every 700, is a twentieth of a start."""

VERBS = {
    "run": "nginy.cli.launch:run",
    "demo": "nginy.cli.demo:demo",
    "simple": "nginy.cli.launch:simple",
    "check": "nginy.cli.check:check",
    "route": "nginy.cli.route:route",
    "schema": "nginy.cli.check:schema",
    "status": "nginy.cli.status:status",
    "reload": "nginy.cli.steer:reload",
    "stop": "nginy.cli.steer:stop",
    "version": "nginy.cli.version:version",
}


class VerbGroup(click.Group):
    """Imports the module of a verb when that verb is wanted."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order of the table: it tells the story."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The verb, or None for an unknown one."""
        if cmd_name not in VERBS:
            return None
        module, _, name = VERBS[cmd_name].partition(":")
        command = getattr(import_module(module), name)
        assert isinstance(command, click.Command)
        return command


@click.group(
    cls=VerbGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
def cli() -> None:
    """A load balancer for TCP and UDP. Listeners take clients, pools of backends serve them."""


def run_cli(arguments: Sequence[str] | None = None) -> int:
    """Run one verb. -> exit code; everything that went wrong has been told on stderr."""
    try:
        result = cli.main(args=arguments, prog_name="nginy", standalone_mode=False)
    except ConfigError as failure:
        print_config_problems(failure.problems)
        return failure.exit_code
    except NginyError as failure:
        print_error(str(failure))
        return failure.exit_code
    except click.ClickException as failure:
        failure.show()
        return failure.exit_code
    except (click.Abort, KeyboardInterrupt):
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # whoever read our output has gone; keep the interpreter from complaining about it at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_FAILED
    return result if isinstance(result, int) else 0


def main() -> NoReturn:
    """Entry point of the console script."""
    gc.set_threshold(OBJECTS_OF_A_START)
    code = run_cli()
    gc.freeze()  # all that is left ends with the program: nobody has to look through it first
    sys.exit(code)
