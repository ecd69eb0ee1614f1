# Completion of linkopsd for bash.
_linkopsd() {
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} words=
    COMPREPLY=()
    case $before in
    --role) words='admin operator viewer' ;;
    --config) ;;
    --type) words='VPS Proxmox VM' ;;
    user) words='add passwd list remove' ;;
    audit) words='verify' ;;
    import) words='ansible ssh-config csv' ;;
    export) words='ansible ssh-config known-hosts' ;;
    *)
        case " ${COMP_WORDS[*]:1:COMP_CWORD - 1} " in
        *' user add '*) words='--role --password-stdin' ;;
        *' user passwd '*) words='--password-stdin' ;;
        *' audit verify '*) words='--head' ;;
        *' restore '*) words='--verify' ;;
        *' doctor '*) words='--url --token-stdin' ;;
        *' import '*) words='--type --user' ;;
        *' enroll '*) words='--run --replace' ;;
        '  ') words='serve check doctor user sync import export enroll audit backup restore version help' ;;
        esac
        words="$words --config"
        ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
}
# Where there is nothing of ours, names of files.
complete -o default -F _linkopsd linkopsd
