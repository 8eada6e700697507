# Tests of the tree itself and of what is installed. They say the same in every build: only the plain one runs them.
if(CMAKE_CROSSCOMPILING OR BITNET_SANITIZE)
  return()
endif()

function(bitnet_check name)
  add_test(NAME ${name} COMMAND ${ARGN} WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
  set_tests_properties(${name} PROPERTIES LABELS lint)
endfunction()

bitnet_check(rooms tools/check_rooms.sh)
bitnet_check(rooms_self_test tools/check_rooms_test.sh)
bitnet_check(format tools/check_format.sh)
bitnet_check(readme tools/check_readme.sh)
bitnet_check(oracle tools/check_oracle.sh)

# The summary of all tests is what says that they passed: it has tests of its own.
bitnet_check(summary_self_test tools/summarize_tests_test.sh)

# The library never prints, exits or aborts.
get_property(rooms GLOBAL PROPERTY BITNET_ROOMS)
list(REMOVE_ITEM rooms bitnet_cli)
list(TRANSFORM rooms REPLACE "(.+)" "$<TARGET_FILE:\\1>" OUTPUT_VARIABLE archives)
add_test(NAME symbols COMMAND ${PROJECT_SOURCE_DIR}/tools/check_symbols.sh ${archives})

# A project outside the tree, built against the installed package, run with the installed model.
add_test(NAME consumer
         COMMAND ${CMAKE_COMMAND} -DSOURCE_DIR=${PROJECT_SOURCE_DIR} -DBINARY_DIR=${PROJECT_BINARY_DIR}
                 -DCXX=${CMAKE_CXX_COMPILER} -DDATADIR=${CMAKE_INSTALL_DATADIR}
                 -P ${PROJECT_SOURCE_DIR}/tests/consumer.cmake)
