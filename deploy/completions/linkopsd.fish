# Completion of linkopsd for fish.
complete -c linkopsd -f
complete -c linkopsd -l config -r -F -d 'The configuration'
set -l commands serve check doctor user sync import export enroll audit backup restore version help
complete -c linkopsd -n "not __fish_seen_subcommand_from $commands" -a "$commands"
complete -c linkopsd -n '__fish_seen_subcommand_from user' -a 'add passwd list remove'
complete -c linkopsd -n '__fish_seen_subcommand_from add' -l role -x -a 'admin operator viewer'
complete -c linkopsd -n '__fish_seen_subcommand_from add passwd' -l password-stdin
complete -c linkopsd -n '__fish_seen_subcommand_from audit' -a verify
complete -c linkopsd -n '__fish_seen_subcommand_from verify' -l head -x
complete -c linkopsd -n '__fish_seen_subcommand_from backup restore' -F
complete -c linkopsd -n '__fish_seen_subcommand_from restore' -l verify -d 'Only look at the copy'
complete -c linkopsd -n '__fish_seen_subcommand_from doctor' -l url -x -d 'Where users reach the server'
complete -c linkopsd -n '__fish_seen_subcommand_from doctor' -l token-stdin
complete -c linkopsd -n '__fish_seen_subcommand_from import' -a 'ansible ssh-config csv' -F
complete -c linkopsd -n '__fish_seen_subcommand_from import' -l type -x -a 'VPS Proxmox VM'
complete -c linkopsd -n '__fish_seen_subcommand_from import' -l user -x
complete -c linkopsd -n '__fish_seen_subcommand_from export' -a 'ansible ssh-config known-hosts'
complete -c linkopsd -n '__fish_seen_subcommand_from enroll' -l run -d 'Do the steps'
complete -c linkopsd -n '__fish_seen_subcommand_from enroll' -l replace -d 'Another client id, too'
