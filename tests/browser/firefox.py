"""Debian's Firefox as Playwright can drive it: this program takes Firefox's own arguments.

Playwright opens no page where the browser refuses to emulate media features, and this Firefox does not know that
command. So the two talk through here, and that one refusal becomes a yes; the colour scheme comes from a preference.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
from asyncio.subprocess import PIPE

from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve

PROGRAM = "firefox-esr"
#: What a person's dark or light desktop tells Firefox.
DARK, LIGHT = ({"layout.css.prefers-color-scheme.content-override": number} for number in (0, 1))
LISTENS = "WebDriver BiDi listening on "  #: Playwright looks for this line
REFUSED = "unknown command"
UNKNOWN = "emulation.setMediaFeaturesOverride"


async def relay(playwright: ServerConnection, address: str) -> None:
    """Hand on what both say until one of them ends."""
    assert playwright.request is not None
    async with connect(address + playwright.request.path, max_size=None) as firefox, asyncio.TaskGroup() as both:

        async def answers() -> None:
            async for text in firefox:
                await playwright.send(accepted(text))
            await playwright.close()

        both.create_task(answers())
        async for text in playwright:
            await firefox.send(text)
        await firefox.close()


def accepted(text: str | bytes) -> str | bytes:
    """The answer as it is, except for the one refusal."""
    answer = json.loads(text)
    if answer.get("error") == REFUSED and UNKNOWN in answer.get("message", ""):
        return json.dumps({"type": "success", "id": answer["id"], "result": {}})
    return text


async def main(arguments: list[str]) -> int:
    """Run Firefox until it ends, and listen in its place."""
    process = await asyncio.create_subprocess_exec(PROGRAM, *arguments, stderr=PIPE)
    assert process.stderr is not None
    async for line in process.stderr:
        if found := re.fullmatch(f"{LISTENS}(ws://\\S+)", line.decode(errors="replace").strip()):
            async with serve(lambda it: relay(it, found[1]), "127.0.0.1", 0, max_size=None) as server:
                host, port = next(iter(server.sockets)).getsockname()
                print(f"{LISTENS}ws://{host}:{port}", file=sys.stderr, flush=True)
                async for _ in process.stderr:  # a full pipe would stop Firefox
                    pass
    return await process.wait()


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1:])))
