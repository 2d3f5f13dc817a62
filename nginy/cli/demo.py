"""`nginy demo`."""

import click

ONCE = 6


@click.command(short_help="Show nginy at work, with three tiny backends.")
@click.option("--bind", metavar="ADDRESS", help="Where to listen.  [default: 127.0.0.1:8080, or a free port]")
@click.option(
    "--requests",
    type=click.IntRange(1, 100_000),
    metavar="N",
    help="Send N requests through it, print the answers, and end.",
)
@click.option("--once", is_flag=True, help=f"Short for --requests {ONCE}.")
def demo(bind: str | None, requests: int | None, once: bool) -> int:
    """Show nginy at work: three tiny backends, and a page that shows them take turns."""
    from nginy.demo import run_demo

    wanted = requests or (ONCE if once else None)
    return 0 if run_demo(bind, wanted, click.echo) else 1
