# b_setup: what the host tells of itself, in few processes: files in one grep, addresses in one ip.
b_setup() {
  set --
  for b_f in ostype hostname osrelease version domainname arch; do set -- "$@" "/proc/sys/kernel/$b_f"; done
  set -- "$@" /proc/uptime /proc/loadavg /proc/cmdline /proc/self/status /proc/1/comm /proc/1/cgroup /proc/sys/crypto/fips_enabled \
    /etc/os-release /usr/lib/os-release /etc/debian_version /etc/alpine-release /etc/redhat-release /etc/lsb-release \
    /etc/machine-id /etc/resolv.conf /etc/selinux/config /sys/fs/selinux/enforce /sys/fs/selinux/policyvers \
    /run/systemd/container /etc/iscsi/initiatorname.iscsi /etc/nvme/hostnqn /etc/ssh/ssh_host_*_key.pub
  [ -z "$b_virtual$b_hardware" ] || set -- "$@" /sys/class/dmi/id/[bcps]*_[nvdufst]* /proc/xen/capabilities /proc/modules
  [ -z "$b_hardware" ] || set -- "$@" /proc/meminfo /proc/self/mounts /sys/block/*/removable /sys/block/*/size \
    /sys/block/*/queue/rotational /sys/block/*/queue/scheduler /sys/block/*/queue/logical_block_size \
    /sys/block/*/queue/discard_granularity /sys/block/*/queue/discard_max_hw_bytes \
    /sys/block/*/device/vendor /sys/block/*/device/model /sys/block/*/device/serial \
    /sys/block/*/*/start /sys/block/*/*/size /sys/block/*/dm/name
  [ -z "$b_network" ] || set -- "$@" /sys/class/net/*/address /sys/class/net/*/mtu /sys/class/net/*/operstate /sys/class/net/*/type \
    /sys/class/net/*/flags /sys/class/net/*/speed /sys/class/net/*/bridge/bridge_id /sys/class/net/*/bridge/stp_state \
    /sys/class/net/*/bonding/mode /sys/class/net/*/bonding/slaves /sys/class/net/*/bonding/miimon /sys/class/net/*/bonding/primary
  out files "$(LC_ALL=C grep -asH '' "$@" 2>/dev/null)"
  if [ ! -r /proc/sys/kernel/arch ]; then out arch "$(uname -m)"; fi
  b_id=$(id)
  out id "$b_id"
  out date "$(LC_ALL=C date '+%Y-%m-%d|%H:%M:%S|%s|%Z|%z|%A|%w|%W|%N')"
  out env "$(env)"
  b_setup_user
  b_setup_marks
  if b_x=$(command -v python3 2>/dev/null); then out python "$b_x $("$b_x" -V 2>&1)"; fi
  if [ -n "$b_hardware" ]; then b_setup_hardware; fi
  if [ -n "$b_network" ]; then b_setup_network; fi
  if [ -n "$b_local_facts" ]; then b_setup_local; fi
}
# Who we are, by /etc/passwd.
b_setup_user() {
  b_me=${b_id%%)*}
  case $b_me in *'('*) b_me=${b_me#*'('} ;; *) b_me= ;; esac
  while IFS= read -r b_l || [ -n "$b_l" ]; do
    case $b_l in "$b_me":*) out passwd "$b_l"; return 0 ;; esac
  done </etc/passwd
  if command -v getent >/dev/null && b_l=$(getent passwd "$b_me"); then out passwd "$b_l"; fi
}
# What is seen by being there.
b_setup_marks() {
  b_x=
  for b_f in /run/systemd/system /sbin/openrc /etc/init.d /.dockerenv /run/.containerenv /proc/vz /proc/bc /proc/xen \
    /sys/kernel/security/apparmor /sys/module/apparmor /run/ostree-booted /sbin/initctl /etc/init; do
    if [ -e "$b_f" ]; then b_x="$b_x $b_f"; fi
  done
  for b_f in apt-get apk dnf5 dnf yum pacman zypper opkg xbps-install emerge systemctl lsb_release rc-service; do
    if command -v "$b_f" >/dev/null 2>&1; then b_x="$b_x $b_f"; fi
  done
  if [ -d /proc/1/root/. ] && ! [ /proc/1/root/. -ef / ]; then b_x="$b_x chroot"; fi
  if [ -r /proc/1/environ ]; then
    b_y=
    { IFS= read -r b_y </proc/1/environ; } 2>/dev/null
    case $b_y in *container=lxc*) b_x="$b_x lxc" ;; *container=podman*) b_x="$b_x podman" ;; container=?* | *PATH*container=?*) b_x="$b_x container" ;; esac
  fi
  out marks "$b_x"
}
b_setup_hardware() {
  out cpuinfo "$(LC_ALL=C awk -F: '/^flags/ { if (!seen++) print; next } /^(processor|model name|vendor_id|physical id|core id|cpu cores|siblings|cpu|Processor|Vendor|CPU implementer)[ \t]*:/' /proc/cpuinfo 2>/dev/null)"
  set --
  b_far=
  while read -r b_d b_m b_t b_rest; do
    case $b_d:$b_t in *:none) continue ;; /* | *:/*:*) ;; *) continue ;; esac
    case $b_m in *\\*) b_m=$(printf '%b' "$b_m") ;; esac
    set -- "$@" "$b_m"
    case $b_d:$b_t in //*) b_far=1 ;; *:ext[234] | *:xfs | *:btrfs | *:vfat | *:squashfs | *:iso9660 | *:f2fs | *:zfs) ;; *) b_far=1 ;; esac
  done </proc/self/mounts
  if [ $# -gt 0 ]; then
    b_x=
    # Only what is elsewhere may never answer.
    [ -z "$b_far" ] || ! command -v timeout >/dev/null || b_x="timeout $b_timeout"
    out statfs "$($b_x stat -f -c '%b %f %a %S %c %d %n' -- "$@" 2>/dev/null)"
  fi
  set -- /dev/disk/by-*
  if [ -d "$1" ]; then out links "$(LC_ALL=C ls -l /dev/disk/by-id /dev/disk/by-uuid /dev/disk/by-label 2>/dev/null)"; fi
  b_x=
  for b_f in /sys/block/*/slaves/*; do [ -e "$b_f" ] && b_x="$b_x $b_f"; done
  for b_f in /sys/block/*/holders/* /sys/block/*/*/holders/*; do [ -e "$b_f" ] && b_x="$b_x $b_f"; done
  out owners "$b_x"
}
b_setup_network() {
  command -v ip >/dev/null || return 0
  if ! b_x=$(ip -o -force -batch - 2>/dev/null <<B_END
addr show
route get 8.8.8.8
route get 2404:6800:400a:800::1012
route show table local
-6 route show table local
B_END
); then
    case $b_x in
      ?*) ;;
      *) b_x=$(ip -o addr 2>/dev/null; ip -o -4 route get 8.8.8.8 2>/dev/null; ip -o -6 route get 2404:6800:400a:800::1012 2>/dev/null; ip -4 route show table local 2>/dev/null) ;;
    esac
  fi
  out ip "$b_x"
  b_x=
  for b_f in /sys/class/net/*; do
    [ -d "$b_f" ] || continue
    b_d=${b_f##*/}
    b_x="$b_x $b_d"
    [ ! -d "$b_f/bridge" ] || b_x="$b_x $b_d:bridge"
    [ ! -d "$b_f/bonding" ] || b_x="$b_x $b_d:bonding"
    for b_p in "$b_f"/brif/*; do [ -e "$b_p" ] && b_x="$b_x $b_d>${b_p##*/}"; done
  done
  out devices "$b_x"
}
# Each *.fact of b_fact_path: what it holds, or what it says when it can be run.
b_setup_local() {
  outj has_facts false
  [ -n "$b_fact_path" ] && [ -d "$b_fact_path" ] || return 0
  outj has_facts true
  for b_f in "$b_fact_path"/*.fact; do
    [ -e "$b_f" ] || [ -h "$b_f" ] || continue
    b_n=${b_f##*/}
    b_n=${b_n%.fact}
    if [ ! -e "$b_f" ]; then
      out "bad:$b_n" "Could not stat fact ($b_f): there is no such file"
    elif [ -d "$b_f" ]; then out "bad:$b_n" "error loading facts as JSON or ini - please check content: $b_f"
    elif [ -x "$b_f" ]; then
      b_e=$(mktemp "${TMPDIR:-/tmp}/.berth.XXXXXXXXXX") || fail 'cannot make a temporary file'
      b_x=$("$b_f" </dev/null 2>"$b_e" 3>&-; echo "x$?")
      b_rc=${b_x##*x}
      if [ "$b_rc" = 0 ]; then out "fact:$b_n" "${b_x%x*}"
      else out "bad:$b_n" "Failure executing fact script ($b_f), rc: $b_rc, err: $(cat "$b_e")"; fi
      rm -f "$b_e"
    else
      if [ -r "$b_f" ]; then out "fact:$b_n" "$(cat -- "$b_f" 2>/dev/null)"; else out "fact:$b_n" ''; fi
    fi
  done
}
