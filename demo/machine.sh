#!/bin/sh
# The first process of one demo machine: a copy-on-write look at this computer's system folders, with its own sshd.
#
#   unshare --mount --pid --uts --ipc --fork --kill-child --propagation private \
#     sh machine.sh NAME PORT FOLDER ListenAddress=ADDRESS … < SHADOW-HASH
#
# FOLDER/pid    who we are to the outside: INIT-PID START-TICKS UNSHARE-PID BOOT-ID
# FOLDER/pam, FOLDER/sshd_config   how people log in
# FOLDER/disk   what the machine wrote, kept while it is stopped; FOLDER/log is sshd's
#
# Of this computer the machine sees /usr, /etc and dpkg's lists, each under an overlay, and nothing else: no /home,
# no /root, no /var, no disk device. What the world may not read in /etc (password hashes, keys) is left out,
# people's accounts too. Root inside has about the rights that Docker gives to root in a container.
set -eu
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export PATH
umask 022
name=$1 port=$2 folder=$3
shift 3
addresses=$*
cd "$folder"

# Only now, before our own /proc, do we read the pid by which the outside knows us.
read -r stat </proc/self/stat
read -r boot </proc/sys/kernel/random/boot_id
# shellcheck disable=SC2086
set -- $stat
echo "$1 ${22} $4 $boot" >pid.new
mv pid.new pid

hash=
read -r hash || [ -n "$hash" ]
exec </dev/null
echo "$name" >/proc/sys/kernel/hostname

# copy_on_write DIR NAME: an overlay of this computer's DIR on the machine's.
copy_on_write() {
    [ -d "$1" ] || return 0
    rm -rf "disk/$2.work"
    mkdir -p "disk/$2" "disk/$2.work" "disk/root$1"
    mount -t overlay -o "lowerdir=$1,upperdir=disk/$2,workdir=disk/$2.work,volatile" overlay "disk/root$1" 2>/dev/null ||
        mount -t overlay -o "lowerdir=$1,upperdir=disk/$2,workdir=disk/$2.work" overlay "disk/root$1"
}

[ -e disk/made ] || rm -rf disk
# ground_floor: the folder that becomes `/`, and its first overlay.
ground_floor() {
    mkdir -p disk/root
    mount --bind disk/root disk/root
    copy_on_write /etc etc
}
# Some filesystems cannot hold the upper layer of an overlay; then it lives in memory and ends with the machine.
if ! ground_floor 2>/dev/null; then
    echo "the filesystem of $folder cannot hold an overlay: the disk of $name is in memory" >&2
    mount -t tmpfs -o mode=0755 tmpfs disk
    ground_floor
fi
copy_on_write /usr usr
copy_on_write /var/lib/dpkg dpkg
copy_on_write /var/lib/apt apt
for dir in /bin /sbin /lib /lib32 /lib64 /libx32; do
    if [ -L "$dir" ]; then
        [ -L "disk/root$dir" ] || ln -s "$(readlink "$dir")" "disk/root$dir"
    else
        copy_on_write "$dir" "${dir#/}"
    fi
done

# set_up: what is done once in a machine's life, on its disk.
set_up() {
    root=disk/root
    chmod 0755 "$root"
    mkdir -p "$root/proc" "$root/sys" "$root/dev" "$root/run" "$root/boot" "$root/home" "$root/media" "$root/mnt" \
        "$root/opt" "$root/srv" "$root/var/cache/apt/archives/partial" "$root/var/cache/debconf" "$root/var/local" \
        "$root/var/lib/misc" "$root/var/log/apt" "$root/var/mail" "$root/var/opt" "$root/var/spool/cron/atjobs"
    mkdir -m 0700 "$root/root" "$root/root/.ssh"
    mkdir -m 1777 "$root/tmp" "$root/var/tmp"
    mkdir -m 1730 "$root/var/spool/cron/crontabs"
    ln -s /run "$root/var/run"
    ln -s /run/lock "$root/var/lock"
    ln -s ../mail "$root/var/spool/mail"
    chmod 1770 "$root/var/spool/cron/atjobs"
    cp -r /etc/skel/. "$root/root/"

    find "$root/etc" -xdev ! -type l ! -perm -o=r -prune -exec rm -rf {} +
    rm -rf "$root/etc/ssh" "$root/etc/cron.d" "$root/etc/sudoers.d" "$root/etc/passwd-" "$root/etc/group-"
    mkdir -p "$root/etc/cron.d"

    # System accounts stay; people's (1000 and up) do not.
    people=' '
    while IFS=: read -r user x uid rest; do
        if [ "$uid" -ge 1000 ] && [ "$uid" -ne 65534 ]; then
            people="$people$user "
            continue
        fi
        [ "$user" = root ] && rest='0:root:/root:/bin/bash' && [ ! -x /bin/bash ] && rest='0:root:/root:/bin/sh'
        echo "$user:x:$uid:$rest" >&3
        if [ "$user" = root ]; then echo "$user:$hash:20000:0:99999:7:::" >&4; else echo "$user:*:20000:0:99999:7:::" >&4; fi
    done </etc/passwd 3>passwd.new 4>shadow.new
    while IFS=: read -r group x gid members; do
        if [ "$gid" -ge 1000 ] && [ "$gid" -ne 65534 ]; then continue; fi
        kept=
        for member in $(echo "$members" | tr , ' '); do
            case $people in *" $member "*) ;; *) kept="$kept,$member" ;; esac
        done
        echo "$group:x:$gid:${kept#,}" >&3
        echo "$group:*::${kept#,}" >&4
    done </etc/group 3>group.new 4>gshadow.new
    chmod 0600 shadow.new gshadow.new
    for file in passwd group shadow gshadow; do mv "$file.new" "$root/etc/$file"; done
    : >"$root/etc/subuid"
    : >"$root/etc/subgid"
    for group in shadow crontab daemon; do
        case $group in
            shadow) set -- "$root/etc/shadow" "$root/etc/gshadow" ;;
            crontab) set -- "$root/var/spool/cron/crontabs" ;;
            daemon) set -- "$root/var/spool/cron/atjobs" ;;
        esac
        grep -q "^$group:" /etc/group && chgrp "$group" "$@"
        [ "$group" = shadow ] && chmod 0640 "$@"
    done
    echo "$name" >"$root/etc/hostname"
    printf '127.0.0.1 localhost\n127.0.1.1 %s\n::1 localhost\n' "$name" >"$root/etc/hosts"
    rm -f "$root/etc/machine-id"
    tr -d - </proc/sys/kernel/random/uuid >"$root/etc/machine-id"
    printf 'root ALL=(ALL:ALL) ALL\n@includedir /etc/sudoers.d\n' >"$root/etc/sudoers"
    chmod 0440 "$root/etc/sudoers"
    mkdir -m 0750 "$root/etc/sudoers.d"

    # Logins need passwords and expiry and nothing of what a distribution hangs on a login besides.
    cp pam "$root/etc/pam.d/sshd"
    mkdir "$root/etc/ssh"
    ssh-keygen -q -t ed25519 -N '' -C "$name" -f "$root/etc/ssh/ssh_host_ed25519_key"
    cp sshd_config "$root/etc/ssh/sshd_config"
    : >disk/made
}
[ -e disk/made ] || set_up

cd disk/root
mount -t proc -o nosuid,nodev,noexec proc proc
# Through these root could reach the kernel of this computer.
for path in sys sysrq-trigger irq bus fs; do
    [ ! -e "proc/$path" ] || { mount --bind "proc/$path" "proc/$path" && mount -o remount,bind,ro "proc/$path"; }
done
mount -t tmpfs -o mode=0755,nosuid,noexec,size=64k tmpfs dev
for path in null zero full random urandom tty; do
    : >"dev/$path"
    mount --bind "/dev/$path" "dev/$path"
done
for path in kcore keys timer_list; do
    [ ! -e "proc/$path" ] || mount --bind /dev/null "proc/$path"
done
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666,mode=0620,gid=5,nosuid,noexec devpts dev/pts
mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs dev/shm
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
for fd in 0:stdin 1:stdout 2:stderr; do ln -s "/proc/self/fd/${fd%:*}" "dev/${fd#*:}"; done
mount -t tmpfs -o mode=0755,nosuid,nodev tmpfs run
mkdir -p run/sshd run/lock run/systemd
# Programs inside may know what they run in.
echo berth >run/systemd/container
chmod 1777 run/lock
find tmp -xdev -mindepth 1 -delete

pivot_root . .
umount -l .
cd /
rights=-all
for right in chown dac_override fowner fsetid kill setgid setuid setpcap net_bind_service net_raw sys_chroot \
    sys_ptrace audit_write setfcap; do
    rights="$rights,+$right"
done

set --
for address in $addresses; do set -- "$@" -o "$address"; done
exec env -i PATH="$PATH" LANG=C.UTF-8 setpriv --bounding-set "$rights" /usr/sbin/sshd -D -e -p "$port" "$@"
