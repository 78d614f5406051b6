"""The emulator as an object: a real HTTP server on a thread of its own, and what tests ask it.

Start it in a `with` block, point a client at `environment()`, and count `charges` afterwards.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import shutil
import signal
import socket
import tempfile
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import uvicorn
from starlette.types import Scope

from prefect_videogen.capabilities import MODELS, Model
from prefect_videogen.emulator import apixo, app, evolink
from prefect_videogen.emulator.callbacks import Announcer, Describe
from prefect_videogen.emulator.downloads import Downloads
from prefect_videogen.emulator.faults import Faults
from prefect_videogen.emulator.files import Files
from prefect_videogen.emulator.jobs import Workshop
from prefect_videogen.emulator.ledger import Charge, Delivery, Job, SeenRequest, Vendor
from prefect_videogen.emulator.pictures import Fetcher
from prefect_videogen.emulator.timeline import Clock
from prefect_videogen.emulator.world import RESULT_FLOOR, Settings, World
from prefect_videogen.errors import StudioError
from prefect_videogen.listening import listen

RENDER_THREADS = 2
_START_SECONDS = 30.0
_STOP_SECONDS = 10.0
_GRACE_SECONDS = 1.0
_LOOK_EVERY = 0.002
_TICK = 0.1  # uvicorn counts on ten a second


class Emulator:
    """APIXO and EvoLink on this machine, at no cost.

    Everything documented as lasting some time lasts that long divided by `speed`; jobs also need
    the time their clip takes to render.

    Args:
        host: Address to listen on.
        port: Port to listen on; 0 takes a free one.
        speed: How much faster than the real vendors it runs.
        strict: Whether to enforce what the documents promise and tests rarely have: https and
            public addresses for callbacks, public addresses for pictures, required fields even
            where they have a default.
        api_key: The only key it takes; a random one by default.
        media_dir: A folder to serve read-only under `media_url`, so that local pictures have a
            URL; all of it is readable to whoever reaches the port.
        pixel_scale: Shrinks the clips; 0.125 makes 720p 160x90, for quick tests.
        seed: Chooses how long jobs take within the documented range.
        replay: Whether EvoLink's `Idempotency-Key` gives the original task back.
        balance: What each vendor's account holds at first, in US dollars; EvoLink counts it in
            credits, 68 to the dollar.
        fps: Frames a second of the clips.
        models: The models to offer; the built-in ones by default.
        result_floor: Results and uploads live at least so many seconds, however fast it runs.
        clock: Another clock than the wall's, in Unix seconds; see `ManualClock`.

    Example:
        >>> with Emulator(speed=600) as emulator:
        ...     emulator.environment()["VIDEOGEN_SANDBOX"]
        'true'
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        speed: float = 60.0,
        strict: bool = False,
        api_key: str = "",
        media_dir: Path | None = None,
        pixel_scale: float = 1.0,
        seed: int = 0,
        replay: bool = True,
        balance: float = 1000.0,
        fps: int = 24,
        models: Mapping[str, Model] | None = None,
        result_floor: float = RESULT_FLOOR,
        clock: Clock | None = None,
    ) -> None:
        if min(speed, pixel_scale, fps) <= 0:
            message = "speed, pixel_scale and fps must be greater than 0"
            raise StudioError(message)
        self._host = host
        self._port = port
        self._settings = Settings(
            models=models or MODELS,
            api_key=api_key or f"emulated-key-{secrets.token_hex(8)}",
            speed=speed,
            strict=strict,
            media_dir=media_dir,
            pixel_scale=pixel_scale,
            seed=seed,
            replay=replay,
            balance=balance,
            fps=fps,
            result_floor=result_floor,
        )
        self._world = World(self._settings, clock)
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ready = threading.Event()
        self._failure: BaseException | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start the server; it answers when this returns.

        Raises:
            StudioError: The port is taken, or it was started before; an emulator runs once.
        """
        if self._thread is not None:
            message = "this emulator was started before"
            raise StudioError(message, next_step="Make a new one.")
        listener = listen(self._host, self._port)
        host = f"[{self._host}]" if ":" in self._host else self._host
        self._world.base_url = f"http://{host}:{listener.getsockname()[1]}"
        self._world.scratch = Path(tempfile.mkdtemp(prefix="videogen-emulator-"))
        self._thread = threading.Thread(
            target=self._run, args=(listener,), name="videogen-emulator", daemon=True
        )
        self._thread.start()
        if not self._ready.wait(_START_SECONDS) or self._failure is not None:
            message = "the emulator did not start"
            raise StudioError(message) from self._failure

    def stop(self) -> None:
        """Stop the server, drop running jobs and delete the clips; the ledger stays readable."""
        if self._thread is None:
            return
        if self._thread.is_alive() and self._loop is not None:
            self._loop.call_soon_threadsafe(self._world.stopping.set)
            self._thread.join(_STOP_SECONDS)
        shutil.rmtree(self._world.scratch, ignore_errors=True)

    @property
    def url(self) -> str:
        """Base URL of both vendors' APIs."""
        return self._world.base_url

    @property
    def files_url(self) -> str:
        """Base URL of EvoLink's files API: the same host."""
        return self._world.base_url

    @property
    def media_url(self) -> str:
        """Base URL of the media folder; empty without one."""
        return f"{self.url}/media" if self._settings.media_dir is not None else ""

    @property
    def api_key(self) -> str:
        """The key it takes."""
        return self._settings.api_key

    def environment(self) -> dict[str, str]:
        """Give the variables that point the studio `env` here."""
        variables = {
            "VIDEOGEN_APIXO_API_KEY": self.api_key,
            "VIDEOGEN_APIXO_BASE_URL": self.url,
            "VIDEOGEN_EVOLINK_API_KEY": self.api_key,
            "VIDEOGEN_EVOLINK_BASE_URL": self.url,
            "VIDEOGEN_EVOLINK_FILES_URL": self.files_url,
            "VIDEOGEN_SANDBOX": "true",
            "VIDEOGEN_SPEED": f"{self._settings.speed:g}",
        }
        if self.media_url:
            variables["VIDEOGEN_MEDIA_PUBLIC_URL"] = self.media_url
        return variables

    @property
    def faults(self) -> Faults:
        """The script of what shall go wrong."""
        return self._world.faults

    @property
    def charges(self) -> list[Charge]:
        """One entry for each accepted job: the money that was spent."""
        return list(self._world.charges)

    @property
    def jobs(self) -> list[Job]:
        """All accepted jobs, in order."""
        return list(self._world.jobs.values())

    @property
    def requests(self) -> list[SeenRequest]:
        """All requests, in order of arrival."""
        return list(self._world.requests)

    @property
    def deliveries(self) -> list[Delivery]:
        """All tries to deliver a callback, in order."""
        return list(self._world.deliveries)

    def job(self, job_id: str) -> Job:
        """Find a job by its id.

        Raises:
            KeyError: There is none.
        """
        return self._world.jobs[job_id]

    def balance(self, vendor: Vendor) -> float:
        """Say what an account still holds: US dollars at APIXO, credits at EvoLink."""
        return self._world.balance(vendor)

    def peak_running(self, model: str) -> int:
        """Say how many jobs of a model ever ran at once, at most."""
        return self._world.peak_running(model)

    def requests_per_minute(self, model: str) -> int:
        """Say how many submits and polls of a model came within any scaled minute, at most."""
        return self._world.requests_per_minute(model)

    def report(self) -> dict[str, Any]:
        """Sum up what happened so far, as `GET /_emulator/report` does."""
        return app.report(self._world)

    def _run(self, listener: socket.socket) -> None:
        try:
            asyncio.run(self._serve(listener))
        except BaseException as error:  # noqa: BLE001 - handed to the thread that called `start`
            self._failure = error
        finally:
            self._ready.set()
            listener.close()

    async def _serve(self, listener: socket.socket) -> None:
        self._loop = asyncio.get_running_loop()
        world = self._world
        fetcher = Fetcher(world)
        words: dict[str, Describe] = {
            "apixo": apixo.describe,
            "evolink": partial(evolink.describe, world),
        }
        announcer = Announcer(world, words)
        renderers = ThreadPoolExecutor(RENDER_THREADS, "videogen-render")
        workshop = Workshop(world, fetcher, announcer, renderers)
        servers: list[uvicorn.Server] = []
        tools = (world, workshop, partial(_connection, servers))
        desks = [
            apixo.Apixo(*tools),
            evolink.Evolink(*tools),
            Files(*tools, fetcher),
            Downloads(*tools),
        ]
        config = uvicorn.Config(
            app.build(world, desks),
            lifespan="off",
            log_config=None,
            log_level="critical",
            access_log=False,
            http="h11",
            ws="none",
        )
        server = _Server(config)
        servers.append(server)
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            while not server.started and not serving.done():  # noqa: ASYNC110 - it has no event
                await asyncio.sleep(_LOOK_EVERY)
            self._ready.set()
            stopping = asyncio.create_task(world.stopping.wait())
            await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            world.stopping.set()
            await workshop.close()
            await fetcher.close()
            await announcer.close()
            server.leaving.set()
            await serving
            # Whoever still renders writes into a folder that is about to go.
            renderers.shutdown(wait=True, cancel_futures=True)


class _Server(uvicorn.Server):
    """Uvicorn, but gone within milliseconds: suites start and stop an emulator for every test."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.leaving = asyncio.Event()

    async def main_loop(self) -> None:
        """Tick until the stop, without sleeping through it."""
        ticks = 0
        while not await self.on_tick(ticks) and not self.leaving.is_set():
            ticks += 1
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.leaving.wait(), _TICK)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let answers that are under way end, for a moment, and cut off the rest."""
        for server in self.servers:
            server.close()
        state = self.server_state
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_GRACE_SECONDS):
                while state.connections or state.tasks:
                    # Again and again: one may have been accepted a moment ago.
                    for connection in list(state.connections):
                        connection.shutdown()
                    await asyncio.sleep(_LOOK_EVERY)
        for task in state.tasks:
            task.cancel()
        for connection in list(state.connections):
            if connection.transport is not None:
                connection.transport.abort()
        for listener in sockets or []:
            listener.close()
        # An aborted connection needs a turn of the loop to be gone.
        await asyncio.sleep(_LOOK_EVERY)


def _connection(servers: list[uvicorn.Server], scope: Scope) -> asyncio.Transport | None:
    """Find the connection of a request, to be rude to it."""
    for server in servers:
        for protocol in list(server.server_state.connections):
            if getattr(protocol, "client", None) == tuple(scope["client"] or ()):
                return protocol.transport
    return None


def run_forever(
    emulator: Emulator,
    *,
    ready: Callable[[Emulator], None] | None = None,
    stop: threading.Event | None = None,
) -> None:
    """Run an emulator until SIGINT or SIGTERM, for the command line.

    Args:
        emulator: The emulator, not yet started.
        ready: Called once it answers, to show its URLs and key.
        stop: Ends it too, for callers that are not in the main thread.

    Raises:
        StudioError: The port is taken.
    """
    done = stop or threading.Event()
    previous: dict[signal.Signals, Any] = {}
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            previous[number] = signal.signal(number, lambda *_: done.set())
    try:
        with emulator:
            if ready is not None:
                ready(emulator)
            done.wait()
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
