# embed.cmake - text files as one C string: cmake "-DFROM=file;file" -DTO=file.c -DNAME=symbol -DHEADER=path -P embed.cmake
set(bytes "")
foreach(file IN LISTS FROM)
    file(READ ${file} more HEX)
    string(APPEND bytes "${more}")
endforeach()
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${bytes}")
file(WRITE ${TO} "/* generated from ${FROM} */\n#include \"${HEADER}\"\nconst char ${NAME}[] = {${bytes}0};\n")
