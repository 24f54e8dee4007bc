"""A clone's own ``.venv`` and its tests; an installed package uses none of it."""
