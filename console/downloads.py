"""Files that the assistant made for staff, such as signal plans: to be had with a staff session only."""

from __future__ import annotations

from aiohttp import web

from console.web import need, requires, services


@requires("viewer")
async def export(request: web.Request) -> web.StreamResponse:
    """GET /exports/{name} → the file, to save."""
    folder, name = need(services(request).exports, "a folder of exports"), request.match_info["name"]
    path = (folder / name).resolve()
    if path.parent != folder.resolve() or not path.is_file():
        raise web.HTTPNotFound
    return web.FileResponse(path, headers={"Content-Disposition": f'attachment; filename="{name}"'})


def routes() -> list[web.RouteDef]:
    """Return the routes."""
    return [web.get(r"/exports/{name:[\w-]+\.(?:csv|json)}", export)]
