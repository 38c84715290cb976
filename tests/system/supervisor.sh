#!/usr/bin/env bash
# launch/lockstep-run keeps its word: what it restarts and what not, signals, limits, hosts, and that nothing is left.
# Most cases run a fake mpirun (support/fake_mpirun); the last ones the real one.
# usage: supervisor.sh BUILD_DIR SOURCE_DIR
# shellcheck disable=SC2013,SC2016,SC2317  # numbers have no blanks; the job expands its own words; cases are called by name
set -u
shopt -s nullglob
build=$(cd "$1" && pwd) source=$(cd "$2" && pwd)
run=$source/launch/lockstep-run
folder=$(mktemp -d)

# Every process that this test starts has TEST in its environment.
export TEST=lockstep-supervisor-$$
cleanup() {
  local process
  for process in $(grep -lsz "^TEST=$TEST$" /proc/[0-9]*/environ); do
    process=${process#/proc/}
    kill -KILL "${process%/environ}" 2>/dev/null
  done
  rm -rf "$folder"
}
trap cleanup EXIT

fail() {
  echo "FAILED: $case: $*"
  sed 's/^/    /' "$FAKE/said"
  echo "$case" >>"$folder/failures"
}

# ---- a case ----

begin() { # NAME, with the job's behaviour on standard input
  case=$1
  export FAKE=$folder/$1
  mkdir -p "$FAKE/run"
  cat >"$FAKE/behave"
  : >"$FAKE/said"
  options=(-n 2 --lockstep /bin/true --mpirun "$source/tests/support/fake_mpirun" --backoff 0.1 --run-dir "$FAKE/run")
}

start() { # OPTION...: the supervisor, in the background; its pid is in $supervisor
  start_with "${options[@]}" "$@" train run.yaml
}

start_with() { # WORD...: bash lets background jobs ignore INT, unless it is given back
  env --default-signal=INT "$run" "$@" >"$FAKE/out" 2>"$FAKE/said" &
  supervisor=$!
}

ends_with() { # CODE
  wait "$supervisor"
  local code=$?
  ((code == $1)) || fail "ended with $code, not $1"
  expect_nothing_left
}

started() { # TIMES
  local times
  times=$(cat "$FAKE/starts")
  [[ $times == "$1" ]] || fail "started $times times, not $1"
}

said() { grep -Eq -- "$1" "$FAKE/said" || fail "did not say '$1'"; }
expect() { "$@" || fail "not so: $*"; }

# Waits until a command succeeds; it is the test's time limit and no measurement.
eventually() {
  local attempt
  for attempt in {1..800}; do
    "$@" >/dev/null 2>&1 && return
    sleep 0.05
  done
  fail "after $attempt attempts: not so: $*"
}

alive() { # PID: and no zombie
  local line
  { read -r line <"/proc/$1/stat"; } 2>/dev/null && [[ ${line##*) } != Z* ]]
}
dead() { ! alive "$1"; }
folders_of() { folders=(/dev/shm/lockstep-run."$UID.$1".*); }
no_folder_of() { folders_of "$1" && ((${#folders[@]} == 0)); }
one_folder_of() { folders_of "$1" && ((${#folders[@]} == 1)); }

expect_nothing_left() {
  local rank
  for rank in $(cat "$FAKE/ranks" 2>/dev/null); do
    dead "$rank" || fail "rank $rank is left"
  done
  no_folder_of "$supervisor" || fail "left: ${folders[*]}"
}

# ---- restarts ----

pass_on() { # CODE
  begin "pass-on-$1" <<<"exit $1"
  start
  ends_with "$1"
  started 1
}

restart_after() { # WHAT, SAYING
  begin "restart-after-${1// /-}" <<END
    status \$((10 * start)); checkpoint \$((10 * start))
    ((start == 1)) || { sleep 0.3; exit 0; }
    $1
END
  start
  ends_with 0
  started 2
  said "$2 at step 10; restart 1 of 20 in 0.1 s"
  said "running again after [0-9.]+ s at step 20"
}

case_limit() {
  begin limit <<<'status $start; exit 74'
  start --max-restarts 3
  ends_with 74
  started 4
  said "3 restarts did not help; giving up"

  begin limit-of-signals <<<'kill -KILL $$'
  start --max-restarts 1
  ends_with 1
  started 2
}

case_backoff() {
  # The run does not get further at first: 0.1, 0.2, then at most 0.3 s; further at last: 0.1 s again.
  begin backoff <<<'steps=(0 30 20 10 9 40 50); status ${steps[start]}; ((start < 6)) || exit 0; exit 1'
  start --max-backoff 0.3
  ends_with 0
  expect [ "$(sed -n 's/.* in \(.*\) s$/\1/p' "$FAKE/said" | tr '\n' ' ')" = "0.1 0.2 0.3 0.3 0.1 " ]
}

case_crash_loop() {
  begin crash-loop <<<'status $((start < 3 ? start : 7)); exit 1'
  start
  ends_with 1
  started 4
  said "exit code 1 at step 7: there 2 times in a row.* giving up"

  begin crash-loop-by-checkpoints <<<'checkpoint 700; kill -SEGV $$'
  start --same-step 3
  ends_with 1
  started 3
  said "signal 11 at step 700: there 3 times"

  # A status.json of an earlier job tells nothing of this one.
  begin deaths-without-a-step <<<'((start > 1)) || status 5; ((start < 4)) || exit 0; exit 1'
  start
  ends_with 0
  started 4

  begin seldom-a-step <<<'((start != 5)) || status 3; ((start < 8)) || exit 0; exit 1'
  start --max-backoff 0.1
  ends_with 0
  started 8

  begin never-a-step <<<'exit 1'
  start
  ends_with 1
  started 5
  said "fifth time in a row before its first step"
}

case_resume() {
  begin resume <<<'((start < 2)) || checkpoint 8; ((start < 3)) || exit 0; status $start; exit 1'
  start_with "${options[@]}" -- train --resume never run.yaml --set seed=2
  ends_with 0
  # Nothing had been saved at the second start: to resume would be to obey another order.
  expect grep -qx never "$FAKE/arguments.2"
  expect [ "$(tail -n 4 "$FAKE/arguments.3" | tr '\n' ' ')" = "train run.yaml --set seed=2 " ]
}

case_run_dir() {
  begin run-dir <<<'status $start; ((start < 2)) || exit 0; exit 1'
  options=("${options[@]:0:8}")
  printf 'batch: 64\nrun:\n  threads: 2\n  dir: "%s"   # here\nstop: {epochs: 3}\n' "$FAKE/run" >"$FAKE/run.yaml"
  start_with "${options[@]}" train "$FAKE/run.yaml"
  ends_with 0
  said "at step 1"
}

case_usage() {
  begin usage <<<'exit 0'
  local words
  for words in "" "--no-such 1 train" "-n 0 train" "-n two train" "--backoff soon train" "--launcher ssh train" \
    "--lockstep /no/such train" "--hostfile /no/such train" "--grace"; do
    # shellcheck disable=SC2086
    "$run" --mpirun true $words 2>"$FAKE/said"
    code=$?
    ((code == 64)) || fail "'$words' ends with $code, not 64"
    said "lockstep-run: error: "
  done
  expect "$run" --help >/dev/null
}

case_dry_run() {
  begin dry-run <<<'exit 1'
  "$run" "${options[@]}" --dry-run --cores-per-rank=3 --ucx --mpirun-option '--mca a b' --mpirun-option --tag-output \
    -- train run.yaml --set "seed= 2" >"$FAKE/said"
  said "^[^ ]*/fake_mpirun --quiet -n 2 .* --map-by slot:PE=3 --bind-to core --mca pml ucx --mca a b --tag-output"
  said " /bin/true train run.yaml --set seed=. 2 $"
  expect test ! -e "$FAKE/starts"
}

# ---- signals ----

convert() { # SIGNAL
  begin "convert-$1" <<<'saw() { [[ $1 != USR2 ]] || exit 75; }; work 100; exit 0'
  start
  eventually test -s "$FAKE/ready"
  kill "-$1" "$supervisor"
  ends_with 75
  started 1
  expect [ "$(cat "$FAKE/signals")" = USR2 ]
}

case_save_and_go_on() {
  begin save-and-go-on <<<'saw() { exit 0; }; work 100; exit 1'
  start
  eventually test -s "$FAKE/ready"
  kill -USR1 "$supervisor"
  ends_with 0
  expect [ "$(cat "$FAKE/signals")" = USR1 ]
}

case_second_signal() {
  begin second-signal <<<'rank 0; work 300; exit 0'
  start --grace 0.5
  eventually test -s "$FAKE/ready"
  kill "$supervisor"
  kill -INT "$supervisor" # at once, as timeout(1) sends its signal twice, and means it once
  sleep 1.1
  expect alive "$supervisor"
  kill "$supervisor"
  ends_with 143
  started 1
  expect [ "$(tr '\n' ' ' <"$FAKE/signals")" = "USR2 TERM " ]
}

case_second_interrupt() {
  begin interrupted-twice <<<'work 300'
  start --grace 0.5
  eventually test -s "$FAKE/ready"
  kill -INT "$supervisor"
  sleep 1.1
  kill -INT "$supervisor"
  ends_with 130
}

case_stop_in_backoff() {
  begin stop-in-backoff <<<'status 1; exit 1'
  start --backoff 60
  eventually grep -q "in 60 s" "$FAKE/said"
  kill -INT "$supervisor"
  ends_with 75
  started 1
}

case_death_while_stopping() {
  begin death-while-stopping <<<'saw() { exit 1; }; work 100'
  start
  eventually test -s "$FAKE/ready"
  kill "$supervisor"
  ends_with 75
  started 1
  said "while stopping"
}

# `lockstep stop` holds also for a job that dies before it looks; a file from before the first start is the job's to obey.
case_stop_file() {
  begin stop-file <<'END'
    case $start in 2) rm "$FAKE/run/stop" ;; 3) touch "$FAKE/run/stop" ;; esac
    status "$start"
    exit 1
END
  touch "$FAKE/run/stop"
  start
  ends_with 75
  started 3
  said "while stopping"
  expect test ! -e "$FAKE/run/stop"

  begin stop-file-in-backoff <<<'status 1; exit 1'
  start --backoff 60
  eventually grep -q "in 60 s" "$FAKE/said"
  touch "$FAKE/run/stop"
  ends_with 75
  started 1
  expect test ! -e "$FAKE/run/stop"
}

# ---- nothing is left ----

case_supervisor_killed() {
  begin supervisor-killed <<<'rank 0; rank 1; kill -STOP $(tail -n 1 "$FAKE/ranks"); work 300'
  start
  eventually test -s "$FAKE/ready"
  expect one_folder_of "$supervisor"
  kill -KILL "$supervisor"
  wait "$supervisor" 2>/dev/null
  local rank
  for rank in $(cat "$FAKE/ranks"); do
    eventually dead "$rank"
  done
  eventually no_folder_of "$supervisor"
}

case_mpirun_hangs() { # its rank lives long enough to be seen, also by a supervisor on a busy machine
  begin mpirun-hangs <<<'((start == 1)) || exit 0; rank 0; sleep 5; kill -KILL $(cat "$FAKE/ranks"); work 300'
  start --grace 0.2
  ends_with 0
  started 2
  said "the ranks are gone, but fake_mpirun does not return"
}

case_mpirun_leaves_ranks() {
  begin mpirun-leaves-ranks <<<'((start == 1)) || exit 0; rank 0; kill -KILL $$'
  start
  ends_with 0
  started 2
}

# What a rank leaves that is killed before it has unlinked its shared memory. Another job's stays.
case_segments() {
  begin segments <<<'echo "$LOCKSTEP_JOB" >>"$FAKE/jobs"; : >"$LOCKSTEP_JOB.01234567"; ((start > 1)) || kill -KILL $$'
  local other=/dev/shm/lockstep-run.$UID.test-$$.1
  : >"$other.01234567"
  start
  ends_with 0
  started 2
  local job=/dev/shm/lockstep-run.$UID.$supervisor
  expect [ "$(tr '\n' ' ' <"$FAKE/jobs")" = "$job.1 $job.2 " ]
  expect test -e "$other.01234567"
  rm -f "$other".*

  begin segments-of-a-killed-supervisor <<<': >"$LOCKSTEP_JOB.01234567"; work 300'
  start
  eventually test -s "$FAKE/ready"
  kill -KILL "$supervisor"
  wait "$supervisor" 2>/dev/null
  eventually no_folder_of "$supervisor"
}

# ---- ranks that never meet ----

case_start_limit() {
  begin never-started <<<'((start < 3)) || exit 0; rank 0; kill -STOP $(tail -n 1 "$FAKE/ranks"); work 300'
  start --start-limit 0.5
  ends_with 0
  started 3
  said "the ranks have not met within 0.5 s: killing the job"
  said "ended by signal 9; restart 2"

  # The limit must not end what has begun: the file tells so, or status.json where no file does.
  begin started <<<': >"$LOCKSTEP_JOB/started"; sleep 6; exit 0'
  start --start-limit 4
  ends_with 0
  started 1

  begin started-elsewhere <<<'status 1; sleep 6; exit 0'
  start --start-limit 4
  ends_with 0
  started 1

  begin started-nobody-knows-where <<<'sleep 3; exit 0'
  start --start-limit 0.5 --mpirun-option '-H elsewhere'
  ends_with 0
  started 1

  begin never-started-on-a-host <<<'((start == 1)) || { : >"$FAKE/met"; sleep 6; exit 0; }; work 300'
  echo n1 >"$FAKE/list"
  cat >"$FAKE/agent" <<<'shift; [[ $1 != test ]] || { echo "$@" >>"$FAKE/asked"; [[ -e $FAKE/met ]]; }'
  start --start-limit 4 --hostfile "$FAKE/list" --ping true --agent "bash $FAKE/agent"
  ends_with 0
  started 2
  expect grep -qx "test -e /dev/shm/lockstep-run.$UID.$supervisor.2/started" "$FAKE/asked"
}

# ---- hosts ----

case_hosts() {
  begin hosts <<<'cp "$(grep -x ".*/hosts" "$FAKE/arguments.$start")" "$FAKE/hosts.$start"
    status $start; echo "n2" >"$FAKE/gone"; ((start < 2)) || : >"$FAKE/gone"; ((start < 3)) || exit 0; exit 1'
  printf '# the cluster\nn1 slots=2\nn2   slots = 4 max-slots=9\n\nn3\n' >"$FAKE/list"
  : >"$FAKE/gone"
  cat >"$FAKE/ping" <<<'! grep -qx "$1" "$FAKE/gone"'
  cat >"$FAKE/agent" <<<'echo "$@" >>"$FAKE/agent.log"'
  start --hostfile "$FAKE/list" -n 6 --ping "bash $FAKE/ping" --agent "bash $FAKE/agent"
  ends_with 0
  started 3
  said "start 1: 6 ranks on 3 hosts"
  said "left out, since they do not answer: n2"
  said "start 2: 3 ranks on 2 hosts"
  said "start 3: 6 ranks on 3 hosts"
  expect [ "$(tr '\n' ' ' <"$FAKE/hosts.2")" = "n1 slots=2 n3 slots=1 " ]
  local job=/dev/shm/lockstep-run.$UID.$supervisor.2
  expect grep -Eq "^n3 .*LOCKSTEP_JOB=$job .*; rm -rf -- $job $job.\*'$" "$FAKE/agent.log"

  # A host that does not answer when the job is over is cleaned when it does.
  begin host-comes-back <<<'echo n2 >"$FAKE/gone"; ((start < 3)) || : >"$FAKE/gone"; ((start < 4)) || exit 0; exit 1'
  printf 'n1\nn2\n' >"$FAKE/list"
  : >"$FAKE/gone"
  cp "$folder/hosts/ping" "$FAKE/ping"
  cat >"$FAKE/agent" <<<'! grep -qx "$1" "$FAKE/gone" && echo "$@" >>"$FAKE/agent.log"'
  start --hostfile "$FAKE/list" --ping "bash $FAKE/ping" --agent "bash $FAKE/agent"
  ends_with 0
  local job=/dev/shm/lockstep-run.$UID.$supervisor
  expect [ "$(grep -o "^n2 .*rm -rf -- [^ ]*" "$FAKE/agent.log" | sed 's/ .* / /' | tr '\n' ' ')" = "n2 $job.1 n2 $job.4 " ]

  begin no-host <<<'exit 0'
  echo n1 >"$FAKE/list"
  start --hostfile "$FAKE/list" --ping false --agent false --max-restarts 1
  ends_with 1
  expect test ! -e "$FAKE/starts"
  said "will not do: at least 1 rank"

  begin silent-host <<<'((start == 1)) || exit 0; status 5; rank 0; echo n2 >"$FAKE/gone"; work 300'
  printf 'n1\nn2\n' >"$FAKE/list"
  : >"$FAKE/gone"
  cp "$folder/hosts/ping" "$FAKE/ping"
  start --hostfile "$FAKE/list" --ping "bash $FAKE/ping" --agent true --silence 0.5
  ends_with 0
  said "only 1 of 2 hosts answer"
  said "start 2: 1 rank on 1 host$"
}

# ---- Slurm ----

case_srun() {
  begin srun <<<'status $start; ((start < 2)) || exit 0; exit 1'
  mkdir "$FAKE/bin"
  ln -s "$source/tests/support/fake_mpirun" "$FAKE/bin/srun"
  ln -s /bin/true "$FAKE/bin/squeue"
  # The call that cleans up after a failed step is no start.
  sed -i '1i [[ " $* " != *" rm -rf "* ]] || { echo $((start - 1)) >"$FAKE/starts"; rm -rf "${@: -1}"; exit; }' "$FAKE/behave"
  PATH=$FAKE/bin:$PATH SLURM_JOB_ID=7 SLURM_NTASKS=12 SLURM_NNODES=3 \
    start_with --lockstep /bin/true --backoff 0.1 --run-dir "$FAKE/run" train run.yaml
  ends_with 0
  started 2
  said "start 1: 12 ranks on 3 hosts"
  expect grep -qx -- --ntasks=12 "$FAKE/arguments.1"
}

# ---- the real mpirun ----

case_real() {
  begin real-mpirun </dev/null
  command -v mpirun >/dev/null || return
  cat >"$FAKE/rank" <<'END'
#!/usr/bin/env bash
# Two ranks: the first start is killed, the second told to save and stop.
trap 'exit 75' USR2
echo "$$" >>"$FAKE/pids"
echo "$OMPI_COMM_WORLD_RANK of $OMPI_COMM_WORLD_SIZE: $*"
for _ in {1..2000}; do sleep 0.05; done
END
  chmod +x "$FAKE/rank"
  options=(-n 2 --lockstep "$FAKE/rank" --backoff 0.1)
  start --run-dir "$FAKE/run"
  eventually pids_are 2
  kill -KILL "$(tail -n 1 "$FAKE/pids")"
  eventually pids_are 4
  kill "$supervisor"
  ends_with 75
  said "ended by signal 9; restart 1"
  expect [ "$(grep -c ' of 2: train run.yaml' "$FAKE/out")" = 4 ]

  # One of the ranks is stopped, so that no word of Open MPI reaches it.
  begin real-mpirun-killed </dev/null
  cp "$folder/real-mpirun/rank" "$FAKE/rank"
  options=(-n 2 --lockstep "$FAKE/rank" --backoff 0.1)
  start --run-dir "$FAKE/run"
  eventually pids_are 2
  kill -STOP "$(tail -n 1 "$FAKE/pids")"
  kill -KILL "$(parent_of "$(tail -n 1 "$FAKE/pids")")"
  eventually pids_are 4
  said "ended by signal 9; restart 1"
  local pid
  for pid in $(head -n 2 "$FAKE/pids"); do
    expect dead "$pid"
  done

  kill -STOP "$(tail -n 1 "$FAKE/pids")"
  kill -KILL "$supervisor"
  wait "$supervisor" 2>/dev/null
  for pid in $(cat "$FAKE/pids"); do
    eventually dead "$pid"
  done
  eventually no_folder_of "$supervisor"
}
pids_are() { (($(wc -l <"$FAKE/pids") == $1)); }
parent_of() { ps -o ppid= -p "$1" | tr -d ' '; }

# A rank that never comes to MPI_Init: the others wait there, and no deadline of theirs exists.
case_real_start() {
  begin real-start </dev/null
  command -v mpirun >/dev/null && [[ -x $build/lockstep ]] || return
  cat >"$FAKE/rank" <<'END'
#!/usr/bin/env bash
if [[ $OMPI_COMM_WORLD_RANK == 1 ]]; then
  echo "$$" >>"$FAKE/pids"
  (($(wc -l <"$FAKE/pids") > 1)) || kill -STOP $$
fi
exec "$FAKE/lockstep" "$@"
END
  chmod +x "$FAKE/rank"
  ln -s "$build/lockstep" "$FAKE/lockstep"
  start_with -n 2 --lockstep "$FAKE/rank" --backoff 0.1 --start-limit 10 train "$source/configs/digits.yaml" \
    --progress=none --set "run.dir=$FAKE/run" --set stop.epochs=1
  ends_with 0
  said "the ranks have not met within 10 s: killing the job"
  expect test -e "$FAKE/run/checkpoints/latest.h5"
}

# Most of the time goes into waiting: the cases run side by side, each in a shell of its own.
side_by_side() {
  while (($(jobs -r | wc -l) >= 8)); do wait -n; done
  "$@" &
}
for code in 0 2 3 64 75 126; do side_by_side pass_on "$code"; done
side_by_side restart_after "exit 1" "ended with exit code 1"
side_by_side restart_after "exit 74" "ended with exit code 74"
side_by_side restart_after 'kill -KILL $$' "ended by signal 9"
side_by_side restart_after "exit 137" "ended by signal 9"
for signal in TERM INT HUP USR2; do side_by_side convert "$signal"; done
for name in $(compgen -A function case_); do side_by_side "$name"; done
wait
[[ ! -e $folder/failures ]] || exit 1
echo "lockstep-run: all cases hold"
