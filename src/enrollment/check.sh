# Prints the client-id file. Value: file.

LC_ALL=$locale
[[ -e $file ]] || { say "missing $file does not exist"; exit 0; }
[[ -f $file && -r $file ]] || { say "missing $file cannot be read"; exit 0; }
say found
head -c 4097 "$file"
