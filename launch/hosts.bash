# Sourced by launch/run and launch/until-done: what they know of hostfiles.
# shellcheck shell=bash

# hosts_of FILE: one line `HOST SLOTS` for each line that names a host, in order.
hosts_of() {
  awk '!/^[[:space:]]*(#|$)/ { n = 1; for (i = 2; i <= NF; i++) if (split($i, p, "=") == 2 && p[1] == "slots") n = p[2]; print $1, n + 0 }' "$1"
}

# slots_of FILE: the sum of all slots.
slots_of() { hosts_of "$1" | awk '{ s += $2 } END { print s + 0 }'; }

# check_hostfile NAME FILE: ends the script with 2 and a sentence when mpirun could not read the file as it is meant.
check_hostfile() {
  [ -f "$2" ] || { echo "$1: there is no hostfile $2" >&2; exit 2; }
  if grep -vE '^[[:space:]]*(#|$)' "$2" | grep -qvE '^[^[:space:]=:]+([[:space:]]+(slots|max_slots)=[0-9]{1,5})*[[:space:]]*$'; then
    echo "$1: $2 has a line that is not 'HOST slots=N', Open MPI's own format" >&2
    exit 2
  fi
  [ "$(slots_of "$2")" -gt 0 ] || { echo "$1: $2 names no host" >&2; exit 2; }
}

# is_here HOST: mpirun starts ranks of these without its agent.
is_here() {
  case " localhost 127.0.0.1 ::1 $(hostname) $(hostname -s 2>/dev/null) $(hostname -f 2>/dev/null) $(hostname -I 2>/dev/null) " in
    *" $1 "*) return 0 ;;
    *) return 1 ;;
  esac
}
