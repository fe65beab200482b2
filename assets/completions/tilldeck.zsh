#compdef tilldeck
# zsh completion of tilldeck, for a file _tilldeck in a folder of $fpath
_tilldeck() {
    local program=${words[1]/#\~/$HOME} line
    local -a values shown open open_shown
    for line in "${(@f)$("$program" complete zsh $((CURRENT - 1)) -- "${words[@]}" 2>/dev/null)}"; do
        [[ -n $line ]] || continue
        local value=${line%%$'\t'*} text=${line/$'\t'/  -- }
        if [[ $value == *[/=] ]]; then
            open+=("$value") open_shown+=("$text")
        else
            values+=("$value") shown+=("$text")
        fi
    done
    # The candidates are quoted already.
    (( $#open )) && compadd -QU -l -S '' -d open_shown -a open
    (( $#values )) && compadd -QU -l -d shown -a values
}
if [ "$funcstack[1]" = "_tilldeck" ]; then
    _tilldeck "$@"
else
    compdef _tilldeck tilldeck
fi
