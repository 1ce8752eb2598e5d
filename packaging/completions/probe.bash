# bash completion for probe(1). Works with bash-completion and without it. The names of probes come
# from the configuration (`probe explain --names`), the topics of help from the program.
# shellcheck shell=bash

_probe_commands='run check wait status explain validate version help'
_probe_urls='mongodb:// mongodb+srv:// tcp:// unix:// http:// https:// http+unix:// pid: pidfile: process: dns:// dns+tcp:// grpc:// grpcs:// grpc+unix:// redis:// rediss:// redis+unix:// postgres:// postgresql:// mysql://'

# The options of a command; of none, those of all.
_probe_options()
{
    local all='-h --help -V --version' config='-c --config --set' agent='--agent --token-file'
    case $1 in
        run) echo "$all $config --timeout -q --quiet" ;;
        check) echo "$all $config --timeout --invert --strict --json -q --quiet -v --verbose" ;;
        wait) echo "$all $config --timeout --interval --successes --any --invert --strict --json -q --quiet -v --verbose" ;;
        status) echo "$all $agent --timeout --watch --strict --json -q --quiet" ;;
        explain) echo "$all $config $agent --timeout --names --json -q --quiet -v --verbose" ;;
        validate) echo "$all $config --lint --json -q --quiet" ;;
        version) echo "$all --json" ;;
        help) echo "$all --names" ;;
        *)
            echo "$all $config $agent --timeout --interval --successes --any --invert --strict --lint --watch" \
                "--names --json -q --quiet -v --verbose"
            ;;
    esac
}

# What is typed for this word so far, and the words before it, with `:` and `=` put back: readline
# breaks words at them.
_probe_words()
{
    local i line=${COMP_LINE:0:COMP_POINT}
    read -ra words <<<"$line"
    [[ $line != *[[:blank:]] && $line != '' ]] || words+=('')
    cword=$((${#words[@]} - 1))
    cur=${words[cword]}
    prev=
    ((cword == 0)) || prev=${words[cword - 1]}
    command=
    config=()
    run=0
    for ((i = 1; i < cword; i++)); do
        case ${words[i]} in
            --)
                run=$i
                return
                ;;
            -c | --config)
                config=(-c "${words[i + 1]/#\~\//$HOME/}")
                ((i++))
                ;;
            --config=*) config=(-c "${words[i]#*=}") ;;
            --set | --agent | --token-file | --timeout | --interval | --successes) ((i++)) ;;
            -*) ;;
            *) [[ -n $command ]] || command=${words[i]} ;;
        esac
    done
}

# readline replaces only what follows the last `:` or `=` of the word: the rest is not to be repeated.
_probe_reply()
{
    local before=${cur%"${cur##*[:=]}"} i
    [[ $COMP_WORDBREAKS == *[:=]* ]] || before=
    for i in "${!COMPREPLY[@]}"; do
        COMPREPLY[i]=${COMPREPLY[i]#"$before"}
    done
}

_probe_files()
{
    compopt -o filenames 2>/dev/null
    mapfile -t COMPREPLY < <(compgen -f -- "$1")
}

_probe_targets()
{
    local urls=''
    [[ $command == status ]] || urls=$_probe_urls
    mapfile -t COMPREPLY < <(
        compgen -W "$("${words[0]}" explain --names "${config[@]}" 2>/dev/null)" -- "$cur"
        compgen -W "$urls" -- "$cur"
    )
    [[ ${#COMPREPLY[@]} != 1 || ${COMPREPLY[0]} != *[/:] ]] || compopt -o nospace 2>/dev/null
}

# KEY= or NAME.KEY=, the keys from the program; behind the = the words that the key takes.
_probe_set()
{
    local keys key prefix=
    if [[ $cur == *=* ]]; then
        key=${cur%%=*}
        keys=$("${words[0]}" help --names values "${key##*.}" 2>/dev/null)
        mapfile -t COMPREPLY < <(compgen -P "$key=" -W "$keys" -- "${cur#*=}" | sort -u)
        _probe_reply
        return
    fi
    keys=$("${words[0]}" help --names keys 2>/dev/null)
    [[ $cur != *.* ]] || prefix=${cur%.*}.
    mapfile -t COMPREPLY < <(compgen -P "$prefix" -S = -W "$keys" -- "${cur##*.}" | sort -u)
    if [[ -z $prefix ]]; then
        mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(
            compgen -S . -W "$("${words[0]}" explain --names "${config[@]}" 2>/dev/null)" -- "$cur"
        )
    fi
    compopt -o nospace 2>/dev/null
}

# COMMAND of wait: a program, then what that program's own completion says, where it can be had.
_probe_command()
{
    if declare -F _command_offset >/dev/null; then
        _command_offset "$(_probe_offset)"
    elif ((cword == run + 1)); then
        mapfile -t COMPREPLY < <(compgen -c -- "$cur")
    else
        _probe_files "$cur"
    fi
}

# Of COMMAND, in the words as readline has them.
_probe_offset()
{
    local i
    for ((i = 1; i < COMP_CWORD; i++)); do
        [[ ${COMP_WORDS[i]} != -- ]] || break
    done
    echo $((i + 1))
}

_probe()
{
    local cur prev cword run command words config
    COMPREPLY=()
    _probe_words
    if ((run)); then
        _probe_command
        return
    fi
    case $prev in
        -c | --config)
            _probe_files "$cur"
            return
            ;;
        --agent | --token-file)
            _probe_files "$cur"
            return
            ;;
        --set)
            _probe_set
            return
            ;;
        --timeout | --interval | --successes) return ;;
    esac
    case $cur in
        --config=* | --agent=* | --token-file=*) _probe_files "${cur#*=}" ;;
        -*)
            mapfile -t COMPREPLY < <(compgen -W "$(_probe_options "$command")" -- "$cur")
            ;;
        *)
            case $command in
                '') mapfile -t COMPREPLY < <(compgen -W "$_probe_commands" -- "$cur") ;;
                run | check | wait | status | explain) _probe_targets && _probe_reply ;;
                help)
                    mapfile -t COMPREPLY < <(
                        compgen -W "$("${words[0]}" help --names 2>/dev/null)" -- "$cur"
                    )
                    ;;
            esac
            ;;
    esac
}

complete -F _probe probe
