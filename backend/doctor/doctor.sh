# shellcheck shell=bash
# What `./startup.sh doctor` does: it is read by startup.sh, whose functions it uses, for this
# command alone. What can be told without the virtual environment is told here, the rest by the
# services' own doctors, in Python; here all of it is shown.

# Says a finding: level (green, yellow, red), subject, text and way out, with tabs between, as
# the services' own doctors print it too.
found() {  # LEVEL SUBJECT TEXT [WAY_OUT]
    printf '%s\t%s\t%s\t%s\n' "$1" "$2" "${3//[$'\t\n']/ }" "${4:-}"
}

# Whether there is an environment to look from, which is all that needs no environment.
examine_python() {
    local tag fault
    tag=$(venv_tag "$VENV") || tag=
    fault=$(venv_fault "$tag")
    if [ -z "$fault" ] && ! python_is_new_enough "$VENV/bin/python"; then
        fault="foreign Python 3.10 or newer is needed, and $VENV has $("$VENV/bin/python" --version 2>&1)"
    fi
    if [ -z "$fault" ]; then
        if [ ! -e "$VENV/$STAMP" ]; then
            found yellow python "$VENV was made by hand, or not finished" "$(again start) completes it"
        elif [ "$(< "$VENV/$STAMP")" != "$(wanted_stamp "$tag")" ]; then
            found yellow python "the requirements have changed since $VENV was made" "$(again restart)"
        else
            found green python "$("$VENV/bin/python" --version) in $VENV"
        fi
        return
    fi
    case $fault in
        foreign\ *) found red python "${fault#foreign }" "move it away, then $(again start)" ;;
        *) found red python "$fault" "$(again start) makes it" ;;
    esac
    fault=$(python_fault "$PYTHON")
    if [ -n "$fault" ]; then found red python "${fault%%:*}" "${fault#*: }"; fi
    return 1
}

examine_workspace() {
    local folder
    for folder in "$WORKSPACE" "$WORKSPACE/logs"; do
        if [ -e "$folder" ] && [ ! -w "$folder" ]; then
            found red workspace "$folder cannot be written" "is the disk read-only, or another user's?"
            return
        fi
    done
    found green workspace "$WORKSPACE can be written"
}

examine_service() {  # SERVICE
    local holders=()
    locate "$1"
    case ${STATE[$1]} in
        running)
            health_of "$1"
            case ${HEALTH[$1]} in
                'does not answer' | unhealthy)
                    found red "$1" "PID ${PID[$1]} runs, and ${HEALTH[$1]}" "$(again logs "$1"), $(again restart "$1")" ;;
                degraded) found yellow "$1" "${URL[$1]} is degraded: what stands behind it is away" ;;
                *) found green "$1" "${URL[$1]:-PID ${PID[$1]}} is ${HEALTH[$1]:-running}" ;;
            esac
            # shellcheck disable=SC2153  # it is startup.sh's
            if [ "${FOLDER[$1]}/.env" -nt "$(pid_file "$1")" ]; then
                found yellow "$1" "its .env was changed after it was started" "$(again restart "$1")"
            fi
            return
            ;;
        dead) found red "$1" "has ended by itself" "$(again logs "$1") says why; $(again start)" ;;
        stopped) found yellow "$1" "is not started" "$(again start)" ;;
    esac
    if [ -z "${PORT[$1]:-}" ]; then return; fi
    mapfile -t holders < <(port_holders "${HOST[$1]}" "${PORT[$1]}")
    if [ "${#holders[@]}" = 0 ]; then return; fi
    found red "$1" "its port ${PORT[$1]} is taken by ${holders[1]:+PID }${holders[1]:-a process that cannot be seen from here}" \
        "end that, or set another port in $1/.env"
}

# What a service's own doctor finds; where it breaks down, that is a finding too.
ask_doctor() {  # MODULE ARGUMENTS...
    local complaint outcome=0
    {
        complaint=$(cd -- "$CODE" && "$VENV/bin/python" -m "$@" 2>&1 >&3 3>&- < /dev/null) || outcome=$?
    } 3>&1
    if [ "$outcome" != 0 ]; then
        found red "${1%%.*}" "cannot be looked at: ${complaint##*$'\n'}" "$(again restart)"
    fi
}

# Whether it is ours that hears what is sent to a service's port. One that runs may have been
# given another port since, on which somebody else listens.
hears() {  # SERVICE
    local holders=() holder
    if [ "${STATE[$1]}" != running ] || [ -z "${PORT[$1]:-}" ]; then return 1; fi
    mapfile -t holders < <(port_holders "${HOST[$1]}" "${PORT[$1]}")
    for holder in "${holders[@]:1}"; do
        if is_ours "$1" "${holder%% *}"; then return 0; fi
    done
    return 1
}

# By way of the backend only where it is ours: it is sent a key. One that hangs is not waited for.
try_image() {
    if ! hears backend; then
        ask_doctor backend.doctor.selftest
    elif [ "${HEALTH[backend]}" = 'does not answer' ]; then
        found yellow selftest "is not tried: the backend does not answer"
    else
        ask_doctor backend.doctor.selftest "${URL[backend]}"
    fi
}

findings() {
    local service files=() looking=yes
    examine_python || looking=no
    examine_workspace
    if [ "$looking" = yes ]; then
        mapfile -t files < <(requirement_files)
        ask_doctor backend.doctor "${files[@]}"
        ask_doctor gpu_server.doctor
    else
        found yellow 'the rest' "packages, settings, GPU, ComfyUI and workflows are looked at from the environment"
    fi
    for service in "${SERVICES[@]}"; do
        examine_service "$service"
        if [ "$looking" = yes ] && hears "$service"; then
            ask_doctor backend.doctor.probes "$service" "${URL[$service]}"
        fi
    done
    if [ "$looking" = yes ]; then try_image; fi
    found green end ''
}

json_text() {  # TEXT
    local text=${1//\\/\\\\}
    text=${text//\"/\\\"}
    printf '"%s"' "${text//[[:cntrl:]]/ }"
}

show_finding() {  # LEVEL SUBJECT TEXT WAY_OUT
    local mark colour
    case $1 in
        green) mark=' ok ' colour=32 ;;
        yellow) mark=warn colour=33 ;;
        *) mark=FAIL colour=31 ;;
    esac
    show "$colour" "$(printf '%s  %-15s %s' "$mark" "$2" "$3")"
    if [ -n "$4" ]; then printf '                      -> %s\n' "$4"; fi
}

doctor() {  # [--json]
    local level subject='' text way_out worst=green json=() as_json=no
    local -A count=([green]=0 [yellow]=0 [red]=0)
    case $#${1:-} in
        0) ;;
        1--json) as_json=yes ;;
        *) wrong_argument "doctor takes --json, or nothing" ;;
    esac
    check_number STARTUP_WAIT "$STARTUP_WAIT" 3600
    find_workspace
    read_settings
    known_services
    while IFS=$'\x1f' read -r level subject text way_out; do
        if [ "$subject" = end ]; then break; fi
        count[$level]=$((count[$level] + 1))
        if [ "$as_json" = no ]; then
            show_finding "$level" "$subject" "$text" "$way_out"
        else
            json+=("{\"level\": \"$level\", \"subject\": $(json_text "$subject"), \"text\": $(json_text "$text"), \"way_out\": $(json_text "$way_out")}")
        fi
    done < <(findings | tr '\t' '\37')   # read would take two tabs for one
    [ "$subject" = end ] || die "$FAILED" "doctor broke off: this is a bug"
    if [ "${count[yellow]}" != 0 ]; then worst=yellow; fi
    if [ "${count[red]}" != 0 ]; then worst=red; fi
    if [ "$as_json" = yes ]; then
        printf '{"status": "%s", "workspace": %s, "findings": [\n  %s' "$worst" "$(json_text "$WORKSPACE")" "${json[0]}"
        if [ "${#json[@]}" -gt 1 ]; then printf ',\n  %s' "${json[@]:1}"; fi
        printf '\n]}\n'
    else
        show 0 "${count[red]} red, ${count[yellow]} yellow, ${count[green]} green"
    fi
    [ "$worst" != red ]
}
