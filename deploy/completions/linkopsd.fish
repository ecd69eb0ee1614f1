# Completion of linkopsd for fish.
complete -c linkopsd -f
complete -c linkopsd -l config -r -F -d 'The configuration'
set -l commands serve check user sync audit backup version help
complete -c linkopsd -n "not __fish_seen_subcommand_from $commands" -a "$commands"
complete -c linkopsd -n '__fish_seen_subcommand_from user' -a 'add passwd list remove'
complete -c linkopsd -n '__fish_seen_subcommand_from add' -l role -x -a 'admin operator viewer'
complete -c linkopsd -n '__fish_seen_subcommand_from add passwd' -l password-stdin
complete -c linkopsd -n '__fish_seen_subcommand_from audit' -a verify
complete -c linkopsd -n '__fish_seen_subcommand_from verify' -l head -x
complete -c linkopsd -n '__fish_seen_subcommand_from backup' -F
