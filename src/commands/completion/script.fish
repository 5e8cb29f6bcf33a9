# fish completion of kubectl-castai_privatelink

function __kubectl_castai_privatelink
    set -l words (commandline -opc)
    set -e words[1]
    set -l current (commandline -ct)
    set -l answer (kubectl-castai_privatelink __complete $words "$current" 2>/dev/null)
    test (count $answer) -gt 0; or return
    set -l directive (string sub -s 2 -- $answer[-1])
    set -e answer[-1]
    # Values of --flag=value come without the flag.
    set -l flag (string match -r -- '^-[^=]*=' "$current")
    if test (count $answer) -gt 0
        for line in $answer
            echo "$flag$line"
        end
    else if test (math "floor($directive / 4) % 2") -eq 0
        for path in (__fish_complete_path (string replace -- "$flag" '' "$current"))
            echo "$flag$path"
        end
    end
end

complete -c kubectl-castai_privatelink -e
complete -c kubectl-castai_privatelink -f -k -a '(__kubectl_castai_privatelink)'
