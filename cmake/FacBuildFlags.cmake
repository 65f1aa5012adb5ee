# SPDX-License-Identifier: MIT
# How every target of this project is compiled: fac_target(name) applies it.
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
if(PROJECT_IS_TOP_LEVEL AND NOT CMAKE_BUILD_TYPE)
    set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()

# CMake's own default is -O3, which makes the library a tenth larger. Who wants it says so in CFLAGS, or
# in another order: this string cannot be told from the default.
if(PROJECT_IS_TOP_LEVEL AND CMAKE_C_FLAGS_RELEASE STREQUAL "-O3 -DNDEBUG")
    set(CMAKE_C_FLAGS_RELEASE "-O2 -DNDEBUG")
endif()

find_package(Threads REQUIRED)

set(FAC_WARNINGS
    -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes
    -Wold-style-definition -Wvla -Wundef -Wpointer-arith -Wcast-align -Wcast-qual -Wwrite-strings
    -Wformat=2 -Wswitch-enum -Wnull-dereference -Wdouble-promotion -Wredundant-decls -Wdate-time)
if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
    list(APPEND FAC_WARNINGS -Wimplicit-fallthrough=5 -Wjump-misses-init -Wduplicated-cond
         -Wduplicated-branches -Wlogical-op)
else()
    list(APPEND FAC_WARNINGS -Wimplicit-fallthrough -Wthread-safety -Wdocumentation)
endif()

include(CheckCCompilerFlag)
set(FAC_HARDENING -fstack-protector-strong -fno-strict-overflow -fno-delete-null-pointer-checks)
foreach(flag stack-clash-protection cf-protection=full)
    string(MAKE_C_IDENTIFIER "FAC_HAS_${flag}" has_flag)
    check_c_compiler_flag("-f${flag}" ${has_flag})
    if(${has_flag})
        list(APPEND FAC_HARDENING "-f${flag}")
    endif()
endforeach()
if(NOT FAC_SANITIZE)
    # 3 sees sizes that 2 does not, where compiler and libc know it; elsewhere it means 2.
    list(APPEND FAC_HARDENING $<$<NOT:$<CONFIG:Debug>>:-U_FORTIFY_SOURCE>
         $<$<NOT:$<CONFIG:Debug>>:-D_FORTIFY_SOURCE=3>)
endif()

set(FAC_LINK_HARDENING -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack -Wl,-z,separate-code)

function(fac_target name)
    set_target_properties(${name} PROPERTIES C_STANDARD 11 C_STANDARD_REQUIRED ON C_EXTENSIONS OFF
                          C_VISIBILITY_PRESET hidden)
    target_compile_definitions(${name} PRIVATE _GNU_SOURCE)
    target_compile_options(${name} PRIVATE ${FAC_WARNINGS} ${FAC_HARDENING}
                           $<$<BOOL:${FAC_WERROR}>:-Werror>)
    if(FAC_SANITIZE)
        target_compile_options(${name} PRIVATE -fsanitize=${FAC_SANITIZE} -fno-omit-frame-pointer -g)
        target_link_options(${name} PRIVATE -fsanitize=${FAC_SANITIZE})
        if(FAC_SANITIZE MATCHES "undefined")
            target_compile_options(${name} PRIVATE -fno-sanitize-recover=undefined)
        endif()
    endif()
    if(FAC_COVERAGE)
        target_compile_options(${name} PRIVATE --coverage -O0 -g)
        target_link_options(${name} PRIVATE --coverage)
    endif()
endfunction()
