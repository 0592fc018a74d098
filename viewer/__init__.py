"""The viewer: an aiohttp server over a `Store`, and the page it serves."""
