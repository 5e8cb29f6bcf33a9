#compdef kubectl-castai_privatelink
# zsh completion of kubectl-castai_privatelink

_kubectl_castai_privatelink() {
    local -a answer candidates
    local line directive value description
    answer=("${(@f)$(kubectl-castai_privatelink __complete "${(@Q)words[2,CURRENT-1]}" "${(Q)PREFIX}" 2>/dev/null)}")
    directive=${answer[-1]#:}
    answer[-1]=()
    # Values of --flag=value come without the flag.
    [[ $PREFIX == -*=* ]] && compset -P '*='
    for line in "${answer[@]}"; do
        value=${line%%$'\t'*}
        description=${line#"$value"}
        candidates+=("${value//:/\\:}${description:+:${description#$'\t'}}")
    done
    if ((${#candidates})); then
        _describe -t candidates candidate candidates
    elif (((directive & 4) == 0)); then
        _files
    fi
}

if [[ ${funcstack[1]} == _kubectl_castai_privatelink ]]; then
    _kubectl_castai_privatelink "$@"
else
    compdef _kubectl_castai_privatelink kubectl-castai_privatelink
fi
