# fish completion of tilldeck, for ~/.config/fish/completions/tilldeck.fish
function __tilldeck_complete
    set -l before (commandline -opc)
    set -l program (string replace -r '^~' $HOME -- $before[1])
    set -l word (string unescape -- (commandline -ct) 2>/dev/null)
    or set word (commandline -ct)
    $program complete fish (count $before) -- $before "$word" 2>/dev/null
end
complete -c tilldeck -f -a '(__tilldeck_complete)'
