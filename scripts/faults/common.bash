# shellcheck shell=bash
# shellcheck disable=SC2034  # the variables are for the scripts that source this file
# What scripts/chaos and scripts/corruptions share: a seeded generator, a small corpus, damage to files.

# draw N: sets `drawn` to a number in 0 ... N-1. A variable, because a subshell would forget the state.
draws=0 drawn=0
seed_draws() {
  draws=$(($1 * -7046029254386353131)) # spreads seeds that follow each other
  for _ in 1 2 3 4; do draw 2; done
}
draw() {
  draws=$((draws * 6364136223846793005 + 1442695040888963407))
  drawn=$((((draws >> 33) & 0x7fffffff) % $1))
}
# pick WORD...: sets `picked` to one of them.
pick() {
  draw $#
  shift "$drawn"
  picked=$1
}

# Sentences made of a few words, as documents between blank lines.
write_text() {
  awk -v documents="$1" 'BEGIN { srand(7); split("the a red small old king queen bird river mountain sees hears finds loves of in under and then slowly", w, " ");
    for (d = 0; d < documents; d++) { for (s = 0; s < 12; s++) { n = 5 + int(rand() * 8); line = ""; for (i = 0; i < n; i++) line = line w[1 + int(rand() * 20)] " "; print line "." } print "" } }'
}

# Bytes at the end of a file that damage leaves alone.
spare=0

# flip_bit FILE: changes one bit. This and its like set `damage` to a description.
flip_bit() {
  local size at bit byte
  size=$(stat -c %s "$1")
  draw $((size - spare)) && at=$drawn
  draw 8 && bit=$drawn
  byte=$(od -An -tu1 -j "$at" -N 1 "$1")
  # shellcheck disable=SC2059  # the format is the byte
  printf "\\x$(printf %02x $((byte ^ (1 << bit))))" | dd of="$1" bs=1 seek="$at" conv=notrunc status=none
  damage="bit $bit of byte $at of $size"
}

# cut_file FILE: drops a part of the end.
cut_file() {
  local size
  size=$(stat -c %s "$1")
  draw $((size - spare))
  truncate -s "$drawn" "$1"
  damage="cut from $size to $drawn bytes"
}

# write_configuration OBJECTIVE STEPS: a tiny model, without section machine.
write_configuration() {
  cat <<T
name = "run"
seed = 3
[data]
corpus = "$PWD/corpus"
[objective]
name = "$1"
[model]
max_position = 24
hidden_size = 32
num_layers = 2
num_heads = 2
dropout = 0.1
[batch]
samples = 16
micro_batch = 2
[optimizer]
learning_rate = 5e-4
[schedule]
warmup_steps = 5
[duration]
steps = $2
T
}

# zero_page FILE: fills one page of 4 KiB, or a short file, with zeros.
zero_page() {
  local size pages
  size=$(stat -c %s "$1")
  pages=$(((size + 4095) / 4096))
  draw "$pages"
  damage="page $drawn of $pages zeroed"
  dd if=/dev/zero of="$1" bs=4096 seek="$drawn" count=1 conv=notrunc status=none
  truncate -s "$size" "$1"
}

# extend_file FILE: adds a few bytes.
extend_file() {
  draw 5000
  damage="extended by $((drawn + 1)) bytes"
  head -c $((drawn + 1)) /dev/zero | tr '\0' x >>"$1"
}
