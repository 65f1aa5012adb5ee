# SPDX-License-Identifier: MIT
# What `cmake --install` puts where: headers, both libraries, the command, man pages, a pkg-config
# file and a CMake package. Nothing installed names the folder it was built in, so that the tree
# can be moved as a whole.
option(FAC_INSTALL "Make install rules" ${PROJECT_IS_TOP_LEVEL})

# The same name inside a project that adds this one as a folder as after find_package.
add_library(faciliter::faciliter ALIAS faciliter_shared)

if(NOT FAC_INSTALL)
    return()
endif()

include(CMakePackageConfigHelpers)
set(FAC_PACKAGE_DIR "${CMAKE_INSTALL_LIBDIR}/cmake/faciliter")

install(DIRECTORY "${PROJECT_SOURCE_DIR}/include/faciliter"
        DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}" FILES_MATCHING PATTERN "*.h")
install(TARGETS faciliter_shared faciliter_static EXPORT faciliterTargets
        LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}"
        ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}")

# Beside the library, where it looks for them.
foreach(module faciliter_tls faciliter_http)
    if(TARGET ${module})
        install(TARGETS ${module} LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}")
    endif()
endforeach()

# The command, under whichever target name cli/ gives it, finds its library beside itself.
foreach(command faciliter_cli faciliter)
    if(TARGET ${command})
        if(NOT IS_ABSOLUTE "${CMAKE_INSTALL_LIBDIR}" AND NOT IS_ABSOLUTE "${CMAKE_INSTALL_BINDIR}")
            file(RELATIVE_PATH bin_to_lib "/${CMAKE_INSTALL_BINDIR}" "/${CMAKE_INSTALL_LIBDIR}")
            set_target_properties(${command} PROPERTIES INSTALL_RPATH "$ORIGIN/${bin_to_lib}")
        endif()
        install(TARGETS ${command} RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}")
    endif()
endforeach()

foreach(section 1 3 7)
    foreach(folder "${PROJECT_SOURCE_DIR}/man/" "${PROJECT_BINARY_DIR}/man/")
        install(DIRECTORY "${folder}" DESTINATION "${CMAKE_INSTALL_MANDIR}/man${section}" OPTIONAL
                FILES_MATCHING PATTERN "*.${section}")
    endforeach()
endforeach()

# ${pcfiledir} is the folder that pkg-config found the file in.
if(IS_ABSOLUTE "${CMAKE_INSTALL_LIBDIR}" OR IS_ABSOLUTE "${CMAKE_INSTALL_INCLUDEDIR}")
    set(FAC_PC_PREFIX "${CMAKE_INSTALL_PREFIX}")
    set(FAC_PC_LIBDIR "${CMAKE_INSTALL_FULL_LIBDIR}")
    set(FAC_PC_INCLUDEDIR "${CMAKE_INSTALL_FULL_INCLUDEDIR}")
else()
    file(RELATIVE_PATH pc_to_prefix "/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/")
    string(REGEX REPLACE "/$" "" pc_to_prefix "${pc_to_prefix}")
    set(FAC_PC_PREFIX "\${pcfiledir}/${pc_to_prefix}")
    set(FAC_PC_LIBDIR "\${prefix}/${CMAKE_INSTALL_LIBDIR}")
    set(FAC_PC_INCLUDEDIR "\${prefix}/${CMAKE_INSTALL_INCLUDEDIR}")
endif()
set(FAC_PC_PRIVATE)
if(FAC_HAS_HTTP)
    string(APPEND FAC_PC_PRIVATE " -lcurl -ljansson")
endif()
if(FAC_HAS_TLS)
    string(APPEND FAC_PC_PRIVATE " -lssl -lcrypto")
endif()
configure_file("${PROJECT_SOURCE_DIR}/cmake/faciliter.pc.in"
               "${PROJECT_BINARY_DIR}/faciliter.pc" @ONLY)
install(FILES "${PROJECT_BINARY_DIR}/faciliter.pc"
        DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")

configure_package_config_file("${PROJECT_SOURCE_DIR}/cmake/faciliterConfig.cmake.in"
                              "${PROJECT_BINARY_DIR}/faciliterConfig.cmake"
                              INSTALL_DESTINATION "${FAC_PACKAGE_DIR}")
write_basic_package_version_file("${PROJECT_BINARY_DIR}/faciliterConfigVersion.cmake"
                                 COMPATIBILITY SameMinorVersion)
install(FILES "${PROJECT_BINARY_DIR}/faciliterConfig.cmake"
        "${PROJECT_BINARY_DIR}/faciliterConfigVersion.cmake"
        DESTINATION "${FAC_PACKAGE_DIR}")
install(EXPORT faciliterTargets NAMESPACE faciliter:: DESTINATION "${FAC_PACKAGE_DIR}")
