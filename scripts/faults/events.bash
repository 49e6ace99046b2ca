# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154  # shares its variables with scripts/chaos, which sources it
# The events of scripts/chaos: how each is planned before a start, and how it strikes the job under way.

# Every kind once; scripts/chaos draws them at random without replacement.
kinds=(kill-rank kill-mpirun kill-start kill-open kill-save kill-rename kill-best stop-rank ask-stop terminate full-disk io-error
  read-only stutter flipped-bit cut-file no-state torn-log)
# The deadly ones once more, for long runs.
more_kinds=(kill-rank kill-rank kill-mpirun kill-start kill-open kill-save kill-save kill-save kill-rename kill-best ask-stop)
# For short runs; scripts/corruptions has the like of what is left out.
short_kinds=(kill-rank kill-mpirun kill-open kill-save kill-rename kill-best stop-rank ask-stop terminate full-disk io-error
  read-only stutter flipped-bit torn-log)

# fault CALLS MATCH FROM COUNT ACTION: adds a plan for faults.c, for the ranks alone.
faults=()
fault() { faults+=(FAULT_CALLS="$1" FAULT_MATCH="$2" FAULT_FROM="$3" FAULT_COUNT="$4" FAULT_ACTION="$5" FAULT_LOG="$work/struck"); }
every_call=open,create,write,fsync,rename,mkdir,unlink

# plan KIND: draws what will happen, and damages what is to be damaged before the start.
plan() {
  local action calls from match
  # A step takes at least so many milliseconds on any machine, so that events fall where they are meant to; more when the run
  # is ahead of the events, and more for SIGTERM, after which mpirun lets ranks go on for a second.
  local pace=$least_pace ahead=$((reached - spacing * number))
  if [ $ahead -gt 200 ]; then pace=64; elif [ $ahead -gt 90 ]; then pace=32; elif [ $ahead -gt 30 ]; then pace=16; fi
  [ "$pace" -ge "$least_pace" ] || pace=$least_pace
  [ "$1" != terminate ] || [ "$pace" -gt 30 ] || pace=30
  faults=("LD_PRELOAD=$work/faults.so" "FAULT_PATH=$run/" "FAULT_PACE=$pace")
  extra=() what='' damaged_now=''
  draw 8 && ranks=$((drawn + 1))
  draw 3 && threads=$((drawn + 1))
  draw 1000 && chance=$drawn
  draw 60 && jitter=$drawn
  case $1 in
    stop-rank) ranks=$((2 + ranks % 7)) extra=("${stall[@]}") ;;
    kill-open)
      pick kill kill-after tear && action=$picked
      draw 45 && fault $every_call '' $((drawn + 1)) 1 "$action"
      ;;
    kill-save)
      pick kill kill-after tear && action=$picked
      pick write write fsync create rename mkdir unlink $every_call && calls=$picked
      case $calls in write) draw 170 ;; fsync | create) draw 20 ;; rename) draw 4 ;; mkdir | unlink) draw 3 ;; *) draw 240 ;; esac
      fault "$calls" /checkpoints/ $((drawn + 1)) 1 "$action"
      ;;
    kill-rename) # before a rename, or between it and the sync of its folder
      pick kill kill-after kill-after && action=$picked
      pick /checkpoints/step- /checkpoints/step- /latest && match=$picked
      draw 3 && fault rename "$match" $((drawn + 1)) 1 "$action"
      ;;
    kill-best) # the checkpoint of a validation is there, and what follows it is not
      pick kill kill-after && action=$picked
      draw 2 && fault rename /best $((drawn + 1)) 1 "$action"
      ;;
    full-disk) [ -n "$mounted" ] || { fault write,create,mkdir '' 1 0 ENOSPC && faults+=("FAULT_WHILE=$work/while.on"); } ;;
    io-error)
      pick write fsync create rename mkdir write,fsync && calls=$picked
      draw 12 && from=$((drawn + 1))
      case $calls in rename | mkdir) from=$((from % 3 + 1)) ;; esac
      draw 3 && fault "$calls" /checkpoints/ "$from" $((drawn + 1)) EIO
      ;;
    read-only)
      if [ -n "$mounted" ] && [ "$chance" -lt 500 ]; then
        what='at the start' && mount -o remount,bind,ro "$work/runs"
      else
        fault create,mkdir,rename,unlink '' 1 0 EROFS && faults+=("FAULT_WHILE=$work/while.on")
      fi
      ;;
    stutter) fault write '' 1 0 stutter ;;
    flipped-bit | cut-file | no-state) damage_newest "$1" ;;
    torn-log) tear_logs ;;
  esac
}

damage_newest() {
  local files victim
  files=("$(folder_of "$newest")"/*)
  draw ${#files[@]} && victim=${files[drawn]}
  case $1 in
    flipped-bit) flip_bit "$victim" ;;
    cut-file) cut_file "$victim" ;;
    no-state) victim=$(folder_of "$newest")/state.json && rm "$victim" && damage=removed ;;
  esac
  what="${victim##*/} of step $newest: $damage"
  damaged_now=$newest
  ours[newest]=yes
}

# As a crash leaves logs: the last line torn, or zeros where its bytes should be.
tear_logs() {
  local log size
  for log in "$run/metrics.jsonl" "$run/ledger.jsonl"; do
    [ -s "$log" ] || continue
    size=$(tail -n 1 "$log" | wc -c)
    tail -n 1 "$log" | head -c $((size / 2)) >half
    if [ "$log" = "$run/metrics.jsonl" ] && [ "$reached" -gt "$newest" ]; then # that line is beyond the checkpoint
      draw "$size" && truncate -s -$((drawn + 1)) "$log" && what="last line cut"
    elif [ "$chance" -lt 500 ]; then
      cat half >>"$log" && what="half a line more"
    else
      head -c 512 /dev/zero >>"$log" && what="zeros at the end"
    fi
  done
}

# signal_a_rank SIGNAL: to one rank; a job without ranks has ended by itself.
signal_a_rank() {
  local victims
  mapfile -t victims < <(living ranks)
  [ ${#victims[@]} = 0 ] || kill "-$1" "${victims[chance % ${#victims[@]}]}" 2>/dev/null
}

# Waits until a write has failed, or the job ends; a run that writes nothing for two seconds has been spared.
wait_for_failure() {
  local until=$((SECONDS + 2))
  until ! alive || [ -s struck ] || grep -qsE 'No space left|Read-only' out || [ $SECONDS -ge $until ]; do nap 20; done
}

# strike KIND: strikes the job under way, and sets `want`, the exit codes that may follow.
strike() {
  want=137
  case $1 in
    kill-start)
      nap $((chance + 20))
      what="$([ $((jitter % 2)) = 0 ] && echo a rank || echo mpirun) after $((chance + 20)) ms"
      if [ $((jitter % 2)) = 0 ] && [ -n "$(living ranks)" ]; then signal_a_rank KILL; else kill -KILL "$job" 2>/dev/null; fi
      return
      ;;
    kill-open | kill-save | kill-rename | kill-best)
      # The library strikes by itself; where the call does not come, the run is signalled to stop, and another event is drawn.
      if wait_for $((target + 4 * interval)); then want='137 75' && kill -USR1 "$job" 2>/dev/null; fi
      return
      ;;
    io-error) # a failed write ends the run with 5, or is a warning until the next one succeeds
      want='5 75'
      if wait_for $((target + 3 * interval)); then kill -USR1 "$job" 2>/dev/null; fi
      return
      ;;
    read-only)
      want=5
      [ "$what" != 'at the start' ] || return
      ;;
  esac
  wait_for "$target" || return
  nap "$jitter"
  case $1 in
    kill-mpirun) kill -KILL "$job" 2>/dev/null ;;
    stop-rank)
      signal_a_rank STOP
      if [ ${#stall[@]} -gt 0 ]; then want=7 && return; fi
      nap 500
      kill -KILL "$job" 2>/dev/null
      ;;
    terminate) want=1 && kill -TERM "$job" 2>/dev/null ;;
    ask-stop | stutter) want=75 && kill -USR1 "$job" 2>/dev/null ;;
    full-disk | read-only) # for a while; then a run that is still there must be able to save
      want='5 75'
      : >while.on
      if [ "$1" = full-disk ] && [ -n "$mounted" ]; then dd if=/dev/zero of="$work/runs/filler" bs=64k status=none 2>/dev/null; fi
      wait_for_failure
      nap $((chance % 200))
      rm -f while.on "$work/runs/filler"
      last_step
      if wait_for $((step + 2 * interval)); then kill -USR1 "$job" 2>/dev/null; fi
      ;;
    flipped-bit | cut-file | no-state | torn-log)
      if [ "$chance" -lt 300 ]; then want=75 && kill -USR1 "$job" 2>/dev/null; else signal_a_rank KILL; fi
      ;;
    *) signal_a_rank KILL ;;
  esac
}
