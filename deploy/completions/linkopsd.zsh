#compdef linkopsd
# Completion of linkopsd for zsh.
local -a commands
commands=(
    'serve:serve until SIGTERM'
    'check:say all that is wrong'
    'doctor:look at a whole installation'
    'user:users and their roles'
    'sync:sync once from the repository'
    'import:print a links.yaml from the file of another tool'
    'export:print the inventory for another tool'
    'enroll:put the client id on a machine'
    'audit:the log of acts'
    'backup:a consistent copy of the database'
    'restore:put a copy in the place of the database'
    'version:print the version'
    'help:print all commands'
)
_arguments -C \
    '--config[the configuration]:file:_files' \
    '1:command:->command' \
    '*::argument:->argument'
case $state in
command) _describe command commands ;;
argument)
    case $words[1] in
    user)
        _arguments '1:what:(add passwd list remove)' \
            '--role[what the user may do]:role:(admin operator viewer)' \
            '--password-stdin[read the password from standard input]'
        ;;
    audit) _arguments '1:what:(verify)' '--head[a head noted before]:head' ;;
    backup) _files ;;
    restore) _arguments '1:copy:_files' '--verify[only look at the copy]' ;;
    doctor) _arguments '--url[where users reach the server]:url' '--token-stdin[read a token from standard input]' ;;
    import)
        _arguments '1:format:(ansible ssh-config csv)' '2:file:_files' \
            '--type[what the machines are]:type:(VPS Proxmox VM)' '--user[the login name]:user'
        ;;
    export) _arguments '1:format:(ansible ssh-config known-hosts)' ;;
    enroll) _arguments '1:target' '--run[do the steps]' '--replace[another client id, too]' ;;
    esac
    ;;
esac
