"""Redis: the client, the key names, and what lies under RedBeat's keys and ours."""
