# Completion of linkopsd for bash.
_linkopsd() {
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} words=
    COMPREPLY=()
    case $before in
    --role) words='admin operator viewer' ;;
    --config) ;;
    user) words='add passwd list remove' ;;
    audit) words='verify' ;;
    *)
        case " ${COMP_WORDS[*]:1:COMP_CWORD - 1} " in
        *' user add '*) words='--role --password-stdin' ;;
        *' user passwd '*) words='--password-stdin' ;;
        *' audit verify '*) words='--head' ;;
        '  ') words='serve check user sync audit backup version help' ;;
        esac
        words="$words --config"
        ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
}
# Where there is nothing of ours, names of files.
complete -o default -F _linkopsd linkopsd
