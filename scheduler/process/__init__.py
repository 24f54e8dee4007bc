"""What every long-running process needs: pidfile, journal, systemd notification, signals, reload."""
