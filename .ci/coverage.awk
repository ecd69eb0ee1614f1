# Lines of src/ from an lcov file, without the parts that are for tests only.

# Where the tests of a file begin; they stand at its end.
function tests_of(file, line, number, previous) {
    if (file ~ /\/tests\.rs$|\/tests\//) return 1
    number = 0
    while ((getline line < file) > 0) {
        number++
        if (previous == "#[cfg(test)]" && line ~ /^(pub )?mod .*\{$/) {
            close(file)
            return number
        }
        previous = line
    }
    close(file)
    return 1e9
}

function percent(hit, of) { return of ? 100 * hit / of : 100 }

/^SF:/ {
    file = substr($0, 4)
    name = substr(file, length(root) + 1)
    ours = index(file, root "src/") == 1
    if (ours) tests = tests_of(file)
}

/^DA:/ && ours {
    split(substr($0, 4), part, ",")
    if (part[1] + 0 < tests) {
        found[name]++
        if (part[2] + 0 > 0) hit[name]++
    }
}

END {
    for (name in found) {
        printf "%6.1f %%  %5d of %5d  %s\n", percent(hit[name], found[name]), hit[name], found[name], name | "sort -k6"
        all += found[name]
        covered += hit[name]
    }
    close("sort -k6")
    printf "%6.1f %%  %5d of %5d  in all\n", percent(covered, all), covered, all
    if (!all || percent(covered, all) < least) {
        printf "coverage: less than %d %%\n", least > "/dev/stderr"
        exit 1
    }
}
