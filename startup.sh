#!/usr/bin/env bash
# The operator's side of the product: starts, stops and tells of the GPU service, the
# backend, a worker where tasks are kept in a database, and a Telegram bot where the
# workspace has one. See usage() below, or ./startup.sh help.
#
# In this order: what is said, the settings, the workspace, the virtual environment, the
# processes, then one part for each command.
#
# Exit codes, as the LSB has them for such scripts; of `status`:
#   0  all of it runs          1  one is dead, and its PID file is there
#   3  one is stopped          4  one runs and does not answer, or is not healthy
# and of everything else:
#   0  done
#   1  a service is not up or does not stop, another startup.sh is at work, or `doctor`
#      found something red
#   2  a wrong argument
#   4  no right to write in the workspace, or to stop what another user runs
#   5  Python or the requirements cannot be made ready
#   6  a wrong setting, or a file that the product comes with is missing
set -euo pipefail

CODE=$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")
WORKSPACE=${WORKSPACE:-$CODE}
PYTHON_CHOSEN=${PYTHON:-}
PYTHON=${PYTHON:-python3}
STARTUP_WAIT=${STARTUP_WAIT:-30}
STOP_WAIT=${STOP_WAIT:-10}
SLOW_AFTER=5   # the wait of the specification; past it, one line says so
LOG_LINES=20
STAMP=.requirements.sha256   # in an environment: what it was made from
PACKAGES=.packages           # and what was installed in it

FAILED=1 WRONG_ARGUMENT=2 NO_RIGHT=4 NOT_INSTALLED=5 NOT_CONFIGURED=6

EVERY_SERVICE=(gpu_server backend worker telegram_bot)   # in the order of a start
SERVICES=()    # those that this run is about
STARTUP_LOG=   # set once logs/ is there
NEXT_VENV=     # the environment that what is started next will use
INSTALLED=no   # whether this run installed requirements
COMFYUI_ANSWERS=no
declare -A FOLDER HOST PORT URL PID STATE LOG_START HEALTH   # by service

usage() {
    cat <<'TEXT'
Usage: startup.sh [command]

  start [service]    starts what does not run yet, the GPU service first, and waits
                     until it is healthy; the same without a command. The first run
                     makes venv/, installs and writes each .env from its template
  stop [service]     lets running tasks end (DRAIN_SECONDS), then stops
  restart [service]  the same after an update (git pull): installs what has changed
                     beside what runs, tries the new program, and only then stops
                     and starts. Queued and running tasks are kept
  status [service]   one line for each: state, PID, since when, port, memory, health
  logs [service] [-n LINES] [--no-follow]
                     follows one log, or all of them, through their rotation
  doctor [--json]    looks at everything that a start and a first image need
  help               this

Services: gpu_server, backend, worker, telegram_bot

Environment:
  WORKSPACE             holds venv/, logs/, data/, models/, workflows/ and the
                        PID files (default: the folder of this script)
  PYTHON                makes the virtual environment (default: python3)
  STARTUP_WAIT          seconds that a service may take to get healthy (30)
  STOP_WAIT             seconds beside DRAIN_SECONDS that a service may take to end,
                        before it is killed (10)
  WORKER_GPU_SERVICE    which one of several in GPU_SERVICE_URL is this machine's:
                        with a DATABASE_URL, a worker is started for it
  TELEGRAM_BOT_COMMAND  starts the bot, in WORKSPACE/telegram_bot
                        (default: python main.py, where there is a main.py)
  DOCTOR_API_KEY        a key of the backend for doctor's test image, where keys are on
  NO_COLOR              when set, no colours

Hosts and ports are BACKEND_HOST, BACKEND_PORT, GPU_SERVER_HOST and
GPU_SERVER_PORT, from the environment or from each service's .env.

Exit codes of status: 0 running, 1 dead with a PID file, 3 stopped, 4 not healthy.
TEXT
}

# ----- What is said

# Neither a full disk nor a reader that has left may end the start half-way: what
# bash says of them goes to /dev/null, after the line's own place is settled.
# shellcheck disable=SC2261
say() {  # LEVEL COLOUR FD TEXT
    local stamp
    printf -v stamp '%(%F %T)T' -1
    if [ -t "$3" ] && [ -z "${NO_COLOR:-}" ]; then
        printf '[%s] \e[%sm[%s] %s\e[0m\n' "$stamp" "$2" "$1" "$4" >&"$3" 2>/dev/null || true
    else
        printf '[%s] [%s] %s\n' "$stamp" "$1" "$4" >&"$3" 2>/dev/null || true
    fi
    if [ -n "$STARTUP_LOG" ]; then
        printf '[%s] [%s] %s\n' "$stamp" "$1" "$4" >> "$STARTUP_LOG" 2>/dev/null || true
    fi
}

info() { say INFO 32 1 "$1"; }
warn() { say WARN 33 1 "$1"; }
error() { say ERROR 31 2 "$1"; }

die() {  # EXIT_CODE TEXT
    error "$2"
    exit "$1"
}

# This script with a command, as it is typed in this workspace.
again() {  # COMMAND [SERVICE]
    local where=
    if [ "$WORKSPACE" != "$CODE" ]; then printf -v where 'WORKSPACE=%q ' "$WORKSPACE"; fi
    printf '%s%q %s' "$where" "$CODE/startup.sh" "$*"
}

# A line of an answer, as against one of a report.
show() {  # COLOUR TEXT
    if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then printf '\e[%sm%s\e[0m\n' "$@"; else printf '%s\n' "$2"; fi
}

show_end() {  # FILE, from byte OFFSET on
    local line
    while IFS= read -r line; do
        printf '    | %s\n' "$line" >&2 || true
        printf '    | %s\n' "$line" >> "$STARTUP_LOG" 2>/dev/null || true
    done < <(tail -c "+$((${2:-0} + 1))" -- "$1" 2>/dev/null | tail -n "$LOG_LINES")
}

# Hundredths of a second since boot: the wall clock may jump while a pod boots.
now() {
    local up
    read -r up _ < /proc/uptime
    echo "$((10#${up/./}))"
}

# ----- The settings

# The value behind a `=` in a .env, read as python-dotenv reads it.
dotenv_value() {  # TEXT
    local text=${1%$'\r'}
    case $text in
        \'*) text=${text#\'} text=${text%%\'*} ;;
        \"*) text=${text#\"} text=${text%%\"*} ;;
        *)
            text=${text%%[[:space:]]#*}
            text=${text%"${text##*[![:space:]]}"}
            ;;
    esac
    printf '%s' "$text"
}

# A setting as the services see it: the environment, then .env, then the default.
setting() {  # NAME ENV_FILE DEFAULT
    local value=$3 line variable
    local assignment='^[[:space:]]*(export[[:space:]]+)?([A-Za-z_][A-Za-z0-9_]*)[[:space:]]*=[[:space:]]*(.*)$'
    while IFS= read -r line || [ -n "$line" ]; do
        if [[ $line =~ $assignment ]] && [ "${BASH_REMATCH[2]^^}" = "$1" ]; then
            value=$(dotenv_value "${BASH_REMATCH[3]}")
        fi
    done < <(cat -- "$2" 2>/dev/null)
    while IFS= read -r variable; do
        if [ "${variable^^}" = "$1" ]; then value=${!variable-}; fi
    done < <(compgen -e)
    printf '%s' "$value"
}

# Where a service that listens on a host is asked from this machine.
url_of() {  # HOST PORT TLS_CERT_FILE
    local host=$1
    case $host in
        0.0.0.0) host=127.0.0.1 ;;
        ::) host=::1 ;;
    esac
    case $host in
        *:*) host="[$host]" ;;
    esac
    printf 'http%s://%s:%s' "${3:+s}" "$host" "$2"
}

check_number() {  # NAME VALUE MAXIMUM
    if [[ ! $2 =~ ^[0-9]{1,5}$ ]] || ((10#$2 < 1 || 10#$2 > $3)); then
        die "$NOT_CONFIGURED" "$1 is '$2': it has to be a number from 1 to $3"
    fi
}

read_settings() {
    local gpu_env=$CODE/gpu_server/.env backend_env=$CODE/backend/.env
    HOST[gpu_server]=$(setting GPU_SERVER_HOST "$gpu_env" 0.0.0.0)
    PORT[gpu_server]=$(setting GPU_SERVER_PORT "$gpu_env" 8001)
    HOST[backend]=$(setting BACKEND_HOST "$backend_env" 0.0.0.0)
    PORT[backend]=$(setting BACKEND_PORT "$backend_env" 8000)
    COMFYUI_API_URL=$(setting COMFYUI_API_URL "$gpu_env" http://localhost:8188)
    GENERATION_ENGINE=$(setting GENERATION_ENGINE "$gpu_env" stub)
    DATABASE_URL_SET=$(setting DATABASE_URL "$backend_env" '')
    DRAIN_SECONDS=$(setting DRAIN_SECONDS "$backend_env" 5)
    URL[gpu_server]=$(url_of "${HOST[gpu_server]}" "${PORT[gpu_server]}" "$(setting TLS_CERT_FILE "$gpu_env" '')")
    URL[backend]=$(url_of "${HOST[backend]}" "${PORT[backend]}" "$(setting TLS_CERT_FILE "$backend_env" '')")
    FOLDER=([gpu_server]=$CODE/gpu_server [backend]=$CODE/backend [worker]=$CODE/backend
        [telegram_bot]=$WORKSPACE/telegram_bot)
}

# What a service would not start with; those that only look on do without.
check_settings() {
    check_number STARTUP_WAIT "$STARTUP_WAIT" 3600
    check_number STOP_WAIT "$STOP_WAIT" 3600
    check_number GPU_SERVER_PORT "${PORT[gpu_server]}" 65535
    check_number BACKEND_PORT "${PORT[backend]}" 65535
    [ -n "${HOST[gpu_server]}" ] || die "$NOT_CONFIGURED" "GPU_SERVER_HOST is empty: 0.0.0.0 listens everywhere"
    [ -n "${HOST[backend]}" ] || die "$NOT_CONFIGURED" "BACKEND_HOST is empty: 0.0.0.0 listens everywhere"
}

# ----- The workspace

# Where things are, for commands that make nothing.
find_workspace() {
    WORKSPACE=$(realpath --canonicalize-missing --no-symlinks -- "$WORKSPACE")
    VENV=$WORKSPACE/venv
    VENVS=$WORKSPACE/.venvs   # to one of which venv/ leads
    PIP_LOG=$WORKSPACE/logs/pip.log
}

make_folders() {
    local folder
    find_workspace
    mkdir -p -- "$WORKSPACE" 2>/dev/null || die "$NO_RIGHT" "cannot make the workspace $WORKSPACE"
    if ! mkdir -p -- "$WORKSPACE/logs" 2>/dev/null || [ ! -w "$WORKSPACE" ] ||
        ! { : >> "$WORKSPACE/logs/startup.log"; } 2>/dev/null; then
        die "$NO_RIGHT" "cannot write in $WORKSPACE and its logs/: is the disk read-only, or another user's? WORKSPACE= chooses another"
    fi
    STARTUP_LOG=$WORKSPACE/logs/startup.log
    for folder in data models workflows; do
        mkdir -p -- "$WORKSPACE/$folder" 2>/dev/null || warn "cannot make $WORKSPACE/$folder"
    done
}

# Held until the script ends; where a file system has no locks, there is none.
take_lock() {
    local lock outcome=0 holder=
    if ! command -v flock > /dev/null; then return; fi
    exec {lock}<> "$WORKSPACE/.startup.lock"
    flock --nonblock --conflict-exit-code 4 "$lock" || outcome=$?
    case $outcome in
        0) printf '%-12s\n' "$$" >&"$lock" || true ;;
        4)
            read -r holder <&"$lock" || true
            die "$FAILED" "another startup.sh is at work in $WORKSPACE${holder:+ (PID $holder)}: wait until it has ended"
            ;;
        *) warn "$WORKSPACE cannot be locked: do not run two startup.sh at once" ;;
    esac
}

# Writes a .env from its template, once; a .env that is there is the operator's.
write_env() {  # SERVICE
    local folder=$CODE/$1 text
    if [ -e "$folder/.env" ] || [ -L "$folder/.env" ]; then return; fi
    text=$(< "$folder/.env.template") || die "$NOT_CONFIGURED" "$folder/.env.template is missing"
    # By way of marks, as the folders put in may themselves lie in a /workspace.
    text=${text//\/workspace\/gpu_server/$'\1'}
    text=${text//\/workspace\/backend/$'\2'}
    text=${text//\/workspace/$'\3'}
    text=${text//$'\1'/"$CODE/gpu_server"}
    text=${text//$'\2'/"$CODE/backend"}
    text=${text//$'\3'/"$WORKSPACE"}
    if [ "$WORKSPACE" != "$CODE" ]; then text=${text/"# DATA_PATH="/DATA_PATH=}; fi
    (
        umask 077   # secrets will be put in
        printf '%s\n' "$text" > "$folder/.env.new" && mv -- "$folder/.env.new" "$folder/.env"
    ) 2>/dev/null || die "$NO_RIGHT" "cannot write $folder/.env"
    info "wrote $1/.env from its template"
}

# ----- The virtual environment

requirement_files() {
    local file
    for file in "$CODE"/{gpu_server,backend}/requirements.txt "$WORKSPACE/telegram_bot/requirements.txt"; do
        if [ -f "$file" ]; then printf '%s\n' "$file"; fi
    done
    if [ -n "$DATABASE_URL_SET" ]; then
        printf '%s\n' "$CODE/backend/requirements-postgresql.txt"
    fi
    if [ -n "$(setting OUTPUTS_URL "$CODE/backend/.env" '')" ]; then
        printf '%s\n' "$CODE/backend/requirements-s3.txt"
    fi
}

# What the environment has to be made from: its Python and the requirements.
wanted_stamp() {  # PYTHON_TAG
    local file
    {
        echo "$1"
        while IFS= read -r file; do sha256sum < "$file"; done < <(requirement_files)
    } | sha256sum
}

# The tag of an environment's Python, such as cpython-311, if it runs and is a venv's.
venv_tag() {  # VENV
    "$1/bin/python" -c 'import sys
if sys.prefix == sys.base_prefix: sys.exit(1)
print(sys.implementation.cache_tag)' 2>/dev/null
}

venv_is_elsewhere() {
    local home
    # shellcheck disable=SC1091
    home=$(source "$VENV/bin/activate" && printf '%s' "$VIRTUAL_ENV")
    [ ! "$home" -ef "$VENV" ]
}

# What is wrong with venv/, in words that end "…: making it anew", or nothing; `foreign`
# in front where it is not ours to remake.
venv_fault() {  # PYTHON_TAG
    if [ -z "$(ls -A -- "$VENV" 2>/dev/null)" ]; then
        echo "there is no virtual environment yet"
    elif [ ! -e "$VENV/pyvenv.cfg" ] && [ ! -d "$VENV/bin" ]; then
        echo "foreign $VENV is not a virtual environment"
    elif [ -z "$1" ] || [ ! -r "$VENV/bin/activate" ]; then
        echo "the virtual environment is unfinished or its Python is gone"
    elif venv_is_elsewhere; then
        if [ -e "$VENV/$STAMP" ]; then
            echo "the virtual environment was made for another folder"
        else
            echo "foreign $VENV was made for another folder"
        fi
    elif [ ! -e "$VENV/$STAMP" ] && ! "$VENV/bin/python" -m pip --version > /dev/null 2>&1; then
        echo "the virtual environment has no working pip"
    fi
}

python_is_new_enough() {  # PYTHON
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null
}

# What stands against making an environment with an interpreter, and the way out, or nothing.
python_fault() {  # PYTHON
    if ! command -v "$1" > /dev/null; then
        echo "there is no $1: install Python 3.10 or newer (apt-get install python3 python3-venv)"
    elif ! python_is_new_enough "$1"; then
        echo "Python 3.10 or newer is needed, and $1 is $("$1" --version 2>&1 || true): PYTHON= chooses another"
    elif ! "$1" -c 'import ensurepip, venv' 2>/dev/null; then
        echo "$1 cannot make virtual environments: install its venv module (apt-get install python3-venv)"
    fi
}

make_venv() {  # PYTHON FOLDER
    local fault
    fault=$(python_fault "$1")
    if [ -n "$fault" ]; then die "$NOT_INSTALLED" "$fault"; fi
    info "making $2 with $("$1" --version)"
    if ! "$1" -m venv --clear "$2" > "$PIP_LOG" 2>&1; then
        show_end "$PIP_LOG"
        die "$NOT_INSTALLED" "the virtual environment could not be made: $(pip_fault)"
    fi
}

# Why pip or venv failed, as far as its log tells, and the way out.
pip_fault() {
    local log
    log=$(< "$PIP_LOG")
    case $log in
        *'No space left'* | *'Disk quota'*) echo "the disk is full; free room, then run this again" ;;
        *'Permission denied'*) echo "a file may not be written; look at whose $WORKSPACE is" ;;
        *NewConnectionError* | *NameResolutionError* | *'name resolution'* | *'Network is unreachable'* | \
            *ProxyError* | *ConnectTimeoutError* | *ReadTimeoutError*)
            echo "there is no network for pip; when it is there (HTTPS_PROXY, PIP_INDEX_URL?), run this again" ;;
        *) echo "see $PIP_LOG, is the network up?" ;;
    esac
}

install_requirements() {  # VENV WHAT
    local file files=()
    while IFS= read -r file; do files+=(--requirement "$file"); done < <(requirement_files)
    info "installing $2, which takes a minute (logs/pip.log)"
    if ! "$1/bin/python" -m pip install --no-input --disable-pip-version-check "${files[@]}" \
        > "$PIP_LOG" 2>&1 < /dev/null; then
        show_end "$PIP_LOG"
        if [ "$1" != "$VENV" ]; then rm -rf -- "$1"; fi
        die "$NOT_INSTALLED" "$2 could not be installed, so nothing was started or stopped: $(pip_fault)"
    fi
    packages_of "$1" > "$1/$PACKAGES"
    wanted_stamp "$(venv_tag "$1")" > "$1/$STAMP" || die "$NOT_INSTALLED" "$1 does not work: see $PIP_LOG"
    INSTALLED=yes
}

# The names of the packages in an environment, without their versions.
packages_of() {  # VENV
    local entry
    for entry in "$1"/lib/python*/site-packages/*.dist-info; do
        entry=${entry##*/}
        printf '%s\n' "${entry%%-*}"
    done
}

# Those that were installed and are there no longer.
lost_packages() {  # VENV
    local name there
    there=$'\n'$(packages_of "$1")$'\n'
    while IFS= read -r name; do
        if [[ $there != *$'\n'"$name"$'\n'* ]]; then printf '%s\n' "$name"; fi
    done 2>/dev/null < "$1/$PACKAGES"
}

# Makes what venv/ leads to. Where that is broken, or the requirements have changed,
# another one is made beside it, as services may run from the first: what fails half-way
# has then touched nothing. NEXT_VENV is the one to use from now on.
ensure_venv() {
    local tag fault lost
    NEXT_VENV=$VENV
    tag=$(venv_tag "$VENV") || tag=
    fault=$(venv_fault "$tag")
    case $fault in foreign\ *) die "$NOT_INSTALLED" "${fault#foreign }: move it away, and run this again" ;; esac
    if [ -z "$(ls -A -- "$VENV" 2>/dev/null)" ]; then
        info "$fault"
        renew_venv "$PYTHON" "the requirements"
    elif [ -n "$fault" ]; then
        warn "$fault: making it anew"
        renew_venv "$PYTHON" "the requirements"
    elif ! python_is_new_enough "$VENV/bin/python"; then
        die "$NOT_INSTALLED" "Python 3.10 or newer is needed, and $VENV has $("$VENV/bin/python" --version 2>&1): move it away, and run this again"
    elif [ ! -e "$VENV/$STAMP" ]; then
        install_requirements "$VENV" "the requirements"
    elif [ "$(< "$VENV/$STAMP")" != "$(wanted_stamp "$tag")" ]; then
        renew_venv "${PYTHON_CHOSEN:-$VENV/bin/python}" "the changed requirements"
    elif lost=$(lost_packages "$VENV") && [ -n "$lost" ]; then
        warn "the virtual environment has lost ${lost//$'\n'/, }: making it anew"
        renew_venv "${PYTHON_CHOSEN:-$VENV/bin/python}" "the requirements"
    fi
}

renew_venv() {  # PYTHON WHAT
    NEXT_VENV=$VENVS/$(printf '%(%Y%m%d-%H%M%S)T' -1)-$$
    mkdir -p -- "$VENVS" || die "$NO_RIGHT" "cannot write in $WORKSPACE"
    make_venv "$1" "$NEXT_VENV"
    install_requirements "$NEXT_VENV" "$2"
}

# From now on venv/ leads to the new environment. What runs goes on in the one before.
use_next_venv() {
    if [ "$NEXT_VENV" != "$VENV" ]; then
        if [ -e "$VENV" ] && [ ! -L "$VENV" ]; then mv -T -- "$VENV" "$VENVS/first-$$"; fi
        ln -sfn -- "${NEXT_VENV#"$WORKSPACE"/}" "$VENV.new"
        mv -T -- "$VENV.new" "$VENV"
    fi
    # shellcheck disable=SC1091
    source "$VENV/bin/activate"
}

# Environments that are not in use any more, by nobody.
remove_old_venvs() {
    local folder
    if ! command -v grep > /dev/null; then return; fi   # who could tell?
    for folder in "$VENVS"/*/; do
        folder=${folder%/}
        if [ ! -d "$folder" ] || [ "$folder" -ef "$VENV" ]; then continue; fi
        if grep -qasF -- "$folder/" /proc/[0-9]*/{cmdline,environ,maps}; then continue; fi
        rm -rf -- "$folder"
    done
}

# ----- The processes

pid_file() { printf '%s' "$WORKSPACE/$1.pid"; }
log_file() { printf '%s' "$WORKSPACE/logs/$1.log"; }

alive() {  # PID
    local stat
    { read -r stat < "/proc/$1/stat"; } 2>/dev/null && [[ ${stat##*) } != [ZX]* ]]
}

# Its command line names a service's entry point.
has_entry_point() {  # SERVICE PID
    local word words=()
    { mapfile -d '' -t words < "/proc/$2/cmdline"; } 2>/dev/null || return 1
    for word in "${words[@]}"; do
        case $word in
            worker.py | */worker.py) [ "$1" = worker ] && return 0 ;;
            server.py | */server.py | main.py | */main.py | main:app) [ "$1" != worker ] && return 0 ;;
        esac
    done
    return 1
}

# A pager or an editor may have the same file on its command line.
is_python() {  # PID
    local program
    program=$(readlink -- "/proc/$1/exe") && [[ ${program##*/} == python* ]]
}

# A process is a service's own when it works in the service's folder and is a Python
# with its entry point: a PID alone may have gone to somebody else.
is_ours() {  # SERVICE PID
    if [[ ! $2 =~ ^[0-9]+$ ]] || [ ! "/proc/$2/cwd" -ef "${FOLDER[$1]}" ] || ! alive "$2"; then
        return 1
    fi
    if [ "$1" = telegram_bot ]; then return 0; fi   # its command is free
    is_python "$2" && has_entry_point "$1" "$2"
}

# Whether it may be ours, but under a user into whose processes we cannot look.
is_another_users() {  # SERVICE PID
    [[ $2 =~ ^[0-9]+$ ]] && [ "$EUID" != 0 ] && alive "$2" && [ ! -O "/proc/$2" ] &&
        { [ "$1" = telegram_bot ] || has_entry_point "$1" "$2"; }
}

recorded_pid() {  # SERVICE
    local pid=
    { read -r pid < "$(pid_file "$1")"; } 2>/dev/null || true
    printf '%s' "$pid"
}

record_pid() {  # SERVICE PID
    local file
    file=$(pid_file "$1")
    PID[$1]=$2
    { printf '%s\n' "$2" > "$file.new" && mv -f -- "$file.new" "$file"; } ||
        warn "cannot write $file: $1 runs as PID $2"
}

# Sets PID[service] by its PID file; a file that names no process of ours goes.
find_running() {  # SERVICE
    local file pid
    file=$(pid_file "$1")
    if [ ! -e "$file" ]; then return 1; fi
    pid=$(recorded_pid "$1")
    if is_ours "$1" "$pid"; then
        PID[$1]=$pid
        return 0
    fi
    if is_another_users "$1" "$pid"; then return 1; fi   # who has its port is told
    warn "$1.pid is stale: PID '$pid' is no longer $1; removing the file"
    rm -f -- "$file"
    return 1
}

# Any Python: the environment's, or the machine's before there is one.
any_python() {
    if [ -x "$VENV/bin/python" ]; then "$VENV/bin/python" "$@"; else "$PYTHON" "$@"; fi
}

# Prints nothing where the port is free, and otherwise `taken`, then `PID COMMAND`
# of each process that listens on it.
port_holders() {  # HOST PORT
    any_python "$CODE/backend/doctor/port_holders.py" "$1" "$2" 2>/dev/null || true
}

# Sets STATE[service] to running, dead (its PID file names no process of ours) or stopped,
# and PID[service]. Changes nothing.
locate() {  # SERVICE
    local pid holder
    STATE[$1]=stopped PID[$1]=
    if [ -e "$(pid_file "$1")" ]; then STATE[$1]=dead; fi
    pid=$(recorded_pid "$1")
    if is_ours "$1" "$pid"; then
        STATE[$1]=running PID[$1]=$pid
    elif [ -n "${PORT[$1]:-}" ]; then
        while IFS= read -r holder; do   # started by hand, perhaps
            if is_ours "$1" "${holder%% *}"; then STATE[$1]=running PID[$1]=${holder%% *}; fi
        done < <(port_holders "${HOST[$1]}" "${PORT[$1]}")
    fi
}

say_taken() {  # SERVICE PORT [PID COMMAND]
    local holder=${3:+PID $3}
    error "$1 cannot start: port $2 is taken by ${holder:-a process that cannot be seen from here}: end that, or set another port in $1/.env"
}

# Fails, and says by whom, when the port is taken. Where our own service has it,
# started by hand, that is recorded: PID[service] is then set.
claim_port() {  # SERVICE HOST PORT
    local holders=() holder
    for _ in {1..20}; do
        mapfile -t holders < <(port_holders "$2" "$3")
        if [ "${#holders[@]}" = 0 ]; then return 0; fi
        if [ "${#holders[@]}" != 1 ]; then break; fi
        sleep 0.1   # a port outlives its killed process by a moment
    done
    for holder in "${holders[@]:1}"; do
        if is_ours "$1" "${holder%% *}"; then
            info "$1 runs without a PID file (PID ${holder%% *}): writing it"
            record_pid "$1" "${holder%% *}"
            return 0
        fi
    done
    say_taken "$1" "$3" "${holders[1]:-}"
    return 1
}

# The command becomes a process of its own: in its folder, deaf to the terminal,
# and with no file of this script open: not its lock, nor a pipe that it was given.
launch() {  # SERVICE COMMAND...
    local service=$1 log fd detach=()
    log=$(log_file "$service")
    shift
    if command -v setsid > /dev/null; then detach=(setsid); fi
    # Appended to, where the specification has `>`: what the previous run said
    # before it died is what one wants to read.
    printf '=== %(%F %T)T started by startup.sh\n' -1 >> "$log" || die "$NO_RIGHT" "cannot write $log"
    LOG_START[$service]=$(stat -c %s -- "$log")
    (
        trap - PIPE TERM
        for fd in /proc/self/fd/*; do
            fd=${fd##*/}
            if ((fd > 2 && fd != 255)); then exec {fd}>&-; fi   # 255: bash's own
        done
        export PYTHONUNBUFFERED=1   # else the last words of a killed bot are lost
        cd -- "${FOLDER[$service]}" && exec "${detach[@]}" nohup "$@"
    ) < /dev/null >> "$log" 2>&1 &
    record_pid "$service" "$!"
    disown "$!" 2>/dev/null || true   # else bash reports its end in its own words
}

# The body of a URL that answers 200, or, where that is asked for, anything. It is asked
# directly: a proxy knows no loopback. A certificate is not looked at: it names whom
# clients call, and hardly this machine.
fetch() {  # URL SECONDS [any]
    local only=(--fail)
    if [ "${3:-}" = any ]; then only=(); fi
    if command -v curl > /dev/null; then
        curl --disable --silent --insecure "${only[@]}" --noproxy '*' --max-time "$2" -- "$1" 2>/dev/null
    else
        any_python - "$@" 2>/dev/null <<'CODE'
import ssl, sys
from urllib.error import HTTPError
from urllib.request import HTTPSHandler, ProxyHandler, build_opener

tls = HTTPSHandler(context=ssl._create_unverified_context())
try:
    answer = build_opener(ProxyHandler({}), tls).open(sys.argv[1], timeout=float(sys.argv[2]))
except HTTPError as exc:
    if "any" not in sys.argv[3:]:
        raise
    answer = exc
with answer:
    print(answer.read().decode())
CODE
    fi
}

read_health() {  # SERVICE BODY
    HEALTH[$1]=running
    if [[ $2 =~ \"status\"[[:space:]]*:[[:space:]]*\"([a-z]+)\" ]]; then HEALTH[$1]=${BASH_REMATCH[1]}; fi
    if [[ $2 =~ \"comfyui_available\"[[:space:]]*:[[:space:]]*true ]]; then COMFYUI_ANSWERS=yes; fi
}

# Polls until the service answers: 0 it does, 1 its process has ended, 2 too late.
wait_healthy() {  # SERVICE
    local body left said=no end
    end=$(($(now) + STARTUP_WAIT * 100))
    while alive "${PID[$1]}"; do
        left=$((end - $(now)))
        if ((left <= 0)); then return 2; fi
        if [ "$said" = no ] && ((left < (STARTUP_WAIT - SLOW_AFTER) * 100)); then
            warn "$1 is not healthy after $SLOW_AFTER s: waiting up to $STARTUP_WAIT s"
            said=yes
        fi
        # A health check may itself wait 5 s, for what the service depends on.
        if body=$(fetch "${URL[$1]}/health" "$((left < 800 ? (left + 99) / 100 : 8))"); then
            read_health "$1" "$body"
            return 0
        fi
        sleep 0.1
    done
    return 1
}

# ----- start

say_already_running() {  # SERVICE
    info "$1 is already running (PID ${PID[$1]})"
    if [ "$INSTALLED" = yes ]; then
        warn "$1 still runs with the requirements of before: $(again restart "$1")"
    fi
}

# Waits for a service that was there before; fails when it has to be started.
settle_running() {  # SERVICE
    local outcome=0
    # One that was told to end just before this run still answers for a moment.
    while (($(now) - BEGUN < 25)); do sleep 0.05; done
    wait_healthy "$1" || outcome=$?
    case $outcome in
        0) say_already_running "$1" ;;
        1)
            warn "$1 (PID ${PID[$1]}) has just ended"
            return 1
            ;;
        2)
            error "$1 runs (PID ${PID[$1]}) but is not healthy at ${URL[$1]}/health; it is left as it is"
            error "to start it anew: $(again restart "$1"); the end of $(log_file "$1"):"
            show_end "$(log_file "$1")"
            ;;
    esac
}

# Brings a service up, unless it is; HEALTH[service] then says how it is.
bring_up() {  # SERVICE COMMAND...
    local service=$1 host=${HOST[$1]} port=${PORT[$1]} outcome=0
    shift
    if find_running "$service" && settle_running "$service"; then return; fi
    PID[$service]=
    if ! claim_port "$service" "$host" "$port"; then return; fi
    if [ -n "${PID[$service]}" ] && settle_running "$service"; then return; fi
    info "starting $service on $host port $port"
    launch "$service" "$@"
    wait_healthy "$service" || outcome=$?
    case $outcome in
        0) info "$service is up (PID ${PID[$service]})" ;;
        1) give_up "$service" ;;
        2)
            error "$service is not healthy after $STARTUP_WAIT s; the end of $(log_file "$service"):"
            show_end "$(log_file "$service")" "${LOG_START[$service]}"
            ;;
    esac
}

give_up() {  # SERVICE, whose process ended
    error "$1 ended as it started; the end of $(log_file "$1"):"
    show_end "$(log_file "$1")" "${LOG_START[$1]}"
    rm -f -- "$(pid_file "$1")"
    PID[$1]=
}

bot_is_configured() {
    [ -f "${FOLDER[telegram_bot]}/main.py" ] ||
        { [ -n "${TELEGRAM_BOT_COMMAND:-}" ] && [ -d "${FOLDER[telegram_bot]}" ]; }
}

# Whether a program without a port works by now. What can be known of one that says
# nothing of it is that it stays alive; one that waits, as for its database, may.
has_begun() {  # SERVICE PATTERN WAITED
    local said
    if [ -z "$2" ]; then
        (($3 >= 100))
    elif (($3 < STARTUP_WAIT * 100)); then
        said=$(tail -c "+$((LOG_START[$1] + 1))" -- "$(log_file "$1")" 2>/dev/null)
        # shellcheck disable=SC2053  # it is a pattern
        [[ $said == *$2* ]]
    fi
}

bring_up_silent() {  # SERVICE PATTERN COMMAND...
    local service=$1 pattern=$2 begun warned=no
    shift 2
    if find_running "$service"; then
        say_already_running "$service"
        HEALTH[$service]=running
        return
    fi
    info "starting $service"
    launch "$service" "$@"
    begun=$(now)
    while alive "${PID[$service]}"; do
        if has_begun "$service" "$pattern" "$(($(now) - begun))"; then
            info "$service is up (PID ${PID[$service]})"
            HEALTH[$service]=running
            return
        fi
        if [ "$warned" = no ] && (($(now) - begun > SLOW_AFTER * 100)); then
            warn "$service has not begun to work after $SLOW_AFTER s: waiting up to $STARTUP_WAIT s"
            warned=yes
        fi
        sleep 0.1
    done
    give_up "$service"
}

bring_up_bot() {
    local program=(python main.py)
    if [ -n "${TELEGRAM_BOT_COMMAND:-}" ]; then program=(bash -c "$TELEGRAM_BOT_COMMAND"); fi
    bring_up_silent telegram_bot '' "${program[@]}"
}

# Runs the tasks, where they are kept in a database: one beside each GPU service.
bring_up_worker() {
    bring_up_silent worker 'Worker of * started' python worker.py ${WORKER_GPU_SERVICE:+--gpu-service "$WORKER_GPU_SERVICE"}
}

# One line for each service; fails when one of them is not up.
summarize() {  # SERVICE...
    local service line failed=0
    for service in "$@"; do
        printf -v line '%-13s%-10sPID %-9s%s  %s' "$service" "${HEALTH[$service]:-not up}" \
            "${PID[$service]:--}" "${URL[$service]:-}" "$(log_file "$service")"
        case ${HEALTH[$service]:-} in
            '') error "$line" && failed=1 ;;
            healthy | running) info "$line" ;;
            *) warn "$line" ;;
        esac
    done
    if [ "${HEALTH[gpu_server]:-}" = degraded ]; then
        warn "ComfyUI does not answer at ${COMFYUI_API_URL##*@}"
    fi
    if [ "$COMFYUI_ANSWERS" = yes ] && [ "${GENERATION_ENGINE,,}" = stub ]; then
        warn "ComfyUI answers, but images are placeholders: set GENERATION_ENGINE=comfyui in"
        warn "$CODE/gpu_server/.env, then $(again restart gpu_server)"
    fi
    info "stop with: $(again stop)"
    return "$failed"
}

# What every command needs that changes something.
prepare() {
    trap '' PIPE
    make_folders
    take_lock
    info "$1 in $WORKSPACE"
    write_env backend
    write_env gpu_server
    read_settings
    check_settings
    choose_services
    ensure_venv
}

# Where none was named, those that this workspace has.
choose_services() {
    if [ "${#SERVICES[@]}" != 0 ]; then return; fi
    SERVICES=(gpu_server backend)
    if [ -n "$DATABASE_URL_SET" ]; then SERVICES+=(worker); fi
    if bot_is_configured; then
        SERVICES+=(telegram_bot)
    elif [ -n "${TELEGRAM_BOT_COMMAND:-}" ]; then
        warn "TELEGRAM_BOT_COMMAND is set, but there is no folder ${FOLDER[telegram_bot]}"
    else
        info "no Telegram bot is configured"
    fi
}

bring_up_all() {
    local service hundredths
    for service in "${SERVICES[@]}"; do
        case $service in
            gpu_server) bring_up gpu_server python server.py ;;
            backend) bring_up backend uvicorn main:app --host "${HOST[backend]}" --port "${PORT[backend]}" ;;
            worker) bring_up_worker ;;
            telegram_bot) bring_up_bot ;;
        esac
    done
    if ! summarize "${SERVICES[@]}"; then
        error "not everything is up: see the lines above"
        return "$FAILED"
    fi
    hundredths=$(($(now) - BEGUN))
    info "everything is up, after $((hundredths / 100)).$((hundredths % 100 / 10)) s"
    remove_old_venvs
}

start() {
    BEGUN=$(now)
    prepare starting
    use_next_venv
    bring_up_all
}

# ----- stop

# Seconds that a service may take: what it waits for its tasks, and then some.
stop_seconds() {  # SERVICE
    local drain=0
    case $1 in backend | worker) drain=${DRAIN_SECONDS%%.*} ;; esac
    if [[ ! $drain =~ ^[0-9]{1,5}$ ]]; then drain=60; fi   # not a number: it was not started with it
    echo "$((10#$drain + 1 + STOP_WAIT))"
}

wait_gone() {  # PID SECONDS
    local end
    end=$(($(now) + $2 * 100))
    while alive "$1"; do
        if (($(now) >= end)); then return 1; fi
        sleep 0.05
    done
}

# The last look before a signal: nothing that is not ours gets one.
signal() {  # NAME SERVICE
    if is_ours "$2" "${PID[$2]}" && ! kill -s "$1" "${PID[$2]}" 2>/dev/null && alive "${PID[$2]}"; then
        error "$2 (PID ${PID[$2]}) cannot be signalled: run this as its user"
        return 1
    fi
}

stop_service() {  # SERVICE
    local seconds begun hundredths pid
    pid=$(recorded_pid "$1")
    if is_another_users "$1" "$pid"; then
        error "$1 (PID $pid) is run by $(stat -c %U -- "/proc/$pid"): stop it as that user"
        return "$NO_RIGHT"
    fi
    locate "$1"
    case ${STATE[$1]} in
        stopped) info "$1 is not running" ;;
        dead)
            info "$1 is not running; removing its stale PID file"
            rm -f -- "$(pid_file "$1")"
            ;;
    esac
    if [ "${STATE[$1]}" != running ]; then return; fi
    seconds=$(stop_seconds "$1") begun=$(now)
    info "stopping $1 (PID ${PID[$1]}), which may take up to $seconds s"
    signal TERM "$1" || return 1
    if ! wait_gone "${PID[$1]}" "$seconds"; then
        warn "$1 has not ended after $seconds s: killing it"
        signal KILL "$1" || return 1
        if ! wait_gone "${PID[$1]}" 5; then
            error "$1 (PID ${PID[$1]}) does not end though it was killed: its disk or its GPU hangs, dmesg may say more"
            return 1
        fi
    fi
    rm -f -- "$(pid_file "$1")"
    hundredths=$(($(now) - begun))
    info "$1 has stopped, after $((hundredths / 100)).$((hundredths % 100 / 10)) s"
}

# In the reverse order: what runs tasks needs the GPU service until it has ended.
stop_all() {  # SERVICE...
    local place failed=0
    for ((place = $#; place > 0; place--)); do stop_service "${!place}" || failed=$?; done
    return "$failed"
}

stop() {
    check_number STOP_WAIT "$STOP_WAIT" 3600
    find_workspace
    read_settings
    if [ -w "$WORKSPACE" ]; then take_lock; fi
    if [ -w "$WORKSPACE/logs" ]; then STARTUP_LOG=$WORKSPACE/logs/startup.log; fi
    if [ "${#SERVICES[@]}" = 0 ]; then known_services; fi
    stop_all "${SERVICES[@]}"
}

# ----- restart

# Starts the new program beside what runs, on a data folder and a port of its own; the
# real ones it looks at, and leaves as they are.
check_start() {  # SERVICE
    local log=$WORKSPACE/logs/$1-check.log package=$1 outcome=0
    case $1 in
        worker)
            if [[ " ${SERVICES[*]} " == *' backend '* ]]; then return; fi   # the same program
            package=backend
            ;;
        telegram_bot) return ;;   # of which nothing is known
    esac
    (cd -- "$CODE" && "$NEXT_VENV/bin/python" -m "$package.doctor.check_start" "$1") > "$log" 2>&1 < /dev/null || outcome=$?
    if [ "$outcome" != 0 ]; then
        error "$1 would not start, so nothing was stopped; the end of $log:"
        show_end "$log"
        return 1
    fi
    rm -f -- "$log"
}

check_starts() {  # SERVICE...
    local service pids=() pid failed=0
    info "trying the program that is to be started"
    for service in "$@"; do
        check_start "$service" &
        pids+=("$!")
    done
    for pid in "${pids[@]}"; do wait "$pid" || failed=1; done
    return "$failed"
}

# Whether nobody else has a port that a service is about to take, under new settings perhaps.
check_ports() {  # SERVICE...
    local service holders holder failed=0
    for service in "$@"; do
        if [ -z "${PORT[$service]:-}" ]; then continue; fi
        mapfile -t holders < <(port_holders "${HOST[$service]}" "${PORT[$service]}")
        for holder in "${holders[@]:1}"; do
            if is_ours "$service" "${holder%% *}"; then continue 2; fi
        done
        if [ "${#holders[@]}" -gt 1 ]; then
            say_taken "$service" "${PORT[$service]}" "${holders[1]}"
            failed=1
        fi
    done
    return "$failed"
}

restart() {
    BEGUN=$(now)
    prepare restarting
    if ! check_ports "${SERVICES[@]}" || ! check_starts "${SERVICES[@]}"; then
        if [ "$NEXT_VENV" != "$VENV" ]; then rm -rf -- "$NEXT_VENV"; fi
        die "$FAILED" "what runs goes on as it was: see the lines above"
    fi
    info "stopping and starting, whatever becomes of this terminal"
    trap '' HUP INT TERM   # what is stopped half-way would stay down
    stop_all "${SERVICES[@]}" || die "$FAILED" "nothing was started: see the lines above"
    use_next_venv
    INSTALLED=no   # what is started from here on has them
    bring_up_all
}

# ----- status

# Those that a workspace always has, and those that it has at the moment.
known_services() {
    SERVICES=(gpu_server backend)
    if [ -n "$DATABASE_URL_SET" ] || [ -e "$(pid_file worker)" ]; then SERVICES+=(worker); fi
    if bot_is_configured || [ -e "$(pid_file telegram_bot)" ]; then SERVICES+=(telegram_bot); fi
}

# Since when a process runs, and its memory in MB.
age_and_memory() {  # PID
    local stat fields since name value megabytes='?'
    { read -r stat < "/proc/$1/stat"; } 2>/dev/null || return 0
    read -r -a fields <<< "${stat##*) }"
    # In clock ticks since boot, of which every Linux makes a hundred a second.
    printf -v since '%(%s)T' -1
    since=$((since - ($(now) - fields[19]) / 100))
    while read -r name value _; do
        if [ "$name" = VmRSS: ]; then megabytes=$((value / 1024)); fi
    done 2>/dev/null < "/proc/$1/status"
    printf 'since %(%F %T)T  %4s MB' "$since" "$megabytes"
}

health_of() {  # SERVICE
    local body
    if [ -z "${PORT[$1]:-}" ]; then
        HEALTH[$1]=
    elif body=$(fetch "${URL[$1]}/health" "$((STARTUP_WAIT < 8 ? STARTUP_WAIT : 8))"); then
        read_health "$1" "$body"
    else
        HEALTH[$1]='does not answer'
    fi
}

# Whether a backend takes nothing more out of its queue, of which its health tells nothing.
drains() {  # SERVICE
    local body
    if [ "$1" != backend ]; then return 1; fi
    body=$(fetch "${URL[$1]}/readyz" "$((STARTUP_WAIT < 3 ? STARTUP_WAIT : 3))" any) || return 1
    [[ $body =~ \"check\":[[:space:]]*\"draining\",[[:space:]]*\"ok\":[[:space:]]*false ]]
}

show_status() {  # SERVICE; returns its LSB code
    local line colour=32 code=0
    locate "$1"
    case ${STATE[$1]} in
        running)
            health_of "$1"
            case ${HEALTH[$1]} in
                'does not answer' | unhealthy) colour=31 code=4 ;;
                degraded) colour=33 ;;
            esac
            if [ "$code" = 0 ] && drains "$1"; then HEALTH[$1]+=', draining' colour=33; fi
            printf -v line '%-13srunning  PID %-8s %s  %s%s' "$1" "${PID[$1]}" "$(age_and_memory "${PID[$1]}")" \
                "${PORT[$1]:+port ${PORT[$1]}  }" "${HEALTH[$1]}"
            ;;
        dead)
            printf -v line '%-13sdead     its PID file is there: %s' "$1" "$(again start)"
            colour=31 code=1
            ;;
        stopped)
            printf -v line '%-13sstopped' "$1"
            colour=33 code=3
            ;;
    esac
    show "$colour" "$line"
    return "$code"
}

# Of several services the worst: dead, then not healthy, then stopped.
status() {
    local service code worst=0
    check_number STARTUP_WAIT "$STARTUP_WAIT" 3600
    find_workspace
    read_settings
    if [ "${#SERVICES[@]}" = 0 ]; then known_services; fi
    for service in "${SERVICES[@]}"; do
        code=0
        show_status "$service" || code=$?
        case $worst$code in
            0? | ?1 | 34) worst=$code ;;
        esac
    done
    return "$worst"
}

# ----- logs

# One tail for all files, which goes on through a rotation; what it says of which file
# comes next (`==> FILE <==`) becomes the prefix of each line.
prefixed() {
    local line name='' held=no
    while IFS= read -r line || [ -n "$line" ]; do
        if [[ $line =~ ^'==> '.*/([a-z_]+)\.log' <=='$ ]]; then
            name=${BASH_REMATCH[1]} held=no
            continue
        fi
        if [ "$held" = yes ]; then printf '%-13s| \n' "$name"; fi
        if [ -z "$line" ]; then
            held=yes   # the one in front of `==>` is tail's
        else
            held=no
            printf '%-13s| %s\n' "$name" "$line"
        fi
    done
}

logs() {  # [SERVICE] [-n LINES] [--no-follow]
    local lines=$LOG_LINES follow=(-F) service files=()
    while (($# > 0)); do
        case $1 in
            -n)
                [[ ${2:-} =~ ^[0-9]{1,9}$ ]] || wrong_argument "-n needs a number of lines"
                lines=$2
                shift
                ;;
            --no-follow) follow=() ;;
            *) take_service "$1" ;;
        esac
        shift
    done
    find_workspace
    read_settings
    if [ "${#SERVICES[@]}" = 0 ]; then known_services; fi
    for service in "${SERVICES[@]}"; do
        if [ -e "$(log_file "$service")" ] || [ "${#follow[@]}" != 0 ]; then files+=("$(log_file "$service")"); fi
    done
    if ! compgen -G "$(printf '%q' "$WORKSPACE/logs/")*.log" > /dev/null || [ "${#files[@]}" = 0 ]; then
        error "there is no log in $WORKSPACE/logs yet: $(again start)"
        return "$FAILED"
    fi
    if [ "${#SERVICES[@]}" = 1 ]; then
        exec tail -n "$lines" "${follow[@]}" -- "${files[@]}" 2>/dev/null
    fi
    # -v: the name too where there is one file so far.
    tail -v -n "$lines" "${follow[@]}" -- "${files[@]}" 2>/dev/null | prefixed
}

# ----- The command line

wrong_argument() {  # TEXT
    usage >&2
    printf '\n%s\n' "$1" >&2
    exit "$WRONG_ARGUMENT"
}

take_service() {  # NAME
    local service
    if [ "${#SERVICES[@]}" != 0 ]; then wrong_argument "one service at a time, or none for all"; fi
    for service in "${EVERY_SERVICE[@]}"; do
        if [ "$1" = "$service" ]; then
            SERVICES=("$service")
            return
        fi
    done
    wrong_argument "there is no service '$1', only ${EVERY_SERVICE[*]}"
}

main() {
    local command=${1-start}
    if (($# > 0)); then shift; fi
    case $command in
        start | stop | restart | status)
            while (($# > 0)); do
                take_service "$1"
                shift
            done
            "$command"
            ;;
        logs) logs "$@" ;;
        doctor)
            # shellcheck source=/dev/null
            source "$CODE/backend/doctor/doctor.sh"
            doctor "$@"
            ;;
        help | -h | --help) usage ;;
        *) wrong_argument "there is no command '$command'" ;;
    esac
}

main "$@"
