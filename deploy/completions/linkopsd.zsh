#compdef linkopsd
# Completion of linkopsd for zsh.
local -a commands
commands=(
    'serve:serve until SIGTERM'
    'check:say all that is wrong'
    'user:users and their roles'
    'sync:sync once from the repository'
    'audit:the log of acts'
    'backup:a consistent copy of the database'
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
    esac
    ;;
esac
