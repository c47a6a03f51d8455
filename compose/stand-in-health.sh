#!/bin/sh
# The health check of the stand-in for `mariadb:11`: whether it listens on 3306 (hexadecimal 0CEA), which it does once it is
# set up. Nobody is signed in for it, so nothing stands in the log.
grep -qsE ':0CEA [0-9A-F:]+ 0A ' /proc/net/tcp /proc/net/tcp6
