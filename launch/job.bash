# Sourced by launch/run, launch/until-done and launch/quickstart: messages, and a child that is signalled to save and stop.
# shellcheck shell=bash

# A closed pipe must not end a script that has a job to stop; what the script starts has the default again.
trap : PIPE
# A closed stream would be taken by the next file that is opened.
[ -e /proc/self/fd/1 ] || exec >/dev/null
[ -e /proc/self/fd/2 ] || exec 2>/dev/null

# say TEXT: a message on standard error. Where it cannot be written, nothing depends on it.
say() { printf '%s\n' "$*" >&2 2>/dev/null || true; }

# die CODE TEXT: a message and the end of the script.
die() { say "${*:2}"; exit "$1"; }

# show_help SCRIPT: its first comment.
show_help() { awk 'NR > 1 { if (!/^#/) exit; sub(/^# ?/, ""); print }' "$1" 2>/dev/null || exit 5; }

# What the kernel sends a child when this script is killed: it saves and stops, instead of training on unseen.
# shellcheck disable=SC2034  # for the scripts that source this
if setpriv --pdeathsig USR1 true 2>/dev/null; then stop_with_me=(setpriv --pdeathsig USR1 --); else stop_with_me=(); fi

# catches PID: it has a handler for SIGUSR1 (the tenth bit of the kernel's mask).
catches() {
  local mask
  mask=$(sed -n 's/^SigCgt:[[:space:]]*//p' "/proc/$1/status" 2>/dev/null)
  [ -n "$mask" ] && [ $((0x$mask & 0x200)) -ne 0 ]
}

# ranks_of JOB PROGRAM: the children of mpirun on this host that run the program.
ranks_of() {
  local pid pids=()
  read -r -d '' -a pids < <(cat /proc/"$1"/task/*/children 2>/dev/null)
  for pid in "${pids[@]}"; do
    if tr '\0' '\n' 2>/dev/null <"/proc/$pid/cmdline" | grep -qxF -- "$2"; then echo "$pid"; fi
  done
}

# pass_on_stop JOB PROGRAM: signals the job to save and stop as soon as it can receive it, and again until it ends: mpirun may lose
# a request while it starts its ranks.
#
# mpirun and the ranks die of a SIGUSR1 that comes before their handlers. A program that never listens is ended after ten
# seconds. Ranks on other hosts cannot be seen from here.
pass_on_stop() {
  local tenth=0 next=0 ranks pid deaf
  while kill -0 "$1" 2>/dev/null; do
    deaf=no ranks=$(ranks_of "$1" "$2")
    for pid in $ranks; do catches "$pid" || deaf=yes; done
    if [ -n "$ranks" ] && [ "$deaf" = yes ]; then
      if [ $tenth -ge 100 ]; then kill -TERM "$1" 2>/dev/null; return; fi
    elif [ $tenth -ge $next ] && { [ -n "$ranks" ] || [ $tenth -ge 10 ]; } && catches "$1"; then
      kill -USR1 "$1" 2>/dev/null
      next=$((2 * tenth + 10))
    fi
    sleep 0.1
    tenth=$((tenth + 1))
  done
}

# pass_output FILE: copies the job's output, and continues to read when it cannot be written: mpirun would end the job.
# FILE then says why.
pass_output() {
  trap '' INT TERM HUP USR1 QUIT PIPE
  LC_ALL=C cat 2>"$1" || cat >/dev/null
}

# pass_errors FILE: does the same with the job's messages, line by line. The banners that mpirun adds to every exit code
# but 0 go to FILE: whether they say something new depends on the code.
pass_errors() {
  local line='^-\{60,\}$' banner
  banner='Primary job  terminated normally, but \|mpirun detected that one or more processes exited with non-zero status\|MPI_ABORT was invoked on rank '
  trap '' INT TERM HUP USR1 QUIT PIPE
  # After a failed write sed ends: the rest of the lines may fit again, so it is started anew.
  until LC_ALL=C sed -u \
    -e "/$line/ { N; /\\n\\($banner\\)/!{ P; D; }; :more" -e "/\\n-\\{60,\\}\$/!{ \$!{ N; b more" -e "}; }; w $1" -e "d; }" \
    -e "/ has sent help message help-mpi-api.txt \\/ mpi-abort\$/ { N; /\\n.*MCA parameter \"orte_base_help_aggregate\"/!{ P; D; }; w $1" -e "d; }" \
    2>/dev/null; do IFS= read -r _ || break; done
}
