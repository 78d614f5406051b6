"""The commands' names, options and help; what they do is in a module for each."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from prefect_videogen.cli.terminal import terminal
from prefect_videogen.errors import (
    BatchIncomplete,
    BudgetExceeded,
    FilmIncomplete,
    StoryboardError,
    StudioError,
    VideoGenError,
)

OK, SHOTS_FAILED, WRONG_INPUT, OVER_BUDGET = 0, 1, 2, 3

DEMO_PORT = 8765
CALLBACKS_PORT = 4300
DEMO_KEY = "emulated-key-of-the-demo"
DEMO_FOLDER = Path("videogen-demo")

app = typer.Typer(
    help="Films of AI-generated clips, each clip bought once.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Board = Annotated[str, typer.Argument(help="Storyboard: a path, s3:// or https:// address.")]
OnUnknown = Annotated[
    str, typer.Option(help="stop, or resubmit a purchase whose outcome is unknown.")
]
OnExpired = Annotated[str, typer.Option(help="stop, or rebuy a bought clip that has expired.")]
StudioName = Annotated[
    str,
    typer.Option(
        "--studio", help="Name of the studio; by default `env` if keys are set there, else default."
    ),
]
Variables = Annotated[
    list[str], typer.Option("--var", help="A variable as name=value; can be repeated.")
]
Draft = Annotated[bool, typer.Option("--draft", help="Cheapest and shortest version of all.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


def exit_code_of(error: VideoGenError) -> int:
    """The exit code that says what kind of error it was."""
    if isinstance(error, BudgetExceeded) or _stopped_by_budget(error):
        return OVER_BUDGET
    if isinstance(error, StoryboardError | StudioError):
        return WRONG_INPUT
    return SHOTS_FAILED


def _stopped_by_budget(error: VideoGenError) -> bool:
    """Whether a film lacks a shot that no budget had money for."""
    missing = getattr(getattr(error, "result", None), "missing", ())
    return any(entry.error == BudgetExceeded.__name__ for entry in missing)


def show_error(error: VideoGenError) -> None:
    """Print an error for a person, to standard error."""
    console = terminal(stderr=True)
    title = "incomplete" if isinstance(error, BatchIncomplete | FilmIncomplete) else "error"
    console.print(f"{title}: ", style="bold red", end="")
    console.print(str(error))


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"prefect-videogen {version('prefect-videogen')}")
        raise typer.Exit(OK)


@app.callback()
def program(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """Take what stands before the command."""


@app.command()
def demo(
    media: Annotated[
        Path, typer.Option(help="Folder for clips and film; kept, so a second run buys nothing.")
    ] = DEMO_FOLDER,
    port: Annotated[int, typer.Option(help="Port of the emulator; 0 is any free one.")] = DEMO_PORT,
    speed: Annotated[float, typer.Option(help="How much faster than real vendors.")] = 60.0,
) -> None:
    """Make the sample film with the emulator and a studio `demo`: no account, no cost."""
    from prefect_videogen.cli.demo import run_demo

    run_demo(media, port=port, speed=speed)


@app.command()
def setup(
    name: Annotated[
        str, typer.Option(help="Name to save the studio under, or of a saved one.")
    ] = "default",
    deployments: Annotated[
        Path | None,
        typer.Option(help="Only write the deployment files to this folder, to change and deploy."),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="With --deployments: overwrite files that are there.")
    ] = False,
) -> None:
    """Register the block types, create the limits, and save a studio from the environment."""
    from prefect_videogen.cli.installing import run_setup, write_deployments

    if deployments is not None:
        write_deployments(deployments, force=force)
    elif force:
        message = "--force is for --deployments"
        raise StudioError(message, next_step="Leave it out: setup can be run again as it is.")
    else:
        run_setup(name)


@app.command()
def doctor(studio: StudioName = "", json: Json = False) -> None:
    """Say what is missing or wrong in this installation, and how to mend it. Buys nothing."""
    from prefect_videogen.cli.doctor import run_doctor

    run_doctor(studio=studio, as_json=json)


@app.command()
def plan(
    board: Board,
    studio: StudioName = "",
    var: Variables = [],  # noqa: B006 - typer copies it
    draft: Draft = False,
    json: Json = False,
) -> None:
    """Say what would be made, bought and paid. Free: asks no vendor and writes nothing."""
    from prefect_videogen.cli.planning import run_plan

    run_plan(board, studio=studio, variables=variables_of(var), draft=draft, as_json=json)


@app.command()
def render(
    board: Board,
    studio: StudioName = "",
    var: Variables = [],  # noqa: B006 - typer copies it
    draft: Draft = False,
    json: Annotated[bool, typer.Option("--json", help="Print the manifest last.")] = False,
    output: Annotated[str, typer.Option("-o", "--output", help="Copy the film there.")] = "",
    max_new_clips: Annotated[
        int, typer.Option(min=0, help="Most clips to buy; 0 is no limit.")
    ] = 0,
    budget: Annotated[
        float, typer.Option(min=0, help="Most money to spend, in the prices' currency; 0 is any.")
    ] = 0.0,
    budget_name: Annotated[
        str, typer.Option(help="Name the budget is kept under; by default the film's.")
    ] = "",
    on_unknown: OnUnknown = "stop",
    on_expired: OnExpired = "stop",
) -> None:
    """Make the film here, with progress."""
    from prefect_videogen.cli.rendering import RenderOptions, run_render

    options = RenderOptions(
        studio=studio,
        variables=variables_of(var),
        draft=draft,
        deliver_to=output,
        max_new_clips=max_new_clips,
        budget=budget,
        budget_name=budget_name,
        on_unknown=one_of("--on-unknown", on_unknown, "stop", "resubmit"),
        on_expired=one_of("--on-expired", on_expired, "stop", "rebuy"),
    )
    run_render(board, options, as_json=json)


@app.command()
def batch(
    boards: Annotated[
        list[str],
        typer.Argument(help="Storyboards: paths, folders of them, s3:// or https:// addresses."),
    ],
    studio: Annotated[
        str,
        typer.Option(help="Name of the studio; by default the saved one named default, else env."),
    ] = "",
    var: Variables = [],  # noqa: B006 - typer copies it
    deployment: Annotated[
        str, typer.Option(help="Deployment of generate-storyboard that makes them.")
    ] = "generate-storyboard/videogen",
    concurrent: Annotated[int, typer.Option(min=1, help="Most runs at once.")] = 4,
    name: Annotated[
        str,
        typer.Option(
            help="Name of the batch: under one name each is run once; retry failed runs in Prefect."
        ),
    ] = "",
    plan_only: Annotated[
        bool, typer.Option("--plan-only", help="Have each run publish its plan and buy nothing.")
    ] = False,
    wait: Annotated[
        str, typer.Option(help="How runs wait: auto, poll, callback or suspend.")
    ] = "auto",
    json: Json = False,
    max_new_clips: Annotated[
        int, typer.Option(min=0, help="Most clips for each run to buy; 0 is no limit.")
    ] = 0,
    budget: Annotated[
        float,
        typer.Option(min=0, help="Most money for each run, in the prices' currency; 0 is any."),
    ] = 0.0,
    budget_name: Annotated[
        str, typer.Option(help="Name the budget is kept under, for all runs together.")
    ] = "",
    on_unknown: OnUnknown = "stop",
    on_expired: OnExpired = "stop",
) -> None:
    """Make many films, each in a flow run of its own; needs `serve` or workers."""
    from prefect_videogen.cli.batch import run_batch

    options = {
        "variables": variables_of(var),
        "deployment": deployment,
        "concurrent": concurrent,
        "batch": name,
        "plan_only": plan_only,
        "wait": one_of("--wait", wait, "auto", "poll", "callback", "suspend"),
        "max_new_clips": max_new_clips,
        "budget": budget,
        "budget_name": budget_name,
        "on_unknown": one_of("--on-unknown", on_unknown, "stop", "resubmit"),
        "on_expired": one_of("--on-expired", on_expired, "stop", "rebuy"),
    }
    run_batch(boards, options, studio=studio, as_json=json)


@app.command()
def emulator(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port; 0 is any free one.")] = DEMO_PORT,
    speed: Annotated[float, typer.Option(help="How much faster than real vendors.")] = 60.0,
    strict: Annotated[
        bool, typer.Option("--strict", help="Refuse private addresses, as the vendors do.")
    ] = False,
    media: Annotated[
        Path, typer.Option(help="Folder to serve as the media store's public URL.")
    ] = DEMO_FOLDER,
    api_key: Annotated[str, typer.Option(help="The only key it accepts.")] = DEMO_KEY,
    seed: Annotated[int, typer.Option(help="Chooses how long jobs take.")] = 0,
) -> None:
    """Run a local APIXO and EvoLink until Ctrl-C; prints its URLs and key."""
    from prefect_videogen.cli.emulating import run_emulator
    from prefect_videogen.emulator import Emulator
    from prefect_videogen.studio import known_models

    media.mkdir(parents=True, exist_ok=True)
    run_emulator(
        Emulator(
            host=host,
            port=port,
            speed=speed,
            strict=strict,
            media_dir=media,
            api_key=api_key,
            seed=seed,
            models=known_models(),
        ),
        media,
    )


@app.command()
def callbacks(
    studio: StudioName = "",
    host: Annotated[
        str, typer.Option(help="Address to listen on, behind your TLS proxy.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port; 0 is any free one.")] = CALLBACKS_PORT,
) -> None:
    """Receive vendors' callbacks until Ctrl-C, so that runs need hardly poll."""
    from prefect_videogen.cli.callbacks import run_callbacks

    run_callbacks(studio=studio, host=host, port=port)


@app.command()
def new(
    path: Annotated[Path, typer.Argument(help="File to write; must not exist.")] = Path(
        "storyboard.yaml"
    ),
) -> None:
    """Write a commented storyboard to start from."""
    from prefect_videogen.cli.showing import run_new

    run_new(path)


@app.command()
def schema() -> None:
    """Print the storyboard's JSON Schema, for editors."""
    from prefect_videogen.cli.showing import run_schema

    run_schema()


@app.command()
def models(json: Json = False) -> None:
    """Say what each model can do: modes, lengths, sizes, pictures, limits."""
    from prefect_videogen.cli.showing import run_models

    run_models(as_json=json)


@app.command()
def records(
    target: Annotated[
        str, typer.Argument(help="A clip's key, or its first 8 digits or more; or a storyboard.")
    ],
    studio: StudioName = "",
    var: Variables = [],  # noqa: B006 - typer copies it
    draft: Draft = False,
    json: Json = False,
) -> None:
    """Say what is known of clips: states, attempts, job ids, money, times, files."""
    from prefect_videogen.cli.recording import run_records

    run_records(target, studio=studio, variables=variables_of(var), draft=draft, as_json=json)


@app.command()
def collect(
    studio: StudioName = "",
    older_than: Annotated[
        int, typer.Option(min=0, help="Leave jobs alone that are younger, in minutes.")
    ] = 0,
    json: Json = False,
) -> None:
    """Fetch what dead runs bought before it expires; say what is running, unknown or lost."""
    from prefect_videogen.cli.collecting import run_collect

    run_collect(studio=studio, older_than=older_than, as_json=json)


@app.command()
def settle(
    key: Annotated[str, typer.Argument(help="The clip's key, or its first 8 digits or more.")],
    job: Annotated[
        str, typer.Option("--job", help="The job it led to, as the vendor's dashboard names it.")
    ] = "",
    not_accepted: Annotated[
        bool, typer.Option("--not-accepted", help="The vendor has no such job.")
    ] = False,
    studio: StudioName = "",
) -> None:
    """Settle a purchase whose outcome is unknown, after a look into the vendor's dashboard."""
    from prefect_videogen.cli.collecting import run_settle

    run_settle(key, job=job, not_accepted=not_accepted, studio=studio)


@app.command(name="open")
def open_(
    target: Annotated[
        str, typer.Argument(help="A flow run's id, a film's name, title or path, or a clip's key.")
    ],
    studio: StudioName = "",
    film: Annotated[bool, typer.Option("--film", help="The film itself, not its page.")] = False,
    only_print: Annotated[
        bool, typer.Option("--print", help="Print the address and open nothing.")
    ] = False,
) -> None:
    """Open a film's page, a film or a clip; from S3 by a signed URL that works for 15 minutes."""
    from prefect_videogen.cli.opening_films import run_open

    run_open(target, studio=studio, film=film, only_print=only_print)


@app.command()
def put(
    files: Annotated[list[Path], typer.Argument(help="Pictures to put into the inbox.")],
    studio: StudioName = "",
) -> None:
    """Put pictures into the media store's inbox, where forms find them."""
    from prefect_videogen.cli.installing import run_put

    run_put(files, studio=studio)


def variables_of(pairs: list[str]) -> dict[str, str]:
    """Split name=value pairs.

    Raises:
        StudioError: If one has no equals sign.
    """
    values = {}
    for pair in pairs:
        name, sign, value = pair.partition("=")
        if not (name and sign):
            message = f"--var {pair!r} is not name=value"
            raise StudioError(message, next_step="Write for example --var city=Oslo.")
        values[name] = value
    return values


def one_of(option: str, value: str, *choices: str) -> str:
    """Check a choice.

    Raises:
        StudioError: If it is none of them.
    """
    if value not in choices:
        message = f"{option} {value!r} is not a choice"
        raise StudioError(message, next_step=f"Use {' or '.join(choices)}.")
    return value
