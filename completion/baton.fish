# SPDX-License-Identifier: MIT
# fish completion of baton(1): the program itself says what may come next.
function __baton_complete
    set -l words (commandline -opc) (commandline -ct)
    for candidate in ($words[1] __complete $words[2..-1] 2>/dev/null)
        switch $candidate
            case :file
                __fish_complete_path (commandline -ct)
            case :command
                __fish_complete_command
            case '*'
                echo -- $candidate
        end
    end
end
complete -c baton -f -a '(__baton_complete)'
