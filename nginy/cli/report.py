"""What a verb says when something is wrong."""

from collections.abc import Sequence

import click

from nginy.errors import ConfigProblem


def print_error(message: str) -> None:
    """One clear message on stderr."""
    click.echo(f"{click.style('nginy:', fg='red', bold=True)} {message}", err=True)


def print_config_problems(problems: Sequence[ConfigProblem]) -> None:
    """Every problem on a line of its own, as compilers write them, so that editors can jump there."""
    for problem in problems:
        click.echo(render_problem(problem), err=True)
    files = sorted({problem.file for problem in problems})
    count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    print_error(f"{count} in {', '.join(files)}")


def render_problem(problem: ConfigProblem) -> str:
    """`file:line:column: path: message (hint)` with colours that click drops where they do not belong."""
    place = f"{problem.file}:{problem.line}:{problem.column}" if problem.line else problem.file
    path = f"{click.style(problem.path, fg='cyan')}: " if problem.path else ""
    hint = click.style(f" ({problem.hint})", fg="green") if problem.hint else ""
    return f"{click.style(place, bold=True)}: {path}{problem.message}{hint}"
