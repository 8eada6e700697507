# bitnet_room(<path> [FOLDERS <subfolder>...] [DEPS <room or library>...])
#
# Makes the static library of one room of docs/ARCHITECTURE.md from the *.cpp files in the calling folder, and one
# test program from its *_test.cpp files. `path` is the room's folder under src/; the target is bitnet_<path with _>.
function(bitnet_room path)
  cmake_parse_arguments(ARG "" "" "FOLDERS;DEPS" ${ARGN})
  string(REPLACE "/" "_" name ${path})
  set(target bitnet_${name})
  list(TRANSFORM ARG_FOLDERS APPEND /*.cpp OUTPUT_VARIABLE sources_below)
  list(TRANSFORM ARG_FOLDERS APPEND /*_test.cpp OUTPUT_VARIABLE tests_below)
  file(GLOB sources CONFIGURE_DEPENDS *.cpp ${sources_below})
  file(GLOB tests CONFIGURE_DEPENDS *_test.cpp ${tests_below})
  list(REMOVE_ITEM sources ${tests})
  add_library(${target} STATIC ${sources})
  target_include_directories(${target} PUBLIC ${PROJECT_SOURCE_DIR}/src ${PROJECT_SOURCE_DIR}/include)
  target_link_libraries(${target} PUBLIC ${ARG_DEPS})
  set_property(GLOBAL APPEND PROPERTY BITNET_ROOMS ${target})
  if(BUILD_TESTING AND tests)
    bitnet_test(${name}_test SOURCES ${tests} DEPS ${target})
  endif()
endfunction()

# bitnet_test(<name> SOURCES <files> DEPS <libraries> [LABELS <labels>])
# A GoogleTest program, registered with ctest test by test when it is built.
function(bitnet_test name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS;LABELS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE ${ARG_DEPS} GTest::gtest GTest::gtest_main rapidcheck)
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR}/tests)
  target_compile_definitions(${name} PRIVATE BITNET_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
  # What is tested is optimised; the test itself only has to compile soon: the headers of the test libraries once for
  # ten files.
  set_target_properties(${name} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 10)
  if(BITNET_SANITIZE OR CMAKE_CROSSCOMPILING)
    target_compile_options(${name} PRIVATE -O0)
  elseif(CMAKE_BUILD_TYPE STREQUAL Release)
    target_compile_options(${name} PRIVATE -O1)
  endif()
  if(CMAKE_CROSSCOMPILING)
    set(mode PRE_TEST)  # programs of another processor cannot be asked for their tests while building
  else()
    set(mode POST_BUILD)
  endif()
  gtest_discover_tests(${name} PROPERTIES LABELS "${ARG_LABELS}" DISCOVERY_MODE ${mode} DISCOVERY_TIMEOUT 60
                       TEST_PREFIX "${name}: ")
endfunction()
