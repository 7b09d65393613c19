# libbaton.so and libbaton.a, both made of the objects of all rooms, and what an installed copy needs.
# Targets for others: baton::baton (shared), baton::baton_static, baton::bs2000 (baton::baton + the BS2000 header names).

get_property(objects GLOBAL PROPERTY BATON_ROOM_OBJECTS)
add_library(baton_shared SHARED ${objects})
add_library(baton_static STATIC ${objects})
add_library(baton_bs2000 INTERFACE)
add_library(baton::baton ALIAS baton_shared)
add_library(baton::baton_static ALIAS baton_static)
add_library(baton::bs2000 ALIAS baton_bs2000)

set(baton_map ${CMAKE_CURRENT_SOURCE_DIR}/cmake/libbaton.map)
foreach(library IN ITEMS baton_shared baton_static)
  set_target_properties(${library} PROPERTIES OUTPUT_NAME baton LINKER_LANGUAGE CXX)
  target_include_directories(${library} INTERFACE
    $<BUILD_INTERFACE:${CMAKE_CURRENT_SOURCE_DIR}/include> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
endforeach()
set_target_properties(baton_shared PROPERTIES EXPORT_NAME baton VERSION ${PROJECT_VERSION} SOVERSION 0
  LINK_DEPENDS ${baton_map})
# nodelete: a thread and fork handlers of the library may outlive dlclose(3).
target_link_options(baton_shared PRIVATE -Wl,--version-script=${baton_map} -Wl,--as-needed -Wl,-z,nodelete
  $<$<NOT:$<BOOL:${BATON_SANITIZED}>>:-Wl,--no-undefined>)
target_link_libraries(baton_shared PRIVATE Threads::Threads)
# Programs in C link the archive with the C compiler.
target_link_libraries(baton_static INTERFACE stdc++ Threads::Threads)
target_include_directories(baton_bs2000 INTERFACE
  $<BUILD_INTERFACE:${CMAKE_CURRENT_SOURCE_DIR}/include/bs2000> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}/bs2000>)
target_link_libraries(baton_bs2000 INTERFACE baton_shared)
set_target_properties(baton_bs2000 PROPERTIES EXPORT_NAME bs2000)

# An installed program finds the library of its own tree, wherever the tree stands.
file(RELATIVE_PATH to_libraries /${CMAKE_INSTALL_BINDIR} /${CMAKE_INSTALL_LIBDIR})
set(CMAKE_INSTALL_RPATH "$ORIGIN/${to_libraries}")

install(TARGETS baton_shared baton_static baton_bs2000 EXPORT baton-targets)
install(DIRECTORY include/baton include/bs2000 DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})

set(package_folder ${CMAKE_INSTALL_LIBDIR}/cmake/baton)
include(CMakePackageConfigHelpers)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/baton-config-version.cmake COMPATIBILITY SameMinorVersion)
install(EXPORT baton-targets NAMESPACE baton:: DESTINATION ${package_folder})
install(FILES cmake/baton-config.cmake ${PROJECT_BINARY_DIR}/baton-config-version.cmake DESTINATION ${package_folder})

# The .pc files find the tree from where they stand, so that `cmake --install --prefix` and moved trees work.
file(RELATIVE_PATH BATON_PC_TO_PREFIX /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
string(REGEX REPLACE "/$" "" BATON_PC_TO_PREFIX ${BATON_PC_TO_PREFIX})
foreach(package IN ITEMS baton baton-bs2000)
  configure_file(cmake/${package}.pc.in ${PROJECT_BINARY_DIR}/${package}.pc @ONLY)
  install(FILES ${PROJECT_BINARY_DIR}/${package}.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
endforeach()
