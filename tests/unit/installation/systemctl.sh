#!/bin/sh
# A stand-in for systemctl: units that behave as the release says, in files below $FAKE_SYSTEMD.
#
# As with systemd, a unit file counts from the next daemon-reload, and a service that systemd restarts again and again
# keeps its count of restarts until reset-failed. A release says in behaviour/SERVICE what its services do. A unit file
# with the word BROKEN cannot be loaded; one with the word WRONG starts another program.
cd "$FAKE_SYSTEMD" || exit 1

restart() {
    NRestarts=0
    if [ -e "services/$1" ]; then . "services/$1"; fi
    does=work
    if [ -e "program/venv/behaviour/$1" ]; then read -r does <"program/venv/behaviour/$1"; fi
    if grep -q WRONG "loaded/$1.service"; then does=crash; fi
    active=active says=
    case $does in
    work)
        case $1 in
        celery-beat) says="leader since 02:00" ;;
        celery-worker) says="takes runs from celery" ;;
        esac
        ;;
    wait) active=activating says="waiting for Redis since 2 s" ;;
    hang) active=activating ;;
    crash) active=activating NRestarts=$((NRestarts + 5)) ;;
    exit) active=failed ;;
    esac
    read -r pid <pid
    echo $((pid + 1)) >pid
    if [ $active != active ]; then pid=0; fi
    printf "ActiveState=%s\nNRestarts=%s\nStatusText='%s'\nMainPID=%s\n" $active "$NRestarts" "$says" "$pid" >"services/$1"
    readlink program/venv >"releases/$1"
}

case $1 in
daemon-reload)
    rm -rf loaded
    cp -r usr/lib/systemd/system loaded
    ;;
list-units)
    for service in services/*; do echo "${service#services/}.service loaded active running"; done
    ;;
reset-failed)
    service=services/${2%.service}
    if [ -e "$service" ]; then sed -i s/^NRestarts=.*/NRestarts=0/ "$service"; fi
    ;;
--no-block)
    restart "${3%.service}"
    ;;
show)
    case $2 in
    *LoadState*)
        if grep -qs BROKEN "loaded/$3"; then
            echo LoadState=bad-setting
            echo 'LoadError=a.b.Bad "it is broken"'
        else
            echo LoadState=loaded
        fi
        ;;
    *) tr -d "'" <"services/${3%.service}" ;;
    esac
    ;;
esac
