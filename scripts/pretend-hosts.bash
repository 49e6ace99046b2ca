# Sourced inside scripts/in-sandbox: several hosts on one machine, as namespaces.
# shellcheck shell=bash
#
# A host is a process that holds a network, a UTS (host name) and a mount namespace; commands join them. The switch is a
# bridge in a network namespace of its own, without a way to the machine's network. All hosts share the file system but
# /tmp, /dev/shm and $HOSTS/local.

HOSTS=/run/hosts
project=$(unset CDPATH && cd "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/.." && pwd)

# hosts_up NAME...: starts the hosts, 10.77.0.1 and up, and writes $HOSTS/agent.
hosts_up() {
  local name i=0
  mkdir -p "$HOSTS/local"
  echo "127.0.0.1 localhost" >"$HOSTS/hosts"
  for name in "$@"; do i=$((i + 1)) && echo "10.77.0.$i $name" >>"$HOSTS/hosts"; done
  mount --bind "$HOSTS/hosts" /etc/hosts
  unshare --net sleep infinity &
  echo $! >"$HOSTS/switch"
  await_namespace switch
  ip -n switch link add br0 type bridge stp_state 0 forward_delay 0
  ip -n switch link set br0 up
  cat >"$HOSTS/agent" <<'A'
#!/bin/sh
# Stands for ssh: HOST COMMAND..., with a clean environment, so that a variable nobody exports is missing as on a cluster.
while [ "${1#-}" != "$1" ]; do shift; done
host=$1
shift
holder=$(cat "/run/hosts/$host" 2>/dev/null) && [ -e "/proc/$holder/ns/net" ] || { echo "agent: no route to $host" >&2; exit 255; }
exec env -i HOME=/root USER=root LOGNAME=root SHELL=/bin/sh PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
  nsenter --target "$holder" --net --uts --mount sh -c "$*"
A
  cat >"$HOSTS/on" <<'O'
#!/bin/sh
host=$1
shift
exec nsenter --target "$(cat "/run/hosts/$host")" --net --uts --mount --wd="$PWD" "$@"
O
  chmod +x "$HOSTS/agent" "$HOSTS/on"
  i=0
  for name in "$@"; do i=$((i + 1)) && host_up "$name" "$i"; done
}

host_up() { # NAME NUMBER
  # shellcheck disable=SC2016  # for the host's own shell
  unshare --net --uts --mount sh -c '
    hostname "$1"
    mkdir -p /run/hosts/project && mount --bind "$2" /run/hosts/project
    mount -t tmpfs tmpfs /tmp && mount -t tmpfs tmpfs /dev/shm && mount -t tmpfs tmpfs /run/hosts/local
    # A project that lies under /tmp is still wanted there.
    case "$2" in /tmp/*) mkdir -p "$2" && mount --bind /run/hosts/project "$2" ;; esac
    exec sleep infinity' host "$1" "$project" &
  echo $! >"$HOSTS/$1"
  disown
  await_namespace "$1"
  ip -n switch link add "v$2" type veth peer name eth0 netns "$1"
  ip -n switch link set "v$2" master br0 up
  ip -n "$1" link set lo up
  ip -n "$1" address add "10.77.0.$2/24" dev eth0
  ip -n "$1" link set eth0 up
  # Where it is the default, bbr leaves a shaped link half empty in bursts of a few megabytes.
  on "$1" sh -c 'echo reno >/proc/sys/net/ipv4/tcp_congestion_control' 2>/dev/null || true
}

# Makes `ip -n NAME` know the namespace once its process is set up, and sleeps.
await_namespace() {
  for _ in $(seq 6000); do
    [ "$(cat "/proc/$(cat "$HOSTS/$1")/comm")" = sleep ] && break
    sleep 0.01
  done
  ip netns attach "$1" "$(cat "$HOSTS/$1")"
}

# on HOST command...: runs it there, in this environment and folder. $HOSTS/on is the same as a program.
on() { "$HOSTS/on" "$@"; }

# host_down NAME: the host loses its power.
host_down() {
  # shellcheck disable=SC2046  # several numbers
  kill -KILL $(ip netns pids "$1") 2>/dev/null || true
  # The kernel clears a namespace away when it has time; its link goes at once.
  ip -n "$1" link del eth0 && ip netns del "$1"
}

# sent HOST: bytes it has sent over the wire.
# shellcheck disable=SC2016  # for awk
sent() { on "$1" awk '$1 == "eth0:" { print $10 }' /proc/net/dev; }
