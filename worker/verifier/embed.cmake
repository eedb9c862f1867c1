# embed.cmake - a text file as a C string: cmake -DFROM=file -DTO=file.c -DNAME=symbol -DHEADER=path -P embed.cmake
file(READ ${FROM} bytes HEX)
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${bytes}")
file(WRITE ${TO} "/* generated from ${FROM} */\n#include \"${HEADER}\"\nconst char ${NAME}[] = {${bytes}0};\n")
