# Warnings are errors for the developers of baton only, never for those who build it.
add_library(baton_warnings INTERFACE)
target_compile_definitions(baton_warnings INTERFACE _GNU_SOURCE)
target_compile_options(baton_warnings INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wcast-qual
  -Wformat=2 -Wundef $<$<COMPILE_LANGUAGE:CXX>:-Wnon-virtual-dtor> -Wswitch-enum $<$<BOOL:${BATON_DEVELOPER}>:-Werror>)
# What the sanitizers put in makes g++ see these where they are not.
if(BATON_SANITIZED AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  target_compile_options(baton_warnings INTERFACE -Wno-maybe-uninitialized -Wno-stringop-overflow)
endif()
