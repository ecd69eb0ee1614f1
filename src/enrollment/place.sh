# Puts a client id into the client-id file. Values: file, id, replace (yes or empty).

LC_ALL=$locale
trimmed() { local text; text=$(head -c 4097 "$file" | tr -d '\0'); text=${text#"${text%%[![:space:]]*}"}; printf '%s' "${text%"${text##*[![:space:]]}"}"; }
if [[ -e $file ]]; then
    [[ -f $file && -r $file ]] || { say "failed $file is there and cannot be read"; exit 0; }
    [[ $(trimmed) != "$id" ]] || { say same; exit 0; }
    [[ $replace ]] || { say other; trimmed | head -c 100; exit 0; }
fi
directory=${file%/*}
as=()
# The nearest directory that is there says whether we may write.
near=$directory
until [[ -d $near || ! $near ]]; do near=${near%/*}; done
[[ -w ${near:-/} ]] || as=(sudo -n)
problem=$({ "${as[@]}" mkdir -p -- "$directory" &&
    printf '%s\n' "$id" | "${as[@]}" tee -- "$file.new" >/dev/null &&
    "${as[@]}" chmod 644 -- "$file.new" &&
    "${as[@]}" mv -f -- "$file.new" "$file"; } 2>&1) || {
    say "failed $file cannot be written: ${problem##*$'\n'}"
    exit 0
}
say placed
