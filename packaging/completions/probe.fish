# fish completion for probe(1). The names of probes come from the configuration (`probe explain
# --names`), the topics of help from the program.

# The words before the cursor that are neither options nor their values; the command first.
function __probe_words
    set -l words (commandline -opc)
    set -l skip no
    for word in $words[2..-1]
        if test $skip = yes
            set skip no
            continue
        end
        switch $word
            case -c --config --set --agent --token-file --timeout --interval --successes
                set skip yes
            case '-*'
            case '*'
                echo $word
        end
    end
end

function __probe_no_command
    test (count (__probe_words)) -eq 0
end

function __probe_in
    set -l words (__probe_words)
    test (count $words) -gt 0; and contains -- $words[1] $argv; and not contains -- -- (commandline -opc)
end

# One of these commands, or none yet.
function __probe_takes
    __probe_no_command; or __probe_in $argv
end

# KEY= or NAME.KEY=, the keys from the program; behind the = the words that the key takes.
function __probe_set
    set -l words (commandline -opc)
    set -l token (string replace -r '^--set=' '' -- (commandline -ct))
    if set -l key (string match -r '^[^=]*=' -- $token)
        for value in ($words[1] help --names values (string replace -r '^.*\\.' '' -- (string trim -r -c = -- $key)) 2>/dev/null)
            echo "$key$value"
        end
        return
    end
    set -l name (string match -r '^.*\\.' -- $token)
    for key in ($words[1] help --names keys 2>/dev/null)
        echo "$name$key="
    end
    test -n "$name"; or for probe in (__probe_names)
        echo "$probe."
    end
end

# With the configuration that the line names.
function __probe_names
    set -l words (commandline -opc)
    set -l config
    set -l i 2
    while test $i -le (count $words)
        switch $words[$i]
            case -c --config
                set i (math $i + 1)
                test $i -le (count $words); and set config -c (string replace -r '^~/' "$HOME/" -- $words[$i])
            case '--config=*'
                set config -c (string replace -- --config= '' $words[$i])
        end
        set i (math $i + 1)
    end
    $words[1] explain --names $config 2>/dev/null
end

function __probe_topics
    set -l words (commandline -opc)
    $words[1] help --names 2>/dev/null
end

# COMMAND of wait: what that program's own completion says.
function __probe_after_dashes
    set -l words (commandline -opc)
    contains -- -- $words; and contains -- wait (__probe_words)
end

function __probe_complete_command
    set -l words (commandline -opc)
    set -l at (contains -i -- -- $words)
    complete -C (string join ' ' -- (string escape -- $words[(math $at + 1)..-1]) (commandline -ct))
end

complete -c probe -f

complete -c probe -n __probe_no_command -a run -d 'the agent: runs every probe on its schedule'
complete -c probe -n __probe_no_command -a check -d 'run each probe once, now'
complete -c probe -n __probe_no_command -a wait -d 'retry until all succeed, then become COMMAND'
complete -c probe -n __probe_no_command -a status -d 'ask a running agent for its verdict'
complete -c probe -n __probe_no_command -a explain -d 'the effective configuration'
complete -c probe -n __probe_no_command -a validate -d 'check the configuration'
complete -c probe -n __probe_no_command -a version -d 'the version, and that of every library'
complete -c probe -n __probe_no_command -a help -d 'explain a command, a type, a key, a reason'

complete -c probe -n '__probe_takes run check wait explain validate' -s c -l config -r -F -d 'configuration file'
complete -c probe -n '__probe_takes status explain' -l agent -r -F -d 'the agent: a socket path or http://HOST:PORT'
complete -c probe -n '__probe_takes run check wait status explain' -l timeout -x -d 'limit of a check, of the wait, of the answer'
complete -c probe -n '__probe_takes check wait status explain validate version' -l json -d 'one JSON document on standard output'
complete -c probe -n '__probe_takes run check wait status explain validate' -s q -l quiet -d 'no output but errors'
complete -c probe -n '__probe_takes check wait explain' -s v -l verbose -d 'say more'
complete -c probe -n 'not __probe_after_dashes' -s h -l help -d 'help in short form'
complete -c probe -n 'not __probe_after_dashes' -s V -l version -d 'the version, and that of every library'
complete -c probe -n '__probe_in run check wait explain validate' -l set -x -a '(__probe_set)' -d 'set a key of all targets that have it, or NAME.KEY'
complete -c probe -n '__probe_in wait' -l interval -x -d 'the longest pause between two tries'
complete -c probe -n '__probe_in wait' -l successes -x -d 'successes in a row that are enough'
complete -c probe -n '__probe_in wait' -l any -d 'one target is enough'
complete -c probe -n '__probe_in check wait' -l invert -d 'succeed once the target is truly down'
complete -c probe -n '__probe_in check wait status' -l strict -d 'a warning is a failure'
complete -c probe -n '__probe_in validate' -l lint -d 'missing files of secrets and certificates are no error'
complete -c probe -n '__probe_in status' -l watch -d 'keep following the agent'
complete -c probe -n '__probe_in status explain' -l token-file -r -F -d 'file with the token of the agent'
complete -c probe -n '__probe_in explain help' -l names -d 'print only the names'

complete -c probe -n '__probe_in run check wait status explain' -a '(__probe_names)' -d probe
complete -c probe -n '__probe_in run check wait explain' -a 'mongodb:// mongodb+srv:// tcp:// unix:// http:// https:// http+unix:// pid: pidfile: process: dns:// dns+tcp:// grpc:// grpcs:// grpc+unix:// redis:// rediss:// redis+unix:// postgres:// postgresql:// mysql://' -d URL
complete -c probe -n '__probe_in help' -a '(__probe_topics)' -d topic
complete -c probe -n __probe_after_dashes -a '(__probe_complete_command)'
