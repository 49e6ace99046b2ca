# Sourced by launch/run and launch/until-done: what they know of hostfiles.
# shellcheck shell=bash

# hosts_of FILE: prints one line `HOST SLOTS` for each host, in order, as Open MPI 4 counts them. Where Open MPI would
# refuse the file, or read it as something else than it looks like, prints the line's number and what is wrong, and fails.
#
# Open MPI takes blanks around `=`, indents, and comments after # or //. A host without a count has one slot, or max_slots of
# them; listed again without a count it has one more. It knows a host by its name up to the first dot.
hosts_of() {
  LC_ALL=C awk -v here=" localhost 127.0.0.1 $(names_of_this_host) " -v whole_names="${OMPI_MCA_orte_keep_fqdn_hostnames:-0}" '
    function refuse(what) { printf "line %d %s: %s\n", NR, what, shown; failed = 1; exit 1 }
    {
      shown = substr($0, 1, 200)
      gsub(/[^ -~]/, "?", shown)
      if (/\r/) refuse("ends as on Windows, which Open MPI cannot read (sed -i \"s/\\r$//\" mends that)")
      if (NR == 1 && substr($0, 1, 3) == "\357\273\277") refuse("begins with a byte order mark, which Open MPI cannot read (sed -i \"1s/^\\xef\\xbb\\xbf//\" mends that)")
      sub(/(#|\/\/).*/, "")
      gsub(/[ \t]*=[ \t]*/, "=")
      if (NF == 0) next
      host = $1
      if (host !~ /^([A-Za-z0-9][A-Za-z0-9_-]*@)?[A-Za-z0-9][A-Za-z0-9_.-]*$/) refuse("does not begin with the name of a host")
      count = most = ""
      for (i = 2; i <= NF; i++) {
        if ($i !~ /^(slots|count|cpu|max_slots|max-slots)=[0-9][0-9]?[0-9]?[0-9]?[0-9]?$/) refuse("is not \047HOST slots=N\047, the format of Open MPI")
        split($i, part, "=")
        if (part[1] ~ /^max/ ? most != "" : count != "") refuse("gives a number twice")
        if (part[1] ~ /^max/) most = part[2] + 0; else count = part[2] + 0
      }
      if (count != "" && most != "" && most < count) refuse("has more slots than max_slots")
      key = host
      sub(/^.*@/, "", key)
      if (index(here, " " key " ")) key = "localhost"
      else if (whole_names !~ /^(1|true|yes)$/ && key !~ /^[0-9.]+$/) sub(/\..*/, "", key)
      if (key in place) {
        if (name[place[key]] != host) refuse("names the host of line " line[key] " again, to Open MPI")
        if (NF > 1) refuse("gives the slots of " host " a second time; give them in one line")
        slots[place[key]]++
      } else {
        place[key] = ++hosts
        line[key] = NR
        name[hosts] = host
        slots[hosts] = count != "" ? count : most != "" ? most : 1
      }
    }
    END { if (!failed) for (i = 1; i <= hosts; i++) print name[i], slots[i] }
  ' "$1"
}

# slots_of FILE: the sum of all slots.
slots_of() { hosts_of "$1" | awk '{ s += $2 } END { print s + 0 }'; }

# check_hostfile NAME FILE: ends the script with 2 and a sentence when mpirun could not read the file as it is meant.
check_hostfile() {
  local problem
  [ -f "$2" ] || { say "$1: there is no hostfile $2"; exit 2; }
  [ -r "$2" ] || { say "$1: the hostfile $2 cannot be read"; exit 5; }
  [ "$(stat -L -c %s -- "$2")" -le 1048576 ] || { say "$1: $2 is larger than 1 MiB, and no hostfile"; exit 2; }
  problem=$(hosts_of "$2") || { say "$1: $2: $problem"; exit 2; }
  [ "$(slots_of "$2")" -gt 0 ] || { say "$1: $2 names no host"; exit 2; }
}

# The names and addresses by which this host is known to itself, in one line.
names_of_this_host() { printf '%s ' "$(hostname)" "$(hostname -s 2>/dev/null)" "$(hostname -f 2>/dev/null)" "$(hostname -I 2>/dev/null)"; }

# is_here HOST: mpirun starts ranks of these without its agent.
is_here() {
  case " localhost 127.0.0.1 ::1 $(names_of_this_host) " in
    *" $1 "*) return 0 ;;
    *) return 1 ;;
  esac
}
