# bash completion of kubectl-castai_privatelink

_kubectl_castai_privatelink() {
    # Bash splits words at = and : as well, which flags and ARNs hold: the line is split anew, at blanks.
    local line=${COMP_LINE:0:COMP_POINT} words=() answer=() value
    read -r -a words <<<"$line"
    [[ $line == *[[:space:]] ]] && words+=("")
    local current=${words[${#words[@]} - 1]}
    while IFS= read -r value; do
        answer+=("$value")
    done < <(kubectl-castai_privatelink __complete "${words[@]:1}" 2>/dev/null)
    [[ ${#answer[@]} -gt 0 ]] || return 0

    local last=$((${#answer[@]} - 1)) flag="" kept
    local directive=${answer[last]#:}
    [[ $current == -*=* ]] && flag=${current%%=*}=
    # What Readline keeps, because it stands before the last place at which bash splits.
    kept=${current%"${current##*[=:]}"}
    COMPREPLY=()
    for value in "${answer[@]:0:last}"; do
        value=$flag${value%%$'\t'*}
        COMPREPLY+=("${value#"$kept"}")
    done
    if ((last == 0 && (directive & 4) == 0)); then
        compopt -o filenames 2>/dev/null
        while IFS= read -r value; do
            COMPREPLY+=("$value")
        done < <(compgen -f -- "${current#"$kept"}")
    fi
}

complete -F _kubectl_castai_privatelink kubectl-castai_privatelink
