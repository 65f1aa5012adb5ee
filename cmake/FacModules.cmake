# SPDX-License-Identifier: MIT
# The parts of the library that need other libraries. Each is a module of its own, which is loaded
# when an address asks for it, and is linked into the static library. FAC_HAS_TLS and FAC_HAS_HTTP say
# what this build has.
set(FAC_HAS_TLS OFF)
set(FAC_HAS_HTTP OFF)
if(FAC_TLS)
    find_package(OpenSSL 3)
    if(OPENSSL_FOUND)
        set(FAC_HAS_TLS ON)
    else()
        message(WARNING "no OpenSSL 3 (package libssl-dev): built without TLS")
    endif()
endif()
if(FAC_HTTP AND FAC_HAS_TLS)
    find_package(CURL 7.85)
    find_path(JANSSON_INCLUDE_DIR jansson.h)
    find_library(JANSSON_LIBRARY jansson)
    if(CURL_FOUND AND JANSSON_INCLUDE_DIR AND JANSSON_LIBRARY)
        set(FAC_HAS_HTTP ON)
    else()
        message(WARNING "no libcurl or no jansson (packages libcurl4-openssl-dev, libjansson-dev): "
                        "built without https")
    endif()
endif()

# fac_module(name source… OBJECTS target LIBRARIES library…): name.so, beside the library.
function(fac_module name)
    cmake_parse_arguments(arg "" "" "OBJECTS;LIBRARIES" ${ARGN})
    add_library(${name} MODULE ${arg_UNPARSED_ARGUMENTS})
    foreach(objects IN LISTS arg_OBJECTS)
        target_sources(${name} PRIVATE $<TARGET_OBJECTS:${objects}>)
    endforeach()
    fac_target(${name})
    target_include_directories(${name} PRIVATE "${PROJECT_SOURCE_DIR}/src"
                               "${PROJECT_SOURCE_DIR}/include")
    set_target_properties(${name} PROPERTIES PREFIX "" LIBRARY_OUTPUT_DIRECTORY
                          "$<TARGET_FILE_DIR:faciliter_shared>")
    # What it uses of base is in it once more: the library shows nothing but its contract.
    target_link_libraries(${name} PRIVATE faciliter_static ${arg_LIBRARIES})
    target_link_options(${name} PRIVATE ${FAC_LINK_HARDENING} -Wl,-z,nodelete -Wl,--as-needed
                        -Wl,--exclude-libs,ALL)
    add_dependencies(faciliter_shared ${name})
endfunction()
