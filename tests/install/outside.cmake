# The installed library as users outside of this tree meet it. Not in sanitized builds: their programs would have to be
# sanitized too.
if(NOT BATON_SANITIZED)
  add_test(NAME install.outside COMMAND ${CMAKE_CURRENT_LIST_DIR}/outside_test.sh ${PROJECT_BINARY_DIR} ${PROJECT_VERSION})
  set_tests_properties(install.outside PROPERTIES LABELS install TIMEOUT 300
    ENVIRONMENT "CC=${CMAKE_C_COMPILER};CXX=${CMAKE_CXX_COMPILER}")
endif()
