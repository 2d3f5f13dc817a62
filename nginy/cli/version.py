"""`nginy version`."""

import click

PARTS = ("uvloop", "pydantic", "pyyaml", "click", "rich", "h11", "prometheus-client")


@click.command()
@click.option("-v", "--verbose", is_flag=True, help="Show what it runs on, too.")
def version(verbose: bool) -> None:
    """Print the version."""
    import nginy

    click.echo(f"nginy {nginy.__version__}")
    if verbose:
        for name, text in surroundings():
            click.echo(f"  {name:<18}{text}")


def surroundings() -> list[tuple[str, str]]:
    """What matters in a bug report."""
    import platform
    from importlib import metadata

    rows = [
        ("python", f"{platform.python_version()} ({platform.python_implementation()})"),
        ("system", f"{platform.system()} {platform.release()} {platform.machine()}"),
    ]
    for part in PARTS:
        try:
            rows.append((part, metadata.version(part)))
        except metadata.PackageNotFoundError:
            rows.append((part, "missing"))
    return rows
