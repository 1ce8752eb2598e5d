# Functions of clang-formatted C that are too long: one begins with its signature, its body lies
# between lines that are a brace alone.
FNR == 1 { start = body = 0 }
body && /^}$/ {
    if (FNR - start + 1 > 60)
        print FILENAME ":" start ": a function of " FNR - start + 1 " lines, over 60"
    start = body = 0
    next
}
body { next }
/^{$/ { body = 1; next }
/^[A-Za-z_].*[^;]$/ { if (!start) start = FNR; next }
/^[ \t]/ { next }
{ start = 0 }
