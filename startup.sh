#!/usr/bin/env bash
# Starts what is not running yet: the GPU service, the backend, a worker where
# tasks are kept in a database, and a Telegram bot where the workspace has one.
# See usage() below, or ./startup.sh help.
#
# Exit codes:
#   0  everything is up
#   1  a service is not up or not healthy; the end of its log was shown
#   2  a wrong argument or setting
#   3  the workspace, Python or the requirements could not be made ready
#   4  another startup.sh is at work in this workspace
set -euo pipefail

CODE=$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")
WORKSPACE=${WORKSPACE:-$CODE}
PYTHON=${PYTHON:-python3}
STARTUP_WAIT=${STARTUP_WAIT:-30}
SLOW_AFTER=5   # the wait of the specification; past it, one line says so
LOG_LINES=20

STARTUP_LOG=   # set once logs/ is there
INSTALLED=no   # whether this run installed requirements
COMFYUI_ANSWERS=no
declare -A FOLDER URL PID LOG_START HEALTH   # by service

usage() {
    cat <<'TEXT'
Usage: startup.sh [start | help]

Starts the GPU service, then the backend, and waits until both are healthy.
What already runs is left alone. On the first run it makes venv/, installs the
requirements and writes each .env from its template.

Environment:
  WORKSPACE             holds venv/, logs/, data/, models/, workflows/ and the
                        PID files (default: the folder of this script)
  PYTHON                makes the virtual environment (default: python3)
  STARTUP_WAIT          seconds that a service may take to get healthy (30)
  WORKER_GPU_SERVICE    which one of several in GPU_SERVICE_URL is this machine's:
                        with a DATABASE_URL, a worker is started for it
  TELEGRAM_BOT_COMMAND  starts the bot, in WORKSPACE/telegram_bot
                        (default: python main.py, where there is a main.py)
  NO_COLOR              when set, no colours

Hosts and ports are BACKEND_HOST, BACKEND_PORT, GPU_SERVER_HOST and
GPU_SERVER_PORT, from the environment or from each service's .env.

Stop:  kill $(cat backend.pid) $(cat gpu_server.pid)
TEXT
}

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
url_of() {  # HOST PORT
    local host=$1
    case $host in
        0.0.0.0) host=127.0.0.1 ;;
        ::) host=::1 ;;
    esac
    case $host in
        *:*) host="[$host]" ;;
    esac
    printf 'http://%s:%s' "$host" "$2"
}

check_number() {  # NAME VALUE MAXIMUM
    if [[ ! $2 =~ ^[0-9]{1,5}$ ]] || ((10#$2 < 1 || 10#$2 > $3)); then
        die 2 "$1 is '$2': it has to be a number from 1 to $3"
    fi
}

read_settings() {
    local gpu_env=$CODE/gpu_server/.env backend_env=$CODE/backend/.env
    check_number STARTUP_WAIT "$STARTUP_WAIT" 3600
    GPU_HOST=$(setting GPU_SERVER_HOST "$gpu_env" 0.0.0.0)
    GPU_PORT=$(setting GPU_SERVER_PORT "$gpu_env" 8001)
    BACKEND_HOST=$(setting BACKEND_HOST "$backend_env" 0.0.0.0)
    BACKEND_PORT=$(setting BACKEND_PORT "$backend_env" 8000)
    COMFYUI_API_URL=$(setting COMFYUI_API_URL "$gpu_env" http://localhost:8188)
    GENERATION_ENGINE=$(setting GENERATION_ENGINE "$gpu_env" stub)
    check_number GPU_SERVER_PORT "$GPU_PORT" 65535
    check_number BACKEND_PORT "$BACKEND_PORT" 65535
    [ -n "$GPU_HOST" ] || die 2 "GPU_SERVER_HOST is empty: 0.0.0.0 listens everywhere"
    [ -n "$BACKEND_HOST" ] || die 2 "BACKEND_HOST is empty: 0.0.0.0 listens everywhere"
    FOLDER[gpu_server]=$CODE/gpu_server URL[gpu_server]=$(url_of "$GPU_HOST" "$GPU_PORT")
    FOLDER[backend]=$CODE/backend URL[backend]=$(url_of "$BACKEND_HOST" "$BACKEND_PORT")
    DATABASE_URL_SET=$(setting DATABASE_URL "$backend_env" '')
    FOLDER[worker]=$CODE/backend
    FOLDER[telegram_bot]=$WORKSPACE/telegram_bot
}

make_folders() {
    local folder
    mkdir -p -- "$WORKSPACE" 2>/dev/null || die 3 "cannot make the workspace $WORKSPACE"
    WORKSPACE=$(realpath --no-symlinks -- "$WORKSPACE")
    if ! mkdir -p -- "$WORKSPACE/logs" 2>/dev/null || [ ! -w "$WORKSPACE" ] ||
        ! { : >> "$WORKSPACE/logs/startup.log"; } 2>/dev/null; then
        die 3 "cannot write in $WORKSPACE and its logs/: is the disk read-only, or another user's?"
    fi
    STARTUP_LOG=$WORKSPACE/logs/startup.log
    for folder in data models workflows; do
        mkdir -p -- "$WORKSPACE/$folder" 2>/dev/null || warn "cannot make $WORKSPACE/$folder"
    done
    VENV=$WORKSPACE/venv
    STAMP=$VENV/.requirements.sha256
    PIP_LOG=$WORKSPACE/logs/pip.log
}

# Held until the script ends; where a file system has no locks, there is none.
take_lock() {
    local lock outcome=0
    if ! command -v flock > /dev/null; then return; fi
    exec {lock}>> "$WORKSPACE/.startup.lock"
    flock --nonblock --conflict-exit-code 4 "$lock" || outcome=$?
    case $outcome in
        0) ;;
        4) die 4 "another startup.sh is at work in $WORKSPACE: wait until it has ended" ;;
        *) warn "$WORKSPACE cannot be locked: do not run two startup.sh at once" ;;
    esac
}

# Writes a .env from its template, once; a .env that is there is the operator's.
write_env() {  # SERVICE
    local folder=$CODE/$1 text
    if [ -e "$folder/.env" ] || [ -L "$folder/.env" ]; then return; fi
    text=$(< "$folder/.env.template") || die 3 "$folder/.env.template is missing"
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
    ) 2>/dev/null || die 3 "cannot write $folder/.env"
    info "wrote $1/.env from its template"
}

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

# The tag of the environment's Python, such as cpython-311, if it runs and is a venv's.
venv_tag() {
    "$VENV/bin/python" -c 'import sys
if sys.prefix == sys.base_prefix: sys.exit(1)
print(sys.implementation.cache_tag)' 2>/dev/null
}

venv_is_elsewhere() {
    local home
    # shellcheck disable=SC1091
    home=$(source "$VENV/bin/activate" && printf '%s' "$VIRTUAL_ENV")
    [ ! "$home" -ef "$VENV" ]
}

# Says why venv/ has to be made, and fails; or dies where it is not ours to remake.
venv_is_sound() {  # PYTHON_TAG
    if [ -z "$(ls -A -- "$VENV" 2>/dev/null)" ]; then
        info "there is no virtual environment yet"
        return 1
    fi
    if [ ! -e "$VENV/pyvenv.cfg" ] && [ ! -d "$VENV/bin" ]; then
        die 3 "$VENV is not a virtual environment: move it away, and run this again"
    fi
    if [ -z "$1" ] || [ ! -r "$VENV/bin/activate" ]; then
        warn "the virtual environment is unfinished or its Python is gone: making it anew"
        return 1
    fi
    if venv_is_elsewhere; then
        [ -e "$STAMP" ] || die 3 "$VENV was made for another folder: move it away, and run this again"
        warn "the virtual environment was made for another folder: making it anew"
        return 1
    fi
    if [ ! -e "$STAMP" ] && ! "$VENV/bin/python" -m pip --version > /dev/null 2>&1; then
        warn "the virtual environment has no working pip: making it anew"
        return 1
    fi
}

check_python() {  # PYTHON
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null ||
        die 3 "Python 3.10 or newer is needed, and $1 is $("$1" --version 2>&1 || true); PYTHON= chooses another"
}

make_venv() {
    command -v "$PYTHON" > /dev/null ||
        die 3 "there is no $PYTHON: install Python 3.10 or newer (apt-get install python3 python3-venv)"
    check_python "$PYTHON"
    "$PYTHON" -c 'import ensurepip, venv' 2>/dev/null ||
        die 3 "$PYTHON cannot make virtual environments: install its venv module (apt-get install python3-venv)"
    info "making $VENV with $("$PYTHON" --version)"
    if ! "$PYTHON" -m venv --clear "$VENV" > "$PIP_LOG" 2>&1; then
        show_end "$PIP_LOG"
        die 3 "the virtual environment could not be made"
    fi
}

install_requirements() {
    local file files=() what="the requirements"
    if [ -e "$STAMP" ]; then what="the changed requirements"; fi
    while IFS= read -r file; do files+=(--requirement "$file"); done < <(requirement_files)
    info "installing $what, which takes a minute (logs/pip.log)"
    rm -f -- "$STAMP"   # what a failed or interrupted pip leaves is not what was asked for
    if ! "$VENV/bin/python" -m pip install --no-input --disable-pip-version-check "${files[@]}" \
        > "$PIP_LOG" 2>&1 < /dev/null; then
        show_end "$PIP_LOG"
        die 3 "$what could not be installed, so nothing was started (is the network up?): see $PIP_LOG"
    fi
    INSTALLED=yes
}

# Makes venv/ where it is missing or broken, and fills it where the requirements changed.
ensure_venv() {
    local tag
    tag=$(venv_tag) || tag=
    if ! venv_is_sound "$tag"; then
        make_venv
        tag=$(venv_tag) || die 3 "the new virtual environment does not work: see $PIP_LOG"
    fi
    check_python "$VENV/bin/python"
    if [ "$(cat -- "$STAMP" 2>/dev/null)" != "$(wanted_stamp "$tag")" ]; then
        install_requirements
        wanted_stamp "$tag" > "$STAMP"
    fi
    # shellcheck disable=SC1091
    source "$VENV/bin/activate"
}

pid_file() { printf '%s' "$WORKSPACE/$1.pid"; }
log_file() { printf '%s' "$WORKSPACE/logs/$1.log"; }

alive() {  # PID
    local stat
    { read -r stat < "/proc/$1/stat"; } 2>/dev/null && [[ ${stat##*) } != [ZX]* ]]
}

# A process is a service's own when it works in the service's folder and was
# started with its entry point: a PID alone may have gone to somebody else.
is_ours() {  # SERVICE PID
    local word words=()
    if [[ ! $2 =~ ^[0-9]+$ ]] || [ ! "/proc/$2/cwd" -ef "${FOLDER[$1]}" ] || ! alive "$2"; then
        return 1
    fi
    if [ "$1" = telegram_bot ]; then return 0; fi   # its command is free
    { mapfile -d '' -t words < "/proc/$2/cmdline"; } 2>/dev/null || return 1
    for word in "${words[@]}"; do
        case $word in
            worker.py | */worker.py) [ "$1" = worker ] && return 0 ;;
            server.py | */server.py | main.py | */main.py | main:app) [ "$1" != worker ] && return 0 ;;
        esac
    done
    return 1
}

record_pid() {  # SERVICE PID
    local file
    file=$(pid_file "$1")
    PID[$1]=$2
    { printf '%s\n' "$2" > "$file.new" && mv -f -- "$file.new" "$file"; } ||
        warn "cannot write $file: stop $1 with kill $2"
}

# Sets PID[service] by its PID file; a file that names no process of ours goes.
find_running() {  # SERVICE
    local file pid=
    file=$(pid_file "$1")
    if [ ! -e "$file" ]; then return 1; fi
    { read -r pid < "$file"; } 2>/dev/null || true
    if is_ours "$1" "$pid"; then
        PID[$1]=$pid
        return 0
    fi
    warn "$1.pid is stale: PID '$pid' is no longer $1; removing the file"
    rm -f -- "$file"
    return 1
}

# Prints nothing where the port is free, and otherwise `taken`, then `PID COMMAND`
# of each process that listens on it. Tries the bind that the server will make,
# and reads /proc: a small machine has no lsof and no ss.
port_holders() {  # HOST PORT
    python - "$1" "$2" <<'CODE'
import errno, os, socket, sys
from pathlib import Path

host, port = sys.argv[1], int(sys.argv[2])
try:
    for family, kind, protocol, _, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            probe.bind(address)
    sys.exit()
except OSError as reason:
    if reason.errno != errno.EADDRINUSE:
        sys.exit()  # the server will say it better
print("taken")
sockets = set()
for table in ("tcp", "tcp6"):
    for line in Path("/proc/net", table).read_text().splitlines()[1:]:
        field = line.split()
        if field[3] == "0A" and int(field[1].rpartition(":")[2], 16) == port:
            sockets.add(f"socket:[{field[9]}]")
for process in sorted(Path("/proc").glob("[0-9]*"), key=lambda path: int(path.name)):
    try:
        if any(os.readlink(entry) in sockets for entry in (process / "fd").iterdir()):
            command = (process / "cmdline").read_bytes().replace(b"\0", b" ")
            print(process.name, command.decode(errors="replace").strip())
    except OSError:
        continue
CODE
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
    holder=${holders[1]:+PID ${holders[1]}}
    error "$1 cannot start: port $3 is taken by ${holder:-a process that cannot be seen from here}"
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
    printf '=== %(%F %T)T started by startup.sh\n' -1 >> "$log" || die 3 "cannot write $log"
    LOG_START[$service]=$(stat -c %s -- "$log")
    (
        trap - PIPE
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

# The body of a URL that answers 200, asked directly: a proxy knows no loopback.
fetch() {  # URL SECONDS
    if command -v curl > /dev/null; then
        curl --disable --silent --fail --noproxy '*' --max-time "$2" -- "$1" 2>/dev/null
    else
        python - "$1" "$2" 2>/dev/null <<'CODE'
import sys
from urllib.request import ProxyHandler, build_opener

with build_opener(ProxyHandler({})).open(sys.argv[1], timeout=float(sys.argv[2])) as answer:
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

say_already_running() {  # SERVICE
    info "$1 is already running (PID ${PID[$1]})"
    if [ "$INSTALLED" = yes ]; then
        warn "$1 still runs with the requirements of before: kill ${PID[$1]}, then run this again"
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
            error "to start it anew: kill ${PID[$1]}, then run this again; the end of $(log_file "$1"):"
            show_end "$(log_file "$1")"
            ;;
    esac
}

# Brings a service up, unless it is; HEALTH[service] then says how it is.
bring_up() {  # SERVICE HOST PORT COMMAND...
    local service=$1 host=$2 port=$3 outcome=0
    shift 3
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

# A program without a port: all that can be known of it is that it stays alive.
bring_up_silent() {  # SERVICE COMMAND...
    local service=$1 begun
    shift
    if find_running "$service"; then
        say_already_running "$service"
        HEALTH[$service]=running
        return
    fi
    info "starting $service"
    launch "$service" "$@"
    begun=$(now)
    while alive "${PID[$service]}"; do
        if (($(now) - begun >= 100)); then
            info "$service is up (PID ${PID[$service]})"
            HEALTH[$service]=running
            return
        fi
        sleep 0.1
    done
    give_up "$service"
}

bring_up_bot() {
    local program=(python main.py)
    if [ -n "${TELEGRAM_BOT_COMMAND:-}" ]; then program=(bash -c "$TELEGRAM_BOT_COMMAND"); fi
    bring_up_silent telegram_bot "${program[@]}"
}

# Runs the tasks, where they are kept in a database: one beside each GPU service.
bring_up_worker() {
    bring_up_silent worker python worker.py ${WORKER_GPU_SERVICE:+--gpu-service "$WORKER_GPU_SERVICE"}
}

# One line for each service; fails when one of them is not up.
summarize() {  # SERVICE...
    local service line failed=0 files=()
    for service in "$@"; do
        printf -v line '%-13s%-10sPID %-9s%s  %s' "$service" "${HEALTH[$service]:-not up}" \
            "${PID[$service]:--}" "${URL[$service]:-}" "$(log_file "$service")"
        case ${HEALTH[$service]:-} in
            '') error "$line" && failed=1 ;;
            healthy | running) info "$line" ;;
            *) warn "$line" ;;
        esac
        if [ -n "${PID[$service]:-}" ]; then files=("$(pid_file "$service")" "${files[@]}"); fi
    done
    if [ "${HEALTH[gpu_server]:-}" = degraded ]; then
        warn "ComfyUI does not answer at $COMFYUI_API_URL"
    fi
    if [ "$COMFYUI_ANSWERS" = yes ] && [ "${GENERATION_ENGINE,,}" = stub ]; then
        warn "ComfyUI answers, but images are placeholders: set GENERATION_ENGINE=comfyui in"
        warn "$CODE/gpu_server/.env, then kill ${PID[gpu_server]} and run this again"
    fi
    if [ "${#files[@]}" != 0 ]; then info "stop with: kill \$(cat$(printf ' %q' "${files[@]}"))"; fi
    return "$failed"
}

start() {
    local services=(gpu_server backend) hundredths
    BEGUN=$(now)
    trap '' PIPE
    make_folders
    take_lock
    info "starting in $WORKSPACE"
    write_env backend
    write_env gpu_server
    read_settings
    ensure_venv
    bring_up gpu_server "$GPU_HOST" "$GPU_PORT" python server.py
    bring_up backend "$BACKEND_HOST" "$BACKEND_PORT" \
        uvicorn main:app --host "$BACKEND_HOST" --port "$BACKEND_PORT"
    if [ -n "$DATABASE_URL_SET" ]; then
        services+=(worker)
        bring_up_worker
    fi
    if bot_is_configured; then
        services+=(telegram_bot)
        bring_up_bot
    elif [ -n "${TELEGRAM_BOT_COMMAND:-}" ]; then
        warn "TELEGRAM_BOT_COMMAND is set, but there is no folder ${FOLDER[telegram_bot]}"
    else
        info "no Telegram bot is configured"
    fi
    if ! summarize "${services[@]}"; then
        error "not everything is up: see the lines above"
        return 1
    fi
    hundredths=$(($(now) - BEGUN))
    info "everything is up, after $((hundredths / 100)).$((hundredths % 100 / 10)) s"
}

main() {
    local command=${1-start}
    if (($# > 1)); then
        usage >&2
        exit 2
    fi
    case $command in
        start) start ;;
        help | -h | --help) usage ;;
        *)
            usage >&2
            exit 2
            ;;
    esac
}

main "$@"
