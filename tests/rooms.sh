#!/bin/sh
# Who includes whom between folders, with how often; fails on an arrow against their order, in which
# a folder uses those before it. `core` uses nobody but itself, and core/random.h is for all.
# usage: rooms.sh FOLDER...     (in their order)
grep -Ho '#include "[^"]*/[^"]*"' $(for room; do ls "$room"/*.[ch]; done) |
    awk -F'[:"]' -v order="$*" '
        BEGIN { rooms = split(order, name, " "); for (i = 1; i <= rooms; i++) place[name[i]] = i }
        function folder(path) { sub("/[^/]*$", "", path); return path }
        {
            from = folder($1); path = from "/" $3
            while (sub("[^/.]+/\\.\\./", "", path)) continue
            to = folder(path)
            if (from == to || !(to in place)) next
            arrows[from " -> " to]++
            if (place[to] > place[from] && path != "core/random.h") wrong[$1 " includes " path]
        }
        END {
            for (a in arrows) printf "%4d  %s\n", arrows[a], a | "sort -k2"
            close("sort -k2")
            for (w in wrong) { print w ": against the order of the rooms"; bad = 1 }
            exit bad
        }'
