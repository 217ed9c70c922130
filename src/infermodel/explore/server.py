"""The explorer's HTTP server: a fixed list of pages, and questions about one scenario. No request names a file."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict
from importlib.resources import files
from typing import Any

from aiohttp import web

from infermodel.answers.scenario import Scenario, texts
from infermodel.errors import InputError
from infermodel.explore.answers import MEASURES, first_answer, refusals
from infermodel.explore.controls import controls
from infermodel.explore.worker import Superseded, Worker
from infermodel.scenario.document import dump
from infermodel.serve.host import host_name

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; connect-src 'self'; "
    "img-src data: blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Content security policy: the browser itself refuses whatever is not this server's. Plotly writes styles inline."""

PAGES: Mapping[str, tuple[str, str, str]] = {
    "/": ("infermodel", "explore/page/explore.html", "text/html"),
    "/explore.css": ("infermodel", "explore/page/explore.css", "text/css"),
    "/charts.js": ("infermodel", "explore/page/charts.js", "text/javascript"),
    "/explore.js": ("infermodel", "explore/page/explore.js", "text/javascript"),
    "/plotly.js": ("plotly", "package_data/plotly.min.js", "text/javascript"),
}
"""Package, place in it and type of everything that may be fetched."""

MOST_BYTES, MOST_CHANGES = 256 * 1024, 500

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def page(path: str) -> str:
    """Text of a page."""
    package, place, _ = PAGES[path]
    return files(package).joinpath(*place.split("/")).read_text(encoding="utf-8")


class Explorer:
    """Questions about one scenario with changes to it.

    Attributes:
        scenario: as the file states it.
        typed: changes to the file that it has already, as `--set` takes them.
        hosts: names under which it may be called.
    """

    def __init__(self, scenario: Scenario, hosts: frozenset[str], *, typed: Sequence[str] = ()) -> None:
        self.scenario, self.hosts, self.typed = scenario, hosts, typed
        self.worker = Worker()

    def application(self) -> web.Application:
        """The pages and questions, to be run by aiohttp."""
        app = web.Application(middlewares=[self._around], client_max_size=MOST_BYTES)
        for path in PAGES:
            app.router.add_get(path, self.show)
        app.router.add_get("/scenario", self.described)
        app.router.add_post("/sketch", self.sketch)
        for path in ("/run", "/capacity", "/exact"):
            app.router.add_post(path, self.ask)
        app.router.add_post("/yaml", self.yaml)
        app.on_cleanup.append(self._stop)
        return app

    async def _stop(self, _: web.Application) -> None:
        await self.worker.stop()

    @web.middleware
    async def _around(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Only for those who call this server by its own name, and questions only from a page of its own."""
        if host_name(request.headers.get("Host", "")) not in self.hosts:
            return web.json_response({"errors": [told("This server is not called by that name.")]}, status=403)
        try:
            answer = await handler(request)
        except web.HTTPException as error:
            answer = web.json_response({"errors": [told(error.reason)]}, status=error.status)
        except InputError as error:
            answer = web.json_response({"errors": list(refusals(error))}, status=422)
        except Superseded:
            answer = web.json_response({"superseded": True}, status=409)
        answer.headers["Content-Security-Policy"] = POLICY
        answer.headers["X-Content-Type-Options"] = "nosniff"
        answer.headers["Cache-Control"] = "no-store"
        return answer

    async def show(self, request: web.Request) -> web.StreamResponse:
        """A page."""
        kind = PAGES[request.path][2]
        return web.Response(text=await asyncio.to_thread(page, request.path), content_type=kind, charset="utf-8")

    async def described(self, request: web.Request) -> web.StreamResponse:
        """The scenario's title, its controls, and what is measured."""
        shown = [asdict(each) for each in controls(self.scenario)]
        measures = [{"key": key, "title": title} for key, title in MEASURES]
        await self.worker.start()
        named = {"title": self.scenario.title, "description": self.scenario.resolved.description}
        return web.json_response({**named, "controls": shown, "measures": measures})

    async def sketch(self, request: web.Request) -> web.StreamResponse:
        """What the cost engine says at once; whatever was being simulated is no longer wanted."""
        await self.worker.drop()
        return web.json_response(first_answer(self.scenario.changed(await changes(request))))

    async def ask(self, request: web.Request) -> web.StreamResponse:
        """A run or a capacity bracket, by the worker."""
        changed = [*self.typed, *texts(await changes(request))]
        about = {"scenario": str(self.scenario.resolved.source), "changes": changed}
        answer = await self.worker.ask(about | {"ask": request.path[1:]})
        return web.json_response(answer, status=422 if "errors" in answer else 200)

    async def yaml(self, request: web.Request) -> web.StreamResponse:
        """The scenario with the changes, every default written out; and the changes alone, as `--set` takes them."""
        asked = await changes(request)
        return web.json_response({"whole": self.scenario.changed(asked).yaml, "changed": dump(asked) if asked else ""})


async def changes(request: web.Request) -> dict[str, Any]:
    """Values by path of a question.

    Raises:
        HTTPException: it is no such question.
    """
    if request.content_type != "application/json":
        raise web.HTTPUnsupportedMediaType(reason="A question is application/json.")
    try:
        found = (await request.json())["changes"]
    except (ValueError, KeyError, TypeError):
        raise web.HTTPBadRequest(reason="A question is {changes: {path: value}}.") from None
    plain = isinstance(found, dict) and all(isinstance(each, str | int | float | None) for each in found.values())
    if not plain or len(found) > MOST_CHANGES:
        raise web.HTTPBadRequest(reason="Changes are plain values by path.")
    return dict(found)


def told(message: str) -> dict[str, str]:
    """Something that is wrong with no key of the scenario."""
    return {"path": "", "message": message}


async def serve(explorer: Explorer, host: str, port: int, stop: asyncio.Event, ready: Callable[[int], None]) -> None:
    """Serve until `stop` is set; `ready` is called with the port once requests are taken."""
    runner = web.AppRunner(explorer.application(), access_log=None, handle_signals=False, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        ready(runner.addresses[0][1])
        await stop.wait()
    finally:
        await runner.cleanup()
