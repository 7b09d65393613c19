# Warnings are errors for the developers of baton only, never for those who build it.
add_library(baton_warnings INTERFACE)
target_compile_definitions(baton_warnings INTERFACE _GNU_SOURCE)
target_compile_options(baton_warnings INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wcast-qual
  -Wformat=2 -Wundef $<$<COMPILE_LANGUAGE:CXX>:-Wnon-virtual-dtor> -Wswitch-enum $<$<BOOL:${BATON_DEVELOPER}>:-Werror>)
# What the sanitizers put in makes g++ see these where they are not.
if(BATON_SANITIZED AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  target_compile_options(baton_warnings INTERFACE -Wno-maybe-uninitialized -Wno-stringop-overflow)
endif()

# For programs with Asio's coroutines. g++ 12 takes their operators for others, and sees uninitialized members under its
# sanitizers; Asio 1.22 does not know that clang has coroutines.
add_library(baton_coroutines INTERFACE)
target_compile_options(baton_coroutines INTERFACE $<$<CXX_COMPILER_ID:GNU>:-Wno-mismatched-new-delete>)
if(BATON_SANITIZED)
  target_compile_options(baton_coroutines INTERFACE $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)
endif()
target_compile_definitions(baton_coroutines INTERFACE
  $<$<CXX_COMPILER_ID:Clang>:ASIO_HAS_CO_AWAIT ASIO_HAS_STD_COROUTINE>)
