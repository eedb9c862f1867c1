# SPDX-License-Identifier: Apache-2.0
# coq_run.sh COQC COUNT - compiles COUNT files that come as "NAME BYTES", end of line, so many bytes; says "NAME STATUS BASE64" of each: what
# coqc wrote, its errors when it failed.  A file finds the module of the one before it.  After the first that fails nothing more is compiled.
# Its folder is gone before the last word, for then it may be killed.
umask 077
here=$(mktemp -d) && cd "$here" || exit 1
status=0 left=$2 before=
while [ "$status" = 0 ] && [ "$left" -gt 0 ] && read -r name bytes; do
    mkdir "$here/$name" && cd "$here/$name" && head -c "$bytes" >"$name.v" || exit 1
    [ -z "$before" ] || cp "$here/$before/$before.vo" . 2>/dev/null
    "$1" -q -w none -native-compiler no "$name.v" </dev/null >out 2>err
    status=$? left=$((left - 1)) before=$name
    if [ "$status" = 0 ]; then said=out; else said=err; fi
    said=$(head -c 65536 "$said" | base64 -w 0)
    if [ "$status" != 0 ] || [ "$left" = 0 ]; then cd / && rm -rf "$here"; fi
    printf '%s %s %s\n' "$name" "$status" "$said"
done
