#!/bin/sh
# The first process of a demo machine that is a container.
set -eu
if [ -s /demo-password ]; then chpasswd -e </demo-password; fi
rm -f /demo-password
[ -e /etc/ssh/ssh_host_ed25519_key ] || ssh-keygen -q -t ed25519 -N '' -C "$(hostname)" -f /etc/ssh/ssh_host_ed25519_key
mkdir -p /run/sshd
exec "$(command -v sshd)" -D -e
