# Completes kubectl-presigned in fish.
function __kubectl_presigned
    set -l words (commandline -opc)
    set -l partial (commandline -ct)
    for line in (kubectl-presigned completion kubectl -- $words[2..-1] "$partial" 2>/dev/null)
        switch $line
            case ':0'
                __fish_complete_path "$partial"
            case ':*'
            case '*'
                echo $line
        end
    end
end
complete -c kubectl-presigned -f -k -a '(__kubectl_presigned)'
